//! SHA-1 and SHA-256 over the same bytes, in one pass.
//!
//! Every file that is weighed needs both. Each waits most of its time for the round before; the two do not wait for each other. So
//! the rounds of both are interleaved, and both together cost little more than the slower one alone.
//!
//! Called by `evidence`, in the driver and in the command. It never allocates and never panics. Where the processor has the SHA
//! instructions they are used in their SSE encodings only: those registers are saved for kernel code, wider ones are not.
//! Elsewhere the `sha1` and `sha2` crates do the work.

#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod blocks;
mod compress;
#[cfg(target_arch = "x86_64")]
mod interleaved;

pub use blocks::Blocks;

use compress::compress;

/// Initial state of SHA-1. FIPS 180-4, section 5.3.1.
pub const SHA1_START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Initial state of SHA-256. FIPS 180-4, section 5.3.3.
#[rustfmt::skip]
pub const SHA256_START: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// SHA-1 and SHA-256 of one stream.
///
/// ```
/// let mut pair = digest::Pair::new();
/// pair.update(b"a");
/// pair.update(b"bc");
/// let (sha1, sha256) = pair.finish();
/// assert!(sha1.starts_with(&[0xa9, 0x99, 0x3e]) && sha256.starts_with(&[0xba, 0x78, 0x16]));
/// ```
#[derive(Clone)]
pub struct Pair {
    blocks: Blocks<64>,
    sha1: [u32; 5],
    sha256: [u32; 8],
}

impl Pair {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Self {
            blocks: Blocks::new(),
            sha1: SHA1_START,
            sha256: SHA256_START,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        let Self { blocks, sha1, sha256 } = self;
        blocks.update(bytes, |blocks| compress(sha1, sha256, blocks));
    }

    /// Both digests of everything taken.
    pub fn finish(mut self) -> ([u8; 20], [u8; 32]) {
        let bits = self.blocks.bits_be();
        let Self { blocks, sha1, sha256 } = &mut self;
        blocks.finish(8, bits, |blocks| compress(sha1, sha256, blocks));
        (
            bytes_of(&self.sha1, u32::to_be_bytes),
            bytes_of(&self.sha256, u32::to_be_bytes),
        )
    }
}

impl Default for Pair {
    fn default() -> Self {
        Self::new()
    }
}

/// The bytes of as many words as fill `M` of them.
pub fn bytes_of<W: Copy, const S: usize, const M: usize>(words: &[W], bytes_of: fn(W) -> [u8; S]) -> [u8; M] {
    let mut bytes = [0; M];
    for (to, word) in bytes.as_chunks_mut::<S>().0.iter_mut().zip(words) {
        *to = bytes_of(*word);
    }
    bytes
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::Pair;
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;
    use sha1::Digest as _;
    use std::vec::Vec;

    fn library(message: &[u8]) -> ([u8; 20], [u8; 32]) {
        (
            sha1::Sha1::digest(message).into(),
            sha2::Sha256::digest(message).into(),
        )
    }

    #[test]
    fn every_length_around_the_block_and_padding_borders_is_right() {
        let data: Vec<u8> = (0..=u8::MAX).cycle().step_by(7).take(300).collect();
        for length in 0..=data.len() {
            let message = &data[..length];
            for piece in [1, 3, 63, 64, 65, 127, 128, 129, 300] {
                let mut pair = Pair::new();
                message.chunks(piece).for_each(|piece| pair.update(piece));
                assert_eq!(pair.finish(), library(message), "{length} bytes by {piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_make_the_digests_of_the_whole(pieces in vec(vec(any::<u8>(), 0..400), 0..12)) {
            let mut pair = Pair::new();
            for piece in &pieces {
                pair.update(piece);
            }
            assert_eq!(pair.finish(), library(&pieces.concat()));
        }
    }
}
