//! DOS, NT and section headers, checked as the Windows loader checks them.

extern crate alloc;

use alloc::vec::Vec;

use super::layout::CertificateTable;
use super::layout::Headers;
use super::sections::SECTION_HEADER_SIZE;
use super::sections::Section;
use super::sections::read_sections;
use crate::bytes::array;
use crate::bytes::fill;
use crate::bytes::to_u64;
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
const EXECUTABLE_IMAGE: u16 = 0x0002;
const PE32: u16 = 0x010b;
const PE32_PLUS: u16 = 0x020b;
/// Offset of `CheckSum` in either optional header.
const CHECKSUM_FIELD: u64 = 64;
const RESOURCE_DIRECTORY: u32 = 2;
const SECURITY_DIRECTORY: u32 = 4;

/// Reads the headers, and the sections into `sections` by way of `chunk`.
///
/// # Errors
/// [`ErrorKind::NotPe`], or [`ErrorKind::Malformed`] for what the loader itself would refuse.
#[inline(never)]
pub(crate) fn read_headers<S: Source + ?Sized>(
    source: &mut S,
    chunk: &mut [u8],
    sections: &mut Vec<Section>,
) -> Result<Headers, ErrorKind> {
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
    let optional = nt.saturating_add(FILE_HEADER_SIZE);
    let section_table = optional.saturating_add(u64::from(optional_size));
    let headers_end = section_table.saturating_add(to_u64(count.saturating_mul(SECTION_HEADER_SIZE)));
    if headers_end > size {
        return malformed(Defect::TruncatedHeaders, 0);
    }
    let fields = OptionalHeader::read(source, optional, size)?;
    fields.check(optional)?;
    read_sections(source, section_table, count, chunk, sections)?;

    let field = |at: u64, length| (at, at.saturating_add(length));
    let mut headers = Headers {
        image: Image {
            machine,
            subsystem: fields.subsystem,
            characteristics,
            conformant: false,
            size,
        },
        checksum: field(optional.saturating_add(CHECKSUM_FIELD), 4),
        security_entry: fields.security.map(|(entry, _, _)| field(entry, 8)),
        table: CertificateTable::NoEntry,
        table_left_out: (0, 0),
        resources: fields.resources,
        declared_size: fields.declared_size,
        section_table: (section_table, headers_end),
        section_alignment: fields.section_alignment,
        file_alignment: fields.file_alignment,
        size_of_image: fields.size_of_image,
        is_mapped_flat: false,
    };
    let entry = fields.security.map(|(_, offset, length)| (offset, length));
    headers.place_table(entry, sections);
    Ok(headers)
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
                .map(|(entry, offset, size)| (at.saturating_add(to_u64(entry)), offset, size)),
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
