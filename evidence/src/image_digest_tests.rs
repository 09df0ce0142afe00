//! Authenticode digests: what of an image they cover and what they leave out.

extern crate std;

use std::vec;
use std::vec::Vec;

use crate::Findings;
use crate::Identity;
use crate::Options;
use crate::SignatureFault;
use crate::Workspace;
use crate::examine;
use crate::testing::OPTIONAL;
use crate::testing::Pe;
use crate::testing::SECURITY_ENTRY;
use crate::testing::facts;
use crate::testing::put;
use crate::testing::sha1;
use crate::testing::sha256;

/// The bytes an Authenticode digest is made of, up to `end`.
fn covered(file: &[u8], end: usize) -> Vec<u8> {
    let parts = [
        &file[..OPTIONAL + 64],
        &file[OPTIONAL + 68..SECURITY_ENTRY],
        &file[SECURITY_ENTRY + 8..end],
    ];
    parts.concat()
}

#[test]
fn digests_leave_out_checksum_directory_entry_and_table_only() {
    let long = vec![0x77; 9000];
    for (overlay, sections) in [
        (vec![], Pe::default().sections),
        (vec![0xab; 64], Pe::default().sections),
        (vec![0xab; 4096], vec![(0x1000, long)]),
    ] {
        let signed = Pe {
            overlay,
            sections,
            table: vec![0x5a; 64],
            ..Pe::default()
        };
        let file = signed.build();
        let (image, digests) = facts(&file);
        let body = covered(&file, file.len() - 64);
        assert_eq!(digests.sha256, Some(sha256(&[&body])));
        assert_eq!(digests.sha1, Some(sha1(&[&body])));
        assert!(image.conformant);
        assert_eq!(digests.flat_sha256, None);
    }
}

#[test]
fn an_unsigned_file_is_hashed_as_if_padded_to_eight_bytes() {
    let file = Pe {
        overlay: vec![1; 13],
        ..Pe::default()
    }
    .build();
    let (_, digests) = facts(&file);
    assert_eq!(
        digests.sha256,
        Some(sha256(&[&covered(&file, file.len()), &[0; 3]]))
    );
}

#[test]
fn the_first_page_is_the_headers_and_zeros() {
    let file = Pe::default().build();
    let (_, digests) = facts(&file);
    let page = [covered(&file, 0x400), vec![0; 4096 - 0x400]].concat();
    assert_eq!(digests.first_page_sha256, Some(sha256(&[&page])));
    assert_eq!(digests.first_page_sha1, Some(sha1(&[&page])));
    assert_eq!(page.len(), 4096 - 12);
}

#[test]
fn a_directory_too_short_for_the_entry_leaves_nothing_out_for_it() {
    let mut file = Pe::default().build();
    put(&mut file, OPTIONAL + 108, &4_u32.to_le_bytes());
    let (_, digests) = facts(&file);
    assert_eq!(
        digests.sha256,
        Some(sha256(&[&file[..OPTIONAL + 64], &file[OPTIONAL + 68..]]))
    );
}

/// A table over code would take that code out of the digest: it is hashed, and no signature counts.
#[test]
fn a_misplaced_table_is_hashed_and_makes_the_image_non_conformant() {
    let file = Pe {
        table: vec![0x5a; 64],
        ..Pe::default()
    }
    .build();
    let end = u32::try_from(file.len()).unwrap();
    for (offset, size) in [
        (0x400_u32, 0x200_u32),
        (0x10, 8),
        (end - 8, 16),
        (u32::MAX, u32::MAX),
    ] {
        let mut file = file.clone();
        put(&mut file, SECURITY_ENTRY, &offset.to_le_bytes());
        put(&mut file, SECURITY_ENTRY + 4, &size.to_le_bytes());
        let mut workspace = Workspace::try_new(4096).unwrap();
        let mut findings = Findings::new();
        let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
        let digests = evidence.digests.present().unwrap();
        assert!(!evidence.image.present().unwrap().conformant);
        assert_eq!(
            digests.sha256,
            Some(sha256(&[&covered(&file, file.len())])),
            "table at {offset:#x}"
        );
        assert_eq!(digests.flat_sha256, Some(sha256(&[&file])));
        let signatures = evidence.signatures.present().unwrap();
        assert!(!signatures.is_empty(), "the image says that it is signed");
        for signature in signatures {
            assert_eq!(signature.fault, Some(SignatureFault::Malformed));
            assert_eq!(signature.identity, Identity::Unproven);
        }
    }
}

#[test]
fn data_behind_the_table_is_hashed_and_makes_the_image_non_conformant() {
    let mut file = Pe {
        table: vec![0x5a; 64],
        ..Pe::default()
    }
    .build();
    let end = file.len();
    file.extend_from_slice(&[9; 24]);
    let (image, digests) = facts(&file);
    assert!(!image.conformant);
    assert_eq!(
        digests.sha256,
        Some(sha256(&[&covered(&file, end - 64), &[9; 24]]))
    );
}
