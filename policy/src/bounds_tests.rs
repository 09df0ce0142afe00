//! Sets that are built to be slow: each kind is refused with the bound named, or decides in few steps. What is honest and large validates.

extern crate std;

use std::format;
use std::string::String;
use std::vec::Vec;

use crate::bounds::CROWDED_STEPS;
use crate::bounds::MAX_BASE_POLICIES;
use crate::bounds::MAX_EKUS_OF_SIGNER;
use crate::bounds::MAX_RULES_OF_HASH;
use crate::bounds::MAX_VALUE_BYTES;
use crate::bounds::counted::steps;
use crate::decide::decide;
use crate::error::SetFault;
use crate::format::MAX_POLICIES;
use crate::options::Options;
use crate::records::PolicyRecord;
use crate::set::PolicySet;
use crate::testing::Asked;
use crate::testing::Tables;
use crate::testing::u32_of;
use crate::verdict::Decision;
use crate::verdict::VERDICT_POLICIES;
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
use evidence::Unreadable;
use evidence::Version;

/// No file takes more steps by any set of these tests.
const MOST: u32 = 20_000;
const TBS: [[u8; 32]; 3] = [[1; 32], [2; 32], [3; 32]];
const PUBLISHER: &str = "VENDOR";
const HASH: [u8; 32] = [9; 32];

fn certificate(tbs: Fact<Hash>) -> Certificate<'static> {
    Certificate {
        subject_cn: Fact::Present(Text::Utf8("Vendor")),
        issuer_cn: Fact::Absent,
        serial: &[1],
        thumbprint_sha1: [0; 20],
        tbs,
        ekus: Ekus(&[6, 2, 0x2b, 7]),
        not_before: 0,
        not_after: i64::MAX,
        key: Key::Rsa(2048),
    }
}

/// What is known of a file.
#[derive(Clone, Copy)]
enum Known {
    All,
    NoNames(Unreadable),
    NoSigners(Unreadable),
    Neither(Unreadable),
}

/// Every state in which a file may be looked up.
const STATES: [Known; 7] = [
    Known::All,
    Known::NoNames(Unreadable::Malformed),
    Known::NoNames(Unreadable::Io),
    Known::NoSigners(Unreadable::Malformed),
    Known::NoSigners(Unreadable::Io),
    Known::Neither(Unreadable::Malformed),
    Known::Neither(Unreadable::Io),
];

/// Hands on a file with two signatures by the vendor.
fn with_file<R>(known: Known, look: impl FnOnce(&Evidence<'_>) -> R) -> R {
    let (no_names, no_signers) = match known {
        Known::All => (None, None),
        Known::NoNames(reason) => (Some(reason), None),
        Known::NoSigners(reason) => (None, Some(reason)),
        Known::Neither(reason) => (Some(reason), Some(reason)),
    };
    let chain =
        TBS.map(|tbs| certificate(no_signers.map_or(Fact::Present(Hash::Sha256(tbs)), Fact::Unreadable)));
    let signature = Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault: None,
        signed_digest: Hash::Sha256([7; 32]),
        digest_valid: true,
        signature_valid: true,
        page_hashes: false,
        chain: &chain,
        identity: if no_signers.is_some_and(Unreadable::is_from_file) {
            Identity::Unproven
        } else {
            Identity::Proven
        },
        claimed: &[],
        claimed_roots: 0,
        root: Root {
            wellknown: None,
            verified: !no_signers.is_some_and(Unreadable::is_from_file),
            known: true,
        },
        oem_id: Fact::Absent,
        more_info_url: Fact::Absent,
        timestamp: Fact::Absent,
    };
    let name = no_names.map_or(Fact::Present(Text::Utf8("driver.sys")), Fact::Unreadable);
    look(&Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant: true,
            size: 1 << 16,
        }),
        digests: Fact::Present(Digests {
            sha1: Some([8; 20]),
            sha256: Some(HASH),
            first_page_sha1: Some([8; 20]),
            first_page_sha256: Some([8; 32]),
            ..Digests::default()
        }),
        version: Fact::Present(Version {
            file_version: Fact::Present(6 << 48),
            original_filename: name,
            internal_name: Fact::Absent,
            file_description: Fact::Absent,
            product_name: Fact::Absent,
        }),
        signatures: Fact::Present(&[signature, signature]),
        more_signatures: no_signers,
        extra_bytes: 0,
        weighed_at: None,
    })
}

fn fault(tables: &Tables) -> Option<SetFault> {
    PolicySet::validate(&tables.build())
        .err()
        .map(|error| error.fault)
}

/// The most steps that a file takes by a set that validates.
fn most_steps(tables: &Tables) -> u32 {
    let bytes = tables.build();
    let set = PolicySet::validate(&bytes).expect("a sound set");
    let counts = STATES.into_iter().map(|known| {
        with_file(known, |file| {
            steps(|| {
                let _ = decide(&set, file);
            })
        })
    });
    counts.max().unwrap_or(0)
}

/// Builds sets of growing size: up to some size they validate and take few steps, and then they are refused for this reason.
fn bounded(wanted: SetFault, make: impl Fn(u32) -> Tables) {
    let mut largest = 0;
    for size in (0..=17).map(|power| 1 << power) {
        let mut tables = make(size);
        tables.arrange();
        match fault(&tables) {
            None => {
                let taken = most_steps(&tables);
                assert!(taken <= MOST, "{wanted:?}: {taken} steps at {size}");
                largest = size;
            }
            Some(found) => {
                assert_eq!(found, wanted, "at {size}");
                // Not refused for nothing.
                assert!(largest >= 16, "refused at {size}");
                return;
            }
        }
    }
    panic!("{wanted:?} is never said");
}

#[test]
fn many_signers_of_one_authority() {
    bounded(SetFault::SignersOfRoot, |count| {
        let mut tables = Tables::of(1);
        for number in 0..count {
            let signer = tables.signer(&Asked {
                tbs: Some(TBS[1]),
                publisher: Some(PUBLISHER),
                ..Asked::default()
            });
            tables.use_signer(signer, 0, 0, u16::from(number % 2 == 0));
        }
        tables
    });
}

#[test]
fn a_signer_with_many_exceptions() {
    bounded(SetFault::SignersOfRoot, |count| {
        let mut tables = Tables::of(1);
        tables.attribute(Some("OTHER.SYS"));
        let signer = tables.signer(&Asked::default());
        tables.use_signer(signer, count, 0, 0);
        tables
    });
}

#[test]
fn a_signer_with_many_attributes_of_one_name() {
    bounded(SetFault::SignersOfRoot, |count| {
        let mut tables = Tables::of(1);
        let attributes = (0..count).map(|_| tables.attribute(Some("DRIVER.SYS"))).collect();
        let signer = tables.signer(&Asked {
            tbs: Some(TBS[0]),
            attributes,
            ..Asked::default()
        });
        tables.use_signer(signer, 0, 0, 1);
        tables
    });
}

#[test]
fn many_signers_restricted_to_one_file() {
    bounded(SetFault::SignersOfFile, |count| {
        let mut tables = Tables::of(1);
        let attribute = tables.attribute(Some("DRIVER.SYS"));
        for number in 0..count {
            let mut tbs = [0xee; 32];
            tbs[..4].copy_from_slice(&number.to_le_bytes());
            let signer = tables.signer(&Asked {
                tbs: Some(tbs),
                attributes: std::vec![attribute],
                ..Asked::default()
            });
            tables.use_signer(signer, 0, 0, 1);
        }
        tables
    });
}

#[test]
fn many_file_rules_of_one_name_or_of_none() {
    for name in [None, Some("DRIVER.SYS")] {
        bounded(SetFault::RulesOfName, |count| {
            let mut tables = Tables::of(1);
            for number in 0..count {
                let attribute = tables.attribute(name);
                tables.use_attribute(attribute, 0, u16::from(number % 2 == 0));
            }
            tables
        });
    }
}

#[test]
fn many_rules_of_one_hash() {
    let of = |count| {
        let mut tables = Tables::of(1);
        for rule in 0..count {
            tables.hash(HASH, rule, 0);
        }
        tables
    };
    bounded(SetFault::RulesOfHash, of);
    assert_eq!(fault(&of(MAX_RULES_OF_HASH)), None);
    assert_eq!(fault(&of(MAX_RULES_OF_HASH + 1)), Some(SetFault::RulesOfHash));
}

#[test]
fn many_keys_that_each_hold_many_rules() {
    bounded(SetFault::Crowded, |count| {
        let mut tables = Tables::of(1);
        for number in 0..count {
            let name = format!("NAME {number}");
            for _ in 0..=CROWDED_STEPS / 4 {
                let attribute = tables.attribute(Some(&name));
                tables.use_attribute(attribute, 0, 1);
            }
        }
        tables
    });
}

#[test]
fn many_policies() {
    let of = |bases: usize, supplementals: usize| {
        let mut tables = Tables::of(u16::try_from(bases).unwrap());
        for number in 0..supplementals {
            let mut record = tables.policies[number % bases];
            record.flags = PolicyRecord::SUPPLEMENTAL.into();
            tables.policies.push(record);
        }
        for policy in 0..bases + supplementals {
            let signer = tables.signer(&Asked {
                tbs: Some([u8::try_from(policy % 251).unwrap(); 32]),
                ..Asked::default()
            });
            tables.use_signer(signer, 0, u16::try_from(policy).unwrap(), 0);
        }
        tables.arrange();
        tables
    };
    let most = of(MAX_BASE_POLICIES, MAX_POLICIES - MAX_BASE_POLICIES);
    // Passing over a policy of another part takes far less than trying a rule.
    let taken = most_steps(&most);
    assert!(taken <= 2 * MOST, "{taken}");
    assert_eq!(fault(&of(MAX_BASE_POLICIES + 1, 0)), Some(SetFault::BasePolicies));
}

/// Whether a file is WHQL-signed is asked once, whatever the number of policies is that require it.
#[test]
fn many_policies_that_require_whql() {
    let of = |count: usize| {
        let mut tables = Tables::of(u16::try_from(count).unwrap());
        for record in &mut tables.policies {
            record.options = Options::REQUIRED_WHQL.0.into();
        }
        most_steps(&tables)
    };
    assert_eq!(of(1), of(VERDICT_POLICIES));
}

#[test]
fn many_key_usages_and_long_names() {
    let with_ekus = |ekus: u32| {
        let mut tables = Tables::of(1);
        let signer = tables.signer(&Asked {
            ekus: u16::try_from(ekus).unwrap(),
            ..Asked::default()
        });
        tables.use_signer(signer, 0, 0, 0);
        tables.arrange();
        fault(&tables)
    };
    assert_eq!(with_ekus(MAX_EKUS_OF_SIGNER), None);
    assert_eq!(with_ekus(MAX_EKUS_OF_SIGNER + 1), Some(SetFault::EkusOfSigner));
    let with_name = |length: usize| {
        let mut tables = Tables::of(1);
        let attribute = tables.attribute(Some(&"X".repeat(length)));
        tables.use_attribute(attribute, 0, 0);
        tables.arrange();
        fault(&tables)
    };
    assert_eq!(with_name(MAX_VALUE_BYTES), None);
    assert_eq!(with_name(MAX_VALUE_BYTES + 1), Some(SetFault::LongValue));
}

/// Many records that share one long name make validation itself long.
#[test]
fn names_that_all_records_share() {
    let mut tables = Tables::of(1);
    let attribute = tables.attribute(Some(&"X".repeat(MAX_VALUE_BYTES)));
    let record = tables.attributes[attribute as usize];
    tables.attributes = std::vec![record; 300_000];
    assert_eq!(fault(&tables), Some(SetFault::LongValue));
}

/// Uses and what they refer to stand once: nothing is shared, so that a set holds no more than its bytes.
#[test]
fn nothing_is_shared_or_said_twice() {
    let good = || {
        let mut tables = Tables::of(1);
        let attribute = tables.attribute(Some("DRIVER.SYS"));
        for tbs in [TBS[0], TBS[0]] {
            let signer = tables.signer(&Asked {
                tbs: Some(tbs),
                attributes: std::vec![attribute],
                ekus: 1,
                ..Asked::default()
            });
            tables.use_signer(signer, 1, 0, 1);
        }
        tables.arrange();
        tables
    };
    let changed = |change: fn(&mut Tables)| {
        let mut tables = good();
        change(&mut tables);
        fault(&tables)
    };
    assert_eq!(changed(|_| ()), None);
    let shared = Some(SetFault::Reference);
    assert_eq!(
        changed(|tables| tables.signer_uses[1].except_first = 0.into()),
        shared
    );
    assert_eq!(
        changed(|tables| tables.signers[1].attribute_first = 0.into()),
        shared
    );
    assert_eq!(changed(|tables| tables.signers[1].eku_first = 0.into()), shared);
    let twice = |tables: &mut Tables| {
        tables.signer_uses[1] = tables.signer_uses[0];
        tables.signer_uses[1].except_first = 1.into();
        tables.signer_uses[1].except_count = 0.into();
        tables.signer_uses[0].except_count = 0.into();
        tables.signer_uses[1].except_first = 0.into();
        tables.exceptions.clear();
    };
    assert_eq!(changed(twice), Some(SetFault::Order));
    assert_eq!(
        changed(|tables| tables.exceptions.push(0.into())),
        Some(SetFault::Count)
    );
}

/// What is kept for files and signatures that cannot be read is all there and right: a set that says less does not validate.
#[test]
fn summaries_are_exact() {
    let good = || {
        let mut tables = Tables::of(2);
        let attribute = tables.attribute(Some("DRIVER.SYS"));
        tables.use_attribute(attribute, 1, 1);
        let restricted = tables.signer(&Asked {
            tbs: Some(TBS[0]),
            attributes: std::vec![attribute],
            ..Asked::default()
        });
        let excepted = tables.signer(&Asked {
            tbs: Some(TBS[1]),
            ..Asked::default()
        });
        let any = tables.signer(&Asked::default());
        tables.use_signer(restricted, 0, 0, 1);
        tables.use_signer(excepted, 1, 0, 1);
        tables.use_signer(any, 0, 1, 1);
        tables.arrange();
        tables
    };
    let changed = |change: fn(&mut Tables)| {
        let mut tables = good();
        change(&mut tables);
        fault(&tables)
    };
    assert_eq!(changed(|_| ()), None);
    let wrong = Some(SetFault::Reference);
    assert_eq!(
        changed(|tables| tables.policies[1].any_file_signers[1] = crate::records::NONE.into()),
        wrong
    );
    assert_eq!(
        changed(|tables| tables.policies[0].any_file_signers[1] = 0.into()),
        wrong
    );
    assert_eq!(
        changed(|tables| tables.policies[0].file_signers[1] = crate::records::NONE.into()),
        wrong
    );
    assert_eq!(
        changed(|tables| tables.policies[1].named_files[1] = crate::records::NONE.into()),
        wrong
    );
    assert_eq!(
        changed(|tables| tables.policies[0].named_files[1] = 0.into()),
        wrong
    );
    assert_eq!(
        changed(|tables| tables.file_signers.truncate(1)),
        Some(SetFault::Count)
    );
    let other = |tables: &mut Tables| tables.file_signers[0].attribute = 7.into();
    assert_eq!(changed(other), wrong);
}

/// Sets of a hundred thousand rules that nobody means ill with.
#[test]
fn what_is_large_and_honest_validates_and_takes_few_steps() {
    const COUNT: u32 = 100_000;
    let names: Vec<String> = (0..COUNT).map(|number| format!("DRIVER{number}.SYS")).collect();
    let spread = |number: u32| {
        let mut tbs = [0; 32];
        tbs[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_le_bytes());
        tbs
    };
    let mut tables = Tables::of(1);
    for (number, name) in (0..COUNT).zip(&names) {
        tables.hash(spread(number), number, 0);
        let attribute = tables.attribute(Some(name));
        tables.use_attribute(attribute, 0, 1);
        let signer = tables.signer(&Asked {
            tbs: Some(spread(number)),
            attributes: std::vec![attribute],
            ..Asked::default()
        });
        tables.use_signer(signer, 0, 0, 1);
    }
    // And one vendor with very many files.
    let signer = tables.signer(&Asked {
        tbs: Some(TBS[0]),
        attributes: (0..COUNT).collect(),
        ..Asked::default()
    });
    tables.use_signer(signer, 0, 0, 1);
    tables.arrange();
    let taken = most_steps(&tables);
    assert!(taken < 1000, "{taken}");
}

/// Very many signers that are restricted to versions alone: honest too.
#[test]
fn signers_of_versions_validate_and_take_few_steps() {
    const COUNT: u32 = 20_000;
    let mut tables = Tables::of(1);
    let attribute = tables.attribute(None);
    for number in 0..COUNT {
        let mut tbs = [0xee; 32];
        tbs[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b1).to_le_bytes());
        let signer = tables.signer(&Asked {
            tbs: Some(tbs),
            attributes: std::vec![attribute],
            ..Asked::default()
        });
        tables.use_signer(signer, 0, 0, 1);
    }
    tables.arrange();
    let taken = most_steps(&tables);
    assert!(taken < 1000, "{taken}");
    let bytes = tables.build();
    let set = PolicySet::validate(&bytes).unwrap();
    let hidden = Known::NoSigners(Unreadable::Malformed);
    let decision = with_file(hidden, |file| decide(&set, file).decision);
    assert_eq!(decision, Decision::Refuse);
}

/// An exception is looked for no longer than until one holds, and a denial is found by a signature that cannot be read.
#[test]
fn what_is_denied_is_found_without_a_walk() {
    let mut tables = Tables::of(1);
    let mine = tables.attribute(Some("DRIVER.SYS"));
    let other = tables.attribute(Some("OTHER.SYS"));
    let decision = |tables: &Tables, known: Known| {
        let mut tables = tables.clone();
        tables.arrange();
        let bytes = tables.build();
        let set = PolicySet::validate(&bytes).unwrap();
        with_file(known, |file| {
            let verdict = decide(&set, file);
            (verdict.decision, verdict.reason)
        })
        .0
    };
    let everything = tables.attribute(None);
    tables.attributes[everything as usize].flags = 0.into();
    tables.use_attribute(everything, 0, 0);
    for (attribute, refused) in [(other, false), (mine, true)] {
        let mut tables = tables.clone();
        let signer = tables.signer(&Asked {
            tbs: Some([0xaa; 32]),
            attributes: std::vec![attribute],
            ..Asked::default()
        });
        tables.use_signer(signer, 0, 0, 1);
        // The attributes ask for version 0: let them take any.
        for record in &mut tables.attributes {
            record.flags = 0.into();
        }
        assert_eq!(decision(&tables, Known::All), Decision::Allow);
        let hidden = decision(&tables, Known::NoSigners(Unreadable::Malformed));
        assert_eq!(hidden == Decision::Refuse, refused);
        // Whose file it is cannot be told either.
        let hidden = decision(&tables, Known::Neither(Unreadable::Malformed));
        assert_eq!(hidden, Decision::Refuse);
        assert_eq!(
            decision(&tables, Known::NoSigners(Unreadable::Io)),
            Decision::Allow
        );
    }
    assert_eq!(u32_of(tables.attributes.len()), 3);
}
