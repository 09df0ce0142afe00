//! The way from the driver's entry to a call, as addresses in the driver.

use std::ptr::null_mut;

use windows_sys::Win32::System::Diagnostics::Debug::CONTEXT;
use windows_sys::Win32::System::Diagnostics::Debug::RtlVirtualUnwind;
use windows_sys::Win32::System::Diagnostics::Debug::UNW_FLAG_NHANDLER;

use crate::image::Image;

/// Frames that are looked at.
const DEPTH: usize = 24;

/// What a function that is called must give back as it was, in the order in which [`crate::call`] saves it, and the return address.
#[repr(C)]
pub struct Saved {
    /// Register.
    pub rbx: u64,
    /// Register.
    pub rbp: u64,
    /// Register.
    pub rsi: u64,
    /// Register.
    pub rdi: u64,
    /// Register.
    pub r12: u64,
    /// Register.
    pub r13: u64,
    /// Register.
    pub r14: u64,
    /// Register.
    pub r15: u64,
    /// Where the call returns to.
    pub return_address: u64,
}

/// Return addresses in the driver, relative to its base, innermost first.
#[derive(Clone, Debug, Default)]
pub struct Trace(pub Vec<u64>);

impl Trace {
    /// Walks from a call of the driver's outwards until the way leaves the driver.
    ///
    /// # Safety
    /// `saved` was filled at a call made by a function of `image`, which is still on its way, and lies on that call's stack.
    pub unsafe fn of(saved: &Saved, image: &Image) -> Self {
        let mut context = CONTEXT {
            Rip: saved.return_address,
            // Above the saved registers and the return address.
            Rsp: (std::ptr::from_ref(saved).expose_provenance() + size_of::<Saved>()) as u64,
            Rbx: saved.rbx,
            Rbp: saved.rbp,
            Rsi: saved.rsi,
            Rdi: saved.rdi,
            R12: saved.r12,
            R13: saved.r13,
            R14: saved.r14,
            R15: saved.r15,
            ..CONTEXT::default()
        };
        let mut found = Vec::new();
        while found.len() < DEPTH
            && let Some(rva) = image.rva(context.Rip)
        {
            found.push(rva);
            let Some(function) = image.function(rva) else {
                break;
            };
            let mut data = null_mut();
            let mut frame = 0;
            // SAFETY: the context is that of a function on its way, and the entry is that function's.
            unsafe {
                RtlVirtualUnwind(
                    UNW_FLAG_NHANDLER,
                    image.base(),
                    context.Rip,
                    function,
                    &raw mut context,
                    &raw mut data,
                    &raw mut frame,
                    null_mut(),
                )
            };
        }
        Self(found)
    }

    /// The innermost address.
    pub fn innermost(&self) -> u64 {
        self.0.first().copied().unwrap_or(0)
    }

    /// A digest of the way, the function and what the call is about: FNV-1a.
    pub fn digest(&self, function: &str, about: &str) -> u64 {
        let addresses = self.0.iter().flat_map(|rva| rva.to_le_bytes());
        let bytes = function.bytes().chain([0]).chain(about.bytes()).chain(addresses);
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

const _: () = assert!(size_of::<Saved>() == 72);
