//! PKCS#7 / CMS SignedData as it is found in images and catalogues.
//!
//! Lenient about form where real files are loose (versions, repeated certificates in the SET, indefinite lengths), strict about what
//! is proven.

use crate::crypto::RsaScratch;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::OCTET_STRING_PIECES;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::context;
use crate::der::context_primitive;
use crate::digest::Algorithm;
use crate::digest::Hasher;
use crate::facts::Hash;
use crate::facts::SignatureFault;
use crate::oid;
use crate::oid::AlgorithmId;
use crate::oid::Scheme;
use crate::x509::X509;

/// A SignedData.
#[derive(Clone, Debug)]
pub(crate) struct SignedData<'a> {
    pub(crate) content_type: &'a [u8],
    /// The signed element, with tag and length.
    pub(crate) content: Option<Element<'a>>,
    /// The certificates, in the order they stand.
    pub(crate) certificates: Reader<'a>,
    signers: Reader<'a>,
}

impl<'a> SignedData<'a> {
    /// Reads the `ContentInfo` that `bytes` begin with; what follows it is padding.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (outer, _) = Element::split(bytes)?;
        let mut info = outer.tagged(SEQUENCE)?.reader();
        if info.oid()? != oid::SIGNED_DATA {
            return None;
        }
        let mut fields = info.read(context(0))?.reader().read(SEQUENCE)?.reader();
        let _version = fields.read(INTEGER)?;
        let _digests = fields.read(SET)?;
        let mut encapsulated = fields.read(SEQUENCE)?.reader();
        let content_type = encapsulated.oid()?;
        let content = encapsulated
            .optional(context(0))
            .and_then(|content| content.reader().any());
        let certificates = fields
            .optional(context(0))
            .map_or(Reader::new(&[]), |set| set.reader());
        let _revocations = fields.optional(context(1));
        let signers = fields.read(SET)?.reader();
        Some(Self {
            content_type,
            content,
            certificates,
            signers,
        })
    }

    /// The signer. Authenticode and timestamp tokens have exactly one; Windows looks at the first.
    pub(crate) fn signer(&self) -> Option<SignerInfo<'a>> {
        self.signers().next()?
    }

    /// Every signer, as far as they can be read: `None` in place of one that does not parse.
    pub(crate) fn signers(&self) -> impl Iterator<Item = Option<SignerInfo<'a>>> + use<'a> {
        self.signers.clone().map(|element| SignerInfo::read(&element))
    }

    /// The signed structure. Libraries for CMS put it into an octet string, where Microsoft's own tools have it stand by itself.
    pub(crate) fn structure(&self) -> Option<Element<'a>> {
        let content = self.content?;
        match content.octets() {
            Some(octets) => Element::split(octets).map(|(element, _)| element),
            None => Some(content),
        }
    }
}

/// What a signer signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The content of the message.
    Content,
    /// Another signature (PKCS#9).
    Countersignature,
}

/// What a key signed. Worked out once for a signer, of whose signed attributes there may be megabytes, and not again for every certificate
/// that may hold the key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed {
    scheme: Scheme,
    digest: Algorithm,
    hash: Hash,
}

/// How a signer names its certificate.
#[derive(Clone, Copy, Debug)]
enum SignerId<'a> {
    IssuerAndSerial(&'a [u8], &'a [u8]),
    KeyId(&'a [u8]),
}

/// A SignerInfo.
#[derive(Clone, Debug)]
pub(crate) struct SignerInfo<'a> {
    id: SignerId<'a>,
    digest: AlgorithmId<'a>,
    signed_attributes: Option<Element<'a>>,
    scheme: AlgorithmId<'a>,
    pub(crate) signature: &'a [u8],
    unsigned_attributes: Reader<'a>,
    /// Whether nothing stands behind those.
    is_whole: bool,
}

impl<'a> SignerInfo<'a> {
    pub(crate) fn read(element: &Element<'a>) -> Option<Self> {
        let mut fields = element.tagged(SEQUENCE)?.reader();
        let _version = fields.read(INTEGER)?;
        let id = fields.any()?;
        let id = if id.tag == context_primitive(0) {
            SignerId::KeyId(id.content)
        } else {
            let mut pair = id.tagged(SEQUENCE)?.reader();
            SignerId::IssuerAndSerial(pair.read(SEQUENCE)?.raw, pair.read(INTEGER)?.content)
        };
        let digest = AlgorithmId::read(&fields.any()?)?;
        let signed_attributes = fields.optional(context(0));
        let scheme = AlgorithmId::read(&fields.any()?)?;
        let signature = fields.read(OCTET_STRING)?.content;
        let unsigned_attributes = fields
            .optional(context(1))
            .map_or(Reader::new(&[]), |set| set.reader());
        Some(Self {
            id,
            digest,
            signed_attributes,
            scheme,
            signature,
            unsigned_attributes,
            is_whole: fields.is_empty(),
        })
    }

    /// The first value of a signed attribute.
    pub(crate) fn signed_attribute(&self, oid: &[u8]) -> Option<Element<'a>> {
        attribute(self.signed_attributes?.reader(), oid).next()?.any()
    }

    /// Whether every unsigned attribute can be read: what cannot be may hide another signature.
    pub(crate) fn shows_all(&self) -> bool {
        let is_readable = |attribute: Element<'a>| {
            let mut parts = attribute.reader();
            let values = parts.oid().and_then(|_| parts.read(SET));
            values.is_some_and(|values| {
                let mut values = values.reader();
                values.by_ref().for_each(drop);
                values.is_empty()
            })
        };
        let mut attributes = self.unsigned_attributes.clone();
        let all = attributes
            .by_ref()
            .all(|attribute| attribute.tag == SEQUENCE && is_readable(attribute));
        all && attributes.is_empty() && self.is_whole
    }

    /// All values of an unsigned attribute, also where it occurs more than once.
    pub(crate) fn unsigned_attribute<'o>(
        &self,
        oid: &'o [u8],
    ) -> impl Iterator<Item = Element<'a>> + use<'a, 'o> {
        attribute(self.unsigned_attributes.clone(), oid).flatten()
    }

    /// Whether this certificate is one that the signer names as its own. Several may be: only the key tells them apart.
    pub(crate) fn names(&self, certificate: &X509<'_>) -> bool {
        match self.id {
            SignerId::IssuerAndSerial(issuer, serial) => {
                certificate.issuer.0 == issuer && certificate.serial == serial
            }
            SignerId::KeyId(id) => certificate.key_id == Some(id),
        }
    }

    /// The digest algorithm, if it is known.
    pub(crate) fn digest_algorithm(&self) -> Result<Algorithm, SignatureFault> {
        self.digest.digest().ok_or(SignatureFault::UnknownAlgorithm)
    }

    /// The signature algorithm, if it is known.
    pub(crate) fn scheme(&self) -> Option<Scheme> {
        self.scheme.signature()
    }

    /// Whether it signs with a digest that proves nothing of what was signed, as others of the same digest can be made.
    pub(crate) fn is_weak(&self) -> bool {
        let scheme = self.scheme().and_then(|scheme| scheme.digest);
        [self.digest.digest(), scheme].contains(&Some(Algorithm::Md5))
    }

    /// What the signer's key signed, if it signed content of this digest.
    ///
    /// The attribute that repeats the content's type is not asked for: Windows goes by the type beside the content.
    #[inline(never)]
    pub(crate) fn signed(&self, role: Role, content_digest: &Hash) -> Result<Signed, SignatureFault> {
        let algorithm = self.digest_algorithm()?;
        let scheme = self.scheme.signature().ok_or(SignatureFault::UnknownAlgorithm)?;
        let scheme = match role {
            Role::Content => scheme,
            Role::Countersignature => scheme.of_countersignature(),
        };
        let signature_digest = scheme.digest.unwrap_or(algorithm);
        let hash = match self.signed_attributes {
            None if signature_digest == algorithm => *content_digest,
            None => return Err(SignatureFault::UnknownAlgorithm),
            Some(attributes) => {
                let says = |oid, expected: &[u8]| {
                    self.signed_attribute(oid)
                        .is_some_and(|value| value.content == expected)
                };
                if !says(oid::MESSAGE_DIGEST, content_digest.as_bytes()) {
                    return Err(SignatureFault::SignedAttributes);
                }
                attributes_digest(signature_digest, &attributes)
            }
        };
        Ok(Signed {
            scheme,
            digest: signature_digest,
            hash,
        })
    }

    /// Proves that the holder of `certificate` signed this.
    pub(crate) fn verify(
        &self,
        signed: &Signed,
        certificate: &X509<'_>,
        scratch: &mut RsaScratch,
    ) -> Result<(), SignatureFault> {
        let key = &certificate.key;
        if !key.is_supported() {
            Err(SignatureFault::UnsupportedKey)
        } else if key.verify(
            signed.scheme,
            signed.digest,
            &signed.hash,
            self.signature,
            scratch,
        ) {
            Ok(())
        } else {
            Err(SignatureFault::SignerSignature)
        }
    }
}

/// The values of each attribute of this type.
fn attribute<'a, 'o>(
    attributes: Reader<'a>,
    oid: &'o [u8],
) -> impl Iterator<Item = Reader<'a>> + use<'a, 'o> {
    attributes.filter_map(move |attribute| {
        let mut parts = attribute.tagged(SEQUENCE)?.reader();
        (parts.oid()? == oid)
            .then(|| parts.read(SET))?
            .map(|set| set.reader())
    })
}

/// The digest of the signed attributes: as a SET in DER, whatever tag and form of length they stand with.
fn attributes_digest(algorithm: Algorithm, attributes: &Element<'_>) -> Hash {
    let length = attributes.content.len();
    let bytes = length.to_be_bytes();
    let significant = bytes.iter().skip_while(|byte| **byte == 0).count();
    let length_bytes = bytes
        .get(bytes.len().saturating_sub(significant)..)
        .unwrap_or_default();
    let mut hasher = Hasher::new(algorithm);
    hasher.update(&[SET]);
    match length_bytes {
        [short] if *short < 0x80 => hasher.update(&[*short]),
        long => {
            hasher.update(&[u8::try_from(significant).unwrap_or_default() | 0x80]);
            hasher.update(long);
        }
    }
    hasher.update(attributes.content);
    hasher.finish()
}

/// The digest of signed content: the content octets of the element, without its tag and length; of a string in pieces, the pieces.
pub(crate) fn content_digest(algorithm: Algorithm, content: &Element<'_>) -> Hash {
    let mut hasher = Hasher::new(algorithm);
    if content.tag == OCTET_STRING_PIECES {
        content.reader().for_each(|piece| hasher.update(piece.content));
    } else {
        hasher.update(content.content);
    }
    hasher.finish()
}
