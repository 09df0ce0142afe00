//! Templates: the fields of an event, and the XML that Windows shows them in.
//!
//! The XML is in the binary form of [MS-EVEN6] section 2.2.12, with names in place. It is what the manifest's schema says an event
//! looks like whose template asks for nothing else: `EventData` with one `Data` for each field.

use crate::blob::Blob;
use crate::blob::length;
use crate::blob::name_size;
use crate::blob::terminated;
use crate::model::Field;
use crate::model::Length;
use crate::model::Template;

/// The token that begins a fragment, its version, and flags.
const FRAGMENT: [u8; 4] = [0x0f, 1, 1, 0];
const END_OF_FRAGMENT: u8 = 0;
const ELEMENT: u8 = 0x01;
const CLOSE_START: u8 = 0x02;
const END_ELEMENT: u8 = 0x04;
const TEXT: u8 = 0x05;
const ATTRIBUTE: u8 = 0x06;
const SUBSTITUTION: u8 = 0x0d;
/// Said of an element: attributes follow.
const MORE: u8 = 0x40;
/// An element's dependency: none.
const NO_DEPENDENCY: u16 = 0xffff;
const STRING_TYPE: u8 = 1;

/// The kind of XML: `EventData`.
const EVENT_DATA: u32 = 1;
/// Bytes of a field's description.
const FIELD: u32 = 20;
/// Flags of a field, those that `EVENT_PROPERTY_INFO` has too for the second.
const FIXED_LENGTH: u32 = 0x2;
const LENGTH_BY_FIELD: u32 = 0x4;

/// Adds a template to a table of them.
pub fn put(blob: &mut Blob, template: &Template, provider: &[u8; 16]) {
    let fields = &template.fields;
    blob.bytes(b"TEMP");
    blob.sized(blob.offset() - 4, |blob| {
        blob.dword(length(fields.len()));
        blob.dword(length(fields.len()));
        let items = blob.later();
        blob.dword(EVENT_DATA);
        let xml = fragment(fields);
        blob.bytes(&identity(provider, template, &xml));
        blob.bytes(&xml);
        blob.align(4);
        blob.set(items, blob.offset());
        let mut name = blob.offset() + FIELD * length(fields.len());
        for field in fields {
            let (flags, count) = match field.length {
                Length::OfType => (0, 0),
                Length::Fixed(count) => (FIXED_LENGTH, count),
                Length::Field(index) => (LENGTH_BY_FIELD, index),
            };
            blob.dword(flags);
            blob.byte(field.kind.input);
            blob.byte(field.kind.output);
            blob.word(0);
            // No map of values.
            blob.dword(0);
            // Not an array.
            blob.word(0);
            blob.word(count);
            blob.dword(name);
            name += name_size(&field.name);
        }
        for field in fields {
            blob.name(&field.name);
        }
    });
}

fn fragment(fields: &[Field]) -> Vec<u8> {
    let mut xml = Blob::default();
    xml.bytes(&FRAGMENT);
    element(&mut xml, "EventData", None, |xml| {
        for (index, field) in fields.iter().enumerate() {
            element(xml, "Data", Some(&field.name), |xml| {
                xml.byte(SUBSTITUTION);
                xml.word(u16::try_from(index).expect("document.rs limits fields"));
                xml.byte(field.kind.input);
            });
        }
    });
    xml.byte(END_OF_FRAGMENT);
    xml.finish()
}

/// An element, with an attribute `Name` where there is a `label`. Its size counts what follows the size.
fn element(xml: &mut Blob, tag: &str, label: Option<&str>, content: impl FnOnce(&mut Blob)) {
    xml.byte(ELEMENT | if label.is_some() { MORE } else { 0 });
    xml.word(NO_DEPENDENCY);
    xml.sized(xml.offset() + 4, |xml| {
        name(xml, tag);
        if let Some(label) = label {
            xml.sized(xml.offset() + 4, |xml| {
                xml.byte(ATTRIBUTE);
                name(xml, "Name");
                xml.bytes(&[TEXT, STRING_TYPE]);
                xml.word(u16::try_from(label.encode_utf16().count()).expect("document.rs limits names"));
                xml.units(label.encode_utf16());
            });
        }
        xml.byte(CLOSE_START);
        content(xml);
        xml.byte(END_ELEMENT);
    });
}

fn name(xml: &mut Blob, text: &str) {
    xml.word(hash(text));
    xml.word(u16::try_from(text.encode_utf16().count()).expect("a short name"));
    xml.units(terminated(text));
}

/// The low half of a sum over the units ([MS-EVEN6], `NameHash`).
fn hash(text: &str) -> u16 {
    let sum = text.encode_utf16().fold(0_u32, |sum, unit| {
        sum.wrapping_mul(65599).wrapping_add(unit.into())
    });
    u16::try_from(sum & 0xffff).expect("sixteen bits")
}

/// A GUID that is another whenever the template is: the event log keeps templates by it. Version 8 of RFC 9562, of a 128-bit FNV-1a.
fn identity(provider: &[u8; 16], template: &Template, xml: &[u8]) -> [u8; 16] {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let lengths = template.fields.iter().map(|field| match field.length {
        Length::OfType => [0, 0, 0],
        Length::Fixed(count) => [1, count.to_le_bytes()[0], count.to_le_bytes()[1]],
        Length::Field(index) => [2, index.to_le_bytes()[0], index.to_le_bytes()[1]],
    });
    let all = provider.iter().chain(xml).copied().chain(lengths.flatten());
    let sum = all.fold(BASIS, |sum, byte| (sum ^ u128::from(byte)).wrapping_mul(PRIME));
    let mut guid = sum.to_be_bytes();
    // The third part of a GUID is little-endian in memory: its version is in the upper half of the byte 7.
    guid[7] = guid[7] & 0x0f | 0x80;
    guid[8] = guid[8] & 0x3f | 0x80;
    guid
}

#[cfg(test)]
mod tests {
    use super::fragment;
    use super::hash;
    use super::identity;
    use crate::model::Field;
    use crate::model::Length;
    use crate::model::Template;
    use crate::types::IN_TYPES;

    /// Of names in files that mc.exe made.
    #[test]
    fn names_have_the_hash_that_windows_gives_them() {
        assert_eq!(
            [hash("EventData"), hash("Data"), hash("Name")],
            [0x8244, 0x6f8a, 0x954b]
        );
    }

    fn field(name: &str, kind: &str, length: Length) -> Field {
        let kind = IN_TYPES.into_iter().find(|known| known.name == kind);
        Field {
            name: name.to_owned(),
            kind: kind.expect("a type"),
            length,
        }
    }

    #[test]
    fn a_field_is_a_data_element_with_its_name() {
        let xml = fragment(&[field("A", "win:UInt32", Length::OfType)]);
        let expected = [
            &[0x0f, 1, 1, 0, 1, 0xff, 0xff, 78, 0, 0, 0, 0x44, 0x82, 9, 0][..],
            b"E\0v\0e\0n\0t\0D\0a\0t\0a\0\0\0\x02",
            &[0x41, 0xff, 0xff, 45, 0, 0, 0, 0x8a, 0x6f, 4, 0],
            b"D\0a\0t\0a\0\0\0",
            &[21, 0, 0, 0, 6, 0x4b, 0x95, 4, 0],
            b"N\0a\0m\0e\0\0\0",
            &[5, 1, 1, 0, b'A', 0, 2, 0x0d, 0, 0, 8, 4, 4, 0],
        ]
        .concat();
        assert_eq!(xml, expected);
    }

    #[test]
    fn templates_that_differ_have_different_identities() {
        let of = |provider: [u8; 16], field: Field| {
            let template = Template {
                id: "T".to_owned(),
                fields: vec![field],
            };
            identity(&provider, &template, &fragment(&template.fields))
        };
        let first = of([1; 16], field("A", "win:Binary", Length::Fixed(1)));
        assert_eq!(first, of([1; 16], field("A", "win:Binary", Length::Fixed(1))));
        assert_eq!(
            (first[7] >> 4, first[8] >> 6),
            (8, 2),
            "the version and the variant"
        );
        for other in [
            of([2; 16], field("A", "win:Binary", Length::Fixed(1))),
            of([1; 16], field("B", "win:Binary", Length::Fixed(1))),
            of([1; 16], field("A", "win:Binary", Length::Fixed(2))),
            of([1; 16], field("A", "win:Binary", Length::Field(1))),
            of([1; 16], field("A", "win:AnsiString", Length::Fixed(1))),
        ] {
            assert_ne!(first, other);
        }
    }
}
