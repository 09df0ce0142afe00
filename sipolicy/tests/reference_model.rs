//! Decisions equal a plain, slow model written from the specification, over generated policy sets and evidence of every
//! rule kind, option, version edge and combination, unreadable facts included.
//!
//! `GATEHOUSE_MODEL_PAIRS` sets how many (set, evidence) pairs are weighed; a million by default in release builds.

mod model;

use evidence::Evidence;
use model::COULD_BE;
use model::Random;
use model::files::Files;
use model::judge;
use model::policies;
use policy::PolicySet;
use policy::Reason;
use policy::RuleKind;
use policy::Truth;
use policy::ValidatedSet;
use policy::decide;
use policy::explain;
use sipolicy::Document;
use sipolicy::compile;
use std::collections::BTreeMap;

/// The rule that decides is among those that an explanation finds to hold.
fn explanation_holds_what_decided(set: &PolicySet<'_>, evidence: &Evidence<'_>) {
    let mut held = Vec::new();
    let tried = explain(set, evidence, &mut |tried| {
        if tried.truth == Truth::Yes {
            assert_eq!(tried.missed, None);
            held.push(tried.rule);
        }
    });
    assert_eq!(tried, set.rule_count());
    for outcome in decide(set, evidence).policies() {
        let by_rule = outcome.rule.filter(|rule| rule.kind != RuleKind::Option);
        assert!(
            by_rule.is_none_or(|rule| held.contains(&rule)),
            "{outcome:?} not in {held:?}"
        );
    }
}

/// Files weighed against each generated set.
const FILES_A_SET: usize = 250;

#[test]
fn a_million_decisions_equal_the_reference_model() {
    let default = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    let pairs = std::env::var("GATEHOUSE_MODEL_PAIRS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default);
    let mut random = Random::new(0x6a7e_4005_e5ee_d001);
    let files = Files::new(&mut random);
    let mut counts = BTreeMap::<(String, String), usize>::new();
    for round in 0..pairs / FILES_A_SET {
        let policies = policies::generate(&mut random);
        let documents: Vec<Document> = policies
            .iter()
            .map(|policy| {
                let text = policy.xml(&policies);
                Document::read("generated.xml", text.as_bytes())
                    .unwrap_or_else(|error| panic!("{error}\n{text}"))
            })
            .collect();
        let set = ValidatedSet::new(compile(&documents).unwrap()).unwrap();
        for _ in 0..FILES_A_SET {
            let evidence = files.pick(&mut random);
            let verdict = decide(&set.set(), &evidence);
            let expected = judge(&policies, &evidence);
            let found: Vec<_> = verdict
                .policies()
                .map(|outcome| {
                    let rule = outcome
                        .rule
                        .map(|rule| (rule.action.name(), rule.level.name(), rule.id.to_owned()));
                    // Of a rule that could be meant it does not matter which one it is.
                    let (action, level, id) = COULD_BE;
                    let could_be = match outcome.rule {
                        None => outcome.reason == Reason::ExplicitlyDenied,
                        Some(rule) => rule.kind == RuleKind::Signer && outcome.signature.is_none(),
                    };
                    let rule = if could_be {
                        Some((action, level, id.to_owned()))
                    } else {
                        rule
                    };
                    (outcome.decision, outcome.reason.code().min(101), rule)
                })
                .collect();
            assert_eq!(
                found,
                expected.policies,
                "round {round}: {evidence:#?}\n{}",
                policies
                    .iter()
                    .map(|policy| policy.xml(&policies))
                    .collect::<Vec<_>>()
                    .join("\n")
            );
            assert_eq!(verdict.decision, expected.decision);
            if random.percent(4) {
                explanation_holds_what_decided(&set.set(), &evidence);
            }
            for (decision, _, rule) in found {
                let how = rule.map_or("none".to_owned(), |(action, level, _)| {
                    format!("{action} {level}")
                });
                *counts.entry((decision.name().to_owned(), how)).or_default() += 1;
            }
        }
    }
    for ((decision, how), count) in &counts {
        println!("{decision:13} {how:25} {count}");
    }
    // The generator must reach every level, or agreement would say little.
    for level in policy::Level::ALL.iter().copied() {
        let reached = counts.keys().any(|(_, how)| how.ends_with(level.name()));
        assert!(
            reached,
            "no decision was made by a rule of level {}",
            level.name()
        );
    }
}
