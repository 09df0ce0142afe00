//! Why a compiled set is refused.

use core::fmt;

/// A set was refused: what was wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetError {
    /// What was wrong.
    pub fault: SetFault,
    /// Offset in bytes from the start of the set.
    pub offset: u64,
}

/// What can be wrong with a set. The numbers are stable and go over the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u16)]
pub enum SetFault {
    /// Shorter than its header, directory or a table says.
    Truncated = 1,
    /// Does not start with the magic.
    Magic = 2,
    /// A format version this build does not read.
    FormatVersion = 3,
    /// The length in the header is not the length of the bytes.
    Length = 4,
    /// Larger than [`MAX_SET_BYTES`](crate::format::MAX_SET_BYTES).
    TooLarge = 5,
    /// The SHA-256 of the body is not the one in the header.
    Digest = 6,
    /// The directory lists other tables, or in another order.
    Tables = 7,
    /// A table has another stride.
    Stride = 8,
    /// A table is misplaced: misaligned, overlapping, out of order or not ending the set.
    Placement = 9,
    /// A reserved field or a gap is not zero.
    Reserved = 10,
    /// A table has more entries than is allowed, or a count disagrees with another.
    Count = 11,
    /// A sorted table is out of order.
    Order = 12,
    /// A bucket index disagrees with its table.
    Buckets = 13,
    /// A policy index, rule number or other reference points nowhere.
    Reference = 14,
    /// A text is out of bounds, overlong or not UTF-8.
    Text = 15,
    /// A field holds a value without meaning.
    Value = 16,
    /// The index of catalogues is malformed.
    Catalogs = 17,
    /// More base policies than [`MAX_BASE_POLICIES`](crate::bounds::MAX_BASE_POLICIES).
    BasePolicies = 18,
    /// More rules name one hash than [`MAX_RULES_OF_HASH`](crate::bounds::MAX_RULES_OF_HASH).
    RulesOfHash = 19,
    /// The file rules of one name, or of none, take more than [`MAX_STEPS`](crate::bounds::MAX_STEPS).
    RulesOfName = 20,
    /// The signers of one root, publisher and OEM id take more than [`MAX_STEPS`](crate::bounds::MAX_STEPS).
    SignersOfRoot = 21,
    /// The signers that are restricted to one file name take more than [`MAX_STEPS`](crate::bounds::MAX_STEPS).
    SignersOfFile = 22,
    /// Crowded keys take more than [`MAX_CROWDED_STEPS`](crate::bounds::MAX_CROWDED_STEPS) together.
    Crowded = 23,
    /// A signer has more key usages than [`MAX_EKUS_OF_SIGNER`](crate::bounds::MAX_EKUS_OF_SIGNER).
    EkusOfSigner = 24,
    /// A record asks for a value longer than [`MAX_VALUE_BYTES`](crate::bounds::MAX_VALUE_BYTES), or all of them are too long together.
    LongValue = 25,
    /// A catalogue has no signer or more than [`MAX_SIGNERS_OF_CATALOG`](evidence::MAX_SIGNERS_OF_CATALOG).
    CatalogSigners = 26,
    /// A signer of a catalogue has more than ten certificates or 64 KiB, or does not parse.
    CatalogSigner = 27,
}

impl SetFault {
    /// The stable number.
    pub const fn code(self) -> u16 {
        #[expect(
            clippy::as_conversions,
            reason = "the discriminant of a fieldless repr(u16) enum"
        )]
        {
            self as u16
        }
    }

    /// Every fault, by number.
    pub const ALL: [Self; 27] = [
        Self::Truncated,
        Self::Magic,
        Self::FormatVersion,
        Self::Length,
        Self::TooLarge,
        Self::Digest,
        Self::Tables,
        Self::Stride,
        Self::Placement,
        Self::Reserved,
        Self::Count,
        Self::Order,
        Self::Buckets,
        Self::Reference,
        Self::Text,
        Self::Value,
        Self::Catalogs,
        Self::BasePolicies,
        Self::RulesOfHash,
        Self::RulesOfName,
        Self::SignersOfRoot,
        Self::SignersOfFile,
        Self::Crowded,
        Self::EkusOfSigner,
        Self::LongValue,
        Self::CatalogSigners,
        Self::CatalogSigner,
    ];

    /// The fault with this number, if there is one.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Magic => "magic",
            Self::FormatVersion => "format-version",
            Self::Length => "length",
            Self::TooLarge => "too-large",
            Self::Digest => "digest",
            Self::Tables => "tables",
            Self::Stride => "stride",
            Self::Placement => "placement",
            Self::Reserved => "reserved",
            Self::Count => "count",
            Self::Order => "order",
            Self::Buckets => "buckets",
            Self::Reference => "reference",
            Self::Text => "text",
            Self::Value => "value",
            Self::Catalogs => "catalogs",
            Self::BasePolicies => "base-policies",
            Self::RulesOfHash => "rules-of-hash",
            Self::RulesOfName => "rules-of-name",
            Self::SignersOfRoot => "signers-of-root",
            Self::SignersOfFile => "signers-of-file",
            Self::Crowded => "crowded",
            Self::EkusOfSigner => "ekus-of-signer",
            Self::LongValue => "long-value",
            Self::CatalogSigners => "catalog-signers",
            Self::CatalogSigner => "catalog-signer",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Truncated => {
                "the policy set ends before its header, directory or a table does; push it again"
            }
            Self::Magic => "this is not a compiled policy set; make one with `gatehouse policy compile`",
            Self::FormatVersion => {
                "the policy set has a format version this build does not read, as an earlier build made; make a \
                 new one from its policies with `gatehouse policy compile` of this version"
            }
            Self::Length => "the policy set's length is not the one in its header; push it again",
            Self::TooLarge => "the policy set is larger than is allowed; split it or leave rules out",
            Self::Digest => {
                "the policy set was altered: its SHA-256 is not the one in its header; push it again"
            }
            Self::Tables => {
                "the policy set's directory does not list the tables of this format; compile it again"
            }
            Self::Stride => "a table of the policy set has the wrong entry size; compile it again",
            Self::Placement => {
                "a table of the policy set is misaligned, overlaps another or leaves bytes over; compile it again"
            }
            Self::Reserved => "a reserved field or gap of the policy set is not zero; compile it again",
            Self::Count => {
                "a table of the policy set has too many entries or disagrees with another; compile it again"
            }
            Self::Order => "a sorted table of the policy set is out of order; compile it again",
            Self::Buckets => "a bucket index of the policy set disagrees with its table; compile it again",
            Self::Reference => {
                "an entry of the policy set refers to something that is not there; compile it again"
            }
            Self::Text => "a text of the policy set is out of bounds or not UTF-8; compile it again",
            Self::Catalogs => "the policy set's index of catalogues is malformed; compile it again",
            Self::BasePolicies => {
                "the policy set has more than 128 base policies; merge some with `gatehouse policy merge`"
            }
            Self::RulesOfHash => {
                "more than 1024 rules of the policy set name the same hash; leave all but one of each policy out"
            }
            Self::RulesOfName => {
                "the policy set has too many file rules of the same first name, or without any name (at most 4096); \
                 put rules of one name together, or give them names"
            }
            Self::SignersOfRoot => {
                "the policy set uses too many signers of the same root, publisher and OEM id, or they have too many \
                 file attributes of one name, key usages and exceptions (at most 16384 comparisons); put such signers together"
            }
            Self::SignersOfFile => {
                "too many signers of the policy set are restricted to the same file name (at most 4096, fewer with \
                 exceptions); put such signers together"
            }
            Self::Crowded => {
                "too many rules of the policy set stand under names or signers that many others share (at most 32768 \
                 comparisons in all); put such rules together or split the set"
            }
            Self::EkusOfSigner => {
                "a signer of the policy set has more than 64 key usages; split it into several signers"
            }
            Self::LongValue => {
                "a name, hash or key usage of the policy set is longer than 1024 bytes, or all are too long \
                 together; shorten it"
            }
            Self::CatalogSigners => {
                "a catalogue in the policy set's index has no signer or more than 16; compile the set again"
            }
            Self::CatalogSigner => {
                "a signer in the policy set's index of catalogues has more than ten certificates or 64 KiB, or does not \
                 parse; compile the set again"
            }
            Self::Value => "a field of the policy set holds a value without meaning; compile it again",
        }
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.fault.text())?;
        formatter.write_str(" (at byte ")?;
        fmt::Display::fmt(&self.offset, formatter)?;
        formatter.write_str(")")
    }
}

impl core::error::Error for SetError {}
