//! Signed images, and every way of damaging and forging them: each is refused, and each for its own reason.

extern crate std;

use std::string::String;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Evidence;
use crate::Fact;
use crate::Findings;
use crate::Hash;
use crate::Key;
use crate::Options;
use crate::SignatureFault;
use crate::SignatureSource;
use crate::Trust;
use crate::TrustClass;
use crate::Unreadable;
use crate::Workspace;
use crate::digest::Algorithm;
use crate::examine;
use crate::oid;
use crate::testing::Pe;
use crate::testing::issue;
use crate::testing::issue::Message;
use crate::testing::issue::ROOT;
use crate::testing::issue::ROOT_KEY;
use crate::testing::issue::Spec;
use crate::testing::issue::nested;
use crate::testing::issue::token;

const AUTHORITY: &str = "Contoso Code Signing CA";
const AUTHORITY_KEY: usize = 1040;
const LEAF_KEY: usize = 1056;
const OTHER_KEY: usize = 1072;

fn authority() -> Spec {
    Spec::authority(AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY)
}

fn leaf() -> Spec {
    Spec::leaf("Contoso Ltd", LEAF_KEY, AUTHORITY, AUTHORITY_KEY)
}

fn timestamp_authority() -> Spec {
    Spec {
        serial: 9,
        ekus: vec![oid::EKU_TIME_STAMPING],
        ..Spec::new("Clock", OTHER_KEY, ROOT, ROOT_KEY)
    }
}

/// The digest of an image that carries a table of any content.
fn digest(pe: &Pe) -> Vec<u8> {
    let file = Pe {
        table: vec![0; 8],
        ..pe.clone()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
    evidence.digests.present().unwrap().sha256.unwrap().to_vec()
}

fn message() -> Message {
    Message::over(
        &digest(&Pe::default()),
        &leaf(),
        &[authority().issue(), leaf().issue()],
    )
}

fn file_with(signatures: &[Vec<u8>]) -> Vec<u8> {
    Pe {
        table: issue::table(signatures),
        ..Pe::default()
    }
    .build()
}

fn with_evidence<R>(file: &[u8], look: impl FnOnce(&Evidence<'_>) -> R) -> R {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap();
    look(&evidence)
}

/// What the tests compare of a signature.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    source: SignatureSource,
    digest_valid: bool,
    signature_valid: bool,
    fault: Option<SignatureFault>,
    chain: Vec<String>,
    root_verified: bool,
}

fn outcomes(file: &[u8]) -> Vec<Outcome> {
    with_evidence(file, |evidence| {
        let signatures = evidence.signatures.present().unwrap().iter();
        signatures
            .map(|signature| Outcome {
                source: signature.source,
                digest_valid: signature.digest_valid,
                signature_valid: signature.signature_valid,
                fault: signature.fault,
                chain: signature
                    .chain
                    .iter()
                    .map(|c| c.subject_cn.present().unwrap().to_string())
                    .collect(),
                root_verified: signature.root.verified,
            })
            .collect()
    })
}

fn fault(signature: Vec<u8>) -> Option<SignatureFault> {
    let outcomes = outcomes(&file_with(&[signature]));
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        outcomes[0].fault.is_none(),
        outcomes[0].digest_valid && outcomes[0].signature_valid
    );
    outcomes[0].fault
}

/// The message with every occurrence of `from` in its bytes turned into `to`.
fn changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = (0..=bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn a_sound_signature_proves_its_chain_and_names_its_vendor() {
    let file = file_with(&[message().build(&[])]);
    with_evidence(&file, |evidence| {
        let [signature] = evidence.signatures.present().unwrap() else {
            panic!("one signature");
        };
        assert_eq!(signature.fault, None);
        assert!(signature.digest_valid && signature.signature_valid && !signature.page_hashes);
        assert!(signature.root.verified);
        assert_eq!(signature.oem_id.present().unwrap().to_string(), "Contoso");
        assert_eq!(
            signature.more_info_url.present().unwrap().to_string(),
            "https://contoso.example"
        );
        assert_eq!(signature.timestamp, Fact::Absent);
        let [leaf_facts, authority_facts] = signature.chain else {
            panic!("two certificates");
        };
        assert_eq!(
            leaf_facts.subject_cn.present().unwrap().to_string(),
            "Contoso Ltd"
        );
        assert_eq!(leaf_facts.issuer_cn, authority_facts.subject_cn);
        assert!(leaf_facts.ekus.contains(oid::EKU_CODE_SIGNING));
        assert_eq!(leaf_facts.key, Key::Rsa(1056));
        assert_eq!(
            (leaf_facts.not_before, leaf_facts.not_after),
            (1_577_836_800, 1_893_456_000)
        );
        // The TBS hash is over the bytes as they stand: the first element of the certificate.
        let certificate = leaf().issue();
        let (outer, _) = crate::der::Element::split(&certificate).unwrap();
        let (body, _) = crate::der::Element::split(outer.content).unwrap();
        assert_eq!(
            leaf_facts.tbs,
            Fact::Present(Algorithm::Sha256.digest(&[body.raw]))
        );
        assert_eq!(
            Hash::Sha1(leaf_facts.thumbprint_sha1),
            Algorithm::Sha1.digest(&[&certificate])
        );
    });
}

#[test]
fn a_changed_image_no_longer_has_the_signed_digest() {
    let good = file_with(&[message().build(&[])]);
    for at in [0x50, 0x88, 0x300, 0x500, 0x900] {
        let mut file = good.clone();
        file[at] ^= 1;
        let outcome = outcomes(&file).remove(0);
        assert_eq!(outcome.fault, Some(SignatureFault::ImageDigest), "byte {at:#x}");
        assert!(!outcome.digest_valid && outcome.signature_valid);
    }
}

#[test]
fn each_changed_part_of_a_signature_has_its_own_fault() {
    let message = message();
    let signature = message.signature();
    let good = message.build(&[]);
    assert_eq!(fault(good.clone()), None);

    let mut damaged = signature.clone();
    damaged[5] ^= 1;
    assert_eq!(
        fault(changed(&good, &signature, &damaged)),
        Some(SignatureFault::SignerSignature)
    );

    let vendor: Vec<u8> = "Contoso".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let forged: Vec<u8> = "Fabrika".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(
        fault(changed(&good, &vendor, &forged)),
        Some(SignatureFault::SignerSignature)
    );

    // A digest that fits the image, put into a signature made for another.
    let image = digest(&Pe::default());
    let elsewhere = Message::over(&[3; 32], &leaf(), &message.certificates).build(&[]);
    assert_eq!(fault(elsewhere.clone()), Some(SignatureFault::ImageDigest));
    assert_eq!(
        fault(changed(&elsewhere, &[3; 32], &image)),
        Some(SignatureFault::SignedAttributes)
    );

    // The leaf's name, and with it its signature.
    let renamed = changed(&good, b"Contoso Ltd", b"Microsoft! ");
    assert_eq!(fault(renamed), Some(SignatureFault::ChainSignature));

    assert_eq!(
        fault(good[..good.len() / 2].to_vec()),
        Some(SignatureFault::Malformed)
    );
    let mut weak = message.clone();
    weak.weak = true;
    assert_eq!(fault(weak.build(&[])), Some(SignatureFault::WeakAlgorithm));
    let md5 = Message::over_md5(&leaf(), &message.certificates).build(&[]);
    assert_eq!(fault(md5), Some(SignatureFault::WeakAlgorithm));
}

#[test]
fn certificates_that_do_not_belong_are_refused() {
    let image = digest(&Pe::default());
    let with = |signer: &Spec, certificates: &[Vec<u8>]| {
        fault(Message::over(&image, signer, certificates).build(&[]))
    };
    let issued = authority().issue();

    assert_eq!(
        with(&leaf(), core::slice::from_ref(&issued)),
        Some(SignatureFault::NoSigner)
    );
    // Somebody else's certificate under the same issuer and serial number.
    let other = Spec::leaf("Contoso Ltd", OTHER_KEY, AUTHORITY, AUTHORITY_KEY);
    assert_eq!(
        with(&leaf(), &[issued.clone(), other.issue()]),
        Some(SignatureFault::SignerSignature)
    );
    // An issuer by name whose key made nothing.
    let impostor = Spec::authority(AUTHORITY, OTHER_KEY, ROOT, ROOT_KEY).issue();
    assert_eq!(
        with(&leaf(), &[impostor.clone(), leaf().issue()]),
        Some(SignatureFault::ChainSignature)
    );
    // With the right one beside it, the wrong one does not matter.
    assert_eq!(with(&leaf(), &[impostor, issued.clone(), leaf().issue()]), None);

    // An end entity that signs.
    let no_authority = Spec::leaf(AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY);
    assert_eq!(
        with(&leaf(), &[no_authority.issue(), leaf().issue()]),
        Some(SignatureFault::NotAuthority)
    );
    // One that does not say what it is.
    let silent = Spec::new(AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY);
    assert_eq!(
        with(&leaf(), &[silent.issue(), leaf().issue()]),
        Some(SignatureFault::NotAuthority)
    );
    // An authority that may have no authority below it, with one below it.
    let narrow = Spec {
        path_length: Some(0),
        ..Spec::authority("Narrow", OTHER_KEY, ROOT, ROOT_KEY)
    };
    let below = Spec::authority(AUTHORITY, AUTHORITY_KEY, "Narrow", OTHER_KEY);
    let chain = [narrow.issue(), below.issue(), leaf().issue()];
    assert_eq!(with(&leaf(), &chain), Some(SignatureFault::NotAuthority));

    // Certificates for something else.
    let server = Spec {
        ekus: vec![oid::EKU_TIME_STAMPING],
        ..leaf()
    };
    assert_eq!(
        with(&server, &[issued, server.issue()]),
        Some(SignatureFault::NotCodeSigning)
    );
    let limited = Spec {
        ekus: vec![oid::EKU_TIME_STAMPING],
        ..authority()
    };
    assert_eq!(
        with(&leaf(), &[limited.issue(), leaf().issue()]),
        Some(SignatureFault::NotCodeSigning)
    );
}

#[test]
fn a_described_curve_is_never_used() {
    let image = digest(&Pe::default());
    let described = Some(issue::explicit_curve_key());
    let forged_leaf = Spec {
        key_info: described.clone(),
        ..leaf()
    };
    let certificates = [authority().issue(), forged_leaf.issue()];
    let signature = Message::over(&image, &forged_leaf, &certificates).build(&[]);
    assert_eq!(fault(signature), Some(SignatureFault::UnsupportedKey));

    let forged_authority = Spec {
        key_info: described,
        ..authority()
    };
    let certificates = [forged_authority.issue(), leaf().issue()];
    let signature = Message::over(&image, &leaf(), &certificates).build(&[]);
    assert_eq!(fault(signature), Some(SignatureFault::UnsupportedKey));
}

/// Names prove nothing: the same names under another root give that root.
#[test]
fn names_under_another_root_do_not_reach_a_known_one() {
    let image = digest(&Pe::default());
    let microsoft = "Microsoft Root Certificate Authority 2010";
    for root in [ROOT, microsoft] {
        let own_root = Spec::authority(root, OTHER_KEY, root, OTHER_KEY);
        let own_authority = Spec::authority(AUTHORITY, AUTHORITY_KEY, root, OTHER_KEY);
        let forged = Spec::leaf("NVIDIA Corporation", LEAF_KEY, AUTHORITY, AUTHORITY_KEY);
        let certificates = [own_root.issue(), own_authority.issue(), forged.issue()];
        let file = file_with(&[Message::over(&image, &forged, &certificates).build(&[])]);
        with_evidence(&file, |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            assert_eq!(signature.fault, None);
            assert_eq!(signature.chain.len(), 3);
            assert_eq!(signature.root.wellknown, None, "{root}");
            assert!(!signature.root.known);
            assert_eq!(TrustClass::of(signature), TrustClass::OtherRoot);
        });
        // Without the forged root at hand the chain ends nowhere.
        let certificates = [own_authority.issue(), forged.issue()];
        let file = file_with(&[Message::over(&image, &forged, &certificates).build(&[])]);
        let outcome = outcomes(&file).remove(0);
        assert!(!outcome.root_verified);
        assert_eq!(outcome.chain, ["NVIDIA Corporation", AUTHORITY]);
    }
}

/// A public root is known, and Microsoft cross-signed it: whichever is found first, the chain to Microsoft's root is the one that
/// counts, because the driver policy asks for it.
#[test]
fn a_cross_certificate_counts_although_a_known_root_is_reached_before_it() {
    let image = digest(&Pe::default());
    let cross = Spec {
        serial: 7,
        ..Spec::authority(ROOT, ROOT_KEY, issue::CROSS_ROOT, issue::CROSS_ROOT_KEY)
    };
    let own = Spec::authority(ROOT, ROOT_KEY, ROOT, ROOT_KEY);
    let [cross, own, authority, leaf_itself] = [cross, own, authority(), leaf()].map(|spec| spec.issue());
    let orders = [
        vec![leaf_itself.clone(), authority.clone(), cross.clone()],
        vec![own.clone(), authority.clone(), leaf_itself.clone(), cross.clone()],
        vec![cross, leaf_itself.clone(), own.clone(), authority.clone()],
    ];
    for certificates in orders {
        let file = file_with(&[Message::over(&image, &leaf(), &certificates).build(&[])]);
        with_evidence(&file, |evidence| {
            let signature = &evidence.signatures.present().unwrap()[0];
            assert_eq!((signature.fault, signature.root.wellknown), (None, Some(8)));
            assert_eq!(signature.chain.len(), 3);
            assert_eq!(TrustClass::of(signature), TrustClass::CrossSigned);
        });
    }
    // Without it the known root is the end.
    let file = file_with(&[Message::over(&image, &leaf(), &[own, authority, leaf_itself]).build(&[])]);
    with_evidence(&file, |evidence| {
        let signature = &evidence.signatures.present().unwrap()[0];
        assert_eq!((signature.root.wellknown, signature.root.known), (None, true));
    });
}

/// A signature of a lifetime-signing certificate ends with it, timestamp or not; of any other it does not.
#[test]
fn signatures_end_with_the_certificate_only_where_it_says_so() {
    // 2030-01-01, when the tests' certificates end.
    const END: i64 = 1_893_456_000;
    let image = digest(&Pe::default());
    let plain = leaf();
    let mut lifetime = leaf();
    lifetime.ekus.push(crate::usage::LIFETIME_SIGNING);
    for (spec, expected) in [(plain, None), (lifetime, Some(SignatureFault::LifetimeEnded))] {
        let message = Message::over(&image, &spec, &[authority().issue(), spec.issue()]);
        let clock = timestamp_authority();
        let stamp = token(&message.signature(), "20250601120000Z", &clock, &[clock.issue()]);
        with_evidence(&file_with(&[message.build(&[stamp])]), |evidence| {
            assert!(
                evidence.signatures.present().unwrap()[0]
                    .timestamp
                    .present()
                    .is_some()
            );
            let before = Trust::at(evidence, END).present().unwrap();
            assert_eq!((before.class, before.fault), (TrustClass::OtherRoot, None));
            assert_eq!(Trust::of(evidence).present(), Some(before));
            let after = Trust::at(evidence, END + 1).present().unwrap();
            assert_eq!(after.fault, expected);
            assert_eq!(after.class == TrustClass::Invalid, expected.is_some());
        });
    }
}

#[test]
fn timestamps_count_with_a_chain_of_their_own() {
    let message = message();
    let signature = message.signature();
    let clock = timestamp_authority();
    let time = "20250601120000Z";
    let timestamp = |attributes: &[Vec<u8>]| {
        let file = file_with(&[message.build(attributes)]);
        with_evidence(&file, |evidence| {
            let found = &evidence.signatures.present().unwrap()[0];
            assert_eq!(found.fault, None, "a bad timestamp leaves the signature alone");
            found
                .timestamp
                .map(|timestamp| (timestamp.rfc3161, timestamp.time))
        })
    };
    let good = token(&signature, time, &clock, &[clock.issue()]);
    assert_eq!(
        timestamp(core::slice::from_ref(&good)),
        Fact::Present((true, 1_748_779_200))
    );

    let unproven = Fact::Unreadable(Unreadable::Unproven);
    let info_time = changed(&good, b"20250601120000Z", b"20150601120000Z");
    assert_eq!(timestamp(&[info_time]), unproven, "the time was changed");
    let elsewhere = token(b"another signature", time, &clock, &[clock.issue()]);
    assert_eq!(
        timestamp(&[elsewhere]),
        unproven,
        "it vouches for another signature"
    );
    let late = token(&signature, "20310601120000Z", &clock, &[clock.issue()]);
    assert_eq!(timestamp(&[late]), unproven, "its certificate had ended");
    let no_clock = Spec {
        ekus: vec![oid::EKU_CODE_SIGNING],
        ..clock.clone()
    };
    assert_eq!(
        timestamp(&[token(&signature, time, &no_clock, &[no_clock.issue()])]),
        unproven,
        "no timestamp authority"
    );

    // The vendor's own clock.
    let own = Spec {
        issuer: "Contoso Root".to_string(),
        signed_by: 1024,
        ..clock.clone()
    };
    let own_root = Spec::authority("Contoso Root", 1024, "Contoso Root", 1024).issue();
    assert_eq!(
        timestamp(&[token(&signature, time, &own, &[own.issue(), own_root])]),
        unproven,
        "private authority"
    );
    // A good one beside a bad one counts.
    let bad = token(b"another", time, &clock, &[clock.issue()]);
    assert_eq!(timestamp(&[bad, good]), Fact::Present((true, 1_748_779_200)));
}

#[test]
fn older_timestamps_are_countersignatures() {
    let mut message = message();
    let clock = timestamp_authority();
    message.certificates.push(clock.issue());
    let signature = message.signature();
    let counter = issue::countersignature(&signature, "250601120000Z", &clock);
    for (attribute, expected) in [
        (counter.clone(), Fact::Present(1_748_779_200)),
        (
            changed(&counter, b"250601120000Z", b"150601120000Z"),
            Fact::Unreadable(Unreadable::Unproven),
        ),
        (
            issue::countersignature(b"other", "250601120000Z", &clock),
            Fact::Unreadable(Unreadable::Unproven),
        ),
    ] {
        with_evidence(&file_with(&[message.build(&[attribute])]), |evidence| {
            let timestamp = evidence.signatures.present().unwrap()[0].timestamp;
            assert_eq!(timestamp.map(|timestamp| timestamp.time), expected);
        });
    }
}

#[test]
fn nested_signatures_and_further_entries_are_judged_each_by_itself() {
    let message = message();
    let wrong = Message::over(&[3; 32], &leaf(), &message.certificates);
    let catalog_data = Message {
        content_type: &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01],
        ..message.clone()
    };
    let first = message.build(&[nested(&wrong), nested(&catalog_data), nested(&message)]);
    let file = file_with(&[first, wrong.build(&[]), message.build(&[])]);
    let found: Vec<_> = outcomes(&file)
        .into_iter()
        .map(|outcome| (outcome.source, outcome.fault))
        .collect();
    let other_image = Some(SignatureFault::ImageDigest);
    let expected = [
        (SignatureSource::Embedded, None),
        (SignatureSource::Nested, other_image),
        (SignatureSource::Nested, None),
        (SignatureSource::Embedded, other_image),
        (SignatureSource::Embedded, None),
    ];
    assert_eq!(found, expected);
}

/// The page-hash table of an image without signature.
fn pages(pe: &Pe) -> Vec<u8> {
    let file = Pe {
        table: vec![0; 8],
        ..pe.clone()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
    let mut table = [
        &[0; 4][..],
        &evidence.digests.present().unwrap().first_page_sha256.unwrap(),
    ]
    .concat();
    let mut at = pe.declared_size as usize;
    for (_, data) in &pe.sections {
        for (page, bytes) in data.chunks(4096).enumerate() {
            let mut bytes = bytes.to_vec();
            bytes.resize(4096, 0);
            table.extend(((at + page * 4096) as u32).to_le_bytes());
            table.extend(Algorithm::Sha256.digest(&[&bytes]).as_bytes());
        }
        at += data.len();
    }
    table.extend((at as u32).to_le_bytes());
    table.extend([0; 32]);
    table
}

#[test]
fn page_hashes_are_those_of_every_page() {
    let sections = vec![
        (0x1000, vec![7; 0x2a00]),
        (0x4000, (0..0x1200_u32).map(|at| at as u8).collect()),
    ];
    let pe = Pe {
        sections,
        overlay: vec![1; 64],
        ..Pe::default()
    };
    let image = digest(&pe);
    let table = pages(&pe);
    assert_eq!(table.len(), 36 * (1 + 3 + 2 + 1));
    let judge = |table: &[u8]| {
        let signature = Message::with_pages(&image, table, &leaf(), &[authority().issue(), leaf().issue()]);
        let file = Pe {
            table: issue::table(&[signature.build(&[])]),
            ..pe.clone()
        }
        .build();
        with_evidence(&file, |evidence| {
            let found = evidence.signatures.present().unwrap()[0];
            assert!(found.digest_valid);
            (found.page_hashes, found.fault)
        })
    };
    assert_eq!(judge(&table), (true, None));
    for at in (0..table.len()).step_by(19).filter(|at| *at < table.len() - 36) {
        let mut wrong = table.clone();
        wrong[at] ^= 0x80;
        assert_eq!(
            judge(&wrong),
            (false, Some(SignatureFault::PageHashes)),
            "byte {at}"
        );
    }
    let short = &table[..table.len() - 36];
    let long = [&table[..], &[0; 36]].concat();
    for wrong in [&[][..], short, &table[..table.len() - 1], &long] {
        assert_eq!(judge(wrong), (false, Some(SignatureFault::PageHashes)));
    }
}

#[test]
fn long_chains_and_many_certificates_stop_at_their_caps() {
    let image = digest(&Pe::default());
    let key = AUTHORITY_KEY;
    for (steps, expected) in [(8, None), (9, None), (12, Some(SignatureFault::CapReached))] {
        let signer = Spec::leaf("Contoso Ltd", LEAF_KEY, &std::format!("Step {}", steps - 1), key);
        let certificates = [issue::ladder(steps, key), vec![signer.issue()]].concat();
        assert_eq!(
            fault(Message::over(&image, &signer, &certificates).build(&[])),
            expected,
            "{steps} steps"
        );
    }
    // A crowd of the issuer's name: the signer's certificate, at its end, is never reached.
    let impostor = Spec::authority(AUTHORITY, OTHER_KEY, ROOT, ROOT_KEY).issue();
    let crowd = |count| [vec![impostor.clone(); count], vec![leaf().issue()]].concat();
    let signature = |count| Message::over(&image, &leaf(), &crowd(count)).build(&[]);
    assert_eq!(fault(signature(100)), Some(SignatureFault::CapReached));
    assert_eq!(fault(signature(5_000)), Some(SignatureFault::CapReached));
    // Ten thousand are more than the cap on the table itself.
    with_evidence(&file_with(&[signature(10_000)]), |evidence| {
        assert!(matches!(
            evidence.signatures,
            Fact::Unreadable(Unreadable::CapReached)
        ));
    });
}

/// Authorities that signed each other in every direction would make a search explode. The budget ends it; and where every link
/// was proven before, with another file in the same workspace, the count of steps does.
#[test]
fn a_maze_of_cross_certificates_ends_with_the_budget() {
    let image = digest(&Pe::default());
    let names: Vec<String> = (0..8).map(|at| std::format!("Maze {at}")).collect();
    let signer = Spec::leaf("Contoso Ltd", LEAF_KEY, "Maze 0", AUTHORITY_KEY);
    let mut certificates = vec![];
    for (from, subject) in names.iter().enumerate() {
        for issuer in names.iter().filter(|issuer| *issuer != subject) {
            let spec = Spec::authority(subject, AUTHORITY_KEY, issuer, AUTHORITY_KEY);
            certificates.push(
                Spec {
                    serial: from as u8 + 1,
                    ..spec
                }
                .issue(),
            );
        }
    }
    certificates.push(signer.issue());
    let file = file_with(&[Message::over(&image, &signer, &certificates).build(&[])]);
    let mut workspace = Workspace::try_new(4096).unwrap();
    for _ in 0..8 {
        let mut findings = Findings::new();
        let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
        let [signature] = evidence.signatures.present().unwrap() else {
            panic!("one signature");
        };
        assert_eq!(signature.fault, Some(SignatureFault::CapReached));
    }
}

/// Any byte of a table may be anything: the outcome is typed, and what still counts as proven is what was signed.
#[test]
fn no_changed_byte_of_a_table_proves_anything_else() {
    let message = message();
    let clock = timestamp_authority();
    let stamp = token(&message.signature(), "20250601120000Z", &clock, &[clock.issue()]);
    let good = file_with(&[message.build(&[stamp])]);
    let start = good.len() - issue::table(&[message.build(&[])]).len();
    let expected = outcomes(&good).remove(0);
    for at in (start..good.len()).step_by(3) {
        for change in [0x01, 0x80] {
            let mut file = good.clone();
            file[at] ^= change;
            with_evidence(&file, |evidence| {
                for signature in evidence.signatures.present().unwrap_or_default() {
                    if signature.fault.is_some() {
                        continue;
                    }
                    let names: Vec<String> = signature
                        .chain
                        .iter()
                        .map(|c| c.subject_cn.present().unwrap().to_string())
                        .collect();
                    assert_eq!(names, expected.chain[..names.len()], "byte {at}");
                    assert_eq!(signature.oem_id.present().unwrap().to_string(), "Contoso");
                    let time = signature.timestamp.present().map(|timestamp| timestamp.time);
                    assert!(time.is_none_or(|time| time == 1_748_779_200), "byte {at}");
                }
            });
        }
    }
}

#[test]
fn a_truncated_table_is_refused_wherever_it_ends() {
    let message = message().build(&[]);
    for length in (0..message.len()).step_by(7) {
        let outcomes = outcomes(&file_with(&[message[..length].to_vec()]));
        assert!(
            outcomes.iter().all(|outcome| outcome.fault.is_some()),
            "{length} bytes"
        );
    }
}

#[test]
fn the_trust_class_is_that_of_the_best_signature() {
    let trust = |table: Vec<u8>| {
        with_evidence(
            &Pe {
                table,
                ..Pe::default()
            }
            .build(),
            Trust::of,
        )
    };
    let message = message();
    let own = Spec::leaf("Contoso Ltd", LEAF_KEY, "Contoso Ltd", LEAF_KEY);
    let self_signed = Message::over(&digest(&Pe::default()), &own, &[own.issue()]);
    let wrong = Message::over(&[3; 32], &leaf(), &message.certificates);
    let class = |class, signature, fault| {
        Fact::Present(Trust {
            class,
            signature,
            fault,
        })
    };

    assert_eq!(trust(vec![]), class(TrustClass::Unsigned, None, None));
    let invalid = class(TrustClass::Invalid, Some(0), Some(SignatureFault::ImageDigest));
    assert_eq!(trust(issue::table(&[wrong.build(&[])])), invalid);
    let alone = trust(issue::table(&[self_signed.build(&[])]));
    assert_eq!(alone, class(TrustClass::SelfSigned, Some(0), None));
    let all = [wrong.build(&[nested(&self_signed)]), message.build(&[])];
    assert_eq!(
        trust(issue::table(&all)),
        class(TrustClass::OtherRoot, Some(2), None)
    );
}
