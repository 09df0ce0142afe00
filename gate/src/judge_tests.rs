//! What a fail-safe spares: Windows' own files, by who signed them, and the driver's own.

use crate::generation::Generation;
use crate::judge::Judgement;
use crate::judge::judge;
use crate::testing::enforced_set;
use crate::testing::gate;
use crate::testing::image;
use crate::testing::push;
use crate::weigh::Weighed;
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
use evidence::SignatureFault;
use evidence::SignatureSource;
use evidence::usage;
use policy::decide;
use std::vec::Vec;

/// Microsoft Product Root 2010, under which Windows is signed.
const PRODUCT_ROOT: u8 = 6;
const OWN: [u8; 32] = [1; 32];

/// A usage as a certificate states it: tag, length, content.
fn stated(usage: &[u8]) -> Vec<u8> {
    [&[6, u8::try_from(usage.len()).expect("short")], usage].concat()
}

/// A driver that no rule names, signed with a certificate of this usage under this root, unless something is wrong with that.
fn judged(
    generation: &Generation,
    usage: &[u8],
    wellknown: Option<u8>,
    fault: Option<SignatureFault>,
    own: Option<&[u8; 32]>,
) -> Judgement {
    let usage = stated(usage);
    let chain = [Certificate {
        subject_cn: Fact::Absent,
        issuer_cn: Fact::Absent,
        serial: &[1],
        thumbprint_sha1: [0; 20],
        tbs: Fact::Absent,
        ekus: Ekus(&usage),
        not_before: 0,
        not_after: i64::MAX,
        key: Key::Rsa(2048),
    }];
    let signatures = [Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault,
        signed_digest: Hash::Sha256(OWN),
        digest_valid: fault.is_none(),
        signature_valid: true,
        page_hashes: false,
        identity: Identity::Proven,
        claimed: &[],
        claimed_roots: 0,
        chain: &chain,
        root: Root {
            wellknown,
            verified: true,
            known: wellknown.is_some(),
        },
        oem_id: Fact::Absent,
        more_info_url: Fact::Absent,
        timestamp: Fact::Absent,
    }];
    let evidence = Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant: true,
            size: 0x400,
        }),
        digests: Fact::Present(Digests {
            sha1: Some([1; 20]),
            sha256: Some(OWN),
            ..Digests::default()
        }),
        version: Fact::Absent,
        signatures: Fact::Present(&signatures),
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    };
    let weighed = Weighed {
        verdict: decide(&generation.set.set(), &evidence),
        evidence,
        error: None,
        catalogs: None,
        read: 0,
        decided: 0,
    };
    judge(&weighed, Some(generation), own)
}

#[test]
fn windows_own_files_and_the_drivers_are_spared_and_nobody_elses() {
    let gate = gate();
    push(&gate, &enforced_set(&[("Allow", &image(1))]));
    let in_force = gate.in_force().expect("a generation");
    let generation = &*in_force.generation;
    let root = Some(PRODUCT_ROOT);

    let windows = usage::WINDOWS;
    assert_eq!(judged(generation, windows, root, None, None), Judgement::Spared);
    // The usage alone proves nothing.
    assert_eq!(judged(generation, windows, None, None, None), Judgement::Refuse);
    let altered = Some(SignatureFault::ImageDigest);
    assert_eq!(
        judged(generation, windows, root, altered, None),
        Judgement::Refuse
    );
    // Microsoft signs these for vendors.
    for usage in [usage::EARLY_LAUNCH, usage::HAL_EXTENSION] {
        assert_eq!(judged(generation, usage, root, None, None), Judgement::Refuse);
    }
    assert_eq!(
        judged(generation, usage::WHQL, root, None, None),
        Judgement::Refuse
    );

    assert_eq!(
        judged(generation, usage::WHQL, None, None, Some(&OWN)),
        Judgement::Spared
    );
    assert_eq!(
        judged(generation, usage::WHQL, None, None, Some(&[2; 32])),
        Judgement::Refuse
    );
}
