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
//! Every table has a fixed stride and, where it is searched, a sort order. Searched tables have a bucket index beside
//! them: `2^bits + 1` [`Bucket`]s, where bucket `b` holds the entries whose key starts with the `bits` bits `b`. A bucket's
//! marks tell nearly every key that is not there from those that are, so that a search in vain, by far the most frequent,
//! reads the index and not the table.
//!
//! Rules are numbered through the whole set in the order of their policies and documents; [`Table::RuleNames`] holds the id
//! and name of each in that order, [`Table::RuleNameBlocks`] the offset of every sixteenth. A pooled value or text is its length in one
//! byte (below `0x80`) or two (`0x80 | high`, `low`) and its bytes.
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
/// Most policies in one set, base and supplemental.
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
    /// Which names [`AttributeUse::key`]s and [`AttributeRef::key`]s are made of: bit `1 << kind`, see [`NAME_KINDS`].
    pub name_kinds: U32,
    /// Which [`SignerRecord`] shapes occur: bit `1 << shape`, see [`SHAPE_PUBLISHER`].
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
    /// [`SignerUse`]s: the signers that policies allow or deny, sorted by key, then signer.
    SignerUses = 13,
    /// The bucket index of [`Table::SignerUses`], by key.
    SignerBuckets = 14,
    /// [`AttributeRef`]s: the file attributes of each signer, sorted by key within each.
    AttributeRefs = 15,
    /// Indexes into [`Table::Attributes`], `u32`s: the exceptions of each signer use.
    Exceptions = 16,
    /// Offsets into [`Table::Pool`], `u32`s: the key usages of each signer.
    Ekus = 17,
    /// Texts, hashes and object identifiers, each with its length before it; records refer to them by offset.
    Pool = 18,
    /// Offset into [`Table::RuleNames`] of every [`RULE_NAME_BLOCK`]th rule, `u32`s.
    RuleNameBlocks = 19,
    /// Two texts a rule, its id and its name, in rule order.
    RuleNames = 20,
    /// An index of catalogues as `evidence::CatalogIndex` reads it, or nothing.
    Catalogs = 21,
}

impl Table {
    /// Number of tables.
    pub const COUNT: usize = 22;
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
            | Self::SignerBuckets => size_of::<Bucket>(),
            Self::Exceptions | Self::Ekus | Self::RuleNameBlocks => size_of::<U32>(),
            Self::Hashes32 => size_of::<HashRecord<32>>(),
            Self::Hashes48 => size_of::<HashRecord<48>>(),
            Self::Hashes64 => size_of::<HashRecord<64>>(),
            Self::Attributes => size_of::<AttributeRecord>(),
            Self::AttributeUses => size_of::<AttributeUse>(),
            Self::Signers => size_of::<SignerRecord>(),
            Self::SignerUses => size_of::<SignerUse>(),
            Self::AttributeRefs => size_of::<AttributeRef>(),
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
    /// Offset in [`Table::Pool`] of the policy's name, followed by its `PolicyInfo` id.
    pub texts: U32,
    /// For a base policy its own index; for a supplemental the index of its base, or [`NO_BASE`].
    pub base: U16,
    /// Flags: see [`PolicyRecord::SUPPLEMENTAL`].
    pub flags: U16,
    /// Lengths of the hashes that its allow rules (low half) and deny rules (high half) name: bits 0 to 3 for 20, 32, 48, 64.
    pub hash_lengths: U32,
    /// The weakest digest that a signature may sign to be allowed by this policy: see [`digest_rank`].
    pub minimum_digest: u8,
    /// Zero.
    pub reserved: [u8; 7],
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
    /// Index of the policy, and [`HASH_DENIES`].
    pub use_in: U16,
}

/// Bit of [`HashRecord::use_in`]: the rule denies.
pub const HASH_DENIES: u16 = 0x8000;

impl<const N: usize> HashRecord<N> {
    /// Index of the policy.
    pub const fn policy(&self) -> u16 {
        self.use_in.get() & !HASH_DENIES
    }

    /// Whether it denies.
    pub const fn denies(&self) -> bool {
        self.use_in.get() & HASH_DENIES != 0
    }
}

/// A bucket of a bucket index. The last one of an index is the end of the table.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Bucket {
    /// Index of its first entry.
    pub first: U32,
    /// The [`marks`] of the keys of its entries, together.
    pub marks: U32,
}

/// An offset that points nowhere: the record does not ask for this.
pub const NONE: u32 = u32::MAX;
/// Kinds of names that attributes go by: `OriginalFilename`, `InternalName`, `FileDescription`, `ProductName`.
pub const NAME_KINDS: usize = 4;
/// Bit of a signer's shape: it asks for a publisher.
pub const SHAPE_PUBLISHER: u8 = 1;
/// Bit of a signer's shape: it asks for an OEM id.
pub const SHAPE_OEM: u8 = 2;

/// The names and versions that a file rule asks for. All that it asks for must hold.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AttributeRecord {
    /// Offset in [`Table::Pool`] of the [folded](crate::fold) name of each of the [`NAME_KINDS`], or [`NONE`] for any.
    pub names: [U32; NAME_KINDS],
    /// Lowest version, if [`AttributeRecord::BOUNDED`].
    pub min: U64,
    /// Highest version, if [`AttributeRecord::BOUNDED`].
    pub max: U64,
    /// Offset in [`Table::Pool`] of the hash that the file must have, or [`NONE`].
    pub hash: U32,
    /// Rule number.
    pub rule: U32,
    /// Flags.
    pub flags: U32,
    /// Zero.
    pub reserved: [u8; 4],
}

impl AttributeRecord {
    /// Flag: the version must lie between `min` and `max`, both included; a file without version does not match.
    pub const BOUNDED: u32 = 1;
    /// Flag: never matches a kernel image (file paths, package families and per-application rules are user mode only).
    pub const NEVER: u32 = 2;
    /// Flag: a deny rule, whose hash may be that of the first page.
    pub const DENIES: u32 = 4;
    /// All flags that have a meaning.
    pub const KNOWN_FLAGS: u32 = Self::BOUNDED | Self::NEVER | Self::DENIES;
}

/// A file rule that a policy refers to by itself.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AttributeUse {
    /// [`name_key`](crate::name_key) of the first name it asks for; 0 if it asks for none.
    pub key: U32,
    /// Index into [`Table::Attributes`].
    pub attribute: U32,
    /// Index of the policy.
    pub policy: U16,
    /// 0 allow, 1 deny.
    pub action: U16,
}

/// A file attribute of a signer.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct AttributeRef {
    /// As [`AttributeUse::key`].
    pub key: U32,
    /// Index into [`Table::Attributes`].
    pub attribute: U32,
}

/// Who must have signed. All that it asks for must hold.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SignerRecord {
    /// Offset in [`Table::Pool`] of the TBS hash that some certificate of the chain must have, or [`NONE`] to go by
    /// `wellknown`.
    pub tbs: U32,
    /// Offset of the [folded](crate::fold) `CertPublisher`, or [`NONE`].
    pub publisher: U32,
    /// Offset of the folded `CertIssuer`, or [`NONE`].
    pub issuer: U32,
    /// Offset of the folded `CertOemID`, or [`NONE`].
    pub oem: U32,
    /// `SignTimeAfter` in 100 ns since 1601-01-01; 0 for none.
    pub sign_after: U64,
    /// First of its key usages in [`Table::Ekus`].
    pub eku_first: U32,
    /// How many of them the leaf must have one of.
    pub eku_count: U16,
    /// How many after those the leaf must not have.
    pub except_eku_count: U16,
    /// First of its file attributes in [`Table::AttributeRefs`].
    pub attribute_first: U32,
    /// How many there are; where there are any, one must match.
    pub attribute_count: U32,
    /// Rule number.
    pub rule: U32,
    /// Well-known root id, if `tbs` is [`NONE`]; 0 for any root.
    pub wellknown: u8,
    /// The [`Level`](crate::Level) it amounts to.
    pub level: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// A signer that a policy allows or denies.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SignerUse {
    /// [`signer_key`] of its root, publisher and OEM id.
    pub key: U32,
    /// Index into [`Table::Signers`].
    pub signer: U32,
    /// First of its exceptions in [`Table::Exceptions`].
    pub except_first: U32,
    /// How many there are; where one matches, the signer does not.
    pub except_count: U32,
    /// Index of the policy.
    pub policy: U16,
    /// 0 allow, 1 deny.
    pub action: U16,
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

/// How strong a digest is, from 1 for MD5 to 5 for SHA-512, by its length in bytes; 0 for any other length.
pub const fn digest_rank(length: usize) -> u8 {
    match length {
        16 => 1,
        20 => 2,
        32 => 3,
        48 => 4,
        64 => 5,
        _ => 0,
    }
}

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
