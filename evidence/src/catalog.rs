//! Security catalogues: signed lists of the digests of files that carry no signature themselves.
//!
//! Two kinds are in use, and both are read. In version 1 a member's tag is its SHA-1 as UTF-16 hexadecimal text. In version 2 it is the raw
//! digest, and a file has two members, of which the one for SHA-1 holds nothing but its tag.

use core::fmt;

use crate::der::Element;
use crate::der::OCTET_STRING;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::error::NoMemory;
use crate::facts::Digests;
use crate::facts::Hash;
use crate::facts::Signature;
use crate::oid;
use crate::pkcs7::SignedData;
use crate::signatures::collect_catalog;
use crate::spc::IndirectData;
use crate::workspace::Findings;
use crate::workspace::Workspace;

/// A catalogue that was read.
#[derive(Clone, Debug)]
pub struct Catalog<'w> {
    /// Its signatures. Their `signed_digest` says nothing; [`Catalog::vouch`] gives the one that counts.
    pub signatures: &'w [Signature<'w>],
    /// The bytes of every signature's certificates, those of the chain and then those that it claims beside.
    pub(crate) raw_certificates: &'w [&'w [u8]],
    members: Reader<'w>,
}

/// Why a file was not read as a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatalogError {
    /// It is no signed list of digests.
    NotCatalog,
    /// It is one, and its list does not parse.
    Malformed,
    /// Memory could not be had.
    NoMemory,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotCatalog => "not a security catalogue",
            Self::Malformed => "the catalogue's list of files does not parse",
            Self::NoMemory => "out of memory",
        })
    }
}

impl core::error::Error for CatalogError {}

impl From<NoMemory> for CatalogError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// Reads a catalogue and proves its signatures. The proven links between certificates stay in the workspace: a folder of catalogues
/// from one publisher proves each of them once.
///
/// # Errors
/// [`CatalogError`]. A signature that does not hold is no error: the signature says so.
pub fn examine_catalog<'w>(
    bytes: &'w [u8],
    workspace: &'w mut Workspace,
    findings: &'w mut Findings<'w>,
) -> Result<Catalog<'w>, CatalogError> {
    let message = SignedData::read(bytes)
        .filter(|message| message.content_type == oid::TRUST_LIST)
        .ok_or(CatalogError::NotCatalog)?;
    let content = message.structure().ok_or(CatalogError::NotCatalog)?;
    let members = members(&content).ok_or(CatalogError::Malformed)?;
    let (prover, _) = workspace.tools.prover().ok_or(CatalogError::NoMemory)?;
    let (signatures, raw_certificates) = collect_catalog(bytes, prover, findings)?;
    Ok(Catalog {
        signatures,
        raw_certificates,
        members,
    })
}

/// The list of files in a certificate trust list.
fn members<'a>(content: &Element<'a>) -> Option<Reader<'a>> {
    // Usage, list id, numbers, times, algorithm: none of them matters here, and several are optional. The list is the first
    // sequence whose elements are sequences that begin with a tag.
    let mut fields = content.tagged(SEQUENCE)?.reader();
    let _usage = fields.read(SEQUENCE)?;
    fields
        .filter_map(|field| field.tagged(SEQUENCE))
        .map(|field| field.reader())
        .find(|list| list.clone().next().is_none_or(|first| first.tag == SEQUENCE))
}

impl<'w> Catalog<'w> {
    /// The digest of every member whose digest could be read.
    pub fn members(&self) -> impl Iterator<Item = Hash> + use<'w> {
        self.members.clone().filter_map(|member| digest(&member))
    }

    /// The digest by which this catalogue lists the file, if it does.
    pub fn vouch(&self, digests: &Digests) -> Option<Hash> {
        self.members().find(|member| match member {
            Hash::Sha1(hash) => digests.sha1 == Some(*hash),
            Hash::Sha256(hash) => digests.sha256 == Some(*hash),
            Hash::Md(_) | Hash::Sha384(_) | Hash::Sha512(_) => false,
        })
    }
}

/// The digest of one member.
fn digest(member: &Element<'_>) -> Option<Hash> {
    let mut fields = member.tagged(SEQUENCE)?.reader();
    let tag = fields.read(OCTET_STRING)?.content;
    let attributes = fields.optional(SET).map_or(Reader::new(&[]), |set| set.reader());
    let signed = attributes
        .filter_map(|attribute| {
            let mut parts = attribute.tagged(SEQUENCE)?.reader();
            (parts.oid()? == oid::SPC_INDIRECT_DATA).then(|| parts.read(SET))?
        })
        .find_map(|values| IndirectData::read(&values.reader().next()?));
    match signed {
        Some(data) => data.algorithm.and(Hash::from_bytes(data.digest)),
        None => match tag.len() {
            20 | 32 => Hash::from_bytes(tag),
            _ => from_text(tag),
        },
    }
}

/// A SHA-1 or SHA-256 from UTF-16 hexadecimal text with its NUL.
fn from_text(tag: &[u8]) -> Option<Hash> {
    let mut bytes = [0_u8; 32];
    let (units, _) = tag.as_chunks::<2>();
    let mut digits = units
        .iter()
        .take_while(|unit| **unit != [0, 0])
        .map(|unit| match *unit {
            [digit, 0] => char::from(digit)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok()),
            _ => None,
        });
    let mut length = 0_usize;
    while let Some(high) = digits.next() {
        *bytes.get_mut(length)? = high? << 4 | digits.next()??;
        length = length.saturating_add(1);
    }
    bytes
        .get(..length)
        .filter(|hash| matches!(hash.len(), 20 | 32))
        .and_then(Hash::from_bytes)
}
