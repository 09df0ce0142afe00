//! Running something with more stack than the caller may have left.

use crate::kernel::check;
use core::ffi::c_void;
use gate::host::NtStatus;
use wdk_sys::ntddk::KeExpandKernelStackAndCallout;

struct Call<F, R> {
    work: Option<F>,
    result: Option<R>,
}

/// Runs `work` on this thread with at least `bytes` of stack.
///
/// IRQL: at most APC_LEVEL.
///
/// # Errors
/// What the kernel says when it has no stack to give; `work` did not run then.
pub fn with_stack<F: FnOnce() -> R, R>(bytes: usize, work: F) -> Result<R, NtStatus> {
    let mut call = Call {
        work: Some(work),
        result: None,
    };
    // SAFETY: the routine gets the call, which lives until this returns, and only while this runs.
    check(unsafe { KeExpandKernelStackAndCallout(Some(run::<F, R>), (&raw mut call).cast(), bytes as _) })?;
    call.result.ok_or(NtStatus::INSUFFICIENT_RESOURCES)
}

/// # Safety
/// `call` is the [`Call`] of the [`with_stack`] that is running.
unsafe extern "C" fn run<F: FnOnce() -> R, R>(call: *mut c_void) {
    // SAFETY: by the caller.
    let call = unsafe { &mut *call.cast::<Call<F, R>>() };
    call.result = call.work.take().map(|work| work());
}
