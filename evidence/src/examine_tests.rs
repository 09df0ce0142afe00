//! What a caller of `examine` can rely on, for images that carry no signature.

extern crate std;

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Defect;
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
use crate::testing::facts;
use crate::testing::put;
use crate::testing::sha1;
use crate::testing::sha256;

fn failure(file: &[u8]) -> ExamineError {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap_err()
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
            // Both sizes: of data beyond what memory has room for nothing is read.
            damaged(SECTIONS + 8, &[0, 0x10, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0]),
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
