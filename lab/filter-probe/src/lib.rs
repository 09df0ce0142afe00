//! A filter driver for the lab's own tests: refuses the image of one name, and says of each image that is asked about what it is.
//!
//! For every image section it prints `filter-probe: NAME SIZE HASH SYSTEM`: the file's name, its size in bytes, the FNV-1a hash of
//! what FltReadFile reads, and whether a system thread asks.
// UNSAFETY: a driver, called through the kernel's C interface.
#![expect(unsafe_code, reason = "the interface is C's; each block says why it holds")]

use std::ffi::c_char;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::AtomicIsize;
use std::sync::atomic::Ordering;

use windows_sys::Wdk::Foundation::DRIVER_OBJECT;
use windows_sys::Wdk::Storage::FileSystem::FILE_STANDARD_INFORMATION;
use windows_sys::Wdk::Storage::FileSystem::FileStandardInformation;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CALLBACK_DATA;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_FILE_NAME_INFORMATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_FILE_NAME_NORMALIZED;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_OPERATION_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PREOP_COMPLETE;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_PREOP_SUCCESS_NO_CALLBACK;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_REGISTRATION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_REGISTRATION_VERSION;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_RELATED_OBJECTS;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltGetFileNameInformation;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltParseFileNameInformation;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltQueryInformationFile;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltReadFile;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltRegisterFilter;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltReleaseFileNameInformation;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltStartFiltering;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FltUnregisterFilter;
use windows_sys::Win32::Foundation::STATUS_ACCESS_DENIED;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;

/// The file that is refused.
const REFUSED: &str = "refused.sys";
const ACQUIRE_FOR_SECTION_SYNCHRONIZATION: u8 = 0xff;
const OPERATION_END: u8 = 0x80;
const CHUNK: u32 = 4096;

#[cfg_attr(
    windows,
    link(name = "ntdll.dll", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    fn DbgPrint(format: *const c_char, ...) -> i32;
}

#[cfg_attr(
    windows,
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "system" {
    fn PsIsSystemThread(thread: isize) -> u8;
}

static FILTER: AtomicIsize = AtomicIsize::new(0);

/// Called by the loader with a reason from 0 to 3, and by the kernel with the driver object and the registry path.
#[unsafe(no_mangle)]
unsafe extern "system" fn DllMain(module: *mut c_void, reason: u32, _reserved: *mut c_void) -> i32 {
    if reason <= 3 {
        return 1;
    }
    // SAFETY: called as a driver's entry point, so the first parameter is its driver object.
    unsafe { start(module.cast()) }
}

unsafe fn start(driver: *const DRIVER_OBJECT) -> i32 {
    let operations = [
        FLT_OPERATION_REGISTRATION {
            MajorFunction: ACQUIRE_FOR_SECTION_SYNCHRONIZATION,
            PreOperation: Some(before),
            ..FLT_OPERATION_REGISTRATION::default()
        },
        FLT_OPERATION_REGISTRATION {
            MajorFunction: OPERATION_END,
            ..FLT_OPERATION_REGISTRATION::default()
        },
    ];
    let registration = FLT_REGISTRATION {
        Size: u16::try_from(size_of::<FLT_REGISTRATION>()).unwrap_or(0),
        Version: u16::try_from(FLT_REGISTRATION_VERSION).unwrap_or(0),
        OperationRegistration: operations.as_ptr(),
        FilterUnloadCallback: Some(unload),
        ..FLT_REGISTRATION::default()
    };
    let mut filter = 0;
    // SAFETY: the driver's own object; the registration is only read during the call.
    let status = unsafe { FltRegisterFilter(driver, &raw const registration, &raw mut filter) };
    if status < 0 {
        return status;
    }
    FILTER.store(filter, Ordering::Release);
    // SAFETY: registered above.
    unsafe { FltStartFiltering(filter) }
}

unsafe extern "system" fn unload(_flags: u32) -> i32 {
    // SAFETY: registered in `start`, unregistered once.
    unsafe { FltUnregisterFilter(FILTER.swap(0, Ordering::AcqRel)) };
    STATUS_SUCCESS
}

unsafe extern "system" fn before(
    data: *mut FLT_CALLBACK_DATA,
    objects: *const FLT_RELATED_OBJECTS,
    _context: *mut *mut c_void,
) -> i32 {
    // SAFETY: what the filter manager passes is valid through the call.
    let data = unsafe { &mut *data };
    // SAFETY: as above.
    let objects = unsafe { &*objects };
    // SAFETY: as above.
    let name = unsafe { name(data) }.unwrap_or_default();
    // SAFETY: as above.
    let size = unsafe { size(objects) }.unwrap_or(0);
    // SAFETY: as above.
    let hash = unsafe { hash(objects, size) };
    // SAFETY: as above.
    let system = unsafe { PsIsSystemThread(data.Thread) };
    let line = format!("filter-probe: {name} {size} {hash:016x} {system}\0");
    // SAFETY: the format takes one terminated string, which the line is.
    unsafe { DbgPrint(c"%s\n".as_ptr(), line.as_ptr()) };
    if !name.eq_ignore_ascii_case(REFUSED) {
        return FLT_PREOP_SUCCESS_NO_CALLBACK;
    }
    data.IoStatus.Anonymous.Status = STATUS_ACCESS_DENIED;
    data.IoStatus.Information = 0;
    FLT_PREOP_COMPLETE
}

/// # Safety
/// `data` is what the filter manager passed to the callback that is running.
unsafe fn name(data: &FLT_CALLBACK_DATA) -> Option<String> {
    let mut information: *mut FLT_FILE_NAME_INFORMATION = null_mut();
    // SAFETY: by the caller.
    let status = unsafe { FltGetFileNameInformation(data, FLT_FILE_NAME_NORMALIZED, &raw mut information) };
    if status < 0 {
        return None;
    }
    // SAFETY: got above.
    unsafe { FltParseFileNameInformation(information) };
    // SAFETY: got above.
    let last = unsafe { (*information).FinalComponent };
    // SAFETY: a string of the length that it states.
    let units = unsafe { std::slice::from_raw_parts(last.Buffer, usize::from(last.Length / 2)) };
    let name = String::from_utf16_lossy(units);
    // SAFETY: got above, given back once.
    unsafe { FltReleaseFileNameInformation(information) };
    Some(name)
}

/// # Safety
/// `objects` is what the filter manager passed to the callback that is running.
unsafe fn size(objects: &FLT_RELATED_OBJECTS) -> Option<u64> {
    let mut answer = FILE_STANDARD_INFORMATION::default();
    let mut length = 0;
    // SAFETY: by the caller; the answer is as large as said.
    let status = unsafe {
        FltQueryInformationFile(
            objects.Instance,
            objects.FileObject,
            (&raw mut answer).cast(),
            u32::try_from(size_of_val(&answer)).unwrap_or(0),
            FileStandardInformation,
            &raw mut length,
        )
    };
    (status >= 0).then(|| answer.EndOfFile.cast_unsigned())
}

/// # Safety
/// `objects` is what the filter manager passed to the callback that is running.
unsafe fn hash(objects: &FLT_RELATED_OBJECTS, size: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut offset = 0_i64;
    while offset.cast_unsigned() < size {
        let mut chunk = [0_u8; CHUNK as usize];
        let mut read = 0;
        // SAFETY: by the caller; the buffer is as large as said.
        let status = unsafe {
            FltReadFile(
                objects.Instance,
                objects.FileObject,
                &raw const offset,
                CHUNK,
                chunk.as_mut_ptr().cast(),
                0,
                &raw mut read,
                None,
                null_mut(),
            )
        };
        if status < 0 || read == 0 {
            return 0;
        }
        for byte in chunk.iter().take(read as usize) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        offset += i64::from(read);
    }
    hash
}
