//! A certificate authority for tests, which also forges, and the roots that the tests know.

extern crate std;

use std::format;
use std::string::String;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use rsa::Pkcs1v15Sign;
use rsa::RsaPrivateKey;
use rsa::traits::PublicKeyParts;

use super::encode::MD5;
use super::encode::MD5_WITH_RSA;
use super::encode::RSA_ENCRYPTION;
use super::encode::SHA256_WITH_RSA;
use super::encode::algorithm;
use super::encode::integer;
use super::encode::name;
use super::encode::object;
use super::encode::sequence;
use super::encode::tlv;
use super::rsa_key;
use crate::digest::Algorithm;
use crate::oid;

/// When the tests' certificates begin, and when they end.
pub(crate) const VALIDITY: (&str, &str) = ("200101000000Z", "300101000000Z");

/// The `SubjectPublicKeyInfo` of a key.
pub(crate) fn key_info(key: &RsaPrivateKey) -> Vec<u8> {
    let numbers = sequence(&[&integer(&key.n().to_bytes_be()), &integer(&key.e().to_bytes_be())]);
    sequence(&[&algorithm(RSA_ENCRYPTION), &tlv(0x03, &[&[0], &numbers])])
}

/// The `SubjectPublicKeyInfo` of an RSA key of this modulus and 65537.
pub(crate) fn modulus_info(modulus: &[u8]) -> Vec<u8> {
    let numbers = sequence(&[&integer(modulus), &integer(&[1, 0, 1])]);
    sequence(&[&algorithm(RSA_ENCRYPTION), &tlv(0x03, &[&[0], &numbers])])
}

/// The name that a certificate of this subject has.
pub(crate) fn subject(common_name: &str) -> Vec<u8> {
    name(common_name)
}

pub(super) fn sign(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    let digest = Algorithm::Sha256.digest(&[message]);
    key.sign(Pkcs1v15Sign::new::<rsa::sha2::Sha256>(), digest.as_bytes())
        .unwrap()
}

/// The same without the DigestInfo around the digest.
pub(super) fn sign_bare(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    let digest = Algorithm::Sha256.digest(&[message]);
    key.sign(Pkcs1v15Sign::new_unprefixed(), digest.as_bytes())
        .unwrap()
}

/// The same with MD5.
fn sign_weak(key: &RsaPrivateKey, message: &[u8]) -> Vec<u8> {
    let digest = Algorithm::Md5.digest(&[message]);
    let info = sequence(&[&algorithm(MD5), &tlv(0x04, &[digest.as_bytes()])]);
    key.sign(Pkcs1v15Sign::new_unprefixed(), &info).unwrap()
}

/// What a certificate will say. Holders are told apart by the length of their keys.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) serial: u8,
    /// Key of the holder.
    pub(crate) key: usize,
    /// Key that signs.
    pub(crate) signed_by: usize,
    pub(crate) ekus: Vec<&'static [u8]>,
    pub(crate) authority: bool,
    pub(crate) path_length: Option<u8>,
    pub(crate) validity: (&'static str, &'static str),
    /// In place of the holder's RSA key.
    pub(crate) key_info: Option<Vec<u8>>,
    /// Whether the issuer signs with MD5.
    pub(crate) weak: bool,
    /// Whether it is of version 1, which has no extensions.
    pub(crate) first_version: bool,
    /// Further extensions, as they stand.
    pub(crate) extensions: Vec<u8>,
}

impl Spec {
    pub(crate) fn new(subject: &str, key: usize, issuer: &str, signed_by: usize) -> Self {
        Self {
            subject: subject.to_string(),
            issuer: issuer.to_string(),
            serial: 1,
            key,
            signed_by,
            ekus: Vec::new(),
            authority: false,
            path_length: None,
            validity: VALIDITY,
            key_info: None,
            weak: false,
            first_version: false,
            extensions: Vec::new(),
        }
    }

    pub(crate) fn authority(subject: &str, key: usize, issuer: &str, signed_by: usize) -> Self {
        Self {
            authority: true,
            ..Self::new(subject, key, issuer, signed_by)
        }
    }

    pub(crate) fn leaf(subject: &str, key: usize, issuer: &str, signed_by: usize) -> Self {
        Self {
            ekus: vec![oid::EKU_CODE_SIGNING],
            ..Self::new(subject, key, issuer, signed_by)
        }
    }

    pub(crate) fn issue(&self) -> Vec<u8> {
        let scheme = algorithm(if self.weak { MD5_WITH_RSA } else { SHA256_WITH_RSA });
        let time = |text: &str| tlv(0x17, &[text.as_bytes()]);
        let key_info = self
            .key_info
            .clone()
            .unwrap_or_else(|| key_info(rsa_key(self.key)));
        let mut extensions = self.extensions.clone();
        if !self.ekus.is_empty() {
            let ekus: Vec<u8> = self.ekus.iter().flat_map(|eku| object(eku)).collect();
            extensions.extend(extension(oid::EXTENDED_KEY_USAGE, &sequence(&[&ekus])));
        }
        if self.authority {
            let length = self
                .path_length
                .map_or(Vec::new(), |length| tlv(0x02, &[&[length]]));
            extensions.extend(extension(
                oid::BASIC_CONSTRAINTS,
                &sequence(&[&[0x01, 0x01, 0xff], &length]),
            ));
        }
        let (version, extensions) = if self.first_version {
            (Vec::new(), Vec::new())
        } else {
            let version = tlv(0xa0, &[&[0x02, 0x01, 0x02]]);
            (version, tlv(0xa3, &[&sequence(&[&extensions])]))
        };
        let body = sequence(&[
            &version,
            &tlv(0x02, &[&[self.serial]]),
            &scheme,
            &name(&self.issuer),
            &sequence(&[&time(self.validity.0), &time(self.validity.1)]),
            &name(&self.subject),
            &key_info,
            &extensions,
        ]);
        let sign = if self.weak { sign_weak } else { sign };
        let signature = sign(rsa_key(self.signed_by), &body);
        sequence(&[&body, &scheme, &tlv(0x03, &[&[0], &signature])])
    }
}

/// An extension that must be understood.
pub(crate) fn critical_extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&object(oid), &[0x01, 0x01, 0xff], &tlv(0x04, &[value])])
}

fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&object(oid), &tlv(0x04, &[value])])
}

/// A key over P-256 whose parameters are described instead of named: the shape of the CVE-2020-0601 forgery.
pub(crate) fn explicit_curve_key() -> Vec<u8> {
    let field = sequence(&[
        &object(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x01, 0x01]),
        &tlv(0x02, &[&[0x7f; 32]]),
    ]);
    let described = sequence(&[&[0x02, 0x01, 0x01], &field]);
    let key_kind = sequence(&[&object(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]), &described]);
    sequence(&[&key_kind, &tlv(0x03, &[&[0, 4], &[0x11; 64]])])
}

/// The name of the tests' own known root, whose key has [`ROOT_KEY`] bits.
pub(crate) const ROOT: &str = "Gatehouse Test Root";

/// Length of the root's key.
pub(crate) const ROOT_KEY: usize = 1280;

/// The name of the tests' own Code Verification Root, whose key has [`CROSS_ROOT_KEY`] bits.
pub(crate) const CROSS_ROOT: &str = "Gatehouse Test Code Verification Root";

/// Length of that root's key.
pub(crate) const CROSS_ROOT_KEY: usize = 1296;

/// The name of a root that vouches for code alone, and of one for times before 2025 alone; both have the key of [`ROOT`].
pub(crate) const CODE_ROOT: &str = "Gatehouse Test Root for Code";

/// The other one.
pub(crate) const CLOCK_ROOT: &str = "Gatehouse Test Root for Times";

/// A root, and what it vouches for.
pub(crate) struct StoredRoot {
    pub(crate) wellknown: Option<u8>,
    pub(crate) common_name: &'static str,
    pub(crate) name: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) code: bool,
    /// Before this, in certificates issued before this.
    pub(crate) time_before: Option<i64>,
}

/// The roots that the tests know beside the shipped ones.
pub(crate) fn test_roots() -> &'static [StoredRoot] {
    static STORED: std::sync::LazyLock<[StoredRoot; 4]> = std::sync::LazyLock::new(|| {
        [
            (None, ROOT, ROOT_KEY, true, Some(i64::MAX)),
            (Some(8), CROSS_ROOT, CROSS_ROOT_KEY, true, Some(i64::MAX)),
            (None, CODE_ROOT, ROOT_KEY, true, None),
            (None, CLOCK_ROOT, ROOT_KEY, false, Some(1_735_689_600)),
        ]
        .map(|(wellknown, common_name, key, code, time_before)| StoredRoot {
            wellknown,
            common_name,
            name: name(common_name),
            key: key_info(rsa_key(key)),
            code,
            time_before,
        })
    });
    &*STORED
}

/// Authorities one below the other, each signing the next; the first is signed by the root. Returns their certificates.
pub(crate) fn ladder(steps: usize, key: usize) -> Vec<Vec<u8>> {
    (0..steps)
        .map(|step| {
            let (issuer, signed_by) = match step {
                0 => (ROOT.to_string(), ROOT_KEY),
                _ => (format!("Step {}", step - 1), key),
            };
            Spec::authority(&format!("Step {step}"), key, &issuer, signed_by).issue()
        })
        .collect()
}
