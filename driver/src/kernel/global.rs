//! Values that entry points reach without being handed them: the kernel gives a load-image notify routine no context.

use crate::kernel::rundown::Guard;
use crate::kernel::rundown::Rundown;
use alloc::boxed::Box;
use core::ptr::null_mut;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering;

/// A value that callers find while it is open.
pub struct Global<T> {
    value: AtomicPtr<T>,
    rundown: Rundown,
}

/// Being inside: as long as this lives, so does the value, if there is one, and the driver's code.
pub struct Entered<'a, T> {
    value: Option<&'a T>,
    _guard: Guard<'a>,
}

impl<T> Entered<'_, T> {
    /// The value, unless it was closed on entering. IRQL: any.
    pub const fn get(&self) -> Option<&T> {
        self.value
    }
}

impl<T: Send + Sync> Global<T> {
    /// Closed, without a value.
    pub const fn closed() -> Self {
        Self {
            value: AtomicPtr::new(null_mut()),
            rundown: Rundown::closed(),
        }
    }

    /// Lets callers find `value`. Only while closed. IRQL: any.
    pub fn open(&self, value: Box<T>) {
        self.value.store(Box::into_raw(value), Ordering::Release);
        self.rundown.open();
    }

    /// Enters. IRQL: any.
    pub fn enter(&self) -> Entered<'_, T> {
        let guard = self.rundown.enter();
        let value = if guard.is_open() {
            // SAFETY: while the rundown is open the pointer is null or the box's of `open`, and `close` frees it only after
            // everyone who found it open has left.
            unsafe { self.value.load(Ordering::Acquire).as_ref() }
        } else {
            None
        };
        Entered { value, _guard: guard }
    }

    /// Lets nobody find the value any more, waits until everyone has left, and gives it back. IRQL: PASSIVE_LEVEL.
    pub fn close(&self) -> Option<Box<T>> {
        self.rundown.close();
        let value = self.value.swap(null_mut(), Ordering::AcqRel);
        // SAFETY: the pointer is the box's of `open`, taken out once, and nobody is inside.
        (!value.is_null()).then(|| unsafe { Box::from_raw(value) })
    }
}

/// A place for one value that start puts in and stop takes out.
pub struct Slot<T> {
    value: AtomicPtr<T>,
}

impl<T: Send> Slot<T> {
    /// Without a value.
    pub const fn empty() -> Self {
        Self {
            value: AtomicPtr::new(null_mut()),
        }
    }

    /// Puts a value in; gives back the one that was there. IRQL: any.
    pub fn replace(&self, value: Option<Box<T>>) -> Option<Box<T>> {
        let new = value.map_or(null_mut(), Box::into_raw);
        let old = self.value.swap(new, Ordering::AcqRel);
        // SAFETY: every pointer in the slot came out of a box, and the swap takes it out once.
        (!old.is_null()).then(|| unsafe { Box::from_raw(old) })
    }
}
