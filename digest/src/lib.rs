//! SHA-1 and SHA-256 over the same bytes, in one pass.
//!
//! Every file that is weighed needs both. Each waits most of its time for the round before; the two do not wait for each other. So
//! the rounds of both are interleaved, and both together cost little more than the slower one alone.
//!
//! Called by `evidence`, in the driver and in the command. It never allocates and never panics. Where the processor has the SHA
//! instructions they are used in their SSE encodings only: those registers are saved for kernel code, wider ones are not.
//! Elsewhere the `sha1` and `sha2` crates do the work.
//!
//! With the feature `side-by-side`, for programs only, many streams are taken in at the same time by the widest registers there are.

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
#[cfg(all(feature = "side-by-side", target_arch = "x86_64"))]
mod lanes;
mod pending;
#[cfg(feature = "side-by-side")]
mod together;

pub use blocks::Blocks;
pub use pending::Pending;
#[cfg(feature = "side-by-side")]
pub use together::compress_all;
#[cfg(feature = "side-by-side")]
pub use together::side_by_side;

use compress::compress;

/// Initial state of SHA-1. FIPS 180-4, section 5.3.1.
pub const SHA1_START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Initial state of SHA-256. FIPS 180-4, section 5.3.3.
#[rustfmt::skip]
pub const SHA256_START: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

/// The round constants of SHA-256, four rounds together. FIPS 180-4, section 4.2.2.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const SHA256_ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
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
        drop(self.update_later(bytes));
    }

    /// Takes the next bytes of the stream, but for the whole blocks in them: these are to be compressed when those of other
    /// streams are at hand too.
    pub fn update_later<'p>(&'p mut self, bytes: &'p [u8]) -> Pending<'p> {
        let Self { blocks, sha1, sha256 } = self;
        let blocks = blocks.cut(bytes, |blocks| compress(sha1, sha256, blocks));
        Pending { sha1, sha256, blocks }
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
