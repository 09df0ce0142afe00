//! What a compiled set holds can be told from it: documents made of it decide as it does and say what its documents said.

#[expect(
    dead_code,
    reason = "shared with the reference model's test, which uses all of it"
)]
mod model;

use evidence::Evidence;
use model::Random;
use model::files::Files;
use model::policies;
use policy::PolicySet;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::Document;
use sipolicy::compile;
use sipolicy::decompile;
use sipolicy::statements;
use std::collections::BTreeSet;

/// What a set says of a file, in full.
fn outcomes(set: &PolicySet<'_>, evidence: &Evidence<'_>) -> Vec<String> {
    let verdict = decide(set, evidence);
    verdict
        .policies()
        .map(|outcome| {
            let rule = outcome
                .rule
                .map(|rule| (rule.id, rule.name, rule.level, rule.action));
            format!(
                "{:?} {:?} {:?} {rule:?} {:?}",
                outcome.policy.id(),
                outcome.decision,
                outcome.reason,
                outcome.signature
            )
        })
        .collect()
}

#[test]
fn documents_made_of_a_set_decide_as_it_does() {
    let mut random = Random::new(0xdec0_de00_5e75_0001);
    let files = Files::new(&mut random);
    for _ in 0..60 {
        let policies = policies::generate(&mut random);
        let documents: Vec<Document> = policies
            .iter()
            .map(|policy| Document::read("generated.xml", policy.xml(&policies).as_bytes()).unwrap())
            .collect();
        let set = ValidatedSet::new(compile(&documents).unwrap()).unwrap();
        let again = decompile(&set.set());
        // As documents on disk would be.
        let again: Vec<Document> = again
            .iter()
            .map(|document| Document::read("again.xml", document.to_xml().as_bytes()).unwrap())
            .collect();
        let second = ValidatedSet::new(compile(&again).unwrap()).unwrap();
        for _ in 0..100 {
            let evidence = files.pick(&mut random);
            assert_eq!(
                outcomes(&set.set(), &evidence),
                outcomes(&second.set(), &evidence),
                "{evidence:#?}"
            );
        }
        // Once through, nothing changes any more.
        let third = compile(&decompile(&second.set())).unwrap();
        assert_eq!(
            third,
            compile(&decompile(&PolicySet::validate(&third).unwrap())).unwrap()
        );
    }
}

#[test]
fn a_set_says_of_drivers_what_its_document_says() {
    let text = "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" FriendlyName=\"mine\" PolicyType=\"Base Policy\">\
        <VersionEx>1.2.3.4</VersionEx><PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>\
        <PolicyID>{00000000-0000-0000-0000-000000000001}</PolicyID>\
        <BasePolicyID>{00000000-0000-0000-0000-000000000001}</BasePolicyID>\
        <Rules><Rule><Option>Enabled:Audit Mode</Option></Rule><Rule><Option>Required:WHQL</Option></Rule></Rules>\
        <EKUs><EKU ID=\"ID_EKU_WHQL\" Value=\"010A2B0601040182370A0305\"/></EKUs><FileRules>\
        <Deny ID=\"ID_DENY_H\" FriendlyName=\"bad\" Hash=\"0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B\"/>\
        <Deny ID=\"ID_DENY_N\" FileName=\"OLD.SYS\" MinimumFileVersion=\"0.0.0.0\" MaximumFileVersion=\"2.0.0.0\"/>\
        <Deny ID=\"ID_DENY_M\" FileName=\"OLDER.SYS\" MinimumFileVersion=\"0.0.0.0\"/>\
        <Allow ID=\"ID_ALLOW_P\" ProductName=\"PRODUCT\" MinimumFileVersion=\"3.0.0.0\"/>\
        <FileAttrib ID=\"ID_FILEATTRIB_F\" FileName=\"F.SYS\" MinimumFileVersion=\"1.0.0.0\"/></FileRules><Signers>\
        <Signer ID=\"ID_SIGNER_A\" Name=\"vendor\"><CertRoot Type=\"TBS\" Value=\"3085A90B03EE71B6B33F5EA8A07DBBD40B5B7A89\"/>\
        <CertEKU ID=\"ID_EKU_WHQL\"/><CertOemID Value=\"VENDOR\"/><FileAttribRef RuleID=\"ID_FILEATTRIB_F\"/></Signer>\
        <Signer ID=\"ID_SIGNER_B\" Name=\"root\" SignTimeAfter=\"2020-01-01T00:00:00Z\"><CertRoot Type=\"Wellknown\" Value=\"06\"/>\
        <CertIssuer Value=\"ISSUER\"/><CertPublisher Value=\"PUBLISHER\"/></Signer></Signers><SigningScenarios>\
        <SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\" MinimumHashAlgorithm=\"32772\"><ProductSigners>\
        <AllowedSigners><AllowedSigner SignerId=\"ID_SIGNER_A\"><ExceptDenyRule DenyRuleID=\"ID_DENY_N\"/></AllowedSigner>\
        </AllowedSigners><DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_B\"/></DeniedSigners><FileRulesRef>\
        <FileRuleRef RuleID=\"ID_DENY_H\"/><FileRuleRef RuleID=\"ID_DENY_N\"/><FileRuleRef RuleID=\"ID_DENY_M\"/>\
        <FileRuleRef RuleID=\"ID_ALLOW_P\"/></FileRulesRef></ProductSigners></SigningScenario></SigningScenarios>\
        <Settings><Setting Provider=\"PolicyInfo\" Key=\"Information\" ValueName=\"Id\"><Value><String>7</String></Value></Setting>\
        </Settings></SiPolicy>";
    let document = Document::read("mine.xml", text.as_bytes()).unwrap();
    let says = |document: &Document| -> BTreeSet<(String, String, String)> {
        statements(document)
            .into_iter()
            .map(|statement| (statement.text, statement.id, statement.name))
            .collect()
    };
    let bytes = compile(std::slice::from_ref(&document)).unwrap();
    let again = decompile(&PolicySet::validate(&bytes).unwrap());
    assert_eq!(again.len(), 1);
    assert_eq!(says(&again[0]), says(&document));
}
