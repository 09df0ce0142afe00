//! Rundown protection of our own: `EX_RUNDOWN_REF` without the kernel exports that not every host has.

use crate::kernel::KERNEL_MODE;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering;
use wdk_sys::LARGE_INTEGER;
use wdk_sys::ntddk::KeDelayExecutionThread;

/// Set once nobody may enter any more; the other bits count who is inside.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// How long to sleep between looks at whether everyone has left: 1 ms, as a relative time in 100 ns.
const NAP: i64 = -10_000;

/// Lets callers in until it is closed, and lets the closer wait until they have left.
pub struct Rundown {
    state: AtomicUsize,
}

/// Being inside.
pub struct Guard<'a> {
    rundown: &'a Rundown,
}

impl Rundown {
    /// Closed: nobody may enter yet.
    pub const fn closed() -> Self {
        Self {
            state: AtomicUsize::new(CLOSED),
        }
    }

    /// Lets callers in. IRQL: any.
    pub fn open(&self) {
        self.state.fetch_and(!CLOSED, Ordering::Release);
    }

    /// Enters, unless closed. IRQL: any.
    pub fn enter(&self) -> Option<Guard<'_>> {
        let guard = Guard { rundown: self };
        // Count first, then look: a closer that saw no count will be seen here, and dropping the guard takes the count back.
        (self.state.fetch_add(1, Ordering::Acquire) & CLOSED == 0).then_some(guard)
    }

    /// Lets nobody in any more and waits until everyone has left. IRQL: PASSIVE_LEVEL.
    pub fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) != CLOSED {
            let mut nap = LARGE_INTEGER { QuadPart: NAP };
            // SAFETY: `nap` is valid through the call; the wait is not alertable.
            let _ = unsafe { KeDelayExecutionThread(KERNEL_MODE, 0, &raw mut nap) };
        }
    }
}

impl Drop for Guard<'_> {
    /// IRQL: any.
    fn drop(&mut self) {
        self.rundown.state.fetch_sub(1, Ordering::Release);
    }
}
