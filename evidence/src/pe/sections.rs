//! Section headers: read however many there are, checked as the loader checks them, and kept in the order of the file.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::fill;
use crate::bytes::to_u64;
use crate::bytes::u32_at;
use crate::error::Defect;
use crate::error::ErrorKind;
use crate::error::NoMemory;
use crate::source::Source;

/// Room that is kept for sections from one file to the next. The loader takes as many as the field can say, 65535; real drivers
/// have a dozen, and whoever has more takes a buffer of up to 1 MiB of its own.
pub(crate) const USUAL_SECTIONS: usize = 96;
pub(super) const SECTION_HEADER_SIZE: usize = 40;

/// A section header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) virtual_address: u32,
    pub(crate) virtual_size: u32,
    pub(crate) raw_offset: u32,
    pub(crate) raw_size: u32,
}

impl Section {
    fn read(header: &[u8; SECTION_HEADER_SIZE]) -> Self {
        let field = |offset| u32_at(header, offset).unwrap_or_default();
        let raw_offset = field(20);
        Self {
            virtual_address: field(12),
            virtual_size: field(8),
            raw_offset,
            // Without a place in the file there is no data, whatever the size says.
            raw_size: if raw_offset == 0 { 0 } else { field(16) },
        }
    }

    /// File range of its data as the header says it, end excluded: the end may lie behind that of the file.
    pub(crate) fn raw_range(&self) -> (u64, u64) {
        let start = u64::from(self.raw_offset);
        (start, start.saturating_add(u64::from(self.raw_size)))
    }

    /// The bytes it takes in memory before rounding.
    pub(super) const fn memory_size(&self) -> u32 {
        if self.virtual_size == 0 {
            self.raw_size
        } else {
            self.virtual_size
        }
    }

    /// Sections in file order; those without data have no place in it.
    const fn place(&self) -> (u32, u32) {
        (self.raw_offset, self.raw_size)
    }
}

/// Reads `count` section headers from `at` on into `sections`, by way of `chunk`, and puts them into the order of the file.
///
/// # Errors
/// Those of the source, [`ErrorKind::NoMemory`], and [`ErrorKind::Malformed`] for what the loader would refuse: sections that
/// do not follow each other in memory, and data behind the end of the file. Only the data that memory has room for counts:
/// what `SizeOfRawData` says beyond `VirtualSize` is never read.
pub(super) fn read_sections<S: Source + ?Sized>(
    source: &mut S,
    at: u64,
    count: usize,
    chunk: &mut [u8],
    sections: &mut Vec<Section>,
) -> Result<(), ErrorKind> {
    sections.clear();
    if sections.capacity() > USUAL_SECTIONS {
        *sections = Vec::new();
    }
    sections.try_reserve_exact(count).map_err(|_| NoMemory)?;
    let mut at = at;
    let mut left = count.saturating_mul(SECTION_HEADER_SIZE);
    let mut next_address = 0_u32;
    while left > 0 {
        let room = chunk.len().saturating_sub(chunk.len() % SECTION_HEADER_SIZE);
        let bytes = chunk.get_mut(..room.min(left)).unwrap_or_default();
        if bytes.is_empty() {
            return Err(ErrorKind::NoMemory);
        }
        fill(source, at, bytes)?;
        left = left.saturating_sub(bytes.len());
        for header in bytes.as_chunks::<SECTION_HEADER_SIZE>().0 {
            let section = Section::read(header);
            if let Some(defect) = defect(&section, next_address, source.size()) {
                return Err(ErrorKind::Malformed { defect, offset: at });
            }
            next_address = section.virtual_address.saturating_add(section.memory_size());
            at = at.saturating_add(to_u64(SECTION_HEADER_SIZE));
            if sections.len() < sections.capacity() {
                sections.push(section);
            }
        }
    }
    sort_by_place(sections);
    Ok(())
}

/// What the loader would refuse in a section behind one that ends at `next_address` in memory.
fn defect(section: &Section, next_address: u32, file_size: u64) -> Option<Defect> {
    let end = section.virtual_address.checked_add(section.memory_size());
    if end.is_none() || section.virtual_address < next_address {
        return Some(Defect::SectionOverlap);
    }
    let needed = section.raw_size.min(section.memory_size());
    let data_end = u64::from(section.raw_offset).saturating_add(u64::from(needed));
    (data_end > file_size).then_some(Defect::SectionBounds)
}

/// Heap sort: in place, without recursion, and never more than `n log n` steps, whatever order a hostile file chose.
fn sort_by_place(sections: &mut [Section]) {
    let count = sections.len();
    for root in (0..count / 2).rev() {
        sift(sections, root);
    }
    for end in (1..count).rev() {
        swap(sections, 0, end);
        sift(sections.get_mut(..end).unwrap_or_default(), 0);
    }
}

/// Like the slice's own, which panics where this does nothing.
fn swap(sections: &mut [Section], one: usize, other: usize) {
    if let Ok([one, other]) = sections.get_disjoint_mut([one, other]) {
        core::mem::swap(one, other);
    }
}

/// Moves the section at `root` down to where no section below it comes later.
fn sift(heap: &mut [Section], root: usize) {
    let mut root = root;
    loop {
        let left = root.saturating_mul(2).saturating_add(1);
        let place = |at: usize| heap.get(at).map(Section::place);
        let later = if place(left) < place(left.saturating_add(1)) {
            left.saturating_add(1)
        } else {
            left
        };
        if place(later) <= place(root) {
            return;
        }
        swap(heap, root, later);
        root = later;
    }
}

#[cfg(test)]
mod tests {
    use super::Section;
    use super::sort_by_place;

    extern crate std;

    use std::vec::Vec;

    #[test]
    fn sections_come_in_the_order_of_the_file() {
        for count in [0_u32, 1, 2, 3, 7, 96, 1000] {
            // Each multiplier leads through its sections in another order.
            for step in [1_u32, 7, 0x9e37_79b1, u32::MAX] {
                let mut sections: Vec<_> = (0..count)
                    .map(|index| Section {
                        raw_offset: index.wrapping_mul(step) % 512,
                        raw_size: index,
                        ..Section::default()
                    })
                    .collect();
                let mut expected = sections.clone();
                expected.sort_by_key(|section| (section.raw_offset, section.raw_size));
                sort_by_place(&mut sections);
                assert_eq!(sections, expected);
            }
        }
    }
}
