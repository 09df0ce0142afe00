//! Object identifiers, as DER content octets.

use crate::crypto::Padding;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::SEQUENCE;
use crate::der::context;
use crate::digest::Algorithm;

/// Common name, 2.5.4.3.
pub(crate) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.14.
pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
/// 2.5.29.15.
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// 2.5.29.19.
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// 2.5.29.35.
pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
/// 2.5.29.37.
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 1.2.840.113549.1.7.2.
pub(crate) const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.3.
#[cfg(test)]
pub(crate) const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4.
pub(crate) const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
/// 1.2.840.113549.1.9.5.
pub(crate) const SIGNING_TIME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x05];
/// 1.2.840.113549.1.9.6: a countersignature over the signature, the older kind of timestamp.
pub(crate) const COUNTERSIGNATURE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x06];
/// 1.2.840.113549.1.9.16.1.4: the content of an RFC 3161 token.
pub(crate) const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// 1.3.6.1.4.1.311.2.1.4: the content of an Authenticode signature.
pub(crate) const SPC_INDIRECT_DATA: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x04];
/// 1.3.6.1.4.1.311.10.1: the content of a catalogue.
pub(crate) const TRUST_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x01];
/// 1.3.6.1.4.1.311.2.1.12.
pub(crate) const SPC_OPUS_INFO: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0c];
/// 1.3.6.1.4.1.311.2.1.15.
pub(crate) const SPC_PE_IMAGE_DATA: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0f];
/// 1.3.6.1.4.1.311.2.3.1: page hashes of SHA-1.
pub(crate) const SPC_PAGE_HASHES_SHA1: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x03, 0x01];
/// 1.3.6.1.4.1.311.2.3.2: page hashes of SHA-256.
pub(crate) const SPC_PAGE_HASHES_SHA256: &[u8] =
    &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x03, 0x02];
/// 1.3.6.1.4.1.311.2.4.1: a signature in the unsigned attributes of another.
pub(crate) const NESTED_SIGNATURE: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x04, 0x01];
/// 1.3.6.1.4.1.311.3.3.1: an RFC 3161 token in the unsigned attributes.
pub(crate) const RFC3161_TOKEN: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x03, 0x03, 0x01];
/// 1.3.6.1.5.5.7.3.3.
pub(crate) const EKU_CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// 1.3.6.1.5.5.7.3.8.
pub(crate) const EKU_TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// 1.2.840.113549.1.1.2: signatures that nobody may trust any more.
pub(crate) const MD2_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x02];

const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// Whether an extension that is not read here may say that it must be understood: it limits neither what the holder may sign nor for
/// whom, only policies, names of the holder and where to look for more.
pub(crate) const fn is_harmless_extension(oid: &[u8]) -> bool {
    match oid {
        // 2.5.29: directory attributes, private key usage period, alternative names of subject and issuer, distribution points,
        // policies and their mappings and constraints, authority key identifier, inhibition of any policy.
        [0x55, 0x1d, last] => matches!(last, 9 | 16 | 17 | 18 | 31 | 32 | 33 | 35 | 36 | 46 | 54),
        // 1.3.6.1.5.5.7.1.1, where to find the issuer; 2.16.840.1.113730.1.1, Netscape's type; 1.3.6.1.4.1.311.21.10 and 20.2, Microsoft's
        // application policies and template name.
        [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01]
        | [0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x01, 0x01]
        | [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x15, 0x0a]
        | [0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02] => true,
        _ => false,
    }
}

/// An algorithm identifier: the identifier's content octets and the parameters, if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlgorithmId<'a> {
    pub(crate) oid: &'a [u8],
    pub(crate) parameters: Option<Element<'a>>,
}

impl<'a> AlgorithmId<'a> {
    /// Reads the content of `sequence`.
    pub(crate) fn read(sequence: &Element<'a>) -> Option<Self> {
        let mut fields = sequence.tagged(SEQUENCE)?.reader();
        Some(Self {
            oid: fields.oid()?,
            parameters: fields.any(),
        })
    }

    /// The digest algorithm this names.
    pub(crate) fn digest(&self) -> Option<Algorithm> {
        Some(match self.oid {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05] => Algorithm::Md5,
            [0x2b, 0x0e, 0x03, 0x02, 0x1a] => Algorithm::Sha1,
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, last] => match last {
                1 => Algorithm::Sha256,
                2 => Algorithm::Sha384,
                3 => Algorithm::Sha512,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// The signature algorithm this names.
    pub(crate) fn signature(&self) -> Option<Scheme> {
        let rsa = |digest| {
            Some(Scheme {
                digest: Some(digest),
                kind: Kind::Rsa(Padding::Pkcs1),
            })
        };
        let ecdsa = |digest| {
            Some(Scheme {
                digest: Some(digest),
                kind: Kind::Ecdsa,
            })
        };
        match self.oid {
            // Signer infos may name the key's algorithm and leave the digest to its own field.
            EC_PUBLIC_KEY => Some(Scheme {
                digest: None,
                kind: Kind::Ecdsa,
            }),
            [0x2b, 0x0e, 0x03, 0x02, 0x1d] => rsa(Algorithm::Sha1),
            [0x2b, 0x0e, 0x03, 0x02, 0x03] => rsa(Algorithm::Md5),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01] => ecdsa(Algorithm::Sha1),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02] => ecdsa(Algorithm::Sha256),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03] => ecdsa(Algorithm::Sha384),
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04] => ecdsa(Algorithm::Sha512),
            _ => match self.oid.strip_prefix(&RSA)? {
                [0x01] => Some(Scheme {
                    digest: None,
                    kind: Kind::Rsa(Padding::Pkcs1),
                }),
                [0x04] => rsa(Algorithm::Md5),
                [0x05] => rsa(Algorithm::Sha1),
                [0x0a] => pss(self.parameters.as_ref()),
                [0x0b] => rsa(Algorithm::Sha256),
                [0x0c] => rsa(Algorithm::Sha384),
                [0x0d] => rsa(Algorithm::Sha512),
                _ => None,
            },
        }
    }
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheme {
    /// The digest it implies, if it implies one.
    pub(crate) digest: Option<Algorithm>,
    pub(crate) kind: Kind,
}

impl Scheme {
    /// The algorithm as a PKCS#9 countersignature may use it: RSA over the bare digest too.
    pub(crate) const fn of_countersignature(self) -> Self {
        match self.kind {
            Kind::Rsa(Padding::Pkcs1) => Self {
                kind: Kind::Rsa(Padding::Pkcs1OrBareDigest),
                ..self
            },
            _ => self,
        }
    }
}

/// What kind of key makes the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa(Padding),
    Ecdsa,
}

/// RSASSA-PSS-params; every field has a default.
fn pss(parameters: Option<&Element<'_>>) -> Option<Scheme> {
    let mut digest = Algorithm::Sha1;
    let mut mask = Algorithm::Sha1;
    let mut salt = 20;
    if let Some(sequence) = parameters {
        let mut fields = sequence.tagged(SEQUENCE)?.reader();
        if let Some(field) = fields.optional(context(0)) {
            digest = AlgorithmId::read(&field.reader().any()?)?.digest()?;
        }
        if let Some(field) = fields.optional(context(1)) {
            let function = AlgorithmId::read(&field.reader().any()?)?;
            if function.oid != MGF1 {
                return None;
            }
            mask = AlgorithmId::read(&function.parameters?)?.digest()?;
        }
        if let Some(field) = fields.optional(context(2)) {
            let [length] = field.reader().read(INTEGER)?.content else {
                return None;
            };
            salt = usize::from(*length);
        }
    }
    Some(Scheme {
        digest: Some(digest),
        kind: Kind::Rsa(Padding::Pss { mask, salt }),
    })
}
