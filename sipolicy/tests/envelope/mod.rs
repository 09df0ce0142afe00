//! Signed policies: PKCS #7 envelopes, made as sound or as false as a test wants them.

use p256::ecdsa::Signature;
use p256::ecdsa::SigningKey;
use p256::ecdsa::signature::Signer as _;
use sha2::Digest as _;
use sha2::Sha256;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// 1.3.6.1.4.1.311.79.1.
pub const POLICY: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4f, 1];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// One element.
pub fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len();
    let head = match u8::try_from(length) {
        Ok(short @ 0..0x80) => vec![tag, short],
        _ => [
            &[tag, 0x83][..],
            &u32::try_from(length).unwrap().to_be_bytes()[1..],
        ]
        .concat(),
    };
    [head, content].concat()
}

/// The same of indefinite length.
fn ber(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[tag, 0x80][..], &parts.concat(), &[0, 0]].concat()
}

fn object(content: &[u8]) -> Vec<u8> {
    der(6, &[content])
}

fn algorithm(oid: &[u8]) -> Vec<u8> {
    der(0x30, &[&object(oid)])
}

fn name(text: &str) -> Vec<u8> {
    let value = der(0x0c, &[text.as_bytes()]);
    der(
        0x30,
        &[&der(0x31, &[&der(0x30, &[&object(COMMON_NAME), &value])])],
    )
}

/// Who signs: a certificate that signed itself.
pub struct Signer {
    key: SigningKey,
    name: &'static str,
}

/// How an envelope is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lengths and one string, as DER has them.
    Der,
    /// Indefinite lengths and a string in pieces, as `openssl cms -stream` writes.
    Ber,
}

impl Signer {
    pub fn new(name: &'static str) -> Self {
        let seed = Sha256::digest(name);
        let key = SigningKey::from_slice(&seed).expect("a key");
        Self { key, name }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    fn certificate(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_encoded_point(false);
        let key = der(
            0x30,
            &[
                &der(0x30, &[&object(EC_KEY), &object(P256)]),
                &der(3, &[&[0], point.as_bytes()]),
            ],
        );
        let time = |text: &str| der(0x17, &[text.as_bytes()]);
        let tbs = der(
            0x30,
            &[
                &der(0xa0, &[&der(2, &[&[2]])]),
                &der(2, &[&[7]]),
                &algorithm(ECDSA_SHA256),
                &name(self.name),
                &der(0x30, &[&time("200101000000Z"), &time("400101000000Z")]),
                &name(self.name),
                &key,
            ],
        );
        der(
            0x30,
            &[&tbs, &algorithm(ECDSA_SHA256), &der(3, &[&[0], &self.sign(&tbs)])],
        )
    }

    /// The policy in an envelope, with the signer's certificate or without.
    pub fn envelope(&self, policy: &[u8], form: Form, with_certificate: bool) -> Vec<u8> {
        let attribute = |oid: &[u8], value: &[u8]| der(0x30, &[&object(oid), &der(0x31, &[value])]);
        let attributes = [
            attribute(CONTENT_TYPE, &object(POLICY)),
            attribute(MESSAGE_DIGEST, &der(4, &[&Sha256::digest(policy)])),
        ]
        .concat();
        let info = der(
            0x30,
            &[
                &der(2, &[&[1]]),
                &der(0x30, &[&name(self.name), &der(2, &[&[7]])]),
                &algorithm(SHA256),
                &der(0xa0, &[&attributes]),
                &algorithm(ECDSA_SHA256),
                &der(4, &[&self.sign(&der(0x31, &[&attributes]))]),
            ],
        );
        let open: fn(u8, &[&[u8]]) -> Vec<u8> = match form {
            Form::Der => der,
            Form::Ber => ber,
        };
        let content = match form {
            Form::Der => der(4, &[policy]),
            Form::Ber => {
                let (head, tail) = policy.split_at(policy.len() / 3);
                ber(0x24, &[&der(4, &[head]), &der(4, &[tail])])
            }
        };
        let encapsulated = open(0x30, &[&object(POLICY), &open(0xa0, &[&content])]);
        let certificates = if with_certificate {
            der(0xa0, &[&self.certificate()])
        } else {
            Vec::new()
        };
        let signed_data = open(
            0x30,
            &[
                &der(2, &[&[1]]),
                &der(0x31, &[&algorithm(SHA256)]),
                &encapsulated,
                &certificates,
                &der(0x31, &[&info]),
            ],
        );
        open(0x30, &[&object(SIGNED_DATA), &open(0xa0, &[&signed_data])])
    }
}
