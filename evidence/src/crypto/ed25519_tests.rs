//! Ed25519 against RFC 8032's vectors, against a library, and against what forgers try.

use super::ed25519::is_key;
use super::ed25519::verify;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use proptest::prelude::*;

extern crate std;
use std::vec::Vec;

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().as_chunks::<2>().0;
    digits
        .iter()
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}

fn fixed<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().expect("its length")
}

/// RFC 8032, section 7.1, those short enough: key, message, signature.
const VECTORS: [(&str, &str, &str); 4] = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
];

#[test]
fn the_standards_vectors_verify_and_no_changed_bit_of_them_does() {
    for (key, message, signature) in VECTORS {
        let (key, message, signature) = (fixed::<32>(key), unhex(message), fixed::<64>(signature));
        assert!(is_key(&key));
        assert!(verify(&key, &message, &signature));
        for bit in (0..512).step_by(5) {
            let mut bad = signature;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&key, &message, &bad), "bit {bit} of the signature");
        }
        for bit in (0..256).step_by(7) {
            let mut bad = key;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&bad, &message, &signature), "bit {bit} of the key");
        }
        for bit in (0..message.len() * 8).step_by(13) {
            let mut bad = message.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&key, &bad, &signature), "bit {bit} of the message");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The library signs, and both must find the same; what was changed neither may accept.
    #[test]
    fn agrees_with_a_library(
        secret in any::<[u8; 32]>(),
        message in prop::collection::vec(any::<u8>(), 0..=175),
        change in any::<prop::sample::Index>(),
        flip in 0_u8..=255,
    ) {
        let signer = SigningKey::from_bytes(&secret);
        let key = signer.verifying_key();
        let mut signature = signer.sign(&message).to_bytes();
        prop_assert!(verify(key.as_bytes(), &message, &signature));
        signature[change.index(64)] ^= flip;
        let theirs = key
            .verify_strict(&message, &ed25519_dalek::Signature::from_bytes(&signature))
            .is_ok();
        prop_assert_eq!(verify(key.as_bytes(), &message, &signature), theirs);
        prop_assert_eq!(theirs, flip == 0);
    }

    /// Any bytes are a key for both or for neither, but for what the strict reading alone refuses.
    #[test]
    fn agrees_with_a_library_about_keys(bytes in any::<[u8; 32]>()) {
        let theirs = VerifyingKey::from_bytes(&bytes).is_ok_and(|key| !key.is_weak());
        prop_assert_eq!(is_key(&bytes), theirs);
    }
}

#[test]
fn a_message_longer_than_there_is_room_for_is_refused() {
    let signer = SigningKey::from_bytes(&[1; 32]);
    let key = signer.verifying_key();
    for (length, fits) in [
        (47, true),
        (48, true),
        (111, true),
        (112, true),
        (175, true),
        (176, false),
    ] {
        let message = std::vec![7; length];
        let signature = signer.sign(&message).to_bytes();
        assert_eq!(verify(key.as_bytes(), &message, &signature), fits, "{length}");
    }
}

/// The points of order 1, 2, 4 and 8, and their encodings that are not reduced. Any message verifies with them for whoever checks
/// less.
const SMALL: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn keys_and_nonces_of_small_order_are_refused() {
    let signer = SigningKey::from_bytes(&[3; 32]);
    for point in SMALL {
        let point = fixed::<32>(point);
        assert!(!is_key(&point), "{point:x?}");
        for nonce in SMALL {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&fixed::<32>(nonce));
            assert!(!verify(&point, b"anything", &signature));
            assert!(!verify(
                signer.verifying_key().as_bytes(),
                b"anything",
                &signature
            ));
        }
    }
}

#[test]
fn the_same_signature_has_no_second_form() {
    // The order, little-endian: adding it to the scalar changes nothing but the bytes.
    let order = fixed::<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let signer = SigningKey::from_bytes(&[5; 32]);
    let mut signature = signer.sign(b"once").to_bytes();
    assert!(verify(signer.verifying_key().as_bytes(), b"once", &signature));
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert!(!verify(signer.verifying_key().as_bytes(), b"once", &signature));
    // The order itself, and the largest number there is.
    for scalar in [order, [0xff; 32]] {
        signature[32..].copy_from_slice(&scalar);
        assert!(!verify(signer.verifying_key().as_bytes(), b"once", &signature));
    }
}

/// A key that is not reduced, or has no point, is none: y = p + 3 has the same point as y = 3.
#[test]
fn a_key_has_one_encoding() {
    let mut reduced = [0; 32];
    reduced[0] = 3;
    let mut other = [0xff; 32];
    other[0] = 0xf0;
    other[31] = 0x7f;
    assert!(is_key(&reduced) && !is_key(&other));
    let mut none = [0; 32];
    none[0] = 2;
    assert!(!is_key(&none), "no point has y = 2");
}
