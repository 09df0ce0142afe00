//! Counted UTF-16 strings as the kernel passes them.

use core::marker::PhantomData;
use core::slice;
use wdk_sys::PCUNICODE_STRING;
use wdk_sys::UNICODE_STRING;

/// Longest string in UTF-16 units: a `UNICODE_STRING` counts bytes in 16 bits.
const MAX_UNITS: usize = (u16::MAX / 2) as usize;

/// A `UNICODE_STRING` over borrowed units.
pub struct UnicodeString<'a> {
    raw: UNICODE_STRING,
    units: PhantomData<&'a [u16]>,
}

impl<'a> UnicodeString<'a> {
    /// The string; `None` when it is longer than a `UNICODE_STRING` can be. IRQL: any.
    pub fn new(units: &'a [u16]) -> Option<Self> {
        if units.len() > MAX_UNITS {
            return None;
        }
        let bytes = u16::try_from(units.len().checked_mul(2)?).ok()?;
        let raw = UNICODE_STRING {
            Length: bytes,
            MaximumLength: bytes,
            Buffer: units.as_ptr().cast_mut(),
        };
        Some(Self {
            raw,
            units: PhantomData,
        })
    }

    /// For calls that only read it.
    pub fn as_ptr(&self) -> *mut UNICODE_STRING {
        core::ptr::from_ref(&self.raw).cast_mut()
    }
}

/// The units of a string the kernel passed; empty for a null one. IRQL: that of the caller's memory.
///
/// # Safety
/// `string` is null or points at a valid `UNICODE_STRING` that stays unchanged for `'a`.
pub unsafe fn units<'a>(string: PCUNICODE_STRING) -> &'a [u16] {
    // SAFETY: null or valid, by the caller.
    let Some(string) = (unsafe { string.as_ref() }) else {
        return &[];
    };
    if string.Buffer.is_null() {
        return &[];
    }
    // SAFETY: a valid string's buffer holds `Length` bytes.
    unsafe { slice::from_raw_parts(string.Buffer, usize::from(string.Length / 2)) }
}

/// An ASCII literal as UTF-16, at compile time.
#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which reports what is out of bounds"
)]
pub const fn ascii<const N: usize>(text: &str) -> [u16; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() == N, "N is the length of the text");
    let mut units = [0; N];
    let mut index = 0;
    while index < N {
        assert!(bytes[index].is_ascii(), "ASCII only");
        units[index] = bytes[index] as u16;
        index += 1;
    }
    units
}
