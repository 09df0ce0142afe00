//! Signed policy sets: a head with a signature, then the set.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::byteorder::little_endian::U64;

/// First bytes of an envelope.
pub const MAGIC: [u8; 4] = *b"GHSE";

/// Version of the envelope this build knows.
pub const VERSION: u16 = 1;

/// Head of a signed set. The Ed25519 signature is over [`Statement`]: what the head says and the SHA-256 of the set.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Envelope {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`VERSION`].
    pub version: U16,
    /// Zero.
    pub reserved: [u8; 2],
    /// Must [follow](crate::rising) that of every set accepted under the same key before: an old set cannot come back.
    pub sequence: U64,
    /// Length of the set that follows, in bytes.
    pub length: U64,
    /// Signature over the [`Statement`].
    pub signature: [u8; 64],
}

/// What is signed.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Statement {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// [`VERSION`].
    pub version: U16,
    /// Zero.
    pub reserved: [u8; 2],
    /// As in the [`Envelope`].
    pub sequence: U64,
    /// As in the [`Envelope`].
    pub length: U64,
    /// SHA-256 of the set.
    pub set_sha256: [u8; 32],
}

impl Statement {
    /// What a set with this SHA-256, length and sequence number is signed as.
    pub const fn new(sequence: u64, length: u64, set_sha256: [u8; 32]) -> Self {
        Self {
            magic: MAGIC,
            version: U16::new(VERSION),
            reserved: [0; 2],
            sequence: U64::new(sequence),
            length: U64::new(length),
            set_sha256,
        }
    }
}
