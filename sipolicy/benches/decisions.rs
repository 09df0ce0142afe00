//! How long decisions, validation and compilation take, and how large a compiled set is: `cargo bench -p gatehouse-sipolicy`.
//!
//! Prints what the bars are about, ratios measured in one run; the machine's own speed drops out of those.

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
use evidence::SignatureSource;
use evidence::Text;
use evidence::Version;
use policy::PolicySet;
use policy::ValidatedSet;
use policy::bounds::MAX_STEPS;
use policy::decide;
use sha2::Digest;
use sha2::Sha256;
use sipolicy::Document;
use sipolicy::FileVersion;
use sipolicy::compile;
use sipolicy::document::CertRoot;
use sipolicy::document::FileAttributes;
use sipolicy::document::FileRule;
use sipolicy::document::FileRuleKind;
use sipolicy::document::KERNEL_SCENARIO;
use sipolicy::document::Position;
use sipolicy::document::Reference;
use sipolicy::document::Scenario;
use sipolicy::document::Signer;
use sipolicy::document::SignerUse;
use std::hint::black_box;
use std::time::Duration;
use std::time::Instant;

/// Hashes of made-up files: spread as real ones are.
fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    let mut state = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for chunk in hash.chunks_mut(8) {
        state ^= state >> 29;
        state = state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 32;
        chunk.copy_from_slice(&state.to_le_bytes());
    }
    hash
}

fn reference(id: &str) -> Reference {
    Reference {
        position: Position::default(),
        id: id.to_owned(),
    }
}

/// A policy of so many hash rules, signers and file name rules.
fn policy(hashes: u64, signers: u64, names: u64) -> Document {
    let mut document = Document {
        file: "bench".into(),
        friendly_name: Some("bench".to_owned()),
        ..Document::default()
    };
    let mut scenario = Scenario {
        id: "ID_SIGNINGSCENARIO_K".to_owned(),
        value: KERNEL_SCENARIO,
        ..Scenario::default()
    };
    let rule = |id: String, hash: Vec<u8>, attributes: Option<FileAttributes>| FileRule {
        position: Position::default(),
        kind: FileRuleKind::Deny,
        generic: false,
        id,
        friendly_name: None,
        hash,
        attributes: attributes.map(Box::new),
    };
    for number in 0..hashes {
        let id = format!("ID_DENY_A_{number:X}");
        scenario.product.rules.push(reference(&id));
        document.file_rules.push(rule(id, hash(number).to_vec(), None));
    }
    for number in 0..names {
        let id = format!("ID_DENY_N_{number:X}");
        scenario.product.rules.push(reference(&id));
        let attributes = FileAttributes {
            file_name: Some(format!("driver{number}.sys")),
            minimum_version: Some(FileVersion(0)),
            maximum_version: Some(FileVersion(5 << 48)),
            ..FileAttributes::default()
        };
        document.file_rules.push(rule(id, Vec::new(), Some(attributes)));
    }
    for number in 0..signers {
        let id = format!("ID_SIGNER_S_{number:X}");
        scenario.product.allowed.push(SignerUse {
            signer: reference(&id),
            exceptions: Vec::new(),
        });
        document.signers.push(Signer {
            position: Position::default(),
            id,
            name: Some(format!("Vendor {number}")),
            sign_time_after: None,
            // A hundred authorities, each with many vendors.
            root: CertRoot::Tbs(hash((1 << 40) | (number % 100)).to_vec()),
            ekus: Vec::new(),
            issuer: None,
            publisher: Some(format!("Vendor {number} Incorporated")),
            oem_id: None,
            file_attributes: Vec::new(),
            artifact_rules: Vec::new(),
        });
    }
    document.scenarios.push(scenario);
    document
}

/// A policy that makes a decision as long as a set may: as many signers under one key, and file rules without a name, as the bounds of
/// `policy::bounds` leave room for.
fn slowest(vendor: u64) -> Document {
    let steps = u64::from(MAX_STEPS);
    let mut document = policy(0, steps / 16, steps / 4);
    for rule in &mut document.file_rules {
        if let Some(attributes) = &mut rule.attributes {
            attributes.file_name = Some("*".to_owned());
        }
    }
    for signer in &mut document.signers {
        signer.root = CertRoot::Tbs(hash((1 << 40) | vendor).to_vec());
        signer.publisher = Some(format!("Vendor {vendor} Incorporated"));
    }
    document
}

/// Rounds of measuring: the alternatives take turns in each, so that what else the machine does meets all of them.
const ROUNDS: usize = 101;

/// The shortest time that one run took.
fn shortest(rounds: usize, mut run: impl FnMut()) -> Duration {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn certificate(number: u64, name: &'static str) -> Certificate<'static> {
    Certificate {
        subject_cn: Fact::Present(Text::Utf8(name)),
        issuer_cn: Fact::Present(Text::Utf8("Authority")),
        serial: &[1],
        thumbprint_sha1: [0; 20],
        tbs: Fact::Present(Hash::Sha256(hash(number))),
        ekus: Ekus(&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 3]),
        not_before: 0,
        not_after: i64::MAX,
        key: Key::Rsa(2048),
    }
}

/// Files weighed in one round: so many that the set's own memory counts.
const FILES: u64 = 4096;

/// Which rules of a set the files meet: the same in both sets, so that the ratio tells what the number of rules costs.
#[derive(Clone, Copy, PartialEq)]
enum Meets {
    /// None.
    Nothing,
    /// A signer, by each of their two signatures.
    Signer,
    /// That, and a hash rule, anywhere in the list.
    Hash,
}

/// Weighs many different signed files by both sets, round by round. Gives the mean time of one decision by each in its best
/// round.
fn decisions(sets: [(&PolicySet<'_>, u64); 2], meets: Meets) -> [Duration; 2] {
    let chains: Vec<[Certificate<'_>; 3]> = (0..64)
        .map(|number| match meets {
            Meets::Nothing => number + 5000,
            Meets::Signer | Meets::Hash => number % 10,
        })
        .map(|number| {
            let name: &str = format!("Vendor {number} Incorporated").leak();
            [
                certificate((1 << 50) | number, name),
                certificate((1 << 40) | number, "Authority"),
                certificate((1 << 51) | number, "Root"),
            ]
        })
        .collect();
    let signatures: Vec<[Signature<'_>; 2]> = chains
        .iter()
        .map(|chain| {
            [SignatureSource::Embedded, SignatureSource::Nested].map(|source| Signature {
                source,
                catalog: None,
                fault: None,
                signed_digest: Hash::Sha256([7; 32]),
                digest_valid: true,
                signature_valid: true,
                page_hashes: false,
                identity: Identity::Proven,
                claimed: &[],
                claimed_roots: 0,
                chain,
                root: Root::default(),
                oem_id: Fact::Present(Text::Utf8("Some Hardware Vendor")),
                more_info_url: Fact::Absent,
                timestamp: Fact::Absent,
            })
        })
        .collect();
    let names: Vec<Vec<u8>> = (0..64)
        .map(|number| {
            format!("other{number}.sys")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect()
        })
        .collect();
    let files = sets.map(|(_, hashes)| -> Vec<Evidence<'_>> {
        let file = |number: u64| {
            let own = if meets == Meets::Hash {
                // Spread over the whole of the list.
                hash(number.wrapping_mul(0x9e37_79b9) % hashes)
            } else {
                hash((1 << 60) | number)
            };
            let mut short = [0; 20];
            short.copy_from_slice(&own[..20]);
            let at = usize::try_from(number % 64).unwrap_or(0);
            let name = Fact::Present(Text::Utf16Le(&names[at]));
            Evidence {
                image: Fact::Present(Image {
                    machine: 0x8664,
                    subsystem: 1,
                    characteristics: 0x22,
                    conformant: true,
                    size: 1 << 16,
                }),
                digests: Fact::Present(Digests {
                    sha1: Some(short),
                    sha256: Some(own),
                    first_page_sha1: Some(short),
                    first_page_sha256: Some(hash((1 << 61) | number)),
                    ..Digests::default()
                }),
                version: Fact::Present(Version {
                    file_version: Fact::Present(6 << 48),
                    original_filename: name,
                    internal_name: name,
                    file_description: name,
                    product_name: name,
                }),
                signatures: Fact::Present(&signatures[at]),
                more_signatures: None,
                extra_bytes: 0,
                weighed_at: None,
            }
        };
        (0..FILES).map(file).collect()
    });
    let mut best = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (((set, _), files), best) in sets.iter().zip(&files).zip(&mut best) {
            let start = Instant::now();
            for file in files {
                black_box(decide(set, file));
            }
            *best = start.elapsed().min(*best);
        }
    }
    best.map(|time| time / u32::try_from(FILES).unwrap_or(1))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn main() {
    let compiled =
        |document: Document| ValidatedSet::new(compile(&[document]).expect("compiles")).expect("valid");
    let small = compiled(policy(80, 10, 10));
    let large = compiled(policy(100_000, 1000, 1000));
    for (what, meets) in [
        ("by no rule", Meets::Nothing),
        ("by a signer", Meets::Signer),
        ("by a signer and a hash", Meets::Hash),
    ] {
        let sets = [(&small.set(), 80), (&large.set(), 100_000)];
        let [few, many] = decisions(sets, meets);
        println!("decide on files met {what}");
        println!("  100 rules                                                {few:?}");
        println!("  100,000 hashes + 1,000 signers + 1,000 names             {many:?}");
        println!(
            "  ratio                                                    {:.2}",
            many.as_secs_f64() / few.as_secs_f64()
        );
    }
    let slow = compiled(slowest(3));
    let sets = [(&small.set(), 80), (&slow.set(), 1)];
    let [_, slow] = decisions(sets, Meets::Signer);
    println!("decide by a set as slow as one may be, mean of files of which one in ten meets its signers");
    println!("  1,024 signers of one vendor + 4,096 rules without a name {slow:?}");
    let million = policy(1_000_000, 0, 0);
    let mut bytes = Vec::new();
    let compilation = shortest(3, || {
        bytes = compile(std::slice::from_ref(&million)).expect("compiles");
    });
    println!("compile a million hash rules                               {compilation:?}");
    let payload: usize = million
        .file_rules
        .iter()
        .map(|rule| rule.hash.len() + rule.id.len())
        .sum();
    println!(
        "  size over hashes and names                               {:.3} ({} bytes)",
        bytes.len() as f64 / payload as f64,
        bytes.len()
    );
    let speed = |time: Duration| bytes.len() as f64 / time.as_secs_f64() / 1e9;
    let mut validation = Duration::MAX;
    let mut digest = Duration::MAX;
    for _ in 0..20 {
        validation = validation.min(shortest(1, || {
            black_box(PolicySet::validate(black_box(&bytes)).expect("valid"));
        }));
        digest = digest.min(shortest(1, || {
            black_box(Sha256::digest(black_box(&bytes)));
        }));
    }
    println!(
        "validate it                                                {validation:?}, {:.2} GB/s",
        speed(validation)
    );
    println!(
        "  of which its SHA-256                                     {digest:?}, {:.2} GB/s",
        speed(digest)
    );
    let list = policy(1700, 200, 150).to_xml();
    let reading = shortest(ROUNDS, || {
        let document = Document::read("list.xml", list.as_bytes()).expect("reads");
        black_box(compile(&[document]).expect("compiles"));
    });
    println!("read and compile a list of 1,700 + 200 + 150 rules as XML  {reading:?}");
}
