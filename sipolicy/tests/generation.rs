//! A policy made from a scan allows what was scanned, at every level, and nothing that the level promises to refuse.

#[expect(
    dead_code,
    reason = "shared with the reference model's test, which uses all of it"
)]
mod model;

use evidence::Certificate;
use evidence::Digests;
use evidence::Ekus;
use evidence::Evidence;
use evidence::Fact;
use evidence::Hash;
use evidence::Identity;
use evidence::Image;
use evidence::Key;
use evidence::Root;
use evidence::Signature;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Version;
use model::Random;
use model::files::Files;
use policy::Decision;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::Document;
use sipolicy::Generator;
use sipolicy::RuleLevel;
use sipolicy::compile;
use sipolicy::diff;
use sipolicy::merge;
use sipolicy::statements;

const WHQL_EKU: Ekus<'static> = Ekus(&[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 3, 5]);
/// A chain of a leaf and the certificate that issued it, for each of two vendors under one authority.
static CHAINS: [[Certificate<'static>; 2]; 2] = [chain("Vendor A", 1), chain("Vendor B", 2)];

const fn chain(vendor: &'static str, leaf: u8) -> [Certificate<'static>; 2] {
    [
        certificate(vendor, "Authority", leaf),
        certificate("Authority", "Root", 9),
    ]
}

const fn certificate(subject: &'static str, issuer: &'static str, tbs: u8) -> Certificate<'static> {
    Certificate {
        subject_cn: Fact::Present(Text::Utf8(subject)),
        issuer_cn: Fact::Present(Text::Utf8(issuer)),
        serial: &[1],
        thumbprint_sha1: [tbs; 20],
        tbs: Fact::Present(Hash::Sha256([tbs; 32])),
        ekus: WHQL_EKU,
        not_before: 0,
        not_after: i64::MAX,
        key: Key::Rsa(2048),
    }
}

fn signature(vendor: usize) -> Signature<'static> {
    Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault: None,
        signed_digest: Hash::Sha256([7; 32]),
        digest_valid: true,
        signature_valid: true,
        page_hashes: false,
        identity: Identity::Proven,
        claimed: &[],
        claimed_roots: 0,
        chain: &CHAINS[vendor],
        root: Root {
            wellknown: Some(6),
            verified: true,
            known: true,
        },
        oem_id: Fact::Present(Text::Utf8(["OEM A", "OEM B"][vendor])),
        more_info_url: Fact::Absent,
        timestamp: Fact::Absent,
    }
}

fn file<'s>(content: u8, name: &'static str, version: u64, signatures: &'s [Signature<'s>]) -> Evidence<'s> {
    Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant: true,
            size: 4096,
        }),
        digests: Fact::Present(Digests {
            sha1: Some([content; 20]),
            sha256: Some([content; 32]),
            first_page_sha1: Some([content ^ 0x80; 20]),
            first_page_sha256: Some([content ^ 0x80; 32]),
            ..Digests::default()
        }),
        version: Fact::Present(Version {
            file_version: Fact::Present(version),
            original_filename: Fact::Present(Text::Utf8(name)),
            internal_name: Fact::Absent,
            file_description: Fact::Absent,
            product_name: Fact::Absent,
        }),
        signatures: Fact::Present(signatures),
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    }
}

fn set_of(document: &Document) -> ValidatedSet<Vec<u8>> {
    let again = Document::read("generated.xml", document.to_xml().as_bytes()).unwrap();
    assert_eq!(again.notes, []);
    ValidatedSet::new(compile(&[again]).unwrap()).unwrap()
}

#[test]
fn every_level_allows_what_was_scanned_and_refuses_what_it_promises_to() {
    let (a, b) = ([signature(0)], [signature(1)]);
    let tampered = [Signature {
        digest_valid: false,
        ..signature(0)
    }];
    let scanned = file(1, "a.sys", 5 << 48, &a);
    let changed = file(2, "a.sys", 5 << 48, &tampered);
    let newer = file(3, "a.sys", 6 << 48, &a);
    let older = file(4, "a.sys", 4 << 48, &a);
    let other_file = file(5, "b.sys", 5 << 48, &a);
    let other_vendor = file(6, "a.sys", 5 << 48, &b);
    let all = [changed, newer, older, other_file, other_vendor];
    // Whether each of these is allowed, by level.
    let promises = [
        (RuleLevel::Hash, [false, false, false, false, false]),
        (RuleLevel::FileName, [true, true, true, false, true]),
        (RuleLevel::SignedVersion, [false, true, false, true, false]),
        (RuleLevel::Publisher, [false, true, true, true, false]),
        (RuleLevel::FilePublisher, [false, true, false, false, false]),
        (RuleLevel::LeafCertificate, [false, true, true, true, false]),
        (RuleLevel::PcaCertificate, [false, true, true, true, true]),
        (RuleLevel::Whql, [false, true, true, true, true]),
        (RuleLevel::WhqlPublisher, [false, true, true, true, false]),
        (RuleLevel::WhqlFilePublisher, [false, true, false, false, false]),
    ];
    for (level, promised) in promises {
        let mut generator = Generator::new(level, &[]);
        assert_eq!(generator.add("a.sys", &scanned), Ok(level));
        let set = set_of(&generator.finish("made"));
        assert_eq!(decide(&set.set(), &scanned).decision, Decision::Allow, "{level}");
        let allowed = all.map(|file| decide(&set.set(), &file).decision == Decision::Allow);
        assert_eq!(allowed, promised, "{level}");
        // In evaluation mode by default: nothing is refused outright.
        assert!(
            all.iter()
                .all(|file| decide(&set.set(), file).decision != Decision::Refuse)
        );
        let reported = decide(&set.set(), &scanned)
            .policies()
            .next()
            .unwrap()
            .rule
            .unwrap()
            .level;
        assert_eq!(reported.name(), level.name());
    }
}

#[test]
fn any_scan_is_allowed_by_its_own_policy() {
    let mut random = Random::new(0x5ca9_5ca9_5ca9_5ca9);
    let files = Files::new(&mut random);
    for level in RuleLevel::ALL {
        for _ in 0..20 {
            let scanned: Vec<_> = (0..40).map(|_| files.pick(&mut random)).collect();
            let mut generator = Generator::new(level, &[RuleLevel::Publisher, RuleLevel::Hash]);
            let mut other_order = generator.clone();
            let added: Vec<bool> = scanned
                .iter()
                .map(|evidence| generator.add("x", evidence).is_ok())
                .collect();
            for evidence in scanned.iter().rev() {
                let _ = other_order.add("x", evidence);
            }
            let document = generator.finish("made");
            assert_eq!(
                document.to_xml(),
                other_order.finish("made").to_xml(),
                "the order of the scan must not matter"
            );
            let set = set_of(&document);
            for (evidence, added) in scanned.iter().zip(added) {
                let verdict = decide(&set.set(), evidence);
                assert!(
                    !added || verdict.decision == Decision::Allow,
                    "{level}: {evidence:#?}\n{}",
                    document.to_xml()
                );
            }
        }
    }
}

#[test]
fn a_file_that_no_level_suits_is_named_with_the_reasons() {
    let unsigned = file(1, "a.sys", 1, &[]);
    let mut generator = Generator::new(RuleLevel::Whql, &[RuleLevel::Publisher]);
    let reasons = generator.add("a.sys", &unsigned).unwrap_err();
    assert!(
        reasons.contains("WHQL: the file is not signed; Publisher:"),
        "{reasons}"
    );
    let mut with_fallback = Generator::new(RuleLevel::Whql, &[RuleLevel::Hash]);
    assert_eq!(with_fallback.add("a.sys", &unsigned), Ok(RuleLevel::Hash));
}

#[test]
fn one_signer_for_a_vendor_and_the_lowest_version_for_a_file() {
    let a = [signature(0)];
    let mut generator = Generator::new(RuleLevel::FilePublisher, &[]);
    for (content, name, version) in [
        (1, "a.sys", 7 << 48),
        (2, "A.SYS", 5 << 48),
        (3, "b.sys", 6 << 48),
    ] {
        generator.add(name, &file(content, name, version, &a)).unwrap();
    }
    let document = generator.finish("made");
    assert_eq!(document.signers.len(), 1);
    assert_eq!(document.file_rules.len(), 2);
    let versions: Vec<_> = document
        .file_rules
        .iter()
        .map(|rule| rule.attributes().minimum_version.unwrap().to_string())
        .collect();
    assert_eq!(versions, ["5.0.0.0", "6.0.0.0"]);
}

#[test]
fn merging_keeps_each_rule_once_and_the_first_policys_identity() {
    let (a, b) = ([signature(0)], [signature(1)]);
    let generate = |files: &[Evidence<'_>]| {
        let mut generator = Generator::new(RuleLevel::FilePublisher, &[RuleLevel::Hash]);
        for evidence in files {
            generator.add("x", evidence).unwrap();
        }
        generator.finish("made")
    };
    let scans = [
        file(1, "a.sys", 1 << 48, &a),
        file(2, "b.sys", 1 << 48, &b),
        file(3, "c.sys", 1 << 48, &[]),
    ];
    let (first, second) = (generate(&scans[..2]), generate(&scans[1..]));
    let merged = merge(&[first.clone(), second.clone()]).unwrap();
    assert_eq!((merged.id(), merged.signers.len()), (first.id(), 2));
    let set = set_of(&merged);
    for evidence in &scans {
        assert_eq!(decide(&set.set(), evidence).decision, Decision::Allow);
    }
    // Merging with itself adds nothing, and what was added is exactly what the difference says.
    assert!(diff(&first, &merge(&[first.clone(), first.clone()]).unwrap()).is_empty());
    let difference = diff(&first, &merged);
    assert_eq!(difference.removed, []);
    let added: Vec<_> = difference
        .added
        .iter()
        .map(|statement| statement.text.as_str())
        .collect();
    assert!(
        added
            .iter()
            .all(|text| text.starts_with("scenario 131: allow hash")),
        "{added:?}"
    );
    assert_eq!(added.len(), 4);
    assert_eq!(diff(&merged, &first).removed, difference.added);
    assert!(
        statements(&second)
            .iter()
            .any(|statement| statement.text.contains("publisher \"Vendor B\""))
    );
}
