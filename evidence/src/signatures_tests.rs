//! Signed images, and every way of damaging them: each is refused, and each for its own reason.

extern crate std;

use std::string::String;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Fact;
use crate::Hash;
use crate::Identity;
use crate::Key;
use crate::SignatureFault;
use crate::SignatureSource;
use crate::digest::Algorithm;
use crate::oid;
use crate::testing::Pe;
use crate::testing::messages;
use crate::testing::messages::Message;
use crate::testing::messages::nested;
use crate::testing::messages::token;
use crate::testing::signed::changed;
use crate::testing::signed::digest;
use crate::testing::signed::fault;
use crate::testing::signed::file_with;
use crate::testing::signed::leaf;
use crate::testing::signed::message;
use crate::testing::signed::outcomes;
use crate::testing::signed::timestamp_authority;
use crate::testing::signed::with_evidence;

#[test]
fn a_sound_signature_proves_its_chain_and_names_its_vendor() {
    let file = file_with(&[message().build(&[])]);
    with_evidence(&file, |evidence| {
        let [signature] = evidence.signatures.present().unwrap() else {
            panic!("one signature");
        };
        assert_eq!(signature.fault, None);
        assert!(signature.digest_valid && signature.signature_valid && !signature.page_hashes);
        assert!(signature.root.verified);
        assert_eq!(signature.oem_id.present().unwrap().to_string(), "Contoso");
        assert_eq!(
            signature.more_info_url.present().unwrap().to_string(),
            "https://contoso.example"
        );
        assert_eq!(signature.timestamp, Fact::Absent);
        let [leaf_facts, authority_facts] = signature.chain else {
            panic!("two certificates");
        };
        assert_eq!(
            leaf_facts.subject_cn.present().unwrap().to_string(),
            "Contoso Ltd"
        );
        assert_eq!(leaf_facts.issuer_cn, authority_facts.subject_cn);
        assert!(leaf_facts.ekus.contains(oid::EKU_CODE_SIGNING));
        assert_eq!(leaf_facts.key, Key::Rsa(1056));
        assert_eq!(
            (leaf_facts.not_before, leaf_facts.not_after),
            (1_577_836_800, 1_893_456_000)
        );
        // The TBS hash is over the bytes as they stand: the first element of the certificate.
        let certificate = leaf().issue();
        let (outer, _) = crate::der::Element::split(&certificate).unwrap();
        let (body, _) = crate::der::Element::split(outer.content).unwrap();
        assert_eq!(
            leaf_facts.tbs,
            Fact::Present(Algorithm::Sha256.digest(&[body.raw]))
        );
        assert_eq!(
            Hash::Sha1(leaf_facts.thumbprint_sha1),
            Algorithm::Sha1.digest(&[&certificate])
        );
    });
}

#[test]
fn a_changed_image_no_longer_has_the_signed_digest() {
    let good = file_with(&[message().build(&[])]);
    for at in [0x50, 0x88, 0x300, 0x500, 0x900] {
        let mut file = good.clone();
        file[at] ^= 1;
        let outcome = outcomes(&file).remove(0);
        assert_eq!(outcome.fault, Some(SignatureFault::ImageDigest), "byte {at:#x}");
        assert!(!outcome.digest_valid && outcome.signature_valid);
    }
}

#[test]
fn each_changed_part_of_a_signature_has_its_own_fault() {
    let message = message();
    let signature = message.signature();
    let good = message.build(&[]);
    assert_eq!(fault(good.clone()), None);

    let mut damaged = signature.clone();
    damaged[5] ^= 1;
    assert_eq!(
        fault(changed(&good, &signature, &damaged)),
        Some(SignatureFault::SignerSignature)
    );

    let vendor: Vec<u8> = "Contoso".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let forged: Vec<u8> = "Fabrika".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(
        fault(changed(&good, &vendor, &forged)),
        Some(SignatureFault::SignerSignature)
    );

    // A digest that fits the image, put into a signature made for another.
    let image = digest(&Pe::default());
    let elsewhere = Message::over(&[3; 32], &leaf(), &message.certificates).build(&[]);
    assert_eq!(fault(elsewhere.clone()), Some(SignatureFault::ImageDigest));
    assert_eq!(
        fault(changed(&elsewhere, &[3; 32], &image)),
        Some(SignatureFault::SignedAttributes)
    );

    // The leaf's name, and with it its signature.
    let renamed = changed(&good, b"Contoso Ltd", b"Microsoft! ");
    assert_eq!(fault(renamed), Some(SignatureFault::ChainSignature));

    assert_eq!(
        fault(good[..good.len() / 2].to_vec()),
        Some(SignatureFault::Malformed)
    );
    let mut weak = message.clone();
    weak.weak = true;
    assert_eq!(fault(weak.build(&[])), Some(SignatureFault::WeakAlgorithm));
    let md5 = Message::over_md5(&leaf(), &message.certificates).build(&[]);
    assert_eq!(fault(md5), Some(SignatureFault::WeakAlgorithm));
}

#[test]
fn nested_signatures_and_further_entries_are_judged_each_by_itself() {
    let message = message();
    let wrong = Message::over(&[3; 32], &leaf(), &message.certificates);
    let catalog_data = Message {
        content_type: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01],
        ..message.clone()
    };
    let first = message.build(&[nested(&wrong), nested(&catalog_data), nested(&message)]);
    let file = file_with(&[first, wrong.build(&[]), message.build(&[])]);
    let found: Vec<_> = outcomes(&file)
        .into_iter()
        .map(|outcome| (outcome.source, outcome.fault))
        .collect();
    let other_image = Some(SignatureFault::ImageDigest);
    let expected = [
        (SignatureSource::Embedded, None),
        (SignatureSource::Nested, other_image),
        // Of something else, by its type: it proves nothing, and claims its signer all the same.
        (SignatureSource::Nested, Some(SignatureFault::Malformed)),
        (SignatureSource::Nested, None),
        (SignatureSource::Embedded, other_image),
        (SignatureSource::Embedded, None),
    ];
    assert_eq!(found, expected);
}

/// Any byte of a table may be anything: the outcome is typed, and what still counts as proven is what was signed.
#[test]
fn no_changed_byte_of_a_table_proves_anything_else() {
    let message = message();
    let clock = timestamp_authority();
    let stamp = token(&message.signature(), "20250601120000Z", &clock, &[clock.issue()]);
    let good = file_with(&[message.build(&[stamp])]);
    let start = good.len() - messages::table(&[message.build(&[])]).len();
    let expected = outcomes(&good).remove(0);
    for at in (start..good.len()).step_by(3) {
        for change in [0x01, 0x80] {
            let mut file = good.clone();
            file[at] ^= change;
            with_evidence(&file, |evidence| {
                for signature in evidence.signatures.present().unwrap_or_default() {
                    if signature.fault.is_some() {
                        continue;
                    }
                    let names: Vec<String> = signature
                        .chain
                        .iter()
                        .map(|c| c.subject_cn.present().unwrap().to_string())
                        .collect();
                    assert_eq!(names, expected.chain[..names.len()], "byte {at}");
                    assert_eq!(signature.oem_id.present().unwrap().to_string(), "Contoso");
                    let time = signature.timestamp.present().map(|timestamp| timestamp.time);
                    assert!(time.is_none_or(|time| time == 1_748_779_200), "byte {at}");
                }
            });
        }
    }
}

#[test]
fn a_truncated_table_is_refused_wherever_it_ends() {
    let message = message().build(&[]);
    for length in (0..message.len()).step_by(7) {
        let outcomes = outcomes(&file_with(&[message[..length].to_vec()]));
        assert!(
            outcomes.iter().all(|outcome| outcome.fault.is_some()),
            "{length} bytes"
        );
    }
}

#[test]
fn bytes_that_nothing_covers_are_counted() {
    let message = message().build(&[]);
    let extra = |table: Vec<u8>| {
        let file = Pe {
            table,
            ..Pe::default()
        }
        .build();
        with_evidence(&file, |evidence| evidence.extra_bytes)
    };
    let entry = |behind: &[u8]| messages::table(&[[&message, behind].concat()]);
    assert_eq!(extra(entry(&[])), 0);
    assert_eq!(extra(entry(&[0; 3])), 0, "padding");
    // All that stands behind the message in its entry, with what fills it up.
    let filled = |length: usize| (message.len() + length).next_multiple_of(8) - message.len();
    for behind in [vec![1; 3], vec![0; 40], b"<payload/>".to_vec()] {
        assert_eq!(extra(entry(&behind)), filled(behind.len()) as u64);
    }
    assert_eq!(extra([entry(&[]), vec![7; 16]].concat()), 16);
}

/// What stands beside a signature and is none does not make it anybody's; a signature that was damaged, or called something else, does.
#[test]
fn data_beside_a_signature_is_no_signature() {
    let message = message().build(&[]);
    let good = messages::table(core::slice::from_ref(&message));
    let identities = |table: Vec<u8>| {
        let file = Pe {
            table,
            ..Pe::default()
        }
        .build();
        with_evidence(&file, |evidence| {
            let signatures = evidence.signatures.present().unwrap().iter();
            signatures.map(|signature| signature.identity).collect::<Vec<_>>()
        })
    };
    assert_eq!(identities(good.clone()), [Identity::Proven]);
    let text = b"<payload>for an installer</payload>\n\n\n\n\n";
    assert_eq!(
        identities([&good[..], &text[..text.len() / 8 * 8]].concat()),
        [Identity::Proven]
    );
    let mut called_otherwise = good.clone();
    called_otherwise[6] = 1;
    let both = [good.clone(), called_otherwise].concat();
    assert_eq!(identities(both), [Identity::Proven, Identity::Proven]);
    let mut damaged = good.clone();
    damaged[8] ^= 0xff;
    // Whatever it is called: it begins as a message does.
    let mut both_ways = damaged.clone();
    both_ways[6] = 1;
    // With a length that nobody reads.
    let mut long = both_ways.clone();
    long.splice(8.., [&[0x30, 0xfe][..], &[0; 126], &good[12..]].concat());
    let length = u32::try_from(long.len()).unwrap();
    long[..4].copy_from_slice(&length.to_le_bytes());
    long.resize(long.len().next_multiple_of(8), 0);
    for damaged in [damaged, both_ways, long] {
        let both = [good.clone(), damaged].concat();
        assert_eq!(identities(both), [Identity::Proven, Identity::Unproven]);
    }
}

/// A signature may be hidden by damage to what it stands in: then there may be another.
#[test]
fn what_hides_a_nested_signature_is_told() {
    let inner = nested(&message());
    let good = message().build(core::slice::from_ref(&inner));
    let more = |message: &[u8]| {
        let file = file_with(&[message.to_vec()]);
        with_evidence(&file, |evidence| {
            let signatures = evidence.signatures.present().unwrap();
            (signatures.len(), evidence.more_signatures)
        })
    };
    assert_eq!(more(&good), (2, None));
    let at = good
        .windows(inner.len())
        .position(|window| window == inner)
        .unwrap();
    let hidden = Some(crate::Unreadable::Malformed);
    // The attribute's own tag; the tag of the set in it, behind the identifier; that of all attributes.
    let set = at + inner.len() - crate::der::Element::split(&inner).unwrap().0.content.len() + 12;
    for place in [at, set] {
        let mut damaged = good.clone();
        damaged[place] ^= 0x04;
        assert_eq!(more(&damaged), (1, hidden), "byte {place:#x}");
    }
    let all = (0..at).rev().find(|place| good[*place] == 0xa1).unwrap();
    let mut damaged = good;
    damaged[all] = 0xa5;
    assert_eq!(more(&damaged), (1, hidden));
}
