//! Rundown protection of our own: `EX_RUNDOWN_REF` without the kernel exports that not every host has.

use crate::kernel::time::nap;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering;

/// Set once nobody may enter any more; the other bits count who is inside.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// Counts who is inside, tells them whether it is open, and lets the closer wait until they have left.
///
/// Those who find it closed are counted all the same: they are running the driver's code, which must stay until they are out of
/// it.
pub struct Rundown {
    state: AtomicUsize,
}

/// Being inside.
pub struct Guard<'a> {
    rundown: &'a Rundown,
    open: bool,
}

impl Guard<'_> {
    /// Whether it was open on entering; if so, closing it waits for this guard. IRQL: any.
    pub const fn is_open(&self) -> bool {
        self.open
    }
}

impl Rundown {
    /// Closed.
    pub const fn closed() -> Self {
        Self {
            state: AtomicUsize::new(CLOSED),
        }
    }

    /// Opens it. IRQL: any.
    pub fn open(&self) {
        self.state.fetch_and(!CLOSED, Ordering::Release);
    }

    /// Enters. IRQL: any.
    pub fn enter(&self) -> Guard<'_> {
        // Counted first, then looked at: a closer that misses the count is seen here.
        let open = self.state.fetch_add(1, Ordering::Acquire) & CLOSED == 0;
        Guard { rundown: self, open }
    }

    /// Closes it, if it is not closed yet, and waits until nobody is inside. IRQL: PASSIVE_LEVEL.
    pub fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) != CLOSED {
            nap();
        }
    }
}

impl Drop for Guard<'_> {
    /// IRQL: any.
    fn drop(&mut self) {
        self.rundown.state.fetch_sub(1, Ordering::Release);
    }
}
