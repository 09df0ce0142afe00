//! Security catalogues made for tests: any number of them, rightly signed with a certificate that vouches for itself.

use std::fs;
use std::path::Path;

use anyhow::Result;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::Pkcs1v15Sign;
use rsa::RsaPrivateKey;
use rsa::sha2::Digest;
use rsa::sha2::Sha256;
use rsa::traits::PublicKeyParts;

use crate::der::BIT_STRING;
use crate::der::CONTEXT_0;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::SEQUENCE;
use crate::der::SET;
use crate::der::UTC_TIME;
use crate::der::UTF8_STRING;
use crate::der::algorithm;
use crate::der::element;
use crate::der::number;

const SHA256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const SHA256_WITH_RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b";
const SIGNED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const CONTENT_TYPE: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03";
const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
const COMMON_NAME: &[u8] = b"\x55\x04\x03";
const TRUST_LIST: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x0a\x01";
const CATALOG_LIST: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x0c\x01\x01";
const CATALOG_MEMBER_2: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x0c\x01\x03";

/// Signs catalogues.
pub struct Maker {
    key: RsaPrivateKey,
    name: Vec<u8>,
    certificate: Vec<u8>,
}

impl Maker {
    /// One with a key of its own.
    pub fn new() -> Result<Self> {
        let key = RsaPrivateKey::new(&mut ChaCha8Rng::seed_from_u64(5), 1024)?;
        let common_name = [element(OID, COMMON_NAME), element(UTF8_STRING, b"Gatehouse test")].concat();
        let name = element(SEQUENCE, &element(SET, &element(SEQUENCE, &common_name)));
        let validity = ["250101000000Z", "350101000000Z"]
            .map(|time| element(UTC_TIME, time.as_bytes()))
            .concat();
        let public = [number(&key.n().to_bytes_be()), number(&key.e().to_bytes_be())].concat();
        let info = [
            algorithm(RSA),
            element(
                BIT_STRING,
                &[&[0], element(SEQUENCE, &public).as_slice()].concat(),
            ),
        ];
        let to_sign = [
            element(CONTEXT_0, &number(&[2])),
            number(&[1]),
            algorithm(SHA256_WITH_RSA),
            name.clone(),
            element(SEQUENCE, &validity),
            name.clone(),
            element(SEQUENCE, &info.concat()),
        ];
        let to_sign = element(SEQUENCE, &to_sign.concat());
        let signature = sign(&key, &to_sign)?;
        let signed = [
            to_sign,
            algorithm(SHA256_WITH_RSA),
            element(BIT_STRING, &[&[0], signature.as_slice()].concat()),
        ];
        Ok(Self {
            certificate: element(SEQUENCE, &signed.concat()),
            key,
            name,
        })
    }

    /// A catalogue, of the second version, of files with these Authenticode SHA-256.
    pub fn catalog(&self, members: &[[u8; 32]]) -> Result<Vec<u8>> {
        let list: Vec<u8> = members
            .iter()
            .flat_map(|hash| {
                element(
                    SEQUENCE,
                    &[element(OCTET_STRING, hash), element(SET, &[])].concat(),
                )
            })
            .collect();
        let content = [
            element(SEQUENCE, &element(OID, CATALOG_LIST)),
            element(OCTET_STRING, &[7; 16]),
            element(UTC_TIME, b"250601120000Z"),
            algorithm(CATALOG_MEMBER_2),
            element(SEQUENCE, &list),
        ]
        .concat();
        let attribute =
            |oid, value: &[u8]| element(SEQUENCE, &[element(OID, oid), element(SET, value)].concat());
        let attributes = [
            attribute(CONTENT_TYPE, &element(OID, TRUST_LIST)),
            attribute(MESSAGE_DIGEST, &element(OCTET_STRING, &Sha256::digest(&content))),
        ]
        .concat();
        let signature = sign(&self.key, &element(SET, &attributes))?;
        let signer = [
            number(&[1]),
            element(SEQUENCE, &[self.name.clone(), number(&[1])].concat()),
            algorithm(SHA256),
            element(CONTEXT_0, &attributes),
            algorithm(RSA),
            element(OCTET_STRING, &signature),
        ];
        let signed_data = [
            number(&[1]),
            element(SET, &algorithm(SHA256)),
            element(
                SEQUENCE,
                &[
                    element(OID, TRUST_LIST),
                    element(CONTEXT_0, &element(SEQUENCE, &content)),
                ]
                .concat(),
            ),
            element(CONTEXT_0, &self.certificate),
            element(SET, &element(SEQUENCE, &signer.concat())),
        ];
        let message = [
            element(OID, SIGNED_DATA),
            element(CONTEXT_0, &element(SEQUENCE, &signed_data.concat())),
        ];
        Ok(element(SEQUENCE, &message.concat()))
    }

    /// Writes a folder of `count` catalogues with `members` files each. The last one lists `last` too.
    pub fn folder(&self, folder: &Path, count: usize, members: usize, last: [u8; 32]) -> Result<()> {
        fs::create_dir_all(folder)?;
        for number in 0..count {
            let mut hashes: Vec<[u8; 32]> = (0..members)
                .map(|member| Sha256::digest(format!("{number}/{member}")).into())
                .collect();
            if number + 1 == count {
                hashes.push(last);
            }
            let path = folder.join(format!("{number:05}.cat"));
            fs::write(&path, self.catalog(&hashes)?)?;
        }
        Ok(())
    }
}

fn sign(key: &RsaPrivateKey, bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(key.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(bytes))?)
}
