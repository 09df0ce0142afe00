//! What an index of catalogues vouches for, and how much a look-up in it takes.

extern crate std;

use std::format;
use std::string::String;
use std::string::ToString;
use std::vec::Vec;

use crate::CatalogIndex;
use crate::CatalogIndexBuilder;
use crate::Digests;
use crate::Findings;
use crate::IndexFault;
use crate::MAX_CATALOGS_OF_FILE;
use crate::MAX_SIGNERS_OF_CATALOG;
use crate::Options;
use crate::Taken;
use crate::Trust;
use crate::TrustClass;
use crate::Unreadable;
use crate::Workspace;
use crate::catalog_index::CATALOG_ENTRY;
use crate::catalog_index::SHA256_ENTRY;
use crate::catalog_index::SIGNER_ENTRY;
use crate::examine_catalog;
use crate::examine_with_catalogs;
use crate::testing::Pe;
use crate::testing::certificates::Spec;
use crate::testing::messages::Member;
use crate::testing::messages::Message;
use crate::testing::messages::nested;
use crate::testing::signed::OTHER_KEY;
use crate::testing::signed::authority;
use crate::testing::signed::leaf;

/// A catalogue under a root that is known.
fn known(members: &[Member]) -> Vec<u8> {
    Message::catalog(members, &leaf(), &[authority().issue(), leaf().issue()]).build(&[])
}

/// One that vouches for itself.
fn self_made(name: &str, members: &[Member], also: &[Vec<u8>]) -> Vec<u8> {
    let own = Spec::leaf(name, OTHER_KEY, name, OTHER_KEY);
    Message::catalog(members, &own, &[own.issue()]).build(also)
}

fn index<'c>(catalogs: impl IntoIterator<Item = (String, &'c [u8])>) -> Vec<u8> {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut builder = CatalogIndexBuilder::new();
    for (name, bytes) in catalogs {
        let mut findings = Findings::new();
        let catalog = examine_catalog(bytes, &mut workspace, &mut findings).unwrap();
        assert_eq!(builder.add(&name, &catalog), Ok(Taken::Whole));
    }
    let index = builder.finish().unwrap();
    assert_eq!(CatalogIndex::validate(&index).err(), None);
    index
}

/// What a file is found to be by an index.
struct Found {
    /// The catalogues that list it.
    catalogs: Vec<String>,
    class: TrustClass,
    more: Option<Unreadable>,
    digests: Digests,
}

fn examined(file: &[u8], index: &[u8]) -> Found {
    let index = CatalogIndex::read(index).unwrap();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let mut source = file;
    let options = Options {
        flat: true,
        ..Options::default()
    };
    let evidence =
        examine_with_catalogs(&mut source, &options, Some(&index), &mut workspace, &mut findings).unwrap();
    let signatures = evidence.signatures.present().unwrap();
    Found {
        catalogs: signatures
            .iter()
            .filter_map(|signature| index.name(signature.catalog?))
            .map(ToString::to_string)
            .collect(),
        class: Trust::of(&evidence).present().unwrap().class,
        more: evidence.more_signatures,
        digests: evidence.digests.present().unwrap(),
    }
}

fn nothing() -> Vec<u8> {
    CatalogIndexBuilder::new().finish().unwrap()
}

fn listed(digests: &Digests) -> [Member; 2] {
    [
        Member::Raw(digests.sha256.unwrap()),
        Member::Bare(digests.sha1.unwrap()),
    ]
}

#[test]
fn all_catalogues_that_list_a_file_count_and_no_flood_hides_a_known_one() {
    let file = Pe::default().build();
    let members = listed(&examined(&file, &nothing()).digests);
    let floods: Vec<Vec<u8>> = (0..=MAX_CATALOGS_OF_FILE)
        .map(|number| self_made(&format!("Flood {number}"), &members, &[]))
        .collect();
    let real = known(&members);
    for flood in [
        0,
        4,
        MAX_CATALOGS_OF_FILE - 1,
        MAX_CATALOGS_OF_FILE,
        MAX_CATALOGS_OF_FILE + 1,
    ] {
        let floods = floods.iter().take(flood).enumerate();
        let all = floods
            .map(|(number, bytes)| (format!("a{number:02}.cat"), bytes.as_slice()))
            .chain([("real.cat".to_string(), real.as_slice())]);
        let found = examined(&file, &index(all));
        assert_eq!(found.catalogs[0], "real.cat", "{flood}");
        assert_eq!(found.catalogs.len(), (flood + 1).min(MAX_CATALOGS_OF_FILE));
        let cut = flood >= MAX_CATALOGS_OF_FILE;
        assert_eq!(found.more, cut.then_some(Unreadable::Catalogs), "{flood}");
        // Not better than by the real one alone.
        assert_eq!(found.class, TrustClass::OtherRoot);
    }
}

#[test]
fn a_catalogue_that_vouches_for_itself_makes_no_better_class() {
    let file = Pe::default().build();
    let members = listed(&examined(&file, &nothing()).digests);
    let own = self_made("Own", &members, &[]);
    let found = examined(&file, &index([("own.cat".to_string(), own.as_slice())]));
    assert_eq!((found.catalogs.len(), found.class), (1, TrustClass::SelfSigned));
}

#[test]
fn an_image_is_listed_by_the_digests_that_cover_all_of_it_alone() {
    let conformant = Pe::default().build();
    // Data behind the certificate table.
    let mut strange = Pe {
        table: std::vec![0; 8],
        ..Pe::default()
    }
    .build();
    strange.extend([1; 8]);
    for (file, is_conformant) in [(conformant, true), (strange, false)] {
        let digests = examined(&file, &nothing()).digests;
        let flat = [
            Member::Raw(digests.flat_sha256.unwrap()),
            Member::Bare(digests.flat_sha1.unwrap()),
        ];
        for (members, counts) in [(listed(&digests), is_conformant), (flat, !is_conformant)] {
            for member in members {
                let bytes = known(&[member]);
                let found = examined(&file, &index([("a.cat".to_string(), bytes.as_slice())]));
                assert_eq!(found.catalogs.len(), usize::from(counts), "{is_conformant}");
                assert_eq!(found.class == TrustClass::OtherRoot, counts);
            }
        }
    }
}

/// Signers beyond the cap are left out and told, those under known roots last of all; one that is too large does not spoil the rest.
#[test]
fn what_cannot_be_kept_of_a_catalogue_is_told() {
    let members = [Member::Raw([7; 32])];
    let content = Message::catalog(&members, &leaf(), &[authority().issue(), leaf().issue()]);
    let own = Spec::leaf("Own", OTHER_KEY, "Own", OTHER_KEY);
    let also = nested(&Message::catalog(&members, &own, &[own.issue()]));
    let known = nested(&content);
    let count = MAX_SIGNERS_OF_CATALOG - 1;
    let crowd: Vec<Vec<u8>> = std::iter::repeat_n(also, count).chain([known]).collect();
    let many = self_made("Crowd", &members, &crowd);
    let long = "x".repeat(40_000);
    let large = Message::catalog(&members, &own, &[own.issue()])
        .titled(&long)
        .build(&[]);
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut builder = CatalogIndexBuilder::new();
    for (bytes, signatures) in [(&many, MAX_SIGNERS_OF_CATALOG + 1), (&large, 1)] {
        let mut findings = Findings::new();
        let catalog = examine_catalog(bytes, &mut workspace, &mut findings).unwrap();
        assert_eq!(catalog.signatures.len(), signatures);
        assert!(
            catalog
                .signatures
                .iter()
                .all(|signature| signature.fault.is_none())
        );
        assert_eq!(builder.add("a.cat", &catalog), Ok(Taken::Partly));
    }
    let index = builder.finish().unwrap();
    let index = CatalogIndex::validate(&index).unwrap();
    assert_eq!(
        (index.catalogs.len(), index.signers.len()),
        (1, MAX_SIGNERS_OF_CATALOG)
    );
}

/// A leaf whose key usages take longer to look through than any rule has time for proves nothing.
#[test]
fn a_certificate_of_very_many_key_usages_proves_nothing() {
    for (count, holds) in [(50, true), (200, false)] {
        let mut own = Spec::leaf("Own", OTHER_KEY, "Own", OTHER_KEY);
        own.ekus = std::vec![own.ekus[0]; count];
        let bytes = Message::catalog(&[Member::Raw([7; 32])], &own, &[own.issue()]).build(&[]);
        let mut workspace = Workspace::try_new(4096).unwrap();
        let mut findings = Findings::new();
        let catalog = examine_catalog(&bytes, &mut workspace, &mut findings).unwrap();
        assert_eq!(catalog.signatures[0].fault.is_none(), holds, "{count}");
    }
}

/// An index in its parts, to be put together wrongly.
#[derive(Clone)]
struct Parts {
    sha256: Vec<[u8; SHA256_ENTRY]>,
    catalogs: Vec<[u32; 4]>,
    signers: Vec<[u32; 2]>,
    data: Vec<u8>,
}

impl Parts {
    fn of(index: &[u8]) -> Self {
        let index = CatalogIndex::read(index).unwrap();
        let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        let catalog = |entry: &[u8; CATALOG_ENTRY]| [0, 4, 8, 12].map(|at| number(&entry[at..at + 4]));
        let signer = |entry: &[u8; SIGNER_ENTRY]| [0, 4].map(|at| number(&entry[at..at + 4]));
        Self {
            sha256: index.sha256.to_vec(),
            catalogs: index.catalogs.iter().map(catalog).collect(),
            signers: index.signers.iter().map(signer).collect(),
            data: index.data.to_vec(),
        }
    }

    fn build(&self) -> Vec<u8> {
        let counts = [
            2,
            0,
            self.sha256.len(),
            self.catalogs.len(),
            self.signers.len(),
            self.data.len(),
        ];
        let mut bytes = b"GHCATIDX".to_vec();
        let mut numbers: Vec<u32> = counts.map(|count| u32::try_from(count).unwrap()).to_vec();
        bytes.extend(numbers.drain(..).flat_map(u32::to_le_bytes));
        bytes.extend(self.sha256.as_flattened());
        bytes.extend(
            self.catalogs
                .as_flattened()
                .iter()
                .flat_map(|number| number.to_le_bytes()),
        );
        bytes.extend(
            self.signers
                .as_flattened()
                .iter()
                .flat_map(|number| number.to_le_bytes()),
        );
        bytes.extend(&self.data);
        bytes
    }

    fn member(hash: [u8; 32], catalog: u32) -> [u8; SHA256_ENTRY] {
        let mut entry = [0; SHA256_ENTRY];
        entry[..32].copy_from_slice(&hash);
        entry[32..].copy_from_slice(&catalog.to_le_bytes());
        entry
    }
}

#[test]
fn an_index_that_would_make_a_look_up_long_does_not_validate() {
    let file = Pe::default().build();
    let hash = examined(&file, &nothing()).digests.sha256.unwrap();
    let (first, second) = (known(&[Member::Raw(hash)]), known(&[Member::Raw(hash)]));
    let good = Parts::of(&index([
        ("a.cat".to_string(), first.as_slice()),
        ("b.cat".to_string(), second.as_slice()),
    ]));
    let fault = |parts: &Parts| CatalogIndex::validate(&parts.build()).err();
    assert_eq!(fault(&good), None);
    let changed = |change: fn(&mut Parts)| {
        let mut parts = good.clone();
        change(&mut parts);
        // Whatever it is, a look-up in it ends soon.
        let found = examined(&file, &parts.build());
        assert!(found.catalogs.len() <= MAX_CATALOGS_OF_FILE);
        fault(&parts)
    };
    // A signer pointed at by thousands of entries, by one catalogue or by many.
    let many_signers = |parts: &mut Parts| {
        parts.signers = std::vec![parts.signers[0]; 3000];
        parts.catalogs.truncate(1);
        parts.sha256.truncate(1);
        parts.catalogs[0][3] = 3000;
    };
    assert_eq!(changed(many_signers), Some(IndexFault::Signers));
    assert_eq!(changed(|parts| parts.catalogs[1][2] = 0), Some(IndexFault::Order));
    assert_eq!(
        changed(|parts| parts.signers[1] = parts.signers[0]),
        Some(IndexFault::Order)
    );
    assert_eq!(
        changed(|parts| parts.catalogs[0][3] = 0),
        Some(IndexFault::Signers)
    );
    assert_eq!(changed(|parts| parts.catalogs[1][0] = 0), Some(IndexFault::Order));
    // More certificates than a chain has.
    let long_chain = |parts: &mut Parts| parts.data[16..18].copy_from_slice(&1000_u16.to_le_bytes());
    assert_eq!(changed(long_chain), Some(IndexFault::Signer));
    // Out of order, twice, of nobody.
    assert_eq!(changed(|parts| parts.sha256.reverse()), Some(IndexFault::Members));
    let twice = |parts: &mut Parts| parts.sha256[1] = parts.sha256[0];
    assert_eq!(changed(twice), Some(IndexFault::Members));
    let of_nobody = |parts: &mut Parts| parts.sha256.push(Parts::member([0xff; 32], 2));
    assert_eq!(changed(of_nobody), Some(IndexFault::Members));
    // Bytes that belong to nothing.
    assert_eq!(changed(|parts| parts.data.push(0)), Some(IndexFault::Order));
    // An unknown root before a known one: flags of the first signer.
    assert_eq!(changed(|parts| parts.data[1] = 0), Some(IndexFault::Order));
}

#[test]
fn a_long_signer_does_not_validate() {
    let bytes = known(&[Member::Raw([7; 32])]);
    let mut parts = Parts::of(&index([("a".to_string(), bytes.as_slice())]));
    let url = usize::from(u16::from_le_bytes([parts.data[14], parts.data[15]]));
    let oem = usize::from(u16::from_le_bytes([parts.data[12], parts.data[13]]));
    let more = 65_535 - url;
    parts.data[14..16].copy_from_slice(&65_535_u16.to_le_bytes());
    let at = 24 + oem + url;
    parts.data.splice(at..at, std::iter::repeat_n(b'x', more));
    let more = u32::try_from(more).unwrap();
    parts.signers[0][1] += more;
    parts.catalogs[0][0] += more;
    assert_eq!(
        CatalogIndex::validate(&parts.build()).err(),
        Some(IndexFault::LongSigner)
    );
}

/// The bytes of signers that are read for one file are bounded too.
#[test]
fn large_signers_of_one_file_are_read_up_to_a_bound() {
    let file = Pe::default().build();
    let members = listed(&examined(&file, &nothing()).digests);
    let own = Spec::leaf("Own", OTHER_KEY, "Own", OTHER_KEY);
    let long = "x".repeat(25_000);
    let catalogs: Vec<Vec<u8>> = (0..20)
        .map(|_| {
            Message::catalog(&members, &own, &[own.issue()])
                .titled(&long)
                .build(&[])
        })
        .collect();
    let named = catalogs.iter().enumerate();
    let found = examined(
        &file,
        &index(named.map(|(at, bytes)| (format!("{at:02}"), bytes.as_slice()))),
    );
    assert_eq!(found.more, Some(Unreadable::Catalogs));
    assert!((4..6).contains(&found.catalogs.len()), "{}", found.catalogs.len());
}
