//! What a caller of `examine` can rely on, for images that carry no signature.

extern crate std;

use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use sha1::Digest as _;

use crate::Defect;
use crate::Digests;
use crate::ErrorKind;
use crate::ExamineError;
use crate::Fact;
use crate::Findings;
use crate::Image;
use crate::NotPe;
use crate::Options;
use crate::Source;
use crate::SourceError;
use crate::Unreadable;
use crate::Workspace;
use crate::examine;
use crate::testing::NT;
use crate::testing::OPTIONAL;
use crate::testing::Pe;
use crate::testing::SECTIONS;
use crate::testing::SECURITY_ENTRY;
use crate::testing::put;

fn facts(file: &[u8]) -> (Image, Digests) {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap();
    (
        evidence.image.present().unwrap(),
        evidence.digests.present().unwrap(),
    )
}

fn failure(file: &[u8]) -> ExamineError {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap_err()
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    sha2::Sha256::digest(parts.concat()).into()
}

fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    sha1::Sha1::digest(parts.concat()).into()
}

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

#[test]
fn image_facts_are_the_headers() {
    let file = Pe::default().build();
    let (image, _) = facts(&file);
    let expected = Image {
        machine: 0x8664,
        subsystem: 1,
        characteristics: 0x0022,
        conformant: true,
        size: file.len() as u64,
    };
    assert_eq!(image, expected);
}

/// A table over code would take that code out of the digest: it is hashed, and no signature counts.
#[test]
fn a_misplaced_table_is_hashed_and_makes_the_image_non_conformant() {
    let file = Pe {
        table: vec![0x5a; 64],
        ..Pe::default()
    }
    .build();
    for (offset, size) in [
        (0x400_u32, 0x200_u32),
        (0x10, 8),
        (file.len() as u32 - 8, 16),
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
        assert!(matches!(
            evidence.signatures,
            Fact::Unreadable(Unreadable::Malformed)
        ));
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

#[test]
fn sections_that_share_file_bytes_are_loadable_and_not_conformant() {
    let mut file = Pe::default().build();
    put(&mut file, SECTIONS + 40 + 20, &0x400_u32.to_le_bytes());
    assert!(!facts(&file).0.conformant);
}

#[test]
fn what_is_no_image_says_so_and_still_gives_flat_digests() {
    let mut dos = Pe::default().build();
    put(&mut dos, 0x3c, &0xffff_fff0_u32.to_le_bytes());
    let mut no_signature = Pe::default().build();
    put(&mut no_signature, NT, b"NE\0\0");
    for (file, expected) in [
        (&b""[..], NotPe::TooShort),
        (b"M", NotPe::TooShort),
        (b"MZ", NotPe::TooShort),
        (b"\x7fELF and so on", NotPe::NoDosHeader),
        (&dos, NotPe::NoPeHeader),
        (&no_signature, NotPe::NoPeHeader),
    ] {
        let error = failure(file);
        assert_eq!(error.kind, ErrorKind::NotPe(expected));
        assert_eq!(error.flat.map(|flat| flat.sha256), Some(sha256(&[file])));
        assert_eq!(error.flat.map(|flat| flat.sha1), Some(sha1(&[file])));
        let evidence = error.evidence();
        assert_eq!(evidence.image, Fact::Absent);
        assert_eq!(
            evidence.digests.present().unwrap().flat_sha256,
            Some(sha256(&[file]))
        );
        assert!(evidence.signatures.present().unwrap().is_empty());
    }
}

#[test]
fn each_breach_of_a_loader_rule_has_its_own_defect() {
    let good = Pe::default().build();
    let damaged = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        put(&mut file, at, bytes);
        file
    };
    let all_sections = damaged(NT + 6, &96_u16.to_le_bytes());
    for (file, defect, offset) in [
        (
            damaged(OPTIONAL, &[0x07, 0x01]),
            Defect::OptionalHeaderMagic,
            OPTIONAL,
        ),
        (damaged(NT + 22, &[0, 0]), Defect::NotExecutable, NT + 22),
        (
            damaged(OPTIONAL + 36, &0x300_u32.to_le_bytes()),
            Defect::Alignment,
            OPTIONAL + 36,
        ),
        (
            damaged(OPTIONAL + 36, &0_u32.to_le_bytes()),
            Defect::Alignment,
            OPTIONAL + 36,
        ),
        (
            damaged(OPTIONAL + 36, &0x4000_u32.to_le_bytes()),
            Defect::Alignment,
            OPTIONAL + 36,
        ),
        (
            damaged(OPTIONAL + 60, &u32::MAX.to_le_bytes()),
            Defect::SizeOfHeaders,
            OPTIONAL + 60,
        ),
        (
            damaged(NT + 6, &97_u16.to_le_bytes()),
            Defect::TooManySections,
            NT + 6,
        ),
        (all_sections, Defect::TruncatedHeaders, NT),
        (
            damaged(SECTIONS + 40 + 12, &0x1000_u32.to_le_bytes()),
            Defect::SectionOverlap,
            SECTIONS + 40,
        ),
        (
            damaged(SECTIONS + 40 + 8, &u32::MAX.to_le_bytes()),
            Defect::SectionOverlap,
            SECTIONS + 40,
        ),
        (
            damaged(SECTIONS + 16, &0x1000_u32.to_le_bytes()),
            Defect::SectionBounds,
            SECTIONS,
        ),
        (
            damaged(SECTIONS + 20, &u32::MAX.to_le_bytes()),
            Defect::SectionBounds,
            SECTIONS,
        ),
    ] {
        let error = failure(&file);
        assert_eq!(
            error.kind,
            ErrorKind::Malformed {
                defect,
                offset: offset as u64
            },
            "{error}"
        );
        assert_eq!(error.flat.map(|flat| flat.sha256), Some(sha256(&[&file])));
        assert_eq!(error.evidence().image, Fact::Unreadable(Unreadable::Malformed));
    }
}

/// Every truncation ends in a typed outcome, and none is taken for the whole.
#[test]
fn every_truncation_is_refused() {
    let file = Pe::default().build();
    for length in 0..file.len() {
        let error = failure(&file[..length]);
        let refused = matches!(error.kind, ErrorKind::NotPe(_) | ErrorKind::Malformed { .. });
        assert!(refused, "{length} bytes: {error}");
        assert!(error.kind.code() >= 10);
    }
}

/// No byte of the headers, set to its extremes, leads anywhere but to a typed outcome.
#[test]
fn every_header_byte_may_be_anything() {
    let good = Pe {
        table: vec![0x5a; 64],
        resources: Some(0x1000),
        ..Pe::default()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    for at in 0..SECTIONS + 80 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut file = good.clone();
            file[at] = value;
            let mut findings = Findings::new();
            match examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings) {
                Ok(evidence) => assert!(evidence.digests.present().is_some()),
                Err(error) => assert!(error.flat.is_some(), "byte {at:#x} = {value:#x}: {error}"),
            }
        }
    }
}

/// A file that ends before its size, or fails in the middle.
struct Broken {
    file: Vec<u8>,
    ends: usize,
    status: Option<i32>,
}

impl Source for Broken {
    fn size(&self) -> u64 {
        self.file.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        match self.status {
            Some(status) if offset as usize >= self.ends => Err(SourceError { status, offset }),
            _ => (&self.file[..self.ends]).read_at(offset, buffer),
        }
    }
}

#[test]
fn a_source_that_fails_or_shrinks_is_named_with_its_offset() {
    let file = Pe {
        overlay: vec![1; 9000],
        ..Pe::default()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut check = |status| {
        let mut source = Broken {
            file: file.clone(),
            ends: 8192,
            status,
        };
        let mut findings = Findings::new();
        examine(&mut source, &Options::default(), &mut workspace, &mut findings)
            .unwrap_err()
            .kind
    };
    assert_eq!(check(None), ErrorKind::Changed { offset: 8192 });
    assert_eq!(
        check(Some(5)),
        ErrorKind::Io(SourceError {
            status: 5,
            offset: 8192
        })
    );
}

/// A sparse file of 3 GB that begins with these bytes.
struct Huge(Vec<u8>);

impl Source for Huge {
    fn size(&self) -> u64 {
        3 << 30
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        assert!(offset < 1 << 20, "read at {offset}");
        buffer.fill(0);
        (&self.0[..]).read_at(offset, buffer)?;
        Ok(buffer.len())
    }
}

#[test]
fn of_a_file_over_the_cap_only_the_headers_are_read() {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut check = |start: &[u8]| {
        let mut findings = Findings::new();
        let mut source = Huge(start.to_vec());
        examine(&mut source, &Options::default(), &mut workspace, &mut findings).unwrap_err()
    };
    let error = check(&Pe::default().build());
    assert_eq!(
        error.kind,
        ErrorKind::TooLarge {
            size: 3 << 30,
            limit: 256 << 20
        }
    );
    assert_eq!(
        error.to_string(),
        "the file has 3221225472 bytes, more than the cap of 268435456"
    );
    assert_eq!(error.flat, None);
    assert_eq!(check(b"no image").kind, ErrorKind::NotPe(NotPe::NoDosHeader));
}

/// UTF-16 with its NUL, padded to four bytes.
fn wide(text: &str, padded: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> = format!("{text}\0")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    if padded && !(bytes.len() + 6).is_multiple_of(4) {
        bytes.extend([0, 0]);
    }
    bytes
}

/// A node of a version structure.
fn node(key: &str, value: &[u8], text: bool, children: &[Vec<u8>]) -> Vec<u8> {
    let mut body = wide(key, true);
    body.extend(value);
    for child in children {
        body.resize((body.len() + 6).next_multiple_of(4) - 6, 0);
        body.extend(child);
    }
    let value_length = if text { value.len() / 2 } else { value.len() };
    let head = [(body.len() + 6) as u16, value_length as u16, u16::from(text)];
    [head.map(u16::to_le_bytes).concat(), body].concat()
}

fn table(language: &str, name: &str) -> Vec<u8> {
    let strings = [
        node("CompanyName", &wide("Contoso", false), true, &[]),
        node("OriginalFilename", &wide(name, false), true, &[]),
    ];
    node(language, &[], true, &strings)
}

/// A section holding a version resource in two languages.
fn resources(address: u32, neutral: &[u8], english: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    let entry = |id: u32, target: u32| [id.to_le_bytes(), target.to_le_bytes()].concat();
    bytes[14] = 1;
    bytes.extend(entry(16, 0x8000_0018));
    bytes.extend([vec![0; 14], vec![1, 0]].concat());
    bytes.extend(entry(1, 0x8000_0030));
    bytes.extend([vec![0; 14], vec![2, 0]].concat());
    bytes.extend(entry(0x409, 96));
    bytes.extend(entry(0, 80));
    let neutral_at = 112 + address;
    let english_at = neutral_at + neutral.len().next_multiple_of(4) as u32;
    bytes.extend(
        [neutral_at, neutral.len() as u32, 0, 0]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend(
        [english_at, english.len() as u32, 0, 0]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend(neutral);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(english);
    bytes.resize(bytes.len().next_multiple_of(0x200), 0);
    bytes
}

fn version_resource(name: &str, version: u32) -> Vec<u8> {
    let mut fixed = vec![0; 52];
    put(&mut fixed, 0, &0xfeef_04bd_u32.to_le_bytes());
    put(&mut fixed, 8, &0x0001_0002_u32.to_le_bytes());
    put(&mut fixed, 12, &version.to_le_bytes());
    let tables = [table("040704b0", "wrong.sys"), table("040904B0", name)];
    let translation = node("Translation", &[0x09, 0x04, 0xb0, 0x04], false, &[]);
    let children = [
        node("StringFileInfo", &[], true, &tables),
        node("VarFileInfo", &[], true, &[translation]),
    ];
    node("VS_VERSION_INFO", &fixed, false, &children)
}

#[test]
fn the_language_neutral_version_comes_first_and_its_translation_names_the_strings() {
    let section = resources(
        0x1000,
        &version_resource("driver.sys", 0x0003_0004),
        &version_resource("other.sys", 9),
    );
    let file = Pe {
        sections: vec![(0x1000, section)],
        resources: Some(0x1000),
        ..Pe::default()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
    let version = evidence.version.present().unwrap();
    assert_eq!(version.file_version, 0x0001_0002_0003_0004);
    assert_eq!(
        version.original_filename.present().unwrap().to_string(),
        "driver.sys"
    );
    assert_eq!(version.internal_name, Fact::Absent);
}

/// Damage in a resource makes a fact unreadable; the loader does not look at it, so the image stands.
#[test]
fn a_damaged_version_resource_is_an_unreadable_fact() {
    let section = resources(
        0x1000,
        &version_resource("driver.sys", 1),
        &version_resource("other.sys", 2),
    );
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut readable = 0;
    for at in 0..section.len() {
        for value in [0, 0x7f, 0xff] {
            let mut section = section.clone();
            section[at] = value;
            let file = Pe {
                sections: vec![(0x1000, section)],
                resources: Some(0x1000),
                ..Pe::default()
            }
            .build();
            let mut findings = Findings::new();
            let evidence =
                examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
            readable += usize::from(evidence.version.present().is_some());
        }
    }
    assert!(readable > 0);
    let elsewhere = Pe {
        resources: Some(0x9_0000),
        ..Pe::default()
    }
    .build();
    let mut findings = Findings::new();
    let evidence = examine(
        &mut &elsewhere[..],
        &Options::default(),
        &mut workspace,
        &mut findings,
    )
    .unwrap();
    assert_eq!(evidence.version, Fact::Unreadable(Unreadable::Malformed));
}
