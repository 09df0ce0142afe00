//! Authorities, certificates and Authenticode signatures made for tests, sound or forged, and images that carry them.

use std::fs;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::Pkcs1v15Sign;
use rsa::RsaPrivateKey;
use rsa::sha2::Digest;
use rsa::sha2::Sha256;
use rsa::sha2::Sha384;
use rsa::traits::PublicKeyParts;

use crate::der::BIT_STRING;
use crate::der::CONTEXT_0;
use crate::der::CONTEXT_1;
use crate::der::Node;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::UTC_TIME;
use crate::der::UTF8_STRING;
use crate::der::algorithm;
use crate::der::element;
use crate::der::number;
use crate::loader_map::Fields;
use crate::loader_map::put;
use crate::loader_map::u32_at;

/// RSA keys.
pub const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
/// RSA signatures over SHA-256.
pub const SHA256_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
/// SHA-256.
pub const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
/// A signed message.
pub const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
/// The unsigned attribute of a nested signature.
pub const NESTED: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x04\x01";
/// The unsigned attribute of a timestamp of RFC 3161.
pub const TOKEN: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x03\x03\x01";
/// The unsigned attribute of an older timestamp.
pub const COUNTERSIGNATURE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x06";
/// The key usage of code.
pub const CODE_SIGNING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x03";
/// The key usage of timestamps.
pub const TIME_STAMPING: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x03\x08";
/// The key usage of signatures that end with their certificate.
pub const LIFETIME_SIGNING: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x0a\x03\x0d";

const CONTENT_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
const OPUS_INFO: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0c";
const INDIRECT_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04";
const IMAGE_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0f";
const COMMON_NAME: &[u8] = b"\x55\x04\x03";
const KEY_ID: &[u8] = b"\x55\x1d\x0e";
const CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
const ISSUER_KEY_ID: &[u8] = b"\x55\x1d\x23";
const KEY_USAGES: &[u8] = b"\x55\x1d\x25";

/// An RSA key of this length; the same in every run.
pub fn key(bits: usize, seed: u64) -> Result<RsaPrivateKey> {
    Ok(RsaPrivateKey::new(&mut ChaCha8Rng::seed_from_u64(seed), bits)?)
}

/// The `SubjectPublicKeyInfo` of a key.
pub fn key_info(key: &RsaPrivateKey) -> Vec<u8> {
    modulus_info(&key.n().to_bytes_be())
}

/// The `SubjectPublicKeyInfo` of the RSA key of a modulus and 65537.
pub fn modulus_info(modulus: &[u8]) -> Vec<u8> {
    let public = element(SEQUENCE, &[number(modulus), number(&[1, 0, 1])].concat());
    let bits = element(BIT_STRING, &[&[0], public.as_slice()].concat());
    element(SEQUENCE, &[algorithm(RSA), bits].concat())
}

/// A name of a common name alone.
pub fn name(common_name: &str) -> Vec<u8> {
    let text = element(UTF8_STRING, common_name.as_bytes());
    let attribute = element(SEQUENCE, &[element(OID, COMMON_NAME), text].concat());
    element(SEQUENCE, &element(SET, &attribute))
}

/// The moduli of the roots that are known, as `evidence/roots/make.py` writes them.
pub fn known_moduli() -> Result<Vec<Vec<u8>>> {
    let bytes = fs::read(lab::repository::root().join("evidence/roots/roots.bin"))?;
    let mut rest = &bytes[..];
    let mut moduli = Vec::new();
    while rest.len() > 12 {
        let length = |at: usize| usize::from(u16::from_le_bytes([rest[at], rest[at + 1]]));
        let (name, key) = (length(8), length(10));
        let start = 12 + name;
        let stored = rest.get(start..start + key).context("a whole record")?;
        // 8: the key is a modulus.
        if rest[1] & 8 != 0 {
            moduli.push(stored.to_vec());
        }
        rest = &rest[start + key..];
    }
    ensure!(moduli.len() > 20, "{} moduli", moduli.len());
    Ok(moduli)
}

/// The identifier of the RSA key of a modulus and 65537 (RFC 5280, 4.2.1.2).
pub fn key_id(modulus: &[u8]) -> Vec<u8> {
    let public = element(SEQUENCE, &[number(modulus), number(&[1, 0, 1])].concat());
    sha1::Digest::finalize(sha1::Digest::chain_update(sha1::Sha1::default(), public)).to_vec()
}

/// Issuer and subject of a certificate, as they stand.
pub fn names_of(certificate: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (node, _) = Node::read(certificate, 2)?;
    let fields = node.children()?.first()?.children()?;
    let skipped = usize::from(fields.first()?.tag() == Some(CONTEXT_0));
    let part = |place: usize| fields.get(place + skipped).map(Node::bytes);
    Some((part(2)?, part(4)?))
}

/// The TBS hash of a certificate that is signed with SHA-256 or SHA-384.
pub fn tbs_hash(certificate: &[u8]) -> Option<Vec<u8>> {
    let (node, _) = Node::read(certificate, 1)?;
    let [to_sign, scheme, ..] = node.children()? else {
        return None;
    };
    let (to_sign, scheme) = (to_sign.bytes(), scheme.bytes());
    match scheme.get(4 + SHA256_WITH_RSA.len() - 1)? {
        0x0c => Some(Sha384::digest(to_sign).to_vec()),
        _ => Some(Sha256::digest(to_sign).to_vec()),
    }
}

fn sign(key: &RsaPrivateKey, bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(bytes))?)
}

/// What a certificate says.
#[derive(Clone)]
pub struct Certificate {
    /// The holder's name, as it stands.
    pub subject: Vec<u8>,
    /// The issuer's.
    pub issuer: Vec<u8>,
    /// The serial number, as it stands in its element.
    pub serial: Vec<u8>,
    /// The holder's key.
    pub key_info: Vec<u8>,
    /// Whether it may issue others.
    pub is_authority: bool,
    /// Its key usages; none for any.
    pub usages: Vec<Vec<u8>>,
    /// What it calls its own key.
    pub key_id: Option<Vec<u8>>,
    /// What it calls its issuer's.
    pub issuer_key_id: Option<Vec<u8>>,
    /// The algorithm of its signature.
    pub scheme: Vec<u8>,
    /// Octets that say nothing, to make it large.
    pub padding: usize,
    /// When it begins and when it ends.
    pub validity: [&'static str; 2],
}

impl Certificate {
    /// An authority.
    pub fn authority(subject: &str, issuer: &str, key_info: Vec<u8>) -> Self {
        Self {
            subject: name(subject),
            issuer: name(issuer),
            serial: vec![7],
            key_info,
            is_authority: true,
            usages: Vec::new(),
            key_id: None,
            issuer_key_id: None,
            scheme: SHA256_WITH_RSA.to_vec(),
            padding: 0,
            validity: ["200101000000Z", "490101000000Z"],
        }
    }

    /// A signer of code.
    pub fn leaf(subject: &str, issuer: &str, key_info: Vec<u8>) -> Self {
        Self {
            is_authority: false,
            usages: vec![CODE_SIGNING.to_vec()],
            ..Self::authority(subject, issuer, key_info)
        }
    }

    /// The certificate with a signature by `issuer`, or of zeros.
    pub fn issue(&self, issuer: Option<&RsaPrivateKey>) -> Result<Vec<u8>> {
        let validity = self.validity.map(|time| element(UTC_TIME, time.as_bytes()));
        let mut extensions = Vec::new();
        let mut extend = |oid: &[u8], value: &[u8]| {
            let parts = [element(OID, oid), element(OCTET_STRING, value)].concat();
            extensions.extend(element(SEQUENCE, &parts));
        };
        if self.is_authority {
            extend(CONSTRAINTS, &element(SEQUENCE, &[1, 1, 0xff]));
        }
        if !self.usages.is_empty() {
            let usages: Vec<u8> = self.usages.iter().flat_map(|oid| element(OID, oid)).collect();
            extend(KEY_USAGES, &element(SEQUENCE, &usages));
        }
        if let Some(id) = &self.key_id {
            extend(KEY_ID, &element(OCTET_STRING, id));
        }
        if let Some(id) = &self.issuer_key_id {
            extend(ISSUER_KEY_ID, &element(SEQUENCE, &element(0x80, id)));
        }
        if self.padding > 0 {
            extend(&[0x2b, 0x01], &element(OCTET_STRING, &vec![0x5a; self.padding]));
        }
        let to_sign = [
            element(CONTEXT_0, &number(&[2])),
            element(2, &self.serial),
            algorithm(&self.scheme),
            self.issuer.clone(),
            element(SEQUENCE, &validity.concat()),
            self.subject.clone(),
            self.key_info.clone(),
            element(0xa3, &element(SEQUENCE, &extensions)),
        ];
        let to_sign = element(SEQUENCE, &to_sign.concat());
        let signature = issuer.map_or_else(|| Ok(vec![0; 256]), |key| sign(key, &to_sign))?;
        let bits = element(BIT_STRING, &[&[0], signature.as_slice()].concat());
        Ok(element(
            SEQUENCE,
            &[to_sign, algorithm(&self.scheme), bits].concat(),
        ))
    }
}

/// The looser forms of a signature that others' tools write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Without the attribute that repeats the type of the content.
    pub has_no_content_type: bool,
    /// With the content in an octet string, as libraries for CMS put it.
    pub is_wrapped: bool,
    /// With a third field in what is said of the program.
    pub has_publisher_info: bool,
}

/// Who signs: key and certificate, and the certificates that go along.
#[derive(Clone)]
pub struct Signer {
    /// The key that signs.
    pub key: RsaPrivateKey,
    /// The name of who issued the signer's certificate.
    pub issuer: Vec<u8>,
    /// The certificate's serial number.
    pub serial: Vec<u8>,
    /// All certificates, the signer's first and its authorities in order.
    pub certificates: Vec<Vec<u8>>,
}

impl Signer {
    /// A signer under an authority under a root of its own, which goes along too. With `key_ids` the certificates name keys.
    pub fn new(vendor: &str, seed: u64, key_ids: bool) -> Result<Self> {
        let [root, authority, leaf] = [key(1024, seed)?, key(1024, seed + 1)?, key(1024, seed + 2)?];
        let names = ["Root", "Authority", "Ltd"].map(|kind| format!("{vendor} {kind}"));
        let [root_name, authority_name, leaf_name] = names.each_ref().map(String::as_str);
        let id = |number: u64| key_ids.then(|| (seed + number).to_be_bytes().to_vec());
        let certificates = [
            Certificate {
                key_id: id(2),
                issuer_key_id: id(1),
                serial: vec![0x11, u8::try_from(seed & 0x7f)?],
                ..Certificate::leaf(leaf_name, authority_name, key_info(&leaf))
            }
            .issue(Some(&authority))?,
            Certificate {
                key_id: id(1),
                issuer_key_id: id(0),
                ..Certificate::authority(authority_name, root_name, key_info(&authority))
            }
            .issue(Some(&root))?,
            Certificate {
                key_id: id(0),
                ..Certificate::authority(root_name, root_name, key_info(&root))
            }
            .issue(Some(&root))?,
        ];
        Ok(Self {
            key: leaf,
            issuer: name(authority_name),
            serial: vec![0x11, u8::try_from(seed & 0x7f)?],
            certificates: certificates.to_vec(),
        })
    }

    /// The signature over this Authenticode SHA-256, of a program of this name.
    pub fn sign(&self, digest: &[u8], program: &str, unsigned: &[Vec<u8>]) -> Result<Vec<u8>> {
        self.sign_shaped(digest, program, unsigned, Shape::default())
    }

    /// The same in another shape.
    pub fn sign_shaped(
        &self,
        digest: &[u8],
        program: &str,
        unsigned: &[Vec<u8>],
        shape: Shape,
    ) -> Result<Vec<u8>> {
        let image = element(SEQUENCE, &[3, 1, 0]);
        let content = [
            element(SEQUENCE, &[element(OID, IMAGE_DATA), image].concat()),
            element(
                SEQUENCE,
                &[algorithm(SHA256), element(OCTET_STRING, digest)].concat(),
            ),
        ]
        .concat();
        let program: Vec<u8> = program.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let mut opus = element(CONTEXT_0, &element(0x80, &program));
        if shape.has_publisher_info {
            opus.extend(element(0xa2, &element(0x80, b"https://publisher.example")));
        }
        // What is signed are the octets inside, whatever they stand in.
        let (content, tag) = if shape.is_wrapped {
            (element(SEQUENCE, &content), OCTET_STRING)
        } else {
            (content, SEQUENCE)
        };
        let mut attributes = vec![
            attribute(OPUS_INFO, &element(SEQUENCE, &opus)),
            attribute(MESSAGE_DIGEST, &element(OCTET_STRING, &Sha256::digest(&content))),
        ];
        if !shape.has_no_content_type {
            attributes.push(attribute(CONTENT_TYPE, &element(OID, INDIRECT_DATA)));
        }
        let attributes = attributes.concat();
        let signature = sign(&self.key, &element(SET, &attributes))?;
        let id = [self.issuer.clone(), element(2, &self.serial)].concat();
        let mut signer = vec![
            number(&[1]),
            element(SEQUENCE, &id),
            algorithm(SHA256),
            element(CONTEXT_0, &attributes),
            algorithm(RSA),
            element(OCTET_STRING, &signature),
        ];
        if !unsigned.is_empty() {
            signer.push(element(CONTEXT_1, &unsigned.concat()));
        }
        let encapsulated = [
            element(OID, INDIRECT_DATA),
            element(CONTEXT_0, &element(tag, &content)),
        ];
        let signed_data = [
            number(&[1]),
            element(SET, &algorithm(SHA256)),
            element(SEQUENCE, &encapsulated.concat()),
            element(CONTEXT_0, &self.certificates.concat()),
            element(SET, &element(SEQUENCE, &signer.concat())),
        ];
        let message = [
            element(OID, SIGNED_DATA),
            element(CONTEXT_0, &element(SEQUENCE, &signed_data.concat())),
        ];
        Ok(element(SEQUENCE, &message.concat()))
    }
}

/// Two signers, whose certificates name keys and do not.
pub fn nesting_signers() -> Result<[Signer; 2]> {
    Ok([
        Signer::new("Contoso", 100, true)?,
        Signer::new("Fabrikam", 110, false)?,
    ])
}

/// A signature of the first over no image at all, with one of the second nested in it; and the latter.
pub fn nesting_signature(signers: &[Signer; 2]) -> Result<(Vec<u8>, Vec<u8>)> {
    let inner = signers[1].sign(&[7; 32], "disk", &[])?;
    let nested = attribute(NESTED, &inner);
    Ok((signers[0].sign(&[7; 32], "disk", &[nested])?, inner))
}

/// An attribute of one value.
pub fn attribute(oid: &[u8], value: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(OID, oid), element(SET, value)].concat())
}

/// An entry of a certificate table, without what aligns the next one.
///
/// # Panics
/// For a message of 4 GiB.
pub fn entry(message: &[u8]) -> Vec<u8> {
    let length = (message.len() + 8).to_le_bytes();
    [&length[..4], &[0x00, 0x02, 0x02, 0x00], message].concat()
}

/// A certificate table of these messages.
pub fn table(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut table = Vec::new();
    for message in messages {
        table.extend(entry(message));
        table.resize(table.len().next_multiple_of(8), 0);
    }
    table
}

/// The image without its certificate table, if it has one at its end.
pub fn without_table(file: &[u8]) -> Vec<u8> {
    let at = Fields::of(file).security();
    let start = u32_at(file, at);
    let mut image = file[..if start == 0 {
        file.len()
    } else {
        start.min(file.len())
    }]
        .to_vec();
    image.resize(image.len().next_multiple_of(8), 0);
    put(&mut image, at, 0);
    put(&mut image, at + 4, 0);
    image
}

/// The certificate table of an image.
pub fn table_of(file: &[u8]) -> &[u8] {
    let at = Fields::of(file).security();
    let (start, size) = (u32_at(file, at), u32_at(file, at + 4));
    file.get(start..start.saturating_add(size).min(file.len()))
        .unwrap_or_default()
}

/// The image with this certificate table behind it.
pub fn with_table(image: &[u8], table: &[u8]) -> Vec<u8> {
    let mut file = image.to_vec();
    file.resize(file.len().next_multiple_of(8), 0);
    let (at, place) = (Fields::of(&file).security(), file.len());
    put(&mut file, at, place);
    put(&mut file, at + 4, table.len());
    file.extend_from_slice(table);
    file
}

/// The Authenticode SHA-256 of an image without certificate table, by the rule written out: all but `CheckSum` and the security
/// directory entry.
pub fn authenticode(image: &[u8]) -> [u8; 32] {
    let entry = Fields::of(image).security();
    let checksum = Fields::of(image).checksum();
    let mut hash = Sha256::new();
    hash.update(&image[..checksum]);
    hash.update(&image[checksum + 4..entry]);
    hash.update(&image[entry + 8..]);
    hash.update(vec![0; image.len().next_multiple_of(8) - image.len()]);
    hash.finalize().into()
}
