//! Merging: the first policy stays who it is, an id means what it meant in its own document, and nothing goes without a word.

mod small;

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

/// Everything that can be referred to, in the first policy; in the second, the same references without their targets.
#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
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
