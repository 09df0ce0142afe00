//! What a document may ask for: as much as anybody means well with, and no more than a decision has time for.

use policy::PolicySet;
use policy::SetFault;
use sipolicy::Document;
use sipolicy::compile;
use std::fmt::Write as _;

/// A policy of these file rules, signers and uses.
fn document(rules: &str, signers: &str, uses: &str) -> Document {
    let text = format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\"><VersionEx>1.0.0.0</VersionEx>\
         <PolicyID>{{11111111-1111-1111-1111-111111111111}}</PolicyID><Rules/><FileRules>{rules}</FileRules>\
         <Signers>{signers}</Signers><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\">\
         <ProductSigners>{uses}</ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"
    );
    Document::read("made.xml", text.as_bytes()).unwrap()
}

fn names(count: usize, name: impl Fn(usize) -> String) -> Document {
    let (mut rules, mut uses) = (String::new(), String::new());
    for at in 0..count {
        let _ = write!(
            rules,
            "<Deny ID=\"ID_DENY_{at}\" FileName=\"{}\" MaximumFileVersion=\"1.0.0.0\"/>",
            name(at)
        );
        let _ = write!(uses, "<FileRuleRef RuleID=\"ID_DENY_{at}\"/>");
    }
    document(&rules, "", &format!("<FileRulesRef>{uses}</FileRulesRef>"))
}

fn signers(count: usize, publisher: impl Fn(usize) -> String) -> Document {
    let (mut signers, mut uses) = (String::new(), String::new());
    for at in 0..count {
        let _ = write!(
            signers,
            "<Signer ID=\"ID_SIGNER_{at}\" Name=\"a\"><CertRoot Type=\"TBS\" Value=\"{}\"/>\
             <CertPublisher Value=\"{}\"/></Signer>",
            "ab".repeat(32),
            publisher(at)
        );
        let _ = write!(uses, "<DeniedSigner SignerId=\"ID_SIGNER_{at}\"/>");
    }
    document("", &signers, &format!("<DeniedSigners>{uses}</DeniedSigners>"))
}

#[test]
fn tens_of_thousands_of_rules_of_a_kind_compile() {
    for document in [
        names(20_000, |at| format!("driver{at}.sys")),
        signers(20_000, |at| format!("Vendor {at}")),
    ] {
        let bytes = compile(&[document]).unwrap();
        assert_eq!(PolicySet::validate(&bytes).unwrap().rule_count(), 20_000);
    }
}

#[test]
fn a_rule_too_many_is_named_with_its_place_and_what_to_do() {
    for (document, id, what) in [
        (names(5000, |_| "*".to_owned()), "ID_DENY_", "without any name"),
        (names(5000, |_| "a.sys".to_owned()), "ID_DENY_", "same first name"),
        (
            signers(1100, |_| "Vendor".to_owned()),
            "ID_SIGNER_",
            "same root, publisher",
        ),
    ] {
        let error = compile(&[document]).unwrap_err();
        let place = error.place.as_ref().expect("a place").to_string();
        assert!(place.starts_with("made.xml:1:"), "{place}");
        let text = error.to_string();
        assert!(text.contains(id) && text.contains(what), "{text}");
    }
}

#[test]
fn values_that_no_file_has_are_refused_at_their_place() {
    let long = "x".repeat(1025);
    let error = compile(&[names(1, |_| long.clone())]).unwrap_err().to_string();
    assert!(
        error.contains("ID_DENY_0") && error.contains("1025 bytes"),
        "{error}"
    );
    let error = compile(&[signers(1, |_| long.clone())]).unwrap_err().to_string();
    assert!(
        error.contains("ID_SIGNER_0") && error.contains("made.xml:1:"),
        "{error}"
    );
}

/// A use that is said twice is one, and a signer without exceptions settles the same with some.
#[test]
fn what_is_said_twice_is_kept_once() {
    let rules = "<Deny ID=\"ID_DENY_A\" FileName=\"a.sys\"/>";
    let signer = "<Signer ID=\"ID_SIGNER_A\" Name=\"a\"><CertRoot Type=\"Wellknown\" Value=\"06\"/></Signer>";
    let excepted =
        "<AllowedSigner SignerId=\"ID_SIGNER_A\"><ExceptDenyRule DenyRuleID=\"ID_DENY_A\"/></AllowedSigner>";
    let plain = "<AllowedSigner SignerId=\"ID_SIGNER_A\"/>";
    let rules_of = |uses: &[&str]| {
        let uses = format!("<AllowedSigners>{}</AllowedSigners>", uses.concat());
        let bytes = compile(&[document(rules, signer, &uses)]).unwrap();
        let mut found = 0;
        PolicySet::validate(&bytes).unwrap().rules(&mut |_| found += 1);
        found
    };
    assert_eq!(rules_of(&[plain]), 1);
    assert_eq!(rules_of(&[plain, plain]), 1);
    assert_eq!(rules_of(&[excepted, plain]), 1);
    assert_eq!(rules_of(&[excepted]), 1);
}

/// A set of format version 1 is refused with the command that makes a new one.
#[test]
fn a_set_of_an_earlier_version_is_refused_with_what_to_do() {
    let mut bytes = compile(&[names(1, |at| at.to_string())]).unwrap();
    bytes[4] = 1;
    let error = PolicySet::validate(&bytes).unwrap_err();
    assert_eq!(error.fault, SetFault::FormatVersion);
    assert!(
        error.to_string().contains("`gatehouse policy compile`"),
        "{error}"
    );
}
