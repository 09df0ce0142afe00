//! Version resources, sound and damaged.

extern crate std;

use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Fact;
use crate::Findings;
use crate::Options;
use crate::Unreadable;
use crate::Workspace;
use crate::examine;
use crate::testing::Pe;
use crate::testing::put;

/// UTF-16 with its NUL, padded to four bytes.
fn wide(text: &str, padded: bool) -> Vec<u8> {
    let mut bytes: Vec<u8> = format!("{text}\0")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    if padded && !(bytes.len() + 6).is_multiple_of(4) {
        bytes.extend([0, 0]);
    }
    bytes
}

/// A node of a version structure.
fn node(key: &str, value: &[u8], text: bool, children: &[Vec<u8>]) -> Vec<u8> {
    let mut body = wide(key, true);
    body.extend(value);
    for child in children {
        body.resize((body.len() + 6).next_multiple_of(4) - 6, 0);
        body.extend(child);
    }
    let value_length = if text { value.len() / 2 } else { value.len() };
    let head = [(body.len() + 6) as u16, value_length as u16, u16::from(text)];
    [head.map(u16::to_le_bytes).concat(), body].concat()
}

fn table(language: &str, name: &str) -> Vec<u8> {
    let strings = [
        node("CompanyName", &wide("Contoso", false), true, &[]),
        node("OriginalFilename", &wide(name, false), true, &[]),
    ];
    node(language, &[], true, &strings)
}

/// A section holding a version resource in two languages.
fn resources(address: u32, neutral: &[u8], english: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    let entry = |id: u32, target: u32| [id.to_le_bytes(), target.to_le_bytes()].concat();
    bytes[14] = 1;
    bytes.extend(entry(16, 0x8000_0018));
    bytes.extend([vec![0; 14], vec![1, 0]].concat());
    bytes.extend(entry(1, 0x8000_0030));
    bytes.extend([vec![0; 14], vec![2, 0]].concat());
    bytes.extend(entry(0x409, 96));
    bytes.extend(entry(0, 80));
    let neutral_at = 112 + address;
    let english_at = neutral_at + neutral.len().next_multiple_of(4) as u32;
    bytes.extend(
        [neutral_at, neutral.len() as u32, 0, 0]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend(
        [english_at, english.len() as u32, 0, 0]
            .map(u32::to_le_bytes)
            .concat(),
    );
    bytes.extend(neutral);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(english);
    bytes.resize(bytes.len().next_multiple_of(0x200), 0);
    bytes
}

fn version_resource(name: &str, version: u32) -> Vec<u8> {
    let mut fixed = vec![0; 52];
    put(&mut fixed, 0, &0xfeef_04bd_u32.to_le_bytes());
    put(&mut fixed, 8, &0x0001_0002_u32.to_le_bytes());
    put(&mut fixed, 12, &version.to_le_bytes());
    let tables = [table("040704b0", "wrong.sys"), table("040904B0", name)];
    let translation = node("Translation", &[0x09, 0x04, 0xb0, 0x04], false, &[]);
    let children = [
        node("StringFileInfo", &[], true, &tables),
        node("VarFileInfo", &[], true, &[translation]),
    ];
    node("VS_VERSION_INFO", &fixed, false, &children)
}

#[test]
fn the_language_neutral_version_comes_first_and_its_translation_names_the_strings() {
    let section = resources(
        0x1000,
        &version_resource("driver.sys", 0x0003_0004),
        &version_resource("other.sys", 9),
    );
    let file = Pe {
        sections: vec![(0x1000, section)],
        resources: Some(0x1000),
        ..Pe::default()
    }
    .build();
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
    let version = evidence.version.present().unwrap();
    assert_eq!(version.file_version, 0x0001_0002_0003_0004);
    assert_eq!(
        version.original_filename.present().unwrap().to_string(),
        "driver.sys"
    );
    assert_eq!(version.internal_name, Fact::Absent);
}

/// Damage in a resource makes a fact unreadable; the loader does not look at it, so the image stands.
#[test]
fn a_damaged_version_resource_is_an_unreadable_fact() {
    let section = resources(
        0x1000,
        &version_resource("driver.sys", 1),
        &version_resource("other.sys", 2),
    );
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut readable = 0;
    for at in 0..section.len() {
        for value in [0, 0x7f, 0xff] {
            let mut section = section.clone();
            section[at] = value;
            let file = Pe {
                sections: vec![(0x1000, section)],
                resources: Some(0x1000),
                ..Pe::default()
            }
            .build();
            let mut findings = Findings::new();
            let evidence =
                examine(&mut &file[..], &Options::default(), &mut workspace, &mut findings).unwrap();
            readable += usize::from(evidence.version.present().is_some());
        }
    }
    assert!(readable > 0);
    let elsewhere = Pe {
        resources: Some(0x9_0000),
        ..Pe::default()
    }
    .build();
    let mut findings = Findings::new();
    let evidence = examine(
        &mut &elsewhere[..],
        &Options::default(),
        &mut workspace,
        &mut findings,
    )
    .unwrap();
    assert_eq!(evidence.version, Fact::Unreadable(Unreadable::Malformed));
}
