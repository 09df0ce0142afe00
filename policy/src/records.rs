//! The records that the tables of a compiled set are made of. Where the tables lie is said in [`format`](mod@crate::format).

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::little_endian::U16;
use zerocopy::little_endian::U32;
use zerocopy::little_endian::U64;

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
    /// Offset in [`Table::Pool`](crate::format::Table::Pool) of the policy's name, followed by its `PolicyInfo` id.
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
    pub reserved: [u8; 3],
    /// The first of its signer uses that go by no file, neither by an attribute nor by an exception, or [`NONE`]: of those that
    /// allow, then of those that deny. Indexes into [`Table::SignerUses`](crate::format::Table::SignerUses).
    pub any_file_signers: [U32; 2],
    /// The first of its other signer uses, or [`NONE`].
    pub file_signers: [U32; 2],
    /// The first of its uses of file rules that go by a name, or [`NONE`]. Indexes into
    /// [`Table::AttributeUses`](crate::format::Table::AttributeUses).
    pub named_files: [U32; 2],
}

impl PolicyRecord {
    /// Flag: a supplemental policy.
    pub const SUPPLEMENTAL: u16 = 1;
    /// All flags that have a meaning.
    pub const KNOWN_FLAGS: u16 = Self::SUPPLEMENTAL;

    /// Whether it is a supplemental policy.
    pub const fn is_supplemental(&self) -> bool {
        self.flags.get() & Self::SUPPLEMENTAL != 0
    }
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
    /// The [`marks`](crate::bucket_index::marks) of the keys of its entries, together.
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
    /// Offset in [`Table::Pool`](crate::format::Table::Pool) of the [folded](crate::fold) name of each of the [`NAME_KINDS`], or [`NONE`] for any.
    pub names: [U32; NAME_KINDS],
    /// Lowest version, if [`AttributeRecord::BOUNDED`].
    pub min: U64,
    /// Highest version, if [`AttributeRecord::BOUNDED`].
    pub max: U64,
    /// Offset in [`Table::Pool`](crate::format::Table::Pool) of the hash that the file must have, or [`NONE`].
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
    /// Index into [`Table::Attributes`](crate::format::Table::Attributes).
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
    /// Index into [`Table::Attributes`](crate::format::Table::Attributes).
    pub attribute: U32,
}

/// Who must have signed. All that it asks for must hold.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct SignerRecord {
    /// Offset in [`Table::Pool`](crate::format::Table::Pool) of the TBS hash that some certificate of the chain must have, or [`NONE`] to go by
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
    /// First of its key usages in [`Table::Ekus`](crate::format::Table::Ekus).
    pub eku_first: U32,
    /// How many of them the leaf must have one of.
    pub eku_count: U16,
    /// How many after those the leaf must not have.
    pub except_eku_count: U16,
    /// First of its file attributes in [`Table::AttributeRefs`](crate::format::Table::AttributeRefs).
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
    /// [`signer_key`](crate::bucket_index::signer_key) of its root, publisher and OEM id.
    pub key: U32,
    /// Index into [`Table::Signers`](crate::format::Table::Signers).
    pub signer: U32,
    /// First of its exceptions in [`Table::Exceptions`](crate::format::Table::Exceptions).
    pub except_first: U32,
    /// How many there are; where one matches, the signer does not.
    pub except_count: U32,
    /// Index of the policy.
    pub policy: U16,
    /// 0 allow, 1 deny.
    pub action: U16,
}

/// A signer use by the files it is restricted to: found by a file's names when its signatures cannot be read, so that every signer of a
/// set may be meant.
///
/// A use has one for each file attribute of its signer, or one without attribute if it has exceptions alone. A use that stands in
/// [`PolicyRecord::any_file_signers`] settles all others of its policy and action: none of them has any.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FileSigner {
    /// As [`AttributeRef::key`]; 0 where there is no attribute.
    pub key: U32,
    /// Index into [`Table::SignerUses`](crate::format::Table::SignerUses).
    pub signer_use: U32,
    /// Index into [`Table::Attributes`](crate::format::Table::Attributes), or [`NONE`].
    pub attribute: U32,
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
