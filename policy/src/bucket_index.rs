//! The bucket index of a sorted table: which part of the table can hold a key.
//!
//! An index is `2^bits + 1` [`Bucket`]s, where bucket `b` holds the entries whose key starts with the `bits` bits `b`. A bucket's
//! marks tell nearly every key that is not there from those that are, so that a search in vain, by far the most frequent,
//! reads the index and not the table.

use crate::format::as_index;
use crate::records::Bucket;
use core::ops::Range;
use core::slice::Iter;

/// Most bucket bits of a hash table.
pub const MAX_BUCKET_BITS: u32 = 24;

/// The bucket bits that a table of this many entries has.
pub const fn bucket_bits(count: u32) -> u32 {
    if count < 4 {
        return 0;
    }
    let bits = match (count >> 1).checked_ilog2() {
        Some(bits) => bits,
        None => 0,
    };
    if bits > MAX_BUCKET_BITS {
        MAX_BUCKET_BITS
    } else {
        bits
    }
}

/// The key of a hash, its first eight bytes: settles nearly every comparison of two hashes.
pub fn hash_key(hash: &[u8]) -> u64 {
    hash.first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A key of four bytes as bucket indexes take it.
pub fn wide_key(key: u32) -> u64 {
    (u64::from(key) << 32) | u64::from(key)
}

/// The part of a signer's key that stands for its TBS hash.
pub fn tbs_key(tbs: &[u8]) -> u64 {
    hash_key(tbs)
}

/// The part of a signer's key that stands for its well-known root.
pub fn wellknown_key(id: u8) -> u64 {
    u64::from(id)
}

/// The key under which a signer is found: that of its root, and [`text_key`](crate::text_key) of its publisher and its OEM
/// id, 0 for one that it does not ask for.
pub fn signer_key(root: u64, publisher: u64, oem: u64) -> u32 {
    let names = publisher ^ oem.rotate_left(29);
    let mixed = (root ^ names).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u32::try_from(mixed >> 32).unwrap_or(u32::MAX)
}

/// The bucket of a key: its first `bits` bits.
pub fn bucket_of(key: u64, bits: u32) -> u32 {
    let bucket = key.checked_shr(64_u32.saturating_sub(bits)).unwrap_or(0);
    // No more than MAX_BUCKET_BITS.
    u32::try_from(bucket).unwrap_or(u32::MAX)
}

/// The marks that a key leaves in its bucket: two bits, chosen by the end of the key.
pub fn marks(key: u64) -> u32 {
    let [last, before, ..] = key.to_le_bytes();
    1_u32.wrapping_shl(last.into()) | 1_u32.wrapping_shl(before.into())
}

/// The entries among which a key can be, by their indexes; `None` if the key left no marks in its bucket.
#[inline]
pub(crate) fn candidates(index: &[Bucket], key: u64) -> Option<Range<usize>> {
    // One more than a power of two, or none at all.
    let bits = index.len().checked_sub(1).and_then(usize::checked_ilog2)?;
    let bucket = as_index(bucket_of(key, bits));
    let here = index.get(bucket)?;
    let wanted = marks(key);
    if here.marks.get() & wanted != wanted {
        return None;
    }
    let end = index.get(bucket.saturating_add(1))?;
    Some(as_index(here.first.get())..as_index(end.first.get()))
}

/// Checks a bucket index along a scan of the table it indexes.
pub(crate) struct BucketScan<'a> {
    /// The buckets after the next one.
    rest: Iter<'a, Bucket>,
    count: u32,
    bits: u32,
    /// The bucket that the scan stands in, its marks, those seen, and the next bucket.
    bucket: u32,
    marks: u32,
    seen: u32,
    next: Option<&'a Bucket>,
}

impl<'a> BucketScan<'a> {
    /// Starts; `None` if the index has the wrong size or start.
    pub(crate) fn new(index: &'a [Bucket], length: usize) -> Option<Self> {
        let count = u32::try_from(length).ok()?;
        let bits = bucket_bits(count);
        let wanted = if count == 0 {
            0
        } else {
            1_usize.checked_shl(bits)?.checked_add(1)?
        };
        if index.len() != wanted {
            return None;
        }
        let mut rest = index.iter();
        let first = rest.next().copied().unwrap_or_default();
        if first.first.get() != 0 {
            return None;
        }
        Some(Self {
            next: rest.next(),
            rest,
            count,
            bits,
            bucket: 0,
            marks: first.marks.get(),
            seen: 0,
        })
    }

    /// Passes entry `number` with this key; says whether the index puts it there.
    #[inline]
    pub(crate) fn step(&mut self, number: u32, key: u64) -> bool {
        let here = bucket_of(key, self.bits);
        while self.bucket < here {
            if !self.leave(number) {
                return false;
            }
        }
        self.seen |= marks(key);
        true
    }

    /// Goes on to the next bucket, which must start at entry `number`; says whether this one had the marks of its keys.
    fn leave(&mut self, number: u32) -> bool {
        let Some(next) = self.next else {
            return false;
        };
        let right = next.first.get() == number && self.seen == self.marks;
        self.bucket = self.bucket.saturating_add(1);
        self.marks = next.marks.get();
        self.seen = 0;
        self.next = self.rest.next();
        right
    }

    /// Whether the rest of the index, the last bucket used and the empty ones after it, ends where the table does.
    pub(crate) fn finish(mut self) -> bool {
        while self.next.is_some() {
            if !self.leave(self.count) {
                return false;
            }
        }
        self.marks == 0
    }
}
