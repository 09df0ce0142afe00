//! Every rule of Microsoft's schema: a document that breaks it alone is an error with its place, and one that keeps to it just so is
//! not. The schema itself is not part of the project; `xml/schema/differential.rs` compares with it where it is at hand.

use sipolicy::Document;
use sipolicy::Knowledge;
use sipolicy::lint;
use sipolicy::lint::Code;
use sipolicy::lint::Severity;

/// A policy with every element and attribute of the schema.
const EVERYTHING: &str = include_str!("everything.xml");
/// The rules; the first lines of it say how they are written.
const RULES: &str = include_str!("schema.tsv");

/// Line and column of a byte, as places are shown.
fn place(text: &str, at: usize) -> String {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("policy.xml:{line}:{column}: ")
}

/// What becomes of a document, and what is told: why it is refused, or what `lint` says that the schema forbids.
fn told(text: &str) -> Option<(&'static str, String)> {
    match Document::read("policy.xml", text.as_bytes()) {
        Err(error) => Some(("refused", error.to_string())),
        Ok(document) => {
            let findings = lint(&[document], &Knowledge::built_in());
            let mut findings = findings.into_iter();
            let found = findings.find(|finding| finding.code == Code::Forbidden)?;
            assert_eq!(found.code.severity(), Severity::Error);
            Some(("told", found.to_string()))
        }
    }
}

#[test]
fn what_the_schema_forbids_is_an_error_with_its_place() {
    assert_eq!(told(EVERYTHING), None);
    let mut rules = 0;
    let mut wrong = Vec::new();
    for line in RULES.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<String> = line.split('\t').map(|cell| cell.replace("\\n", "\n")).collect();
        let [fate, piece, broken, at, sound @ ..] = cells.as_slice() else {
            panic!("{line}");
        };
        rules += 1;
        let start = EVERYTHING
            .find(piece.as_str())
            .unwrap_or_else(|| panic!("no {piece}"));
        let text = EVERYTHING.replacen(piece, broken, 1);
        // In the broken piece, or else the last such thing before it.
        let inside = text[start..]
            .find(at.as_str())
            .filter(|found| *found < broken.len());
        let at = inside.map_or_else(|| text[..start].rfind(at.as_str()), |found| Some(start + found));
        let wanted = place(&text, at.unwrap_or_else(|| panic!("no place for {broken}")));
        match told(&text) {
            None => wrong.push(format!("nothing is told of {broken}")),
            Some((found, message)) if found != fate || !message.starts_with(&wanted) => {
                wrong.push(format!("{broken}: wanted {fate} at {wanted}, {found}: {message}"));
            }
            Some(_) => {}
        }
        for sound in sound {
            if let Some((found, message)) = told(&EVERYTHING.replacen(piece, sound, 1)) {
                wrong.push(format!("{sound} is sound, {found}: {message}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rules > 250, "{rules}");
}

#[test]
fn lists_hold_as_many_as_the_schema_lets_them() {
    let with = |usages: usize| {
        let usage = "<CertEKU ID=\"ID_EKU_WHQL\" />";
        told(&EVERYTHING.replacen(usage, &usage.repeat(usages), 1))
    };
    // There is one more that is excepted.
    assert_eq!(with(254), None);
    let (fate, message) = with(255).unwrap();
    assert!(
        fate == "told" && message.contains("more than 255 times"),
        "{message}"
    );
}

#[test]
fn every_fault_is_counted_and_the_first_ones_are_placed() {
    let broken = EVERYTHING
        .replace("<HvciOptions>2<", "<HvciOptions>two<")
        .replace("EnforceDLL=\"true\"", "EnforceDLL=\"True\"")
        .replace("Condition=\"Except\"", "Condition=\"except\"");
    let (_, message) = told(&broken).unwrap();
    assert!(message.contains("the schema forbids 2 more: at "), "{message}");
    for at in ["<AppIDTags", "<HvciOptions"] {
        let place = place(&broken, broken.find(at).unwrap());
        let place = place.trim_start_matches("policy.xml:").trim_end_matches(": ");
        assert!(message.contains(place), "{place} in {message}");
    }
}

#[test]
fn a_long_text_is_not_shown_whole() {
    let long = EVERYTHING.replace(
        "<HvciOptions>2<",
        &format!("<HvciOptions>{}<", "x".repeat(1 << 14)),
    );
    let (_, message) = told(&long).unwrap();
    assert!(message.len() < 400, "{}", message.len());
}

#[test]
fn values_are_read_up_to_a_length() {
    let with = |piece: &str, length: usize| {
        let value = "\u{e9}".repeat(length);
        told(
            &EVERYTHING.replace(
                piece,
                &piece
                    .replace("All of it", &value)
                    .replace("Name in events", &value),
            ),
        )
    };
    for piece in ["FriendlyName=\"All of it\"", "<String>Name in events</String>"] {
        assert_eq!(with(piece, 32_767), None);
        let (fate, message) = with(piece, 32_768).unwrap();
        assert!(
            fate == "refused" && message.contains("longer than 32767 characters"),
            "{message}"
        );
    }
    let root = |length: usize| {
        let digits = "0123456789ABCDEF0123456789ABCDEF01234567";
        told(&EVERYTHING.replace(digits, &"0".repeat(length)))
    };
    assert!(root(32_768).unwrap().1.contains("longer than"));
}
