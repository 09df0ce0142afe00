//! Merging: nothing is allowed that no policy allowed, and nothing that one of them denies.

mod model;
mod small;

use model::Random;
use model::files::Files;
use model::judge;
use model::policies;
use policy::Decision;
use policy::Reason;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::compile;
use sipolicy::merge;
use small::SIGNER_A;
use small::allowlist;
use small::allows;
use small::notes;
use small::policy;
use small::read;
use small::refers;
use small::scenario;
use small::scenarios;

#[test]
fn a_merged_policy_allows_what_one_allows_and_denies_what_any_denies() {
    let mut random = Random::new(0x6a7e_4005_ed00_0011);
    let files = Files::new(&mut random);
    let (mut allowed, mut denied) = (0, 0);
    let mut rounds = 0;
    while rounds < 300 {
        let policies = policies::generate(&mut random);
        let bases: Vec<_> = policies
            .iter()
            .filter(|policy| policy.extends.is_none())
            .collect();
        let [first, second, ..] = bases.as_slice() else {
            continue;
        };
        rounds += 1;
        // Under the same ids, so that a name of one might be taken for one of the other.
        let ids = |policy: &policies::Policy| {
            let text = policy.xml(&policies);
            text.replace(&format!("_P{}_", policy.number), "_P_")
        };
        let documents = [read("first.xml", &ids(first)), read("second.xml", &ids(second))];
        let merged = merge(&documents).unwrap_or_else(|error| panic!("{error}"));
        // What is written is what was merged.
        let merged = read("merged.xml", &merged.to_xml());
        let set = ValidatedSet::new(compile(std::slice::from_ref(&merged)).unwrap()).unwrap();
        for _ in 0..100 {
            let evidence = files.pick(&mut random);
            let found = decide(&set.set(), &evidence).decision;
            let alone: Vec<_> = [first, second]
                .into_iter()
                .map(|policy| judge(&[(*policy).clone()], &evidence))
                .collect();
            if found == Decision::Allow {
                assert!(
                    alone.iter().any(|one| one.decision == Decision::Allow),
                    "allowed by neither: {evidence:?}\n{}\n{}\n{}",
                    ids(first),
                    ids(second),
                    merged.to_xml()
                );
                allowed += 1;
            }
            let explicitly = Reason::ExplicitlyDenied.code();
            if alone.iter().any(|one| one.policies[0].1 == explicitly) {
                assert_ne!(found, Decision::Allow, "{evidence:?}\n{}", merged.to_xml());
                denied += 1;
            }
        }
    }
    assert!(allowed > 1000 && denied > 1000, "{allowed} {denied}");
}

/// Every way to write a rule that allows everything: the body and what the scenario holds.
fn everything() -> Vec<(String, String)> {
    let rule = |attributes: &str| {
        (
            format!(
                "<Rules/><FileRules><Allow ID=\"ID_ALLOW_ALL\" FriendlyName=\"all\" {attributes}/></FileRules>"
            ),
            refers("ID_ALLOW_ALL"),
        )
    };
    let signer = |root: &str, inner: &str, files: &str| {
        (
            format!(
                "<Rules/><EKUs><EKU ID=\"ID_EKU_E\" Value=\"010A2B0601040182370A0305\"/>\
                 <EKU ID=\"ID_EKU_C\" Value=\"01082B06010505070303\"/></EKUs><FileRules>{files}</FileRules><Signers><Signer ID=\"ID_SIGNER_ALL\" Name=\"all\"><CertRoot Type=\"Wellknown\" \
                 Value=\"{root}\"/>{inner}</Signer></Signers>"
            ),
            allows("ID_SIGNER_ALL"),
        )
    };
    vec![
        rule("FileName=\"*\""),
        rule("FileName=\"*\" MinimumFileVersion=\"0.0.0.0\""),
        rule("FileName=\"*\" MinimumFileVersion=\"0.0.0.0\" MaximumFileVersion=\"65535.65535.65535.65535\""),
        rule("FileName=\"*\" MaximumFileVersion=\"65535.65535.65535.65535\""),
        rule("FileName=\"*\" MinimumFileVersion=\"0.0.0.1\""),
        rule("InternalName=\"*\""),
        rule("FileName=\"*\" ProductName=\"*\" FileDescription=\"*\""),
        rule("FilePath=\"*\""),
        rule("FilePath=\"%OSDRIVE%\\*\""),
        rule("FilePath=\"C:\\*\""),
        rule("PackageFamilyName=\"*\""),
        (
            "<Rules/><FileRules><FileRule ID=\"ID_ALLOW_ALL\" FriendlyName=\"all\" Type=\"Match\" FileName=\"*\"/></FileRules>"
                .to_owned(),
            refers("ID_ALLOW_ALL"),
        ),
        signer("00", "", ""),
        signer("01", "", ""),
        signer("02", "", ""),
        signer("00", "<CertEKU ID=\"ID_EKU_E\" Condition=\"Except\"/>", ""),
        signer("00", "<CertEKU ID=\"ID_EKU_C\"/>", ""),
        signer("00", "<CertPublisher Value=\"*\"/>", ""),
        signer(
            "00",
            "<FileAttribRef RuleID=\"ID_FILEATTRIB_F\"/>",
            "<FileAttrib ID=\"ID_FILEATTRIB_F\" FileName=\"*\" MinimumFileVersion=\"0.0.0.0\"/>",
        ),
        {
            let (body, _) = signer("00", "", "<Deny ID=\"ID_DENY_D\" FileName=\"a\"/>");
            let except = "<AllowedSigners><AllowedSigner SignerId=\"ID_SIGNER_ALL\"><ExceptDenyRule DenyRuleID=\"ID_DENY_D\"/>\
                          </AllowedSigner></AllowedSigners>";
            (body, except.to_owned())
        },
    ]
}

#[test]
fn what_allows_everything_in_a_later_policy_is_left_out_and_told() {
    for (body, inner) in everything() {
        for value in [131, 12] {
            let other = policy(2, &body, &scenarios(&scenario(value, &inner)));
            let merged = merge(&[allowlist(), other]).unwrap();
            let xml = merged.to_xml();
            assert!(!xml.contains("_ALL\""), "{value} {body}\n{xml}");
            let told = notes(&merged);
            let id = if body.contains("ID_SIGNER_ALL") {
                "ID_SIGNER_ALL"
            } else {
                "ID_ALLOW_ALL"
            };
            let wanted = format!("2.xml: {id} (all) allows everything in scenario {value}");
            assert!(told.contains(&wanted), "{told}");
        }
        // Its own the first policy keeps, whatever else is merged.
        let first = policy(2, &body, &scenarios(&scenario(131, &inner)));
        let merged = merge(&[first, allowlist()]).unwrap();
        assert!(merged.to_xml().contains("_ALL\""), "{body}");
    }
    // What names something is no such rule.
    for (body, inner) in [
        (
            "<Rules/><FileRules><Allow ID=\"ID_ALLOW_ONE\" FileName=\"*\" ProductName=\"p\"/></FileRules>",
            refers("ID_ALLOW_ONE"),
        ),
        (
            "<Rules/><FileRules><Allow ID=\"ID_ALLOW_ONE\" FilePath=\"C:\\drivers\\*\"/></FileRules>",
            refers("ID_ALLOW_ONE"),
        ),
        (
            "<Rules/><Signers><Signer ID=\"ID_SIGNER_ONE\" Name=\"one\"><CertRoot Type=\"Wellknown\" Value=\"00\"/>\
             <CertPublisher Value=\"Vendor\"/></Signer></Signers>",
            allows("ID_SIGNER_ONE"),
        ),
        (
            "<Rules/><Signers><Signer ID=\"ID_SIGNER_ONE\" Name=\"one\"><CertRoot Type=\"Wellknown\" Value=\"06\"/></Signer></Signers>",
            allows("ID_SIGNER_ONE"),
        ),
    ] {
        let other = policy(2, body, &scenarios(&scenario(131, &inner)));
        let merged = merge(&[allowlist(), other]).unwrap();
        let (product, count) = (&merged.scenarios[0].product, inner.matches("_ONE").count());
        assert_eq!(product.rules.len() + product.allowed.len(), 1 + count, "{body}");
    }
}

#[test]
fn an_allowance_that_only_excepts_from_a_denial_stays() {
    let body = format!(
        "<Rules/><FileRules><Allow ID=\"ID_ALLOW_ALL\" FileName=\"*\"/></FileRules>{}",
        SIGNER_A.replace("ID_SIGNER_A", "ID_SIGNER_B")
    );
    let denied = "<DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_B\"><ExceptAllowRule AllowRuleID=\"ID_ALLOW_ALL\"/>\
                  </DeniedSigner></DeniedSigners><FileRulesRef><FileRuleRef RuleID=\"ID_ALLOW_ALL\"/></FileRulesRef>";
    let merged = merge(&[allowlist(), policy(2, &body, &scenarios(&scenario(131, denied)))]).unwrap();
    let product = &merged.scenarios[0].product;
    assert_eq!(product.rules, []);
    assert_eq!(product.denied[0].exceptions[0].id, "ID_ALLOW_ALL");
    assert!(compile(&[merged]).is_ok());
}

#[test]
fn what_one_scenario_inherits_takes_in_nothing_of_the_others() {
    // The first policy's drivers may be what its user-mode scenario allows; the second allows something in user mode only.
    let inherits = scenarios(
        &(scenario(131, "").replace(
            "Value=\"131\"",
            "Value=\"131\" InheritedScenarios=\"ID_SIGNINGSCENARIO_S12\"",
        ) + &scenario(12, &refers("ID_ALLOW_OWN"))),
    );
    let first = policy(
        1,
        "<Rules/><FileRules><Allow ID=\"ID_ALLOW_OWN\" FileName=\"own.sys\"/></FileRules>",
        &inherits,
    );
    let second = policy(
        2,
        "<Rules/><FileRules><Allow ID=\"ID_ALLOW_APP\" FileName=\"app.exe\"/></FileRules>",
        &scenarios(&scenario(12, &refers("ID_ALLOW_APP"))),
    );
    for documents in [[first.clone(), second.clone()], [second, first.clone()]] {
        let merged = merge(&documents).unwrap();
        let kernel = merged
            .scenarios
            .iter()
            .find(|scenario| scenario.value == 131)
            .unwrap();
        let ids: Vec<_> = kernel.product.rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(
            (ids.as_slice(), kernel.inherited.len()),
            (["ID_ALLOW_OWN"].as_slice(), 0)
        );
        assert!(notes(&merged).contains("scenario 131 inherits from scenario 12"));
    }
    // Alone it is left as it is.
    assert_eq!(
        merge(std::slice::from_ref(&first)).unwrap().scenarios,
        first.scenarios
    );
}
