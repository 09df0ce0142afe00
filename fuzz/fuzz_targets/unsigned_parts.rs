//! Whatever a certificate table is turned into: what its signatures still claim is denied, and nothing is granted to an image that they are
//! not of.
#![no_main]

use std::sync::LazyLock;

use evidence::Findings;
use evidence::Options;
use evidence::Workspace;
use evidence::examine;
use gatehouse_fuzz::image;
use libfuzzer_sys::fuzz_mutator;
use libfuzzer_sys::fuzz_target;
use libfuzzer_sys::fuzzer_mutate;
use policy::Decision;
use policy::Reason;
use policy::ValidatedSet;
use policy::decide_parts;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tests::made_policies::Asked;
use tests::made_policies::Kind;
use tests::made_policies::policy;
use tests::made_signatures::nesting_signature;
use tests::made_signatures::nesting_signers;
use tests::made_signatures::table_of;
use tests::made_signatures::tbs_hash;
use tests::made_signatures::with_table;
use tests::remaining_claims::Claim;
use tests::remaining_claims::RootIds;
use tests::remaining_claims::still_claims;
use tests::unsigned_parts::Material;
use tests::unsigned_parts::Message;
use tests::unsigned_parts::messages;
use tests::unsigned_parts::mutate;

/// What is known of the signature that everything begins with: its signers, and a set of two policies for each certificate in it: one that denies it, one that allows
/// nothing else.
struct Stage {
    image: Vec<u8>,
    material: Material,
    claims: Vec<Claim>,
    set: ValidatedSet<Vec<u8>>,
    roots: RootIds,
}

static STAGE: LazyLock<Stage> = LazyLock::new(|| {
    let signers = nesting_signers().expect("keys");
    let (first, inner) = nesting_signature(&signers).expect("a signature");
    let mut claims = Vec::new();
    let mut documents = Vec::new();
    for signer in &signers {
        for (depth, certificate) in signer.certificates.iter().enumerate() {
            let asked = Asked {
                tbs: tbs_hash(certificate),
                ..Asked::default()
            };
            for kind in [Kind::DeniesOnly, Kind::AllowsOnly] {
                let text = policy(documents.len(), kind, &asked);
                documents.push(sipolicy::Document::read("made.xml", text.as_bytes()).expect("a policy"));
            }
            claims.push(Claim {
                chain: signer.certificates.clone(),
                depth,
            });
        }
    }
    Stage {
        image: image(&[]),
        material: Material {
            certificates: signers
                .iter()
                .flat_map(|signer| signer.certificates.clone())
                .collect(),
            reissued: Vec::new(),
            fillers: vec![vec![0x30, 0x00]],
            messages: vec![first, inner],
        },
        claims,
        set: ValidatedSet::new(sipolicy::compile(&documents).expect("compiles")).expect("a sound set"),
        roots: RootIds::read().expect("the roots of the repository"),
    }
});

fuzz_target!(|table: &[u8]| {
    let stage = &*STAGE;
    let file = with_table(&stage.image, table);
    let mut workspace = Workspace::try_new(4096).expect("memory");
    let mut findings = Findings::new();
    let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings);
    let evidence = evidence.unwrap_or_else(|error| error.evidence());
    for part in decide_parts(&stage.set.set(), &evidence) {
        for outcome in part.policies() {
            let claim = &stage.claims[usize::from(outcome.index / 2)];
            if outcome.index % 2 == 0 {
                let denied = outcome.reason == Reason::ExplicitlyDenied;
                assert!(
                    denied || !still_claims(&file, claim, &stage.roots),
                    "{:?}",
                    outcome.decision
                );
            } else {
                assert_eq!(outcome.decision, Decision::Refuse);
            }
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let stage = &*STAGE;
    let found: Vec<Message> = messages(&data[..size]).into_iter().flatten().take(1).collect();
    if found.is_empty() || seed % 4 == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed.into());
    let file = mutate(&stage.image, &found, &stage.material, &mut random);
    let table = table_of(&file);
    if table.is_empty() || table.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..table.len()].copy_from_slice(table);
    table.len()
});
