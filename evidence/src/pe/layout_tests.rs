//! Which images are conformant, which table counts, and that whatever the loader loads is read.

extern crate std;

use std::vec;
use std::vec::Vec;

use crate::Defect;
use crate::ErrorKind;
use crate::Fact;
use crate::Findings;
use crate::Options;
use crate::Source;
use crate::SourceError;
use crate::Workspace;
use crate::examine;
use crate::testing::NT;
use crate::testing::OPTIONAL;
use crate::testing::Pe;
use crate::testing::SECTIONS;
use crate::testing::SECURITY_ENTRY;
use crate::testing::facts;
use crate::testing::put;
use crate::testing::sha256;

const SECTION_ALIGNMENT: usize = OPTIONAL + 32;
const FILE_ALIGNMENT: usize = OPTIONAL + 36;
const SIZE_OF_IMAGE: usize = OPTIONAL + 56;
const SIZE_OF_HEADERS: usize = OPTIONAL + 60;
/// Within a section header.
const VIRTUAL_SIZE: usize = 8;
const RAW_SIZE: usize = 16;
const RAW_OFFSET: usize = 20;

fn put_u32(file: &mut [u8], at: usize, value: usize) {
    put(file, at, &u32::try_from(value).unwrap().to_le_bytes());
}

/// An image with a table of 64 bytes at its end.
fn signed() -> Vec<u8> {
    Pe {
        table: vec![0x5a; 64],
        ..Pe::default()
    }
    .build()
}

fn is_conformant(file: &[u8]) -> bool {
    facts(file).0.conformant
}

/// What is under the Authenticode digest if the table is left out, or with `None` if it is not.
fn digest_without(file: &[u8], table: Option<(usize, usize)>) -> [u8; 32] {
    let (start, end) = table.unwrap_or((file.len(), file.len()));
    sha256(&[
        &file[..OPTIONAL + 64],
        &file[OPTIONAL + 68..SECURITY_ENTRY],
        &file[SECURITY_ENTRY + 8..start],
        &file[end..],
    ])
}

/// Bytes put in front of the first section move all code in memory; hashing them too is what shows it.
#[test]
fn a_table_before_the_first_section_is_hashed_and_counts_for_nothing() {
    for declared_size in [0x400, 0x2000] {
        let unsigned = Pe {
            declared_size,
            ..Pe::default()
        }
        .build();
        let at = (SECTIONS + 80).next_multiple_of(8);
        let mut file = unsigned.clone();
        file.splice(at..at, [0x5a; 0xb0]);
        put_u32(&mut file, SECURITY_ENTRY, at);
        put_u32(&mut file, SECURITY_ENTRY + 4, 0xb0);
        let (image, digests) = facts(&file);
        assert!(!image.conformant);
        assert_eq!(digests.sha256, Some(digest_without(&file, None)));
        assert_ne!(digests.sha256, facts(&unsigned).1.sha256);
    }
}

#[test]
fn a_table_under_the_headers_size_is_hashed_and_counts_for_nothing() {
    let mut file = signed();
    let end = file.len();
    put_u32(&mut file, SIZE_OF_HEADERS, end);
    let (image, digests) = facts(&file);
    assert!(!image.conformant);
    assert_eq!(digests.sha256, Some(digest_without(&file, None)));
}

/// `SizeOfOptionalHeader` says where the section headers are: over a field that is left out, which then says what is mapped.
#[test]
fn a_field_left_out_of_the_digest_must_not_lie_in_a_section_header() {
    // The place of the data is half of the entry, or CheckSum; or the place in memory is half of an entry that is empty.
    for (optional_size, moved, to) in [
        (128, SECURITY_ENTRY + 4, 0x600),
        (44, OPTIONAL + 64, 0x600),
        (136, SECURITY_ENTRY + 4, 0x2000),
    ] {
        let mut file = Pe {
            declared_size: 0x400,
            sections: vec![(0x1000, vec![0xc3; 0x200])],
            overlay: vec![0xcc; 0x400],
            ..Pe::default()
        }
        .build();
        let header = file[SECTIONS..SECTIONS + 40].to_vec();
        let at = OPTIONAL + optional_size;
        put(&mut file, NT + 20, &[u8::try_from(optional_size).unwrap(), 0]);
        if optional_size == 44 {
            // SizeOfImage and SizeOfHeaders are the section's addresses too.
            put_u32(&mut file, SIZE_OF_IMAGE, 0x3000);
            put_u32(&mut file, SIZE_OF_HEADERS, 0x400);
            put_u32(&mut file, at + RAW_OFFSET, 0x400);
        } else {
            put(&mut file, at, &header);
        }
        if optional_size == 136 {
            put_u32(&mut file, at + VIRTUAL_SIZE, 0);
        }
        let mut changed = file.clone();
        put_u32(&mut changed, moved, to);
        let [(image, digests), (changed_image, changed_digests)] = [&file, &changed].map(|file| facts(file));
        assert_eq!(digests.sha256, changed_digests.sha256, "{optional_size}");
        assert!(!image.conformant && !changed_image.conformant, "{optional_size}");
    }
}

#[test]
fn section_headers_behind_the_size_of_headers_are_loadable_and_not_conformant() {
    let mut file = signed();
    for (size, conformant) in [(SECTIONS + 80, true), (SECTIONS + 79, false), (NT, false)] {
        put_u32(&mut file, SIZE_OF_HEADERS, size);
        assert_eq!(is_conformant(&file), conformant, "{size:#x}");
    }
}

/// The digest stays what other tools compute: behind all sections leaving the table out leaves out no code.
#[test]
fn a_table_that_is_not_on_eight_bytes_or_does_not_end_the_file_counts_for_nothing() {
    for residue in 1..8 {
        let mut file = Pe::default().build();
        let start = file.len() + residue;
        file.resize(start, 7);
        file.resize(start + 64, 0x5a);
        put_u32(&mut file, SECURITY_ENTRY, start);
        put_u32(&mut file, SECURITY_ENTRY + 4, 64);
        let (image, digests) = facts(&file);
        assert!(!image.conformant, "{residue}");
        assert_eq!(
            digests.sha256,
            Some(digest_without(&file, Some((start, start + 64))))
        );
    }
    for less in [1, 8, 56] {
        let mut file = signed();
        let (start, end) = (file.len() - 64, file.len() - less);
        put_u32(&mut file, SECURITY_ENTRY + 4, 64 - less);
        let (image, digests) = facts(&file);
        assert!(!image.conformant, "{less}");
        assert_eq!(digests.sha256, Some(digest_without(&file, Some((start, end)))));
        assert_eq!(digests.flat_sha256, Some(sha256(&[&file])));
        put_u32(&mut file, SECURITY_ENTRY + 4, 64);
        assert!(is_conformant(&file));
    }
}

/// Of 400 real drivers 14 end their last section in mid-sector; the table begins there.
#[test]
fn a_table_may_share_the_last_page_of_the_last_section_and_no_more() {
    let sections = vec![(0x1000, vec![0xcc; 0x400]), (0x1_0000, vec![0x11; 0x1f8])];
    let ragged = Pe {
        sections,
        table: vec![0x5a; 0x2000],
        ..Pe::default()
    }
    .build();
    assert!(is_conformant(&ragged));
    // Where data is counted in units larger than a page, a unit may reach further into the table.
    let mut wide = ragged.clone();
    put_u32(&mut wide, SECTION_ALIGNMENT, 0x1_0000);
    put_u32(&mut wide, FILE_ALIGNMENT, 0x1000);
    assert!(is_conformant(&wide));
    put_u32(&mut wide, FILE_ALIGNMENT, 0x4000);
    assert!(!is_conformant(&wide));
    // What memory has no room for is not mapped; the memory of a section is counted in whole units too.
    put_u32(&mut wide, SECTION_ALIGNMENT, 0x4000);
    assert!(!is_conformant(&wide));
}

/// Below a page the file is mapped as it lies, up to `SizeOfImage`.
#[test]
fn a_flat_image_is_conformant_unless_it_maps_its_table() {
    for alignment in [32, 64, 128, 512, 2048] {
        let mut file = signed();
        put_u32(&mut file, SECTION_ALIGNMENT, alignment);
        put_u32(&mut file, FILE_ALIGNMENT, alignment);
        for (index, (start, size)) in [(0x400, 0x400), (0x800, 0x200)].into_iter().enumerate() {
            put_u32(&mut file, SECTIONS + 40 * index + 12, start);
            put_u32(&mut file, SECTIONS + 40 * index + RAW_SIZE, size);
        }
        put_u32(&mut file, SIZE_OF_IMAGE, 0xa00);
        assert!(is_conformant(&file), "{alignment}");
        // With more than a page of table only as much of it is mapped as SizeOfImage says.
        file.resize(0x3000, 0x5a);
        put_u32(&mut file, SECURITY_ENTRY + 4, 0x3000 - 0xa00);
        assert!(is_conformant(&file), "{alignment}");
        put_u32(&mut file, SIZE_OF_IMAGE, 0x1001);
        assert!(!is_conformant(&file), "{alignment}");
        // Firmware's images have their sections elsewhere: the kernel takes none of them, and firmware maps the sections alone.
        put_u32(&mut file, SECTIONS + 12, 0x200);
        assert!(is_conformant(&file), "{alignment}");
    }
}

/// `CheckSum` and the entry as code would be code that no digest covers.
#[test]
fn no_section_maps_the_fields_left_out() {
    // The loader goes back to the sector that the data begins in.
    for (offset, alignment) in [(0x1ff, 0x1000), (0x10, 0x1000), (0xd0, 0x200), (0x110, 0x200)] {
        let mut file = signed();
        put_u32(&mut file, SECTION_ALIGNMENT, alignment);
        if alignment < 0x1000 {
            for (index, address) in [offset, 0x800].into_iter().enumerate() {
                put_u32(&mut file, SECTIONS + 40 * index + 12, address);
            }
        }
        put_u32(&mut file, SECTIONS + RAW_OFFSET, offset);
        put_u32(&mut file, SECTIONS + RAW_SIZE, 0x10);
        assert_eq!(
            is_conformant(&file),
            offset == 0x110 && alignment == 0x200,
            "{offset:#x}"
        );
    }
}

#[test]
fn sections_may_come_in_any_order_in_the_file_and_share_nothing() {
    let pe = Pe {
        sections: vec![
            (0x1000, vec![1; 0x200]),
            (0x2000, vec![2; 0x200]),
            (0x3000, vec![3; 0x200]),
        ],
        ..Pe::default()
    };
    let mut file = pe.build();
    let places = |file: &mut Vec<u8>, offsets: [usize; 3]| {
        for (index, offset) in offsets.into_iter().enumerate() {
            put_u32(file, SECTIONS + 40 * index + RAW_OFFSET, offset);
        }
        is_conformant(file)
    };
    assert!(places(&mut file, [0x800, 0x400, 0x600]));
    assert!(!places(&mut file, [0x800, 0x400, 0x700]));
    assert!(!places(&mut file, [0x400, 0x600, 0x400]));
    assert!(places(&mut file, [0x400, 0x600, 0]), "no place, no data");
}

/// A file whose reads are counted.
struct Counted<'a> {
    file: &'a [u8],
    read: u64,
}

impl Source for Counted<'_> {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let count = self.file.read_at(offset, buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

/// The loader takes as many sections as the field can say; Corkami's corpus has such a file, which runs.
#[test]
fn any_number_of_sections_is_read_in_little_more_than_the_file() {
    let mut workspace = Workspace::try_new(4096).unwrap();
    for count in [96, 97, 4000, 65535_u32] {
        let headers = (SECTIONS + 40 * count as usize).next_multiple_of(0x200);
        let mut sections: Vec<_> = (1..count)
            .map(|index| (0x30_0000 + index * 0x1000, vec![]))
            .collect();
        sections.push((0x30_0000 + count * 0x1000, vec![0xc3; 0x200]));
        let mut file = Pe {
            sections,
            declared_size: u32::try_from(headers).unwrap(),
            table: vec![0x5a; 64],
            ..Pe::default()
        }
        .build();
        put_u32(&mut file, SIZE_OF_IMAGE, 0x2000_0000);
        let mut judge = |file: &[u8]| {
            let mut source = Counted { file, read: 0 };
            let mut findings = Findings::new();
            let evidence = examine(&mut source, &Options::default(), &mut workspace, &mut findings);
            let image = evidence.map(|evidence| evidence.image.present().unwrap());
            (image.map(|image| image.conformant), source.read)
        };
        let (conformant, read) = judge(&file);
        assert_eq!(conformant, Ok(true), "{count}");
        assert!(read < 2 * file.len() as u64 + 4096, "{count}: {read}");
        // The last header counts like the first.
        let last = SECTIONS + 40 * (count as usize - 1);
        let table = file.len() - 64;
        put_u32(&mut file, last + RAW_OFFSET, table - 0x1c0);
        assert_eq!(judge(&file).0, Ok(false), "{count}");
        put_u32(&mut file, last + 12, 0x1000);
        let overlap = judge(&file).0.unwrap_err().kind;
        let expected = ErrorKind::Malformed {
            defect: Defect::SectionOverlap,
            offset: last as u64,
        };
        assert_eq!(overlap, expected);
    }
}

/// `SizeOfRawData` beyond what memory has room for is never read, so the loader does not mind that the file has not as much.
#[test]
fn data_past_the_end_of_the_file_is_refused_only_where_memory_has_room_for_it() {
    let mut file = Pe::default().build();
    let last = SECTIONS + 40;
    put_u32(&mut file, last + RAW_SIZE, 0xffff_0200);
    assert!(is_conformant(&file), "all that can be mapped is hashed");
    put_u32(&mut file, last + VIRTUAL_SIZE, 0x201);
    let expected = ErrorKind::Malformed {
        defect: Defect::SectionBounds,
        offset: last as u64,
    };
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let outcome = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings);
    assert_eq!(outcome.unwrap_err().kind, expected);
    // A table behind it is part of the data that the header claims.
    let mut file = signed();
    put_u32(&mut file, last + RAW_SIZE, 0xffff_0200);
    let (image, digests) = facts(&file);
    assert!(!image.conformant);
    assert_eq!(digests.sha256, Some(digest_without(&file, None)));
}

/// Names are found where the loader maps them: in the headers, or in a section that begins in mid-sector.
#[test]
fn resources_are_read_from_where_they_are_mapped() {
    let mut headers = Pe {
        resources: Some(0x300),
        ..Pe::default()
    }
    .build();
    let version = |file: &[u8]| {
        let mut workspace = Workspace::try_new(4096).unwrap();
        let mut findings = Findings::new();
        let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap();
        matches!(evidence.version, Fact::Absent)
    };
    assert!(version(&headers), "an empty directory");
    // One entry of the right type leads out of the directory: then it is not an empty one any more.
    put(&mut headers, 0x30e, &[1, 0, 16, 0, 0, 0, 0, 0xf0, 0, 0]);
    assert!(!version(&headers));
}
