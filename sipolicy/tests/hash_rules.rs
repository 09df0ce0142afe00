//! Hash rules: what an administrator's documents decide, and agreement with a plain reference model.

use evidence::Digests;
use evidence::Evidence;
use evidence::Fact;
use evidence::Image;
use evidence::Unreadable;
use policy::Action;
use policy::Decision;
use policy::PolicySet;
use policy::Reason;
use policy::RuleKind;
use policy::ValidatedSet;
use policy::decide;
use proptest::prelude::*;
use sipolicy::Document;
use sipolicy::compile;
use std::fmt::Write as _;

/// One rule of the reference model.
#[derive(Clone, Debug)]
struct Rule {
    deny: bool,
    hash: Vec<u8>,
}

/// One policy of the reference model.
#[derive(Clone, Debug)]
struct Policy {
    audit: bool,
    /// Index of the base policy that a supplemental extends; `None` for a base policy.
    extends: Option<usize>,
    allows_supplementals: bool,
    rules: Vec<Rule>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn xml(number: usize, policy: &Policy) -> String {
    let id = |number: usize| format!("{{00000000-0000-0000-0000-{number:012}}}");
    let mut text = format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" FriendlyName=\"policy {number}\" PolicyType=\"{}\">\n\
         <VersionEx>1.0.0.0</VersionEx><PolicyID>{}</PolicyID><BasePolicyID>{}</BasePolicyID>\n<Rules>",
        if policy.extends.is_some() {
            "Supplemental Policy"
        } else {
            "Base Policy"
        },
        id(number),
        id(policy.extends.unwrap_or(number)),
    );
    if policy.audit {
        text += "<Rule><Option>Enabled:Audit Mode</Option></Rule>";
    }
    if policy.allows_supplementals {
        text += "<Rule><Option>Enabled:Allow Supplemental Policies</Option></Rule>";
    }
    text += "</Rules>\n<FileRules>\n";
    for (at, rule) in policy.rules.iter().enumerate() {
        let (element, kind) = if rule.deny {
            ("Deny", "DENY")
        } else {
            ("Allow", "ALLOW")
        };
        let hash = hex(&rule.hash);
        let _ = writeln!(
            text,
            "<{element} ID=\"ID_{kind}_P{number}_R{at}\" FriendlyName=\"rule {at}\" Hash=\"{hash}\"/>"
        );
    }
    text += "</FileRules>\n<SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners><FileRulesRef>\n";
    for (at, rule) in policy.rules.iter().enumerate() {
        let kind = if rule.deny { "DENY" } else { "ALLOW" };
        let _ = writeln!(text, "<FileRuleRef RuleID=\"ID_{kind}_P{number}_R{at}\"/>");
    }
    text + "</FileRulesRef></ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"
}

fn set_of(policies: &[Policy]) -> ValidatedSet<Vec<u8>> {
    let documents: Vec<Document> = policies
        .iter()
        .enumerate()
        .map(|(number, policy)| Document::read("policy.xml", xml(number, policy).as_bytes()).unwrap())
        .collect();
    ValidatedSet::new(compile(&documents).unwrap()).unwrap()
}

fn base(rules: Vec<Rule>) -> Policy {
    Policy {
        audit: false,
        extends: None,
        allows_supplementals: false,
        rules,
    }
}

fn rule(deny: bool, hash: &[u8]) -> Rule {
    Rule {
        deny,
        hash: hash.to_vec(),
    }
}

fn file(digests: &Digests, conformant: bool) -> Evidence<'static> {
    Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant,
            size: 4096,
        }),
        digests: Fact::Present(*digests),
        version: Fact::Absent,
        signatures: Fact::Present(&[]),
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    }
}

fn digests(sha256: [u8; 32], sha1: [u8; 20]) -> Digests {
    Digests {
        sha1: Some(sha1),
        sha256: Some(sha256),
        first_page_sha1: Some([0xfe; 20]),
        first_page_sha256: Some([0xfe; 32]),
        ..Digests::default()
    }
}

#[test]
fn a_listed_file_loads_an_unlisted_one_does_not() {
    let set = set_of(&[base(vec![rule(false, &[1; 32])])]);
    let listed = decide(&set.set(), &file(&digests([1; 32], [2; 20]), true));
    assert_eq!(
        (listed.decision, listed.reason),
        (Decision::Allow, Reason::Allowed)
    );
    let outcome = listed.policies().next().unwrap();
    let rule = outcome.rule.unwrap();
    assert_eq!(
        (rule.kind, rule.action, rule.id, rule.name),
        (RuleKind::Hash, Action::Allow, "ID_ALLOW_P0_R0", "rule 0")
    );
    assert_eq!(outcome.policy.name(), "policy 0");

    let unlisted = decide(&set.set(), &file(&digests([3; 32], [2; 20]), true));
    assert_eq!(
        (unlisted.decision, unlisted.reason),
        (Decision::Refuse, Reason::FailsPolicy)
    );
    assert!(unlisted.policies().next().unwrap().rule.is_none());
}

#[test]
fn digests_that_do_not_cover_an_image_grant_nothing_and_deny_all_the_same() {
    let digests = Digests {
        flat_sha1: Some([4; 20]),
        flat_sha256: Some([4; 32]),
        ..digests([1; 32], [2; 20])
    };
    let decided = |listed: &[u8], deny: bool, conformant: bool| {
        let mut rules = vec![rule(deny, listed)];
        if deny {
            rules.push(rule(false, &[4; 32]));
            rules.push(rule(false, &[1; 32]));
        }
        let set = set_of(&[base(rules)]);
        decide(&set.set(), &file(&digests, conformant)).decision
    };
    // By the digests of what is mapped, of the first page, and of the whole file.
    for (listed, conformant, decision) in [
        (&[1; 32][..], true, Decision::Allow),
        (&[1; 32], false, Decision::Refuse),
        (&[2; 20], false, Decision::Refuse),
        (&[2; 20], true, Decision::Allow),
        (&[0xfe; 32], false, Decision::Refuse),
        (&[4; 32], true, Decision::Refuse),
        (&[4; 32], false, Decision::Allow),
        (&[4; 20], false, Decision::Allow),
    ] {
        assert_eq!(
            decided(listed, false, conformant),
            decision,
            "{listed:?}, conformant: {conformant}"
        );
    }
    for listed in [&[2; 20][..], &[0xfe; 32]] {
        assert_eq!(decided(listed, true, false), Decision::Refuse, "{listed:?}");
    }
}

#[test]
fn deny_wins_over_allow() {
    let set = set_of(&[base(vec![rule(false, &[1; 32]), rule(true, &[2; 20])])]);
    let verdict = decide(&set.set(), &file(&digests([1; 32], [2; 20]), true));
    assert_eq!(
        (verdict.decision, verdict.reason),
        (Decision::Refuse, Reason::ExplicitlyDenied)
    );
    assert_eq!(
        verdict.policies().next().unwrap().rule.unwrap().id,
        "ID_DENY_P0_R1"
    );
}

#[test]
fn an_audit_policy_beside_an_enforced_one_only_reports() {
    let audit = Policy {
        audit: true,
        ..base(vec![])
    };
    let enforced = base(vec![rule(false, &[1; 32])]);
    let set = set_of(&[audit, enforced]);
    let listed = decide(&set.set(), &file(&digests([1; 32], [0; 20]), true));
    assert_eq!(listed.decision, Decision::WouldRefuse);
    let each: Vec<Decision> = listed.policies().map(|outcome| outcome.decision).collect();
    assert_eq!(each, [Decision::WouldRefuse, Decision::Allow]);
    let unlisted = decide(&set.set(), &file(&digests([2; 32], [0; 20]), true));
    assert_eq!(unlisted.decision, Decision::Refuse);
}

#[test]
fn without_a_policy_everything_loads() {
    let empty = compile(&[]).unwrap();
    for set in [PolicySet::empty(), PolicySet::validate(&empty).unwrap()] {
        let verdict = decide(&set, &file(&digests([1; 32], [2; 20]), true));
        assert_eq!(
            (verdict.decision, verdict.reason),
            (Decision::Allow, Reason::NoPolicy)
        );
        assert_eq!(verdict.policies().count(), 0);
    }
}

#[test]
fn what_is_unknown_is_not_untrusted() {
    let set = set_of(&[base(vec![rule(false, &[1; 32])])]);
    let unread = decide(&set.set(), &Evidence::unreadable(Unreadable::Io));
    assert_eq!(
        (unread.decision, unread.reason),
        (Decision::Allow, Reason::EvidenceIo)
    );
    // A record without SHA-256: the rule might have allowed the file.
    let partial = Digests {
        sha1: Some([3; 20]),
        ..Digests::default()
    };
    let verdict = decide(&set.set(), &file(&partial, true));
    assert_eq!(
        (verdict.decision, verdict.reason),
        (Decision::Allow, Reason::EvidenceNotRecorded)
    );
    // A record without page hashes: a deny rule might have named one of them.
    let denying = set_of(&[base(vec![rule(false, &[1; 32]), rule(true, &[9; 20])])]);
    let pageless = Digests {
        sha1: Some([3; 20]),
        sha256: Some([1; 32]),
        ..Digests::default()
    };
    let verdict = decide(&denying.set(), &file(&pageless, true));
    assert_eq!(
        (verdict.decision, verdict.reason),
        (Decision::Allow, Reason::EvidenceNotRecorded)
    );
    // A policy that allows nothing refuses whatever the digests are, but not a file that could not be read.
    let none = set_of(&[base(vec![])]);
    assert_eq!(
        decide(&none.set(), &file(&partial, true)).decision,
        Decision::Refuse
    );
    assert_eq!(
        decide(&none.set(), &Evidence::unreadable(Unreadable::Io)).decision,
        Decision::Allow
    );
}

#[test]
fn the_hash_of_the_first_page_denies_but_never_allows() {
    let page = digests([1; 32], [2; 20]);
    let allowing = set_of(&[base(vec![rule(false, &[0xfe; 32]), rule(false, &[0xfe; 20])])]);
    let verdict = decide(&allowing.set(), &file(&page, true));
    assert_eq!(
        (verdict.decision, verdict.reason),
        (Decision::Refuse, Reason::FailsPolicy)
    );
    let denying = set_of(&[base(vec![rule(false, &[1; 32]), rule(true, &[0xfe; 20])])]);
    let verdict = decide(&denying.set(), &file(&page, true));
    assert_eq!(
        (verdict.decision, verdict.reason),
        (Decision::Refuse, Reason::ExplicitlyDenied)
    );
}

#[test]
fn flat_hashes_count_only_for_images_that_cannot_be_page_hashed() {
    let set = set_of(&[base(vec![rule(false, &[9; 32])])]);
    let flat = Digests {
        flat_sha256: Some([9; 32]),
        flat_sha1: Some([9; 20]),
        ..digests([1; 32], [2; 20])
    };
    assert_eq!(decide(&set.set(), &file(&flat, true)).decision, Decision::Refuse);
    assert_eq!(decide(&set.set(), &file(&flat, false)).decision, Decision::Allow);
}

#[test]
fn a_file_that_is_no_image_is_judged_by_its_flat_hash() {
    let set = set_of(&[base(vec![rule(false, &[9; 32])])]);
    let text = |sha256: [u8; 32]| Evidence {
        image: Fact::Absent,
        digests: Fact::Present(Digests {
            flat_sha1: Some([8; 20]),
            flat_sha256: Some(sha256),
            ..Digests::default()
        }),
        version: Fact::Absent,
        signatures: Fact::Present(&[]),
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    };
    assert_eq!(decide(&set.set(), &text([9; 32])).decision, Decision::Allow);
    let unlisted = decide(&set.set(), &text([1; 32]));
    assert_eq!(unlisted.decision, Decision::Refuse);
    assert_eq!(unlisted.reason, Reason::FailsPolicy);
}

/// The reference model: the rules read one by one, as the specification words them.
fn model(policies: &[Policy], digests: &Digests) -> (Decision, Vec<Decision>) {
    let whole: Vec<&[u8]> = [
        digests.sha256.as_ref().map(<[u8; 32]>::as_slice),
        digests.sha1.as_ref().map(<[u8; 20]>::as_slice),
        digests.sha384.as_ref().map(<[u8; 48]>::as_slice),
        digests.sha512.as_ref().map(<[u8; 64]>::as_slice),
    ]
    .into_iter()
    .flatten()
    .collect();
    let pages: Vec<&[u8]> = [
        digests.first_page_sha256.as_ref().map(<[u8; 32]>::as_slice),
        digests.first_page_sha1.as_ref().map(<[u8; 20]>::as_slice),
    ]
    .into_iter()
    .flatten()
    .collect();
    let hit = |policy: &Policy, deny: bool| {
        policy.rules.iter().any(|rule| {
            let hash = rule.hash.as_slice();
            rule.deny == deny && (whole.contains(&hash) || (deny && pages.contains(&hash)))
        })
    };
    let mut each = Vec::new();
    for (number, policy) in policies.iter().enumerate() {
        if policy.extends.is_some() {
            continue;
        }
        let mut allowed = hit(policy, false);
        for other in policies {
            if other.extends == Some(number) && policy.allows_supplementals {
                allowed |= hit(other, false);
            }
        }
        each.push(match (hit(policy, true) || !allowed, policy.audit) {
            (false, _) => Decision::Allow,
            (true, true) => Decision::WouldRefuse,
            (true, false) => Decision::Refuse,
        });
    }
    (each.iter().copied().max().unwrap_or(Decision::Allow), each)
}

/// Hashes from a small world, so that rules and files meet.
fn hash<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    (0_u8..6, any::<bool>()).prop_map(|(first, last)| {
        let mut hash = [first; N];
        hash[N - 1] = u8::from(last);
        hash
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let hash = prop_oneof![
        hash::<20>().prop_map(|hash| hash.to_vec()),
        hash::<32>().prop_map(|hash| hash.to_vec()),
        hash::<48>().prop_map(|hash| hash.to_vec()),
        hash::<64>().prop_map(|hash| hash.to_vec()),
    ];
    (prop::bool::weighted(0.2), hash).prop_map(|(deny, hash)| Rule { deny, hash })
}

fn any_policies() -> impl Strategy<Value = Vec<Policy>> {
    let policy = (
        any::<bool>(),
        prop::option::weighted(0.4, 0_usize..5),
        any::<bool>(),
        prop::collection::vec(any_rule(), 0..40),
    );
    prop::collection::vec(policy, 0..5).prop_map(|policies| {
        let is_base: Vec<bool> = policies.iter().map(|policy| policy.1.is_none()).collect();
        policies
            .into_iter()
            .map(|(audit, extends, allows_supplementals, rules)| Policy {
                audit,
                // A supplemental may extend a policy that is not there: then it has no effect.
                extends: extends.map(|at| if is_base.get(at) == Some(&true) { at } else { 77 }),
                allows_supplementals,
                rules,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn decisions_equal_the_reference_model(
        policies in any_policies(),
        files in prop::collection::vec((hash(), hash(), hash(), hash(), hash(), hash()), 1..8),
    ) {
        let set = set_of(&policies);
        for (sha256, sha1, page256, page1, sha384, sha512) in files {
            let digests = Digests {
                sha1: Some(sha1),
                sha256: Some(sha256),
                sha384: Some(sha384),
                sha512: Some(sha512),
                first_page_sha1: Some(page1),
                first_page_sha256: Some(page256),
                flat_sha1: None,
                flat_sha256: None,
            };
            let verdict = decide(&set.set(), &file(&digests, true));
            let (whole, each) = model(&policies, &digests);
            prop_assert_eq!(verdict.decision, whole);
            prop_assert_eq!(verdict.policies().map(|outcome| outcome.decision).collect::<Vec<_>>(), each);
        }
    }
}
