//! Requests that change the driver's ways: mode, evaluation thresholds, signing key.

use crate::message::Request;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::I64;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::byteorder::little_endian::U64;

/// Asks for a mode.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ModeRequest {
    /// Version.
    pub request: Request,
    /// [`Mode`](crate::message::Mode).
    pub mode: U32,
    /// 1: enforce even though loaded or boot-start drivers would be refused.
    pub force: U32,
    /// After this long, in 100 ns, the driver evaluates again; 0: the mode stays.
    pub duration: U64,
}

/// Answer to [`ModeRequest`]; [`tag::DRIVER`](crate::event::tag::DRIVER) fields follow for the drivers in the way, as many as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ModeOutcome {
    /// 0 when the mode was taken, else one of [`mode_error`].
    pub error: U32,
    /// [`Mode`](crate::message::Mode) in effect after the request.
    pub mode: U32,
    /// [`Mode`](crate::message::Mode) asked for that is kept after the request.
    pub mode_asked: U32,
    /// [`holds`](crate::message::holds) on enforcement.
    pub holds: U32,
    /// When the mode ends by itself; 0 when it stays.
    pub until: I64,
    /// Drivers that are loaded or start with Windows, and would be refused or cannot be weighed.
    pub blockers: U32,
    /// NTSTATUS of keeping the mode for the next start; 0 when it is kept.
    pub persisted: U32,
    /// NTSTATUS of listing the drivers that are loaded or start with Windows; unless it is 0, more of them may be in the way.
    pub listed: U32,
}

/// Why a mode was not taken.
pub mod mode_error {
    /// Drivers that are loaded or start with Windows would be refused; `force` overrides.
    pub const BLOCKERS: u32 = 1;
    /// No generation is in force, or one without a base policy, which refuses nothing.
    pub const NO_POLICY: u32 = 2;
    /// The filter manager did not take the driver as a minifilter: nothing could be refused.
    pub const NO_FILTER: u32 = 3;
    /// The loaded and boot-start drivers could not all be weighed; `force` overrides.
    pub const UNKNOWN_BLOCKERS: u32 = 4;
}

/// Sets what an evaluation must reach.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct ThresholdsRequest {
    /// Version.
    pub request: Request,
    /// Time without a violation, in 100 ns; 0 leaves it.
    pub runtime: U64,
    /// Boot sessions without a violation; 0 leaves it.
    pub boots: U32,
    /// 1: the evaluation starts again from nothing.
    pub restart: U32,
}

/// Provisions, replaces or removes the key that policy sets must be signed with.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct KeyRequest {
    /// Version.
    pub request: Request,
    /// Number of the change: must [follow](crate::rising) the highest one that was taken before. While no key is provisioned it may be 0,
    /// which leaves that where it is.
    pub number: U64,
    /// The new Ed25519 public key; zeros to go back to unsigned sets.
    pub key: [u8; 32],
    /// When a key is provisioned already: its signature over [`key_statement`]. Ignored otherwise.
    pub signature: [u8; 64],
}

/// Answer to [`KeyRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct KeyOutcome {
    /// 0 when the key was taken, else one of [`key_error`].
    pub error: U32,
    /// NTSTATUS of keeping the key; a key that cannot be kept is not taken.
    pub persisted: U32,
    /// The key in force after the request.
    pub key: [u8; 32],
    /// Highest number of a change of the key that was taken, after the request.
    pub number: U64,
}

/// Why a key was not taken.
pub mod key_error {
    /// The old key's signature is missing or does not verify.
    pub const SIGNATURE: u32 = 1;
    /// It could not be kept on disk.
    pub const NOT_KEPT: u32 = 2;
    /// It is no point of the curve, or one that would verify anything.
    pub const WEAK_KEY: u32 = 3;
    /// The number is not above the highest one taken before.
    pub const NUMBER: u32 = 4;
    /// The number is more than [`MAX_STEP`](crate::rising::MAX_STEP) above the highest one taken before.
    pub const STEP: u32 = 5;
}

/// What the old key signs so that `new` takes its place; zeros for no key.
#[derive(Clone, Copy, Debug, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct KeyStatement {
    name: [u8; 16],
    number: U64,
    old: [u8; 32],
    new: [u8; 32],
}

impl KeyStatement {
    /// The statement with this number. A driver takes a number once, whatever keys came and went meanwhile, so that one statement
    /// serves every machine once.
    pub const fn new(number: u64, old: [u8; 32], new: [u8; 32]) -> Self {
        Self {
            name: *b"gatehouse key \0\x02",
            number: U64::new(number),
            old,
            new,
        }
    }
}
