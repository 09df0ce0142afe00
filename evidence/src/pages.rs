//! Page-hash tables, verified while the file goes by.

use crate::bytes::array;
use crate::bytes::to_u64;
use crate::bytes::to_usize;
use crate::digest::Hasher;
use crate::facts::Digests;
use crate::pe::Section;
use crate::spc::PageTable;

/// Pages of page-hash tables, whatever the image's alignment says.
pub(crate) const PAGE: u64 = 4096;

/// Compares a table with the pages of a file, which must be fed in file order.
///
/// A table has one entry for the headers, one for each 4096 bytes of each section's data in file order, the last of a section padded with
/// zeros, and one of zeros at the end.
pub(crate) struct PageVerifier<'a> {
    table: PageTable<'a>,
    /// Entries not compared yet, the headers' excluded.
    rest: &'a [u8],
    sections: &'a [Section],
    /// File range of the section data not fed yet.
    section: (u64, u64),
    /// Start of the page being hashed, and its hash so far.
    page: Option<(u64, Hasher)>,
    /// No page differed so far.
    sound: bool,
}

impl<'a> PageVerifier<'a> {
    pub(crate) fn new(table: PageTable<'a>, sections: &'a [Section]) -> Self {
        let entry = table.algorithm.length().saturating_add(4);
        let rest = table.entries.get(entry..).unwrap_or_default();
        let mut verifier = Self {
            table,
            rest,
            sections,
            section: (0, 0),
            page: None,
            sound: true,
        };
        verifier.next_section();
        verifier
    }

    /// The table this compares with.
    pub(crate) const fn table(&self) -> PageTable<'a> {
        self.table
    }

    /// Moves on to the section whose data comes next in the file.
    fn next_section(&mut self) {
        let (_, end) = self.section;
        self.section = self
            .sections
            .iter()
            .map(Section::raw_range)
            .filter(|(start, stop)| *start >= end && start < stop)
            .min()
            .unwrap_or((u64::MAX, u64::MAX));
    }

    /// Takes the file's bytes from `offset` on.
    pub(crate) fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() && self.sound {
            let (start, end) = self.section;
            let skip = to_usize(start.saturating_sub(at)).min(rest.len());
            let take = rest.get(skip..).unwrap_or_default();
            at = at.saturating_add(to_u64(skip));
            let (page_start, mut hasher) = match self.page.take() {
                Some(page) => page,
                None if take.is_empty() => return,
                None => (start, Hasher::new(self.table.algorithm)),
            };
            let page_end = page_start.saturating_add(PAGE).min(end);
            let length = to_usize(page_end.saturating_sub(at)).min(take.len());
            let (piece, tail) = take.split_at_checked(length).unwrap_or((take, &[]));
            hasher.update(piece);
            at = at.saturating_add(to_u64(length));
            rest = tail;
            if at < page_end {
                self.page = Some((page_start, hasher));
                continue;
            }
            // What is left of the section begins with the next page.
            self.section = (page_end, end);
            self.compare(page_start, page_end, hasher);
            if page_end >= end {
                self.next_section();
            }
        }
    }

    fn compare(&mut self, start: u64, end: u64, mut hasher: Hasher) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let missing = to_usize(start.saturating_add(PAGE).saturating_sub(end));
        hasher.update(ZEROS.get(..missing).unwrap_or_default());
        let hash = hasher.finish();
        let entry = self.next_entry();
        self.sound = entry.is_some_and(|(offset, entry)| offset == start && entry == hash.as_bytes());
    }

    fn next_entry(&mut self) -> Option<(u64, &'a [u8])> {
        let length = self.table.algorithm.length().saturating_add(4);
        let (entry, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let (_, hash) = entry.split_at_checked(4)?;
        Some((u64::from(u32::from_le_bytes(array(entry, 0)?)), hash))
    }

    /// Whether the whole table is the file's, whose digests these are.
    pub(crate) fn finish(mut self, digests: &Digests) -> bool {
        // Of the offset of the last entry there are two conventions; its hash of zeros says enough.
        let ends = self
            .next_entry()
            .is_some_and(|(_, hash)| hash.iter().all(|byte| *byte == 0))
            && self.rest.is_empty();
        let first_page = match self.table.algorithm.length() {
            20 => digests.first_page_sha1.as_ref().map(<[u8; 20]>::as_slice),
            _ => digests.first_page_sha256.as_ref().map(<[u8; 32]>::as_slice),
        };
        let fed = self.section == (u64::MAX, u64::MAX) && self.page.is_none();
        let begins = self
            .table
            .entries
            .split_at_checked(4)
            .is_some_and(|(offset, hash)| {
                offset == [0; 4] && first_page.is_some_and(|page| hash.starts_with(page))
            });
        self.sound && fed && begins && ends
    }
}
