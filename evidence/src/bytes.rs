//! Reading numbers and filling buffers without a way to panic.

extern crate alloc;

use alloc::vec::Vec;

use crate::error::ErrorKind;
use crate::error::NoMemory;
use crate::source::Source;
use core::marker::PhantomData;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// Copies as much of `from` as fits into `to`.
pub(crate) fn copy(to: &mut [u8], from: &[u8]) {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
}

/// The `N` bytes at `offset`.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

/// The little-endian 16-bit number at `offset`.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// The little-endian 32-bit number at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// `value` as a count of bytes in memory; saturates, so that a bound check after it fails.
pub(crate) fn to_usize(value: impl TryInto<usize>) -> usize {
    value.try_into().unwrap_or(usize::MAX)
}

/// A count of bytes in memory as a file size.
pub(crate) fn to_u64(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Fills `buffer` from `offset` on, or says that the file shrank: call it only for ranges inside the file's size.
pub(crate) fn fill<S: Source + ?Sized>(
    source: &mut S,
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), ErrorKind> {
    let mut at = offset;
    let mut rest = buffer;
    while !rest.is_empty() {
        let count = source.read_at(at, rest)?;
        if count == 0 {
            return Err(ErrorKind::Changed { offset: at });
        }
        at = at.saturating_add(to_u64(count));
        rest = rest.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

/// A vector of `count` copies of `value`, or no memory.
pub(crate) fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>, NoMemory> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(count).map_err(|_| NoMemory)?;
    // Within the capacity just reserved; the optimiser sees that and leaves no path to the allocation error handler.
    buffer.resize(count, value);
    Ok(buffer)
}

/// One value too large for a kernel's stack, all zeros at first, made where it is to stay.
#[derive(Debug)]
pub(crate) struct Large<T> {
    words: Vec<u64>,
    of: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes + KnownLayout> Large<T> {
    pub(crate) fn try_new() -> Result<Self, NoMemory> {
        const { assert!(align_of::<T>() <= align_of::<u64>(), "words are aligned enough") };
        Ok(Self {
            words: filled(size_of::<T>().div_ceil(size_of::<u64>()), 0)?,
            of: PhantomData,
        })
    }

    /// The value; there always is one.
    pub(crate) fn get(&mut self) -> Option<&mut T> {
        T::mut_from_prefix(self.words.as_mut_bytes())
            .ok()
            .map(|(value, _)| value)
    }
}

/// Appends `value`, or says that there is no memory for it.
pub(crate) fn push<T>(to: &mut Vec<T>, value: T) -> Result<(), NoMemory> {
    to.try_reserve(1).map_err(|_| NoMemory)?;
    to.push(value);
    Ok(())
}
