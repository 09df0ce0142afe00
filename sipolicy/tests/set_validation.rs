//! A set is accepted whole or refused with the fault and its place.

use policy::PolicySet;
use policy::SetFault;
use policy::format::Header;
use proptest::prelude::*;
use sha2::Digest;
use sha2::Sha256;
use sipolicy::Document;
use sipolicy::compile;
use std::fmt::Write as _;

fn set_bytes(rules: usize) -> Vec<u8> {
    let mut text = String::from(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\"><VersionEx>1.0.0.0</VersionEx>\
         <PolicyID>{11111111-1111-1111-1111-111111111111}</PolicyID><Rules/><FileRules>",
    );
    let mut references = String::new();
    for at in 0..rules {
        let hash: String = Sha256::digest(at.to_le_bytes())
            .iter()
            .fold(String::new(), |mut hash, byte| {
                let _ = write!(hash, "{byte:02x}");
                hash
            });
        let hash = if at % 3 == 0 { &hash[..40] } else { &hash };
        let _ = write!(text, "<Allow ID=\"ID_ALLOW_A{at}\" Hash=\"{hash}\"/>");
        let _ = write!(references, "<FileRuleRef RuleID=\"ID_ALLOW_A{at}\"/>");
    }
    let _ = write!(
        text,
        "</FileRules><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners><FileRulesRef>{references}\
         </FileRulesRef></ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"
    );
    compile(&[Document::read("made.xml", text.as_bytes()).unwrap()]).unwrap()
}

/// Makes the header agree with an altered body, so that the checks behind the digest are reached.
fn reseal(bytes: &mut [u8]) {
    let digest = Sha256::digest(&bytes[size_of::<Header>()..]);
    bytes[16..48].copy_from_slice(&digest);
}

#[test]
fn every_truncation_is_refused() {
    let bytes = set_bytes(20);
    for length in 0..bytes.len() {
        assert!(PolicySet::validate(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn an_altered_byte_is_refused_as_altered() {
    let mut bytes = set_bytes(20);
    for at in 48..bytes.len() {
        bytes[at] ^= 1;
        let error = PolicySet::validate(&bytes).unwrap_err();
        assert_eq!(error.fault, SetFault::Digest, "{at}");
        bytes[at] ^= 1;
    }
    assert!(PolicySet::validate(&bytes).is_ok());
}

#[test]
fn a_refusal_says_what_and_where() {
    let mut bytes = set_bytes(3);
    bytes[4] = 9;
    let error = PolicySet::validate(&bytes).unwrap_err();
    assert_eq!(
        (error.fault.code(), error.fault.name(), error.offset),
        (3, "format-version", 4)
    );
    assert!(error.to_string().contains("at byte 4"), "{error}");
}

#[test]
fn every_rule_of_a_large_set_keeps_its_name() {
    let bytes = set_bytes(1000);
    let set = PolicySet::validate(&bytes).unwrap();
    assert_eq!(set.rule_count(), 1000);
    for rule in 0..1000 {
        assert_eq!(
            set.rule_name(rule),
            Some((format!("ID_ALLOW_A{rule}").as_str(), ""))
        );
    }
    assert_eq!(set.rule_name(1000), None);
}

proptest! {
    /// Whatever the bytes behind a right digest are, validation answers, and what it accepts decides without fault.
    #[test]
    fn altered_sets_are_refused_or_sound(
        changes in prop::collection::vec((48_usize..4096, any::<u8>()), 1..4),
    ) {
        let mut bytes = set_bytes(40);
        for (at, value) in changes {
            let at = at % bytes.len();
            if at >= 48 {
                bytes[at] = value;
            }
        }
        reseal(&mut bytes);
        if let Ok(set) = PolicySet::validate(&bytes) {
            for rule in 0..set.rule_count() {
                prop_assert!(set.rule_name(rule).is_some());
            }
            let verdict = policy::decide(&set, &evidence::Evidence::unreadable(evidence::Unreadable::Io));
            prop_assert_eq!(verdict.policies().count(), 1);
        }
    }
}
