//! The images the kernel has loaded.

use crate::kernel::check;
use alloc::vec::Vec;
use core::ffi::c_void;
use gate::LoadedImage;
use gate::Path;
use gate::host::NtStatus;
use wdk_sys::NTSTATUS;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// `SystemModuleInformation` of ZwQuerySystemInformation.
const MODULES: u32 = 11;

/// `STATUS_INFO_LENGTH_MISMATCH`.
const LENGTH_MISMATCH: u32 = 0xc000_0004;

/// Most modules asked for, a bound on the memory the answer takes. Windows 11 has some 250.
const MAX_MODULES: usize = 2048;

/// Bytes before the first module: a count, and padding to the modules' alignment.
const HEAD: usize = 8;

unsafe extern "C" {
    /// Not in the driver kit's headers, but documented for user mode and exported by every kernel. IRQL: PASSIVE_LEVEL.
    #[link_name = "ZwQuerySystemInformation"]
    pub(super) fn query_system_information(
        class: u32,
        information: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS;
}

/// `RTL_PROCESS_MODULE_INFORMATION`, 64-bit.
#[repr(C)]
#[derive(FromBytes, Immutable, KnownLayout)]
struct Module {
    section: u64,
    mapped_base: u64,
    image_base: u64,
    image_size: u32,
    flags: u32,
    load_order: u16,
    init_order: u16,
    load_count: u16,
    name_offset: u16,
    path: [u8; 256],
}

const _: () = assert!(size_of::<Module>() == 296);
const _: () = assert!(core::mem::offset_of!(Module, path) == 40);

/// A snapshot of the kernel's module list.
pub struct Modules {
    answer: Vec<u64>,
}

impl Modules {
    /// Takes the snapshot. Any of the images may be unloaded a moment later.
    ///
    /// IRQL: PASSIVE_LEVEL.
    ///
    /// # Errors
    /// What ZwQuerySystemInformation says, or `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn snapshot() -> Result<Self, NtStatus> {
        let mut needed = 0;
        // SAFETY: no room is given, so nothing is written but `needed`.
        let status = unsafe { query_system_information(MODULES, core::ptr::null_mut(), 0, &raw mut needed) };
        if NtStatus(status).bits() != LENGTH_MISMATCH {
            check(status)?;
        }
        // Room for a few that load meanwhile; if more do, the second call says so and the snapshot fails.
        let slack = 16 * size_of::<Module>();
        let bytes = usize::try_from(needed)
            .unwrap_or(0)
            .min(MAX_MODULES * size_of::<Module>())
            + slack;
        let words = bytes.div_ceil(size_of::<u64>());
        let mut answer: Vec<u64> = Vec::new();
        answer
            .try_reserve_exact(words)
            .map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        while answer.len() < words && answer.len() < answer.capacity() {
            answer.push(0);
        }
        let bytes = size_of_val(answer.as_slice());
        let length = u32::try_from(bytes).map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        // SAFETY: `answer` has room for `length` bytes and the alignment that the structures ask for.
        check(unsafe {
            query_system_information(MODULES, answer.as_mut_ptr().cast(), length, &raw mut needed)
        })?;
        Ok(Self { answer })
    }

    /// Calls `visit` with each image, in load order. An image is large: it is made once, and lent.
    ///
    /// IRQL: PASSIVE_LEVEL.
    pub fn each(&self, mut visit: impl FnMut(&LoadedImage)) {
        let count = self
            .answer
            .first()
            .map_or(0, |word| usize::try_from(word & 0xffff_ffff).unwrap_or(0));
        let bytes = self.answer.as_bytes().get(HEAD..).unwrap_or_default();
        let held = count.min(bytes.len() / size_of::<Module>());
        let modules =
            <[Module]>::ref_from_prefix_with_elems(bytes, held).map_or(&[][..], |(modules, _)| modules);
        let mut image = LoadedImage {
            path: Path::EMPTY,
            base: 0,
            size: 0,
        };
        for module in modules {
            let name = module.path.iter().take_while(|byte| **byte != 0);
            image.path.set(name.map(|byte| u16::from(*byte)));
            image.base = module.image_base;
            image.size = u64::from(module.image_size);
            visit(&image);
        }
    }
}
