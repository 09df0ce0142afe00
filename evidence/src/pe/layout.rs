//! What the headers of an image say: where its parts lie in the file, what of the file the loader maps, and whether all of that is
//! under the Authenticode digest.

use super::sections::Section;
use crate::facts::Image;

/// The unit in which the loader counts the file: data begins and ends on it, whatever the headers say.
const SECTOR: u64 = 512;
/// Page size of every architecture that Windows runs drivers on.
const PAGE: u64 = 4096;
/// The certificate table begins on this boundary.
const TABLE_ALIGNMENT: u64 = 8;

/// The attribute certificate table, as its directory entry gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateTable {
    /// The directory has no entry for one: nothing is left out of the digest for the entry either.
    NoEntry,
    /// The entry is empty.
    Empty,
    /// It lies behind headers and sections, on 8 bytes, and ends the file.
    Present {
        /// File offset in bytes.
        offset: u64,
        /// Size in bytes.
        size: u64,
    },
    /// It lies anywhere else. No signature in it counts.
    Misplaced {
        /// File offset in bytes, as the entry gives it: it may lie behind the end of the file.
        offset: u64,
        /// Size in bytes, as the entry gives it.
        size: u64,
    },
}

/// What the headers say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers {
    pub(crate) image: Image,
    /// File range of `CheckSum`.
    pub(crate) checksum: (u64, u64),
    /// File range of the security directory entry, if the directory reaches that far.
    pub(crate) security_entry: Option<(u64, u64)>,
    pub(crate) table: CertificateTable,
    /// File range of the certificate table as far as it is left out of the digest: empty where that would leave out what is mapped.
    pub(crate) table_left_out: (u64, u64),
    /// Virtual address of the resource directory, if there is one.
    pub(crate) resources: Option<u32>,
    /// `SizeOfHeaders`.
    pub(crate) declared_size: u32,
    pub(super) section_table: (u64, u64),
    pub(super) section_alignment: u32,
    pub(super) file_alignment: u32,
    pub(super) size_of_image: u32,
    /// Whether the loader maps the file as it lies instead of section by section.
    pub(super) is_mapped_flat: bool,
}

impl Headers {
    /// Finds out how the image is mapped, where the certificate table lies that the entry describes, and whether the image is conformant.
    pub(super) fn place_table(&mut self, entry: Option<(u32, u32)>, sections: &[Section]) {
        self.is_mapped_flat = u64::from(self.section_alignment) < PAGE && lie_in_place(sections);
        let behind = self.end_of_data(sections);
        self.table = match entry {
            None => CertificateTable::NoEntry,
            Some((0, _) | (_, 0)) => CertificateTable::Empty,
            Some((offset, size)) => {
                let (offset, size) = (u64::from(offset), u64::from(size));
                let end = offset.saturating_add(size);
                if offset >= behind && end <= self.image.size {
                    self.table_left_out = (offset, end);
                }
                if offset >= behind && offset.is_multiple_of(TABLE_ALIGNMENT) && end == self.image.size {
                    CertificateTable::Present { offset, size }
                } else {
                    CertificateTable::Misplaced { offset, size }
                }
            }
        };
        self.image.conformant = is_conformant(self, sections);
    }

    /// Where headers and data of sections end in the file, as the headers say it.
    fn end_of_data(&self, sections: &[Section]) -> u64 {
        let (_, headers_end) = self.section_table;
        sections
            .iter()
            .filter(|section| section.raw_size > 0)
            .map(|section| section.raw_range().1)
            .fold(headers_end.max(u64::from(self.declared_size)), u64::max)
    }

    /// File range that the loader maps for a section, taken as wide as any of its readings. It begins on a sector and ends on
    /// `FileAlignment`, but not behind the section's memory nor the file.
    fn mapped(&self, section: &Section) -> (u64, u64) {
        let (start, end) = section.raw_range();
        if start >= end {
            return (0, 0);
        }
        if self.is_mapped_flat {
            return (start, end.min(self.image.size));
        }
        let unit = u64::from(self.file_alignment).max(SECTOR);
        let first = start.saturating_sub(start % SECTOR);
        let end = round_up(end, unit).max(first.saturating_add(round_up(u64::from(section.raw_size), unit)));
        let memory = round_up(
            u64::from(section.memory_size()),
            u64::from(self.section_alignment).max(PAGE),
        );
        (first, end.min(first.saturating_add(memory)).min(self.image.size))
    }

    /// The file offset of `rva`, and how many bytes of the file are mapped from there on.
    pub(super) fn file_offset(&self, sections: &[Section], rva: u32) -> Option<(u64, u64)> {
        let at = u64::from(rva);
        // In memory sections follow each other: it is in the last one that begins before it.
        let section = sections
            .iter()
            .filter(|section| section.virtual_address <= rva)
            .max_by_key(|section| section.virtual_address)
            .filter(|_| !self.is_mapped_flat);
        let (offset, end) = match section {
            Some(section) => {
                let (start, end) = self.mapped(section);
                let inside = at.saturating_sub(u64::from(section.virtual_address));
                (start.saturating_add(inside), end)
            }
            None if self.is_mapped_flat => (at, u64::from(self.size_of_image).min(self.image.size)),
            None => (at, u64::from(self.declared_size).min(self.image.size)),
        };
        let left = end.checked_sub(offset).filter(|left| *left > 0)?;
        Some((offset, left))
    }
}

/// The rule by which an image may be known by its Authenticode digest, and so by catalogues and signatures; any other is known by
/// its flat digest alone.
///
/// Every byte that the loader maps is under the digest, but for `CheckSum` and the security directory entry where the headers have
/// them, and for what follows the end of a section's data in its last page. So:
///
/// - the section table lies within `SizeOfHeaders`, and neither field left out lies in it or is mapped by a section;
/// - there is no certificate table, or it lies behind headers and sections, on 8 bytes, and ends the file;
/// - nothing maps more of it than what shares the last page of the data before it;
/// - no two sections share data.
///
/// Microsoft does not publish its own test. The last demand, the alignment and the end of the table are the format's.
fn is_conformant(headers: &Headers, sections: &[Section]) -> bool {
    let table = match headers.table {
        CertificateTable::NoEntry | CertificateTable::Empty => headers.image.size,
        CertificateTable::Present { offset, .. } => offset,
        CertificateTable::Misplaced { .. } => return false,
    };
    let (_, headers_end) = headers.section_table;
    let left_out = [Some(headers.checksum), headers.security_entry];
    let maps_left_out = |range| left_out.iter().flatten().any(|field| overlap(*field, range));
    let sound_headers =
        headers_end <= u64::from(headers.declared_size) && !maps_left_out(headers.section_table);

    let flat_end = round_up(u64::from(headers.size_of_image), PAGE).min(headers.image.size);
    let sound_image =
        !headers.is_mapped_flat || flat_end <= table.max(round_up(headers.end_of_data(sections), PAGE));
    let sound_sections = sections.iter().all(|section| {
        let (start, end) = headers.mapped(section);
        let (_, data_end) = section.raw_range();
        let last_page = start.saturating_add(round_up(data_end.saturating_sub(start), PAGE));
        end <= table.max(last_page) && !maps_left_out((start, end))
    });
    sound_headers && sound_image && sound_sections && !data_overlaps(sections)
}

/// Whether every section's data lies in the file where it does in memory. Of images whose `SectionAlignment` is below a page the loader
/// takes only such; others are for firmware, which maps them section by section.
fn lie_in_place(sections: &[Section]) -> bool {
    sections
        .iter()
        .filter(|section| section.raw_size > 0)
        .all(|section| section.raw_offset == section.virtual_address)
}

/// Whether two of the sections, which are in file order, share data.
fn data_overlaps(sections: &[Section]) -> bool {
    let mut free = 0;
    sections
        .iter()
        .map(Section::raw_range)
        .filter(|(start, end)| start < end)
        .any(|(start, end)| start < core::mem::replace(&mut free, end))
}

fn overlap((start, end): (u64, u64), (other_start, other_end): (u64, u64)) -> bool {
    start < other_end && other_start < end
}

/// `value` rounded up to a multiple of `unit`, which is not zero.
fn round_up(value: u64, unit: u64) -> u64 {
    value.checked_next_multiple_of(unit).unwrap_or(u64::MAX)
}
