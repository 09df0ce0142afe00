//! The rounds of both hashes, four of each in turn, by the SHA instructions of x86-64.
//!
//! Registers are named as Intel's instruction descriptions name them: SHA-1 keeps A to D in one and E in another, SHA-256 keeps
//! A, B, E, F in one and C, D, G, H in the other. Every function here is compiled for `sha` with SSE up to 4.1 and nothing wider.

use core::arch::x86_64::__m128i;
use core::arch::x86_64::_mm_add_epi32;
use core::arch::x86_64::_mm_alignr_epi8;
use core::arch::x86_64::_mm_extract_epi32;
use core::arch::x86_64::_mm_set_epi32;
use core::arch::x86_64::_mm_set_epi64x;
use core::arch::x86_64::_mm_sha1msg1_epu32;
use core::arch::x86_64::_mm_sha1msg2_epu32;
use core::arch::x86_64::_mm_sha1nexte_epu32;
use core::arch::x86_64::_mm_sha1rnds4_epu32;
use core::arch::x86_64::_mm_sha256msg1_epu32;
use core::arch::x86_64::_mm_sha256msg2_epu32;
use core::arch::x86_64::_mm_sha256rnds2_epu32;
use core::arch::x86_64::_mm_shuffle_epi8;
use core::arch::x86_64::_mm_shuffle_epi32;
use core::arch::x86_64::_mm_xor_si128;

use crate::SHA256_ROUNDS;

/// A hash at work on one block: its state, and the next sixteen words of the message, in the order of use.
#[derive(Clone, Copy)]
struct Sha1 {
    abcd: __m128i,
    /// What E comes from: the state one step back, or E itself before the first step.
    before: __m128i,
    words: [__m128i; 4],
}

#[derive(Clone, Copy)]
struct Sha256 {
    abef: __m128i,
    cdgh: __m128i,
    words: [__m128i; 4],
}

/// Takes whole blocks into both states.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(crate) fn compress(sha1: &mut [u32; 5], sha256: &mut [u32; 8], blocks: &[[u8; 64]]) {
    let [a, b, c, d, e] = *sha1;
    let mut abcd = vector([a, b, c, d]);
    let mut e_only = vector([e, 0, 0, 0]);
    let [a, b, c, d, e, f, g, h] = *sha256;
    let mut abef = vector([a, b, e, f]);
    let mut cdgh = vector([c, d, g, h]);
    for block in blocks {
        let (descending, ascending) = load(block);
        let mut one = Sha1 {
            abcd,
            before: e_only,
            words: descending,
        };
        let mut two = Sha256 {
            abef,
            cdgh,
            words: ascending,
        };
        let [
            k0,
            k1,
            k2,
            k3,
            k4,
            k5,
            k6,
            k7,
            k8,
            k9,
            k10,
            k11,
            k12,
            k13,
            k14,
            k15,
        ] = SHA256_ROUNDS;
        (one, two) = (first_step(one), step(two, k0));
        (one, two) = (sha1_step::<0>(one), step(two, k1));
        (one, two) = (sha1_step::<0>(one), step(two, k2));
        (one, two) = (sha1_step::<0>(one), step(two, k3));
        (one, two) = (sha1_step::<0>(one), step(two, k4));
        (one, two) = (sha1_step::<1>(one), step(two, k5));
        (one, two) = (sha1_step::<1>(one), step(two, k6));
        (one, two) = (sha1_step::<1>(one), step(two, k7));
        (one, two) = (sha1_step::<1>(one), step(two, k8));
        (one, two) = (sha1_step::<1>(one), step(two, k9));
        (one, two) = (sha1_step::<2>(one), step(two, k10));
        (one, two) = (sha1_step::<2>(one), step(two, k11));
        (one, two) = (sha1_step::<2>(one), step(two, k12));
        (one, two) = (sha1_step::<2>(one), step(two, k13));
        (one, two) = (sha1_step::<2>(one), step(two, k14));
        (one, two) = (sha1_step::<3>(one), step(two, k15));
        one = sha1_step::<3>(one);
        one = sha1_step::<3>(one);
        one = sha1_step::<3>(one);
        one = sha1_step::<3>(one);
        e_only = _mm_sha1nexte_epu32(one.before, e_only);
        abcd = _mm_add_epi32(abcd, one.abcd);
        abef = _mm_add_epi32(abef, two.abef);
        cdgh = _mm_add_epi32(cdgh, two.cdgh);
    }
    let [a, b, c, d] = lanes(abcd);
    let [e, ..] = lanes(e_only);
    *sha1 = [a, b, c, d, e];
    let [a, b, e, f] = lanes(abef);
    let [c, d, g, h] = lanes(cdgh);
    *sha256 = [a, b, c, d, e, f, g, h];
}

/// The first of these in the highest lane.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn vector([w3, w2, w1, w0]: [u32; 4]) -> __m128i {
    _mm_set_epi32(
        w3.cast_signed(),
        w2.cast_signed(),
        w1.cast_signed(),
        w0.cast_signed(),
    )
}

/// What [`vector`] was made from.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn lanes(vector: __m128i) -> [u32; 4] {
    [
        _mm_extract_epi32::<3>(vector).cast_unsigned(),
        _mm_extract_epi32::<2>(vector).cast_unsigned(),
        _mm_extract_epi32::<1>(vector).cast_unsigned(),
        _mm_extract_epi32::<0>(vector).cast_unsigned(),
    ]
}

/// The block's words, four to a vector: as SHA-1 wants them, the first in the highest lane, and as SHA-256 does, in the lowest.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn load(block: &[u8; 64]) -> ([__m128i; 4], [__m128i; 4]) {
    let whole_reversed = _mm_set_epi64x(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
    let words_reversed = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut quarters = [_mm_set_epi64x(0, 0); 4];
    for (vector, bytes) in quarters.iter_mut().zip(block.as_chunks::<16>().0) {
        if let [low, high] = bytes.as_chunks::<8>().0 {
            *vector = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
        }
    }
    (
        quarters.map(|quarter| _mm_shuffle_epi8(quarter, whole_reversed)),
        quarters.map(|quarter| _mm_shuffle_epi8(quarter, words_reversed)),
    )
}

/// Rounds 0 to 3 of SHA-1, which take E as it is.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn first_step(hash: Sha1) -> Sha1 {
    let Sha1 { abcd, before, words } = hash;
    Sha1 {
        abcd: _mm_sha1rnds4_epu32::<0>(abcd, _mm_add_epi32(before, words[0])),
        before: abcd,
        words: next_sha1_words(words),
    }
}

/// The next four rounds of SHA-1, with the function of their twenty.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn sha1_step<const FUNCTION: i32>(hash: Sha1) -> Sha1 {
    let Sha1 { abcd, before, words } = hash;
    Sha1 {
        abcd: _mm_sha1rnds4_epu32::<FUNCTION>(abcd, _mm_sha1nexte_epu32(before, words[0])),
        before: abcd,
        words: next_sha1_words(words),
    }
}

#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn next_sha1_words([w0, w1, w2, w3]: [__m128i; 4]) -> [__m128i; 4] {
    let mixed = _mm_xor_si128(_mm_sha1msg1_epu32(w0, w1), w2);
    [w1, w2, w3, _mm_sha1msg2_epu32(mixed, w3)]
}

/// The next four rounds of SHA-256.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
#[inline]
fn step(hash: Sha256, [k0, k1, k2, k3]: [u32; 4]) -> Sha256 {
    let Sha256 { abef, cdgh, words } = hash;
    let [w0, w1, w2, w3] = words;
    let keyed = _mm_add_epi32(w0, vector([k3, k2, k1, k0]));
    // Two rounds turn C, D, G, H into the next A, B, E, F; what was A, B, E, F is then C, D, G, H.
    let middle = _mm_sha256rnds2_epu32(cdgh, abef, keyed);
    let last = _mm_sha256rnds2_epu32(abef, middle, _mm_shuffle_epi32::<0b00_00_11_10>(keyed));
    let mixed = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
    Sha256 {
        abef: last,
        cdgh: middle,
        words: [w1, w2, w3, _mm_sha256msg2_epu32(mixed, w3)],
    }
}
