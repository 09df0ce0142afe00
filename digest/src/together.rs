//! Streams that are taken in together.

use crate::compress::compress;
#[cfg(target_arch = "x86_64")]
use crate::lanes;
#[cfg(target_arch = "x86_64")]
use crate::lanes::LANES;
#[cfg(target_arch = "x86_64")]
use crate::lanes::States;
use crate::pending::Pending;

/// From how many streams on the lanes are faster than the SHA instructions, which take one stream after the other at about
/// 7/16 of the rate of sixteen lanes.
#[cfg(target_arch = "x86_64")]
const WORTHWHILE: usize = 8;

#[cfg(target_arch = "x86_64")]
cpufeatures::new!(wide_registers, "avx512f", "avx512bw");

/// How many streams this processor takes in side by side: with as many at hand [`compress_all`] is at its fastest. 1 if it
/// takes one after the other.
pub fn side_by_side() -> usize {
    #[cfg(target_arch = "x86_64")]
    if wide_registers::get() {
        return LANES;
    }
    1
}

/// Takes in everything that is pending, side by side where the processor can and there is enough of it.
pub fn compress_all(pending: &mut [Pending<'_>]) {
    #[cfg(target_arch = "x86_64")]
    while compress_some(pending) {}
    for Pending { sha1, sha256, blocks } in pending {
        compress(sha1, sha256, blocks);
        *blocks = &[];
    }
}

/// Takes in as many blocks of up to sixteen streams as the shortest of them has; `false` if too few streams are left, or the
/// processor cannot.
#[cfg(target_arch = "x86_64")]
// UNSAFETY: code for instructions that not every processor has can only be entered by promising that this one does.
#[expect(unsafe_code, reason = "entering the code for the wide registers")]
fn compress_some(pending: &mut [Pending<'_>]) -> bool {
    if !wide_registers::get() {
        return false;
    }
    let unfinished = |stream: &&mut Pending<'_>| !stream.blocks.is_empty();
    let mut streams = [&[][..]; LANES];
    let mut states = States {
        sha1: [[0; LANES]; 5],
        sha256: [[0; LANES]; 8],
    };
    let (mut used, mut count) = (0_usize, usize::MAX);
    for (lane, (stream, to)) in pending
        .iter_mut()
        .filter(unfinished)
        .zip(&mut streams)
        .enumerate()
    {
        *to = stream.blocks;
        states.set(lane, stream.sha1, stream.sha256);
        count = count.min(stream.blocks.len());
        used = used.saturating_add(1);
    }
    if used < WORTHWHILE {
        return false;
    }
    // The lanes that are left over repeat the first stream; nobody looks at what comes of it.
    let [first, ..] = streams;
    for stream in streams.iter_mut().skip(used) {
        *stream = first;
    }
    // SAFETY: above, the processor was asked for every feature that this function is compiled with.
    unsafe { lanes::compress(&mut states, streams) };
    for (lane, stream) in pending.iter_mut().filter(unfinished).take(used).enumerate() {
        states.get(lane, stream.sha1, stream.sha256);
        stream.blocks = stream.blocks.get(count..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::compress_all;
    use super::side_by_side;
    use crate::Pair;
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;
    use std::vec::Vec;

    proptest! {
        /// However many streams there are and however long their pieces: each gets the digests it gets alone.
        #[test]
        fn streams_side_by_side_are_what_each_is_alone(
            streams in vec(vec(vec(any::<u8>(), 0..600), 4), 0..40),
        ) {
            let mut pairs: Vec<Pair> = streams.iter().map(|_| Pair::new()).collect();
            for piece in 0..4 {
                let mut pending: Vec<_> =
                    pairs.iter_mut().zip(&streams).map(|(pair, pieces)| pair.update_later(&pieces[piece])).collect();
                // Some are left to be dropped.
                let together = pending.len() - pending.len() / 7;
                compress_all(&mut pending[..together]);
            }
            for (pair, pieces) in pairs.into_iter().zip(streams) {
                let mut alone = Pair::new();
                alone.update(&pieces.concat());
                assert_eq!(pair.finish(), alone.finish());
            }
        }
    }

    /// The library's digests, so that a mistake in both of our ways would show.
    #[test]
    fn a_full_set_of_long_streams_is_right() {
        use sha1::Digest as _;
        let bytes =
            |seed: usize| (0..100_000).map(move |at: usize| (at.wrapping_mul(seed) >> 5).to_le_bytes()[0]);
        let streams: Vec<Vec<u8>> = (1..=side_by_side().max(9))
            .map(|seed| bytes(seed).collect())
            .collect();
        let mut pairs: Vec<Pair> = streams.iter().map(|_| Pair::new()).collect();
        let updates = pairs.iter_mut().zip(&streams);
        compress_all(
            &mut updates
                .map(|(pair, stream)| pair.update_later(stream))
                .collect::<Vec<_>>(),
        );
        for (pair, stream) in pairs.into_iter().zip(&streams) {
            let expected = (
                sha1::Sha1::digest(stream).into(),
                sha2::Sha256::digest(stream).into(),
            );
            assert_eq!(pair.finish(), expected);
        }
    }
}
