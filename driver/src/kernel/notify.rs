//! Registration of the load-image notify routine.

use crate::kernel::check;
use crate::kernel::routine::find;
use crate::kernel::string::ascii;
use core::mem::transmute;
use gate::host::NtStatus;
use wdk_sys::_FILE_OBJECT;
use wdk_sys::HANDLE;
use wdk_sys::IMAGE_INFO_EX;
use wdk_sys::NTSTATUS;
use wdk_sys::PIMAGE_INFO;
use wdk_sys::PUNICODE_STRING;
use wdk_sys::ntddk::PsRemoveLoadImageNotifyRoutine;
use wdk_sys::ntddk::PsSetLoadImageNotifyRoutine;

/// A load-image notify routine.
pub type Routine = unsafe extern "C" fn(PUNICODE_STRING, HANDLE, PIMAGE_INFO);

type SetEx = unsafe extern "C" fn(Option<Routine>, usize) -> NTSTATUS;

/// `IMAGE_INFO.Properties`: the image is one of the kernel's.
pub const SYSTEM_MODE_IMAGE: u32 = 1 << 8;
/// `IMAGE_INFO.Properties`: an `IMAGE_INFO_EX` surrounds the structure.
const EXTENDED_INFO_PRESENT: u32 = 1 << 10;

const _: () = assert!(size_of::<wdk_sys::IMAGE_INFO>() == 40);
const _: () = assert!(core::mem::offset_of!(IMAGE_INFO_EX, ImageInfo) == 8);
const _: () = assert!(core::mem::offset_of!(IMAGE_INFO_EX, FileObject) == 48);

/// The registration; removed when dropped.
pub struct Registration {
    routine: Routine,
    extended: bool,
}

impl Registration {
    /// Registers `routine`: with PsSetLoadImageNotifyRoutineEx where the kernel has it (Windows 10 1709 and later), else with
    /// PsSetLoadImageNotifyRoutine. Kernel images are reported by both; no flag is asked for.
    ///
    /// IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What the kernel says: `STATUS_INSUFFICIENT_RESOURCES` when its table of routines is full.
    pub fn new(routine: Routine) -> Result<Self, NtStatus> {
        const NAME: [u16; 29] = ascii("PsSetLoadImageNotifyRoutineEx");
        if let Some(address) = find(&NAME) {
            // SAFETY: the routine of this name has this signature.
            let set_ex: SetEx = unsafe { transmute::<_, SetEx>(address.as_ptr()) };
            // SAFETY: `routine` stays in memory until the registration is dropped, which happens before the driver unloads.
            check(unsafe { set_ex(Some(routine), 0) })?;
            return Ok(Self {
                routine,
                extended: true,
            });
        }
        // SAFETY: as above.
        check(unsafe { PsSetLoadImageNotifyRoutine(Some(routine)) })?;
        Ok(Self {
            routine,
            extended: false,
        })
    }

    /// Whether the extended registration was used. IRQL: any.
    pub const fn is_extended(&self) -> bool {
        self.extended
    }
}

impl Drop for Registration {
    /// Waits for running calls of the routine. IRQL: PASSIVE_LEVEL, and not from the routine itself.
    fn drop(&mut self) {
        // SAFETY: registered in `new`, removed once.
        let _ = unsafe { PsRemoveLoadImageNotifyRoutine(Some(self.routine)) };
    }
}

/// What a notify routine is told, read out of the kernel's structures.
pub struct Reported {
    /// `IMAGE_INFO.Properties`.
    pub properties: u32,
    /// Address of the image.
    pub base: u64,
    /// Size of the mapped image in bytes.
    pub size: u64,
    /// The file object, valid until the notify routine returns.
    pub file_object: *mut _FILE_OBJECT,
}

impl Reported {
    /// Reads the structures. IRQL: that of the notify routine.
    ///
    /// # Safety
    /// `info` is what the kernel passed to the notify routine that is running.
    pub unsafe fn read(info: PIMAGE_INFO) -> Option<Self> {
        // SAFETY: null, or valid until the notify routine returns.
        let image = unsafe { info.as_ref() }?;
        // SAFETY: all members of the union are the same 32 bits.
        let properties = unsafe { image.__bindgen_anon_1.Properties };
        let file_object = if properties & EXTENDED_INFO_PRESENT == 0 {
            core::ptr::null_mut()
        } else {
            // SAFETY: the kernel says that the structure is the `ImageInfo` member of an `IMAGE_INFO_EX`.
            let extended = unsafe { info.byte_sub(core::mem::offset_of!(IMAGE_INFO_EX, ImageInfo)) };
            // SAFETY: as above.
            let extended = unsafe { &*extended.cast::<IMAGE_INFO_EX>() };
            if usize::try_from(extended.Size).is_ok_and(|size| size >= size_of::<IMAGE_INFO_EX>()) {
                extended.FileObject
            } else {
                core::ptr::null_mut()
            }
        };
        Some(Self {
            properties,
            base: image.ImageBase.addr() as u64,
            #[expect(clippy::useless_conversion, reason = "SIZE_T is u64 or usize, by the headers")]
            size: u64::try_from(image.ImageSize).unwrap_or(0),
            file_object,
        })
    }
}
