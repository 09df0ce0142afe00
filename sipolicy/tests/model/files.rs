//! Generated evidence. Texts and chains are made once and live as long as the test.

use super::Random;
use super::policies::EKUS;
use super::policies::NAMES;
use super::policies::PUBLISHERS;
use super::policies::SIGNING_TIMES;
use super::policies::VERSIONS;
use super::policies::WELLKNOWN;
use super::policies::hash;
use super::policies::tbs;
use evidence::Certificate;
use evidence::Digests;
use evidence::Ekus;
use evidence::Evidence;
use evidence::Fact;
use evidence::Hash;
use evidence::Identity;
use evidence::Image;
use evidence::Key;
use evidence::Root;
use evidence::Signature;
use evidence::SignatureFault;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Timestamp;
use evidence::Unreadable;
use evidence::Version;

pub struct Files {
    signatures: Vec<&'static [Signature<'static>]>,
    texts: Vec<Text<'static>>,
}

impl Files {
    pub fn new(random: &mut Random) -> Self {
        let texts = texts(&NAMES);
        let publishers = texts_of_publishers();
        let signatures = (0..4000)
            .map(|_| {
                let count = random.below(4);
                let made: Vec<_> = (0..count).map(|_| signature(random, &publishers)).collect();
                &*made.leak()
            })
            .collect();
        Self { signatures, texts }
    }

    pub fn pick(&self, random: &mut Random) -> Evidence<'static> {
        let conformant = random.percent(80);
        let image = Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant,
            size: 4096,
        };
        Evidence {
            image: maybe(random, 3, 1, image),
            digests: {
                let digests = digests(random);
                maybe(random, 3, 2, digests)
            },
            version: {
                let version = Version {
                    file_version: {
                        let version = *random.pick(&VERSIONS);
                        maybe(random, 15, 8, version)
                    },
                    original_filename: self.name(random),
                    internal_name: self.name(random),
                    file_description: self.name(random),
                    product_name: self.name(random),
                };
                maybe(random, 3, 15, version)
            },
            signatures: {
                let signatures = *random.pick(&self.signatures);
                maybe(random, 3, 5, signatures)
            },
            more_signatures: random
                .percent(3)
                .then(|| *random.pick(&[Unreadable::CapReached, Unreadable::Catalogs])),
            extra_bytes: 0,
            weighed_at: None,
        }
    }

    fn name(&self, random: &mut Random) -> Fact<Text<'static>> {
        let text = *random.pick(&self.texts);
        maybe(random, 2, 10, text)
    }
}

/// A fact, unreadable or absent with these chances in a hundred.
fn maybe<T>(random: &mut Random, unreadable: usize, absent: usize, value: T) -> Fact<T> {
    if random.percent(unreadable) {
        Fact::Unreadable(*random.pick(&[
            Unreadable::NotRecorded,
            Unreadable::Io,
            Unreadable::Malformed,
            Unreadable::CapReached,
        ]))
    } else if random.percent(absent) {
        Fact::Absent
    } else {
        Fact::Present(value)
    }
}

fn texts(from: &[&'static str]) -> Vec<Text<'static>> {
    let mut made = Vec::new();
    for text in from {
        let changed: String = text.to_uppercase();
        let changed: &'static str = changed.leak();
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = changed.encode_utf16().flat_map(u16::to_be_bytes).collect();
        made.push(Text::Utf8(text));
        made.push(Text::Utf8(changed));
        made.push(Text::Utf16Le(wide.leak()));
        made.push(Text::Utf16Be(big.leak()));
    }
    made
}

fn texts_of_publishers() -> Vec<Text<'static>> {
    let mut made = texts(&PUBLISHERS);
    made.push(Text::Utf8("Vendor"));
    made.push(Text::Utf8("Vendor A Inc."));
    made
}

fn digest<const N: usize>(random: &mut Random, missing: usize) -> Option<[u8; N]> {
    let value = hash(random, N).try_into().unwrap();
    (!random.percent(missing)).then_some(value)
}

fn digests(random: &mut Random) -> Digests {
    Digests {
        sha1: digest(random, 1),
        sha256: digest(random, 1),
        sha384: digest(random, 60),
        sha512: digest(random, 60),
        first_page_sha1: digest(random, 1),
        first_page_sha256: digest(random, 1),
        flat_sha1: digest(random, 30),
        flat_sha256: digest(random, 30),
    }
}

fn signature(random: &mut Random, publishers: &[Text<'static>]) -> Signature<'static> {
    let chain: Vec<_> = (0..random.below(4))
        .map(|_| certificate(random, publishers))
        .collect();
    let claimed: Vec<_> = (0..random.below(8) / 6)
        .map(|_| certificate(random, publishers))
        .collect();
    let length = *random.pick(&[16, 20, 20, 32, 32, 32, 48, 64]);
    let oem = *random.pick(publishers);
    let time = Timestamp {
        rfc3161: true,
        time: *random.pick(&SIGNING_TIMES) + 1 - i64::try_from(random.below(3)).unwrap(),
    };
    Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault: random.percent(3).then_some(SignatureFault::CapReached),
        identity: *random.pick(&[
            Identity::Proven,
            Identity::Proven,
            Identity::Proven,
            Identity::Proven,
            Identity::Proven,
            Identity::Proven,
            Identity::Claimed,
            Identity::Unproven,
        ]),
        claimed: claimed.leak(),
        claimed_roots: if random.percent(20) {
            1 << random.pick(&WELLKNOWN)
        } else {
            0
        },
        signed_digest: Hash::from_bytes(&hash(random, length)).unwrap(),
        digest_valid: random.percent(93),
        signature_valid: random.percent(93),
        page_hashes: false,
        chain: chain.leak(),
        root: Root {
            wellknown: random.percent(70).then(|| *random.pick(&WELLKNOWN)),
            verified: random.percent(85),
            known: random.percent(80),
        },
        oem_id: maybe(random, 2, 40, oem),
        more_info_url: Fact::Absent,
        timestamp: maybe(random, 3, 20, time),
    }
}

fn certificate(random: &mut Random, publishers: &[Text<'static>]) -> Certificate<'static> {
    let mut ekus = Vec::new();
    for (_, value) in EKUS {
        if random.percent(40) {
            ekus.push(6);
            ekus.extend_from_slice(&value[1..]);
        }
    }
    let own = Hash::from_bytes(&tbs(random)).unwrap();
    let (subject, issuer) = (*random.pick(publishers), *random.pick(publishers));
    Certificate {
        subject_cn: maybe(random, 2, 5, subject),
        issuer_cn: maybe(random, 2, 5, issuer),
        serial: &[1],
        thumbprint_sha1: [0; 20],
        tbs: maybe(random, 2, 1, own),
        ekus: Ekus(ekus.leak()),
        not_before: 0,
        not_after: i64::MAX,
        key: *random.pick(&[
            Key::Rsa(2048),
            Key::Rsa(4096),
            Key::Rsa(2048),
            Key::Rsa(2048),
            Key::Rsa(8192),
            Key::Ecdsa(256),
        ]),
    }
}
