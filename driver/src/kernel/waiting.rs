//! Requests that stay pending until there is something to answer them with, or until they are cancelled.
//!
//! IoCsq would do this, but not every kernel that runs this driver has it. The rule is the same: whoever takes the cancel routine out
//! of a request completes it, so it is completed once.

use crate::kernel::device::Request;
use crate::kernel::lock::SpinLock;
use core::ptr::null_mut;
use core::sync::atomic::AtomicPtr;
use core::sync::atomic::Ordering;
use gate::host::Lock;
use gate::host::NtStatus;
use wdk_sys::_FILE_OBJECT;
use wdk_sys::DEVICE_OBJECT;
use wdk_sys::DRIVER_CANCEL;
use wdk_sys::IRP;
use wdk_sys::NTSTATUS;
use wdk_sys::STATUS_PENDING;
use wdk_sys::ntddk::IoReleaseCancelSpinLock;

/// Most requests that wait at a time; one more is refused.
const MAX_WAITING: usize = 64;

struct Waiting {
    request: Request,
    /// The request waits for an event after this one.
    after: u64,
}

/// The requests that wait.
pub struct WaitingRequests {
    slots: SpinLock<[Option<Waiting>; MAX_WAITING]>,
}

/// The cancel routine of a request, as the place where it is kept.
///
/// # Safety
/// `irp` is valid for `'a`.
unsafe fn cancel_routine<'a>(irp: *mut IRP) -> &'a AtomicPtr<core::ffi::c_void> {
    // SAFETY: valid, by the caller.
    let place = unsafe { &raw mut (*irp).CancelRoutine };
    // SAFETY: a pointer-sized, aligned member, which the kernel too only exchanges atomically.
    unsafe { AtomicPtr::from_ptr(place.cast()) }
}

/// Whether a request was cancelled; the I/O manager says so before it looks for a cancel routine.
///
/// # Safety
/// `irp` is valid.
unsafe fn is_cancelled(irp: *mut IRP) -> bool {
    // SAFETY: valid, by the caller.
    let place = unsafe { &raw const (*irp).Cancel };
    // SAFETY: as above; the I/O manager may write it at any time.
    unsafe { place.read_volatile() != 0 }
}

impl WaitingRequests {
    /// None.
    pub const fn new() -> Self {
        Self {
            slots: SpinLock::new([const { None }; MAX_WAITING]),
        }
    }

    /// Lets a request wait; what its dispatch routine returns. IRQL: at most DISPATCH_LEVEL.
    pub fn put(&self, mut request: Request, after: u64) -> NTSTATUS {
        request.mark_pending();
        let irp = request.irp();
        let mut request = Some(request);
        self.slots.with(|slots| {
            let Some(slot) = slots.iter_mut().find(|slot| slot.is_none()) else {
                return;
            };
            let routine: unsafe extern "C" fn(*mut DEVICE_OBJECT, *mut IRP) = cancel;
            // SAFETY: the IRP is ours until completed.
            let place = unsafe { cancel_routine(irp) };
            place.store(routine as *mut core::ffi::c_void, Ordering::SeqCst);
            // Cancelled before there was a routine: if it is still there nobody else completes the request.
            // SAFETY: as above.
            if unsafe { is_cancelled(irp) } && !place.swap(null_mut(), Ordering::SeqCst).is_null() {
                return;
            }
            *slot = request.take().map(|request| Waiting { request, after });
        });
        if let Some(request) = request {
            // SAFETY: as above: it was not put into a slot.
            let status = if unsafe { is_cancelled(irp) } {
                NtStatus::CANCELLED
            } else {
                NtStatus::INSUFFICIENT_RESOURCES
            };
            request.complete(status, 0);
        }
        STATUS_PENDING
    }

    /// Takes out a request for which `wanted` holds; it can no longer be cancelled. `wanted` runs at DISPATCH_LEVEL, under the spin
    /// lock: it takes no lock and waits for nothing. IRQL: at most DISPATCH_LEVEL.
    pub fn take(&self, wanted: impl Fn(&Request, u64) -> bool) -> Option<Request> {
        self.slots.with(|slots| {
            let slot = slots.iter_mut().find(|slot| {
                slot.as_ref().is_some_and(|waiting| {
                    // A request whose cancel routine is gone is being cancelled, and left to that.
                    wanted(&waiting.request, waiting.after)
                        // SAFETY: the IRP is ours until completed.
                        && !unsafe { cancel_routine(waiting.request.irp()) }
                            .swap(null_mut(), Ordering::SeqCst)
                            .is_null()
                })
            })?;
            slot.take().map(|waiting| waiting.request)
        })
    }

    /// Takes out the request that is being cancelled. IRQL: at most DISPATCH_LEVEL.
    fn take_cancelled(&self, irp: *mut IRP) -> Option<Request> {
        self.slots.with(|slots| {
            let slot = slots
                .iter_mut()
                .find(|slot| slot.as_ref().is_some_and(|waiting| waiting.request.irp() == irp))?;
            slot.take().map(|waiting| waiting.request)
        })
    }

    /// Cancels the requests of one open of the device, or all of them for null. IRQL: at most DISPATCH_LEVEL.
    pub fn cancel_all(&self, file: *mut _FILE_OBJECT) {
        while let Some(request) = self.take(|request, _| file.is_null() || request.file_object() == file) {
            request.complete(NtStatus::CANCELLED, 0);
        }
    }
}

/// The requests for events. Static, because cancelling reaches it without a context, and may do so while the driver stops.
pub static WAITING: WaitingRequests = WaitingRequests::new();

/// Called by the I/O manager to cancel a request that waits, holding the cancel spin lock. IRQL: DISPATCH_LEVEL.
unsafe extern "C" fn cancel(_device: *mut DEVICE_OBJECT, irp: *mut IRP) {
    // SAFETY: the IRP is valid during this call.
    let irql = unsafe { (*irp).CancelIrql };
    // SAFETY: the I/O manager acquired the lock at this IRQL before the call, and it must be released here.
    unsafe { IoReleaseCancelSpinLock(irql) };
    // Still in its slot: whoever else would take it out must first take out the cancel routine, and the I/O manager has done that.
    if let Some(request) = WAITING.take_cancelled(irp) {
        request.complete(NtStatus::CANCELLED, 0);
    }
}

const _: DRIVER_CANCEL = Some(cancel);
const _: () = assert!(size_of::<DRIVER_CANCEL>() == size_of::<*mut core::ffi::c_void>());
