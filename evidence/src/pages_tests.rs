//! Page hashes.

extern crate std;

use std::vec;
use std::vec::Vec;

use crate::SignatureFault;
use crate::digest::Algorithm;
use crate::testing::Pe;
use crate::testing::messages;
use crate::testing::messages::Message;
use crate::testing::signed::authority;
use crate::testing::signed::digest;
use crate::testing::signed::digests;
use crate::testing::signed::leaf;
use crate::testing::signed::with_evidence;

/// The page-hash table of an image without signature.
fn pages(pe: &Pe) -> Vec<u8> {
    let mut table = [&[0; 4][..], &digests(pe).first_page_sha256.unwrap()].concat();
    let mut at = pe.declared_size as usize;
    for (_, data) in &pe.sections {
        for (page, bytes) in data.chunks(4096).enumerate() {
            let mut bytes = bytes.to_vec();
            bytes.resize(4096, 0);
            table.extend(((at + page * 4096) as u32).to_le_bytes());
            table.extend(Algorithm::Sha256.digest(&[&bytes]).as_bytes());
        }
        at += data.len();
    }
    table.extend((at as u32).to_le_bytes());
    table.extend([0; 32]);
    table
}

#[test]
fn page_hashes_are_those_of_every_page() {
    let sections = vec![
        (0x1000, vec![7; 0x2a00]),
        (0x4000, (0..0x1200_u32).map(|at| at as u8).collect()),
    ];
    let pe = Pe {
        sections,
        overlay: vec![1; 64],
        ..Pe::default()
    };
    let image = digest(&pe);
    let table = pages(&pe);
    assert_eq!(table.len(), 36 * (1 + 3 + 2 + 1));
    let judge = |table: &[u8]| {
        let signature = Message::with_pages(&image, table, &leaf(), &[authority().issue(), leaf().issue()]);
        let file = Pe {
            table: messages::table(&[signature.build(&[])]),
            ..pe.clone()
        }
        .build();
        with_evidence(&file, |evidence| {
            let found = evidence.signatures.present().unwrap()[0];
            assert!(found.digest_valid);
            (found.page_hashes, found.fault)
        })
    };
    assert_eq!(judge(&table), (true, None));
    for at in (0..table.len()).step_by(19).filter(|at| *at < table.len() - 36) {
        let mut wrong = table.clone();
        wrong[at] ^= 0x80;
        assert_eq!(
            judge(&wrong),
            (false, Some(SignatureFault::PageHashes)),
            "byte {at}"
        );
    }
    let short = &table[..table.len() - 36];
    let long = [&table[..], &[0; 36]].concat();
    for wrong in [&[][..], short, &table[..table.len() - 1], &long] {
        assert_eq!(judge(wrong), (false, Some(SignatureFault::PageHashes)));
    }
}
