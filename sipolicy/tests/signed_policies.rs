//! Signed policies: who signed them, whether the signature holds, and what becomes of it.

mod envelope;

use envelope::Form;
use envelope::Signer;
use sipolicy::ChainEnd;
use sipolicy::Document;
use sipolicy::Knowledge;
use sipolicy::SignatureState;
use sipolicy::compile_with_notes;
use sipolicy::lint;
use sipolicy::lint::Severity;
use sipolicy::merge;
use sipolicy::to_binary;

fn policy() -> Vec<u8> {
    let document = Document::read("policy.xml", include_bytes!("everything.xml")).unwrap();
    to_binary(&document, None).unwrap().bytes
}

fn findings(document: &Document) -> Vec<(&'static str, Severity)> {
    lint(std::slice::from_ref(document), &Knowledge::built_in())
        .into_iter()
        .filter(|finding| finding.code.name().ends_with("-signature"))
        .map(|finding| (finding.code.name(), finding.code.severity()))
        .collect()
}

#[test]
fn a_signed_policy_says_who_signed_it_in_whatever_encoding() {
    let (policy, signer) = (policy(), Signer::new("Contoso Policies"));
    let plain = Document::read("policy.cip", &policy).unwrap();
    assert_eq!(plain.signature, None);
    for form in [Form::Der, Form::Ber] {
        for padding in [0, 1, 8] {
            let mut bytes = signer.envelope(&policy, form, true);
            bytes.resize(bytes.len() + padding, 0);
            let document = Document::read("policy.p7b", &bytes).unwrap();
            let signature = document.signature.clone().expect("a signature");
            assert_eq!(signature.signers, ["Contoso Policies"], "{form:?}");
            assert_eq!(
                (signature.state, signature.root),
                (SignatureState::Holds, ChainEnd::OwnRoot)
            );
            assert_eq!(document.to_xml(), plain.to_xml());
            assert_eq!(findings(&document), []);
        }
    }
}

#[test]
fn a_byte_changed_inside_is_an_error_wherever_it_is() {
    let (policy, signer) = (policy(), Signer::new("Contoso Policies"));
    for form in [Form::Der, Form::Ber] {
        let sound = signer.envelope(&policy, form, true);
        let start = sound
            .windows(40)
            .position(|window| window == &policy[..40])
            .unwrap();
        let (mut read, mut broken) = (0, 0);
        for at in (start + 4..start + policy.len() / 3).step_by(7) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            // Damage that makes it no policy is refused as such.
            let Ok(document) = Document::read("policy.p7b", &bytes) else {
                continue;
            };
            read += 1;
            let signature = document.signature.as_ref().unwrap();
            assert!(
                matches!(signature.state, SignatureState::Broken(_)),
                "{signature}"
            );
            assert!(signature.to_string().contains("DOES NOT HOLD"));
            assert_eq!(findings(&document), [("broken-signature", Severity::Error)]);
            let compiled = compile_with_notes(std::slice::from_ref(&document)).unwrap();
            let notes = format!("{:?}", compiled.notes);
            broken += usize::from(notes.contains("DOES NOT HOLD"));
        }
        assert!(read > 10 && broken == read, "{read} {broken}");
    }
}

#[test]
fn what_cannot_be_verified_is_said_to_prove_nothing() {
    let bytes = Signer::new("Contoso Policies").envelope(&policy(), Form::Der, false);
    let document = Document::read("policy.p7b", &bytes).unwrap();
    let signature = document.signature.as_ref().unwrap();
    assert!(
        matches!(signature.state, SignatureState::Unverified(_)),
        "{signature}"
    );
    assert_eq!(findings(&document), [("unproven-signature", Severity::Warning)]);
}

#[test]
fn a_signature_goes_with_a_word_when_its_policy_is_written_anew() {
    let bytes = Signer::new("Contoso Policies").envelope(&policy(), Form::Der, true);
    let document = Document::read("policy.p7b", &bytes).unwrap();
    let told = |losses: &[String]| {
        losses
            .iter()
            .any(|loss| loss.contains("the signature was left out"))
    };
    assert!(told(&to_binary(&document, None).unwrap().losses));
    assert!(told(&document.xml_losses()));
    let merged = merge(std::slice::from_ref(&document)).unwrap();
    assert_eq!(merged.signature, None);
    assert!(
        merged
            .notes
            .iter()
            .any(|note| note.message.contains("its signature was left out"))
    );
    let plain = Document::read("policy.cip", &policy()).unwrap();
    assert!(!told(&to_binary(&plain, None).unwrap().losses) && plain.xml_losses().is_empty());
}
