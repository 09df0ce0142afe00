//! A lock for long work: at PASSIVE_LEVEL throughout, so that files can be read and written while it is held.

use crate::kernel::event::Event;
use core::cell::UnsafeCell;
use gate::host::Lock;
use gate::host::NoMemory;
use wdk_sys::ntddk::KeEnterCriticalRegion;
use wdk_sys::ntddk::KeLeaveCriticalRegion;

/// A value that is whoever's turn it is: signalled while nobody holds it.
pub struct Turn<T> {
    free: Event,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached by the thread whose turn it is.
unsafe impl<T: Send> Send for Turn<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Turn<T> {}

impl<T: Send> Lock<T> for Turn<T> {
    /// IRQL: at most DISPATCH_LEVEL.
    fn try_new(value: T) -> Result<Self, NoMemory> {
        let free = Event::try_new()?;
        free.set();
        Ok(Self {
            free,
            value: UnsafeCell::new(value),
        })
    }

    /// IRQL: PASSIVE_LEVEL; not recursive.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // A thread that is suspended in its turn would stop everybody else: that takes a normal kernel APC. Special ones, which
        // complete I/O, still arrive.
        // SAFETY: left below, on the same thread.
        unsafe { KeEnterCriticalRegion() };
        self.free.wait();
        // SAFETY: the event releases one thread at a time.
        let result = work(unsafe { &mut *self.value.get() });
        self.free.set();
        // SAFETY: entered above.
        unsafe { KeLeaveCriticalRegion() };
        result
    }
}
