#![no_main]

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
use evidence::Timestamp;
use evidence::Unreadable;
use evidence::Version;
use policy::PolicySet;
use policy::Truth;
use policy::ValidatedSet;
use policy::decide;
use policy::decide_parts;
use policy::explain;
use policy::format::Header;
use sha2::Digest;
use sha2::Sha256;

/// Bytes at the front that the evidence is made of.
const EVIDENCE: usize = 64;

/// A fact, present, absent or unreadable as two bits say.
fn fact<T>(bits: u8, value: T) -> Fact<T> {
    match bits & 3 {
        0 | 1 => Fact::Present(value),
        2 => Fact::Absent,
        _ => Fact::Unreadable(Unreadable::CapReached),
    }
}

// A set behind a right header, and a file weighed by it: validation answers, and what it accepts decides without fault.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((steer, body)) = bytes.split_at_checked(EVIDENCE) else {
        return;
    };
    let mut set = body.to_vec();
    if set.len() >= size_of::<Header>() {
        let length = set.len() as u64;
        set[..4].copy_from_slice(b"GHPS");
        set[4..8].copy_from_slice(&1_u32.to_le_bytes());
        set[8..16].copy_from_slice(&length.to_le_bytes());
        let digest = Sha256::digest(&set[size_of::<Header>()..]);
        set[16..48].copy_from_slice(&digest);
    }
    let Ok(valid) = ValidatedSet::new(set) else {
        return;
    };
    let set = valid.set();
    for rule in 0..set.rule_count() {
        assert!(
            set.rule_name(rule).is_some(),
            "every rule of a valid set has a name"
        );
    }
    let text = Text::Utf16Le(&steer[..12]);
    let certificates = [0, 1].map(|depth: usize| Certificate {
        subject_cn: fact(steer[12], text),
        issuer_cn: fact(steer[13], text),
        serial: &[],
        thumbprint_sha1: [0; 20],
        tbs: fact(steer[14], Hash::Sha256([steer[15 + depth]; 32])),
        ekus: Ekus(&[6, 10, 0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 3, 5]),
        not_before: 0,
        not_after: 0,
        key: Key::Rsa(2048),
    });
    let signatures = [Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault: None,
        signed_digest: Hash::Sha256([0; 32]),
        digest_valid: true,
        signature_valid: true,
        page_hashes: false,
        identity: Identity::Proven,
        claimed: &[],
        claimed_roots: 0,
        chain: &certificates,
        root: Root {
            wellknown: Some(steer[17]),
            verified: true,
            known: true,
        },
        oem_id: fact(steer[18], text),
        more_info_url: Fact::Absent,
        timestamp: fact(
            steer[19],
            Timestamp {
                rfc3161: true,
                time: i64::from(steer[20]) << 32,
            },
        ),
    }];
    let evidence = Evidence {
        image: fact(
            steer[21],
            Image {
                machine: 0,
                subsystem: 1,
                characteristics: 0,
                conformant: steer[22] & 1 == 0,
                size: 0,
            },
        ),
        digests: fact(
            steer[23],
            Digests {
                sha1: Some([steer[24]; 20]),
                sha256: Some([steer[25]; 32]),
                sha384: Some([steer[26]; 48]),
                sha512: Some([steer[27]; 64]),
                first_page_sha1: Some([steer[28]; 20]),
                ..Digests::default()
            },
        ),
        version: fact(
            steer[29],
            Version {
                file_version: fact(steer[34], u64::from(steer[30]) << 48),
                original_filename: fact(steer[31], text),
                internal_name: fact(steer[32], Text::Latin1(&steer[..4])),
                file_description: Fact::Absent,
                product_name: Fact::Absent,
            },
        ),
        signatures: fact(steer[33], &signatures[..]),
        more_signatures: (steer[34] & 1 == 0).then_some(Unreadable::CapReached),
        extra_bytes: 0,
        weighed_at: None,
    };
    let verdict = decide(&set, &evidence);
    let mut severest = None;
    for part in decide_parts(&set, &evidence) {
        for outcome in part.policies() {
            severest = severest.max(Some(outcome.decision));
            assert!(outcome.rule.is_none_or(|rule| rule.kind.name().len() > 1));
        }
    }
    assert!(severest.is_none_or(|severest| severest == verdict.decision));
    let mut held = 0_u32;
    let tried = explain(&set, &evidence, &mut |tried| {
        held += u32::from(tried.truth == Truth::Yes)
    });
    assert!(tried == set.rule_count());
    assert!(
        PolicySet::validate(valid.bytes()).is_ok(),
        "validation does not depend on what was done"
    );
});
