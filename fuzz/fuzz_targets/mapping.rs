//! A digest that grants covers every byte that the loader makes code or data of.
#![no_main]

use evidence::Findings;
use evidence::Options;
use evidence::Workspace;
use evidence::examine;
use libfuzzer_sys::fuzz_mutator;
use libfuzzer_sys::fuzz_target;
use libfuzzer_sys::fuzzer_mutate;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tests::loader_map::mapped;
use tests::loader_map::mutate;

/// The Authenticode SHA-256 of an image that grants by it.
fn granted_by(file: &[u8]) -> Option<[u8; 32]> {
    let mut workspace = Workspace::try_new(4096).expect("memory");
    let mut findings = Findings::new();
    let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).ok()?;
    policy::grants_by_authenticode(&evidence).then(|| evidence.digests.present()?.sha256)?
}

// The image is changed once more, in a way that the digest might not notice.
fuzz_target!(|input: &[u8]| {
    let Some((seed, file)) = input.split_first_chunk::<8>() else {
        return;
    };
    let Some(digest) = granted_by(file) else {
        return;
    };
    let mut random = ChaCha8Rng::seed_from_u64(u64::from_le_bytes(*seed));
    let mut other = file.to_vec();
    mutate(&mut other, &mut random);
    if granted_by(&other) == Some(digest) {
        assert_eq!(mapped(file), mapped(&other));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if size < 0x400 || seed % 2 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut file = data[8..size].to_vec();
    mutate(&mut file, &mut ChaCha8Rng::seed_from_u64(seed.into()));
    if file.len() + 8 > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[8..8 + file.len()].copy_from_slice(&file);
    8 + file.len()
});
