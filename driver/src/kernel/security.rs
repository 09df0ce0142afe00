//! Putting a security descriptor on a device before anyone can open it.

use crate::kernel::KERNEL_MODE;
use crate::kernel::check;
use core::ptr::null_mut;
use gate::host::NtStatus;
use wdk_sys::DEVICE_OBJECT;
use wdk_sys::HANDLE;
use wdk_sys::OBJ_KERNEL_HANDLE;
use wdk_sys::ntddk::ObOpenObjectByPointer;
use wdk_sys::ntddk::ZwClose;
use wdk_sys::ntddk::ZwSetSecurityObject;

const WRITE_DAC: u32 = 0x0004_0000;
const DACL_SECURITY_INFORMATION: u32 = 0x4;

/// Gives `device` the DACL of `protocol::security::DESCRIPTOR`.
///
/// The driver kit does the same with WdmlibIoCreateDeviceSecure, from a static library that only comes with the kit; this way
/// one source builds with and without it.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// `device` is a valid device object.
pub unsafe fn secure(device: *mut DEVICE_OBJECT) -> Result<(), NtStatus> {
    let mut handle: HANDLE = null_mut();
    // SAFETY: the device is valid, by the caller; without a type the kernel checks none.
    check(unsafe {
        ObOpenObjectByPointer(
            device.cast(),
            OBJ_KERNEL_HANDLE,
            null_mut(),
            WRITE_DAC,
            null_mut(),
            KERNEL_MODE,
            &raw mut handle,
        )
    })?;
    let descriptor = core::ptr::from_ref(&protocol::security::DESCRIPTOR).cast_mut();
    // SAFETY: the descriptor is valid and self-relative; the call only reads it.
    let status = unsafe { ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, descriptor.cast()) };
    // SAFETY: opened above, closed once.
    let _ = unsafe { ZwClose(handle) };
    check(status)
}
