//! From one form to the other and back: a policy decides the same in each, and what a form cannot hold is told.

#[expect(
    dead_code,
    reason = "shared with the tests that judge by the model, which use all of it"
)]
mod model;

use model::Random;
use model::files::Files;
use model::policies;
use policy::Options;
use policy::PolicySet;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::Document;
use sipolicy::PolicyKind;
use sipolicy::compile;
use sipolicy::compile_with_notes;
use sipolicy::diff;
use sipolicy::document::SettingValue;
use sipolicy::to_binary;

fn read(text: &str) -> Document {
    Document::read("policy.xml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn back(document: &Document) -> Document {
    let binary = to_binary(document, None).unwrap_or_else(|error| panic!("{error}"));
    let back = Document::read("policy.cip", &binary.bytes).unwrap();
    assert!(
        to_binary(&back, None).unwrap().bytes == binary.bytes,
        "byte for byte"
    );
    back
}

/// A policy of this type with this after its options.
fn policy(kind: &str, body: &str) -> Document {
    read(&format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" PolicyType=\"{kind} Policy\"><VersionEx>1.0.0.0</VersionEx>\
         <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
         <PolicyID>{{00000000-0000-0000-0000-000000000001}}</PolicyID>\
         <BasePolicyID>{{00000000-0000-0000-0000-000000000001}}</BasePolicyID>\
         <Rules><Rule><Option>Enabled:Unsigned System Integrity Policy</Option></Rule></Rules>{body}</SiPolicy>"
    ))
}

#[test]
fn any_policy_decides_the_same_in_each_form() {
    let mut random = Random::new(0x6a7e_4005_f0f0_0001);
    let files = Files::new(&mut random);
    let set = |documents: &[Document]| ValidatedSet::new(compile(documents).unwrap()).unwrap();
    for _ in 0..200 {
        let policies = policies::generate(&mut random);
        let documents: Vec<Document> = policies
            .iter()
            .map(|policy| read(&policy.xml(&policies)))
            .collect();
        let binaries: Vec<Document> = documents.iter().map(back).collect();
        let again: Vec<Document> = binaries.iter().map(|binary| read(&binary.to_xml())).collect();
        for (before, after) in binaries.iter().zip(&again) {
            assert_eq!(before.xml_losses(), [""; 0]);
            assert_eq!(diff(before, after), sipolicy::Difference::default());
        }
        let sets = [set(&documents), set(&binaries), set(&again)];
        for _ in 0..50 {
            let evidence = files.pick(&mut random);
            let [first, rest @ ..] = sets.each_ref().map(|set| {
                let verdict = decide(&set.set(), &evidence);
                let policies = verdict.policies();
                policies
                    .map(|outcome| (outcome.decision, outcome.reason))
                    .collect::<Vec<_>>()
            });
            for other in rest {
                assert_eq!(first, other, "{evidence:?}");
            }
        }
    }
}

const TAGS: &str = "<SigningScenarios><SigningScenario Value=\"12\" ID=\"ID_SIGNINGSCENARIO_U\"><ProductSigners/>\
                    <AppIDTags EnforceDLL=\"true\"><AppIDTag Key=\"k\" Value=\"v\"/><AppIDTag Key=\"l\" Value=\"w\"/></AppIDTags>\
                    </SigningScenario></SigningScenarios>";

#[test]
fn a_tagging_policy_is_one_in_every_form() {
    for tags in [TAGS, "", &TAGS.replace(" EnforceDLL=\"true\"", "")] {
        let document = policy("AppID Tagging", tags);
        let binary = back(&document);
        let again = read(&binary.to_xml());
        for form in [&document, &binary, &again, &back(&again)] {
            assert_eq!(form.kind, PolicyKind::AppIdTagging);
            let compiled = compile_with_notes(std::slice::from_ref(form)).unwrap();
            assert_eq!(
                PolicySet::validate(&compiled.bytes).unwrap().policies().count(),
                0
            );
            assert!(format!("{:?}", compiled.notes).contains("AppID tagging policy"));
            let told = |form: &Document| {
                form.scenarios
                    .first()
                    .and_then(|scenario| scenario.app_id_tags.clone())
            };
            assert_eq!(told(form), told(&document));
        }
        // What Windows' own compiler gives each of them is added, and told.
        assert!(binary.options.contains(Options::AUDIT_MODE));
        let losses = to_binary(&document, None).unwrap().losses.join("\n");
        assert!(
            losses.contains("they were added") && losses.contains("Enabled:Audit Mode"),
            "{losses}"
        );
        assert!(binary.settings.iter().any(|setting| {
            (&*setting.provider, &*setting.value_name, &setting.value)
                == ("WDACAppId", "DefaultPolicy", &SettingValue::Boolean(true))
        }));
    }
}

#[test]
fn tags_that_stand_in_settings_or_twice_come_back_as_they_stood() {
    let setting = |key: &str, name: &str, value: &str| {
        format!(
            "<Setting Provider=\"WDACAppId\" Key=\"{key}\" ValueName=\"{name}\"><Value>{value}</Value></Setting>"
        )
    };
    let no = "<Boolean>false</Boolean>";
    let yes = "<Boolean>true</Boolean>";
    let twice = TAGS.replace(
        "<SigningScenarios>",
        "<SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\">\
        <ProductSigners/><AppIDTags><AppIDTag Key=\"k\" Value=\"v\"/></AppIDTags></SigningScenario>",
    );
    for kind in ["AppID Tagging", "Base"] {
        for scenarios in [TAGS, &twice] {
            for settings in [
                setting("TaggingSettings", "DefaultPolicy", no),
                setting("TaggingSettings", "EnforceDLL", yes),
                setting("TaggingSettings", "EnforceDLL", no),
                setting("Tagging", "k", "<String>v</String>"),
                setting("Tagging", "k", "<DWord>1</DWord>"),
            ] {
                let document = policy(kind, &format!("{scenarios}<Settings>{settings}</Settings>"));
                let binary = back(&document);
                assert_eq!(binary.kind, document.kind, "{settings}");
                assert_eq!(back(&read(&binary.to_xml())).kind, document.kind, "{settings}");
            }
        }
    }
}

#[test]
fn a_base_policy_with_tags_still_allows_and_denies() {
    // It has tags, and may have kernel rules and refuse: no tagging policy in any form.
    let document = policy("Base", TAGS);
    let binary = back(&document);
    assert_eq!(binary.kind, PolicyKind::Base);
    assert_eq!(binary.scenarios[0].app_id_tags, document.scenarios[0].app_id_tags);
    // One that the binary form could not tell from a tagging policy is not made one in silence.
    let mark = "<Settings><Setting Provider=\"wdacappid\" Key=\"TaggingSettings\" ValueName=\"DefaultPolicy\"><Value>\
                <Boolean>true</Boolean></Value></Setting></Settings>";
    let mut audits = document.clone();
    audits.options.0 |= Options::AUDIT_MODE.0;
    for doubtful in [&policy("Base", mark), &audits] {
        let error = to_binary(doubtful, None).unwrap_err().to_string();
        assert!(error.contains("AppID tagging policy"), "{error}");
    }
    // Another provider's settings are its own.
    let other = policy("Base", &mark.replace("wdacappid", "another"));
    assert_eq!(back(&other).kind, PolicyKind::Base);
}

#[test]
fn a_binary_policy_with_tags_that_could_refuse_nothing_is_a_tagging_policy() {
    let mut document = policy("Base", TAGS);
    let mut bytes = to_binary(&document, None).unwrap().bytes;
    document.options.0 |= Options::AUDIT_MODE.0;
    bytes[0x24..0x28].copy_from_slice(&(document.options.0 | 1 << 31).to_le_bytes());
    let binary = Document::read("policy.cip", &bytes).unwrap();
    assert_eq!(binary.kind, PolicyKind::AppIdTagging);
    assert!(to_binary(&binary, None).unwrap().bytes == bytes);
}

#[test]
fn option_bits_without_a_name_are_kept_or_told() {
    let bytes = to_binary(&policy("Base", ""), None).unwrap().bytes;
    let plain = Document::read("policy.cip", &bytes).unwrap();
    // Bit 30 makes a supplemental of it, which this is none of.
    for bit in (0..32_u32).filter(|bit| *bit != 30) {
        let mut other = bytes.clone();
        let flags = u32::from_le_bytes(other[0x24..0x28].try_into().unwrap());
        other[0x24..0x28].copy_from_slice(&(flags ^ 1 << bit).to_le_bytes());
        let Ok(document) = Document::read("policy.cip", &other) else {
            continue;
        };
        if bit == 31 {
            // Always set: that it was not is told, and is all that is lost.
            assert!(
                document
                    .notes
                    .iter()
                    .any(|note| note.message.contains("flag bit 31"))
            );
            continue;
        }
        assert!(to_binary(&document, None).unwrap().bytes == other, "bit {bit}");
        assert!(!diff(&plain, &document).is_empty(), "bit {bit}");
        // Through XML each either comes back or is told.
        let through = read(&document.to_xml());
        let kept = (through.options, through.kind) == (document.options, document.kind);
        let name = format!("option bit {bit} ");
        let told = document.xml_losses().iter().any(|loss| loss.contains(&name));
        assert_ne!(kept, told, "bit {bit}");
        assert_eq!(
            document.notes.iter().any(|note| note.message.contains(&name)),
            told
        );
    }
}

#[test]
fn a_rule_never_loses_the_application_it_is_for() {
    let with = |app_ids: &str| {
        policy(
            "Base",
            &format!(
                "<FileRules><Allow ID=\"ID_ALLOW_A\" FileName=\"*\" AppIDs=\"{app_ids}\"/></FileRules><SigningScenarios>\
                 <SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners><FileRulesRef>\
                 <FileRuleRef RuleID=\"ID_ALLOW_A\"/></FileRulesRef></ProductSigners></SigningScenario></SigningScenarios>\
                 <Macros><Macro Id=\"one\" Value=\"a\"/><Macro Id=\"two\" Value=\"b\"/></Macros>"
            ),
        )
    };
    for (app_ids, count) in [("$(one)", 1), ("$(one)$(two)", 2), ("text", 1)] {
        let document = with(app_ids);
        let binary = back(&document);
        assert!(binary.file_rules[0].attributes().is_user_mode_only());
        assert_eq!(binary.macros.len(), if count == 1 { 0 } else { count });
        // Whatever the macros are called.
        let application = |document: &Document| {
            let statements = sipolicy::statements(document).into_iter();
            statements
                .filter(|statement| statement.text.contains("application"))
                .map(|statement| statement.text)
                .collect::<Vec<_>>()
        };
        assert_eq!(application(&binary), application(&document));
    }
    // Without it the rule would allow every driver.
    let mut document = with("$(one)$(two)");
    document.macros.pop();
    let error = to_binary(&document, None).unwrap_err().to_string();
    assert!(
        error.contains("ID_ALLOW_A") && error.contains("$(two)"),
        "{error}"
    );
}

#[test]
fn repeated_references_come_back_as_often_as_they_stood() {
    let body = "<FileRules><Allow ID=\"ID_ALLOW_A\" FileName=\"a\"/><Deny ID=\"ID_DENY_B\" FileName=\"b\"/></FileRules>\
                <SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners><FileRulesRef>\
                <FileRuleRef RuleID=\"ID_ALLOW_A\"/><FileRuleRef RuleID=\"ID_DENY_B\"/></FileRulesRef></ProductSigners>\
                </SigningScenario></SigningScenarios>";
    let mut document = policy("Base", body);
    let rules = &mut document.scenarios[0].product.rules;
    rules.push(rules[0].clone());
    rules.push(rules[0].clone());
    let binary = back(&document);
    let count = |id: &str| {
        let rules = &binary.scenarios[0].product.rules;
        rules.iter().filter(|rule| rule.id == id).count()
    };
    assert_eq!((count("ID_ALLOW_A_1"), count("ID_DENY_D_1")), (3, 1));
    // No verdict hangs on it.
    assert_eq!(
        PolicySet::validate(&compile(&[binary]).unwrap())
            .unwrap()
            .rule_count(),
        2
    );
}

#[test]
fn more_denied_signers_than_microsofts_compiler_takes_are_told() {
    for (count, told) in [(255, false), (256, true)] {
        let ids: Vec<String> = (0..count).map(|number| format!("ID_SIGNER_S{number}")).collect();
        let each = |text: &str| -> String { ids.iter().map(|id| text.replace('$', id)).collect() };
        let signers =
            each("<Signer ID=\"$\" Name=\"s\"><CertRoot Type=\"Wellknown\" Value=\"06\"/></Signer>");
        let denied = each("<DeniedSigner SignerId=\"$\"/>");
        let document = policy(
            "Base",
            &format!(
                "<Signers>{signers}</Signers><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\">\
                 <ProductSigners><DeniedSigners>{denied}</DeniedSigners></ProductSigners></SigningScenario></SigningScenarios>"
            ),
        );
        let losses = to_binary(&document, None).unwrap().losses.join("\n");
        assert_eq!(
            losses.contains("denies 256 signers; Microsoft's compiler takes 255"),
            told,
            "{losses}"
        );
    }
}
