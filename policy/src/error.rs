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
    pub const ALL: [Self; 17] = [
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
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Truncated => {
                "the policy set ends before its header, directory or a table does; push it again"
            }
            Self::Magic => "this is not a compiled policy set; make one with `gatehouse policy compile`",
            Self::FormatVersion => {
                "the policy set has a format version this build does not read; compile it again with the matching \
                 `gatehouse`"
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
