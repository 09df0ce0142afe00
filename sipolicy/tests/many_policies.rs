//! Any number of policies in one set: each counts, and each can be asked for its part.

use evidence::Digests;
use evidence::Evidence;
use evidence::Fact;
use evidence::Image;
use policy::Decision;
use policy::Reason;
use policy::VERDICT_POLICIES;
use policy::ValidatedSet;
use policy::bounds::MAX_BASE_POLICIES;
use policy::decide;
use policy::decide_parts;
use policy::format::MAX_POLICIES;
use sipolicy::Document;
use sipolicy::compile;

fn guid(number: usize) -> String {
    format!("{{00000000-0000-0000-0000-{number:012}}}")
}

/// A policy by number, that refers to file rule or option texts; a supplemental of `base` where that is another one.
fn policy(number: usize, base: usize, option: &str, rule: &str) -> Document {
    let kind = if number == base { "Base" } else { "Supplemental" };
    let text = format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" FriendlyName=\"policy {number}\" PolicyType=\"{kind} Policy\">\
         <VersionEx>1.0.0.0</VersionEx><PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
         <PolicyID>{}</PolicyID><BasePolicyID>{}</BasePolicyID><Rules><Rule><Option>{option}</Option></Rule></Rules>\
         <FileRules>{rule}</FileRules><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\">\
         <ProductSigners><FileRulesRef><FileRuleRef RuleID=\"ID_ALLOW_A\"/></FileRulesRef></ProductSigners>\
         </SigningScenario></SigningScenarios></SiPolicy>",
        guid(number),
        guid(base),
    );
    Document::read("policy.xml", text.as_bytes()).unwrap()
}

fn base(number: usize, option: &str, hash: &str) -> Document {
    let rule = format!("<Allow ID=\"ID_ALLOW_A\" Hash=\"{}\"/>", hash.repeat(32));
    policy(number, number, option, &rule)
}

fn file(byte: u8) -> Evidence<'static> {
    Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant: true,
            size: 4096,
        }),
        digests: Fact::Present(Digests {
            sha1: Some([byte; 20]),
            sha256: Some([byte; 32]),
            first_page_sha1: Some([0; 20]),
            first_page_sha256: Some([0; 32]),
            ..Digests::default()
        }),
        version: Fact::Absent,
        signatures: Fact::Absent,
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    }
}

#[test]
fn the_one_policy_that_refuses_decides_wherever_it_stands() {
    const UNSIGNED: &str = "Enabled:Unsigned System Integrity Policy";
    let count = 2 * VERDICT_POLICIES + 6;
    for refusing in [0, VERDICT_POLICIES - 1, VERDICT_POLICIES, count - 1] {
        let audit = count / 2;
        let documents: Vec<Document> = (0..count)
            .map(|number| match number {
                _ if number == refusing => base(number, UNSIGNED, "02"),
                _ if number == audit => base(number, "Enabled:Audit Mode", "02"),
                _ => base(number, UNSIGNED, "01"),
            })
            .collect();
        let set = ValidatedSet::new(compile(&documents).unwrap()).unwrap();
        let verdict = decide(&set.set(), &file(1));
        assert_eq!(
            (verdict.decision, verdict.reason),
            (Decision::Refuse, Reason::FailsPolicy)
        );
        let refused = verdict
            .policies()
            .find(|outcome| outcome.decision == Decision::Refuse)
            .expect("the policy that decides is among those told");
        assert_eq!(refused.policy.name(), format!("policy {refusing}"));
        let all: Vec<_> = decide_parts(&set.set(), &file(1))
            .flat_map(|part| part.policies())
            .map(|outcome| (usize::from(outcome.index), outcome.decision))
            .collect();
        let expected: Vec<_> = (0..count)
            .map(|number| {
                let decision = match number {
                    _ if number == refusing => Decision::Refuse,
                    _ if number == audit => Decision::WouldRefuse,
                    _ => Decision::Allow,
                };
                (number, decision)
            })
            .collect();
        assert_eq!(all, expected);
    }
}

#[test]
fn a_supplemental_counts_for_its_base_beyond_the_first_part() {
    const ALLOW: &str = "Enabled:Allow Supplemental Policies";
    let count = VERDICT_POLICIES + 3;
    let last = count - 1;
    let mut documents: Vec<Document> = (0..last).map(|number| base(number, ALLOW, "01")).collect();
    documents.push(base(last, ALLOW, "02"));
    let decision = |documents: &[Document]| {
        let set = ValidatedSet::new(compile(documents).unwrap()).unwrap();
        decide(&set.set(), &file(1)).decision
    };
    assert_eq!(decision(&documents), Decision::Refuse);
    let rule = format!("<Allow ID=\"ID_ALLOW_A\" Hash=\"{}\"/>", "01".repeat(32));
    documents.push(policy(1000, last, "Enabled:Inherit Default Policy", &rule));
    assert_eq!(decision(&documents), Decision::Allow);
}

#[test]
fn many_base_policies_and_thousands_of_supplementals_fit_and_more_are_refused_clearly() {
    const ALLOW: &str = "Enabled:Allow Supplemental Policies";
    let mut documents: Vec<Document> = (0..MAX_BASE_POLICIES)
        .map(|number| base(number, ALLOW, "01"))
        .collect();
    let set = ValidatedSet::new(compile(&documents).unwrap()).unwrap();
    assert_eq!(decide(&set.set(), &file(1)).decision, Decision::Allow);
    assert_eq!(
        decide_parts(&set.set(), &file(2))
            .flat_map(|part| part.policies())
            .count(),
        MAX_BASE_POLICIES
    );
    documents.push(base(MAX_BASE_POLICIES, ALLOW, "01"));
    let error = compile(&documents).unwrap_err().to_string();
    assert!(
        error.contains("129 base policies") && error.contains("128") && error.contains("merge"),
        "{error}"
    );
    documents.truncate(1);
    let rule = |number: usize| format!("<Allow ID=\"ID_ALLOW_A\" Hash=\"{number:064x}\"/>");
    documents.extend((1..MAX_POLICIES).map(|number| policy(number, 0, "Enabled:UMCI", &rule(number))));
    assert!(compile(&documents).is_ok());
    documents.push(policy(MAX_POLICIES, 0, "Enabled:UMCI", &rule(0)));
    let error = compile(&documents).unwrap_err().to_string();
    assert!(
        error.contains("4097 policies") && error.contains("4096") && error.contains("merge"),
        "{error}"
    );
}
