//! Digests of one algorithm, chosen at run time.
//!
//! SHA-384 and SHA-512 come from [`crate::sha512`], because the library's would pick AVX2 at run time. SHA-1 and SHA-256 over the same
//! bytes are [`digest::Pair`]'s.

use digest::Blocks;
use digest::SHA1_START;
use digest::SHA256_START;
use digest::bytes_of;

use crate::facts::Hash;
use crate::sha512;

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
                Hash::Md(bytes_of(&state, u32::to_le_bytes))
            }
            Self::Sha1(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(8, bits, |blocks| sha1::block_api::compress(&mut state, blocks));
                Hash::Sha1(bytes_of(&state, u32::to_be_bytes))
            }
            Self::Sha256(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(8, bits, |blocks| sha2::block_api::compress256(&mut state, blocks));
                Hash::Sha256(bytes_of(&state, u32::to_be_bytes))
            }
            Self::Sha384(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(16, bits, |blocks| sha512::compress(&mut state, blocks));
                Hash::Sha384(bytes_of(&state, u64::to_be_bytes))
            }
            Self::Sha512(mut blocks, mut state) => {
                let bits = blocks.bits_be();
                blocks.finish(16, bits, |blocks| sha512::compress(&mut state, blocks));
                Hash::Sha512(bytes_of(&state, u64::to_be_bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;
    use super::Hasher;
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
