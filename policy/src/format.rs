//! The bytes of a compiled policy set.
//!
//! All integers are little-endian and nothing needs alignment in memory, so a set can be used where it lies.
//!
//! ```text
//! Header       48 bytes   magic "GHPS", format version, total length, SHA-256 of everything after the header
//! Directory    16 bytes   number of tables
//! TableEntry   16 bytes x number of tables, in the order of `Table`: kind, stride, offset, count
//! tables       each at a multiple of 16 from the start, the gaps zero, in the order of `Table`, the last one ending
//!              the set
//! ```
//!
//! Every table has a fixed stride and, where it is searched, a sort order. The hash tables have a bucket index beside
//! them: `2^bits + 1` numbers, where bucket `b` holds the entries whose first `bits` bits are `b`.
//!
//! Rules are numbered through the whole set in the order of their policies and documents; [`Table::RuleNames`] holds the id
//! and name of each in that order, [`Table::RuleNameBlocks`] the offset of every sixteenth. A text is its length in one
//! byte (below `0x80`) or two (`0x80 | high`, `low`) and its UTF-8 bytes.
//!
//! The writer lives in `sipolicy`; nothing else writes this form.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::little_endian::U16;
use zerocopy::little_endian::U32;
use zerocopy::little_endian::U64;

/// First bytes of every set.
pub const MAGIC: [u8; 4] = *b"GHPS";
/// Version of this layout; a set of another version is refused.
pub const FORMAT_VERSION: u32 = 1;
/// Largest set that is accepted, in bytes.
pub const MAX_SET_BYTES: usize = 64 << 20;
/// Most base policies in one set: each has its own place in a [`Verdict`](crate::Verdict).
pub const MAX_BASE_POLICIES: usize = 64;
/// Most policies in one set, supplementals included.
pub const MAX_POLICIES: usize = 4096;
/// Longest text in bytes.
pub const MAX_TEXT_BYTES: usize = 0x7fff;
/// Most bucket bits of a hash table.
pub const MAX_BUCKET_BITS: u32 = 24;
/// Tables start at multiples of this many bytes.
pub const TABLE_ALIGNMENT: usize = 16;
/// How many rule names lie between two entries of [`Table::RuleNameBlocks`].
pub const RULE_NAME_BLOCK: u32 = 16;

/// The start of a set.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`FORMAT_VERSION`].
    pub format: U32,
    /// Length of the whole set in bytes.
    pub length: U64,
    /// SHA-256 of all bytes after the header.
    pub body_sha256: [u8; 32],
}

/// What follows the header.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Directory {
    /// Number of table entries that follow: [`Table::COUNT`].
    pub table_count: U32,
    /// Number of rules in the set.
    pub rule_count: U32,
    /// Zero.
    pub reserved: [u8; 8],
}

/// Where one table lies.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct TableEntry {
    /// Which [`Table`].
    pub kind: U16,
    /// Bytes of one entry.
    pub stride: U16,
    /// Offset of the first entry from the start of the set, a multiple of [`TABLE_ALIGNMENT`].
    pub offset: U32,
    /// Number of entries.
    pub count: U32,
    /// Zero.
    pub reserved: U32,
}

/// The tables, in the order in which they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Table {
    /// [`PolicyRecord`]s: base policies first.
    Policies = 0,
    /// [`HashRecord`]s of 20 bytes (SHA-1), sorted by hash, then rule number.
    Hashes20 = 1,
    /// The bucket index of [`Table::Hashes20`], `u32`s.
    Buckets20 = 2,
    /// As [`Table::Hashes20`], 32 bytes (SHA-256).
    Hashes32 = 3,
    /// The bucket index of [`Table::Hashes32`].
    Buckets32 = 4,
    /// As [`Table::Hashes20`], 48 bytes (SHA-384).
    Hashes48 = 5,
    /// The bucket index of [`Table::Hashes48`].
    Buckets48 = 6,
    /// As [`Table::Hashes20`], 64 bytes (SHA-512).
    Hashes64 = 7,
    /// The bucket index of [`Table::Hashes64`].
    Buckets64 = 8,
    /// Texts that records refer to by offset: see [`PolicyRecord`].
    Texts = 9,
    /// Offset into [`Table::RuleNames`] of every [`RULE_NAME_BLOCK`]th rule, `u32`s.
    RuleNameBlocks = 10,
    /// Two texts a rule, its id and its name, in rule order.
    RuleNames = 11,
}

impl Table {
    /// Number of tables.
    pub const COUNT: usize = 12;
    /// All of them, in order.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Policies,
        Self::Hashes20,
        Self::Buckets20,
        Self::Hashes32,
        Self::Buckets32,
        Self::Hashes48,
        Self::Buckets48,
        Self::Hashes64,
        Self::Buckets64,
        Self::Texts,
        Self::RuleNameBlocks,
        Self::RuleNames,
    ];

    /// Bytes of one entry.
    pub const fn stride(self) -> usize {
        match self {
            Self::Policies => size_of::<PolicyRecord>(),
            Self::Hashes20 => size_of::<HashRecord<20>>(),
            Self::Hashes32 => size_of::<HashRecord<32>>(),
            Self::Hashes48 => size_of::<HashRecord<48>>(),
            Self::Hashes64 => size_of::<HashRecord<64>>(),
            Self::Buckets20 | Self::Buckets32 | Self::Buckets48 | Self::Buckets64 | Self::RuleNameBlocks => {
                size_of::<U32>()
            }
            Self::Texts | Self::RuleNames => 1,
        }
    }

    /// Its number in the directory.
    pub const fn number(self) -> u16 {
        #[expect(
            clippy::as_conversions,
            reason = "the discriminant of a fieldless repr(u16) enum"
        )]
        {
            self as u16
        }
    }
}

/// One policy.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PolicyRecord {
    /// `PolicyID`, as in the binary form of a policy (the first three fields little-endian).
    pub id: [u8; 16],
    /// `BasePolicyID`; the policy's own id for a base policy.
    pub base_id: [u8; 16],
    /// `VersionEx`, `a.b.c.d` with `a` in the top 16 bits.
    pub version: U64,
    /// The policy's [`Options`](crate::Options).
    pub options: U32,
    /// Offset in [`Table::Texts`] of the policy's name, followed by its `PolicyInfo` id.
    pub texts: U32,
    /// For a base policy its own index; for a supplemental the index of its base, or [`NO_BASE`].
    pub base: U16,
    /// Flags: see [`PolicyRecord::SUPPLEMENTAL`].
    pub flags: U16,
    /// Lengths of the hashes that its allow rules (low half) and deny rules (high half) name: bits 0 to 3 for 20, 32, 48, 64.
    pub hash_lengths: U32,
    /// Zero.
    pub reserved: [u8; 8],
}

impl PolicyRecord {
    /// Flag: a supplemental policy.
    pub const SUPPLEMENTAL: u16 = 1;
    /// All flags that have a meaning.
    pub const KNOWN_FLAGS: u16 = Self::SUPPLEMENTAL;
}

/// [`PolicyRecord::base`] of a supplemental that extends no policy of the set.
pub const NO_BASE: u16 = 0xffff;

/// One hash rule.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct HashRecord<const N: usize> {
    /// The hash.
    pub hash: [u8; N],
    /// Rule number.
    pub rule: U32,
    /// Index of the policy.
    pub policy: U16,
    /// 0 allow, 1 deny.
    pub action: U16,
}

/// The bucket bits that a table of this many hashes has.
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

/// The bucket of a hash: its first `bits` bits.
pub fn bucket_of(hash: &[u8], bits: u32) -> u32 {
    let first = hash
        .first_chunk::<4>()
        .map_or(0, |bytes| u32::from_be_bytes(*bytes));
    first.checked_shr(32_u32.saturating_sub(bits)).unwrap_or(0)
}
