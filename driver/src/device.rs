//! The control device's dispatch routines: open, close, and requests, which `gate` answers.

use crate::filter::STACK;
use crate::host::Kernel;
use crate::kernel::device::Request;
use crate::kernel::stack::with_stack;
use crate::kernel::time::nap;
use crate::kernel::waiting::WAITING;
use crate::running::enter;
use core::ptr::null_mut;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering;
use gate::Answer;
use gate::Completion;
use gate::Gate;
use gate::host::NtStatus;
use wdk_sys::DEVICE_OBJECT;
use wdk_sys::DRIVER_OBJECT;
use wdk_sys::IRP;
use wdk_sys::IRP_MJ_CLEANUP;
use wdk_sys::IRP_MJ_CLOSE;
use wdk_sys::IRP_MJ_CREATE;
use wdk_sys::IRP_MJ_DEVICE_CONTROL;
use wdk_sys::NTSTATUS;
use wdk_sys::PDRIVER_DISPATCH;

/// Longest wait for open handles, in naps of 1 ms.
const PATIENCE: u32 = 3000;
/// `STATUS_OBJECT_NAME_NOT_FOUND`.
const NOT_FOUND: NtStatus = NtStatus::from_bits(0xc000_0034);
/// `STATUS_DEVICE_DOES_NOT_EXIST`: the driver is stopping.
const STOPPING: NtStatus = NtStatus::from_bits(0xc000_00c0);

/// Opens of the device that have not been closed.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Waits until every open of the device has been closed, but no longer than [`PATIENCE`].
///
/// Windows does not unload a driver while its device is open, so there is nothing to wait for. Wine does, and would then hand the
/// close to code that is gone.
///
/// IRQL: PASSIVE_LEVEL.
pub fn wait_until_closed() {
    let mut naps = 0;
    while OPEN.load(Ordering::Acquire) != 0 && naps < PATIENCE {
        nap();
        naps += 1;
    }
}

/// Tells the kernel which requests the device takes; it refuses all others with `STATUS_INVALID_DEVICE_REQUEST`.
///
/// IRQL: PASSIVE_LEVEL.
pub fn set_dispatch(driver: &mut DRIVER_OBJECT) {
    let routines: [(u32, PDRIVER_DISPATCH); 4] = [
        (IRP_MJ_CREATE, Some(create)),
        (IRP_MJ_CLOSE, Some(close)),
        (IRP_MJ_CLEANUP, Some(cleanup)),
        (IRP_MJ_DEVICE_CONTROL, Some(control)),
    ];
    for (function, routine) in routines {
        let slot = usize::try_from(function)
            .ok()
            .and_then(|index| driver.MajorFunction.get_mut(index));
        if let Some(slot) = slot {
            *slot = routine;
        }
    }
}

/// Opens the device itself, and no name below it: there is nothing there, and FILE_DEVICE_SECURE_OPEN would have to be relied
/// on for its security. IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn create(_device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    let entered = enter();
    // SAFETY: the I/O manager passed it to this call.
    let request = unsafe { Request::new(irp) };
    let status = match entered.get() {
        None => STOPPING,
        Some(_) if request.names_something_below() => NOT_FOUND,
        Some(_) => {
            OPEN.fetch_add(1, Ordering::AcqRel);
            NtStatus::SUCCESS
        }
    };
    request.complete(status, 0)
}

/// The last handle of an open is gone; what still waits through it is cancelled, and a close follows. IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn cleanup(_device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    let _entered = enter();
    // SAFETY: the I/O manager passed it to this call.
    let request = unsafe { Request::new(irp) };
    WAITING.cancel_all(request.file_object());
    request.complete(NtStatus::SUCCESS, 0)
}

/// Ends an open, of which nothing but the count is kept. IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn close(_device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    let _entered = enter();
    // SAFETY: the I/O manager passed it to this call.
    let request = unsafe { Request::new(irp) };
    OPEN.fetch_sub(1, Ordering::AcqRel);
    request.complete(NtStatus::SUCCESS, 0)
}

/// A request to the gate. IRQL: PASSIVE_LEVEL.
unsafe extern "C" fn control(_device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    let entered = enter();
    // SAFETY: the I/O manager passed it to this call.
    let mut request = unsafe { Request::new(irp) };
    let Some(gate) = entered.get() else {
        return request.complete(STOPPING, 0);
    };
    // SAFETY: the routine is only set for IRP_MJ_DEVICE_CONTROL.
    let (code, buffer, input, output) = unsafe { request.control() };
    // Some requests weigh files, and how much stack is left here depends on who sends them.
    let answer = with_stack(STACK, || gate.dispatch(code, buffer, input, output));
    let answer = answer.unwrap_or_else(|status| {
        Answer::Complete(Completion {
            status,
            information: 0,
        })
    });
    match answer {
        Answer::Complete(completion) => request.complete(completion.status, completion.information),
        Answer::Wait(after) => {
            let status = WAITING.put(request, after);
            // What came between looking and waiting would not be told until the next event.
            answer_waiting(gate);
            status
        }
    }
}

/// Answers the requests that wait for events, as far as there are some; all of them when the driver is stopping.
///
/// IRQL: PASSIVE_LEVEL.
pub fn answer_waiting(gate: &Gate<Kernel>) {
    while let Some(mut request) = WAITING.take(|_, after| gate.has_events(after)) {
        // SAFETY: only IRP_MJ_DEVICE_CONTROL requests wait.
        let (_, buffer, input, output) = unsafe { request.control() };
        match gate.answer_waiting(buffer, input, output) {
            Answer::Complete(completion) => {
                request.complete(completion.status, completion.information);
            }
            // Cannot be: what there was to tell stays.
            Answer::Wait(_) => {
                request.complete(NtStatus::CANCELLED, 0);
            }
        }
    }
    if gate.is_stopping() {
        WAITING.cancel_all(null_mut());
    }
}
