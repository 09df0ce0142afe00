//! Reason codes: why a verdict is what it is.

use evidence::Unreadable;

/// Why a verdict is what it is.
///
/// Numbers below 100 are CodeIntegrity's `VerificationError` values (event 3089), so that rules written for its events carry
/// over; numbers from 100 on are our own. All are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u16)]
pub enum Reason {
    /// Every base policy allows the file.
    Allowed = 0,
    /// `Required:WHQL` is set and no valid signature of the file is a WHQL one.
    WhqlRequired = 15,
    /// No rule of the policy allows the file.
    FailsPolicy = 21,
    /// A deny rule names the file.
    ExplicitlyDenied = 26,
    /// No policy is in force.
    NoPolicy = 100,
    /// A fact that would decide is not in the record the evidence came from.
    EvidenceNotRecorded = 101,
    /// A fact that would decide could not be had: the file could not be opened or read.
    EvidenceIo = 102,
    /// A fact that would decide could not be had: the file is larger than the reader's cap.
    EvidenceTooLarge = 103,
    /// A fact that would decide could not be had: the file changed, or is not the file that was loaded.
    EvidenceChanged = 104,
    /// A fact that would decide could not be had: the bytes that should hold it are malformed.
    EvidenceMalformed = 105,
    /// A fact that would decide could not be had: a fixed capacity was reached.
    EvidenceCapReached = 106,
    /// A fact that would decide could not be had: no memory.
    EvidenceNoMemory = 107,
    /// A fact that would decide could not be had: the path is too long.
    EvidencePathTooLong = 108,
    /// A fact that would decide could not be had, for a reason newer than this table.
    EvidenceUnreadable = 109,
}

impl Reason {
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

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::WhqlRequired => "whql-required",
            Self::FailsPolicy => "fails-policy",
            Self::ExplicitlyDenied => "explicitly-denied",
            Self::NoPolicy => "no-policy",
            Self::EvidenceNotRecorded => "evidence-not-recorded",
            Self::EvidenceIo => "evidence-io",
            Self::EvidenceTooLarge => "evidence-too-large",
            Self::EvidenceChanged => "evidence-changed",
            Self::EvidenceMalformed => "evidence-malformed",
            Self::EvidenceCapReached => "evidence-cap-reached",
            Self::EvidenceNoMemory => "evidence-no-memory",
            Self::EvidencePathTooLong => "evidence-path-too-long",
            Self::EvidenceUnreadable => "evidence-unreadable",
        }
    }

    /// The reason with this number, if there is one.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// Every reason, in the order of the numbers.
    pub const ALL: [Self; 14] = [
        Self::Allowed,
        Self::WhqlRequired,
        Self::FailsPolicy,
        Self::ExplicitlyDenied,
        Self::NoPolicy,
        Self::EvidenceNotRecorded,
        Self::EvidenceIo,
        Self::EvidenceTooLarge,
        Self::EvidenceChanged,
        Self::EvidenceMalformed,
        Self::EvidenceCapReached,
        Self::EvidenceNoMemory,
        Self::EvidencePathTooLong,
        Self::EvidenceUnreadable,
    ];
}

impl From<Unreadable> for Reason {
    fn from(reason: Unreadable) -> Self {
        match reason {
            Unreadable::NotRecorded => Self::EvidenceNotRecorded,
            Unreadable::Io => Self::EvidenceIo,
            Unreadable::TooLarge => Self::EvidenceTooLarge,
            Unreadable::Changed => Self::EvidenceChanged,
            Unreadable::Malformed => Self::EvidenceMalformed,
            Unreadable::CapReached => Self::EvidenceCapReached,
            Unreadable::NoMemory => Self::EvidenceNoMemory,
            Unreadable::PathTooLong => Self::EvidencePathTooLong,
            _ => Self::EvidenceUnreadable,
        }
    }
}
