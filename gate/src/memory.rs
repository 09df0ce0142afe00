//! Memory that may be refused.

use crate::host::NoMemory;
use alloc::vec::Vec;

/// `count` values made by `make`.
pub fn filled<T>(count: usize, mut make: impl FnMut() -> T) -> Result<Vec<T>, NoMemory> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| NoMemory)?;
    // `push` below the capacity neither allocates nor can it fail; the comparison lets the compiler see that.
    while values.len() < count && values.len() < values.capacity() {
        values.push(make());
    }
    Ok(values)
}

/// A length as the wire has it.
pub fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A copy of `bytes`.
pub fn copied(bytes: &[u8]) -> Result<Vec<u8>, NoMemory> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).map_err(|_| NoMemory)?;
    if copy.capacity().saturating_sub(copy.len()) >= bytes.len() {
        copy.extend_from_slice(bytes);
    }
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_what_was_asked_for_and_refuses_the_impossible() {
        assert_eq!(filled(3, || 7_u8), Ok(alloc::vec![7, 7, 7]));
        assert_eq!(copied(b"abc"), Ok(b"abc".to_vec()));
        assert_eq!(filled(usize::MAX, || 0_u64), Err(NoMemory));
    }
}
