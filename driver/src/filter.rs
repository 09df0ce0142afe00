//! The filter's callbacks: around the opening of a file, before a section is created, and when the filter manager unloads the filter.

use crate::driver;
use crate::kernel::filter::AskedSection;
use crate::kernel::filter::Callbacks;
use crate::kernel::fltmgr;
use crate::kernel::fltmgr::CallbackData;
use crate::kernel::fltmgr::RelatedObjects;
use crate::kernel::prefetch;
use crate::kernel::stack::with_stack;
use crate::running::enter;
use core::ffi::c_void;
use gate::Passage;
use wdk_sys::NTSTATUS;
use wdk_sys::STATUS_SUCCESS;

/// Stack for weighing, in bytes: its worst case is under 16 KiB, and reading goes through the file system's.
pub const STACK: usize = 48 * 1024;

/// All of them, for the registration.
pub const CALLBACKS: Callbacks = Callbacks {
    before_section,
    before_create,
    after_create,
    unload: filter_unload,
};

/// Called by the filter manager before any file is opened: only the prefetcher's opens are looked at again.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// Only the filter manager calls it.
unsafe extern "C" fn before_create(
    data: *mut CallbackData,
    objects: *const RelatedObjects,
    _context: *mut *mut c_void,
) -> i32 {
    // SAFETY: the filter manager passed both to this call.
    match unsafe { prefetch::is_prefetch(data, objects) } {
        Ok(true) => fltmgr::SUCCESS_WITH_CALLBACK,
        Ok(false) => fltmgr::SUCCESS_NO_CALLBACK,
        Err(_) => {
            count_unmarked();
            fltmgr::SUCCESS_NO_CALLBACK
        }
    }
}

fn count_unmarked() {
    if let Some(gate) = enter().get() {
        gate.prefetch_unmarked();
    }
}

/// Called by the filter manager after the prefetcher has opened a file, or failed to.
///
/// IRQL: PASSIVE_LEVEL.
///
/// # Safety
/// Only the filter manager calls it.
unsafe extern "C" fn after_create(
    data: *mut CallbackData,
    objects: *const RelatedObjects,
    _context: *mut c_void,
    flags: u32,
) -> i32 {
    // While the filter goes, nothing can be marked any more.
    if flags & fltmgr::DRAINING == 0 {
        // SAFETY: the filter manager passed both to this call.
        if unsafe { prefetch::mark(data, objects) }.is_err() {
            count_unmarked();
        }
    }
    fltmgr::FINISHED
}

/// Called by the filter manager before a section of a file is created, a driver's image among them. Whatever is not surely to
/// be refused goes on.
///
/// IRQL: PASSIVE_LEVEL, inside a critical region, perhaps with the loader's lock held: it waits for nothing but the file's own
/// data.
///
/// # Safety
/// Only the filter manager calls it.
unsafe extern "C" fn before_section(
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
unsafe extern "C" fn filter_unload(_flags: u32) -> NTSTATUS {
    driver::stop();
    STATUS_SUCCESS
}
