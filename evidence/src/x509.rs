//! X.509 certificates, borrowed as they stand.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::crypto;
use crate::crypto::Curve;
use crate::crypto::RsaKey;
use crate::crypto::RsaScratch;
use crate::der;
use crate::der::BIT_STRING;
use crate::der::BOOLEAN;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::context;
use crate::der::context_primitive;
use crate::digest::Algorithm;
use crate::distrust;
use crate::error::NoMemory;
use crate::facts;
use crate::facts::Ekus;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Key;
use crate::facts::Unreadable;
use crate::md2::Allowance;
use crate::oid;
use crate::oid::AlgorithmId;
use crate::oid::Kind;
use crate::oid::Scheme;
use crate::text::Text;

/// A certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct X509<'a> {
    /// The whole certificate.
    pub(crate) raw: &'a [u8],
    /// `TBSCertificate` with its tag and length.
    pub(crate) tbs: &'a [u8],
    pub(crate) scheme: AlgorithmId<'a>,
    pub(crate) signature: &'a [u8],
    pub(crate) serial: &'a [u8],
    pub(crate) issuer: Name<'a>,
    pub(crate) subject: Name<'a>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) key: PublicKey<'a>,
    /// The content of the extended key usage extension, if there is one.
    pub(crate) ekus: Option<Ekus<'a>>,
    /// Whether it says that it is a certificate authority; `None` without basic constraints.
    pub(crate) authority: Option<bool>,
    pub(crate) path_length: Option<u8>,
    /// Whether it is of version 1, which has no extensions to say anything in.
    first_version: bool,
    /// Whether an extension that is not understood here says that it must be.
    is_beyond_us: bool,
    /// Whether its key usage, if it has one, lets it sign certificates.
    pub(crate) may_sign_certificates: bool,
    pub(crate) key_id: Option<&'a [u8]>,
    /// The key that it says to be signed with, as [`X509::key_id`] of its issuer.
    pub(crate) issuer_key_id: Option<&'a [u8]>,
    /// SHA-256 of the whole certificate, once it stands in a pool.
    pub(crate) id: [u8; 32],
}

impl<'a> X509<'a> {
    /// Reads the certificate in `element`.
    pub(crate) fn read(element: &Element<'a>) -> Option<Self> {
        let mut outer = element.tagged(SEQUENCE)?.reader();
        let tbs = outer.read(SEQUENCE)?;
        let scheme = AlgorithmId::read(&outer.any()?)?;
        let signature = bit_string(&outer.any()?)?;

        let mut fields = tbs.reader();
        // The version is left out where it is 1, and only there.
        let first_version = fields.optional(context(0)).is_none();
        let serial = fields.read(INTEGER)?.content;
        let inner_scheme = AlgorithmId::read(&fields.any()?)?;
        let issuer = Name(fields.read(SEQUENCE)?.raw);
        let mut validity = fields.read(SEQUENCE)?.reader();
        let not_before = der::time(&validity.any()?)?;
        let not_after = der::time(&validity.any()?)?;
        let subject = Name(fields.read(SEQUENCE)?.raw);
        let key = PublicKey::read(&fields.read(SEQUENCE)?)?;
        // The algorithm inside the signed part is the one that was meant.
        if inner_scheme.oid != scheme.oid {
            return None;
        }
        let mut certificate = Self {
            raw: element.raw,
            tbs: tbs.raw,
            scheme,
            signature,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            ekus: None,
            authority: None,
            path_length: None,
            first_version,
            is_beyond_us: false,
            may_sign_certificates: true,
            key_id: None,
            issuer_key_id: None,
            id: [0; 32],
        };
        for field in fields {
            if field.tag == context(3) {
                certificate.read_extensions(&field)?;
            }
        }
        Some(certificate)
    }

    fn read_extensions(&mut self, field: &Element<'a>) -> Option<()> {
        for extension in field.reader().read(SEQUENCE)?.reader() {
            let mut parts = extension.tagged(SEQUENCE)?.reader();
            let id = parts.oid()?;
            let critical = parts.optional(BOOLEAN).is_some_and(|flag| flag.content != [0]);
            let value = Reader::new(parts.read(OCTET_STRING)?.content).any();
            match id {
                oid::EXTENDED_KEY_USAGE => self.ekus = Some(Ekus(value?.tagged(SEQUENCE)?.content)),
                oid::SUBJECT_KEY_ID => self.key_id = value?.octets(),
                oid::AUTHORITY_KEY_ID => {
                    let mut fields = value?.tagged(SEQUENCE)?.reader();
                    self.issuer_key_id = fields.optional(context_primitive(0)).map(|field| field.content);
                }
                oid::KEY_USAGE => {
                    // Bit 5 is keyCertSign.
                    let flags = bit_string(&value?)?;
                    self.may_sign_certificates = flags.first().is_some_and(|flags| flags & 0x04 != 0);
                }
                oid::BASIC_CONSTRAINTS => {
                    let mut constraints = value?.tagged(SEQUENCE)?.reader();
                    let authority = constraints.optional(BOOLEAN);
                    self.authority = Some(authority.is_some_and(|flag| flag.content != [0]));
                    self.path_length = constraints
                        .optional(INTEGER)
                        .map(|length| path_length(length.content));
                }
                _ => self.is_beyond_us |= critical && !oid::is_harmless_extension(id),
            }
        }
        Some(())
    }

    /// Whether its names and key usages have lengths that they can be compared at.
    pub(crate) fn is_short(&self) -> bool {
        let names = self.issuer.0.len().max(self.subject.0.len());
        names <= MAX_NAME && self.ekus.is_none_or(|ekus| ekus.0.len() <= MAX_EKUS)
    }

    /// Whether the certificate names itself as its issuer.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether it may sign other certificates. Those of version 1 cannot say: they occur as old roots, and are taken for authorities only as
    /// roots. One that limits itself in a way that is not understood here may not: what it says must be understood.
    pub(crate) fn may_issue(&self) -> bool {
        self.authority
            .unwrap_or_else(|| self.first_version && self.is_self_issued())
            && self.may_sign_certificates
            && !self.is_beyond_us
    }

    /// Whether this certificate's signature was made with `key`, and proves something: MD5 does so only where a certificate vouches for
    /// itself, and is known by its key.
    pub(crate) fn is_signed_by(&self, key: &PublicKey<'_>, scratch: &mut RsaScratch) -> bool {
        let Some(scheme) = self.scheme.signature() else {
            return false;
        };
        let Some(digest) = scheme.digest else {
            return false;
        };
        if (digest == Algorithm::Md5 && key.raw != self.key.raw) || distrust::is_distrusted(&self.subject) {
            return false;
        }
        let hash = digest.digest(&[self.tbs]);
        key.verify(scheme, digest, &hash, self.signature, scratch)
    }

    /// The hash that App Control knows this certificate by: of the signed part, with the digest that the signature is made with.
    fn tbs_hash(&self, md2: &mut Allowance) -> Fact<Hash> {
        if self.scheme.oid == oid::MD2_WITH_RSA {
            let hash = md2.digest(self.tbs).map(Hash::Md);
            return hash.map_or(Fact::Unreadable(Unreadable::CapReached), Fact::Present);
        }
        // App Control knows no hash of a certificate whose algorithm nobody knows.
        let digest = self.scheme.signature().and_then(|scheme| scheme.digest);
        digest.map_or(Fact::Absent, |digest| Fact::Present(digest.digest(&[self.tbs])))
    }

    /// The facts of this certificate.
    pub(crate) fn facts(&self, md2: &mut Allowance) -> facts::Certificate<'a> {
        let thumbprint_sha1 = match Algorithm::Sha1.digest(&[self.raw]) {
            Hash::Sha1(hash) => hash,
            Hash::Md(_) | Hash::Sha256(_) | Hash::Sha384(_) | Hash::Sha512(_) => [0; 20],
        };
        facts::Certificate {
            subject_cn: self.subject.common_name(),
            issuer_cn: self.issuer.common_name(),
            serial: self.serial,
            thumbprint_sha1,
            tbs: self.tbs_hash(md2),
            ekus: self.ekus.unwrap_or_default(),
            not_before: self.not_before,
            not_after: self.not_after,
            key: self.key.facts(),
        }
    }
}

/// The number of authorities that a path length lets stand below; a negative one none.
fn path_length(number: &[u8]) -> u8 {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match (number, number.get(zeros..)) {
        ([] | [0x80..=0xff, ..], _) | (_, None | Some([])) => 0,
        (_, Some([length])) => *length,
        _ => u8::MAX,
    }
}

/// The bytes of a BIT STRING without unused bits.
fn bit_string<'a>(element: &Element<'a>) -> Option<&'a [u8]> {
    let (_unused, bytes) = element.tagged(BIT_STRING)?.content.split_first()?;
    Some(bytes)
}

/// A distinguished name, as it stands with its tag and length. Equal if the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a>(pub(crate) &'a [u8]);

impl<'a> Name<'a> {
    /// The last common name in it, which is the most specific.
    pub(crate) fn common_name(&self) -> Fact<Text<'a>> {
        let Some((name, _)) = Element::split(self.0) else {
            return Fact::Unreadable(Unreadable::Malformed);
        };
        let value = name
            .reader()
            .filter_map(|set| set.tagged(SET))
            .flat_map(|set| set.reader())
            .filter_map(|attribute| {
                let mut parts = attribute.tagged(SEQUENCE)?.reader();
                (parts.oid()? == oid::COMMON_NAME).then(|| parts.any())?
            })
            .last();
        match value {
            None => Fact::Absent,
            Some(value) => text(&value).map_or(Fact::Unreadable(Unreadable::Malformed), Fact::Present),
        }
    }
}

/// The text of a DirectoryString and its older relatives.
pub(crate) fn text<'a>(element: &Element<'a>) -> Option<Text<'a>> {
    match element.tag {
        // UTF8String, NumericString, PrintableString, IA5String, VisibleString.
        0x0c | 0x12 | 0x13 | 0x16 | 0x1a => core::str::from_utf8(element.content)
            .ok()
            .map(Text::Utf8)
            .or(Some(Text::Latin1(element.content))),
        0x14 => Some(Text::Latin1(element.content)),
        0x1c => Some(Text::Utf32Be(element.content)),
        0x1e => Some(Text::Utf16Be(element.content)),
        _ => None,
    }
}

/// The SHA-1 of an RSA key written out: of a root nothing but the modulus is kept.
fn rsa_key_id(key: &RsaKey<'_>) -> Option<Hash> {
    let modulus = key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus);
    // Numbers whose first bit is set have a zero in front.
    let sign = |number: &[u8]| usize::from(number.first().is_some_and(|byte| *byte >= 0x80));
    let head = |tag: u8, length: usize| {
        let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
        Some(match (high, low) {
            (0, 0..0x80) => ([tag, low, 0, 0], 2),
            (0, _) => ([tag, 0x81, low, 0], 3),
            _ => ([tag, 0x82, high, low], 4),
        })
    };
    let modulus_length = modulus.len().checked_add(sign(modulus))?;
    let (modulus_head, modulus_head_length) = head(INTEGER, modulus_length)?;
    let (exponent_head, exponent_head_length) = head(INTEGER, key.exponent.len())?;
    let length = [
        modulus_head_length,
        modulus_length,
        exponent_head_length,
        key.exponent.len(),
    ]
    .into_iter()
    .try_fold(0_usize, usize::checked_add)?;
    let (outer_head, outer_head_length) = head(SEQUENCE, length)?;
    Some(Algorithm::Sha1.digest(&[
        outer_head.get(..outer_head_length)?,
        modulus_head.get(..modulus_head_length)?,
        [0].get(..sign(modulus))?,
        modulus,
        exponent_head.get(..exponent_head_length)?,
        key.exponent,
    ]))
}

/// A subject public key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey<'a> {
    /// `SubjectPublicKeyInfo` with its tag and length; of a known root its modulus alone, where it says all.
    pub(crate) raw: &'a [u8],
    kind: KeyKind<'a>,
}

#[derive(Clone, Copy, Debug)]
enum KeyKind<'a> {
    Rsa(RsaKey<'a>),
    Ecdsa(Curve, &'a [u8]),
    /// Of a known kind, and never used.
    Unsupported,
    Unknown,
}

impl KeyKind<'_> {
    fn facts(&self) -> Key {
        match self {
            Self::Rsa(key) => Key::Rsa(u16::try_from(crypto::modulus_bits(key.modulus)).unwrap_or(u16::MAX)),
            Self::Ecdsa(curve, _) => Key::Ecdsa(curve.bits()),
            Self::Unsupported | Self::Unknown => Key::Unsupported,
        }
    }
}

impl<'a> PublicKey<'a> {
    /// The RSA key of this modulus with the exponent that nearly all have, 65537.
    pub(crate) const fn of_modulus(modulus: &'a [u8]) -> Self {
        Self {
            raw: modulus,
            kind: KeyKind::Rsa(RsaKey {
                modulus,
                exponent: &[1, 0, 1],
            }),
        }
    }

    /// Whether it is the RSA key of this modulus, of which zeros in front are no part, and 65537.
    pub(crate) fn is_of_modulus(&self, modulus: &[u8]) -> bool {
        match &self.kind {
            KeyKind::Rsa(key) => {
                let own = key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus);
                own == modulus && key.exponent == [1, 0, 1]
            }
            _ => false,
        }
    }

    /// Reads a `SubjectPublicKeyInfo`. A key of another kind, or over a curve that is described instead of named, is unsupported.
    pub(crate) fn read(info: &Element<'a>) -> Option<Self> {
        let mut fields = info.reader();
        let algorithm = AlgorithmId::read(&fields.any()?)?;
        let bits = bit_string(&fields.any()?)?;
        let kind = match algorithm.oid {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01] => {
                let mut numbers = Reader::new(bits).read(SEQUENCE)?.reader();
                let modulus = numbers.read(INTEGER)?.content;
                KeyKind::Rsa(RsaKey {
                    modulus,
                    exponent: numbers.read(INTEGER)?.content,
                })
            }
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01] => {
                let curve = algorithm.parameters.and_then(|parameters| parameters.tagged(OID));
                curve
                    .and_then(|curve| Curve::named(curve.content))
                    .map_or(KeyKind::Unsupported, |curve| KeyKind::Ecdsa(curve, bits))
            }
            _ => KeyKind::Unknown,
        };
        Some(Self { raw: info.raw, kind })
    }

    /// Whether it is the same key, however it is written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let number = |bytes: &'a [u8]| bytes.iter().skip_while(|byte| **byte == 0);
        match (&self.kind, &other.kind) {
            (KeyKind::Rsa(own), KeyKind::Rsa(theirs)) => {
                number(own.modulus).eq(number(theirs.modulus))
                    && number(own.exponent).eq(number(theirs.exponent))
            }
            (KeyKind::Ecdsa(own, point), KeyKind::Ecdsa(theirs, other)) => own == theirs && point == other,
            _ => self.raw == other.raw,
        }
    }

    /// What kind of key it is.
    pub(crate) fn facts(&self) -> Key {
        self.kind.facts()
    }

    /// Whether this is the identifier of the key as most authorities make it: the SHA-1 of its bits (RFC 5280, 4.2.1.2).
    pub(crate) fn has_id(&self, id: &[u8]) -> bool {
        let own = match &self.kind {
            KeyKind::Rsa(key) => rsa_key_id(key),
            KeyKind::Ecdsa(_, point) => Some(Algorithm::Sha1.digest(&[point])),
            KeyKind::Unsupported | KeyKind::Unknown => None,
        };
        own.is_some_and(|own| own.as_bytes() == id)
    }

    /// Whether nobody here knows what kind of key it is.
    pub(crate) const fn is_of_unknown_kind(&self) -> bool {
        matches!(self.kind, KeyKind::Unknown)
    }

    /// Whether a key of this kind and length is ever used.
    pub(crate) fn is_supported(&self) -> bool {
        match &self.kind {
            KeyKind::Rsa(key) => {
                (crypto::RSA_MIN_BITS..=crypto::RSA_MAX_BITS).contains(&crypto::modulus_bits(key.modulus))
            }
            KeyKind::Ecdsa(..) => true,
            KeyKind::Unsupported | KeyKind::Unknown => false,
        }
    }

    /// Whether `signature` over the digest `hash` was made with this key.
    #[inline(never)]
    pub(crate) fn verify(
        &self,
        scheme: Scheme,
        digest: Algorithm,
        hash: &Hash,
        signature: &[u8],
        scratch: &mut RsaScratch,
    ) -> bool {
        match (scheme.kind, &self.kind) {
            (Kind::Rsa(padding), KeyKind::Rsa(key)) => {
                crypto::verify_rsa(key, padding, hash, digest, signature, scratch)
            }
            (Kind::Ecdsa, KeyKind::Ecdsa(curve, point)) => {
                crypto::verify_ecdsa(*curve, point, hash.as_bytes(), signature)
            }
            _ => false,
        }
    }
}

/// Certificates kept of one signature, and again of each timestamp.
pub(crate) const MAX_CERTIFICATES: usize = 64;
/// The largest certificate that is read, in bytes. Those with the largest signatures in use have less than a tenth.
const MAX_CERTIFICATE: usize = 64 << 10;
/// The longest name, in bytes: names are compared with each other.
const MAX_NAME: usize = 4 << 10;
/// The longest list of key usages, in bytes: rules look for theirs in it. Real ones have a tenth.
const MAX_EKUS: usize = 1 << 10;
/// Elements of a set that are looked at, repeated certificates included.
const MAX_ELEMENTS: usize = 256;

/// Whether a pool holds all certificates of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Completeness {
    /// All.
    Whole,
    /// But for what does not parse as a certificate.
    Unparsed,
    /// A cap was reached.
    Capped,
}

/// Appends the certificates of a set to those of a pool that has `MAX_CERTIFICATES` more places, each once. Attribute certificates
/// are passed over: they are no part of a chain.
pub(crate) fn push_certificates<'a>(
    pool: &mut Vec<X509<'a>>,
    set: Reader<'a>,
) -> Result<Completeness, NoMemory> {
    let most = pool.len().saturating_add(MAX_CERTIFICATES);
    let mut found = Completeness::Whole;
    let mut rest = set;
    for (count, element) in rest.by_ref().enumerate() {
        if count >= MAX_ELEMENTS {
            return Ok(Completeness::Capped);
        }
        if element.tag != SEQUENCE {
            continue;
        }
        if element.raw.len() > MAX_CERTIFICATE {
            found = found.max(Completeness::Capped);
            continue;
        }
        let Some(mut certificate) = X509::read(&element) else {
            found = found.max(Completeness::Unparsed);
            continue;
        };
        if !certificate.is_short() {
            found = found.max(Completeness::Capped);
            continue;
        }
        if let Ok(id) = Algorithm::Sha256.digest(&[certificate.raw]).as_bytes().try_into() {
            certificate.id = id;
        }
        if pool.iter().any(|other| other.id == certificate.id) {
            continue;
        }
        if pool.len() >= most {
            return Ok(Completeness::Capped);
        }
        push(pool, certificate)?;
    }
    if !rest.is_empty() {
        found = found.max(Completeness::Unparsed);
    }
    Ok(found)
}
