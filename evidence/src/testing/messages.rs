//! Signatures and catalogues for tests: messages of PKCS#7, made as sound or as false as a test wants them.

extern crate std;

use std::format;
use std::string::String;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use super::certificates::Spec;
use super::certificates::sign;
use super::certificates::sign_bare;
use super::encode::MD5;
use super::encode::RSA_ENCRYPTION;
use super::encode::SHA256;
use super::encode::algorithm;
use super::encode::attribute;
use super::encode::name;
use super::encode::object;
use super::encode::sequence;
use super::encode::tlv;
use super::rsa_key;
use crate::digest::Algorithm;
use crate::oid;

/// What a signature will hold.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) content_type: &'static [u8],
    /// The signed element.
    pub(crate) content: Vec<u8>,
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) signer: Spec,
    pub(crate) signed_attributes: Vec<Vec<u8>>,
    pub(crate) weak: bool,
    /// Whether the signer leaves the DigestInfo out.
    pub(crate) bare: bool,
}

impl Message {
    /// An Authenticode signature over this SHA-256 digest.
    pub(crate) fn over(digest: &[u8], signer: &Spec, certificates: &[Vec<u8>]) -> Self {
        Self::over_data(indirect_data(SHA256, digest, &[]), signer, certificates)
    }

    /// The same with a table of page hashes.
    pub(crate) fn with_pages(digest: &[u8], pages: &[u8], signer: &Spec, certificates: &[Vec<u8>]) -> Self {
        Self::over_data(
            indirect_data(SHA256, digest, &page_link(pages)),
            signer,
            certificates,
        )
    }

    /// A signature over a digest of this algorithm, by its identifier.
    pub(crate) fn over_digest(algorithm: &[u8], digest: &[u8], signer: &Spec) -> Self {
        Self::over_data(indirect_data(algorithm, digest, &[]), signer, &[])
    }

    /// A signature over an MD5 digest.
    pub(crate) fn over_md5(signer: &Spec, certificates: &[Vec<u8>]) -> Self {
        Self::over_data(indirect_data(MD5, &[7; 16], &[]), signer, certificates)
    }

    fn over_data(content: Vec<u8>, signer: &Spec, certificates: &[Vec<u8>]) -> Self {
        Self {
            content_type: oid::SPC_INDIRECT_DATA,
            content,
            certificates: certificates.to_vec(),
            signer: signer.clone(),
            signed_attributes: vec![attribute(oid::SPC_OPUS_INFO, &opus("Contoso"))],
            weak: false,
            bare: false,
        }
    }

    /// The same, of a program of this name.
    pub(crate) fn titled(mut self, program: &str) -> Self {
        self.signed_attributes = vec![attribute(oid::SPC_OPUS_INFO, &opus(program))];
        self
    }

    fn digest_algorithm(&self) -> Vec<u8> {
        algorithm(if self.weak { MD5 } else { SHA256 })
    }

    /// The SignerInfo without what is not signed, and the signature itself.
    fn signer_info(&self, unsigned: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
        let (inner, _) = crate::der::Element::split(&self.content).unwrap();
        let digest = Algorithm::Sha256.digest(&[inner.content]);
        let mut attributes = vec![
            attribute(oid::CONTENT_TYPE, &object(self.content_type)),
            attribute(oid::MESSAGE_DIGEST, &tlv(0x04, &[digest.as_bytes()])),
        ];
        attributes.extend(self.signed_attributes.iter().cloned());
        let sign = if self.bare { sign_bare } else { sign };
        let signature = sign(rsa_key(self.signer.key), &tlv(0x31, &[&attributes.concat()]));
        let info = self.raw_signer_info(&attributes.concat(), &signature, unsigned);
        (info, signature)
    }

    fn raw_signer_info(&self, attributes: &[u8], signature: &[u8], unsigned: &[Vec<u8>]) -> Vec<u8> {
        let id = sequence(&[&name(&self.signer.issuer), &tlv(0x02, &[&[self.signer.serial]])]);
        let unsigned = if unsigned.is_empty() {
            Vec::new()
        } else {
            tlv(0xa1, &[&unsigned.concat()])
        };
        sequence(&[
            &[0x02, 0x01, 0x01],
            &id,
            &self.digest_algorithm(),
            &tlv(0xa0, &[attributes]),
            &algorithm(RSA_ENCRYPTION),
            &tlv(0x04, &[signature]),
            &unsigned,
        ])
    }

    /// The signature octets that a timestamp vouches for.
    pub(crate) fn signature(&self) -> Vec<u8> {
        self.signer_info(&[]).1
    }

    /// The SignerInfo alone, as an unsigned attribute of another.
    pub(crate) fn countersignature(&self) -> Vec<u8> {
        attribute(oid::COUNTERSIGNATURE, &self.signer_info(&[]).0)
    }

    /// The whole ContentInfo.
    pub(crate) fn build(&self, unsigned: &[Vec<u8>]) -> Vec<u8> {
        self.around(&self.signer_info(unsigned).0)
    }

    /// The same with any bytes in place of the signature.
    pub(crate) fn build_with(&self, signature: &[u8], unsigned: &[Vec<u8>]) -> Vec<u8> {
        self.around(&self.raw_signer_info(&[], signature, unsigned))
    }

    fn around(&self, info: &[u8]) -> Vec<u8> {
        let signed_data = sequence(&[
            &[0x02, 0x01, 0x01],
            &tlv(0x31, &[&self.digest_algorithm()]),
            &sequence(&[&object(self.content_type), &tlv(0xa0, &[&self.content])]),
            &tlv(0xa0, &[&self.certificates.concat()]),
            &tlv(0x31, &[info]),
        ]);
        sequence(&[&object(oid::SIGNED_DATA), &tlv(0xa0, &[&signed_data])])
    }
}

fn opus(program: &str) -> Vec<u8> {
    let text: Vec<u8> = program.encode_utf16().flat_map(u16::to_be_bytes).collect();
    sequence(&[
        &tlv(0xa0, &[&tlv(0x80, &[&text])]),
        &tlv(0xa1, &[&tlv(0x80, &[b"https://contoso.example"])]),
    ])
}

fn indirect_data(digest_algorithm: &[u8], digest: &[u8], link: &[u8]) -> Vec<u8> {
    let image = sequence(&[&[0x03, 0x01, 0x00], link]);
    sequence(&[
        &sequence(&[&object(oid::SPC_PE_IMAGE_DATA), &image]),
        &sequence(&[&algorithm(digest_algorithm), &tlv(0x04, &[digest])]),
    ])
}

fn page_link(pages: &[u8]) -> Vec<u8> {
    let table = attribute(oid::SPC_PAGE_HASHES_SHA256, &tlv(0x04, &[pages]));
    let class = [
        0xa6, 0xb5, 0x86, 0xd5, 0xb4, 0xa1, 0x24, 0x66, 0xae, 0x05, 0xa2, 0x17, 0xda, 0x8e, 0x60, 0xd6,
    ];
    let moniker = tlv(
        0xa1,
        &[&tlv(0x04, &[&class]), &tlv(0x04, &[&tlv(0x31, &[&table])])],
    );
    tlv(0xa0, &[&moniker])
}

/// An RFC 3161 token over a signature, as an unsigned attribute.
pub(crate) fn token(signature: &[u8], time: &str, authority: &Spec, certificates: &[Vec<u8>]) -> Vec<u8> {
    let imprint = Algorithm::Sha256.digest(&[signature]);
    let info = sequence(&[
        &[0x02, 0x01, 0x01],
        &object(&[0x2a, 0x03]),
        &sequence(&[&algorithm(SHA256), &tlv(0x04, &[imprint.as_bytes()])]),
        &[0x02, 0x01, 0x09],
        &tlv(0x18, &[time.as_bytes()]),
    ]);
    let message = Message {
        content_type: oid::TST_INFO,
        content: tlv(0x04, &[&info]),
        certificates: certificates.to_vec(),
        signer: authority.clone(),
        signed_attributes: Vec::new(),
        weak: false,
        bare: false,
    };
    attribute(oid::RFC3161_TOKEN, &message.build(&[]))
}

/// A PKCS#9 countersignature over a signature.
pub(crate) fn clock_message(signature: &[u8], time: &str, authority: &Spec) -> Message {
    Message {
        content_type: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01],
        content: tlv(0x04, &[signature]),
        certificates: Vec::new(),
        signer: authority.clone(),
        signed_attributes: vec![attribute(oid::SIGNING_TIME, &tlv(0x17, &[time.as_bytes()]))],
        weak: false,
        bare: false,
    }
}

/// The same as an unsigned attribute.
pub(crate) fn countersignature(signature: &[u8], time: &str, authority: &Spec) -> Vec<u8> {
    clock_message(signature, time, authority).countersignature()
}

/// A signature inside another, as an unsigned attribute.
pub(crate) fn nested(message: &Message) -> Vec<u8> {
    attribute(oid::NESTED_SIGNATURE, &message.build(&[]))
}

/// A certificate table of these signatures.
pub(crate) fn table(signatures: &[Vec<u8>]) -> Vec<u8> {
    let mut table = Vec::new();
    for signature in signatures {
        table.extend((signature.len() as u32 + 8).to_le_bytes());
        table.extend([0x00, 0x02, 0x02, 0x00]);
        table.extend(signature);
        table.resize(table.len().next_multiple_of(8), 0);
    }
    table
}

/// How a catalogue's member is written.
pub(crate) enum Member {
    /// SHA-1 as text in the tag, and again in the data: version 1.
    Text([u8; 20]),
    /// A raw SHA-256 tag with data: version 2.
    Raw([u8; 32]),
    /// A raw SHA-1 tag and nothing else: version 2.
    Bare([u8; 20]),
}

impl Member {
    fn build(&self) -> Vec<u8> {
        const SHA1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
        let data = |algorithm, digest: &[u8]| {
            let data = indirect_data(algorithm, digest, &[]);
            tlv(0x31, &[&attribute(oid::SPC_INDIRECT_DATA, &data)])
        };
        let (tag, attributes) = match self {
            Self::Text(hash) => {
                let digits: String = hash
                    .iter()
                    .map(|byte| format!("{byte:02X}"))
                    .chain(["\0".to_string()])
                    .collect();
                let tag: Vec<u8> = digits.encode_utf16().flat_map(u16::to_le_bytes).collect();
                (tag, data(SHA1, hash))
            }
            Self::Raw(hash) => (hash.to_vec(), data(SHA256, hash)),
            Self::Bare(hash) => (hash.to_vec(), Vec::new()),
        };
        sequence(&[&tlv(0x04, &[&tag]), &attributes])
    }
}

impl Message {
    /// A catalogue of these members.
    pub(crate) fn catalog(members: &[Member], signer: &Spec, certificates: &[Vec<u8>]) -> Self {
        let list: Vec<u8> = members.iter().flat_map(Member::build).collect();
        let kind = |last| object(&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0c, 0x01, last]);
        let content = sequence(&[
            &sequence(&[&kind(1)]),
            &tlv(0x04, &[&[5; 16]]),
            &tlv(0x17, &[b"250601120000Z"]),
            &sequence(&[&kind(3), &[0x05, 0x00]]),
            &sequence(&[&list]),
        ]);
        Self {
            content_type: oid::TRUST_LIST,
            ..Self::over_data(content, signer, certificates)
        }
    }
}
