//! Which code compresses: found out once, when the first block comes.

#[cfg(target_arch = "x86_64")]
cpufeatures::new!(sha_instructions, "sha", "sse2", "ssse3", "sse4.1");

/// Takes whole blocks into both states.
#[cfg(target_arch = "x86_64")]
// UNSAFETY: code for instructions that not every processor has can only be entered by promising that this one does.
#[expect(unsafe_code, reason = "entering the code for the SHA instructions")]
pub(crate) fn compress(sha1: &mut [u32; 5], sha256: &mut [u32; 8], blocks: &[[u8; 64]]) {
    if sha_instructions::get() {
        // SAFETY: the processor has just been asked for every feature that this function is compiled with.
        unsafe { crate::interleaved::compress(sha1, sha256, blocks) }
    } else {
        portable(sha1, sha256, blocks);
    }
}

/// Takes whole blocks into both states.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable as compress;

/// One block after the other into both states: a processor that looks far ahead overlaps some of it by itself.
pub(crate) fn portable(sha1: &mut [u32; 5], sha256: &mut [u32; 8], blocks: &[[u8; 64]]) {
    for block in blocks {
        let block = core::slice::from_ref(block);
        sha1::block_api::compress(sha1, block);
        sha2::block_api::compress256(sha256, block);
    }
}

#[cfg(test)]
mod tests {
    use super::compress;
    use super::portable;
    use crate::SHA1_START;
    use crate::SHA256_START;
    use proptest::array::uniform;
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::proptest;

    proptest! {
        /// Whichever code this machine takes, from whatever state: the same as the fallback, which other machines take.
        #[test]
        fn both_ways_lead_to_the_same_states(
            sha1 in uniform::<_, 5>(any::<u32>()),
            sha256 in uniform::<_, 8>(any::<u32>()),
            blocks in vec(uniform::<_, 64>(any::<u8>()), 0..9),
        ) {
            let (mut here, mut there) = ((sha1, sha256), (sha1, sha256));
            compress(&mut here.0, &mut here.1, &blocks);
            portable(&mut there.0, &mut there.1, &blocks);
            assert_eq!(here, there);
        }
    }

    #[test]
    fn no_blocks_change_nothing() {
        let (mut sha1, mut sha256) = (SHA1_START, SHA256_START);
        compress(&mut sha1, &mut sha256, &[]);
        assert_eq!((sha1, sha256), (SHA1_START, SHA256_START));
    }
}
