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
//! A signer is what a proven signature of a catalogue says: see [`encode_signer`]. Only proven ones are taken in.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::array;
use crate::bytes::push;
use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::catalog::Catalog;
use crate::der::Element;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Digests;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Root;
use crate::facts::Signature;
use crate::facts::SignatureSource;
use crate::facts::Timestamp;
use crate::facts::Unreadable;
use crate::text::Text;
use crate::x509::X509;

const MAGIC: &[u8; 8] = b"GHCATIDX";
const VERSION: u32 = 1;
const HEADER: usize = 32;
const SHA1_ENTRY: usize = 24;
const SHA256_ENTRY: usize = 36;
const CATALOG_ENTRY: usize = 16;
const SIGNER_ENTRY: usize = 8;
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
        drafts: &mut Vec<(Signature<'w>, usize, usize)>,
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
                push(drafts, (signature, start, length))?;
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

/// Builds an index. For hosts: the driver only looks up.
#[derive(Debug, Default)]
pub struct CatalogIndexBuilder {
    sha1: Vec<[u8; SHA1_ENTRY]>,
    sha256: Vec<[u8; SHA256_ENTRY]>,
    catalogs: Vec<[u8; CATALOG_ENTRY]>,
    signers: Vec<[u8; SIGNER_ENTRY]>,
    data: Vec<u8>,
}

impl CatalogIndexBuilder {
    /// An index of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a catalogue in, if one of its signatures holds; says whether.
    ///
    /// # Errors
    /// [`NoMemory`], also for an index of more than 4 GB.
    pub fn add(&mut self, name: &str, catalog: &Catalog<'_>) -> Result<bool, NoMemory> {
        let number = to_u32(self.catalogs.len())?;
        let first_signer = self.signers.len();
        let mut raw = catalog.raw_chains;
        for signature in catalog.signatures {
            let (chain, rest) = raw.split_at_checked(signature.chain.len()).unwrap_or_default();
            raw = rest;
            if signature.fault.is_none() {
                let start = self.data.len();
                encode_signer(signature, chain, &mut self.data)?;
                let entry = range(start, self.data.len())?;
                push(&mut self.signers, entry)?;
            }
        }
        let count = self.signers.len().saturating_sub(first_signer);
        if count == 0 {
            return Ok(false);
        }
        let start = self.data.len();
        extend(&mut self.data, name.as_bytes())?;
        let mut entry = [0; CATALOG_ENTRY];
        for (to, from) in entry.iter_mut().zip(range(start, self.data.len())?) {
            *to = from;
        }
        put(&mut entry, 8, to_u32(first_signer)?);
        put(&mut entry, 12, to_u32(count)?);
        push(&mut self.catalogs, entry)?;
        for member in catalog.members() {
            match member {
                Hash::Sha1(hash) => push(&mut self.sha1, member_entry(&hash, number))?,
                Hash::Sha256(hash) => push(&mut self.sha256, member_entry(&hash, number))?,
                Hash::Md(_) | Hash::Sha384(_) | Hash::Sha512(_) => {}
            }
        }
        Ok(true)
    }

    /// The finished index.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn finish(mut self) -> Result<Vec<u8>, NoMemory> {
        self.sha1.sort_unstable();
        self.sha256.sort_unstable();
        let mut index = Vec::new();
        extend(&mut index, MAGIC)?;
        extend(&mut index, &VERSION.to_le_bytes())?;
        let counts = [
            self.sha1.len(),
            self.sha256.len(),
            self.catalogs.len(),
            self.signers.len(),
            self.data.len(),
        ];
        for count in counts {
            extend(&mut index, &to_u32(count)?.to_le_bytes())?;
        }
        extend(&mut index, self.sha1.as_flattened())?;
        extend(&mut index, self.sha256.as_flattened())?;
        extend(&mut index, self.catalogs.as_flattened())?;
        extend(&mut index, self.signers.as_flattened())?;
        extend(&mut index, &self.data)?;
        Ok(index)
    }
}

fn to_u32(number: usize) -> Result<u32, NoMemory> {
    u32::try_from(number).map_err(|_| NoMemory)
}

fn put(entry: &mut [u8], at: usize, number: u32) {
    crate::bytes::copy(entry.get_mut(at..).unwrap_or_default(), &number.to_le_bytes());
}

fn range(start: usize, end: usize) -> Result<[u8; SIGNER_ENTRY], NoMemory> {
    let mut entry = [0; SIGNER_ENTRY];
    put(&mut entry, 0, to_u32(start)?);
    put(&mut entry, 4, to_u32(end.saturating_sub(start))?);
    Ok(entry)
}

fn member_entry<const H: usize, const N: usize>(hash: &[u8; H], catalog: u32) -> [u8; N] {
    let mut entry = [0; N];
    crate::bytes::copy(&mut entry, hash);
    put(&mut entry, H, catalog);
    entry
}

fn extend(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), NoMemory> {
    to.try_reserve(bytes.len()).map_err(|_| NoMemory)?;
    to.extend_from_slice(bytes);
    Ok(())
}

const VERIFIED: u8 = 1;
const KNOWN: u8 = 2;
const TIMED: u8 = 4;
const RFC3161: u8 = 8;
const UNPROVEN: u8 = 16;

/// Writes a signer: well-known root id (0 for none), flags, encodings of OEM id and URL (0 absent), time (64 bits), lengths of OEM
/// id and URL and number of certificates (16 bits each), two bytes unused, then OEM id, URL, and each certificate after its
/// 32-bit length.
fn encode_signer(signature: &Signature<'_>, chain: &[&[u8]], to: &mut Vec<u8>) -> Result<(), NoMemory> {
    let flag = |on: bool, flag: u8| if on { flag } else { 0 };
    let timestamp = signature.timestamp.present();
    let flags = flag(signature.root.verified, VERIFIED)
        | flag(signature.root.known, KNOWN)
        | flag(timestamp.is_some(), TIMED)
        | flag(timestamp.is_some_and(|timestamp| timestamp.rfc3161), RFC3161)
        | flag(matches!(signature.timestamp, Fact::Unreadable(_)), UNPROVEN);
    let (oem_encoding, oem) = encoded(signature.oem_id);
    let (url_encoding, url) = encoded(signature.more_info_url);
    let short = |length: usize| u16::try_from(length).map_err(|_| NoMemory);
    extend(
        to,
        &[
            signature.root.wellknown.unwrap_or_default(),
            flags,
            oem_encoding,
            url_encoding,
        ],
    )?;
    extend(to, &timestamp.map_or(0, |timestamp| timestamp.time).to_le_bytes())?;
    for length in [short(oem.len())?, short(url.len())?, short(chain.len())?, 0] {
        extend(to, &length.to_le_bytes())?;
    }
    extend(to, oem)?;
    extend(to, url)?;
    for certificate in chain {
        extend(to, &to_u32(certificate.len())?.to_le_bytes())?;
        extend(to, certificate)?;
    }
    Ok(())
}

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

fn encoded(fact: Fact<Text<'_>>) -> (u8, &[u8]) {
    match fact {
        Fact::Absent => (0, &[]),
        Fact::Present(Text::Utf8(text)) => (1, text.as_bytes()),
        Fact::Present(Text::Utf16Le(bytes)) => (2, bytes),
        Fact::Present(Text::Utf16Be(bytes)) => (3, bytes),
        Fact::Present(Text::Latin1(bytes)) => (4, bytes),
        Fact::Unreadable(_) => (5, &[]),
    }
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
