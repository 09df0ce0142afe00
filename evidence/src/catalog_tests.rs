//! Catalogues and the index over them.

extern crate std;

use std::string::ToString;
use std::vec::Vec;

use crate::CatalogError;
use crate::CatalogIndex;
use crate::CatalogIndexBuilder;
use crate::Digests;
use crate::Fact;
use crate::Findings;
use crate::Hash;
use crate::Options;
use crate::SignatureFault;
use crate::SignatureSource;
use crate::Taken;
use crate::Timestamp;
use crate::Trust;
use crate::TrustClass;
use crate::Workspace;
use crate::examine_catalog;
use crate::examine_with_catalogs;
use crate::testing::Pe;
use crate::testing::messages::Member;
use crate::testing::messages::Message;
use crate::testing::messages::token;
use crate::testing::signed::AUTHORITY;
use crate::testing::signed::authority;
use crate::testing::signed::leaf;
use crate::testing::signed::timestamp_authority;

fn catalog(members: &[Member]) -> Message {
    Message::catalog(members, &leaf(), &[authority().issue(), leaf().issue()])
}

fn with_time(catalog: &Message) -> Vec<u8> {
    let clock = timestamp_authority();
    catalog.build(&[token(
        &catalog.signature(),
        "20250601120000Z",
        &clock,
        &[clock.issue()],
    )])
}

fn index(catalogs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut builder = CatalogIndexBuilder::new();
    for (name, bytes) in catalogs {
        let mut findings = Findings::new();
        let catalog = examine_catalog(bytes, &mut workspace, &mut findings).unwrap();
        builder.add(name, &catalog).unwrap();
    }
    builder.finish().unwrap()
}

/// Image, and the digests a catalogue would list.
fn image_of(overlay: u8) -> (Vec<u8>, Digests) {
    let file = Pe {
        overlay: std::vec![overlay; 64],
        ..Pe::default()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence =
        crate::examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
    let digests = evidence.digests.present().unwrap();
    (file, digests)
}

fn trust(file: &[u8], index: &[u8]) -> (Vec<(SignatureSource, Hash, Option<u32>)>, TrustClass) {
    let index = CatalogIndex::read(index).unwrap();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let mut source = file;
    let evidence = examine_with_catalogs(
        &mut source,
        &Options::default(),
        Some(&index),
        &mut workspace,
        &mut findings,
    )
    .unwrap();
    let signatures = evidence.signatures.present().unwrap();
    let found = signatures
        .iter()
        .map(|found| (found.source, found.signed_digest, found.catalog))
        .collect();
    (found, Trust::of(&evidence).present().unwrap().class)
}

#[test]
fn members_of_both_versions_are_found() {
    let members = [Member::Text([1; 20]), Member::Raw([2; 32]), Member::Bare([3; 20])];
    let bytes = catalog(&members).build(&[]);
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let catalog = examine_catalog(&bytes, &mut workspace, &mut findings).unwrap();
    let found: Vec<Hash> = catalog.members().collect();
    assert_eq!(
        found,
        [Hash::Sha1([1; 20]), Hash::Sha256([2; 32]), Hash::Sha1([3; 20])]
    );
    assert_eq!(catalog.signatures.len(), 1);
    assert_eq!(catalog.signatures[0].fault, None);
    let by_bare_tag = Digests {
        sha1: Some([3; 20]),
        ..Digests::default()
    };
    assert_eq!(catalog.vouch(&by_bare_tag), Some(Hash::Sha1([3; 20])));
    assert_eq!(catalog.vouch(&Digests::default()), None);
}

#[test]
fn a_file_is_vouched_for_by_the_catalogue_that_lists_it() {
    let (first, first_digests) = image_of(1);
    let (second, second_digests) = image_of(2);
    let (third, _) = image_of(3);
    let of_first = with_time(&catalog(&[
        Member::Raw(first_digests.sha256.unwrap()),
        Member::Bare([9; 20]),
    ]));
    let of_second = catalog(&[Member::Text(second_digests.sha1.unwrap())]).build(&[]);
    let index = index(&[("a.cat", of_first), ("b.cat", of_second)]);

    let vouched = |hash, catalog| {
        (
            std::vec![(SignatureSource::Catalog, hash, Some(catalog))],
            TrustClass::OtherRoot,
        )
    };
    assert_eq!(
        trust(&first, &index),
        vouched(Hash::Sha256(first_digests.sha256.unwrap()), 0)
    );
    assert_eq!(
        trust(&second, &index),
        vouched(Hash::Sha1(second_digests.sha1.unwrap()), 1)
    );
    assert_eq!(trust(&third, &index), (Vec::new(), TrustClass::Unsigned));
}

/// What went into the index comes out of it: chain, OEM id, timestamp, root.
#[test]
fn the_index_keeps_what_the_signature_proved() {
    let (file, digests) = image_of(1);
    let bytes = with_time(&catalog(&[Member::Raw(digests.sha256.unwrap())]));
    let index = index(&[("folder/a.cat", bytes)]);
    let index = CatalogIndex::read(&index).unwrap();
    assert_eq!(
        (index.len(), index.name(0), index.name(1)),
        (1, Some("folder/a.cat"), None)
    );
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let mut source = &file[..];
    let evidence = examine_with_catalogs(
        &mut source,
        &Options::default(),
        Some(&index),
        &mut workspace,
        &mut findings,
    )
    .unwrap();
    let [signature] = evidence.signatures.present().unwrap() else {
        panic!("one signature");
    };
    assert_eq!(signature.fault, None);
    assert!(signature.digest_valid && signature.signature_valid);
    assert!(signature.root.verified && signature.root.known);
    assert_eq!(signature.oem_id.present().unwrap().to_string(), "Contoso");
    assert_eq!(
        signature.timestamp,
        Fact::Present(Timestamp {
            rfc3161: true,
            time: 1_748_779_200
        })
    );
    let names: Vec<_> = signature
        .chain
        .iter()
        .map(|c| c.subject_cn.present().unwrap().to_string())
        .collect();
    assert_eq!(names, ["Contoso Ltd", AUTHORITY]);
}

#[test]
fn a_catalogue_whose_signature_does_not_hold_vouches_for_nothing() {
    let (file, digests) = image_of(1);
    let mut bytes = catalog(&[Member::Raw([7; 32])]).build(&[]);
    let at = bytes.windows(32).rposition(|window| window == [7; 32]).unwrap();
    bytes[at..at + 32].copy_from_slice(&digests.sha256.unwrap());
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let forged = examine_catalog(&bytes, &mut workspace, &mut findings).unwrap();
    assert_eq!(forged.signatures[0].fault, Some(SignatureFault::SignedAttributes));
    assert_eq!(
        CatalogIndexBuilder::new().add("forged", &forged),
        Ok(Taken::Nothing)
    );
    assert_eq!(
        trust(&file, &index(&[("forged", bytes.clone())])),
        (Vec::new(), TrustClass::Unsigned)
    );
}

#[test]
fn what_is_no_catalogue_says_so_and_damage_is_never_fatal() {
    let good = catalog(&[Member::Raw([7; 32]), Member::Text([8; 20])]).build(&[]);
    let mut workspace = Workspace::try_new(4096).unwrap();
    for bytes in [&b""[..], b"MZ", &good[..good.len() / 2]] {
        let mut findings = Findings::new();
        let error = examine_catalog(bytes, &mut workspace, &mut findings).unwrap_err();
        assert_eq!(error, CatalogError::NotCatalog);
    }
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x41;
        let mut findings = Findings::new();
        if let Ok(catalog) = examine_catalog(&damaged, &mut workspace, &mut findings) {
            let same = catalog.members().eq([Hash::Sha256([7; 32]), Hash::Sha1([8; 20])]);
            assert!(
                same || catalog
                    .signatures
                    .iter()
                    .all(|signature| signature.fault.is_some()),
                "byte {at}"
            );
        }
    }
}

#[test]
fn a_damaged_index_finds_too_little_and_never_fails() {
    let (file, digests) = image_of(1);
    let good = index(&[(
        "a.cat",
        with_time(&catalog(&[Member::Raw(digests.sha256.unwrap())])),
    )]);
    for length in 0..good.len() {
        assert!(CatalogIndex::read(&good[..length]).is_none(), "{length} bytes");
    }
    for at in 0..good.len() {
        let mut damaged = good.clone();
        damaged[at] ^= 0x81;
        if CatalogIndex::read(&damaged).is_some() {
            let (signatures, _) = trust(&file, &damaged);
            assert!(signatures.len() <= 1);
        }
    }
}
