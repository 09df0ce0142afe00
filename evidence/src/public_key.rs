//! Public keys of certificates: of which kind they are, and whether they made a signature.

use crate::crypto;
use crate::crypto::Curve;
use crate::crypto::RsaKey;
use crate::crypto::RsaScratch;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::OID;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::digest::Algorithm;
use crate::facts::Hash;
use crate::facts::Key;
use crate::oid::AlgorithmId;
use crate::oid::Kind;
use crate::oid::Scheme;
use crate::x509::bit_string;

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
