//! DOS, NT and section headers, checked as the Windows loader checks them.

use super::layout;
use super::layout::CertificateTable;
use super::layout::Headers;
use super::layout::MAX_SECTIONS;
use super::layout::Section;
use crate::bytes::array;
use crate::bytes::fill;
use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::error::Defect;
use crate::error::ErrorKind;
use crate::error::NotPe;
use crate::facts::Image;
use crate::source::Source;

const DOS_HEADER_SIZE: u64 = 64;
/// Signature and `IMAGE_FILE_HEADER`.
const FILE_HEADER_SIZE: u64 = 24;
/// Up to and including all 16 data directories of a PE32+ optional header.
const OPTIONAL_HEADER_MAX: usize = 240;
const SECTION_HEADER_SIZE: usize = 40;
const EXECUTABLE_IMAGE: u16 = 0x0002;
const PE32: u16 = 0x010b;
const PE32_PLUS: u16 = 0x020b;
/// Offset of `CheckSum` in either optional header.
const CHECKSUM_FIELD: u64 = 64;
const RESOURCE_DIRECTORY: u32 = 2;
const SECURITY_DIRECTORY: u32 = 4;

/// Reads the headers and fills `sections`; returns how many there are.
///
/// # Errors
/// [`ErrorKind::NotPe`], or [`ErrorKind::Malformed`] for what the loader itself would refuse.
#[inline(never)]
pub(crate) fn read_headers<S: Source + ?Sized>(
    source: &mut S,
    sections: &mut [Section; MAX_SECTIONS],
) -> Result<(Headers, usize), ErrorKind> {
    let size = source.size();
    let nt = find_nt_headers(source, size)?;
    let mut file_header = [0; 24];
    fill(source, nt, &mut file_header)?;
    if !file_header.starts_with(b"PE\0\0") {
        return Err(ErrorKind::NotPe(NotPe::NoPeHeader));
    }
    let field = |offset| u16_at(&file_header, offset).unwrap_or_default();
    let (machine, section_count, optional_size, characteristics) = (field(4), field(6), field(20), field(22));

    let malformed = |defect, offset: u64| {
        Err(ErrorKind::Malformed {
            defect,
            offset: nt.saturating_add(offset),
        })
    };
    if characteristics & EXECUTABLE_IMAGE == 0 {
        return malformed(Defect::NotExecutable, 22);
    }
    let count = usize::from(section_count);
    if count > MAX_SECTIONS {
        return malformed(Defect::TooManySections, 6);
    }
    let optional = nt.saturating_add(FILE_HEADER_SIZE);
    let section_table = optional.saturating_add(u64::from(optional_size));
    let headers_end = section_table.saturating_add(u64::from(section_count).saturating_mul(40));
    if headers_end > size {
        return malformed(Defect::TruncatedHeaders, 0);
    }
    let fields = OptionalHeader::read(source, optional, size)?;
    fields.check(optional)?;
    read_sections(
        source,
        section_table,
        sections.get_mut(..count).unwrap_or_default(),
    )?;
    let sections = sections.get(..count).unwrap_or_default();
    check_sections(sections, section_table, size)?;

    let table = match fields.security {
        None => CertificateTable::NoEntry,
        Some((_, offset, length)) => layout::certificate_table(offset, length, headers_end, sections, size),
    };
    let mut headers = Headers {
        image: Image {
            machine,
            subsystem: fields.subsystem,
            characteristics,
            conformant: false,
            size,
        },
        checksum: optional.saturating_add(CHECKSUM_FIELD),
        security_entry: fields.security.map(|(entry, _, _)| entry),
        table,
        resources: fields.resources,
        declared_size: fields.declared_size,
    };
    headers.image.conformant = layout::is_conformant(&headers, headers_end, sections);
    Ok((headers, count))
}

/// The file offset of the NT headers.
fn find_nt_headers<S: Source + ?Sized>(source: &mut S, size: u64) -> Result<u64, ErrorKind> {
    let mut start = [0; 2];
    if size < 2 {
        return Err(ErrorKind::NotPe(NotPe::TooShort));
    }
    fill(source, 0, &mut start)?;
    if &start != b"MZ" {
        return Err(ErrorKind::NotPe(NotPe::NoDosHeader));
    }
    if size < DOS_HEADER_SIZE {
        return Err(ErrorKind::NotPe(NotPe::TooShort));
    }
    let mut new_header = [0; 4];
    fill(source, 0x3c, &mut new_header)?;
    let nt = u64::from(u32::from_le_bytes(new_header));
    if nt.saturating_add(FILE_HEADER_SIZE) > size {
        return Err(ErrorKind::NotPe(NotPe::NoPeHeader));
    }
    Ok(nt)
}

struct OptionalHeader {
    subsystem: u16,
    section_alignment: u32,
    file_alignment: u32,
    size_of_image: u32,
    declared_size: u32,
    resources: Option<u32>,
    /// File offset of the entry, and the offset and size it gives.
    security: Option<(u64, u32, u32)>,
}

impl OptionalHeader {
    fn read<S: Source + ?Sized>(source: &mut S, at: u64, size: u64) -> Result<Self, ErrorKind> {
        let mut buffer = [0; OPTIONAL_HEADER_MAX];
        // Like the loader, go by the number of directories and not by SizeOfOptionalHeader: both may disagree.
        let available = to_usize(size.saturating_sub(at)).min(OPTIONAL_HEADER_MAX);
        fill(source, at, buffer.get_mut(..available).unwrap_or_default())?;
        let truncated = ErrorKind::Malformed {
            defect: Defect::TruncatedHeaders,
            offset: at,
        };
        let bytes = buffer.get(..available).ok_or(truncated)?;

        let directories: usize = match u16_at(bytes, 0) {
            Some(PE32) => 96,
            Some(PE32_PLUS) => 112,
            Some(_) => {
                return Err(ErrorKind::Malformed {
                    defect: Defect::OptionalHeaderMagic,
                    offset: at,
                });
            }
            None => return Err(truncated),
        };
        let number = |offset| u32_at(bytes, offset).ok_or(truncated);
        let directory_count = number(directories.saturating_sub(4))?;
        // An entry cut off by the end of the file reads as absent; the sections behind it then fail their own checks.
        let directory = |index: u32| {
            let entry = directories.saturating_add(to_usize(index).saturating_mul(8));
            (index < directory_count)
                .then(|| array::<8>(bytes, entry))
                .flatten()
                .and_then(|fields| Some((entry, u32_at(&fields, 0)?, u32_at(&fields, 4)?)))
        };
        Ok(Self {
            subsystem: u16_at(bytes, 68).ok_or(truncated)?,
            section_alignment: number(32)?,
            file_alignment: number(36)?,
            size_of_image: number(56)?,
            declared_size: number(60)?,
            resources: directory(RESOURCE_DIRECTORY)
                .filter(|(_, rva, size)| *rva != 0 && *size != 0)
                .map(|(_, rva, _)| rva),
            security: directory(SECURITY_DIRECTORY)
                .map(|(entry, offset, size)| (at.saturating_add(crate::bytes::to_u64(entry)), offset, size)),
        })
    }

    /// The checks of the kernel's image verification on these fields.
    fn check(&self, at: u64) -> Result<(), ErrorKind> {
        let malformed = |defect, field: u64| {
            Err(ErrorKind::Malformed {
                defect,
                offset: at.saturating_add(field),
            })
        };
        let (file, section) = (self.file_alignment, self.section_alignment);
        let odd_file_alignment = file & 511 != 0 && file != section;
        if !file.is_power_of_two() || odd_file_alignment || section < file || !section.is_power_of_two() {
            return malformed(Defect::Alignment, 36);
        }
        if self.declared_size >= self.size_of_image {
            return malformed(Defect::SizeOfHeaders, 60);
        }
        Ok(())
    }
}

fn read_sections<S: Source + ?Sized>(
    source: &mut S,
    at: u64,
    sections: &mut [Section],
) -> Result<(), ErrorKind> {
    let mut at = at;
    // A few at a time: one read each would be slow through a kernel file handle, all at once too much stack.
    for group in sections.chunks_mut(8) {
        let mut bytes = [0; 8 * SECTION_HEADER_SIZE];
        let length = group.len().saturating_mul(SECTION_HEADER_SIZE);
        let bytes = bytes.get_mut(..length).unwrap_or_default();
        fill(source, at, bytes)?;
        at = at.saturating_add(crate::bytes::to_u64(length));
        for (section, header) in group.iter_mut().zip(bytes.as_chunks::<SECTION_HEADER_SIZE>().0) {
            let field = |offset| u32_at(header, offset).unwrap_or_default();
            *section = Section {
                virtual_size: field(8),
                virtual_address: field(12),
                raw_size: field(16),
                raw_offset: field(20),
            };
            if section.raw_offset == 0 {
                section.raw_size = 0;
            }
        }
    }
    Ok(())
}

/// Sections must follow each other in memory, and their data must lie in the file.
fn check_sections(sections: &[Section], table: u64, file_size: u64) -> Result<(), ErrorKind> {
    let mut at = table;
    let mut next_address = 0_u32;
    for section in sections {
        let end = section.virtual_address.checked_add(section.memory_size());
        let (_, data_end) = section.raw_range();
        let defect = match end {
            Some(end) if section.virtual_address >= next_address => {
                next_address = end;
                (data_end > file_size).then_some(Defect::SectionBounds)
            }
            _ => Some(Defect::SectionOverlap),
        };
        if let Some(defect) = defect {
            return Err(ErrorKind::Malformed { defect, offset: at });
        }
        at = at.saturating_add(40);
    }
    Ok(())
}
