//! Catalogues by the digests they list: built once, looked up by every file that carries no signature of its own.
//!
//! The index is one block of bytes that needs no unpacking, so that a host can keep it on disk and a compiled policy set can carry it
//! into the kernel, where catalogues cannot be searched. All numbers are little-endian:
//!
//! | part | content |
//! |---|---|
//! | header | `GHCATIDX`, then as 32-bit numbers: version (1), SHA-1 members, SHA-256 members, catalogues, signers, bytes of data |
//! | members | for each SHA-1, sorted: 20 bytes and the catalogue's number; the same for SHA-256 with 32 bytes |
//! | catalogues | for each: offset and length of its name in the data, number of its first signer, how many it has |
//! | signers | for each: offset and length in the data |
//! | data | names and signers |
//!
//! A signer is what a proven signature of a catalogue says: see `encode_signer` beside the builder. Only proven ones are taken in.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::array;
use crate::bytes::push;
use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::der::Element;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Digests;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Identity;
use crate::facts::Root;
use crate::facts::Signature;
use crate::facts::SignatureSource;
use crate::facts::Timestamp;
use crate::facts::Unreadable;
use crate::signatures::Draft;
use crate::text::Text;
use crate::x509::X509;

pub(crate) const MAGIC: &[u8; 8] = b"GHCATIDX";
pub(crate) const VERSION: u32 = 1;
const HEADER: usize = 32;
pub(crate) const SHA1_ENTRY: usize = 24;
pub(crate) const SHA256_ENTRY: usize = 36;
pub(crate) const CATALOG_ENTRY: usize = 16;
pub(crate) const SIGNER_ENTRY: usize = 8;
const SIGNER_HEAD: usize = 20;
/// Catalogues looked at for one file; real ones have one or two.
const MAX_CATALOGS: usize = 4;

/// An index over catalogues, in the bytes it is kept in.
#[derive(Clone, Copy, Debug)]
pub struct CatalogIndex<'i> {
    sha1: &'i [[u8; SHA1_ENTRY]],
    sha256: &'i [[u8; SHA256_ENTRY]],
    catalogs: &'i [[u8; CATALOG_ENTRY]],
    signers: &'i [[u8; SIGNER_ENTRY]],
    data: &'i [u8],
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

    fn slice(&self, offset: u32, length: u32) -> Option<&'i [u8]> {
        self.data.get(to_usize(offset)..)?.get(..to_usize(length))
    }

    /// The catalogues that list a file of these digests, and the digest by which they do; by SHA-256 first.
    fn find(&self, digests: &Digests) -> impl Iterator<Item = (u32, Hash)> + use<'i> {
        let sha256 = digests.sha256;
        let sha1 = digests.sha1;
        let strong = sha256
            .into_iter()
            .flat_map(|hash| matches(self.sha256, hash).map(move |at| (at, Hash::Sha256(hash))));
        let (table, strong) = (self.sha1, strong);
        let weak = sha1
            .into_iter()
            .flat_map(move |hash| matches(table, hash).map(move |at| (at, Hash::Sha1(hash))));
        strong.chain(weak)
    }

    /// Appends a signature for every signer of every catalogue that lists the file.
    #[inline(never)]
    pub(crate) fn collect<'w>(
        &self,
        digests: &Digests,
        certificates: &mut Vec<Certificate<'w>>,
        drafts: &mut Vec<Draft<'w>>,
    ) -> Result<(), NoMemory>
    where
        'i: 'w,
    {
        let mut seen = [None; MAX_CATALOGS];
        for (catalog, hash) in self.find(digests) {
            if seen.contains(&Some(catalog)) {
                continue;
            }
            let Some(room) = seen.iter_mut().find(|seen| seen.is_none()) else {
                break;
            };
            *room = Some(catalog);
            for signer in self.signers_of(catalog) {
                let start = certificates.len();
                let Some(mut signature) = decode_signer(signer, certificates)? else {
                    continue;
                };
                signature.signed_digest = hash;
                signature.catalog = Some(catalog);
                let length = certificates.len().saturating_sub(start);
                let draft = Draft {
                    signature,
                    start,
                    chain: length,
                    claimed: 0,
                };
                push(drafts, draft)?;
            }
        }
        Ok(())
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

pub(crate) const VERIFIED: u8 = 1;
pub(crate) const KNOWN: u8 = 2;
pub(crate) const TIMED: u8 = 4;
pub(crate) const RFC3161: u8 = 8;
pub(crate) const UNPROVEN: u8 = 16;

/// Reads a signer and appends its chain; `None` if it does not parse.
fn decode_signer<'w>(
    bytes: &'w [u8],
    certificates: &mut Vec<Certificate<'w>>,
) -> Result<Option<Signature<'w>>, NoMemory> {
    let Some((mut signature, mut rest, count)) = decode_head(bytes) else {
        return Ok(None);
    };
    for _ in 0..count {
        let certificate = u32_at(rest, 0)
            .and_then(|length| rest.get(4..)?.split_at_checked(to_usize(length)))
            .and_then(|(raw, tail)| Some((X509::read(&Element::split(raw)?.0)?, tail)));
        let Some((certificate, tail)) = certificate else {
            return Ok(None);
        };
        push(certificates, certificate.facts())?;
        rest = tail;
    }
    signature.digest_valid = true;
    signature.signature_valid = true;
    Ok(Some(signature))
}

fn decode_head(bytes: &[u8]) -> Option<(Signature<'_>, &[u8], u16)> {
    let (head, rest) = bytes.split_at_checked(SIGNER_HEAD)?;
    let [wellknown, flags, oem_encoding, url_encoding] = array::<4>(head, 0)?;
    let time = i64::from_le_bytes(array(head, 4)?);
    let (oem, rest) = rest.split_at_checked(usize::from(u16_at(head, 12)?))?;
    let (url, rest) = rest.split_at_checked(usize::from(u16_at(head, 14)?))?;
    let has = |flag: u8| flags & flag != 0;
    let timestamp = if has(TIMED) {
        Fact::Present(Timestamp {
            rfc3161: has(RFC3161),
            time,
        })
    } else if has(UNPROVEN) {
        Fact::Unreadable(Unreadable::Unproven)
    } else {
        Fact::Absent
    };
    let signature = Signature {
        source: SignatureSource::Catalog,
        signed_digest: Hash::Md([0; 16]),
        digest_valid: false,
        signature_valid: false,
        page_hashes: false,
        chain: &[],
        // Only proven ones are taken into an index.
        identity: Identity::Proven,
        claimed: &[],
        claimed_roots: 0,
        root: Root {
            wellknown: (wellknown != 0).then_some(wellknown),
            verified: has(VERIFIED),
            known: has(KNOWN),
        },
        oem_id: decoded(oem_encoding, oem),
        more_info_url: decoded(url_encoding, url),
        timestamp,
        fault: None,
        catalog: None,
    };
    Some((signature, rest, u16_at(head, 16)?))
}

fn decoded(encoding: u8, bytes: &[u8]) -> Fact<Text<'_>> {
    match encoding {
        0 => Fact::Absent,
        1 => core::str::from_utf8(bytes).map_or(Fact::Unreadable(Unreadable::Malformed), |text| {
            Fact::Present(Text::Utf8(text))
        }),
        2 => Fact::Present(Text::Utf16Le(bytes)),
        3 => Fact::Present(Text::Utf16Be(bytes)),
        4 => Fact::Present(Text::Latin1(bytes)),
        _ => Fact::Unreadable(Unreadable::Malformed),
    }
}
