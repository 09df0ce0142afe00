//! The first inputs of the fuzz targets, written where `GATEHOUSE_CORPUS` says.

extern crate std;

use std::vec::Vec;

use crate::CatalogIndex;
use crate::CatalogIndexBuilder;
use crate::Findings;
use crate::Options;
use crate::Workspace;
use crate::examine;
use crate::examine_catalog;
use crate::testing::Pe;
use crate::testing::certificates;
use crate::testing::certificates::Spec;
use crate::testing::messages;
use crate::testing::messages::Member;
use crate::testing::messages::Message;
use crate::testing::signed::authority;
use crate::testing::signed::leaf;
use crate::testing::signed::timestamp_authority;

fn save(target: &str, name: &str, bytes: &[u8]) {
    if let Some(folder) = std::env::var_os("GATEHOUSE_CORPUS") {
        let folder = std::path::Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

/// Every seed reaches the reader it is a seed for.
#[test]
fn seeds_reach_their_readers() {
    let leaf = leaf();
    let clock = timestamp_authority();
    let certificates = [authority().issue(), leaf.issue(), clock.issue()];
    let plain = Message::over(&[7; 32], &leaf, &certificates);
    let stamp = messages::token(&plain.signature(), "20250601120000Z", &clock, &[clock.issue()]);
    let counter = messages::countersignature(&plain.signature(), "250601120000Z", &clock);
    let curve = Spec {
        key_info: Some(certificates::explicit_curve_key()),
        ..leaf.clone()
    };
    let messages: [(&str, Vec<u8>); 5] = [
        ("plain", plain.build(&[])),
        ("timestamps", plain.build(&[stamp, counter])),
        ("nested", plain.build(&[messages::nested(&plain)])),
        (
            "pages",
            Message::with_pages(&[7; 32], &[5; 108], &leaf, &certificates).build(&[]),
        ),
        (
            "curve",
            Message::over(&[7; 32], &curve, &[curve.issue()]).build(&[]),
        ),
    ];
    let mut workspace = Workspace::try_new(4096).unwrap();
    for (name, message) in &messages {
        save("signature", name, message);
        let file = Pe {
            table: messages::table(core::slice::from_ref(message)),
            ..Pe::default()
        }
        .build();
        save("image", name, &file);
        save("side_by_side", name, &file);
        save("mapping", name, &[&[0; 8], &file[..]].concat());
        let mut findings = Findings::new();
        let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
        let signatures = evidence.signatures.present().unwrap();
        assert!(
            !signatures.is_empty() && signatures.iter().all(|signature| !signature.chain.is_empty()),
            "{name}"
        );
    }
    let unsigned = Pe::default().build();
    save("image", "unsigned", &unsigned);
    save("side_by_side", "unsigned", &unsigned);

    let members = [Member::Text([1; 20]), Member::Raw([2; 32]), Member::Bare([3; 20])];
    let bytes = Message::catalog(&members, &leaf, &certificates).build(&[]);
    save("catalog", "members", &bytes);
    let mut findings = Findings::new();
    let catalog = examine_catalog(&bytes, &mut workspace, &mut findings).unwrap();
    assert_eq!(catalog.members().count(), 3);
    let mut builder = CatalogIndexBuilder::new();
    builder.add("members.cat", &catalog).unwrap();
    let index = builder.finish().unwrap();
    save("catalog_index", "one", &index);
    assert_eq!(CatalogIndex::read(&index).unwrap().len(), 1);
}
