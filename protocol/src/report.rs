//! Answers that tell how the driver has done: evaluation progress, times, rule hits.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::I64;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::byteorder::little_endian::U64;

/// How far the evaluation is, as Windows' own driver policy counts it. [`tag::DRIVER`](crate::event::tag::DRIVER) fields follow
/// for the drivers that violate, as many as are kept and fit. Times are in 100 ns, moments FILETIME.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Progress {
    /// Time that must pass without a violation.
    pub runtime_needed: U64,
    /// Time that has passed without a violation while the driver was running with a policy.
    pub runtime: U64,
    /// Boot sessions that must pass without a violation.
    pub boots_needed: U32,
    /// Boot sessions since the last violation, this one included.
    pub boots: U32,
    /// When the evaluation started.
    pub since: I64,
    /// The last violation; 0 for none.
    pub last_violation: I64,
    /// Loads that would have been refused, since the evaluation started.
    pub audits: U64,
    /// Loads that were refused, since the evaluation started.
    pub blocks: U64,
    /// How often a violation set the progress back.
    pub resets: U64,
    /// Different drivers that violate.
    pub violators: U32,
    /// Of these, how many are not listed because only so many are kept.
    pub violators_unlisted: U32,
    /// 1 when both thresholds are reached.
    pub passed: U32,
    /// 1 when the progress outlives the driver.
    pub persistent: U32,
}

/// Buckets of a [`Histogram`].
pub const BUCKETS: usize = 32;

/// How often something took how long. Bucket `n` counts times below `2^n` and not below `2^(n-1)`, in 100 ns; the last one has no
/// upper end.
pub type Histogram = [U64; BUCKETS];

/// Times; [`tag::RULE_HITS`](crate::event::tag::RULE_HITS) fields follow for the rules that decided, as many as are kept and fit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Metrics {
    /// Time from a load to the start of reading its file.
    pub queued: Histogram,
    /// Time to read a file and establish its evidence.
    pub read: Histogram,
    /// Time to decide.
    pub decided: Histogram,
    /// Time the filter held up the creation of a section.
    pub held: Histogram,
    /// Decisions by a rule that is not listed because only so many are counted.
    pub hits_unlisted: U64,
    /// Decisions that no rule made.
    pub hits_none: U64,
}

/// Files the driver keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum StoredFile {
    /// The generation in force.
    Active = 1,
    /// The generation before it.
    Previous = 2,
    /// Mode, thresholds, progress, key and sequence number.
    State = 3,
}

impl StoredFile {
    /// Every file.
    pub const ALL: [Self; 3] = [Self::Active, Self::Previous, Self::State];

    /// The number in events.
    pub const fn number(self) -> u16 {
        match self {
            Self::Active => 1,
            Self::Previous => 2,
            Self::State => 3,
        }
    }

    /// The name on disk.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active.ghp",
            Self::Previous => "previous.ghp",
            Self::State => "state.bin",
        }
    }
}

/// Why a state file was not restored: values of [`tag::ERROR`](crate::event::tag::ERROR) in that event.
pub mod state_error {
    /// Not as long as a state file is.
    pub const LENGTH: u32 = 0x8001_0001;
    /// Does not start as one.
    pub const MAGIC: u32 = 0x8001_0002;
    /// Of a version this build does not read.
    pub const VERSION: u32 = 0x8001_0003;
    /// Its SHA-256 is another: it was altered.
    pub const DIGEST: u32 = 0x8001_0004;
    /// A field holds a value without meaning.
    pub const VALUE: u32 = 0x8001_0005;
}
