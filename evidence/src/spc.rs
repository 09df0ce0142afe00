//! The Authenticode structures inside a signature (Microsoft's "Windows Authenticode Portable Executable Signature Format").

use crate::der::Element;
use crate::der::OCTET_STRING;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::context;
use crate::der::context_primitive;
use crate::digest::Algorithm;
use crate::facts::Fact;
use crate::facts::Unreadable;
use crate::oid;
use crate::oid::AlgorithmId;
use crate::text::Text;

/// Class of the serialized object that holds page hashes.
const PAGE_HASHES_CLASS: &[u8] = &[
    0xa6, 0xb5, 0x86, 0xd5, 0xb4, 0xa1, 0x24, 0x66, 0xae, 0x05, 0xa2, 0x17, 0xda, 0x8e, 0x60, 0xd6,
];

/// SpcIndirectDataContent: the digest that was signed, and what it is a digest of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndirectData<'a> {
    /// The digest algorithm, if it is known.
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) digest: &'a [u8],
    /// The page-hash tables, first found first.
    pub(crate) pages: Option<PageTable<'a>>,
}

/// A page-hash table as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageTable<'a> {
    pub(crate) algorithm: Algorithm,
    /// Entries of a 32-bit file offset and a hash.
    pub(crate) entries: &'a [u8],
}

impl<'a> IndirectData<'a> {
    /// Reads the content of a signature.
    pub(crate) fn read(content: &Element<'a>) -> Option<Self> {
        let mut fields = content.tagged(SEQUENCE)?.reader();
        let mut data = fields.read(SEQUENCE)?.reader();
        let pages = (data.oid()? == oid::SPC_PE_IMAGE_DATA)
            .then(|| data.any())
            .flatten()
            .and_then(|image| page_table(&image));
        let mut digest_info = fields.read(SEQUENCE)?.reader();
        let algorithm = AlgorithmId::read(&digest_info.any()?)?;
        let digest = digest_info.read(OCTET_STRING)?.content;
        let algorithm = algorithm.digest();
        if algorithm.is_some_and(|algorithm| algorithm.length() != digest.len()) {
            return None;
        }
        Some(Self {
            algorithm,
            digest,
            pages,
        })
    }
}

/// The page-hash table in an SpcPeImageData; of several the one with the strongest hash.
fn page_table<'a>(image: &Element<'a>) -> Option<PageTable<'a>> {
    let link = image
        .tagged(SEQUENCE)?
        .reader()
        .find(|field| field.tag == context(0))?;
    let mut moniker = link.reader().read(context(1))?.reader();
    if moniker.read(OCTET_STRING)?.content != PAGE_HASHES_CLASS {
        return None;
    }
    let attributes = Reader::new(moniker.read(OCTET_STRING)?.content)
        .read(SET)?
        .reader();
    let tables = attributes.filter_map(|attribute| {
        let mut parts = attribute.tagged(SEQUENCE)?.reader();
        let algorithm = match parts.oid()? {
            oid::SPC_PAGE_HASHES_SHA1 => Algorithm::Sha1,
            oid::SPC_PAGE_HASHES_SHA256 => Algorithm::Sha256,
            _ => return None,
        };
        let entries = parts.read(SET)?.reader().read(OCTET_STRING)?.content;
        Some(PageTable { algorithm, entries })
    });
    tables.max_by_key(|table| table.algorithm.length())
}

/// SpcSpOpusInfo: what the signer says about the program. For WHQL signatures the program's name is the hardware vendor's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpusInfo<'a> {
    pub(crate) program_name: Fact<Text<'a>>,
    pub(crate) more_info: Fact<Text<'a>>,
}

impl<'a> OpusInfo<'a> {
    /// Reads the value of the signed attribute, if there is one.
    pub(crate) fn read(value: Option<Element<'a>>) -> Self {
        let malformed = Self {
            program_name: Fact::Unreadable(Unreadable::Malformed),
            more_info: Fact::Unreadable(Unreadable::Malformed),
        };
        let Some(value) = value else {
            return Self {
                program_name: Fact::Absent,
                more_info: Fact::Absent,
            };
        };
        let Some(info) = value.tagged(SEQUENCE) else {
            return malformed;
        };
        let mut fields = info.reader();
        let program_name = fields.optional(context(0)).map(|field| string(&field));
        let more_info = fields.optional(context(1)).map(|field| link(&field));
        // What may follow (publisherInfo) says nothing that rules go by.
        let is_whole = fields.is_empty() || fields.any().is_some_and(|field| field.tag == context(2));
        let fact = |field: Option<Option<Text<'a>>>| match field {
            None if is_whole => Fact::Absent,
            None | Some(None) => Fact::Unreadable(Unreadable::Malformed),
            Some(Some(text)) => Fact::Present(text),
        };
        Self {
            program_name: fact(program_name),
            more_info: fact(more_info),
        }
    }
}

/// The SpcString in an explicit field.
fn string<'a>(field: &Element<'a>) -> Option<Text<'a>> {
    let string = field.reader().any()?;
    if string.tag == context_primitive(0) {
        Some(Text::Utf16Be(string.content))
    } else if string.tag == context_primitive(1) {
        Some(Text::Latin1(string.content))
    } else {
        None
    }
}

/// The SpcLink in an explicit field: a URL, or the name of a file.
fn link<'a>(field: &Element<'a>) -> Option<Text<'a>> {
    let link = field.reader().any()?;
    if link.tag == context_primitive(0) {
        Some(Text::Latin1(link.content))
    } else if link.tag == context(2) {
        string(&link)
    } else {
        None
    }
}
