//! Kernel routines that not every supported kernel exports: found at run time, with a stated fallback where they are used.

use crate::kernel::string::UnicodeString;
use core::ffi::c_void;
use core::ptr::NonNull;
use wdk_sys::ntddk::MmGetSystemRoutineAddress;

/// The address of an exported routine of the kernel or the HAL.
///
/// IRQL: PASSIVE_LEVEL.
pub fn find(name: &[u16]) -> Option<NonNull<c_void>> {
    let name = UnicodeString::new(name)?;
    // SAFETY: `name` is a valid string through the call.
    NonNull::new(unsafe { MmGetSystemRoutineAddress(name.as_ptr()) })
}
