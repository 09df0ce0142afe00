//! gatehouse.sys: the entry point only, so far.
#![no_std]

#[cfg(not(test))]
extern crate wdk_panic;

use wdk_alloc::WdkAllocator;
use wdk_sys::DRIVER_OBJECT;
use wdk_sys::NTSTATUS;
use wdk_sys::PCUNICODE_STRING;
use wdk_sys::STATUS_SUCCESS;
use wdk_sys::ntddk::DbgPrint;

#[global_allocator]
static GLOBAL_ALLOCATOR: WdkAllocator = WdkAllocator;

/// Called once when the service starts, at PASSIVE_LEVEL.
///
/// # Safety
/// Only the kernel's loader calls it, with its own driver object.
// SAFETY: the loader looks this name up; nothing else here exports it.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(driver: &mut DRIVER_OBJECT, _path: PCUNICODE_STRING) -> NTSTATUS {
    driver.DriverUnload = Some(driver_unload);
    // SAFETY: the format is a terminated string without arguments.
    unsafe { DbgPrint(c"gatehouse: loaded\n".as_ptr().cast()) };
    STATUS_SUCCESS
}

extern "C" fn driver_unload(_driver: *mut DRIVER_OBJECT) {
    // SAFETY: the format is a terminated string without arguments.
    unsafe { DbgPrint(c"gatehouse: unloaded\n".as_ptr().cast()) };
}
