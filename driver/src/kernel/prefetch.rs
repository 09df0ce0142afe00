//! Files that the prefetcher opens. It maps drivers, too, from the system process, but loads none; and reading through a file object
//! of its own can wait for ever.
//!
//! Only the open says who it is: its extra parameters hold one that only the prefetcher sets. So each such file object is marked when
//! it is opened, and the mark is looked for when a section of it is asked for. Source: Microsoft, "System-Defined ECPs",
//! `GUID_ECP_PREFETCH_OPEN`.

use crate::kernel::check;
use crate::kernel::fltmgr;
use crate::kernel::fltmgr::CallbackData;
use crate::kernel::fltmgr::ContextRegistration;
use crate::kernel::fltmgr::RelatedObjects;
use core::ptr::null;
use core::ptr::null_mut;
use gate::host::NtStatus;
use wdk_sys::_POOL_TYPE;
use wdk_sys::GUID;
use wdk_sys::STATUS_NOT_FOUND;
use wdk_sys::STATUS_NOT_SUPPORTED;
use wdk_sys::STATUS_REPARSE;

/// `GUID_ECP_PREFETCH_OPEN`.
static PREFETCH_OPEN: GUID = GUID {
    Data1: 0xe177_7b21,
    Data2: 0x847e,
    Data3: 0x4837,
    Data4: [0xaa, 0x45, 0x64, 0x16, 0x1d, 0x28, 0x06, 0x55],
};

/// Pool tag of the marks: `Gtpf` in a debugger.
const TAG: u32 = u32::from_le_bytes(*b"Gtpf");
/// Size of a mark, of which nothing but its being there counts.
const MARK: usize = size_of::<u64>();

/// What the filter says of its marks when it is registered, with the end of the list.
pub fn contexts() -> [ContextRegistration; 2] {
    [(fltmgr::STREAM_HANDLE_CONTEXT, MARK), (fltmgr::CONTEXT_END, 0)].map(|(context_type, size)| {
        ContextRegistration {
            context_type,
            flags: 0,
            cleanup: null(),
            size,
            pool_tag: TAG,
            unused: [null(); 3],
        }
    })
}

/// Whether the prefetcher opens a file.
///
/// IRQL: at most APC_LEVEL.
///
/// # Errors
/// What the filter manager says where it cannot tell.
///
/// # Safety
/// Both pointers are what the filter manager passed to the callback that is running, before an open.
pub unsafe fn is_prefetch(data: *mut CallbackData, objects: *const RelatedObjects) -> Result<bool, NtStatus> {
    // SAFETY: valid during the callback, by the caller.
    let (Some(objects), Some(asked)) = (unsafe { objects.as_ref() }, unsafe { data.as_ref() }) else {
        return Err(NtStatus::INVALID_PARAMETER);
    };
    // `KernelMode` is 0.
    if asked.requestor_mode != 0 {
        return Ok(false);
    }
    let mut list = null_mut();
    // SAFETY: the data are the callback's.
    check(unsafe { fltmgr::FltGetEcpListFromCallbackData(objects.filter, data, &raw mut list) })?;
    if list.is_null() {
        return Ok(false);
    }
    let (mut parameter, mut size) = (null_mut(), 0);
    // SAFETY: the list is the one of the open, which is not over yet.
    let status = unsafe {
        fltmgr::FltFindExtraCreateParameter(
            objects.filter,
            list,
            &raw const PREFETCH_OPEN,
            &raw mut parameter,
            &raw mut size,
        )
    };
    if status == STATUS_NOT_FOUND {
        return Ok(false);
    }
    check(status)?;
    // SAFETY: found in the list by the call above.
    Ok(unsafe { fltmgr::FltIsEcpFromUserMode(objects.filter, parameter) } == 0)
}

/// Marks a file that was opened; an open that failed, or that goes on elsewhere, has nothing to mark.
///
/// IRQL: at most APC_LEVEL.
///
/// # Errors
/// What the filter manager says; the file has no mark then.
///
/// # Safety
/// As for [`is_prefetch`], after the open.
pub unsafe fn mark(data: *mut CallbackData, objects: *const RelatedObjects) -> Result<(), NtStatus> {
    // SAFETY: valid during the callback, by the caller.
    let (Some(objects), Some(opened)) = (unsafe { objects.as_ref() }, unsafe { data.as_ref() }) else {
        return Err(NtStatus::INVALID_PARAMETER);
    };
    // SAFETY: the filter manager has set the status.
    let status = unsafe { opened.io_status.__bindgen_anon_1.Status };
    if check(status).is_err() || status == STATUS_REPARSE {
        return Ok(());
    }
    let mut context = null_mut();
    // SAFETY: a context as it was registered.
    check(unsafe {
        fltmgr::FltAllocateContext(
            objects.filter,
            fltmgr::STREAM_HANDLE_CONTEXT,
            MARK,
            _POOL_TYPE::PagedPool,
            &raw mut context,
        )
    })?;
    // SAFETY: instance and file are the callback's, the context is new.
    let set = check(unsafe {
        fltmgr::FltSetStreamHandleContext(
            objects.instance,
            objects.file_object,
            fltmgr::KEEP_IF_EXISTS,
            context,
            null_mut(),
        )
    });
    // SAFETY: taken above; where it was set, the file has a reference of its own.
    unsafe { fltmgr::FltReleaseContext(context) };
    set
}

/// Whether a file is marked.
///
/// IRQL: at most APC_LEVEL.
///
/// # Errors
/// What the filter manager says where it cannot tell.
pub fn is_marked(objects: &RelatedObjects) -> Result<bool, NtStatus> {
    let mut context = null_mut();
    // SAFETY: instance and file are those of a callback that is running.
    let status =
        unsafe { fltmgr::FltGetStreamHandleContext(objects.instance, objects.file_object, &raw mut context) };
    // A file system that has no contexts has no marks either.
    if status == STATUS_NOT_FOUND || status == STATUS_NOT_SUPPORTED {
        return Ok(false);
    }
    check(status)?;
    // SAFETY: taken by the call above.
    unsafe { fltmgr::FltReleaseContext(context) };
    Ok(true)
}
