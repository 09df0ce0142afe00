//! Project Wycheproof's vectors: signatures that other libraries took wrongly, and the edges of the arithmetic.
//!
//! Every valid one within what is supported must be taken, every invalid one refused. What Wycheproof calls acceptable is decided here.

extern crate std;

use std::format;
use std::string::String;
use std::vec::Vec;

use wycheproof::EllipticCurve;
use wycheproof::HashFunction;
use wycheproof::Mgf;
use wycheproof::TestResult;
use wycheproof::ecdsa;
use wycheproof::eddsa;
use wycheproof::rsa_pkcs1_verify as pkcs1;
use wycheproof::rsa_pss_verify as pss;
use zerocopy::FromZeros;

use super::Padding;
use super::RsaKey;
use super::RsaScratch;
use super::verify_ed25519;
use super::verify_rsa;
use crate::der::Element;
use crate::digest::Algorithm;
use crate::oid::Kind;
use crate::oid::Scheme;
use crate::public_key::PublicKey;

const fn algorithm(hash: HashFunction) -> Option<Algorithm> {
    Some(match hash {
        HashFunction::Sha1 => Algorithm::Sha1,
        HashFunction::Sha2_256 => Algorithm::Sha256,
        HashFunction::Sha2_384 => Algorithm::Sha384,
        HashFunction::Sha2_512 => Algorithm::Sha512,
        _ => return None,
    })
}

/// Counts vectors, and keeps those that came out wrong.
#[derive(Default)]
struct Tally {
    vectors: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn count(&mut self, expected: bool, found: bool, vector: &dyn core::fmt::Debug) {
        self.vectors += 1;
        if expected != found {
            self.wrong
                .push(format!("taken {found}, must be {expected}: {vector:?}"));
        }
    }

    /// Nothing came out wrong, and as many vectors as there were at least when this was written were looked at.
    fn assert_right(&self, least: usize) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
        assert!(self.vectors >= least, "only {} vectors", self.vectors);
    }
}

fn verify(key: &[u8], kind: Kind, digest: Algorithm, message: &[u8], signature: &[u8]) -> Option<bool> {
    let (info, _) = Element::split(key)?;
    let key = PublicKey::read(&info).filter(PublicKey::is_supported)?;
    let scheme = Scheme {
        digest: Some(digest),
        kind,
    };
    let hash = digest.digest(&[message]);
    Some(key.verify(scheme, digest, &hash, signature, &mut RsaScratch::new_zeroed()))
}

#[test]
fn rsa_signatures_with_pkcs1_padding() {
    let mut tally = Tally::default();
    for name in pkcs1::TestName::all() {
        for group in pkcs1::TestSet::load(name).unwrap().test_groups {
            let Some(digest) = algorithm(group.hash) else {
                continue;
            };
            for test in &group.tests {
                let found = verify(
                    &group.der,
                    Kind::Rsa(Padding::Pkcs1),
                    digest,
                    &test.msg,
                    &test.sig,
                );
                let expected = match test.result {
                    TestResult::Valid => true,
                    TestResult::Invalid => false,
                    // RFC 8017, appendix A.2.4: verifiers take a digest algorithm without its NULL too.
                    TestResult::Acceptable => {
                        assert!(test.flags.contains(&pkcs1::TestFlag::MissingNull), "{test:?}");
                        true
                    }
                };
                tally.count(expected, found.unwrap(), test);
            }
        }
    }
    tally.assert_right(3100);
}

#[test]
fn rsa_signatures_with_pss_padding() {
    let mut tally = Tally::default();
    for name in pss::TestName::all() {
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let mask = group.mgf_hash.and_then(algorithm);
            let (Mgf::Mgf1, Some(digest), Some(mask)) = (group.mgf, algorithm(group.hash), mask) else {
                continue;
            };
            let key = RsaKey {
                modulus: &group.key.n,
                exponent: &group.key.e,
            };
            let padding = Padding::Pss {
                mask,
                salt: group.salt_size,
            };
            for test in &group.tests {
                let hash = digest.digest(&[&test.msg]);
                let mut scratch = RsaScratch::new_zeroed();
                let found = verify_rsa(&key, padding, &hash, digest, &test.sig, &mut scratch);
                // What is acceptable is a weak digest or mask; SHA-1 is taken here.
                tally.count(test.result != TestResult::Invalid, found, test);
            }
        }
    }
    tally.assert_right(2300);
}

#[test]
fn ecdsa_signatures() {
    let mut tally = Tally::default();
    for name in ecdsa::TestName::all() {
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let Some(digest) = algorithm(group.hash) else {
                continue;
            };
            // The other groups write the numbers in another form, or take one of the two signatures there always are for none.
            if group.test_type != ecdsa::TestGroupTypeId::Ecdsa {
                continue;
            }
            let supported = matches!(
                group.key.curve,
                EllipticCurve::Secp256r1
                    | EllipticCurve::Secp384r1
                    | EllipticCurve::Secp521r1
                    | EllipticCurve::Secp256k1
            );
            for test in &group.tests {
                let found = verify(&group.der, Kind::Ecdsa, digest, &test.msg, &test.sig);
                assert_eq!(found.is_some(), supported, "{:?}", group.key.curve);
                if let Some(found) = found {
                    assert_ne!(test.result, TestResult::Acceptable, "{test:?}");
                    tally.count(test.result == TestResult::Valid, found, test);
                }
            }
        }
    }
    tally.assert_right(4100);
}

#[test]
fn ed25519_signatures() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519)
        .unwrap()
        .test_groups
    {
        let key: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        for test in &group.tests {
            assert_ne!(test.result, TestResult::Acceptable, "{test:?}");
            // Signatures of another length have no way in.
            let found = test
                .sig
                .as_slice()
                .try_into()
                .is_ok_and(|signature| verify_ed25519(&key, &test.msg, signature));
            // What is signed here is short: see `verify`.
            let taken = test.result == TestResult::Valid && test.msg.len() <= 175;
            tally.count(taken, found, test);
        }
    }
    tally.assert_right(151);
}
