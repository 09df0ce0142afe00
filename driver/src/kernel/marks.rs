//! What identifies a file and shows that it was written, however it is reached.

use core::ffi::c_void;
use gate::FileKey;
use gate::host::NtStatus;
use wdk_sys::_FILE_INFORMATION_CLASS::FileBasicInformation;
use wdk_sys::_FILE_INFORMATION_CLASS::FileInternalInformation;
use wdk_sys::_FILE_INFORMATION_CLASS::FileStandardInformation;
use wdk_sys::FILE_BASIC_INFORMATION;
use wdk_sys::FILE_STANDARD_INFORMATION;

/// `FileFsVolumeInformation`.
const VOLUME_INFORMATION: i32 = 1;
/// `FSCTL_READ_FILE_USN_DATA`.
const READ_FILE_USN_DATA: u32 = 0x0009_00eb;

/// What changes when a file is written.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Size in bytes.
    pub size: i64,
    /// Last write, FILETIME.
    pub written: i64,
    /// Last change of anything, FILETIME.
    pub changed: i64,
}

/// `FILE_FS_VOLUME_INFORMATION` with room for a label, which is not looked at.
#[repr(C)]
struct Volume {
    created: i64,
    serial: u32,
    label_length: u32,
    supports_objects: u8,
    label: [u8; 71],
}

/// `USN_RECORD_V2` with room for a name, which is not looked at.
#[repr(C)]
struct UsnRecord {
    length: u32,
    major: u16,
    minor: u16,
    file: u64,
    parent: u64,
    usn: i64,
    rest: [u64; 68],
}

/// A file that can be asked for information.
pub trait Queried {
    /// Fills `answer`, of `length` bytes, with the information of a class. IRQL: PASSIVE_LEVEL.
    ///
    /// # Safety
    /// `answer` is writable for `length` bytes and aligned for the class.
    unsafe fn query(&self, answer: *mut c_void, length: u32, class: i32) -> Result<(), NtStatus>;

    /// As [`Queried::query`], of the file's volume.
    ///
    /// # Safety
    /// As [`Queried::query`].
    unsafe fn query_volume(&self, answer: *mut c_void, length: u32, class: i32) -> Result<(), NtStatus>;

    /// As [`Queried::query`], by a file system control without input.
    ///
    /// # Safety
    /// As [`Queried::query`].
    unsafe fn control(&self, code: u32, answer: *mut c_void, length: u32) -> Result<(), NtStatus>;
}

impl Marks {
    /// Asks for them. IRQL: PASSIVE_LEVEL.
    pub fn read(file: &impl Queried) -> Result<Self, NtStatus> {
        let mut standard = FILE_STANDARD_INFORMATION::default();
        // SAFETY: the structure is that of the class.
        unsafe {
            file.query(
                (&raw mut standard).cast(),
                super::size::<FILE_STANDARD_INFORMATION>(),
                FileStandardInformation,
            )
        }?;
        let mut basic = FILE_BASIC_INFORMATION::default();
        // SAFETY: as above.
        unsafe {
            file.query(
                (&raw mut basic).cast(),
                super::size::<FILE_BASIC_INFORMATION>(),
                FileBasicInformation,
            )
        }?;
        Ok(Self {
            // SAFETY: all members of a LARGE_INTEGER are the same 64 bits.
            size: unsafe { standard.EndOfFile.QuadPart },
            // SAFETY: as above.
            written: unsafe { basic.LastWriteTime.QuadPart },
            // SAFETY: as above.
            changed: unsafe { basic.ChangeTime.QuadPart },
        })
    }

    /// Together with what identifies the file; `None` on a volume without update sequence numbers. IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn key(&self, file: &impl Queried) -> Result<Option<FileKey>, NtStatus> {
        let mut usn = UsnRecord {
            length: 0,
            major: 0,
            minor: 0,
            file: 0,
            parent: 0,
            usn: 0,
            rest: [0; 68],
        };
        // SAFETY: the structure is that of the control's answer.
        let asked = unsafe {
            file.control(
                READ_FILE_USN_DATA,
                (&raw mut usn).cast(),
                super::size::<UsnRecord>(),
            )
        };
        match asked {
            Ok(()) => {}
            Err(status) if is_unknown(status) => return Ok(None),
            Err(status) => return Err(status),
        }
        if usn.major != 2 || usn.usn == 0 {
            return Ok(None);
        }
        let mut number = 0_u64;
        // SAFETY: FILE_INTERNAL_INFORMATION is one LARGE_INTEGER.
        unsafe {
            file.query(
                (&raw mut number).cast(),
                super::size::<u64>(),
                FileInternalInformation,
            )
        }?;
        let mut volume = Volume {
            created: 0,
            serial: 0,
            label_length: 0,
            supports_objects: 0,
            label: [0; 71],
        };
        // SAFETY: the structure is that of the class.
        unsafe {
            file.query_volume(
                (&raw mut volume).cast(),
                super::size::<Volume>(),
                VOLUME_INFORMATION,
            )
        }?;
        Ok(Some(FileKey {
            volume: u64::from(volume.serial) | volume.created.cast_unsigned() << 32,
            file: number,
            usn: usn.usn,
            size: self.size,
            written: self.written,
            changed: self.changed,
        }))
    }
}

/// Whether a file system does not know what it was asked for.
const fn is_unknown(status: NtStatus) -> bool {
    /// `STATUS_NOT_IMPLEMENTED`.
    const NOT_IMPLEMENTED: NtStatus = NtStatus::from_bits(0xc000_0002);
    matches!(
        status,
        NtStatus::INVALID_DEVICE_REQUEST
            | NtStatus::INVALID_PARAMETER
            | NtStatus::NOT_SUPPORTED
            | NOT_IMPLEMENTED
    )
}
