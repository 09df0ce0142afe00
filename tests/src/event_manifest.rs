//! The event manifest as its text says it, and events read by it alone.
#![expect(
    clippy::missing_panics_doc,
    reason = "what does not read as it should fails the test"
)]

use std::collections::BTreeMap;
use std::fs;

use lab::repository;
use roxmltree::Document;
use roxmltree::Node;

/// The manifest that the driver is built with.
pub fn manifest() -> String {
    fs::read_to_string(repository::root().join("inf/gatehouse.man")).expect("the manifest is there")
}

/// All elements of this name.
pub fn named<'a>(document: &'a Document<'a>, name: &'static str) -> Vec<Node<'a, 'a>> {
    let nodes = document.descendants();
    nodes
        .filter(|node| node.has_tag_name(("http://schemas.microsoft.com/win/2004/08/events", name)))
        .collect()
}

/// An attribute that is there.
pub fn attribute<'a>(node: Node<'a, 'a>, name: &str) -> &'a str {
    node.attribute(name)
        .unwrap_or_else(|| panic!("{node:?} has no {name}"))
}

/// The texts by their names.
pub fn strings<'a>(document: &'a Document<'a>) -> BTreeMap<&'a str, &'a str> {
    named(document, "string")
        .iter()
        .map(|node| (attribute(*node, "id"), attribute(*node, "value")))
        .collect()
}

/// The text that an element's `message` refers to.
pub fn message<'a>(node: Node<'a, 'a>, strings: &BTreeMap<&'a str, &'a str>) -> &'a str {
    let reference = attribute(node, "message");
    let id = reference
        .strip_prefix("$(string.")
        .and_then(|rest| rest.strip_suffix(')'));
    strings[id.expect("a reference")]
}

/// Name, type and counting field of each field of a template, in order.
pub fn fields<'a>(document: &'a Document<'a>, template: &str) -> Vec<(&'a str, &'a str, Option<&'a str>)> {
    let templates = named(document, "template");
    let template = templates
        .into_iter()
        .find(|node| attribute(*node, "tid") == template);
    let children = template.expect("a template").children().filter(Node::is_element);
    children
        .map(|data| {
            (
                attribute(data, "name"),
                attribute(data, "inType"),
                data.attribute("length"),
            )
        })
        .collect()
}

/// What the payload of an event with this template holds, read by the manifest alone: bytes by field.
pub fn decode(template: &str, payload: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let text = manifest();
    let document = Document::parse(&text).expect("well-formed");
    let mut rest = payload;
    let mut values: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (name, input, counted) in fields(&document, template) {
        let count = |field: &str| usize::try_from(number(&values[field])).expect("small");
        let length = match (input, counted) {
            ("win:UInt16", None) => 2,
            ("win:UInt32" | "win:HexInt32", None) => 4,
            ("win:UInt64" | "win:FILETIME", None) => 8,
            ("win:GUID", None) => 16,
            ("win:UnicodeString", Some(field)) => 2 * count(field),
            ("win:Binary", Some(field)) => count(field),
            other => panic!("{name} is {other:?}"),
        };
        let (value, tail) = rest.split_at(length);
        values.insert(name.to_owned(), value.to_vec());
        rest = tail;
    }
    assert_eq!(rest, b"", "nothing is left over");
    values
}

/// The number that a field holds.
pub fn number(field: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[..field.len()].copy_from_slice(field);
    u64::from_le_bytes(wide)
}
