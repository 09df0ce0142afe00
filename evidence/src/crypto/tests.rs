//! Signatures made by other libraries, accepted as made and refused after any change.

extern crate std;

use std::format;
use std::vec::Vec;
use zerocopy::FromZeros;

use p256::ecdsa::signature::hazmat::PrehashSigner;
use rand_chacha::rand_core::RngCore;
use rand_chacha::rand_core::SeedableRng;
use rsa::Pkcs1v15Sign;
use rsa::Pss;
use rsa::RsaPrivateKey;
use rsa::traits::PublicKeyParts;

use super::Curve;
use super::Padding;
use super::RsaKey;
use super::RsaScratch;
use super::montgomery;
use super::verify_ecdsa;
use super::verify_rsa;
use crate::digest::Algorithm;
use crate::facts::Hash;
use crate::testing::rsa_key;

struct Parts {
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl Parts {
    fn of(key: &RsaPrivateKey) -> Self {
        Self {
            modulus: key.n().to_bytes_be(),
            exponent: key.e().to_bytes_be(),
        }
    }

    fn verify(&self, padding: Padding, hash: &Hash, algorithm: Algorithm, signature: &[u8]) -> bool {
        let key = RsaKey {
            modulus: &self.modulus,
            exponent: &self.exponent,
        };
        verify_rsa(
            &key,
            padding,
            hash,
            algorithm,
            signature,
            &mut RsaScratch::new_zeroed(),
        )
    }
}

#[test]
fn rsa_signatures_of_the_library_verify_and_damaged_ones_do_not() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    for bits in [1024, 1030, 2048] {
        let key = rsa_key(bits);
        let parts = Parts::of(key);
        for algorithm in [
            Algorithm::Sha1,
            Algorithm::Sha256,
            Algorithm::Sha384,
            Algorithm::Sha512,
        ] {
            let hash = algorithm.digest(&[b"message"]);
            let digest = hash.as_bytes();
            let (pkcs1, pss) = match algorithm {
                Algorithm::Md5 => continue,
                Algorithm::Sha1 => (
                    Pkcs1v15Sign::new::<sha1_for_rsa::Sha1>(),
                    Pss::new_with_salt::<sha1_for_rsa::Sha1>(20),
                ),
                Algorithm::Sha256 => (
                    Pkcs1v15Sign::new::<rsa::sha2::Sha256>(),
                    Pss::new_with_salt::<rsa::sha2::Sha256>(32),
                ),
                Algorithm::Sha384 => (
                    Pkcs1v15Sign::new::<rsa::sha2::Sha384>(),
                    Pss::new_with_salt::<rsa::sha2::Sha384>(7),
                ),
                Algorithm::Sha512 if bits < 1100 => continue,
                Algorithm::Sha512 => (
                    Pkcs1v15Sign::new::<rsa::sha2::Sha512>(),
                    Pss::new_with_salt::<rsa::sha2::Sha512>(0),
                ),
            };
            let salt = match algorithm {
                Algorithm::Md5 | Algorithm::Sha512 => 0,
                Algorithm::Sha1 => 20,
                Algorithm::Sha256 => 32,
                Algorithm::Sha384 => 7,
            };
            let pss_padding = Padding::Pss {
                mask: algorithm,
                salt,
            };
            let signatures = [
                (Padding::Pkcs1, key.sign(pkcs1, digest).unwrap()),
                (pss_padding, key.sign_with_rng(&mut random, pss, digest).unwrap()),
            ];
            for (padding, signature) in &signatures {
                let name = format!("{bits} bits, {algorithm:?}, {padding:?}");
                assert!(parts.verify(*padding, &hash, algorithm, signature), "{name}");
                for bit in [0, 1, 500, signature.len() * 8 - 1] {
                    let mut damaged = signature.clone();
                    damaged[bit / 8] ^= 1 << (bit % 8);
                    assert!(
                        !parts.verify(*padding, &hash, algorithm, &damaged),
                        "{name}, bit {bit}"
                    );
                }
                let other = algorithm.digest(&[b"massage"]);
                assert!(!parts.verify(*padding, &other, algorithm, signature), "{name}");
            }
            assert!(!parts.verify(pss_padding, &hash, algorithm, &signatures[0].1));
            assert!(!parts.verify(Padding::Pkcs1, &hash, algorithm, &signatures[1].1));
            let longer = Padding::Pss {
                mask: algorithm,
                salt: salt + 1,
            };
            assert!(!parts.verify(longer, &hash, algorithm, &signatures[1].1));
        }
    }
}

#[test]
fn a_bare_digest_is_a_signature_only_where_it_may_be() {
    let key = rsa_key(1024);
    let parts = Parts::of(key);
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        let hash = algorithm.digest(&[b"message"]);
        let bare = key.sign(Pkcs1v15Sign::new_unprefixed(), hash.as_bytes()).unwrap();
        assert!(parts.verify(Padding::Pkcs1OrBareDigest, &hash, algorithm, &bare));
        assert!(!parts.verify(Padding::Pkcs1, &hash, algorithm, &bare));
        let other = algorithm.digest(&[b"massage"]);
        assert!(!parts.verify(Padding::Pkcs1OrBareDigest, &other, algorithm, &bare));
        // What follows the padding is the digest and nothing else.
        let longer = [&[0x20][..], hash.as_bytes()].concat();
        let longer = key.sign(Pkcs1v15Sign::new_unprefixed(), &longer).unwrap();
        assert!(!parts.verify(Padding::Pkcs1OrBareDigest, &hash, algorithm, &longer));
    }
    let hash = Algorithm::Sha256.digest(&[b"message"]);
    let usual = key
        .sign(Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), hash.as_bytes())
        .unwrap();
    assert!(parts.verify(Padding::Pkcs1OrBareDigest, &hash, Algorithm::Sha256, &usual));
}

/// Bleichenbacher's forgery of 2006 hides garbage behind the digest; with exponent 3 a cube root makes it.
#[test]
fn a_digest_that_is_not_at_the_end_is_no_signature() {
    let key = rsa_key(2048);
    let parts = Parts::of(key);
    let hash = Algorithm::Sha256.digest(&[b"message"]);
    let mut message = Vec::from(&b"\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00"[..]);
    message.extend(b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20");
    message.extend(hash.as_bytes());
    message.resize(256, 0x41);
    let signature = raw_sign(key, &message);
    assert!(!parts.verify(Padding::Pkcs1, &hash, Algorithm::Sha256, &signature));
}

/// `message ^ d mod n`, whatever the message is.
fn raw_sign(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    use rsa::traits::PrivateKeyParts;
    let number = rsa::BigUint::from_bytes_be(message);
    let mut signature = number.modpow(key.d(), key.n()).to_bytes_be();
    while signature.len() < 256 {
        signature.insert(0, 0);
    }
    signature
}

#[test]
fn recovery_agrees_with_the_library_on_any_number() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    for (bits, exponent) in [
        (1024_usize, 3_u64),
        (1025, 17),
        (1087, 65537),
        (2048, 0xffff_ffff),
        (4096, 5),
        (4095, 65537),
        (4096, 0xffff_ffff_ffff),
        (8191, 3),
        (8192, 65537),
    ] {
        let mut modulus = std::vec![0; bits.div_ceil(8)];
        random.fill_bytes(&mut modulus);
        let top = (bits - 1) % 8;
        modulus[0] = modulus[0] & ((1 << top) - 1) | 1 << top;
        *modulus.last_mut().unwrap() |= 1;
        let mut number = modulus.clone();
        number[bits / 16] ^= 0x55;
        number[0] = 0;
        let n = rsa::BigUint::from_bytes_be(&modulus);
        let expected = rsa::BigUint::from_bytes_be(&number).modpow(&exponent.into(), &n);
        let key = RsaKey {
            modulus: &modulus,
            exponent: &exponent.to_be_bytes(),
        };
        let mut scratch = RsaScratch::new_zeroed();
        let found = super::rsa::recover(&key, bits, &number, &mut scratch).unwrap();
        assert_eq!(rsa::BigUint::from_bytes_be(found), expected, "{bits} bits");
    }
}

#[test]
fn keys_that_are_never_used_verify_nothing() {
    let key = rsa_key(1024);
    let hash = Algorithm::Sha256.digest(&[b"message"]);
    let signature = key
        .sign(Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), hash.as_bytes())
        .unwrap();
    let good = Parts::of(key);
    assert!(good.verify(Padding::Pkcs1, &hash, Algorithm::Sha256, &signature));
    let mut even = good.modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let with = |modulus: Vec<u8>, exponent: &[u8]| Parts {
        modulus,
        exponent: exponent.to_vec(),
    };
    for bad in [
        with(even, &good.exponent),
        with(Vec::new(), &good.exponent),
        with(std::vec![0xff; 1032], &good.exponent),
        with(good.modulus[1..].to_vec(), &good.exponent),
        with(good.modulus.clone(), &[]),
        with(good.modulus.clone(), &[1]),
        with(good.modulus.clone(), &[2]),
        with(good.modulus.clone(), &[1; 9]),
    ] {
        assert!(!bad.verify(Padding::Pkcs1, &hash, Algorithm::Sha256, &signature));
    }
    for bad in [
        &[][..],
        &[0xff; 128],
        &signature[1..],
        &[&signature[..], &[0]].concat(),
    ] {
        assert!(!good.verify(Padding::Pkcs1, &hash, Algorithm::Sha256, bad));
    }
}

#[test]
fn ecdsa_signatures_of_the_library_verify_and_damaged_ones_do_not() {
    for seed in 1..=8_u8 {
        let digest = Algorithm::Sha256.digest(&[&[seed]]);
        let key = p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap();
        let signature: p256::ecdsa::Signature = key.sign_prehash(digest.as_bytes()).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        check(
            Curve::P256,
            point.as_bytes(),
            digest.as_bytes(),
            signature.to_der().as_bytes(),
        );

        let digest = Algorithm::Sha384.digest(&[&[seed]]);
        let key = p384::ecdsa::SigningKey::from_slice(&[seed; 48]).unwrap();
        let signature: p384::ecdsa::Signature = key.sign_prehash(digest.as_bytes()).unwrap();
        let point = key.verifying_key().to_encoded_point(false);
        check(
            Curve::P384,
            point.as_bytes(),
            digest.as_bytes(),
            signature.to_der().as_bytes(),
        );
    }
}

fn check(curve: Curve, point: &[u8], digest: &[u8], signature: &[u8]) {
    assert!(verify_ecdsa(curve, point, digest, signature));
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    for at in [0, digest.len() - 1] {
        assert!(!verify_ecdsa(curve, point, &flipped(digest, at), signature));
    }
    for at in 0..signature.len() {
        assert!(
            !verify_ecdsa(curve, point, digest, &flipped(signature, at)),
            "byte {at}"
        );
    }
    for at in [0, 1, point.len() - 1] {
        assert!(
            !verify_ecdsa(curve, &flipped(point, at), digest, signature),
            "byte {at}"
        );
    }
    assert!(!verify_ecdsa(curve, &point[..point.len() - 1], digest, signature));
    let zeros = [
        &b"\x30\x06\x02\x01\x00\x02\x01\x00"[..],
        b"\x30\x06\x02\x01\x01\x02\x01\x00",
        b"\x30\x00",
    ];
    for wrong in zeros {
        assert!(!verify_ecdsa(curve, point, digest, wrong));
    }
}

/// Limbs at the borders make the guesses of long division wrong, which random numbers hardly ever do.
#[test]
fn both_ways_into_montgomery_form_agree() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut limb = || match random.next_u32() % 5 {
        0 => 0,
        1 => u64::MAX,
        2 => 1 << 63,
        3 => u64::from(random.next_u32() % 3).wrapping_sub(1),
        _ => random.next_u64(),
    };
    for length in 1..=6 {
        for _ in 0..20_000 {
            let mut n: Vec<u64> = (0..length).map(|_| limb()).collect();
            n[0] |= 1;
            n[length - 1] |= 1 << 63;
            let mut x: Vec<u64> = (0..length).map(|_| limb()).collect();
            if montgomery::compare(&x, &n).is_ge() {
                montgomery::subtract(&mut x, &n);
            }
            let inverse = montgomery::negative_inverse(n[0]);
            let (mut factor, mut spare) = (n.clone(), n.clone());
            montgomery::set_one(&mut factor, &n);
            montgomery::set_conversion_factor(&mut factor, &mut spare, &n, inverse);
            montgomery::multiply(&mut spare, &factor, &x, &n, inverse);
            let start = x.clone();
            assert!(montgomery::enter(&mut x, &n));
            assert_eq!(x, spare, "{start:x?} modulo {n:x?}");
        }
    }
    let mut x = [5];
    assert!(!montgomery::enter(&mut x, &[7]));
    assert_eq!(x, [5]);
}
