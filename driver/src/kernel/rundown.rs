//! Rundown protection with the kernel's atomics and sleep; the algorithm is `gate`'s, where it is model-checked.

use crate::kernel::time::nap;
use core::sync::atomic::AtomicUsize;
use gate::rundown::CLOSED;

/// Being inside.
pub type Guard<'a> = gate::rundown::Guard<'a, AtomicUsize>;

/// A rundown.
pub struct Rundown(gate::rundown::Rundown<AtomicUsize>);

impl Rundown {
    /// Closed.
    pub const fn closed() -> Self {
        Self(gate::rundown::Rundown::new(AtomicUsize::new(CLOSED)))
    }

    /// Opens it. IRQL: any.
    pub fn open(&self) {
        self.0.open();
    }

    /// Enters. IRQL: any.
    pub fn enter(&self) -> Guard<'_> {
        self.0.enter()
    }

    /// Closes it, if it is not closed yet, and waits until nobody is inside. IRQL: PASSIVE_LEVEL.
    pub fn close(&self) {
        self.0.close(nap);
    }
}
