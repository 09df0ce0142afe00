//! File names, as filters ask for them, and who asks for an operation.

use std::ptr::null_mut;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use windows_sys::Wdk::Foundation::FILE_OBJECT;
use windows_sys::Wdk::Foundation::NtQueryObject;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_CALLBACK_DATA;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLT_FILE_NAME_INFORMATION;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Foundation::STATUS_INVALID_PARAMETER;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;
use windows_sys::Win32::Foundation::UNICODE_STRING;

use crate::files::handle_of;
use crate::kernel::IoGetCurrentProcess;
use crate::kernel::process_of;

/// ObjectNameInformation.
const OBJECT_NAME: i32 = 1;
/// FLTFL_FILE_NAME_PARSED_FINAL_COMPONENT, _EXTENSION, _STREAM and _PARENT_DIR.
const PARSED: u16 = 0xf;

/// What a filter holds: the information first, so that both have one address.
#[repr(C)]
struct Named {
    information: FLT_FILE_NAME_INFORMATION,
    references: AtomicU32,
    units: Vec<u16>,
}

/// The name of an open file: `\Device\HarddiskVolume1\...` in Windows; in Wine, which opens no such name, `\??\C:\...`.
pub fn name_of(handle: HANDLE) -> String {
    let mut buffer = [0_u64; 512];
    let mut length = 0;
    let place = buffer.as_mut_ptr();
    let size = u32::try_from(size_of_val(&buffer)).unwrap_or(0);
    // SAFETY: the buffer is as large as said and aligned for the answer.
    let status = unsafe { NtQueryObject(handle, OBJECT_NAME, place.cast(), size, &raw mut length) };
    if status < 0 {
        return String::new();
    }
    // SAFETY: the answer begins with the string, whose units lie in the buffer too.
    unsafe { text(place.cast()) }
}

/// The text of a counted string.
///
/// # Safety
/// `string` is null or valid.
pub unsafe fn text(string: *const UNICODE_STRING) -> String {
    // SAFETY: null or valid, by the caller.
    let Some(string) = (unsafe { string.as_ref() }) else {
        return String::new();
    };
    if string.Buffer.is_null() {
        return String::new();
    }
    // SAFETY: a valid string's buffer holds its length.
    let units = unsafe { std::slice::from_raw_parts(string.Buffer, usize::from(string.Length / 2)) };
    String::from_utf16_lossy(units)
}

/// The name of the file that an operation is about.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetFileNameInformation(
    data: *const FLT_CALLBACK_DATA,
    options: u32,
    information: *mut *mut FLT_FILE_NAME_INFORMATION,
) -> i32 {
    // SAFETY: what the filter was called with, by the function's contract.
    let parameters = unsafe { (*data).Iopb };
    // SAFETY: as above.
    let file = unsafe { (*parameters).TargetFileObject };
    // SAFETY: as above.
    unsafe { FltGetFileNameInformationUnsafe(file, 0, options, information) }
}

/// The name of a file that an operation is going on with.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetFileNameInformationUnsafe(
    file: *const FILE_OBJECT,
    _instance: isize,
    options: u32,
    information: *mut *mut FLT_FILE_NAME_INFORMATION,
) -> i32 {
    let Some(handle) = handle_of(file) else {
        return STATUS_INVALID_PARAMETER;
    };
    let mut units: Vec<u16> = name_of(handle).encode_utf16().collect();
    let name = part(&mut units, 0, usize::MAX);
    let named = Box::new(Named {
        information: FLT_FILE_NAME_INFORMATION {
            Size: u16::try_from(size_of::<FLT_FILE_NAME_INFORMATION>()).unwrap_or(0),
            // FLT_FILE_NAME_NORMALIZED or _OPENED, as asked: there is no difference here.
            Format: options & 0xff,
            Name: name,
            ..FLT_FILE_NAME_INFORMATION::default()
        },
        references: AtomicU32::new(1),
        units,
    });
    // SAFETY: writable, by the function's contract.
    unsafe { *information = Box::into_raw(named).cast() };
    STATUS_SUCCESS
}

/// Finds the parts of a name.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltParseFileNameInformation(
    information: *mut FLT_FILE_NAME_INFORMATION,
) -> i32 {
    // SAFETY: what was given out above, by the function's contract.
    let named = unsafe { &mut *information.cast::<Named>() };
    let name = String::from_utf16_lossy(&named.units);
    let length = |text: &str| text.encode_utf16().count();
    // The volume is what stands before the third backslash: \??\C: or \Device\HarddiskVolume1.
    let volume = name
        .match_indices('\\')
        .nth(2)
        .map_or(name.len(), |(place, _)| place);
    let last = name.rfind('\\').map_or(name.len(), |place| place + 1);
    let whole = length(&name);
    let (volume, last) = (length(&name[..volume]), length(&name[..last]));
    let dot = name.rfind('.').map_or(whole, |place| length(&name[..place]) + 1);
    let units = &mut named.units;
    let information = &mut named.information;
    information.Volume = part(units, 0, volume);
    information.ParentDir = part(units, volume, last);
    information.FinalComponent = part(units, last, whole);
    information.Extension = part(units, dot.max(last), whole);
    information.NamesParsed = PARSED;
    STATUS_SUCCESS
}

/// Takes one more reference on a name.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltReferenceFileNameInformation(information: *mut FLT_FILE_NAME_INFORMATION) {
    // SAFETY: what was given out above, by the function's contract.
    let named = unsafe { &*information.cast::<Named>() };
    named.references.fetch_add(1, Ordering::Relaxed);
}

/// Gives a reference back; the last one frees the name.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltReleaseFileNameInformation(information: *mut FLT_FILE_NAME_INFORMATION) {
    let named = information.cast::<Named>();
    // SAFETY: what was given out above, by the function's contract.
    if unsafe { (*named).references.fetch_sub(1, Ordering::AcqRel) } == 1 {
        // SAFETY: out of a box, and this was the last reference.
        drop(unsafe { Box::from_raw(named) });
    }
}

/// The process that asks for an operation.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetRequestorProcess(data: *const FLT_CALLBACK_DATA) -> isize {
    // SAFETY: what the filter was called with, by the function's contract.
    match unsafe { (*data).Thread } {
        0 => IoGetCurrentProcess(),
        // SAFETY: a thread object.
        thread => unsafe { process_of(thread) },
    }
}

/// The id of the process that asks for an operation: operations come from this one only.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltGetRequestorProcessId(_data: *const FLT_CALLBACK_DATA) -> u32 {
    std::process::id()
}

fn part(units: &mut [u16], from: usize, to: usize) -> UNICODE_STRING {
    let to = to.min(units.len());
    let Some(units) = units.get_mut(from..to).filter(|units| !units.is_empty()) else {
        return UNICODE_STRING {
            Length: 0,
            MaximumLength: 0,
            Buffer: null_mut(),
        };
    };
    let bytes = u16::try_from(units.len() * 2).unwrap_or(u16::MAX - 1);
    UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: units.as_mut_ptr(),
    }
}
