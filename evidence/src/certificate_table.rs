//! The certificate table of an image: the signatures in it, and what they ask to have computed of the image.

use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::der::Element;
use crate::der::SEQUENCE;
use crate::digest::Algorithm;
use crate::facts::Digests;
use crate::oid;
use crate::pkcs7::SignedData;
use crate::spc::IndirectData;
use crate::spc::PageTable;

/// Signatures looked at in one file.
pub(crate) const MAX_SIGNATURES: usize = 16;
/// How deep signatures may nest in each other.
pub(crate) const MAX_NESTING: u8 = 3;

/// The largest image, in bytes, whose SHA-384 or SHA-512 is computed for its signatures.
const MAX_LONG: u64 = 32 << 20;

/// Bytes of a `WIN_CERTIFICATE` before what it holds.
const ENTRY_HEADER: usize = 8;

/// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
const PKCS_SIGNED_DATA: u16 = 0x0002;

/// Bytes at the beginning of a message that name its type: two lengths of at most 126 bytes (X.690, 8.1.3.5) stand before.
const CONTENT_TYPE: usize = 2 * (2 + 126) + oid::SIGNED_DATA.len();

/// The entries of a certificate table that are signatures: that say so, or that begin as a message does whatever they say, for what a
/// signature claims does not depend on it. Anything else is there for somebody else, as the data of installers is.
pub(crate) fn table_entries(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = table;
    let entries = core::iter::from_fn(move || {
        let length = to_usize(u32_at(rest, 0)?);
        let kind = u16_at(rest, 6)?;
        let (entry, _) = rest.split_at_checked(length.min(rest.len()))?;
        let body = entry.get(ENTRY_HEADER..)?;
        // Entries are aligned to 8 bytes.
        rest = rest
            .get(length.checked_next_multiple_of(8)?..)
            .unwrap_or_default();
        Some((kind, body))
    });
    entries
        .filter(|(kind, body)| *kind == PKCS_SIGNED_DATA || begins_as_a_message(body))
        .map(|(_, body)| body)
}

/// Whether signed data begins here. That the rest can be read is not asked: damage to it is no way out.
fn begins_as_a_message(body: &[u8]) -> bool {
    let beginning = body.get(..CONTENT_TYPE).unwrap_or(body);
    beginning
        .windows(oid::SIGNED_DATA.len())
        .any(|window| window == oid::SIGNED_DATA)
}

/// Bytes of a certificate table that are neither a signature nor the padding behind one: behind the message of an entry, or behind the
/// entries.
pub(crate) fn extra_bytes(table: &[u8]) -> u64 {
    let mut rest = table;
    let mut extra = 0_usize;
    while let Some(length) = u32_at(rest, 0)
        .map(to_usize)
        .filter(|length| *length >= ENTRY_HEADER)
    {
        let whole = length
            .checked_next_multiple_of(8)
            .unwrap_or(length)
            .min(rest.len());
        let (entry, tail) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
        let body = entry.get(ENTRY_HEADER..).unwrap_or_default();
        // What holds no message is no entry at all.
        let message = Element::split(body).filter(|(message, _)| message.tag == SEQUENCE);
        let behind = message.map_or(entry, |(_, behind)| behind);
        extra = extra.saturating_add(if is_padding(behind) { 0 } else { behind.len() });
        rest = tail;
    }
    extra = extra.saturating_add(if is_padding(rest) { 0 } else { rest.len() });
    crate::bytes::to_u64(extra)
}

/// Whether these are the zeros that fill up to 8 bytes.
fn is_padding(bytes: &[u8]) -> bool {
    bytes.len() < 8 && bytes.iter().all(|byte| *byte == 0)
}

/// What has to be computed of the image before its signatures can be judged.
///
/// Each is a pass over all of its bytes, and a table may ask for many: one of the long digests is computed, the first that is asked for, and
/// where none is, up to two page-hash tables are compared. No real file asks for more. A long digest takes more than twice as long as
/// both that every image needs, so that it is computed of images up to a size alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demands<'a> {
    /// SHA-384 or SHA-512.
    pub(crate) long: Option<Algorithm>,
    /// Different page-hash tables, as far as there is room.
    pub(crate) pages: [Option<PageTable<'a>>; 2],
}

impl<'a> Demands<'a> {
    /// What the signatures of a certificate table ask for, in an image of this many bytes.
    pub(crate) fn of(table: &'a [u8], size: u64) -> Self {
        let mut demands = Self::default();
        table_entries(table)
            .take(MAX_SIGNATURES)
            .for_each(|entry| demands.add(entry, 0));
        demands.long = demands.long.filter(|_| size <= MAX_LONG);
        if demands.long.is_some() {
            demands.pages = [None, None];
        }
        demands
    }

    fn add(&mut self, bytes: &'a [u8], depth: u8) {
        let Some(message) = SignedData::read(bytes) else {
            return;
        };
        let data = message
            .structure()
            .filter(|_| message.content_type == oid::SPC_INDIRECT_DATA);
        if let Some(data) = data.and_then(|content| IndirectData::read(&content)) {
            let is_long = matches!(data.algorithm, Some(Algorithm::Sha384 | Algorithm::Sha512));
            self.long = self.long.or(data.algorithm.filter(|_| is_long));
            let known = data.pages.is_none_or(|pages| self.pages.contains(&Some(pages)));
            if !known && let Some(room) = self.pages.iter_mut().find(|room| room.is_none()) {
                *room = data.pages;
            }
        }
        if depth < MAX_NESTING
            && let Some(signer) = message.signer()
        {
            let nested = signer
                .unsigned_attribute(oid::NESTED_SIGNATURE)
                .take(MAX_SIGNATURES);
            nested.for_each(|nested| self.add(nested.raw, depth.saturating_add(1)));
        }
    }
}

/// What was computed of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computed<'a> {
    pub(crate) digests: Digests,
    /// Each table that was compared, and whether it is the image's.
    pub(crate) pages: [Option<(PageTable<'a>, bool)>; 2],
}

#[cfg(test)]
mod tests {
    use super::Demands;
    use super::MAX_LONG;
    use crate::digest::Algorithm;
    use crate::testing::messages::Message;
    use crate::testing::messages::table;
    use crate::testing::signed::leaf;
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn a_table_asks_for_one_long_digest_or_for_page_hashes() {
        let pages = |first: u8| Message::with_pages(&[1; 32], &[first; 72], &leaf(), &[]).build(&[]);
        let long = |last: u8, length: usize| {
            let digest = vec![7; length];
            let algorithm = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last];
            Message::over_digest(&algorithm, &digest, &leaf()).build(&[])
        };
        let (sha384, sha512) = (long(2, 48), long(3, 64));
        let asked = |messages: &[Vec<u8>], size| {
            let table = table(messages);
            let demands = Demands::of(&table, size);
            (demands.long, demands.pages.iter().flatten().count())
        };
        assert_eq!(asked(&[pages(1), pages(2), pages(3)], 1), (None, 2));
        let all = [pages(1), sha512, pages(2), sha384];
        assert_eq!(asked(&all, MAX_LONG), (Some(Algorithm::Sha512), 0));
        assert_eq!(asked(&all, MAX_LONG + 1), (None, 2));
    }
}
