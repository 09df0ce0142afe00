//! The operation: the opening of a file, put to the filters before and after it happened.
//!
//! The file that a section is made of is open already when the section is asked for. Its opening is put to the filters then, so that
//! they see every file before its section, as they would on Windows.

use std::ffi::c_void;
use std::ptr::null_mut;

use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CALLBACK_DATA;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_IO_PARAMETER_BLOCK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PARAMETERS;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PREOP_SUCCESS_WITH_CALLBACK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLTFL_CALLBACK_DATA_IRP_OPERATION;

use crate::files::OpenFile;
use crate::filter::Filter;
use crate::kernel::KeGetCurrentThread;
use crate::parameters::Opening;

/// IRP_MJ_CREATE.
const CREATE: u8 = 0;

/// Puts the opening of a file to a filter; the prefetcher's, if tests order that.
pub fn announce(filter: &Filter, file: &OpenFile) {
    let Some(callback) = filter.before(CREATE) else {
        return;
    };
    let parameters = FLT_IO_PARAMETER_BLOCK {
        IrpFlags: 0,
        MajorFunction: CREATE,
        MinorFunction: 0,
        OperationFlags: 0,
        Reserved: 0,
        TargetFileObject: file.object(),
        TargetInstance: filter.instance(),
        Parameters: FLT_PARAMETERS::default(),
    };
    let mut data = FLT_CALLBACK_DATA {
        Flags: FLTFL_CALLBACK_DATA_IRP_OPERATION,
        Thread: KeGetCurrentThread(),
        Iopb: &raw const parameters,
        // KernelMode.
        RequestorMode: 0,
        ..FLT_CALLBACK_DATA::default()
    };
    let related = filter.related(file.object());
    let mut context: *mut c_void = null_mut();
    let opening = Opening::begin(&raw const data, file.is_prefetched());
    // SAFETY: the driver's callback, with all that the operation comes with; all of it lives through the call.
    let answer = unsafe { callback(&raw mut data, &raw const related, &raw mut context) };
    drop(opening);
    if answer != FLT_PREOP_SUCCESS_WITH_CALLBACK {
        return;
    }
    if let Some(callback) = filter.after(CREATE) {
        // SAFETY: as above, with the context that the first callback left.
        unsafe { callback(&raw mut data, &raw const related, context, 0) };
    }
}
