//! Page-hash tables, verified while the file goes by.

use core::ops::Range;

use crate::bytes::array;
use crate::bytes::to_u64;
use crate::bytes::to_usize;
use crate::digest::Algorithm;
use crate::digest::Hasher;
use crate::facts::Digests;
use crate::pe::Section;
use crate::spc::PageTable;
use crate::workspace::Known;

/// Pages of page-hash tables, whatever the image's alignment says.
pub(crate) const PAGE: u64 = 4096;

/// Compares a table with the pages of a file, which must be fed in file order.
///
/// A table has one entry for the headers, one for each 4096 bytes of each section's data in file order, the last of a section padded with
/// zeros, and one of zeros at the end.
///
/// It borrows nothing, so that it can wait between two pieces of its file together with what it compares, which comes anew with
/// each piece: always the same [`Known`].
pub(crate) struct PageVerifier {
    algorithm: Algorithm,
    /// Where the entries stand in the certificate table.
    entries: Range<usize>,
    /// Where those stand that are not compared yet.
    rest: Range<usize>,
    /// How many sections are done with or at hand.
    sections_begun: usize,
    /// File range of the section data not fed yet.
    section: (u64, u64),
    /// Start of the page being hashed, and its hash so far.
    page: Option<(u64, Hasher)>,
    /// No page differed so far.
    sound: bool,
}

impl PageVerifier {
    /// `None` if `pages` is no part of the certificate table.
    pub(crate) fn new(pages: PageTable<'_>, file: Known<'_>) -> Option<Self> {
        let entries = range_of(pages.entries, file.table)?;
        let Range { start, end } = entries;
        // The headers' entry is looked at last.
        let first = start
            .saturating_add(pages.algorithm.length())
            .saturating_add(4)
            .min(end);
        let mut verifier = Self {
            algorithm: pages.algorithm,
            entries,
            rest: first..end,
            sections_begun: 0,
            section: (0, 0),
            page: None,
            sound: true,
        };
        verifier.next_section(file.sections);
        Some(verifier)
    }

    /// The table this compares with.
    pub(crate) fn table<'f>(&self, file: Known<'f>) -> PageTable<'f> {
        PageTable {
            algorithm: self.algorithm,
            entries: file.table.get(self.entries.clone()).unwrap_or_default(),
        }
    }

    /// Moves on to the section whose data comes next in the file.
    fn next_section(&mut self, sections: &[Section]) {
        let (_, end) = self.section;
        let rest = sections.get(self.sections_begun..).unwrap_or_default();
        let next = rest
            .iter()
            .map(Section::raw_range)
            .enumerate()
            .find(|(_, (start, stop))| *start >= end && start < stop);
        let (passed, section) = next.unwrap_or((rest.len(), (u64::MAX, u64::MAX)));
        self.sections_begun = self.sections_begun.saturating_add(passed).saturating_add(1);
        self.section = section;
    }

    /// Takes the file's bytes from `offset` on.
    pub(crate) fn feed(&mut self, offset: u64, bytes: &[u8], file: Known<'_>) {
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
                None => (start, Hasher::new(self.algorithm)),
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
            self.compare(page_start, page_end, hasher, file.table);
            if page_end >= end {
                self.next_section(file.sections);
            }
        }
    }

    fn compare(&mut self, start: u64, end: u64, mut hasher: Hasher, table: &[u8]) {
        const ZEROS: [u8; 4096] = [0; 4096];
        let missing = to_usize(start.saturating_add(PAGE).saturating_sub(end));
        hasher.update(ZEROS.get(..missing).unwrap_or_default());
        let hash = hasher.finish();
        let entry = self.next_entry(table);
        self.sound = entry.is_some_and(|(offset, entry)| offset == start && entry == hash.as_bytes());
    }

    fn next_entry<'f>(&mut self, table: &'f [u8]) -> Option<(u64, &'f [u8])> {
        let length = self.algorithm.length().saturating_add(4);
        let (entry, _) = table.get(self.rest.clone())?.split_at_checked(length)?;
        self.rest.start = self.rest.start.saturating_add(length);
        let (_, hash) = entry.split_at_checked(4)?;
        Some((u64::from(u32::from_le_bytes(array(entry, 0)?)), hash))
    }

    /// Whether the whole table is the file's, whose digests these are.
    pub(crate) fn finish(&mut self, digests: &Digests, file: Known<'_>) -> bool {
        // Of the offset of the last entry there are two conventions; its hash of zeros says enough.
        let ends = self
            .next_entry(file.table)
            .is_some_and(|(_, hash)| hash.iter().all(|byte| *byte == 0))
            && self.rest.is_empty();
        let first_page = match self.algorithm.length() {
            20 => digests.first_page_sha1.as_ref().map(<[u8; 20]>::as_slice),
            _ => digests.first_page_sha256.as_ref().map(<[u8; 32]>::as_slice),
        };
        let fed = self.section == (u64::MAX, u64::MAX) && self.page.is_none();
        let begins = self
            .table(file)
            .entries
            .split_at_checked(4)
            .is_some_and(|(offset, hash)| {
                offset == [0; 4] && first_page.is_some_and(|page| hash.starts_with(page))
            });
        self.sound && fed && begins && ends
    }
}

/// Where `part` stands in `whole`.
fn range_of(part: &[u8], whole: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}
