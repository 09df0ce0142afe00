//! A filter manager for the lab: what gatehouse.sys imports from FLTMGR.SYS, over plain calls of Wine's.
//!
//! Wine's own fltmgr.sys accepts a filter and never calls it. This one stands in its place in the lab's Windows and does what the
//! real one does for IRP_MJ_ACQUIRE_FOR_SECTION_SYNCHRONIZATION. While it is loaded, every image section that the drivers'
//! host process creates is first put to the filters, and a filter that completes the operation with a failure keeps the image
//! from being mapped. The opening of its file, IRP_MJ_CREATE, is put to them just before.
//!
//! What it takes from Windows, because filters depend on it: a filter is registered only if its service key has an instance with
//! an altitude; callbacks end before FltUnregisterFilter returns; a FilterUnloadCallback takes the place of DriverUnload. What it
//! lacks: any other operation, refusing an open, other volumes than C:, contexts of anything but open files, and asynchronous
//! calls.
//!
//! Tests steer it through a file, see [`steering`].
// UNSAFETY: a stand-in for a kernel component, called through its C interface and patching the process that it is loaded into.
#![expect(
    unsafe_code,
    reason = "the interface is C's, and hooking means writing to code; each block says why it holds"
)]
#![expect(
    clippy::missing_safety_doc,
    reason = "the exported functions' contracts are those of Microsoft's reference for the same names"
)]

mod altitude;
mod contexts;
mod create;
mod files;
mod filter;
mod kernel;
mod layout;
mod names;
mod parameters;
mod patch;
mod section;
mod steering;

use core::ffi::c_void;

use windows_sys::Wdk::Foundation::DRIVER_OBJECT;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;

const PROCESS_DETACH: u32 = 0;
const PROCESS_ATTACH: u32 = 1;
const THREAD_ATTACH: u32 = 2;
const THREAD_DETACH: u32 = 3;

/// The module's entry point. Wine's loader calls it with a reason when the module comes and goes. Where it is also started as a
/// service, it is called once more as a driver's entry point, with the driver object and the registry path: no reason is as large
/// as a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn DllMain(module: *mut c_void, reason: u32, _reserved: *mut c_void) -> i32 {
    match reason {
        PROCESS_ATTACH => i32::from(attach()),
        PROCESS_DETACH => {
            section::unhook();
            kernel::restore();
            1
        }
        THREAD_ATTACH | THREAD_DETACH => 1,
        _ => {
            // SAFETY: called as a driver's entry point, so the first parameter is its driver object.
            unsafe { (*module.cast::<DRIVER_OBJECT>()).DriverUnload = Some(stop) };
            STATUS_SUCCESS
        }
    }
}

fn attach() -> bool {
    kernel::complete() && section::hook()
}

/// The service has nothing to give back: the module's work ends when it is unloaded.
unsafe extern "system" fn stop(_driver: *const DRIVER_OBJECT) {}

/// Prints a line to the kernel debugger, where the lab's log takes it up.
fn print(line: &str) {
    let line = format!("fltmgr: {line}\0");
    // SAFETY: the format takes one terminated string, which the line is.
    unsafe { kernel::DbgPrint(c"%s\n".as_ptr().cast(), line.as_ptr()) };
}
