//! The queue between the load-image notify routine and the worker: a fixed number of slots, made before the first load.
//!
//! The notify routine puts captures in and never waits or allocates; when every slot is taken the new capture is dropped and
//! counted. The worker takes them out in order.

use crate::host::NoMemory;
use crate::memory::filled;
use alloc::vec::Vec;

/// Longest path, in UTF-16 units, that a capture holds; the file behind a longer one is reported as unreadable.
pub const PATH_UNITS: usize = 384;

/// Image loads that can wait to be weighed.
pub const SLOTS: usize = 64;

/// Image bases remembered until the images loaded before the driver have been enumerated.
const SEEN: usize = 64;

/// A path of bounded length.
#[derive(Clone, Copy)]
pub struct Path {
    units: [u16; PATH_UNITS],
    length: u16,
    cut: bool,
}

impl Path {
    /// A path without units.
    pub const EMPTY: Self = Self {
        units: [0; PATH_UNITS],
        length: 0,
        cut: false,
    };

    /// The path, or as much of it as fits.
    pub fn new(units: impl IntoIterator<Item = u16>) -> Self {
        let mut path = Self::EMPTY;
        path.set(units);
        path
    }

    /// Becomes the path of these units, or of as many as fit.
    pub fn set(&mut self, units: impl IntoIterator<Item = u16>) {
        self.length = 0;
        self.cut = false;
        for unit in units {
            let Some(slot) = self.units.get_mut(usize::from(self.length)) else {
                self.cut = true;
                break;
            };
            *slot = unit;
            self.length = self.length.saturating_add(1);
        }
    }

    /// The units.
    pub fn units(&self) -> &[u16] {
        self.units.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// Whether the path was longer than fits.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// What the kernel says of an image load, and the reference that keeps the file object alive until it is weighed.
pub struct Capture<L> {
    /// Path as given; empty when the kernel gave none.
    pub path: Path,
    /// Process the load was reported for; 0 for a driver.
    pub process_id: u64,
    /// Address the image was mapped at.
    pub base: u64,
    /// Size of the mapped image in bytes.
    pub size: u64,
    /// `IMAGE_INFO.Properties`.
    pub properties: u32,
    /// System time of the load, FILETIME.
    pub time: i64,
    /// [`Host::ticks`](crate::host::Host::ticks) at the load.
    pub ticks: u64,
    /// The file object, where the kernel gave one.
    pub loaded: Option<L>,
}

/// The queue.
pub struct Intake<L> {
    slots: Vec<Option<Capture<L>>>,
    first: usize,
    used: usize,
    seen: Option<Vec<u64>>,
}

impl<L> Intake<L> {
    /// An empty queue of [`SLOTS`].
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_new() -> Result<Self, NoMemory> {
        let mut seen = Vec::new();
        seen.try_reserve_exact(SEEN).map_err(|_| NoMemory)?;
        Ok(Self {
            slots: filled(SLOTS, || None)?,
            first: 0,
            used: 0,
            seen: Some(seen),
        })
    }

    /// Takes the capture, or leaves it where it is when the queue is full.
    pub fn push(&mut self, capture: &mut Option<Capture<L>>) {
        if let (Some(seen), Some(capture)) = (&mut self.seen, &capture)
            && seen.len() < seen.capacity()
        {
            seen.push(capture.base);
        }
        let index = self
            .first
            .saturating_add(self.used)
            .checked_rem(self.slots.len())
            .unwrap_or(0);
        if let Some(slot @ None) = self.slots.get_mut(index) {
            *slot = capture.take();
            self.used = self.used.saturating_add(1);
        }
    }

    /// Takes the oldest capture.
    pub fn pop(&mut self) -> Option<Capture<L>> {
        let capture = self.slots.get_mut(self.first)?.take()?;
        self.first = self
            .first
            .saturating_add(1)
            .checked_rem(self.slots.len())
            .unwrap_or(0);
        self.used = self.used.saturating_sub(1);
        Some(capture)
    }

    /// Whether a load of the image at this base was reported, so that it is no image that was loaded before the driver.
    pub fn has_seen(&self, base: u64) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.contains(&base))
    }

    /// The images loaded before the driver have been enumerated: bases need no longer be remembered. The caller drops
    /// what is returned where memory may be freed.
    pub fn forget_seen(&mut self) -> Option<Vec<u64>> {
        self.seen.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(base: u64) -> Capture<()> {
        Capture {
            path: Path::new([]),
            process_id: 0,
            base,
            size: 0,
            properties: 0,
            time: 0,
            ticks: 0,
            loaded: None,
        }
    }

    #[test]
    fn keeps_order_and_refuses_when_full() {
        let mut intake = Intake::try_new().expect("memory");
        for round in 0..3_u64 {
            for number in 0..SLOTS as u64 {
                let mut offered = Some(capture(round * 1000 + number));
                intake.push(&mut offered);
                assert!(offered.is_none(), "taken");
            }
            let mut offered = Some(capture(9));
            intake.push(&mut offered);
            assert_eq!(offered.map(|back| back.base), Some(9), "left where it was");
            for number in 0..SLOTS as u64 {
                assert_eq!(
                    intake.pop().map(|capture| capture.base),
                    Some(round * 1000 + number)
                );
            }
            assert!(intake.pop().is_none());
        }
    }

    #[test]
    fn remembers_bases_until_told_to_forget() {
        let mut intake = Intake::try_new().expect("memory");
        intake.push(&mut Some(capture(0x1000)));
        assert!(intake.has_seen(0x1000) && !intake.has_seen(0x2000));
        drop(intake.forget_seen());
        assert!(!intake.has_seen(0x1000));
    }

    #[test]
    fn a_long_path_is_cut_and_says_so() {
        let exact = Path::new(core::iter::repeat_n(65, PATH_UNITS));
        assert!(!exact.is_cut());
        let long = Path::new(core::iter::repeat_n(65, PATH_UNITS + 1));
        assert!(long.is_cut());
        assert_eq!(long.units(), exact.units());
    }
}
