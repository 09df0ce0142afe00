//! Locks: a fast mutex for short work at PASSIVE_LEVEL and a spin lock for where nothing may wait.

use crate::kernel::shared::try_box;
use alloc::boxed::Box;
use core::cell::UnsafeCell;
use gate::host::Lock;
use gate::host::NoMemory;
use wdk_sys::_EVENT_TYPE::SynchronizationEvent;
use wdk_sys::FAST_MUTEX;
use wdk_sys::KSPIN_LOCK;
use wdk_sys::ntddk::ExAcquireFastMutex;
use wdk_sys::ntddk::ExReleaseFastMutex;
use wdk_sys::ntddk::KeAcquireSpinLockRaiseToDpc;
use wdk_sys::ntddk::KeInitializeEvent;
use wdk_sys::ntddk::KeReleaseSpinLock;

/// `FM_LOCK_BIT`: a fast mutex that nobody holds.
const FREE: i32 = 1;

// `ExInitializeFastMutex` is an inline function of the headers, written out below: it stands on this layout.
const _: () = assert!(size_of::<FAST_MUTEX>() == 56);
const _: () = assert!(core::mem::offset_of!(FAST_MUTEX, Event) == 24);

struct Guarded<T> {
    mutex: UnsafeCell<FAST_MUTEX>,
    value: UnsafeCell<T>,
}

/// A value behind a `FAST_MUTEX`, in pool memory of its own because the mutex must not move.
pub struct FastMutex<T> {
    guarded: Box<Guarded<T>>,
}

// SAFETY: the value is only reached by the thread that holds the mutex.
unsafe impl<T: Send> Send for FastMutex<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for FastMutex<T> {}

impl<T: Send> Lock<T> for FastMutex<T> {
    /// IRQL: at most DISPATCH_LEVEL.
    fn try_new(value: T) -> Result<Self, NoMemory> {
        let mutex = FAST_MUTEX {
            Count: FREE,
            ..FAST_MUTEX::default()
        };
        let guarded = try_box(Guarded {
            mutex: UnsafeCell::new(mutex),
            value: UnsafeCell::new(value),
        })?;
        let mutex = guarded.mutex.get();
        // SAFETY: `mutex` points at a live `FAST_MUTEX` that nobody else knows yet.
        let event = unsafe { &raw mut (*mutex).Event };
        // SAFETY: `event` is nonpaged memory that stays where it is as long as the box lives.
        unsafe { KeInitializeEvent(event, SynchronizationEvent, 0) };
        Ok(Self { guarded })
    }

    /// Runs `work` at APC_LEVEL. IRQL: PASSIVE_LEVEL; not recursive.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mutex = self.guarded.mutex.get();
        // SAFETY: the mutex was initialised in `try_new` and lives as long as `self`.
        unsafe { ExAcquireFastMutex(mutex) };
        // SAFETY: holding the mutex, this thread alone reaches the value.
        let result = work(unsafe { &mut *self.guarded.value.get() });
        // SAFETY: acquired above, by this thread.
        unsafe { ExReleaseFastMutex(mutex) };
        result
    }
}

/// A value behind a spin lock.
pub struct SpinLock<T> {
    lock: UnsafeCell<KSPIN_LOCK>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is only reached by the processor that holds the lock.
unsafe impl<T: Send> Send for SpinLock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// IRQL: any. An initialised `KSPIN_LOCK` is zero and may move while nobody holds it.
    pub const fn new(value: T) -> Self {
        Self {
            lock: UnsafeCell::new(0),
            value: UnsafeCell::new(value),
        }
    }
}

impl<T: Send> Lock<T> for SpinLock<T> {
    /// IRQL: any.
    fn try_new(value: T) -> Result<Self, NoMemory> {
        Ok(Self::new(value))
    }

    /// Runs `work` at DISPATCH_LEVEL: it must be short and touch nonpaged memory only. IRQL: at most DISPATCH_LEVEL.
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the lock is initialised and lives, in nonpaged memory, as long as `self`.
        let irql = unsafe { KeAcquireSpinLockRaiseToDpc(self.lock.get()) };
        // SAFETY: holding the lock, this processor alone reaches the value.
        let result = work(unsafe { &mut *self.value.get() });
        // SAFETY: acquired above; `irql` is what acquiring gave.
        unsafe { KeReleaseSpinLock(self.lock.get(), irql) };
        result
    }
}
