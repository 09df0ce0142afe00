//! The event ring: records in a fixed number of bytes, oldest overwritten first, each with its sequence number.
//!
//! Reading takes nothing out, so any number of readers can follow at their own pace; a reader that falls behind is told
//! exactly how many records it missed.

use crate::host::NoMemory;
use crate::memory::filled;
use crate::memory::wide;
use alloc::vec::Vec;
use protocol::event::Head;
use zerocopy::FromBytes;

/// Bytes the driver keeps for events.
pub const RING_BYTES: usize = 160 * 1024;

/// The ring.
pub struct EventRing {
    bytes: Vec<u8>,
    /// Logical position of the oldest record; positions only grow, and are taken modulo the capacity.
    start: u64,
    /// Logical position after the newest record.
    end: u64,
    /// Sequence number of the newest record.
    newest: u64,
    /// Records held.
    held: u64,
}

/// What [`EventRing::read`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Bytes written.
    pub bytes: usize,
    /// Records written.
    pub count: u32,
    /// Whether there is more than fitted.
    pub more: bool,
    /// Sequence number of the last record written, or `after`.
    pub last: u64,
    /// Records between `after` and the first one written that are gone.
    pub lost: u64,
}

impl EventRing {
    /// An empty ring of `capacity` bytes.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_new(capacity: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            bytes: filled(capacity, || 0)?,
            start: 0,
            end: 0,
            newest: 0,
            held: 0,
        })
    }

    /// Gives `record` the next sequence number, in place, and keeps a copy. `None` when it is no record or can never fit;
    /// otherwise the number of records overwritten for it.
    pub fn push(&mut self, record: &mut [u8]) -> Option<u64> {
        let length = record.len();
        let (head, _) = Head::mut_from_prefix(record).ok()?;
        if u64::from(head.size.get()) != wide(length) || length > self.bytes.len() {
            return None;
        }
        self.newest = self.newest.saturating_add(1);
        head.sequence.set(self.newest);
        let mut overwritten = 0_u64;
        while self.free() < wide(length) {
            self.drop_oldest()?;
            overwritten = overwritten.saturating_add(1);
        }
        self.write(self.end, record);
        self.end = self.end.saturating_add(wide(length));
        self.held = self.held.saturating_add(1);
        Some(overwritten)
    }

    /// Copies the records after sequence number `after` into `output`, as many whole ones as fit.
    pub fn read(&self, after: u64, output: &mut [u8]) -> Batch {
        let before_oldest = self.newest.saturating_sub(self.held);
        let mut batch = Batch {
            last: after,
            lost: before_oldest.saturating_sub(after),
            ..Batch::default()
        };
        let mut position = self.start;
        while position < self.end {
            let Some(head) = self.head(position) else { break };
            let size = u64::from(head.size.get());
            if head.sequence.get() > after {
                let room = usize::try_from(size)
                    .ok()
                    .and_then(|size| output.get_mut(batch.bytes..batch.bytes.checked_add(size)?));
                let Some(room) = room else {
                    batch.more = true;
                    break;
                };
                self.copy(position, room);
                batch.bytes = batch.bytes.saturating_add(room.len());
                batch.count = batch.count.saturating_add(1);
                batch.last = head.sequence.get();
            }
            position = position.saturating_add(size);
        }
        batch
    }

    /// Sequence number of the newest record: the number of records ever pushed.
    pub const fn newest(&self) -> u64 {
        self.newest
    }

    fn free(&self) -> u64 {
        wide(self.bytes.len()).saturating_sub(self.end.saturating_sub(self.start))
    }

    fn drop_oldest(&mut self) -> Option<()> {
        let size = u64::from(self.head(self.start)?.size.get());
        self.start = self.start.saturating_add(size).min(self.end);
        self.held = self.held.saturating_sub(1);
        Some(())
    }

    fn head(&self, position: u64) -> Option<Head> {
        if position >= self.end {
            return None;
        }
        let mut bytes = [0; size_of::<Head>()];
        self.copy(position, &mut bytes);
        Head::read_from_bytes(&bytes)
            .ok()
            .filter(|head| wide(size_of::<Head>()) <= u64::from(head.size.get()))
    }

    /// The two runs of bytes that `length` bytes from a logical position on lie in.
    fn runs(&self, position: u64, length: usize) -> (usize, usize) {
        let index = position
            .checked_rem(wide(self.bytes.len()))
            .and_then(|index| usize::try_from(index).ok())
            .unwrap_or(0);
        (index, length.min(self.bytes.len().saturating_sub(index)))
    }

    fn copy(&self, position: u64, output: &mut [u8]) {
        let (index, first) = self.runs(position, output.len());
        let Some((head, tail)) = output.split_at_mut_checked(first) else {
            return;
        };
        copy(head, self.bytes.get(index..).unwrap_or_default());
        copy(tail, &self.bytes);
    }

    fn write(&mut self, position: u64, record: &[u8]) {
        let (index, first) = self.runs(position, record.len());
        let Some((head, tail)) = record.split_at_checked(first) else {
            return;
        };
        if let Some(room) = self.bytes.get_mut(index..) {
            copy(room, head);
        }
        copy(&mut self.bytes, tail);
    }
}

/// Copies as much as both sides hold.
fn copy(to: &mut [u8], from: &[u8]) {
    let length = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..length), from.get(..length)) {
        to.copy_from_slice(from);
    }
}

/// A record of `fields` bytes that `write` fills; for tests of this crate.
#[cfg(test)]
pub fn test_record(fields: usize) -> Vec<u8> {
    let mut record = alloc::vec![0; size_of::<Head>() + fields];
    let size = u32::try_from(record.len()).expect("small");
    let head = Head {
        size: size.into(),
        kind: 1.into(),
        flags: 0.into(),
        sequence: 0.into(),
        time: 0.into(),
    };
    zerocopy::IntoBytes::write_to_prefix(&head, &mut record).expect("room for a head");
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;
    use proptest::prelude::*;

    fn sequences(mut bytes: &[u8]) -> Vec<u64> {
        let mut found = Vec::new();
        while let Some((record, rest)) = protocol::event::split(bytes) {
            found.push(record.head.sequence.get());
            bytes = rest;
        }
        found
    }

    #[test]
    fn a_record_that_can_never_fit_or_lies_about_its_size_is_refused() {
        let mut ring = EventRing::try_new(64).expect("memory");
        assert_eq!(ring.push(&mut test_record(41)), None);
        assert_eq!(ring.push(&mut test_record(40)), Some(0));
        let mut lying = test_record(8);
        lying.push(0);
        assert_eq!(ring.push(&mut lying), None);
        assert_eq!(ring.newest(), 1);
    }

    proptest! {
        /// Against a plain queue: what is held, what was lost, and that the bytes survive wrapping.
        #[test]
        fn behaves_as_a_queue_that_forgets_its_oldest(
            sizes in prop::collection::vec(0_usize..90, 1..60),
            after in 0_u64..70,
            room in 0_usize..600,
        ) {
            const CAPACITY: usize = 256;
            let mut ring = EventRing::try_new(CAPACITY).expect("memory");
            let mut model: VecDeque<Vec<u8>> = VecDeque::new();
            let mut overwritten = 0;
            for (number, size) in (1..).zip(&sizes) {
                let mut record = test_record(*size);
                record[size_of::<Head>()..].fill(number);
                overwritten += ring.push(&mut record).expect("fits the ring");
                model.push_back(record);
                while model.iter().map(Vec::len).sum::<usize>() > CAPACITY {
                    model.pop_front();
                }
            }
            let total = sizes.len() as u64;
            prop_assert_eq!(ring.newest(), total);
            prop_assert_eq!(overwritten + model.len() as u64, total);
            let mut output = alloc::vec![0; room];
            let batch = ring.read(after, &mut output);
            let oldest = total - model.len() as u64 + 1;
            prop_assert_eq!(batch.lost, (oldest - 1).saturating_sub(after));
            let wanted: Vec<&Vec<u8>> = model.iter().skip(usize::try_from((after + 1).saturating_sub(oldest)).unwrap()).collect();
            let mut expected = Vec::new();
            let mut count = 0;
            for record in &wanted {
                if expected.len() + record.len() > room { break; }
                expected.extend_from_slice(record);
                count += 1;
            }
            prop_assert_eq!(&output[..batch.bytes], &expected[..]);
            prop_assert_eq!(batch.count as usize, count);
            prop_assert_eq!(batch.more, count < wanted.len());
            prop_assert_eq!(batch.last, sequences(&expected).last().copied().unwrap_or(after));
        }
    }
}
