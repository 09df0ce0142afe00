//! Merging: the first policy stays who it is, nothing is allowed that no policy allowed, and nothing goes without a word.

mod model;

use model::Random;
use model::files::Files;
use model::judge;
use model::policies;
use policy::Decision;
use policy::Reason;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::Document;
use sipolicy::compile;
use sipolicy::merge;

fn read(file: &str, text: &str) -> Document {
    Document::read(file, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A base policy of this number, with these elements in its body before `tail`, which holds the scenarios and what follows.
fn policy(number: u32, body: &str, tail: &str) -> Document {
    let text = format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" FriendlyName=\"policy {number}\" PolicyType=\"Base Policy\">\
         <VersionEx>{number}.0.0.0</VersionEx><PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
         <PolicyID>{{00000000-0000-0000-0000-{number:012}}}</PolicyID>\
         <BasePolicyID>{{00000000-0000-0000-0000-{number:012}}}</BasePolicyID>\n{body}\n{tail}</SiPolicy>"
    );
    read(&format!("{number}.xml"), &text)
}

/// A scenario of this value with these signers and rules.
fn scenario(value: u8, inner: &str) -> String {
    format!(
        "<SigningScenario Value=\"{value}\" ID=\"ID_SIGNINGSCENARIO_S{value}\"><ProductSigners>{inner}</ProductSigners>\
         </SigningScenario>"
    )
}

fn refers(rule: &str) -> String {
    format!("<FileRulesRef><FileRuleRef RuleID=\"{rule}\"/></FileRulesRef>")
}

fn allows(signer: &str) -> String {
    format!("<AllowedSigners><AllowedSigner SignerId=\"{signer}\"/></AllowedSigners>")
}

fn scenarios(inner: &str) -> String {
    format!("<SigningScenarios>{inner}</SigningScenarios>")
}

const SIGNER_A: &str = "<Signers><Signer ID=\"ID_SIGNER_A\" Name=\"a\"><CertRoot Type=\"TBS\" \
                        Value=\"CAB6A67CBCD1F50F27D1CF498036C8F4B05F419580CC07BC0DC4915F00ED5B05\"/></Signer></Signers>";

fn allowlist() -> Document {
    let tail = scenarios(&scenario(131, &allows("ID_SIGNER_A")));
    policy(1, &format!("<Rules/>{SIGNER_A}"), &tail)
}

fn notes(merged: &Document) -> String {
    let notes: Vec<&str> = merged.notes.iter().map(|note| note.message.as_str()).collect();
    notes.join("\n")
}

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
        let set = ValidatedSet::new(compile(&[merged.clone()]).unwrap()).unwrap();
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
                "<Rules/><EKUs><EKU ID=\"ID_EKU_E\" Value=\"010A2B0601040182370A0305\"/></EKUs>\
                 <FileRules>{files}</FileRules><Signers><Signer ID=\"ID_SIGNER_ALL\" Name=\"all\"><CertRoot Type=\"Wellknown\" \
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

/// Everything that can be referred to, in the first policy; in the second, the same references without their targets.
#[test]
fn a_reference_to_nothing_is_an_error_in_its_own_document() {
    let first = policy(
        1,
        "<Rules/><EKUs><EKU ID=\"ID_EKU_GONE\" Value=\"010A2B0601040182370A0305\"/></EKUs>\
         <FileRules><Allow ID=\"ID_ALLOW_GONE\" FileName=\"*\"/><Deny ID=\"ID_DENY_GONE\" FileName=\"a\"/>\
         <FileAttrib ID=\"ID_FILEATTRIB_GONE\" FileName=\"*\"/></FileRules>\
         <ArtifactRules><ArtifactRule ID=\"ID_ARTIFACT_GONE\" ArtifactType=\"Catalog\" Action=\"Allow\"/></ArtifactRules>\
         <Signers><Signer ID=\"ID_SIGNER_GONE\" Name=\"a\"><CertRoot Type=\"Wellknown\" Value=\"06\"/></Signer></Signers>",
        &format!(
            "{}<Macros><Macro Id=\"gone\" Value=\"a\"/></Macros>",
            scenarios(
                &scenario(12, &refers("ID_ALLOW_GONE"))
                    .replace("ID_SIGNINGSCENARIO_S12", "ID_SIGNINGSCENARIO_GONE")
            )
        ),
    );
    let body = "<Rules/><FileRules><Allow ID=\"ID_ALLOW_THERE\" FileName=\"b\" EXTRA/></FileRules>\
                <Signers><Signer ID=\"ID_SIGNER_THERE\" Name=\"b\"><CertRoot Type=\"Wellknown\" Value=\"05\"/>INNER</Signer></Signers>";
    let plain = |inner: &str| scenarios(&scenario(131, inner));
    let except = |list: &str, exception: &str| {
        let (entry, attribute) = match list {
            "AllowedSigners" => ("AllowedSigner", "ExceptDenyRule DenyRuleID"),
            _ => ("DeniedSigner", "ExceptAllowRule AllowRuleID"),
        };
        plain(&format!(
            "<{list}><{entry} SignerId=\"ID_SIGNER_THERE\"><{attribute}=\"{exception}\"/></{entry}></{list}>"
        ))
    };
    let there = || plain(&allows("ID_SIGNER_THERE"));
    let cases = [
        ("ID_ALLOW_GONE", "", "", plain(&refers("ID_ALLOW_GONE"))),
        ("ID_SIGNER_GONE", "", "", plain(&allows("ID_SIGNER_GONE"))),
        ("ID_DENY_GONE", "", "", except("AllowedSigners", "ID_DENY_GONE")),
        ("ID_ALLOW_GONE", "", "", except("DeniedSigners", "ID_ALLOW_GONE")),
        ("ID_EKU_GONE", "", "<CertEKU ID=\"ID_EKU_GONE\"/>", there()),
        (
            "ID_FILEATTRIB_GONE",
            "",
            "<FileAttribRef RuleID=\"ID_FILEATTRIB_GONE\"/>",
            there(),
        ),
        (
            "ID_ARTIFACT_GONE",
            "",
            "<ArtifactRuleRef RuleID=\"ID_ARTIFACT_GONE\"/>",
            there(),
        ),
        (
            "ID_ALLOW_GONE",
            "RequireHotpatchID=\"ID_ALLOW_GONE\"",
            "",
            there(),
        ),
        ("gone", "AppIDs=\"$(gone)\"", "", there()),
        (
            "ID_SIGNER_GONE",
            "",
            "",
            there()
                + "<UpdatePolicySigners><UpdatePolicySigner SignerId=\"ID_SIGNER_GONE\"/></UpdatePolicySigners>",
        ),
        (
            "ID_SIGNER_GONE",
            "",
            "",
            there() + "<CiSigners><CiSigner SignerId=\"ID_SIGNER_GONE\"/></CiSigners>",
        ),
        (
            "ID_SIGNER_GONE",
            "",
            "",
            there()
                + "<SupplementalPolicySigners><SupplementalPolicySigner SignerId=\"ID_SIGNER_GONE\"/>\
                   </SupplementalPolicySigners>",
        ),
        (
            "ID_SIGNINGSCENARIO_GONE",
            "",
            "",
            there().replace(
                "Value=\"131\"",
                "Value=\"131\" InheritedScenarios=\"ID_SIGNINGSCENARIO_GONE\"",
            ),
        ),
    ];
    for (gone, extra, inner, tail) in cases {
        let body = body.replace("EXTRA", extra).replace("INNER", inner);
        let second = policy(2, &body, &tail);
        for documents in [
            vec![first.clone(), second.clone()],
            vec![second.clone(), first.clone()],
            vec![second],
        ] {
            let error = merge(&documents).expect_err(gone).to_string();
            assert!(error.starts_with("2.xml:") && error.contains(gone), "{error}");
        }
    }
    // A denial of nobody denies nothing; Microsoft's own list has one. It must not become a denial of somebody.
    let denied = "<DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_GONE\"/></DeniedSigners>";
    let second = policy(2, &body.replace("EXTRA", "").replace("INNER", ""), &plain(denied));
    let merged = merge(&[first, second]).unwrap();
    assert!(
        merged
            .scenarios
            .iter()
            .all(|scenario| scenario.product.denied.is_empty())
    );
    assert!(notes(&merged).contains("2.xml: scenario 131 denies the signer ID_SIGNER_GONE"));
}

#[test]
fn ids_macros_and_rules_that_ask_for_others_keep_their_meaning_under_new_names() {
    let with = |number: u32, file: &str, application: &str, eku: &str| {
        let mut document = policy(
            number,
            &format!(
                "<Rules/><EKUs><EKU ID=\"ID_EKU_E\" OID=\"1.2.3\"/></EKUs><FileRules>\
                 <Allow ID=\"ID_ALLOW_A\" FileName=\"{file}\" RequireHotpatchID=\"ID_ALLOW_B\"/>\
                 <Allow ID=\"ID_ALLOW_B\" FileName=\"base of {file}\"/>\
                 <Allow ID=\"ID_ALLOW_C\" FileName=\"c\" AppIDs=\"$(app)\"/></FileRules>\
                 <Signers><Signer ID=\"ID_SIGNER_S\" Name=\"s\"><CertRoot Type=\"Wellknown\" Value=\"06\"/>\
                 <CertEKU ID=\"ID_EKU_E\"/></Signer></Signers>"
            ),
            &format!(
                "{}<Macros><Macro Id=\"app\" Value=\"{application}\"/></Macros>",
                scenarios(&scenario(
                    131,
                    &(allows("ID_SIGNER_S")
                        + "<FileRulesRef><FileRuleRef RuleID=\"ID_ALLOW_A\"/><FileRuleRef RuleID=\"ID_ALLOW_C\"/></FileRulesRef>")
                ))
            ),
        );
        document.ekus[0].oid = Some(eku.to_owned());
        document
    };
    let documents = [
        with(1, "one", "first.exe", "1.x"),
        with(2, "two", "second.exe", "1.y"),
    ];
    let merged = merge(&documents).unwrap();
    let rule = |name: &str| {
        let mut rules = merged.file_rules.iter();
        rules
            .find(|rule| rule.attributes().file_name.as_deref() == Some(name))
            .unwrap()
    };
    for file in ["one", "two"] {
        let asked = rule(file).attributes().require_hotpatch_id.clone();
        assert_eq!(
            asked.as_deref(),
            Some(rule(&format!("base of {file}")).id.as_str())
        );
    }
    let applications: Vec<String> = merged
        .file_rules
        .iter()
        .filter_map(|rule| rule.attributes().app_ids.clone())
        .map(|app_ids| {
            let name = app_ids.trim_start_matches("$(").trim_end_matches(')').to_owned();
            merged
                .macros
                .iter()
                .find(|(id, _)| *id == name)
                .unwrap()
                .1
                .clone()
        })
        .collect();
    assert_eq!(applications, ["first.exe", "second.exe"]);
    // A key usage that is none is not taken for another that is none either, nor for one that is.
    assert_eq!((merged.ekus.len(), merged.signers.len()), (2, 2));
    assert_ne!(merged.signers[0].ekus[0].eku.id, merged.signers[1].ekus[0].eku.id);
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

/// Every part of a policy beside its rules: what the second policy says, and what must be told of it.
#[test]
fn the_first_policy_stays_who_it_is_and_all_that_is_left_out_is_told() {
    let info = |name: &str| {
        format!(
            "<Setting Provider=\"PolicyInfo\" Key=\"Information\" ValueName=\"{name}\"><Value><String>theirs</String></Value></Setting>"
        )
    };
    let other = policy(
        2,
        &format!(
            "<Rules><Rule><Option>Enabled:Audit Mode</Option></Rule><Rule><Option>Required:WHQL</Option></Rule>\
             <Rule><Option>Disabled:Default Windows Certificate Remapping</Option></Rule></Rules>{SIGNER_A}"
        ),
        &(scenarios(
            "<SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_X\" MinimumHashAlgorithm=\"32772\"><ProductSigners>\
             <AllowedSigners><AllowedSigner SignerId=\"ID_SIGNER_A\"/></AllowedSigners></ProductSigners>\
             <AppIDTags EnforceDLL=\"true\"><AppIDTag Key=\"k\" Value=\"v\"/></AppIDTags></SigningScenario>",
        ) + "<HvciOptions>2</HvciOptions><Settings>"
            + &info("Id")
            + &info("Name")
            + "<Setting Provider=\"P\" Key=\"K\" ValueName=\"V\"><Value><DWord>7</DWord></Value></Setting>\
               <Setting Provider=\"AllHostIds\" Key=\"AllKeys\" ValueName=\"EnterpriseDefinedClsId\"><Value><Boolean>true</Boolean>\
               </Value></Setting></Settings>\
               <AppSettings><App Manifest=\"m\"><Setting Name=\"s\"><Value>theirs</Value></Setting></App>\
               <App Manifest=\"new\"><Setting Name=\"s\"><Value>1</Value></Setting></App></AppSettings>"),
    );
    let first = policy(
        1,
        &format!("<Rules><Rule><Option>Enabled:UMCI</Option></Rule></Rules>{SIGNER_A}"),
        &(scenarios(&scenario(131, &allows("ID_SIGNER_A")))
            + "<Settings><Setting Provider=\"P\" Key=\"K\" ValueName=\"V\"><Value><DWord>5</DWord></Value></Setting></Settings>\
               <AppSettings><App Manifest=\"m\"><Setting Name=\"s\"><Value>own</Value></Setting></App></AppSettings>"),
    );
    let merged = merge(&[first.clone(), other]).unwrap();
    let told = notes(&merged);
    for part in [
        "the id {00000000-0000-0000-0000-000000000002}",
        "the version 2.0.0.0",
        "the friendly name \"policy 2\"",
        "the PolicyInfo id \"theirs\"",
        "the option Enabled:Audit Mode was left out",
        "the option Required:WHQL was taken over",
        "does not set the option Enabled:UMCI",
        "the option Disabled:Default Windows Certificate Remapping was left out",
        "HvciOptions 2 was left out",
        "MinimumHashAlgorithm 32772 was left out",
        "EnforceDLL true was left out",
        "the tag k = v was left out",
        "the setting P/K/V is 7, and was left out; the first policy's 5",
        "the setting PolicyInfo/Information/Id (\"theirs\") was left out",
        "the setting AllHostIds/AllKeys/EnterpriseDefinedClsId allows every COM object",
        "the AppSettings of m differ and were left out: s = theirs",
        "1 of its rules, signers and key usages say the same",
    ] {
        assert!(
            told.contains(&format!("2.xml: {part}")) || told.contains(part),
            "{part} in\n{told}"
        );
    }
    assert!(told.lines().all(|line| line.starts_with("2.xml: ")), "{told}");
    assert_eq!(
        (
            merged.id(),
            merged.version,
            merged.name(),
            merged.info_id(),
            &merged.friendly_name
        ),
        (first.id(), first.version, first.name(), "", &first.friendly_name)
    );
    assert_eq!(
        (&merged.settings, merged.hvci_options),
        (&first.settings, first.hvci_options)
    );
    assert_eq!(merged.app_settings.len(), 2);
    // With itself it loses nothing, so that nothing is told but that it says the same.
    let twice = merge(&[first.clone(), first.clone()]).unwrap();
    assert_eq!(twice.to_xml(), first.to_xml());
    assert_eq!(twice.notes.len(), 1, "{}", notes(&twice));
}

#[test]
fn a_stricter_minimum_of_the_digest_comes_with_the_rules_that_were_written_under_it() {
    let with = |number: u32, minimum: &str, inner: &str| {
        let tail =
            scenarios(&scenario(131, inner).replace("Value=\"131\"", &format!("Value=\"131\"{minimum}")));
        policy(number, &format!("<Rules/>{SIGNER_A}"), &tail)
    };
    let weak = " MinimumHashAlgorithm=\"32772\"";
    let merged = merge(&[with(1, weak, ""), with(2, "", &allows("ID_SIGNER_A"))]).unwrap();
    assert_eq!(merged.scenarios[0].minimum_hash_algorithm, None);
    assert!(
        notes(&merged).contains("was taken over in place of 32772"),
        "{}",
        notes(&merged)
    );
    // Deny rules ask for no digest.
    let merged = merge(&[with(1, weak, ""), with(2, "", "")]).unwrap();
    assert_eq!(merged.scenarios[0].minimum_hash_algorithm, Some(32772));
}

#[test]
fn policies_whose_rules_mean_different_things_are_not_mixed() {
    let kind = |number: u32, kind: &str| {
        let text = allowlist()
            .to_xml()
            .replace("Base Policy", kind)
            .replace("000001}</PolicyID>", &format!("{number:06}}}</PolicyID>"));
        let text = match kind {
            "Base Policy" => text,
            _ => text.replace("000001}</Base", "000009}</Base"),
        };
        read(&format!("{number}.xml"), &text)
    };
    let (base, supplemental) = (kind(1, "Base Policy"), kind(2, "Supplemental Policy"));
    let tagging = kind(3, "AppID Tagging Policy");
    let merged = merge(&[base.clone(), tagging.clone()]).unwrap();
    assert_eq!(merged.to_xml(), base.to_xml());
    assert!(notes(&merged).contains("3.xml: an AppID tagging policy decides nothing"));
    assert!(merge(&[base.clone(), supplemental.clone()]).is_ok());
    for wrong in [
        [&supplemental, &base],
        [&tagging, &base],
        [&tagging, &supplemental],
    ] {
        let error = merge(&[wrong[0].clone(), wrong[1].clone()])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!("{}:", wrong[1].file)), "{error}");
    }
    assert!(merge(&[]).is_err());
    // Of two scenarios of one value only one counts, here and in compilation: which one must not be chosen in silence.
    let mut twice = policy(
        2,
        "<Rules/>",
        &scenarios(&(scenario(131, "") + &scenario(12, ""))),
    );
    twice.scenarios[1].value = 131;
    let error = merge(&[allowlist(), twice]).unwrap_err().to_string();
    assert!(error.starts_with("2.xml:") && error.contains("131"), "{error}");
}
