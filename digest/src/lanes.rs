//! SHA-1 and SHA-256 of sixteen streams at once, one to each 32-bit lane of AVX-512's registers.
//!
//! All lanes do the same at the same time, so a processor that can do it takes about twice as much a second as with the SHA
//! instructions, which take one stream after the other. Only for programs: kernel code may not touch these registers.

#![expect(
    clippy::large_types_passed_by_value,
    reason = "all of this is inlined, and the values are registers"
)]

use core::arch::x86_64::__m512i;
use core::arch::x86_64::_mm512_add_epi32;
use core::arch::x86_64::_mm512_rol_epi32;
use core::arch::x86_64::_mm512_ror_epi32;
use core::arch::x86_64::_mm512_set1_epi32;
use core::arch::x86_64::_mm512_set4_epi32;
use core::arch::x86_64::_mm512_shuffle_epi8;
use core::arch::x86_64::_mm512_shuffle_i32x4;
use core::arch::x86_64::_mm512_srli_epi32;
use core::arch::x86_64::_mm512_ternarylogic_epi32;
use core::arch::x86_64::_mm512_unpackhi_epi32;
use core::arch::x86_64::_mm512_unpackhi_epi64;
use core::arch::x86_64::_mm512_unpacklo_epi32;
use core::arch::x86_64::_mm512_unpacklo_epi64;
use core::arch::x86_64::_mm512_xor_si512;
use core::slice;

use zerocopy::transmute;

use crate::SHA256_ROUNDS;

/// Streams in one register.
pub(crate) const LANES: usize = 16;

/// The states of all streams, word by word.
pub(crate) struct States {
    pub(crate) sha1: [[u32; LANES]; 5],
    pub(crate) sha256: [[u32; LANES]; 8],
}

impl States {
    /// Puts the states of one stream into its lane.
    pub(crate) fn set(&mut self, lane: usize, sha1: &[u32; 5], sha256: &[u32; 8]) {
        let words = sha1.iter().chain(sha256);
        for (lanes, word) in self.sha1.iter_mut().chain(&mut self.sha256).zip(words) {
            if let Some(to) = lanes.get_mut(lane) {
                *to = *word;
            }
        }
    }

    /// Takes the states of one stream out of its lane.
    pub(crate) fn get(&self, lane: usize, sha1: &mut [u32; 5], sha256: &mut [u32; 8]) {
        let words = sha1.iter_mut().chain(sha256);
        for (lanes, word) in self.sha1.iter().chain(&self.sha256).zip(words) {
            if let Some(from) = lanes.get(lane) {
                *word = *from;
            }
        }
    }
}

/// The same sixteen words of every stream's block.
type Words = [__m512i; 16];

/// What three bits become in `_mm512_ternarylogic_epi32`: the bit of this number that they count out, the first argument's highest.
const CHOOSE: i32 = 0b1100_1010;
const PARITY: i32 = 0b1001_0110;
const MAJORITY: i32 = 0b1110_1000;

/// Takes as many blocks of each stream into its states as the shortest stream has.
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn compress(states: &mut States, streams: [&[[u8; 64]]; LANES]) {
    let States { sha1, sha256 } = states;
    let mut one: [__m512i; 5] = transmute!(*sha1);
    let mut two: [__m512i; 8] = transmute!(*sha256);
    let mut streams = streams.each_ref().map(|blocks| blocks.iter());
    while let Some(words) = next_words(&mut streams) {
        one = sha1_block(one, words);
        two = sha256_block(two, words);
    }
    *sha1 = transmute!(one);
    *sha256 = transmute!(two);
}

/// The words of the next block of each stream; `None` once a stream has no more.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn next_words(streams: &mut [slice::Iter<'_, [u8; 64]>; LANES]) -> Option<Words> {
    let big_endian = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut rows = [_mm512_set1_epi32(0); 16];
    for (row, stream) in rows.iter_mut().zip(streams) {
        *row = _mm512_shuffle_epi8(transmute!(*stream.next()?), big_endian);
    }
    Some(columns(rows))
}

/// Rows become columns: quarters of four words first, then the quarters among each other.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[rustfmt::skip]
fn columns(rows: Words) -> Words {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = rows;
    let [a0, a1, a2, a3] = quarters(r0, r1, r2, r3);
    let [b0, b1, b2, b3] = quarters(r4, r5, r6, r7);
    let [c0, c1, c2, c3] = quarters(r8, r9, r10, r11);
    let [d0, d1, d2, d3] = quarters(r12, r13, r14, r15);
    let [w0, w4, w8, w12] = across(a0, b0, c0, d0);
    let [w1, w5, w9, w13] = across(a1, b1, c1, d1);
    let [w2, w6, w10, w14] = across(a2, b2, c2, d2);
    let [w3, w7, w11, w15] = across(a3, b3, c3, d3);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// In each quarter of the registers: the first words of all four, the second ones, and so on.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn quarters(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(ab, cd),
        _mm512_unpackhi_epi64(ab, cd),
        _mm512_unpacklo_epi64(ab_high, cd_high),
        _mm512_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// The first quarters of all four, the second ones, and so on.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn across(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> [__m512i; 4] {
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let (ab, cd) = (
        _mm512_shuffle_i32x4::<EVEN>(a, b),
        _mm512_shuffle_i32x4::<EVEN>(c, d),
    );
    let (ab_odd, cd_odd) = (
        _mm512_shuffle_i32x4::<ODD>(a, b),
        _mm512_shuffle_i32x4::<ODD>(c, d),
    );
    [
        _mm512_shuffle_i32x4::<EVEN>(ab, cd),
        _mm512_shuffle_i32x4::<EVEN>(ab_odd, cd_odd),
        _mm512_shuffle_i32x4::<ODD>(ab, cd),
        _mm512_shuffle_i32x4::<ODD>(ab_odd, cd_odd),
    ]
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn constant(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

/// One block into the states of SHA-1. FIPS 180-4, section 6.1.2.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[rustfmt::skip]
fn sha1_block(state: [__m512i; 5], words: Words) -> [__m512i; 5] {
    const K0: u32 = 0x5a82_7999;
    const K1: u32 = 0x6ed9_eba1;
    const K2: u32 = 0x8f1b_bcdc;
    const K3: u32 = 0xca62_c1d6;
    let (mut now, mut w) = (state, words);
    macro_rules! rounds {
        ($function:ident, $k:ident: $($t:literal)*) => { $(now = sha1_round::<$function>(now, w[$t], $k);)* };
    }
    // Each round's word is the next of the message schedule, made of four earlier ones.
    macro_rules! scheduled {
        ($function:ident, $k:ident: $($t:literal $t2:literal $t8:literal $t13:literal,)*) => { $(
            let mixed = _mm512_ternarylogic_epi32::<PARITY>(w[$t], w[$t2], w[$t8]);
            w[$t] = _mm512_rol_epi32::<1>(_mm512_xor_si512(mixed, w[$t13]));
            now = sha1_round::<$function>(now, w[$t], $k);
        )* };
    }
    macro_rules! quarters {
        ($f0:ident, $k0:ident; $f1:ident, $k1:ident; $f2:ident, $k2:ident; $f3:ident, $k3:ident) => {
            scheduled!($f0, $k0: 0 2 8 13, 1 3 9 14, 2 4 10 15, 3 5 11 0,);
            scheduled!($f1, $k1: 4 6 12 1, 5 7 13 2, 6 8 14 3, 7 9 15 4,);
            scheduled!($f2, $k2: 8 10 0 5, 9 11 1 6, 10 12 2 7, 11 13 3 8,);
            scheduled!($f3, $k3: 12 14 4 9, 13 15 5 10, 14 0 6 11, 15 1 7 12,);
        };
    }
    rounds!(CHOOSE, K0: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    quarters!(CHOOSE, K0; PARITY, K1; PARITY, K1; PARITY, K1);
    quarters!(PARITY, K1; PARITY, K1; MAJORITY, K2; MAJORITY, K2);
    quarters!(MAJORITY, K2; MAJORITY, K2; MAJORITY, K2; PARITY, K3);
    quarters!(PARITY, K3; PARITY, K3; PARITY, K3; PARITY, K3);
    sum(state, now)
}

/// One round, which names the state's words anew.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn sha1_round<const FUNCTION: i32>(state: [__m512i; 5], word: __m512i, k: u32) -> [__m512i; 5] {
    let [a, b, c, d, e] = state;
    let mixed = _mm512_ternarylogic_epi32::<FUNCTION>(b, c, d);
    let keyed = add(word, constant(k));
    let first = add(add(_mm512_rol_epi32::<5>(a), mixed), add(e, keyed));
    [first, a, _mm512_rol_epi32::<30>(b), c, d]
}

/// One block into the states of SHA-256. FIPS 180-4, section 6.2.2.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
#[rustfmt::skip]
fn sha256_block(state: [__m512i; 8], words: Words) -> [__m512i; 8] {
    const KEYS: [[u32; 16]; 4] = transmute!(SHA256_ROUNDS);
    let (mut now, mut w) = (state, words);
    let [three @ .., last] = &KEYS;
    for keys in three {
        // Behind each round its word becomes the one that is used sixteen rounds later.
        macro_rules! rounds {
            ($($t:literal $t1:literal $t9:literal $t14:literal,)*) => { $(
                now = sha256_round(now, w[$t], keys[$t]);
                w[$t] = sha256_word(w[$t], w[$t1], w[$t9], w[$t14]);
            )* };
        }
        rounds!(0 1 9 14, 1 2 10 15, 2 3 11 0, 3 4 12 1, 4 5 13 2, 5 6 14 3, 6 7 15 4, 7 8 0 5,);
        rounds!(8 9 1 6, 9 10 2 7, 10 11 3 8, 11 12 4 9, 12 13 5 10, 13 14 6 11, 14 15 7 12, 15 0 8 13,);
    }
    macro_rules! rounds {
        ($($t:literal)*) => { $(now = sha256_round(now, w[$t], last[$t]);)* };
    }
    rounds!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    sum(state, now)
}

/// The word of the message schedule that these make: the one of sixteen rounds before, and those one, nine and fourteen behind it.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn sha256_word(w: __m512i, w1: __m512i, w9: __m512i, w14: __m512i) -> __m512i {
    let sigma0 = _mm512_ternarylogic_epi32::<PARITY>(
        _mm512_ror_epi32::<7>(w1),
        _mm512_ror_epi32::<18>(w1),
        _mm512_srli_epi32::<3>(w1),
    );
    let sigma1 = _mm512_ternarylogic_epi32::<PARITY>(
        _mm512_ror_epi32::<17>(w14),
        _mm512_ror_epi32::<19>(w14),
        _mm512_srli_epi32::<10>(w14),
    );
    add(add(w, w9), add(sigma0, sigma1))
}

/// One round, which names the state's words anew.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn sha256_round(state: [__m512i; 8], word: __m512i, k: u32) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = state;
    let sum1 = _mm512_ternarylogic_epi32::<PARITY>(
        _mm512_ror_epi32::<6>(e),
        _mm512_ror_epi32::<11>(e),
        _mm512_ror_epi32::<25>(e),
    );
    let sum0 = _mm512_ternarylogic_epi32::<PARITY>(
        _mm512_ror_epi32::<2>(a),
        _mm512_ror_epi32::<13>(a),
        _mm512_ror_epi32::<22>(a),
    );
    let chosen = _mm512_ternarylogic_epi32::<CHOOSE>(e, f, g);
    let most = _mm512_ternarylogic_epi32::<MAJORITY>(a, b, c);
    let keyed = add(h, add(word, constant(k)));
    let t1 = add(add(keyed, chosen), sum1);
    [add(t1, add(sum0, most)), a, b, c, add(d, t1), e, f, g]
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn sum<const N: usize>(mut state: [__m512i; N], by: [__m512i; N]) -> [__m512i; N] {
    for (word, by) in state.iter_mut().zip(by) {
        *word = add(*word, by);
    }
    state
}
