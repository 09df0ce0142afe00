//! Files as filters see them: by file object, below their own instance.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use windows_sys::Wdk::Foundation::FILE_OBJECT;
use windows_sys::Wdk::Foundation::OBJECT_ATTRIBUTES;
use windows_sys::Wdk::Foundation::SECTION_OBJECT_POINTERS;
use windows_sys::Wdk::Storage::FileSystem::FILE_BASIC_INFORMATION;
use windows_sys::Wdk::Storage::FileSystem::FILE_SYNCHRONOUS_IO_NONALERT;
use windows_sys::Wdk::Storage::FileSystem::FileBasicInformation;
use windows_sys::Wdk::Storage::FileSystem::FilePositionInformation;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET;
use windows_sys::Wdk::Storage::FileSystem::Minifilters::FLTFL_IO_OPERATION_NON_CACHED;
use windows_sys::Wdk::Storage::FileSystem::NtOpenFile;
use windows_sys::Wdk::Storage::FileSystem::NtQueryInformationFile;
use windows_sys::Wdk::Storage::FileSystem::NtQueryVolumeInformationFile;
use windows_sys::Wdk::Storage::FileSystem::NtReadFile;
use windows_sys::Wdk::Storage::FileSystem::NtSetInformationFile;
use windows_sys::Wdk::System::SystemServices::ObReferenceObjectByHandle;
use windows_sys::Wdk::System::SystemServices::ObfDereferenceObject;
use windows_sys::Win32::Foundation::CloseHandle;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Foundation::STATUS_BUFFER_TOO_SMALL;
use windows_sys::Win32::Foundation::STATUS_INVALID_DEVICE_REQUEST;
use windows_sys::Win32::Foundation::STATUS_INVALID_PARAMETER;
use windows_sys::Win32::Foundation::STATUS_NOT_SUPPORTED;
use windows_sys::Win32::Foundation::STATUS_PENDING;
use windows_sys::Win32::Foundation::STATUS_SUCCESS;
use windows_sys::Win32::Foundation::UNICODE_STRING;
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;
use windows_sys::Win32::System::Ioctl::FSCTL_READ_FILE_USN_DATA;
use windows_sys::Win32::System::Ioctl::USN_RECORD_V2;
use windows_sys::Win32::System::Threading::CreateEventW;
use windows_sys::Win32::System::Threading::INFINITE;
use windows_sys::Win32::System::Threading::WaitForSingleObject;

use crate::contexts;
use crate::filter::is_instance;
use crate::names::name_of;
use crate::print;
use crate::steering;

/// What a noncached transfer must be a multiple of.
const SECTOR: u64 = 512;
const READ_ATTRIBUTES: u32 = 0x80;
const SYNCHRONIZE: u32 = 0x0010_0000;
const SHARE_ALL: u32 = 7;

/// Files that an operation is going on with: object, handle, and what reading it is to fail with.
static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());
/// Section object pointers by file, so that two opens of one file have the same. They stay for good: a file object that a filter
/// has kept still points there.
static SECTIONS: Mutex<BTreeMap<String, Sections>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy)]
struct Open {
    object: usize,
    handle: usize,
    read_fails_with: Option<i32>,
}

struct Sections(*mut SECTION_OBJECT_POINTERS);

// SAFETY: the memory stays for good and is not looked at here.
unsafe impl Send for Sections {}

/// A file that an operation is going on with. Calls about its object are answered through its handle while this lives.
pub struct OpenFile {
    object: *mut FILE_OBJECT,
    is_prefetched: bool,
}

impl OpenFile {
    /// The file behind a handle of the calling process; `None` where the handle is not of a file.
    pub fn new(handle: HANDLE) -> Option<Self> {
        let mut object = null_mut();
        // SAFETY: the handle is the caller's, of whatever type; the type is looked up.
        let status = unsafe { ObReferenceObjectByHandle(handle, 0, 0, 0, &raw mut object, null_mut()) };
        if status < 0 {
            return None;
        }
        let object = object.cast::<FILE_OBJECT>();
        let name = name_of(handle);
        let file = name.rsplit('\\').next().unwrap_or_default();
        let open = Open {
            object: object.addr(),
            handle: handle.addr(),
            read_fails_with: steering::failed_read(file),
        };
        lock().push(open);
        let mut sections = SECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
        let pointers = sections
            .entry(name.to_lowercase())
            .or_insert_with(|| Sections(Box::into_raw(Box::default())));
        // SAFETY: a file object of Wine's kernel, referenced above; Wine leaves the members that are set here alone.
        let members = unsafe { &mut *object };
        members.SectionObjectPointer = pointers.0;
        members.ReadAccess = true;
        members.SharedRead = true;
        Some(Self {
            object,
            is_prefetched: steering::is_prefetched(file),
        })
    }

    /// Whether it is to pass for one that the prefetcher has opened.
    pub fn is_prefetched(&self) -> bool {
        self.is_prefetched
    }

    /// The file's object.
    pub fn object(&self) -> *mut FILE_OBJECT {
        self.object
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        contexts::close(self.object);
        let address = self.object.addr();
        lock().retain(|open| open.object != address);
        // SAFETY: referenced once in `new`.
        unsafe { ObfDereferenceObject(self.object.cast()) };
    }
}

fn lock() -> MutexGuard<'static, Vec<Open>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The handle of a file that an operation is going on with.
pub fn handle_of(object: *const FILE_OBJECT) -> Option<HANDLE> {
    open(object).map(|open| open.handle as HANDLE)
}

fn open(object: *const FILE_OBJECT) -> Option<Open> {
    let open = lock().iter().find(|open| open.object == object.addr()).copied();
    if open.is_none() {
        print("a file object is used outside of the operation that it came with");
    }
    open
}

/// Reads from a file, waiting for the end.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltReadFile(
    instance: isize,
    file: *const FILE_OBJECT,
    offset: *const i64,
    length: u32,
    buffer: *mut c_void,
    flags: u32,
    read: *mut u32,
    callback: *const c_void,
    _context: *const c_void,
) -> i32 {
    let Some(open) = open(file).filter(|_| is_instance(instance)) else {
        return STATUS_INVALID_PARAMETER;
    };
    if !callback.is_null() {
        print("FltReadFile with a callback is not made here");
        return STATUS_NOT_SUPPORTED;
    }
    // SAFETY: null or valid, by the function's contract.
    let start = unsafe { offset.as_ref() }.copied().unwrap_or(0).cast_unsigned();
    let ends_inside_a_sector = !start.is_multiple_of(SECTOR) || !u64::from(length).is_multiple_of(SECTOR);
    if flags & FLTFL_IO_OPERATION_NON_CACHED != 0 && ends_inside_a_sector {
        return STATUS_INVALID_PARAMETER;
    }
    if let Some(status) = open.read_fails_with {
        return status;
    }
    let keep = flags & FLTFL_IO_OPERATION_DO_NOT_UPDATE_BYTE_OFFSET != 0;
    let position = Position::of(open.handle as HANDLE).filter(|_| keep);
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: asks for a new event.
    let event = unsafe { CreateEventW(null_mut(), 1, 0, null_mut()) };
    // SAFETY: the buffer is as long as said, by the function's contract; the rest lives until the wait below has ended.
    let mut status = unsafe {
        NtReadFile(
            open.handle as HANDLE,
            event,
            None,
            null_mut(),
            &raw mut io,
            buffer,
            length,
            offset,
            null_mut(),
        )
    };
    if status == STATUS_PENDING {
        // SAFETY: made above.
        unsafe { WaitForSingleObject(event, INFINITE) };
        // SAFETY: set when the event is.
        status = unsafe { io.Anonymous.Status };
    }
    // SAFETY: made above, closed once.
    unsafe { CloseHandle(event) };
    if let Some(position) = position {
        position.restore();
    }
    // SAFETY: null or writable, by the function's contract.
    if let Some(read) = unsafe { read.as_mut() } {
        *read = if status >= 0 {
            u32::try_from(io.Information).unwrap_or(0)
        } else {
            0
        };
    }
    status
}

/// Queries a file.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltQueryInformationFile(
    instance: isize,
    file: *const FILE_OBJECT,
    answer: *mut c_void,
    length: u32,
    class: i32,
    returned: *mut u32,
) -> i32 {
    let Some(open) = open(file).filter(|_| is_instance(instance)) else {
        return STATUS_INVALID_PARAMETER;
    };
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the answer's place is as long as said, by the function's contract.
    let status = unsafe { NtQueryInformationFile(open.handle as HANDLE, &raw mut io, answer, length, class) };
    // SAFETY: null or writable, by the function's contract.
    if let Some(returned) = unsafe { returned.as_mut() } {
        *returned = u32::try_from(io.Information).unwrap_or(0);
    }
    status
}

/// Answers FSCTL_READ_FILE_USN_DATA, which Wine does not know: the update sequence number is the time of the file's last change,
/// which grows with each as the number does.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltFsControlFile(
    instance: isize,
    file: *const FILE_OBJECT,
    code: u32,
    _input: *const c_void,
    _input_length: u32,
    output: *mut c_void,
    output_length: u32,
    returned: *mut u32,
) -> i32 {
    let Some(open) = open(file).filter(|_| is_instance(instance)) else {
        return STATUS_INVALID_PARAMETER;
    };
    if code != FSCTL_READ_FILE_USN_DATA {
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    let length = u32::try_from(size_of::<USN_RECORD_V2>()).unwrap_or(0);
    if output_length < length {
        return STATUS_BUFFER_TOO_SMALL;
    }
    let mut io = IO_STATUS_BLOCK::default();
    let mut basic = FILE_BASIC_INFORMATION::default();
    // SAFETY: the place is as large as said.
    let status = unsafe {
        NtQueryInformationFile(
            open.handle as HANDLE,
            &raw mut io,
            (&raw mut basic).cast(),
            u32::try_from(size_of_val(&basic)).unwrap_or(0),
            FileBasicInformation,
        )
    };
    if status < 0 {
        return status;
    }
    let record = USN_RECORD_V2 {
        RecordLength: length,
        MajorVersion: 2,
        Usn: basic.ChangeTime,
        FileAttributes: basic.FileAttributes,
        ..USN_RECORD_V2::default()
    };
    // SAFETY: large enough, as checked above, by the function's contract writable; it need not be aligned.
    unsafe { output.cast::<USN_RECORD_V2>().write_unaligned(record) };
    // SAFETY: null or writable, by the function's contract.
    if let Some(returned) = unsafe { returned.as_mut() } {
        *returned = length;
    }
    STATUS_SUCCESS
}

/// Queries the volume that an instance is attached to.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn FltQueryVolumeInformation(
    instance: isize,
    io: *mut IO_STATUS_BLOCK,
    answer: *mut c_void,
    length: u32,
    class: i32,
) -> i32 {
    if !is_instance(instance) {
        return STATUS_INVALID_PARAMETER;
    }
    let mut units: Vec<u16> = r"\??\C:\".encode_utf16().collect();
    let bytes = u16::try_from(units.len() * 2).unwrap_or(0);
    let name = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: units.as_mut_ptr(),
    };
    let attributes = OBJECT_ATTRIBUTES {
        Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>()).unwrap_or(0),
        ObjectName: &raw const name,
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut root = null_mut();
    let mut opened = IO_STATUS_BLOCK::default();
    // SAFETY: the name and the rest live through the call.
    let status = unsafe {
        NtOpenFile(
            &raw mut root,
            READ_ATTRIBUTES | SYNCHRONIZE,
            &raw const attributes,
            &raw mut opened,
            SHARE_ALL,
            FILE_SYNCHRONOUS_IO_NONALERT,
        )
    };
    if status < 0 {
        return status;
    }
    // SAFETY: the answer's place is as long as said, by the function's contract.
    let status = unsafe { NtQueryVolumeInformationFile(root, io, answer, length, class) };
    // SAFETY: opened above, closed once.
    unsafe { CloseHandle(root) };
    status
}

/// A file's position, to be put back after a read that must not move it.
struct Position {
    handle: HANDLE,
    offset: i64,
}

impl Position {
    fn of(handle: HANDLE) -> Option<Self> {
        let mut io = IO_STATUS_BLOCK::default();
        let mut offset = 0_i64;
        // SAFETY: the class's answer is one 64-bit offset.
        let status = unsafe {
            NtQueryInformationFile(
                handle,
                &raw mut io,
                (&raw mut offset).cast(),
                8,
                FilePositionInformation,
            )
        };
        (status >= 0).then_some(Self { handle, offset })
    }

    fn restore(self) {
        let mut io = IO_STATUS_BLOCK::default();
        let offset = &raw const self.offset;
        // SAFETY: the class takes one 64-bit offset.
        unsafe {
            NtSetInformationFile(
                self.handle,
                &raw mut io,
                offset.cast(),
                8,
                FilePositionInformation,
            )
        };
    }
}
