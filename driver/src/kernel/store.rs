//! The folder in which the driver keeps files of its own, and replacing one of them so that power may fail at any moment.

use crate::kernel::check;
use crate::kernel::file::File;
use crate::kernel::size;
use crate::kernel::string::UnicodeString;
use alloc::vec::Vec;
use core::ptr::null_mut;
use evidence::Source;
use gate::host::NtStatus;
use wdk_sys::_FILE_INFORMATION_CLASS::FileRenameInformation;
use wdk_sys::HANDLE;
use wdk_sys::IO_STATUS_BLOCK;
use wdk_sys::LARGE_INTEGER;
use wdk_sys::OBJ_CASE_INSENSITIVE;
use wdk_sys::OBJ_KERNEL_HANDLE;
use wdk_sys::OBJECT_ATTRIBUTES;
use wdk_sys::ntddk::ZwClose;
use wdk_sys::ntddk::ZwCreateFile;
use wdk_sys::ntddk::ZwFlushBuffersFile;
use wdk_sys::ntddk::ZwSetInformationFile;
use wdk_sys::ntddk::ZwSetSecurityObject;
use wdk_sys::ntddk::ZwWriteFile;

const FILE_READ_DATA: u32 = 0x1;
const FILE_WRITE_DATA: u32 = 0x2;
const FILE_TRAVERSE: u32 = 0x20;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const DELETE: u32 = 0x0001_0000;
const WRITE_DAC: u32 = 0x0004_0000;
const SYNCHRONIZE: u32 = 0x0010_0000;

const SHARE_READ: u32 = 0x1;
const SHARE_ALL: u32 = 0x7;

const FILE_OPEN: u32 = 1;
const FILE_OPEN_IF: u32 = 3;
const FILE_OVERWRITE_IF: u32 = 5;

const FILE_DIRECTORY_FILE: u32 = 0x1;
const FILE_WRITE_THROUGH: u32 = 0x2;
const FILE_SYNCHRONOUS_IO_NONALERT: u32 = 0x20;
const FILE_NON_DIRECTORY_FILE: u32 = 0x40;
/// A link in the place of one of the driver's names is not followed.
const FILE_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

const DACL_SECURITY_INFORMATION: u32 = 0x4;

/// Longest name in the folder in UTF-16 units.
const NAME_UNITS: usize = 32;

/// `.new`, behind the name of the file that a new one is to replace.
const NEW: [u8; 4] = *b".new";

/// An open handle.
struct Handle(HANDLE);

// SAFETY: a kernel handle may be used from any thread.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    /// IRQL: PASSIVE_LEVEL.
    fn drop(&mut self) {
        // SAFETY: opened in `create`, closed once.
        let _ = unsafe { ZwClose(self.0) };
    }
}

/// How something is opened or created.
struct Creation {
    access: u32,
    share: u32,
    disposition: u32,
    options: u32,
}

/// Opens or creates a file or folder; relative to `folder`, if there is one. What is created in no folder gets the driver's own
/// security descriptor. IRQL: PASSIVE_LEVEL.
fn create(folder: Option<&Handle>, name: &[u16], how: &Creation) -> Result<Handle, NtStatus> {
    let name = UnicodeString::new(name).ok_or(NtStatus::NAME_TOO_LONG)?;
    let descriptor = core::ptr::from_ref(&protocol::security::FOLDER_DESCRIPTOR).cast_mut();
    let mut attributes = OBJECT_ATTRIBUTES {
        Length: size::<OBJECT_ATTRIBUTES>(),
        RootDirectory: folder.map_or(null_mut(), |folder| folder.0),
        ObjectName: name.as_ptr(),
        Attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
        SecurityDescriptor: if folder.is_none() {
            descriptor.cast()
        } else {
            null_mut()
        },
        ..OBJECT_ATTRIBUTES::default()
    };
    let mut handle: HANDLE = null_mut();
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: every pointer is to something that lives through the call, or null where that is allowed; the descriptor is valid
    // and only read.
    check(unsafe {
        ZwCreateFile(
            &raw mut handle,
            how.access,
            &raw mut attributes,
            &raw mut io,
            null_mut(),
            0,
            how.share,
            how.disposition,
            how.options | FILE_SYNCHRONOUS_IO_NONALERT,
            null_mut(),
            0,
        )
    })?;
    Ok(Handle(handle))
}

/// The name of a file in the folder, with something behind it.
struct Name {
    units: [u16; NAME_UNITS],
    length: usize,
}

impl Name {
    fn new(name: &str, behind: &[u8]) -> Self {
        let mut units = [0; NAME_UNITS];
        let mut length = 0_usize;
        for (unit, byte) in units.iter_mut().zip(name.bytes().chain(behind.iter().copied())) {
            *unit = u16::from(byte);
            length = length.saturating_add(1);
        }
        Self { units, length }
    }

    fn units(&self) -> &[u16] {
        self.units.get(..self.length).unwrap_or_default()
    }
}

/// `FILE_RENAME_INFORMATION`, 64-bit, with room for a name.
#[repr(C)]
struct Rename {
    replace: u32,
    folder: HANDLE,
    bytes: u32,
    name: [u16; NAME_UNITS],
}

const _: () = assert!(core::mem::offset_of!(Rename, folder) == 8);
const _: () = assert!(core::mem::offset_of!(Rename, bytes) == 16);
const _: () = assert!(core::mem::offset_of!(Rename, name) == 20);

/// The folder, open.
pub struct Folder {
    handle: Handle,
}

impl Folder {
    /// Opens the folder of this NT path, and makes it if it is not there: SYSTEM's and the Administrators' alone, as everything made
    /// in it. IRQL: PASSIVE_LEVEL.
    pub fn open(path: &[u16]) -> Result<Self, NtStatus> {
        let how = Creation {
            access: FILE_READ_ATTRIBUTES | FILE_TRAVERSE | WRITE_DAC | SYNCHRONIZE,
            share: SHARE_ALL,
            disposition: FILE_OPEN_IF,
            options: FILE_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT,
        };
        let handle = create(None, path, &how)?;
        let descriptor = core::ptr::from_ref(&protocol::security::FOLDER_DESCRIPTOR).cast_mut();
        // Again, for a folder that was there already.
        // SAFETY: the handle is open; the descriptor is valid, self-relative and only read.
        check(unsafe { ZwSetSecurityObject(handle.0, DACL_SECURITY_INFORMATION, descriptor.cast()) })?;
        Ok(Self { handle })
    }

    /// The whole of a file; nothing longer than `limit` bytes. IRQL: PASSIVE_LEVEL.
    pub fn load(&self, name: &str, limit: usize) -> Result<Vec<u8>, NtStatus> {
        let how = Creation {
            access: FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
            share: SHARE_READ,
            disposition: FILE_OPEN,
            options: FILE_NON_DIRECTORY_FILE | FILE_OPEN_REPARSE_POINT,
        };
        let handle = create(Some(&self.handle), Name::new(name, &[]).units(), &how)?;
        // SAFETY: a file's handle, open and given away here.
        let mut file = unsafe { File::from_handle(core::mem::ManuallyDrop::new(handle).0) }?;
        let length = usize::try_from(file.size()).unwrap_or(usize::MAX);
        if length > limit {
            return Err(NtStatus::FILE_TOO_LARGE);
        }
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact(length)
            .map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        // Within what was reserved; the comparison lets the compiler see that.
        if bytes.capacity().saturating_sub(bytes.len()) >= length {
            bytes.resize(length, 0);
        }
        let read = file
            .read_at(0, &mut bytes)
            .map_err(|error| NtStatus(error.status))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Writes the parts into the new file beside `name` and flushes it. IRQL: PASSIVE_LEVEL.
    pub fn write_new(&self, name: &str, parts: &[&[u8]]) -> Result<(), NtStatus> {
        let how = Creation {
            access: FILE_WRITE_DATA | SYNCHRONIZE,
            share: 0,
            disposition: FILE_OVERWRITE_IF,
            options: FILE_NON_DIRECTORY_FILE | FILE_WRITE_THROUGH | FILE_OPEN_REPARSE_POINT,
        };
        let file = create(Some(&self.handle), Name::new(name, &NEW).units(), &how)?;
        let mut offset = 0_u64;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            write(&file, offset, part)?;
            offset = offset.saturating_add(part.len() as u64);
        }
        flush(&file)
    }

    /// Renames the new file beside `name` to it. IRQL: PASSIVE_LEVEL.
    pub fn commit(&self, name: &str) -> Result<(), NtStatus> {
        self.replace(&Name::new(name, &NEW), &Name::new(name, &[]))
    }

    /// Renames `from` to `to`, replacing it. IRQL: PASSIVE_LEVEL.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), NtStatus> {
        self.replace(&Name::new(from, &[]), &Name::new(to, &[]))
    }

    fn replace(&self, from: &Name, to: &Name) -> Result<(), NtStatus> {
        let how = Creation {
            // Writing is what flushing asks for.
            access: DELETE | FILE_WRITE_DATA | SYNCHRONIZE,
            share: 0,
            disposition: FILE_OPEN,
            options: FILE_NON_DIRECTORY_FILE | FILE_WRITE_THROUGH | FILE_OPEN_REPARSE_POINT,
        };
        let file = create(Some(&self.handle), from.units(), &how)?;
        let mut rename = Rename {
            replace: 1,
            folder: self.handle.0,
            bytes: u32::try_from(size_of_val(to.units())).map_err(|_| NtStatus::NAME_TOO_LONG)?,
            name: to.units,
        };
        let mut io = IO_STATUS_BLOCK::default();
        // SAFETY: the handle is open; the structure is the class's, with its name inside it.
        check(unsafe {
            ZwSetInformationFile(
                file.0,
                &raw mut io,
                (&raw mut rename).cast(),
                size::<Rename>(),
                FileRenameInformation,
            )
        })?;
        // The rename itself is a change of the folder, which the file system logs; flushing the file writes that log out.
        flush(&file)
    }
}

/// Writes all of `bytes`. IRQL: PASSIVE_LEVEL.
fn write(file: &Handle, offset: u64, bytes: &[u8]) -> Result<(), NtStatus> {
    let mut start = LARGE_INTEGER {
        QuadPart: i64::try_from(offset).map_err(|_| NtStatus::FILE_TOO_LARGE)?,
    };
    let length = u32::try_from(bytes.len()).map_err(|_| NtStatus::FILE_TOO_LARGE)?;
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open and synchronous, so the kernel is done with the locals when the call returns; it only reads the
    // bytes, and as many as there are.
    check(unsafe {
        ZwWriteFile(
            file.0,
            null_mut(),
            None,
            null_mut(),
            &raw mut io,
            bytes.as_ptr().cast_mut().cast(),
            length,
            &raw mut start,
            null_mut(),
        )
    })?;
    if io.Information == u64::from(length) {
        Ok(())
    } else {
        Err(NtStatus::DISK_FULL)
    }
}

/// Waits until all that was written is on the disk. IRQL: PASSIVE_LEVEL.
fn flush(file: &Handle) -> Result<(), NtStatus> {
    let mut io = IO_STATUS_BLOCK::default();
    // SAFETY: the handle is open.
    check(unsafe { ZwFlushBuffersFile(file.0, &raw mut io) })
}
