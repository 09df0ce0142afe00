//! Certificate tables that ask for as much work as their makers can think of, just under the cap on their size.

use anyhow::Result;
use gatehouse_tests::der::BIT_STRING;
use gatehouse_tests::der::CONTEXT_0;
use gatehouse_tests::der::CONTEXT_1;
use gatehouse_tests::der::OCTET_STRING;
use gatehouse_tests::der::OID;
use gatehouse_tests::der::SEQUENCE;
use gatehouse_tests::der::SET;
use gatehouse_tests::der::UTF8_STRING;
use gatehouse_tests::der::algorithm;
use gatehouse_tests::der::element;
use gatehouse_tests::der::number;
use gatehouse_tests::made_signatures::CODE_SIGNING;
use gatehouse_tests::made_signatures::COUNTERSIGNATURE;
use gatehouse_tests::made_signatures::Certificate;
use gatehouse_tests::made_signatures::NESTED;
use gatehouse_tests::made_signatures::RSA;
use gatehouse_tests::made_signatures::SHA256_WITH_RSA;
use gatehouse_tests::made_signatures::SIGNED_DATA;
use gatehouse_tests::made_signatures::TIME_STAMPING;
use gatehouse_tests::made_signatures::TOKEN;
use gatehouse_tests::made_signatures::attribute;
use gatehouse_tests::made_signatures::modulus_info;
use gatehouse_tests::made_signatures::name;
use gatehouse_tests::made_signatures::table;

const INDIRECT_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x04";
const IMAGE_DATA: &[u8] = b"\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0f";
const MESSAGE_DIGEST: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04";
const SIGNING_TIME: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05";
const DIGESTS: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02";
const ECDSA_SHA512: &[u8] = b"\x2a\x86\x48\xce\x3d\x04\x03\x04";
/// The largest table that is read.
const MOST: usize = 4 << 20;

/// An RSA key of 8192 bits that nobody has, told apart by a number.
fn long_rsa(which: usize) -> Vec<u8> {
    let mut modulus = vec![0xa5; 1024];
    modulus[1..9].copy_from_slice(&which.to_be_bytes());
    modulus_info(&modulus)
}

/// The generator of P-521 as a key (SEC 2, 2.6.1).
fn p521() -> Vec<u8> {
    let x = "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66";
    let y = "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650";
    let digits = [x, y].concat();
    let point = (0..digits.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
    let kind = [
        element(OID, b"\x2a\x86\x48\xce\x3d\x02\x01"),
        element(OID, b"\x2b\x81\x04\x00\x23"),
    ];
    let bits: Vec<u8> = [0, 4].into_iter().chain(point).collect();
    element(
        SEQUENCE,
        &[element(SEQUENCE, &kind.concat()), element(BIT_STRING, &bits)].concat(),
    )
}

/// A certificate with any signature.
fn certificate(body: &Certificate, signature: &[u8]) -> Result<Vec<u8>> {
    let issued = body.issue(None)?;
    // What stands in front of the signature of zeros is kept.
    let inner_length = issued.len() - element(BIT_STRING, &[0; 257]).len() - 4;
    let bits = element(BIT_STRING, &[&[0], signature].concat());
    Ok(element(SEQUENCE, &[&issued[4..4 + inner_length], &bits].concat()))
}

/// What a signer signs and says.
struct Says<'s> {
    digest: u8,
    pages: &'s [u8],
    issuer: &'s str,
    serial: &'s [u8],
    certificates: &'s [Vec<u8>],
    unsigned: &'s [Vec<u8>],
    signers: usize,
}

impl Default for Says<'_> {
    fn default() -> Self {
        Self {
            digest: 1,
            pages: &[],
            issuer: "One name",
            serial: &[1],
            certificates: &[],
            unsigned: &[],
            signers: 1,
        }
    }
}

fn signer(says: &Says<'_>) -> Vec<u8> {
    let id = [name(says.issuer), element(2, says.serial)].concat();
    let attributes = [
        attribute(MESSAGE_DIGEST, &element(OCTET_STRING, &[7; 32])),
        attribute(SIGNING_TIME, &element(0x17, b"250101000000Z")),
    ];
    let parts = [
        number(&[1]),
        element(SEQUENCE, &id),
        algorithm(&[DIGESTS, &[1]].concat()),
        element(CONTEXT_0, &attributes.concat()),
        algorithm(RSA),
        element(OCTET_STRING, &[0x77; 1024]),
        element(CONTEXT_1, &says.unsigned.concat()),
    ];
    element(SEQUENCE, &parts.concat())
}

fn message(says: &Says<'_>) -> Vec<u8> {
    let length = [0, 32, 48, 64][usize::from(says.digest)];
    let image = element(SEQUENCE, &[&[3, 1, 0][..], says.pages].concat());
    let digest = [
        algorithm(&[DIGESTS, &[says.digest]].concat()),
        element(OCTET_STRING, &vec![7; length]),
    ];
    let content = [
        element(SEQUENCE, &[element(OID, IMAGE_DATA), image].concat()),
        element(SEQUENCE, &digest.concat()),
    ];
    let encapsulated = [
        element(OID, INDIRECT_DATA),
        element(CONTEXT_0, &element(SEQUENCE, &content.concat())),
    ];
    let signed_data = [
        number(&[1]),
        element(SET, &algorithm(&[DIGESTS, &[1]].concat())),
        element(SEQUENCE, &encapsulated.concat()),
        element(CONTEXT_0, &says.certificates.concat()),
        element(SET, &signer(says).repeat(says.signers)),
    ];
    let message = [
        element(OID, SIGNED_DATA),
        element(CONTEXT_0, &element(SEQUENCE, &signed_data.concat())),
    ];
    element(SEQUENCE, &message.concat())
}

/// A table of page hashes of this algorithm: 1 for SHA-1, 2 for SHA-256.
fn pages(kind: u8, seed: u8) -> Vec<u8> {
    let oid = [b"\x2b\x06\x01\x04\x01\x82\x37\x02\x03".as_slice(), &[kind]].concat();
    let class = b"\xa6\xb5\x86\xd5\xb4\xa1\x24\x66\xae\x05\xa2\x17\xda\x8e\x60\xd6";
    let length = if kind == 1 { 24 } else { 36 };
    let mut entries = vec![seed; length * 8192];
    for (page, entry) in entries.chunks_mut(length).enumerate() {
        let place = u32::try_from(page * 0x1000).unwrap_or(0);
        entry[..4].copy_from_slice(&place.to_le_bytes());
    }
    let hashes = attribute(&oid, &element(OCTET_STRING, &entries));
    let object = [
        element(OCTET_STRING, class),
        element(OCTET_STRING, &element(SET, &hashes)),
    ];
    element(CONTEXT_0, &element(CONTEXT_1, &object.concat()))
}

/// Authorities of one name, each of which may have issued every other one and the signer.
fn maze(count: usize, key: impl Fn(usize) -> Vec<u8>, scheme: &[u8], padding: usize) -> Result<Vec<Vec<u8>>> {
    let signature = if scheme == SHA256_WITH_RSA {
        vec![0x77; 1024]
    } else {
        element(SEQUENCE, &element(2, &[0x55; 65]).repeat(2))
    };
    let of = |which: usize, subject: &str, is_authority: bool| {
        let usages = if is_authority {
            Vec::new()
        } else {
            vec![CODE_SIGNING.to_vec(), TIME_STAMPING.to_vec()]
        };
        let body = Certificate {
            serial: vec![u8::try_from(which + 1).unwrap_or(1)],
            scheme: scheme.to_vec(),
            is_authority,
            usages,
            padding,
            ..Certificate::authority(subject, "One name", key(which))
        };
        certificate(&body, &signature)
    };
    let mut all = vec![of(0, "Signer", false)?];
    for which in 1..count {
        all.push(of(which, "One name", true)?);
    }
    Ok(all)
}

/// As many of them as there is room for, sixteen at most.
fn filled(message: &[u8]) -> Vec<u8> {
    let count = (MOST / (message.len() + 16)).clamp(1, 16);
    table(&vec![message.to_vec(); count])
}

/// Signers whose timestamps are messages of this kind.
fn timed(inside: &Says<'_>) -> Vec<u8> {
    let token = attribute(TOKEN, &message(inside).repeat(4));
    let counter = attribute(COUNTERSIGNATURE, &signer(inside).repeat(4));
    message(&Says {
        unsigned: &[token, counter],
        ..Says {
            certificates: inside.certificates,
            ..Says::default()
        }
    })
}

/// Every table, and what it is made of.
pub fn tables() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let long = maze(60, long_rsa, SHA256_WITH_RSA, 0)?;
    let curves = maze(60, |_| p521(), ECDSA_SHA512, 0)?;
    let large = maze(60, |which| long_rsa(which % 3), SHA256_WITH_RSA, 60_000)?;
    let small = maze(
        60,
        |which| modulus_info(&[&[0xa5; 120][..], &which.to_be_bytes()].concat()),
        SHA256_WITH_RSA,
        0,
    )?;
    let with = |certificates: &[Vec<u8>]| {
        message(&Says {
            certificates,
            ..Says::default()
        })
    };
    let mut deep = with(&long[..20]);
    for _ in 0..3 {
        let nested = attribute(NESTED, &deep);
        deep = message(&Says {
            certificates: &long[..20],
            unsigned: &[nested.clone(), nested],
            ..Says::default()
        });
    }
    // A name of thousands of parts that ends as a root's does.
    let attribute_of = |text: &[u8]| {
        let parts = [element(OID, b"\x55\x04\x03"), element(UTF8_STRING, text)];
        element(SET, &element(SEQUENCE, &parts.concat()))
    };
    let long_name = element(
        SEQUENCE,
        &[
            attribute_of(b"x").repeat(2500),
            attribute_of(b"Microsoft Root Certificate Authority 2010"),
        ]
        .concat(),
    );
    let names: Result<Vec<Vec<u8>>> = small
        .iter()
        .enumerate()
        .map(|(which, _)| {
            Certificate {
                subject: if which == 0 {
                    name("Signer")
                } else {
                    long_name.clone()
                },
                issuer: long_name.clone(),
                serial: vec![u8::try_from(which + 1)?],
                ..Certificate::authority("", "", long_rsa(which))
            }
            .issue(None)
        })
        .collect();
    let names = names?;
    let named = message(&Says {
        certificates: &names,
        ..Says::default()
    });
    let mut loose = with(&small);
    for _ in 0..10 {
        let inside = [&loose[..], &vec![5; 300_000]].concat();
        loose = [&[SEQUENCE, 0x80][..], &element(4, &inside), &[0, 0]].concat();
    }
    let indefinite = {
        let inner = with(&small);
        let body = &inner[4..];
        [
            &[SEQUENCE, 0x80][..],
            body,
            &element(4, &[0; 1]).repeat(1_000_000),
            &[0, 0],
        ]
        .concat()
    };
    let hungry: Vec<Vec<u8>> = [(2, 1, 1), (3, 2, 2), (1, 1, 3), (1, 2, 4)]
        .into_iter()
        .map(|(digest, kind, seed)| {
            message(&Says {
                digest,
                pages: &pages(kind, seed),
                ..Says::default()
            })
        })
        .collect();
    let attributes = attribute(&[0x2a, 0x03], &[5, 0]).repeat(300_000);
    Ok(vec![
        ("no table", Vec::new()),
        ("60 issuers of one name, RSA 8192", filled(&with(&long))),
        ("60 issuers of one name, P-521", filled(&with(&curves))),
        ("60 issuers of one name, RSA 1024", filled(&with(&small))),
        ("issuers of one name, 60 KB each", filled(&with(&large))),
        ("nested in each other", filled(&deep)),
        (
            "timestamps, RSA 8192",
            filled(&timed(&Says {
                certificates: &long,
                ..Says::default()
            })),
        ),
        (
            "timestamps, P-521",
            filled(&timed(&Says {
                certificates: &curves,
                ..Says::default()
            })),
        ),
        ("names of 2500 parts", filled(&named)),
        (
            "thousands of signers",
            filled(&message(&Says {
                certificates: &long[..4],
                signers: 2500,
                ..Says::default()
            })),
        ),
        (
            "300,000 attributes",
            filled(&message(&Says {
                certificates: &small,
                unsigned: &[attributes],
                ..Says::default()
            })),
        ),
        ("indefinite lengths", filled(&indefinite)),
        ("junk in junk", filled(&loose)),
        ("every digest, two tables of page hashes", table(&hungry)),
        ("zeros", vec![0; MOST]),
    ])
}
