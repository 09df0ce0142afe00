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
//! Every table has a fixed stride and, where it is searched, a sort order and a [bucket index](crate::bucket_index) beside it.
//!
//! Rules are numbered through the whole set in the order of their policies and documents; [`Table::RuleNames`] holds the id
//! and name of each in that order, [`Table::RuleNameBlocks`] the offset of every sixteenth. A pooled value or text is its length in one
//! byte (below `0x80`) or two (`0x80 | high`, `low`) and its bytes.
//!
//! The writer lives in `sipolicy`; nothing else writes this form.

use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::AttributeUse;
use crate::records::Bucket;
use crate::records::FileSigner;
use crate::records::HashRecord;
use crate::records::PolicyRecord;
use crate::records::SignerRecord;
use crate::records::SignerUse;
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
/// Version of this layout; a set of another version is refused. Version 1 was that of builds before 2026-11-28.
pub const FORMAT_VERSION: u32 = 2;
/// Largest set that is accepted, in bytes.
pub const MAX_SET_BYTES: usize = 64 << 20;
/// Most policies in one set, base and supplemental.
pub const MAX_POLICIES: usize = 4096;
/// Longest text in bytes.
pub const MAX_TEXT_BYTES: usize = 0x7fff;
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
    /// Which names [`AttributeUse::key`]s and [`AttributeRef::key`]s are made of: bit `1 << kind`, see [`NAME_KINDS`](crate::records::NAME_KINDS).
    pub name_kinds: U32,
    /// Which [`SignerRecord`] shapes occur: bit `1 << shape`, see
    /// [`SHAPE_PUBLISHER`](crate::records::SHAPE_PUBLISHER).
    pub signer_shapes: U32,
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
    /// The bucket index of [`Table::Hashes20`].
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
    /// [`AttributeRecord`]s, in rule order.
    Attributes = 9,
    /// [`AttributeUse`]s: the file rules that policies refer to by themselves, sorted by key, then attribute.
    AttributeUses = 10,
    /// The bucket index of [`Table::AttributeUses`], by key.
    AttributeBuckets = 11,
    /// [`SignerRecord`]s, in rule order.
    Signers = 12,
    /// [`SignerUse`]s: the signers that policies allow or deny, sorted by key, signer, policy, action and first exception.
    SignerUses = 13,
    /// The bucket index of [`Table::SignerUses`], by key.
    SignerBuckets = 14,
    /// [`AttributeRef`]s: the file attributes of each signer in the order of [`Table::Signers`], sorted by key, then attribute within each.
    AttributeRefs = 15,
    /// Indexes into [`Table::Attributes`], `u32`s: the exceptions of each signer use, in the order of [`Table::SignerUses`].
    Exceptions = 16,
    /// Offsets into [`Table::Pool`], `u32`s: the key usages of each signer in the order of [`Table::Signers`].
    Ekus = 17,
    /// Texts, hashes and object identifiers, each with its length before it; records refer to them by offset.
    Pool = 18,
    /// Offset into [`Table::RuleNames`] of every [`RULE_NAME_BLOCK`]th rule, `u32`s.
    RuleNameBlocks = 19,
    /// Two texts a rule, its id and its name, in rule order.
    RuleNames = 20,
    /// An index of catalogues as `evidence::CatalogIndex` reads it, or nothing.
    Catalogs = 21,
    /// [`FileSigner`]s: the signer uses that go by the file too, sorted by key, then signer use, then attribute.
    FileSigners = 22,
    /// The bucket index of [`Table::FileSigners`], by key.
    FileSignerBuckets = 23,
}

impl Table {
    /// Number of tables.
    pub const COUNT: usize = 24;
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
        Self::Attributes,
        Self::AttributeUses,
        Self::AttributeBuckets,
        Self::Signers,
        Self::SignerUses,
        Self::SignerBuckets,
        Self::AttributeRefs,
        Self::Exceptions,
        Self::Ekus,
        Self::Pool,
        Self::RuleNameBlocks,
        Self::RuleNames,
        Self::Catalogs,
        Self::FileSigners,
        Self::FileSignerBuckets,
    ];

    /// Bytes of one entry.
    pub const fn stride(self) -> usize {
        match self {
            Self::Policies => size_of::<PolicyRecord>(),
            Self::Hashes20 => size_of::<HashRecord<20>>(),
            Self::Buckets20
            | Self::Buckets32
            | Self::Buckets48
            | Self::Buckets64
            | Self::AttributeBuckets
            | Self::SignerBuckets
            | Self::FileSignerBuckets => size_of::<Bucket>(),
            Self::Exceptions | Self::Ekus | Self::RuleNameBlocks => size_of::<U32>(),
            Self::Hashes32 => size_of::<HashRecord<32>>(),
            Self::Hashes48 => size_of::<HashRecord<48>>(),
            Self::Hashes64 => size_of::<HashRecord<64>>(),
            Self::Attributes => size_of::<AttributeRecord>(),
            Self::AttributeUses => size_of::<AttributeUse>(),
            Self::Signers => size_of::<SignerRecord>(),
            Self::SignerUses => size_of::<SignerUse>(),
            Self::AttributeRefs => size_of::<AttributeRef>(),
            Self::FileSigners => size_of::<FileSigner>(),
            Self::Pool | Self::RuleNames | Self::Catalogs => size_of::<u8>(),
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

/// An offset, index or count of the format as one of memory.
pub(crate) fn as_index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
