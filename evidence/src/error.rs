//! Why a file could not be examined, with numbers that stay.

use core::fmt;

use crate::facts::Digests;
use crate::facts::Evidence;
use crate::facts::Fact;
use crate::facts::Unreadable;
use crate::source::SourceError;

/// An examination that could not say what a driver image should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExamineError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// The flat digests, when the file could still be read to its end.
    pub flat: Option<FlatDigests>,
}

/// The digests of a whole file, as they stand in rules for files that are no well-formed images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatDigests {
    /// SHA-1.
    pub sha1: [u8; 20],
    /// SHA-256.
    pub sha256: [u8; 32],
}

impl ExamineError {
    /// The evidence to weigh all the same: flat digests if there are any, and the reason in place of every other fact.
    pub fn evidence(&self) -> Evidence<'static> {
        let reason = self.kind.unreadable();
        let image_facts = match self.kind {
            ErrorKind::NotPe(_) => None,
            _ => Some(reason),
        };
        Evidence {
            image: image_facts.map_or(Fact::Absent, Fact::Unreadable),
            digests: self.flat.map_or(Fact::Unreadable(reason), |flat| {
                Fact::Present(Digests {
                    flat_sha1: Some(flat.sha1),
                    flat_sha256: Some(flat.sha256),
                    ..Digests::default()
                })
            }),
            version: image_facts.map_or(Fact::Absent, Fact::Unreadable),
            signatures: image_facts.map_or(Fact::Present(&[]), Fact::Unreadable),
            ..Evidence::unreadable(reason)
        }
    }
}

impl From<ErrorKind> for ExamineError {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, flat: None }
    }
}

impl From<SourceError> for ErrorKind {
    fn from(error: SourceError) -> Self {
        Self::Io(error)
    }
}

/// What went wrong with an examination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source failed.
    Io(#[doc = "Its own status, and where."] SourceError),
    /// The file is larger than [`crate::Options::max_size`].
    TooLarge {
        /// File size in bytes.
        size: u64,
        /// The cap in bytes.
        limit: u64,
    },
    /// The file ended before the size it was opened with.
    Changed {
        /// File offset, in bytes, at which it ended.
        offset: u64,
    },
    /// Memory could not be had.
    NoMemory,
    /// The file is not a PE image and does not pretend to be.
    NotPe(#[doc = "What it lacks."] NotPe),
    /// The file says that it is a PE image, and the loader would not take it.
    Malformed {
        /// What is wrong.
        defect: Defect,
        /// File offset of the field that says so, in bytes.
        offset: u64,
    },
}

impl ErrorKind {
    /// A stable number: 1-9 for the way to the file, 10-19 for files that are no PE images, from 20 on for each [`Defect`].
    pub const fn code(&self) -> u16 {
        match self {
            Self::Io(_) => 1,
            Self::TooLarge { .. } => 2,
            Self::Changed { .. } => 3,
            Self::NoMemory => 4,
            Self::NotPe(NotPe::TooShort) => 10,
            Self::NotPe(NotPe::NoDosHeader) => 11,
            Self::NotPe(NotPe::NoPeHeader) => 12,
            Self::Malformed { defect, .. } => defect.code(),
        }
    }

    /// The error with this number, where the number and the file offset that was recorded beside it say all there is: not for those of
    /// [`ErrorKind::Io`] and [`ErrorKind::TooLarge`].
    pub fn from_code(code: u16, offset: u64) -> Option<Self> {
        let not_pe = [NotPe::TooShort, NotPe::NoDosHeader, NotPe::NoPeHeader].map(Self::NotPe);
        let malformed = Defect::ALL.map(|defect| Self::Malformed { defect, offset });
        [Self::Changed { offset }, Self::NoMemory]
            .into_iter()
            .chain(not_pe)
            .chain(malformed)
            .find(|kind| kind.code() == code)
    }

    /// The reason as a fact carries it.
    pub const fn unreadable(&self) -> Unreadable {
        match self {
            Self::Io(_) => Unreadable::Io,
            Self::TooLarge { .. } => Unreadable::TooLarge,
            Self::Changed { .. } => Unreadable::Changed,
            Self::NoMemory => Unreadable::NoMemory,
            Self::NotPe(_) | Self::Malformed { .. } => Unreadable::Malformed,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(
                f,
                "reading at offset {:#x} failed with status {:#x}",
                error.offset, error.status
            ),
            Self::TooLarge { size, limit } => {
                write!(f, "the file has {size} bytes, more than the cap of {limit}")
            }
            Self::Changed { offset } => write!(f, "the file ended at offset {offset:#x} while it was read"),
            Self::NoMemory => f.write_str("out of memory"),
            Self::NotPe(what) => write!(f, "not a PE image: {what}"),
            Self::Malformed { defect, offset } => {
                write!(f, "malformed PE image: {defect} (offset {offset:#x})")
            }
        }
    }
}

impl core::error::Error for ErrorKind {}

impl fmt::Display for ExamineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl core::error::Error for ExamineError {}

/// What a file lacks that every PE image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPe {
    /// Shorter than a DOS header.
    TooShort,
    /// Does not begin with `MZ`.
    NoDosHeader,
    /// `e_lfanew` does not lead to `PE\0\0` (a DOS program, say).
    NoPeHeader,
}

impl fmt::Display for NotPe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "shorter than a DOS header",
            Self::NoDosHeader => "does not begin with MZ",
            Self::NoPeHeader => "no PE header where the DOS header points",
        })
    }
}

/// A breach of a rule that the Windows loader enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// The headers run past the end of the file.
    TruncatedHeaders,
    /// The optional header is neither PE32 nor PE32+.
    OptionalHeaderMagic,
    /// `IMAGE_FILE_EXECUTABLE_IMAGE` is not set.
    NotExecutable,
    /// `FileAlignment` or `SectionAlignment` is not one the loader takes.
    Alignment,
    /// `SizeOfHeaders` is not below `SizeOfImage`.
    SizeOfHeaders,
    /// A section's virtual range overlaps the one before, or wraps.
    SectionOverlap,
    /// A section's data lies past the end of the file, or wraps.
    SectionBounds,
}

impl Defect {
    /// All of them, by their numbers.
    pub const ALL: [Self; 7] = [
        Self::TruncatedHeaders,
        Self::OptionalHeaderMagic,
        Self::NotExecutable,
        Self::Alignment,
        Self::SizeOfHeaders,
        Self::SectionOverlap,
        Self::SectionBounds,
    ];

    /// A stable number, from 20 on.
    pub const fn code(self) -> u16 {
        match self {
            Self::TruncatedHeaders => 20,
            Self::OptionalHeaderMagic => 21,
            Self::NotExecutable => 22,
            Self::Alignment => 23,
            Self::SizeOfHeaders => 24,
            // 25 was said of more than 96 sections, which the loader takes.
            Self::SectionOverlap => 26,
            Self::SectionBounds => 27,
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TruncatedHeaders => "the headers run past the end of the file",
            Self::OptionalHeaderMagic => "the optional header is neither PE32 nor PE32+",
            Self::NotExecutable => "the executable flag is not set",
            Self::Alignment => "the file or section alignment is not one the loader takes",
            Self::SizeOfHeaders => "SizeOfHeaders is not below SizeOfImage",
            Self::SectionOverlap => "a section overlaps the one before it in memory",
            Self::SectionBounds => "a section's data lies past the end of the file",
        })
    }
}

/// Memory for a [`crate::Workspace`] could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

impl From<NoMemory> for ErrorKind {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl fmt::Display for NoMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory for the examination's buffers")
    }
}

impl core::error::Error for NoMemory {}

#[cfg(test)]
mod tests {
    use super::Defect;
    use super::ErrorKind;

    #[test]
    fn a_recorded_error_comes_back_by_its_number() {
        let offset = 0x3c;
        let back = (0..=u16::MAX).filter_map(|code| Some((code, ErrorKind::from_code(code, offset)?)));
        let mut found = 0;
        for (code, kind) in back {
            assert_eq!(kind.code(), code);
            found += 1;
        }
        assert_eq!(found, 5 + Defect::ALL.len());
        let defect = Defect::SectionBounds;
        let malformed = ErrorKind::Malformed { defect, offset };
        assert_eq!(ErrorKind::from_code(defect.code(), offset), Some(malformed));
        assert_eq!(ErrorKind::from_code(1, 0), None, "its status is missing");
        let codes = Defect::ALL.map(Defect::code);
        assert_eq!(codes, [20, 21, 22, 23, 24, 26, 27]);
    }
}
