//! X.509 certificates, borrowed as they stand.

use crate::crypto::RsaScratch;
use crate::der;
use crate::der::BIT_STRING;
use crate::der::BOOLEAN;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::der::context;
use crate::der::context_primitive;
use crate::digest::Algorithm;
use crate::distrust;
use crate::facts;
use crate::facts::Ekus;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Unreadable;
use crate::md2::Allowance;
use crate::name::Name;
use crate::oid;
use crate::oid::AlgorithmId;
use crate::public_key::PublicKey;

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
        let outer_scheme = AlgorithmId::read(&outer.any()?)?;
        let signature = bit_string(&outer.any()?)?;

        let mut fields = tbs.reader();
        // The version is left out where it is 1, and only there.
        let first_version = fields.optional(context(0)).is_none();
        let serial = fields.read(INTEGER)?.content;
        let scheme = AlgorithmId::read(&fields.any()?)?;
        let issuer = Name(fields.read(SEQUENCE)?.raw);
        let mut validity = fields.read(SEQUENCE)?.reader();
        let not_before = der::time(&validity.any()?)?;
        let not_after = der::time(&validity.any()?)?;
        let subject = Name(fields.read(SEQUENCE)?.raw);
        let key = PublicKey::read(&fields.read(SEQUENCE)?)?;
        // The algorithm inside the signed part, with its parameters, is the one that was meant: the one beside it is anybody's.
        if outer_scheme.oid != scheme.oid {
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
pub(crate) fn bit_string<'a>(element: &Element<'a>) -> Option<&'a [u8]> {
    let (_unused, bytes) = element.tagged(BIT_STRING)?.content.split_first()?;
    Some(bytes)
}
