//! A synchronisation event: one waiting thread is released, once, for any number of signals before it waits.

use crate::kernel::KERNEL_MODE;
use crate::kernel::shared::try_box;
use alloc::boxed::Box;
use core::cell::UnsafeCell;
use gate::host::NoMemory;
use wdk_sys::_EVENT_TYPE::SynchronizationEvent;
use wdk_sys::_KWAIT_REASON::Executive;
use wdk_sys::KEVENT;
use wdk_sys::LARGE_INTEGER;
use wdk_sys::ntddk::KeInitializeEvent;
use wdk_sys::ntddk::KeSetEvent;
use wdk_sys::ntddk::KeWaitForSingleObject;

/// The event, in pool memory of its own because it must not move.
pub struct Event {
    event: Box<UnsafeCell<KEVENT>>,
}

// SAFETY: the kernel's event functions may be called from any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// An event that is not signalled.
    ///
    /// IRQL: at most DISPATCH_LEVEL.
    pub fn try_new() -> Result<Self, NoMemory> {
        let event = try_box(UnsafeCell::new(KEVENT::default()))?;
        // SAFETY: nonpaged memory that stays where it is as long as the box lives.
        unsafe { KeInitializeEvent(event.get(), SynchronizationEvent, 0) };
        Ok(Self { event })
    }

    /// Signals. IRQL: at most DISPATCH_LEVEL.
    pub fn set(&self) {
        // SAFETY: initialised in `try_new`; with `Wait` false the call has no further conditions.
        unsafe { KeSetEvent(self.event.get(), 0, 0) };
    }

    /// Waits for a signal, however long it takes. IRQL: PASSIVE_LEVEL.
    pub fn wait(&self) {
        // SAFETY: initialised in `try_new`. Not alertable and without time-out, the wait can only end with the signal.
        let _ = unsafe {
            KeWaitForSingleObject(
                self.event.get().cast(),
                Executive,
                KERNEL_MODE,
                0,
                core::ptr::null_mut(),
            )
        };
    }

    /// Waits for a signal, but no longer than this many 100 ns. IRQL: PASSIVE_LEVEL.
    pub fn wait_for(&self, ticks: u32) {
        // A negative time is relative.
        let mut length = LARGE_INTEGER {
            QuadPart: -i64::from(ticks),
        };
        // SAFETY: initialised in `try_new`. Not alertable, the wait ends with the signal or the time.
        let _ = unsafe {
            KeWaitForSingleObject(
                self.event.get().cast(),
                Executive,
                KERNEL_MODE,
                0,
                &raw mut length,
            )
        };
    }
}
