//! Message digests over streams.
//!
//! SHA-1 and SHA-256 run together, block by block: both are bound by the latency of their rounds and independent of each
//! other, so the processor overlaps them. Both use the SHA instructions where there are any, which need no saved vector state
//! beyond SSE. SHA-384 and SHA-512 come from [`crate::sha512`], because the library's would pick AVX2 at run time.

use core::slice;

use crate::bytes::copy;
use crate::bytes::to_u64;
use crate::facts::Hash;
use crate::sha512;

/// Gathers a stream into blocks of `N` bytes and pads its end.
pub(crate) struct Blocks<const N: usize> {
    buffer: [u8; N],
    filled: usize,
    length: u64,
}

impl<const N: usize> Blocks<N> {
    pub(crate) const fn new() -> Self {
        Self {
            buffer: [0; N],
            filled: 0,
            length: 0,
        }
    }

    /// Takes `bytes` and hands on every block they fill.
    pub(crate) fn update(&mut self, bytes: &[u8], mut compress: impl FnMut(&[[u8; N]])) {
        self.length = self.length.wrapping_add(to_u64(bytes.len()));
        let mut bytes = bytes;
        if self.filled > 0 {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let take = room.len().min(bytes.len());
            let (head, tail) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
            copy(room, head);
            bytes = tail;
            self.filled = self.filled.saturating_add(take);
            if self.filled < N {
                return;
            }
            compress(slice::from_ref(&self.buffer));
            self.filled = 0;
        }
        let (blocks, tail) = bytes.as_chunks::<N>();
        compress(blocks);
        copy(&mut self.buffer, tail);
        self.filled = tail.len();
    }

    /// Ends the stream: a 1 bit, zeros, and `length` in the last bytes of a block that leaves `reserve` bytes for it.
    pub(crate) fn finish(&mut self, reserve: usize, length: [u8; 8], mut compress: impl FnMut(&[[u8; N]])) {
        let mut used = self.filled;
        if let Some(mark) = self.buffer.get_mut(used) {
            *mark = 0x80;
        }
        used = used.saturating_add(1);
        if used.saturating_add(reserve) > N {
            self.buffer.get_mut(used..).unwrap_or_default().fill(0);
            compress(slice::from_ref(&self.buffer));
            used = 0;
        }
        self.buffer.get_mut(used..).unwrap_or_default().fill(0);
        copy(
            self.buffer.get_mut(N.saturating_sub(8)..).unwrap_or_default(),
            &length,
        );
        compress(slice::from_ref(&self.buffer));
    }

    /// The length taken, in bits, as SHA writes it at the end.
    pub(crate) const fn bits_be(&self) -> [u8; 8] {
        self.length.wrapping_mul(8).to_be_bytes()
    }
}

const SHA1_START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
const SHA256_START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// SHA-1 and SHA-256 of one stream.
pub(crate) struct Pair {
    blocks: Blocks<64>,
    sha1: [u32; 5],
    sha256: [u32; 8],
}

impl Pair {
    pub(crate) const fn new() -> Self {
        Self {
            blocks: Blocks::new(),
            sha1: SHA1_START,
            sha256: SHA256_START,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let Self { blocks, sha1, sha256 } = self;
        blocks.update(bytes, |blocks| compress_pair(sha1, sha256, blocks));
    }

    /// Both digests of everything taken.
    pub(crate) fn finish(mut self) -> ([u8; 20], [u8; 32]) {
        let bits = self.blocks.bits_be();
        let Self { blocks, sha1, sha256 } = &mut self;
        blocks.finish(8, bits, |blocks| compress_pair(sha1, sha256, blocks));
        (
            words(&self.sha1, u32::to_be_bytes),
            words(&self.sha256, u32::to_be_bytes),
        )
    }
}

fn compress_pair(sha1: &mut [u32; 5], sha256: &mut [u32; 8], blocks: &[[u8; 64]]) {
    for block in blocks {
        sha1::block_api::compress(sha1, slice::from_ref(block));
        sha2::block_api::compress256(sha256, slice::from_ref(block));
    }
}

const MD5_START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// A digest algorithm of signatures and certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// Length of the digest in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest of these parts, one after the other.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Hash {
        let mut hasher = Hasher::new(self);
        for part in parts {
            hasher.update(part);
        }
        hasher.finish()
    }
}

/// A digest of one algorithm, chosen at run time.
pub(crate) enum Hasher {
    Md5(Blocks<64>, [u32; 4]),
    Sha1(Blocks<64>, [u32; 5]),
    Sha256(Blocks<64>, [u32; 8]),
    Sha384(Blocks<128>, [u64; 8]),
    Sha512(Blocks<128>, [u64; 8]),
}

impl Hasher {
    pub(crate) const fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Md5 => Self::Md5(Blocks::new(), MD5_START),
            Algorithm::Sha1 => Self::Sha1(Blocks::new(), SHA1_START),
            Algorithm::Sha256 => Self::Sha256(Blocks::new(), SHA256_START),
            Algorithm::Sha384 => Self::Sha384(Blocks::new(), sha512::SHA384_START),
            Algorithm::Sha512 => Self::Sha512(Blocks::new(), sha512::SHA512_START),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(blocks, state) => {
                blocks.update(bytes, |blocks| md5::block_api::compress(state, blocks));
            }
            Self::Sha1(blocks, state) => {
                blocks.update(bytes, |blocks| sha1::block_api::compress(state, blocks));
            }
            Self::Sha256(blocks, state) => {
                blocks.update(bytes, |blocks| sha2::block_api::compress256(state, blocks));
            }
            Self::Sha384(blocks, state) | Self::Sha512(blocks, state) => {
                blocks.update(bytes, |blocks| sha512::compress(state, blocks));
            }
        }
    }

    pub(crate) fn finish(self) -> Hash {
        match self {
            Self::Md5(mut blocks, mut state) => {
                let mut bits = blocks.bits_be();
                bits.reverse();
                blocks.finish(8, bits, |blocks| md5::block_api::compress(&mut state, blocks));
                Hash::Md(words(&state, u32::to_le_bytes))
            }
            Self::Sha1(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(8, bits, |blocks| sha1::block_api::compress(&mut state, blocks));
                Hash::Sha1(words(&state, u32::to_be_bytes))
            }
            Self::Sha256(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(8, bits, |blocks| sha2::block_api::compress256(&mut state, blocks));
                Hash::Sha256(words(&state, u32::to_be_bytes))
            }
            Self::Sha384(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(16, bits, |blocks| sha512::compress(&mut state, blocks));
                Hash::Sha384(words(&state, u64::to_be_bytes))
            }
            Self::Sha512(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(16, bits, |blocks| sha512::compress(&mut state, blocks));
                Hash::Sha512(words(&state, u64::to_be_bytes))
            }
        }
    }
}

/// The bytes of as many words as fill `M` of them.
fn words<W: Copy, const S: usize, const M: usize>(words: &[W], bytes_of: fn(W) -> [u8; S]) -> [u8; M] {
    let mut bytes = [0; M];
    for (to, word) in bytes.as_chunks_mut::<S>().0.iter_mut().zip(words) {
        *to = bytes_of(*word);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::Algorithm;
    use super::Hasher;
    use super::Pair;
    use crate::facts::Hash;
    extern crate std;
    use sha1::Digest as _;
    use std::vec::Vec;

    /// Digests of every length around the block and padding borders, in one piece and in odd pieces, against the library.
    #[test]
    fn agrees_with_the_library_however_the_stream_is_cut() {
        let data: Vec<u8> = (0..=u8::MAX).cycle().step_by(7).take(400).collect();
        for length in 0..=data.len() {
            let message = &data[..length];
            let expected = [
                Hash::Md(md5::Md5::digest(message).into()),
                Hash::Sha1(sha1::Sha1::digest(message).into()),
                Hash::Sha256(sha2::Sha256::digest(message).into()),
                Hash::Sha384(sha2::Sha384::digest(message).into()),
                Hash::Sha512(sha2::Sha512::digest(message).into()),
            ];
            for piece in [1, 3, 63, 64, 65, 127, 128, 129, 400] {
                let mut pair = Pair::new();
                message.chunks(piece).for_each(|piece| pair.update(piece));
                let (sha1, sha256) = pair.finish();
                assert_eq!(
                    [Hash::Sha1(sha1), Hash::Sha256(sha256)],
                    expected[1..3],
                    "{length} bytes by {piece}"
                );
                let found = [
                    Algorithm::Md5,
                    Algorithm::Sha1,
                    Algorithm::Sha256,
                    Algorithm::Sha384,
                    Algorithm::Sha512,
                ]
                .map(|algorithm| {
                    let mut hasher = Hasher::new(algorithm);
                    message.chunks(piece).for_each(|piece| hasher.update(piece));
                    hasher.finish()
                });
                assert_eq!(found, expected, "{length} bytes by {piece}");
            }
        }
    }
}
