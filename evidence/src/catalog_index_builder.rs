//! Building an index over catalogues. For hosts: the driver only looks up.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::catalog::Catalog;
use crate::catalog_index::CATALOG_ENTRY;
use crate::catalog_index::KNOWN;
use crate::catalog_index::MAGIC;
use crate::catalog_index::RFC3161;
use crate::catalog_index::SHA1_ENTRY;
use crate::catalog_index::SHA256_ENTRY;
use crate::catalog_index::SIGNER_ENTRY;
use crate::catalog_index::TIMED;
use crate::catalog_index::UNPROVEN;
use crate::catalog_index::VERIFIED;
use crate::catalog_index::VERSION;
use crate::error::NoMemory;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Signature;
use crate::text::Text;

/// Builds an index; its form is that of [`crate::CatalogIndex`].
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
