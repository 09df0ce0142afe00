//! Certificates as they are read.

extern crate std;

use std::vec::Vec;

use crate::der::Element;
use crate::digest::Algorithm;
use crate::facts::Fact;
use crate::md2::Allowance;
use crate::testing::certificates::Spec;
use crate::testing::encode::algorithm;
use crate::testing::encode::object;
use crate::testing::encode::sequence;
use crate::testing::encode::tlv;
use crate::x509::X509;

/// RSASSA-PSS with the digest of this last arc under 2.16.840.1.101.3.4.2.
fn pss(digest: u8) -> Vec<u8> {
    let digest = algorithm(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, digest]);
    let generator = sequence(&[
        &object(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08]),
        &digest,
    ]);
    let parameters = sequence(&[&tlv(0xa0, &[&digest]), &tlv(0xa1, &[&generator])]);
    sequence(&[
        &object(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a]),
        &parameters,
    ])
}

/// The algorithm stands in a certificate twice, once where nothing covers it.
#[test]
fn the_algorithm_under_the_signature_is_the_one_that_counts() {
    let plain = Spec::leaf("Contoso Ltd", 1024, "Contoso CA", 1040).issue();
    let (certificate, _) = Element::split(&plain).unwrap();
    let mut parts = certificate.reader();
    let (tbs, scheme) = (parts.any().unwrap(), parts.any().unwrap());
    let at = tbs
        .content
        .windows(scheme.raw.len())
        .position(|window| window == scheme.raw)
        .unwrap();
    let (before, after) = (&tbs.content[..at], &tbs.content[at + scheme.raw.len()..]);
    let body = sequence(&[before, &pss(1), after]);
    let meant = Fact::Present(Algorithm::Sha256.digest(&[&body]));
    let without = sequence(&[&object(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a])]);
    for beside in [pss(1), pss(2), pss(3), without] {
        let bytes = sequence(&[&body, &beside, &tlv(0x03, &[&[0; 129]])]);
        let (element, _) = Element::split(&bytes).unwrap();
        let facts = X509::read(&element).unwrap().facts(&mut Allowance::of_file());
        assert_eq!(facts.tbs, meant, "{beside:x?}");
    }
    let bytes = sequence(&[&body, scheme.raw, &tlv(0x03, &[&[0; 129]])]);
    let (element, _) = Element::split(&bytes).unwrap();
    assert!(X509::read(&element).is_none(), "another algorithm altogether");
}
