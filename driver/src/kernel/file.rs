//! Files: opened for weighing, read at explicit offsets, and proved to be the ones that were loaded.

use crate::kernel::KERNEL_MODE;
use crate::kernel::check;
use crate::kernel::marks::Marks;
use crate::kernel::marks::Queried;
use crate::kernel::size;
use crate::kernel::string::UnicodeString;
use core::ffi::c_void;
use core::ptr::NonNull;
use core::ptr::null_mut;
use evidence::Source;
use evidence::SourceError;
use gate::FileKey;
use gate::host::Authority;
use gate::host::NtStatus;
use wdk_sys::_FILE_OBJECT;
use wdk_sys::HANDLE;
use wdk_sys::IO_STATUS_BLOCK;
use wdk_sys::LARGE_INTEGER;
use wdk_sys::OBJ_CASE_INSENSITIVE;
use wdk_sys::OBJ_FORCE_ACCESS_CHECK;
use wdk_sys::OBJ_KERNEL_HANDLE;
use wdk_sys::OBJECT_ATTRIBUTES;
use wdk_sys::ntddk::ObReferenceObjectByHandle;
use wdk_sys::ntddk::ObfDereferenceObject;
use wdk_sys::ntddk::ObfReferenceObject;
use wdk_sys::ntddk::ZwClose;
use wdk_sys::ntddk::ZwCreateFile;
use wdk_sys::ntddk::ZwFsControlFile;
use wdk_sys::ntddk::ZwQueryInformationFile;
use wdk_sys::ntddk::ZwQueryVolumeInformationFile;
use wdk_sys::ntddk::ZwReadFile;

const FILE_READ_DATA: u32 = 0x1;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const SYNCHRONIZE: u32 = 0x0010_0000;
/// Everyone may go on doing what they do with the file: a change while it is read is noticed by [`File::is_unchanged`].
const SHARE_ALL: u32 = 0x7;
const FILE_OPEN: u32 = 1;
const FILE_SEQUENTIAL_ONLY: u32 = 0x4;
const FILE_SYNCHRONOUS_IO_NONALERT: u32 = 0x20;
const FILE_NON_DIRECTORY_FILE: u32 = 0x40;
/// Do not wait for an oplock holder to react.
const FILE_COMPLETE_IF_OPLOCKED: u32 = 0x100;
const STATUS_OPLOCK_BREAK_IN_PROGRESS: i32 = 0x108;
const STATUS_SHARING_VIOLATION: u32 = 0xc000_0043;
const STATUS_END_OF_FILE: u32 = 0xc000_0011;

/// A referenced file object.
pub struct FileObject {
    object: NonNull<_FILE_OBJECT>,
}

// SAFETY: a referenced object may be used and dereferenced from any thread.
unsafe impl Send for FileObject {}

impl FileObject {
    /// Takes a reference; `None` for null. IRQL: at most DISPATCH_LEVEL.
    ///
    /// # Safety
    /// `object` is null or a valid file object.
    pub unsafe fn reference(object: *mut _FILE_OBJECT) -> Option<Self> {
        let object = NonNull::new(object)?;
        // SAFETY: valid, by the caller.
        unsafe { ObfReferenceObject(object.as_ptr().cast()) };
        Some(Self { object })
    }

    /// Whether both are open on the same stream of the same file: they share their section object pointers.
    ///
    /// IRQL: PASSIVE_LEVEL.
    fn is_same_file(&self, other: &Self) -> bool {
        // SAFETY: referenced, so valid; the member is set at create and stays.
        let mine = unsafe { (*self.object.as_ptr()).SectionObjectPointer };
        // SAFETY: as above.
        let others = unsafe { (*other.object.as_ptr()).SectionObjectPointer };
        !mine.is_null() && mine == others
    }
}

impl Drop for FileObject {
    /// IRQL: PASSIVE_LEVEL: the last reference closes the file.
    fn drop(&mut self) {
        // SAFETY: referenced once in `reference` or by `ObReferenceObjectByHandle`, given back once.
        unsafe { ObfDereferenceObject(self.object.as_ptr().cast()) };
    }
}

/// An open file.
pub struct File {
    handle: HANDLE,
    marks: Marks,
}

// SAFETY: a kernel handle may be used from any thread.
unsafe impl Send for File {}

impl File {
    /// Opens the file at an NT path for reading.
    ///
    /// IRQL: PASSIVE_LEVEL, with special kernel APCs enabled.
    ///
    /// # Errors
    /// What the kernel says; a file whose oplock holder would have to be waited for is a sharing violation.
    pub fn open(path: &[u16], authority: Authority) -> Result<Self, NtStatus> {
        let name = UnicodeString::new(path).ok_or(NtStatus::NAME_TOO_LONG)?;
        let checked = match authority {
            Authority::Kernel => 0,
            Authority::Requestor => OBJ_FORCE_ACCESS_CHECK,
        };
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: size::<OBJECT_ATTRIBUTES>(),
            ObjectName: name.as_ptr(),
            Attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE | checked,
            ..OBJECT_ATTRIBUTES::default()
        };
        let mut handle: HANDLE = null_mut();
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: every pointer is to a local that lives through the call, or null where that is allowed.
        let status = unsafe {
            ZwCreateFile(
                &raw mut handle,
                FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
                &raw mut attributes,
                &raw mut io,
                null_mut(),
                0,
                SHARE_ALL,
                FILE_OPEN,
                FILE_SEQUENTIAL_ONLY
                    | FILE_SYNCHRONOUS_IO_NONALERT
                    | FILE_NON_DIRECTORY_FILE
                    | FILE_COMPLETE_IF_OPLOCKED,
                null_mut(),
                0,
            )
        };
        check(status)?;
        // SAFETY: opened above, as is asked for.
        let file = unsafe { Self::from_handle(handle) }?;
        if status == STATUS_OPLOCK_BREAK_IN_PROGRESS {
            return Err(NtStatus::from_bits(STATUS_SHARING_VIOLATION));
        }
        Ok(file)
    }

    /// Takes charge of a handle. IRQL: PASSIVE_LEVEL.
    ///
    /// # Safety
    /// It is open on a file, for reading data and attributes and for synchronous I/O, and nobody else closes it.
    pub unsafe fn from_handle(handle: HANDLE) -> Result<Self, NtStatus> {
        let mut file = Self {
            handle,
            marks: Marks::default(),
        };
        file.marks = Marks::read(&file)?;
        Ok(file)
    }

    /// Whether this is the file that `loaded` is open on. IRQL: PASSIVE_LEVEL.
    pub fn is_file_of(&self, loaded: &FileObject) -> bool {
        let mut object = null_mut();
        // SAFETY: the handle is open; without a type the kernel checks none, which is allowed in kernel mode, and the handle is
        // known to be a file's.
        let status = unsafe {
            ObReferenceObjectByHandle(
                self.handle,
                0,
                null_mut(),
                KERNEL_MODE,
                &raw mut object,
                null_mut(),
            )
        };
        match NonNull::new(object.cast()) {
            Some(object) if status >= 0 => FileObject { object }.is_same_file(loaded),
            _ => false,
        }
    }
}

impl Queried for File {
    unsafe fn query(&self, answer: *mut c_void, length: u32, class: i32) -> Result<(), NtStatus> {
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: the handle is open; the answer by the caller.
        check(unsafe { ZwQueryInformationFile(self.handle, &raw mut io, answer, length, class) })
    }

    unsafe fn query_volume(&self, answer: *mut c_void, length: u32, class: i32) -> Result<(), NtStatus> {
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: as above.
        check(unsafe { ZwQueryVolumeInformationFile(self.handle, &raw mut io, answer, length, class) })
    }

    unsafe fn control(&self, code: u32, answer: *mut c_void, length: u32) -> Result<(), NtStatus> {
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: as above; the handle is synchronous, so the kernel is done with the locals when the call returns.
        check(unsafe {
            ZwFsControlFile(
                self.handle,
                null_mut(),
                None,
                null_mut(),
                &raw mut io,
                code,
                null_mut(),
                0,
                answer,
                length,
            )
        })
    }
}

impl gate::host::File for File {
    /// IRQL: PASSIVE_LEVEL.
    fn is_unchanged(&mut self) -> bool {
        Marks::read(self).is_ok_and(|marks| marks == self.marks)
    }

    /// IRQL: PASSIVE_LEVEL.
    fn key(&mut self) -> Result<Option<FileKey>, NtStatus> {
        self.marks.key(self)
    }
}

impl Source for File {
    fn size(&self) -> u64 {
        u64::try_from(self.marks.size).unwrap_or(0)
    }

    /// IRQL: PASSIVE_LEVEL, with special kernel APCs enabled.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut filled = 0_usize;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let position = offset.saturating_add(filled as u64);
            let mut start = LARGE_INTEGER {
                QuadPart: i64::try_from(position).unwrap_or(i64::MAX),
            };
            let mut io = IO_STATUS_BLOCK::default();
            let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            // SAFETY: the handle is open and synchronous, so the kernel is done with the locals when the call returns; `rest`
            // has room for `length` bytes.
            let status = unsafe {
                ZwReadFile(
                    self.handle,
                    null_mut(),
                    None,
                    null_mut(),
                    &raw mut io,
                    rest.as_mut_ptr().cast(),
                    length,
                    &raw mut start,
                    null_mut(),
                )
            };
            match check(status) {
                Ok(()) if io.Information == 0 => break,
                Ok(()) => filled = filled.saturating_add(usize::try_from(io.Information).unwrap_or(0)),
                Err(status) if status.bits() == STATUS_END_OF_FILE => break,
                Err(status) => {
                    return Err(SourceError {
                        status: status.0,
                        offset: position,
                    });
                }
            }
        }
        Ok(filled.min(buffer.len()))
    }
}

impl Drop for File {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: opened in `open`, closed once.
        let _ = unsafe { ZwClose(self.handle) };
    }
}
