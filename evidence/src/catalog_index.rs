//! Catalogues by the digests they list: built once, looked up by every file that carries no signature of its own.
//!
//! The index is one block of bytes that needs no unpacking, so that a host can keep it and a compiled policy set can carry it
//! into the kernel, where catalogues cannot be searched. All numbers are little-endian:
//!
//! | part | content |
//! |---|---|
//! | header | `GHCATIDX`, then as 32-bit numbers: version (2), SHA-1 members, SHA-256 members, catalogues, signers, bytes of data |
//! | members | for each SHA-1, sorted: 20 bytes and the catalogue's number; the same for SHA-256 with 32 bytes |
//! | catalogues | for each: offset and length of its name in the data, number of its first signer, how many it has |
//! | signers | for each: offset and length in the data |
//! | data | for each catalogue: its signers, then its name |
//!
//! A signer is what a proven signature of a catalogue says: see `catalog_signer`. Only proven ones are taken in. Nothing in an index is proven again:
//! it is as good as whoever wrote it.
//!
//! Catalogues stand in the order in which they count: those under App Control's own roots, those under other known roots, the rest. So
//! whoever adds catalogues of his own hides none of the former.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::bytes::to_usize;
use crate::bytes::u32_at;
use crate::catalog_signer::Signer;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Digests;
use crate::facts::Hash;
use crate::facts::Unreadable;
use crate::md2::Allowance;
use crate::signatures::Draft;

pub(crate) const MAGIC: &[u8; 8] = b"GHCATIDX";
pub(crate) const VERSION: u32 = 2;
const HEADER: usize = 32;
pub(crate) const SHA1_ENTRY: usize = 24;
pub(crate) const SHA256_ENTRY: usize = 36;
pub(crate) const CATALOG_ENTRY: usize = 16;
pub(crate) const SIGNER_ENTRY: usize = 8;
/// Most signers of a catalogue that an index keeps; real ones have one or two.
pub const MAX_SIGNERS_OF_CATALOG: usize = 16;
/// Most catalogues that are looked at for one file. Real files have up to five.
pub const MAX_CATALOGS_OF_FILE: usize = 64;
/// Most of their signers.
const MAX_SIGNERS_OF_FILE: usize = 64;
/// Most bytes of those signers, whose certificates have to be read and hashed.
const MAX_BYTES_OF_FILE: usize = 256 << 10;

/// An index over catalogues, in the bytes it is kept in.
#[derive(Clone, Copy, Debug)]
pub struct CatalogIndex<'i> {
    pub(crate) sha1: &'i [[u8; SHA1_ENTRY]],
    pub(crate) sha256: &'i [[u8; SHA256_ENTRY]],
    pub(crate) catalogs: &'i [[u8; CATALOG_ENTRY]],
    pub(crate) signers: &'i [[u8; SIGNER_ENTRY]],
    pub(crate) data: &'i [u8],
}

/// The digests by which a catalogue may list a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing {
    sha1: Option<[u8; 20]>,
    sha256: Option<[u8; 32]>,
}

impl Listing {
    /// Of an image: its Authenticode digests if it is conformant. They do not cover all of any other, which is listed by the digests
    /// of the whole file alone.
    pub(crate) const fn of_image(digests: &Digests, conformant: bool) -> Self {
        if conformant {
            Self {
                sha1: digests.sha1,
                sha256: digests.sha256,
            }
        } else {
            Self {
                sha1: digests.flat_sha1,
                sha256: digests.flat_sha256,
            }
        }
    }
}

impl<'i> CatalogIndex<'i> {
    /// Reads an index. Nothing in it is trusted to be in range; a look-up in a damaged index finds too little, and never fails.
    ///
    /// `None` for bytes that are no index of this version, or not as long as they say.
    pub fn read(bytes: &'i [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEADER)?;
        let number = |place: usize| u32_at(head, place).map(to_usize);
        if !head.starts_with(MAGIC) || u32_at(head, 8)? != VERSION {
            return None;
        }
        let (sha1, rest) = table::<SHA1_ENTRY>(rest, number(12)?)?;
        let (sha256, rest) = table::<SHA256_ENTRY>(rest, number(16)?)?;
        let (catalogs, rest) = table::<CATALOG_ENTRY>(rest, number(20)?)?;
        let (signers, data) = table::<SIGNER_ENTRY>(rest, number(24)?)?;
        (data.len() == number(28)?).then_some(Self {
            sha1,
            sha256,
            catalogs,
            signers,
            data,
        })
    }

    /// How many catalogues it holds.
    pub const fn len(&self) -> usize {
        self.catalogs.len()
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.catalogs.is_empty()
    }

    /// The name under which a catalogue was added; its number is [`Signature::catalog`].
    pub fn name(&self, catalog: u32) -> Option<&'i str> {
        let entry = self.catalogs.get(to_usize(catalog))?;
        core::str::from_utf8(self.slice(u32_at(entry, 0)?, u32_at(entry, 4)?)?).ok()
    }

    pub(crate) fn slice(&self, offset: u32, length: u32) -> Option<&'i [u8]> {
        self.data.get(to_usize(offset)..)?.get(..to_usize(length))
    }

    /// The catalogues that list a file, in the order in which they count, each with the digest by which it does: by SHA-256 rather than
    /// SHA-1.
    fn find(&self, listing: Listing) -> impl Iterator<Item = (u32, Hash)> + use<'i> {
        let runs = listing.sha256.map(|hash| (matches(self.sha256, hash), hash));
        let (mut strong, sha256) = runs.map_or((None, None), |(found, hash)| (Some(found), Some(hash)));
        let runs = listing.sha1.map(|hash| (matches(self.sha1, hash), hash));
        let (mut weak, sha1) = runs.map_or((None, None), |(found, hash)| (Some(found), Some(hash)));
        let mut next_strong = strong.as_mut().and_then(Iterator::next);
        let mut next_weak = weak.as_mut().and_then(Iterator::next);
        // Both runs ascend by catalogue.
        core::iter::from_fn(move || {
            let catalog = match (next_strong, next_weak) {
                (Some(strong), Some(weak)) => strong.min(weak),
                (Some(only), None) | (None, Some(only)) => only,
                (None, None) => return None,
            };
            let mut found = None;
            if next_weak == Some(catalog) {
                found = sha1.map(Hash::Sha1);
                next_weak = weak.as_mut().and_then(Iterator::next);
            }
            if next_strong == Some(catalog) {
                found = sha256.map(Hash::Sha256);
                next_strong = strong.as_mut().and_then(Iterator::next);
            }
            Some((catalog, found?))
        })
    }

    /// Appends a signature for every signer of every catalogue that lists the file, in the order in which they count, up to a cap. Says
    /// whether there are more.
    #[inline(never)]
    pub(crate) fn collect<'w>(
        &self,
        listing: Listing,
        certificates: &mut Vec<Certificate<'w>>,
        drafts: &mut Vec<Draft<'w>>,
    ) -> Result<Option<Unreadable>, NoMemory>
    where
        'i: 'w,
    {
        let (mut signers, mut bytes) = (0_usize, 0_usize);
        let mut md2 = Allowance::of_file();
        for (count, (catalog, hash)) in self.find(listing).enumerate() {
            if count >= MAX_CATALOGS_OF_FILE {
                return Ok(Some(Unreadable::Catalogs));
            }
            for signer in self.signers_of(catalog) {
                signers = signers.saturating_add(1);
                bytes = bytes.saturating_add(signer.len());
                if signers > MAX_SIGNERS_OF_FILE || bytes > MAX_BYTES_OF_FILE {
                    return Ok(Some(Unreadable::Catalogs));
                }
                let Some(signer) = Signer::read(signer) else {
                    continue;
                };
                if let Some(draft) = signer.draft(hash, catalog, certificates, &mut md2)? {
                    push(drafts, draft)?;
                }
            }
        }
        Ok(None)
    }

    fn signers_of(&self, catalog: u32) -> impl Iterator<Item = &'i [u8]> {
        let entry = self.catalogs.get(to_usize(catalog));
        let range = entry.and_then(|entry| Some((to_usize(u32_at(entry, 8)?), to_usize(u32_at(entry, 12)?))));
        let (first, count) = range.unwrap_or_default();
        let signers = self.signers.iter().skip(first).take(count);
        let index = *self;
        signers.filter_map(move |signer| index.slice(u32_at(signer, 0)?, u32_at(signer, 4)?))
    }
}

/// Splits off `count` entries of `N` bytes.
fn table<const N: usize>(bytes: &[u8], count: usize) -> Option<(&[[u8; N]], &[u8])> {
    let (entries, rest) = bytes.split_at_checked(count.checked_mul(N)?)?;
    let (entries, _) = entries.as_chunks::<N>();
    Some((entries, rest))
}

/// The catalogue numbers beside this hash in a sorted table.
fn matches<const H: usize, const N: usize>(table: &[[u8; N]], hash: [u8; H]) -> impl Iterator<Item = u32> {
    let first = table.partition_point(|entry| entry.get(..H).is_some_and(|key| key < hash.as_slice()));
    let tail = table.get(first..).unwrap_or_default();
    tail.iter()
        .take_while(move |entry| entry.starts_with(&hash))
        .filter_map(|entry| u32_at(entry, H))
}
