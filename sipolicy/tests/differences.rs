//! A difference shows every part in which two policies differ, and none in which they say the same.

use sipolicy::Document;
use sipolicy::diff;

/// A policy with every element and attribute of the schema.
const EVERYTHING: &str = include_str!("everything.xml");

fn read(text: &str) -> Document {
    Document::read("policy.xml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// Every attribute and text of the policy, with what stands there, by its place in the text. Names of things are no part of what
/// they say: ids, and the friendly names of anything but the policy.
fn values() -> Vec<(std::ops::Range<usize>, String)> {
    let document = roxmltree::Document::parse(EVERYTHING).unwrap();
    let mut found = Vec::new();
    for node in document.descendants() {
        let element = node
            .parent_element()
            .map_or("", |parent| parent.tag_name().name());
        if node.is_text() && !node.text().unwrap_or_default().trim().is_empty() {
            found.push((node.range(), element.to_owned()));
        }
        for attribute in node.attributes() {
            let range = attribute.range_value();
            let place = format!("{}/{}", node.tag_name().name(), attribute.name());
            found.push((range, place));
        }
    }
    found
}

#[test]
fn whatever_is_changed_is_shown() {
    let original = read(EVERYTHING);
    assert!(diff(&original, &original).is_empty());
    let mut tried = 0;
    for (range, place) in values() {
        let (element, attribute) = place.split_once('/').unwrap_or((&place, ""));
        let named = attribute.ends_with("ID") && attribute != "CertOemID" && attribute != "AppIDs";
        let friendly = (attribute == "FriendlyName" && element != "SiPolicy")
            || place == "Signer/Name"
            || place == "Macro/Id";
        let old = &EVERYTHING[range.clone()];
        // Each value has to stay one of its kind.
        let new = if let Some(number) = old.strip_suffix(|last: char| last.is_ascii_digit()) {
            let last = if old.ends_with('1') { '2' } else { '1' };
            format!("{number}{last}")
        } else if let Some(rest) = old.strip_suffix(|last: char| matches!(last, 'A'..='F')) {
            format!("{rest}{}", if old.ends_with('A') { 'B' } else { 'A' })
        } else {
            match old {
                "true" => "false".to_owned(),
                "false" => "true".to_owned(),
                other => format!("{other}x"),
            }
        };
        let text = format!("{}{new}{}", &EVERYTHING[..range.start], &EVERYTHING[range.end..]);
        let Ok(changed) = Document::read("policy.xml", text.as_bytes()) else {
            continue;
        };
        tried += 1;
        let difference = diff(&original, &changed);
        // An id that is changed where it stands is a reference to nothing where it is used; names alone change nothing.
        if !named && !friendly {
            assert!(!difference.is_empty(), "{place}: {old} to {new}");
        }
        if friendly {
            assert!(
                difference.is_empty() || place == "Macro/Id",
                "{place}: {old} to {new}: {difference:?}"
            );
        }
    }
    assert!(tried > 40, "{tried}");
}

#[test]
fn a_text_cannot_pass_for_more_than_one() {
    let with = |attributes: &str| {
        read(&format!(
            "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\"><VersionEx>1.0.0.0</VersionEx>\
             <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
             <PolicyTypeID>{{A244370E-44C9-4C06-B551-F6016E563076}}</PolicyTypeID><Rules/>\
             <FileRules><Allow ID=\"ID_ALLOW_A\" {attributes}/></FileRules></SiPolicy>"
        ))
    };
    let (one, two) = (
        with("FileName=\"a&quot;, product &quot;b\""),
        with("FileName=\"a\" ProductName=\"b\""),
    );
    assert!(!diff(&one, &two).is_empty());
}
