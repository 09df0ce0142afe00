//! What an index keeps of a proven signature of a catalogue.
//!
//! Well-known root id (0 for none), flags, encodings of OEM id and URL (0 absent), time (64 bits), lengths of OEM id and URL, number of
//! certificates of the chain and of others that are claimed (16 bits each), claimed roots (32 bits), then OEM id, URL, and each certificate after its
//! 32-bit length.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::array;
use crate::bytes::push;
use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::chain::MAX_CHAIN;
use crate::der::Element;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Identity;
use crate::facts::Root;
use crate::facts::Signature;
use crate::facts::SignatureSource;
use crate::facts::Timestamp;
use crate::facts::Unreadable;
use crate::md2::Allowance;
use crate::pool::is_short;
use crate::signatures::Draft;
use crate::text::Text;
use crate::x509::X509;

const VERIFIED: u8 = 1;
const KNOWN: u8 = 2;
const TIMED: u8 = 4;
const RFC3161: u8 = 8;
const UNPROVEN: u8 = 16;
const HEAD: usize = 24;
/// Most certificates that a signer claims beside its chain.
const MAX_CLAIMED: usize = 32;
/// Most bytes of one signer. Real ones have about six thousand.
pub(crate) const MAX_SIGNER_BYTES: usize = 64 << 10;

/// How early a signer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// Under one of App Control's well-known roots.
    Wellknown,
    /// Under another root that is known.
    Known,
    /// Under a root that nobody knows, or its own.
    Other,
}

impl Rank {
    pub(crate) const fn of(root: Root) -> Self {
        match root {
            Root {
                wellknown: Some(_),
                verified: true,
                ..
            } => Self::Wellknown,
            Root {
                known: true,
                verified: true,
                ..
            } => Self::Known,
            Root { .. } => Self::Other,
        }
    }
}

/// Whether a signature can be kept: its chain, what it claims and its names are not beyond all measure.
pub(crate) fn can_be_kept(signature: &Signature<'_>, certificates: &[&[u8]]) -> bool {
    let (_, oem) = encoded(signature.oem_id);
    let (_, url) = encoded(signature.more_info_url);
    let names = HEAD.saturating_add(oem.len()).saturating_add(url.len());
    let bytes = certificates.iter().fold(names, |bytes, certificate| {
        bytes.saturating_add(certificate.len()).saturating_add(4)
    });
    (1..=MAX_CHAIN).contains(&signature.chain.len())
        && signature.claimed.len() <= MAX_CLAIMED
        && bytes <= MAX_SIGNER_BYTES
}

/// Writes a signer that [`can_be_kept`], with the bytes of its certificates.
pub(crate) fn encode(
    signature: &Signature<'_>,
    certificates: &[&[u8]],
    to: &mut Vec<u8>,
) -> Result<(), NoMemory> {
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
    let counts = [
        oem.len(),
        url.len(),
        signature.chain.len(),
        signature.claimed.len(),
    ];
    for count in counts {
        extend(to, &short(count)?.to_le_bytes())?;
    }
    extend(to, &signature.claimed_roots.to_le_bytes())?;
    extend(to, oem)?;
    extend(to, url)?;
    for certificate in certificates {
        let length = u32::try_from(certificate.len()).map_err(|_| NoMemory)?;
        extend(to, &length.to_le_bytes())?;
        extend(to, certificate)?;
    }
    Ok(())
}

pub(crate) fn extend(to: &mut Vec<u8>, bytes: &[u8]) -> Result<(), NoMemory> {
    to.try_reserve(bytes.len()).map_err(|_| NoMemory)?;
    to.extend_from_slice(bytes);
    Ok(())
}

fn encoded(fact: Fact<Text<'_>>) -> (u8, &[u8]) {
    match fact {
        Fact::Absent => (0, &[]),
        Fact::Present(Text::Utf8(text)) => (1, text.as_bytes()),
        Fact::Present(Text::Utf16Le(bytes)) => (2, bytes),
        Fact::Present(Text::Utf16Be(bytes)) => (3, bytes),
        Fact::Present(Text::Utf32Be(bytes)) => (6, bytes),
        Fact::Present(Text::Latin1(bytes)) => (4, bytes),
        Fact::Unreadable(_) => (5, &[]),
    }
}

/// A signer as it stands in an index.
pub(crate) struct Signer<'i> {
    signature: Signature<'i>,
    chain: usize,
    claimed: usize,
    /// Its certificates, each after its length.
    rest: &'i [u8],
}

impl<'i> Signer<'i> {
    /// Reads what stands before the certificates.
    pub(crate) fn read(bytes: &'i [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
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
            digest_valid: true,
            signature_valid: true,
            page_hashes: false,
            chain: &[],
            // Only proven ones are taken into an index.
            identity: Identity::Proven,
            claimed: &[],
            claimed_roots: u32_at(head, 20)?,
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
        Some(Self {
            signature,
            chain: usize::from(u16_at(head, 16)?),
            claimed: usize::from(u16_at(head, 18)?),
            rest,
        })
    }

    /// How early it counts.
    pub(crate) const fn rank(&self) -> Rank {
        Rank::of(self.signature.root)
    }

    /// Hands its certificates to `take`; `None` if they do not parse or there are too many.
    fn certificates(
        &self,
        take: &mut dyn FnMut(&X509<'i>) -> Result<(), NoMemory>,
    ) -> Result<Option<&'i [u8]>, NoMemory> {
        if !(1..=MAX_CHAIN).contains(&self.chain) || self.claimed > MAX_CLAIMED {
            return Ok(None);
        }
        let mut rest = self.rest;
        for _ in 0..self.chain.saturating_add(self.claimed) {
            let certificate = u32_at(rest, 0)
                .and_then(|length| rest.get(4..)?.split_at_checked(to_usize(length)))
                .and_then(|(raw, tail)| Some((X509::read(&Element::split(raw)?.0)?, tail)));
            let Some((certificate, tail)) = certificate.filter(|(certificate, _)| is_short(certificate))
            else {
                return Ok(None);
            };
            take(&certificate)?;
            rest = tail;
        }
        Ok(Some(rest))
    }

    /// Whether it parses to its end.
    pub(crate) fn is_sound(&self) -> bool {
        matches!(self.certificates(&mut |_| Ok(())), Ok(Some([])))
    }

    /// Appends its certificates and gives its signature, for a file listed by this digest; `None` if it does not parse.
    pub(crate) fn draft(
        self,
        hash: Hash,
        catalog: u32,
        certificates: &mut Vec<Certificate<'i>>,
        md2: &mut Allowance,
    ) -> Result<Option<Draft<'i>>, NoMemory> {
        let start = certificates.len();
        let mut take = |certificate: &X509<'i>| push(certificates, certificate.facts(md2));
        if self.certificates(&mut take)?.is_none() {
            certificates.truncate(start);
            return Ok(None);
        }
        Ok(Some(Draft {
            signature: Signature {
                signed_digest: hash,
                catalog: Some(catalog),
                ..self.signature
            },
            start,
            chain: self.chain,
            claimed: self.claimed,
        }))
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
        6 => Fact::Present(Text::Utf32Be(bytes)),
        4 => Fact::Present(Text::Latin1(bytes)),
        _ => Fact::Unreadable(Unreadable::Malformed),
    }
}
