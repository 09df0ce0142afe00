//! Rundown protection: who is inside is counted, and closing waits until they have left.
//!
//! `EX_RUNDOWN_REF` without the kernel exports that not every host of the driver has. The counter is the caller's, so that a model
//! checker can watch every access.

use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering;

/// Set once nobody may enter any more; the other bits count who is inside.
pub const CLOSED: usize = 1 << (usize::BITS - 1);

/// A counter that is changed atomically.
pub trait Word {
    /// Adds and gives what was there; what the caller reads next is read after it.
    fn add(&self, count: usize) -> usize;
    /// Subtracts; what the caller did before is done before it.
    fn subtract(&self, count: usize);
    /// Sets bits, with everything before and after on its own side.
    fn set(&self, bits: usize);
    /// Clears bits; what the caller did before is done before it.
    fn clear(&self, bits: usize);
    /// The value; what the caller reads next is read after it.
    fn get(&self) -> usize;
}

impl Word for AtomicUsize {
    fn add(&self, count: usize) -> usize {
        self.fetch_add(count, Ordering::Acquire)
    }

    fn subtract(&self, count: usize) {
        self.fetch_sub(count, Ordering::Release);
    }

    fn set(&self, bits: usize) {
        self.fetch_or(bits, Ordering::AcqRel);
    }

    fn clear(&self, bits: usize) {
        self.fetch_and(!bits, Ordering::Release);
    }

    fn get(&self) -> usize {
        self.load(Ordering::Acquire)
    }
}

/// Counts who is inside, tells them whether it is open, and lets the closer wait until they have left.
///
/// Those who find it closed are counted all the same: they are running the driver's code, which must stay until they are out of
/// it.
pub struct Rundown<W> {
    state: W,
}

/// Being inside.
pub struct Guard<'a, W: Word> {
    rundown: &'a Rundown<W>,
    open: bool,
}

impl<W: Word> Guard<'_, W> {
    /// Whether it was open on entering; if so, closing it waits for this guard.
    pub const fn is_open(&self) -> bool {
        self.open
    }
}

impl<W: Word> Rundown<W> {
    /// Closed, if `state` is [`CLOSED`].
    pub const fn new(state: W) -> Self {
        Self { state }
    }

    /// Opens it.
    pub fn open(&self) {
        self.state.clear(CLOSED);
    }

    /// Enters.
    pub fn enter(&self) -> Guard<'_, W> {
        // Counted first, then looked at: a closer that misses the count is seen here.
        let open = self.state.add(1) & CLOSED == 0;
        Guard { rundown: self, open }
    }

    /// Closes it, if it is not closed yet, and waits until nobody is inside, with a `nap` between one look and the next.
    pub fn close(&self, nap: impl Fn()) {
        self.state.set(CLOSED);
        while self.state.get() != CLOSED {
            nap();
        }
    }
}

impl<W: Word> Drop for Guard<'_, W> {
    fn drop(&mut self) {
        self.rundown.state.subtract(1);
    }
}
