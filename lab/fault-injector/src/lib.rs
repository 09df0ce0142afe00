//! Makes one kernel call of gatehouse.sys fail, chosen beforehand, and keeps account of what the driver takes and gives back.
//!
//! A kernel service of the lab's, started before the driver in the same host process. When gatehouse.sys has been mapped and its
//! imports are bound, every import is led through a counting wrapper, and so is what MmGetSystemRoutineAddress finds for it: the
//! binary is the one that ships. A [`plan::Plan`], read from a file at that moment, says which call is to fail; when the driver is
//! unloaded, a report is written beside it. What a function's failure looks like, and which cannot fail, is in [`catalogue`].
//!
//! Where the plan says that somebody listens, the driver also finds routines of event tracing ([`tracing`]), which Wine lacks, and the
//! report holds the events that it wrote.
//!
//! A driver whose entry point fails is unloaded here, as Windows does and Wine does not.
// UNSAFETY: it reads and changes a mapped image, and stands between a driver and the kernel's C interface.
#![expect(
    unsafe_code,
    reason = "wrapping functions of any interface is beyond what types can say; each block says why it holds"
)]

mod call;
mod catalogue;
mod effects;
mod image;
mod ledger;
mod plan;
mod report;
mod run;
mod stack;
mod tracing;
mod watch;

use core::ffi::c_void;

const LAST_REASON: u32 = 3;

/// Called by the loader with a reason from 0 to 3, and by the kernel with the driver object and the registry path: no reason is as
/// large as a pointer. It sets no unload routine: the wrappers must stay as long as the process.
#[unsafe(no_mangle)]
unsafe extern "system" fn DllMain(_module: *mut c_void, reason: u32, _reserved: *mut c_void) -> i32 {
    if reason <= LAST_REASON {
        return 1;
    }
    watch::begin()
}

/// Prints a line to the kernel debugger, where the lab's log takes it up.
fn print(line: &str) {
    let line = format!("faults: {line}\0");
    // SAFETY: the format takes one terminated string, which the line is.
    unsafe { call::DbgPrint(c"%s\n".as_ptr(), line.as_ptr()) };
}
