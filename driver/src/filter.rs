//! The filter's callbacks: before a section is created, and when the filter manager unloads the filter.

use crate::driver;
use crate::kernel::filter::AskedSection;
use crate::kernel::fltmgr;
use crate::kernel::fltmgr::CallbackData;
use crate::kernel::fltmgr::RelatedObjects;
use crate::kernel::stack::with_stack;
use crate::running::enter;
use core::ffi::c_void;
use gate::Passage;
use wdk_sys::NTSTATUS;
use wdk_sys::STATUS_SUCCESS;

/// Stack for weighing, in bytes: its worst case is under 16 KiB, and reading goes through the file system's.
pub const STACK: usize = 48 * 1024;

/// Called by the filter manager before a section of a file is created, a driver's image among them. Whatever is not surely to
/// be refused goes on.
///
/// IRQL: PASSIVE_LEVEL, inside a critical region, perhaps with the loader's lock held: it waits for nothing but the file's own
/// data.
///
/// # Safety
/// Only the filter manager calls it.
pub unsafe extern "C" fn before_section(
    data: *mut CallbackData,
    objects: *const RelatedObjects,
    _context: *mut *mut c_void,
) -> i32 {
    let entered = enter();
    let Some(gate) = entered.get() else {
        return fltmgr::SUCCESS_NO_CALLBACK;
    };
    // SAFETY: the filter manager passed both to this call.
    let Some(mut section) = (unsafe { AskedSection::read(data, objects, gate.host().routines()) }) else {
        return fltmgr::SUCCESS_NO_CALLBACK;
    };
    let passage = gate.section(&section).unwrap_or_else(|| {
        let weighed = with_stack(STACK, || gate.weigh_section(&mut section));
        weighed.unwrap_or_else(|_| gate.uncertain())
    });
    match passage {
        Passage::Pass => fltmgr::SUCCESS_NO_CALLBACK,
        Passage::Refuse => section.refuse(),
    }
}

/// Called by the filter manager when it unloads the filter; the driver's own unload routine follows and finds it stopped.
///
/// IRQL: PASSIVE_LEVEL.
pub unsafe extern "C" fn filter_unload(_flags: u32) -> NTSTATUS {
    driver::stop();
    STATUS_SUCCESS
}
