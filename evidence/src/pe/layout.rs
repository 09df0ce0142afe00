//! What the headers of an image say: where its parts lie in the file, and whether they lie as code integrity expects.

use crate::facts::Image;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// The most sections the Windows loader takes.
pub(crate) const MAX_SECTIONS: usize = 96;

/// A section header.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct Section {
    pub(crate) virtual_address: u32,
    pub(crate) virtual_size: u32,
    pub(crate) raw_offset: u32,
    pub(crate) raw_size: u32,
}

impl Section {
    /// File range of its data, end excluded.
    pub(crate) fn raw_range(&self) -> (u64, u64) {
        let start = u64::from(self.raw_offset);
        (start, start.saturating_add(u64::from(self.raw_size)))
    }

    /// The bytes it takes in memory before rounding.
    pub(crate) const fn memory_size(&self) -> u32 {
        if self.virtual_size == 0 {
            self.raw_size
        } else {
            self.virtual_size
        }
    }
}

/// The attribute certificate table, as its directory entry gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CertificateTable {
    /// The directory has no entry for one: nothing is left out of the digest for the entry either.
    NoEntry,
    /// The entry is empty.
    Empty,
    /// It lies in the file behind headers and sections.
    Present {
        /// File offset in bytes.
        offset: u64,
        /// Size in bytes.
        size: u64,
    },
    /// It lies outside the file, or over headers or sections: leaving it out of the digest would leave out code. It is hashed
    /// like any other byte, and no signature in it counts.
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
    /// File offset of `CheckSum`.
    pub(crate) checksum: u64,
    /// File offset of the security directory entry, if the directory reaches that far.
    pub(crate) security_entry: Option<u64>,
    pub(crate) table: CertificateTable,
    /// Virtual address of the resource directory, if there is one.
    pub(crate) resources: Option<u32>,
    /// `SizeOfHeaders`.
    pub(crate) declared_size: u32,
}

/// The certificate table the directory entry describes.
pub(super) fn certificate_table(
    offset: u32,
    size: u32,
    headers_end: u64,
    sections: &[Section],
    file_size: u64,
) -> CertificateTable {
    if offset == 0 || size == 0 {
        return CertificateTable::Empty;
    }
    let (offset, size) = (u64::from(offset), u64::from(size));
    let end = offset.saturating_add(size);
    let over_section = sections.iter().any(|section| {
        let (start, stop) = section.raw_range();
        start < stop && start < end && offset < stop
    });
    if end > file_size || offset < headers_end || over_section {
        return CertificateTable::Misplaced { offset, size };
    }
    CertificateTable::Present { offset, size }
}

/// Whether the image is laid out as the Authenticode format asks; where not, App Control goes by the flat file hash.
///
/// Open point: Microsoft does not publish the exact test. This takes the format's own demands: headers inside `SizeOfHeaders`, no
/// two sections over the same file bytes or over the headers, and a certificate table that is 8-byte aligned and ends the file.
pub(super) fn is_conformant(headers: &Headers, headers_end: u64, sections: &[Section]) -> bool {
    let sound_table = match headers.table {
        CertificateTable::NoEntry | CertificateTable::Empty => true,
        CertificateTable::Present { offset, size } => {
            offset.is_multiple_of(8) && offset.saturating_add(size) == headers.image.size
        }
        CertificateTable::Misplaced { .. } => false,
    };
    sound_table && headers_end <= u64::from(headers.declared_size) && !data_overlaps(sections)
}

/// Whether two sections share file bytes.
fn data_overlaps(sections: &[Section]) -> bool {
    sections.iter().enumerate().any(|(index, section)| {
        let (start, end) = section.raw_range();
        sections.iter().take(index).any(|other| {
            let (other_start, other_end) = other.raw_range();
            start < end && other_start < other_end && start < other_end && other_start < end
        })
    })
}

/// The file offset of `rva`, and how many bytes of file data follow it in the same section.
pub(super) fn file_offset(sections: &[Section], rva: u32) -> Option<(u64, u64)> {
    sections.iter().find_map(|section| {
        let inside = rva.checked_sub(section.virtual_address)?;
        let left = section.raw_size.checked_sub(inside).filter(|left| *left > 0)?;
        Some((
            u64::from(section.raw_offset).saturating_add(u64::from(inside)),
            u64::from(left),
        ))
    })
}
