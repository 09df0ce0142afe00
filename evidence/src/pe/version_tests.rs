//! Version resources, sound and damaged.

extern crate std;

use std::format;
use std::string::String;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Fact;
use crate::Findings;
use crate::Options;
use crate::Text;
use crate::Unreadable;
use crate::Workspace;
use crate::examine;
use crate::testing::Pe;
use crate::testing::put;

/// UTF-16 with its NUL.
fn wide(text: &str) -> Vec<u8> {
    format!("{text}\0")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// A node of a version structure; what it says of its lengths may be untrue.
#[derive(Clone)]
struct Node {
    key: &'static str,
    value: Vec<u8>,
    is_text: bool,
    children: Vec<Self>,
    /// Instead of the true lengths.
    length: Option<usize>,
    value_length: Option<usize>,
}

impl Node {
    fn new(key: &'static str, value: &[u8], children: Vec<Self>) -> Self {
        Self {
            key,
            value: value.to_vec(),
            is_text: false,
            children,
            length: None,
            value_length: None,
        }
    }

    fn text(key: &'static str, text: &str) -> Self {
        Self {
            is_text: true,
            ..Self::new(key, &wide(text), vec![])
        }
    }

    fn build(&self) -> Vec<u8> {
        let mut bytes = [vec![0; 6], wide(self.key)].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(&self.value);
        for child in &self.children {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(child.build());
        }
        let true_length = if self.is_text {
            self.value.len() / 2
        } else {
            self.value.len()
        };
        let numbers = [
            self.length.unwrap_or(bytes.len()),
            self.value_length.unwrap_or(true_length),
            self.is_text.into(),
        ];
        for (at, number) in numbers.into_iter().enumerate() {
            put(&mut bytes, 2 * at, &(number as u16).to_le_bytes());
        }
        bytes
    }

    /// The node at this path.
    fn at(&mut self, path: &[usize]) -> &mut Self {
        path.iter().fold(self, |node, index| &mut node.children[*index])
    }
}

fn table(language: &'static str, name: &str) -> Node {
    let strings = vec![
        Node::text("CompanyName", "Contoso"),
        Node::text("OriginalFilename", name),
        Node::text("ProductName", "Product"),
    ];
    Node::new(language, &[], strings)
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

fn fixed(version: u32) -> Vec<u8> {
    let mut fixed = vec![0; 52];
    put(&mut fixed, 0, &0xfeef_04bd_u32.to_le_bytes());
    put(&mut fixed, 8, &0x0001_0002_u32.to_le_bytes());
    put(&mut fixed, 12, &version.to_le_bytes());
    fixed
}

fn version_node(name: &str, version: u32) -> Node {
    let tables = vec![table("040704b0", "wrong.sys"), table("040904B0", name)];
    let translation = Node::new("Translation", &[0x09, 0x04, 0xb0, 0x04], vec![]);
    let children = vec![
        Node::new("StringFileInfo", &[], tables),
        Node::new("VarFileInfo", &[], vec![translation]),
    ];
    Node::new("VS_VERSION_INFO", &fixed(version), children)
}

fn version_resource(name: &str, version: u32) -> Vec<u8> {
    version_node(name, version).build()
}

/// Version, original file name and product name that an image with this resource has.
fn read(resource: &[u8]) -> Fact<(Fact<u64>, Fact<String>, Fact<String>)> {
    let mut workspace = Workspace::try_new(4096).unwrap();
    read_with(resource, &mut workspace)
}

fn read_with(resource: &[u8], workspace: &mut Workspace) -> Fact<(Fact<u64>, Fact<String>, Fact<String>)> {
    let file = Pe {
        sections: vec![(0x1000, resources(0x1000, resource, &[]))],
        resources: Some(0x1000),
        ..Pe::default()
    }
    .build();
    let mut findings = Findings::new();
    let evidence = examine(&mut &file[..], &Options::default(), workspace, &mut findings).unwrap();
    evidence.version.map(|version| {
        let text = |fact: Fact<Text<'_>>| fact.map(|text| text.to_string());
        (
            version.file_version,
            text(version.original_filename),
            text(version.product_name),
        )
    })
}

/// What every reader finds in a resource with this name.
fn whole(name: &str) -> Fact<(Fact<u64>, Fact<String>, Fact<String>)> {
    Fact::Present((
        Fact::Present(0x0001_0002_0000_0003),
        Fact::Present(name.to_string()),
        Fact::Present("Product".to_string()),
    ))
}

/// Tables and nodes by their place in [`version_node`].
const STRINGS: &[usize] = &[0];
const TABLE: &[usize] = &[0, 1];
const NAME: &[usize] = &[0, 1, 1];

/// `VerQueryValue` goes to the NUL, whatever the node says of the value's kind and length.
#[test]
fn a_text_ends_at_its_nul_whatever_its_lengths_say() {
    let name = "driver.sys";
    for (is_text, value_length) in [
        (true, 1),
        (true, name.len()),
        (true, name.len() + 1),
        (true, 2 * name.len() + 2),
        (true, 4000),
        (false, 1),
        (false, name.len()),
        (false, name.len() + 1),
        (false, 2 * name.len() + 2),
        (false, 0xffff),
    ] {
        let mut node = version_node(name, 3);
        node.at(NAME).is_text = is_text;
        node.at(NAME).value_length = Some(value_length);
        assert_eq!(read(&node.build()), whole(name), "{is_text} {value_length}");
    }
    let mut node = version_node(name, 3);
    node.at(NAME).value_length = Some(0);
    let Fact::Present((_, stated_empty, _)) = read(&node.build()) else {
        unreachable!("a sound resource");
    };
    assert_eq!(stated_empty, Fact::Present(String::new()));
}

/// A parent's stated end says where the last child may begin, and not where it ends.
#[test]
fn a_node_may_reach_beyond_the_end_that_its_parent_states() {
    let name = "driver.sys";
    for (path, header) in [(&[][..], 40 + 52), (STRINGS, 36), (TABLE, 24 + 48)] {
        let mut node = version_node(name, 3);
        // The translation behind the strings is out of reach then: the table of the first language is the one that counts.
        node.at(STRINGS).children.remove(0);
        node.children.truncate(1);
        let path: Vec<usize> = path
            .iter()
            .map(|index| if path.len() == 2 { 0 } else { *index })
            .collect();
        for beyond in [1, 5, 20] {
            let mut node = node.clone();
            node.at(&path).length = Some(header + beyond);
            let Fact::Present((version, found, _)) = read(&node.build()) else {
                unreachable!("a sound resource");
            };
            assert_eq!(version, Fact::Present(0x0001_0002_0000_0003));
            assert_eq!(found, Fact::Present(name.to_string()), "{path:?} {beyond}");
        }
        node.at(&path).length = Some(header);
        let Fact::Present((_, found, _)) = read(&node.build()) else {
            unreachable!("a sound resource");
        };
        assert_eq!(found, Fact::Absent, "{path:?}");
    }
    for length in [0xffff, 8000] {
        let mut node = version_node(name, 3);
        node.length = Some(length);
        assert_eq!(read(&node.build()), whole(name), "the root of {length} bytes");
    }
}

#[test]
fn a_resource_without_length_has_its_version_and_no_names() {
    let mut node = version_node("driver.sys", 3);
    node.length = Some(0);
    let version = Fact::Present(0x0001_0002_0000_0003);
    assert_eq!(
        read(&node.build()),
        Fact::Present((version, Fact::Absent, Fact::Absent))
    );
}

#[test]
fn names_without_a_version_are_names_all_the_same() {
    let mut node = version_node("driver.sys", 3);
    node.value = vec![];
    let names = |version| {
        Fact::Present((
            version,
            Fact::Present("driver.sys".to_string()),
            Fact::Present("Product".to_string()),
        ))
    };
    assert_eq!(read(&node.build()), names(Fact::Absent));
    // Something else where the version should be is no version, and not none either.
    node.value = vec![0x11; 52];
    assert_eq!(
        read(&node.build()),
        names(Fact::Unreadable(Unreadable::Malformed))
    );
}

/// No reader looks at the root's key; only where nothing else is right either it is no version resource.
#[test]
fn a_spoilt_root_key_hides_nothing() {
    let mut node = version_node("driver.sys", 3);
    node.key = "VS_VERSION_INFX";
    assert_eq!(read(&node.build()), whole("driver.sys"));
    node.value = vec![0; 52];
    node.at(STRINGS).key = "StringFileInfX";
    assert_eq!(read(&node.build()), Fact::Unreadable(Unreadable::Malformed));
    assert_eq!(read(&[]), Fact::Unreadable(Unreadable::Malformed));
}

/// Lengths have 16 bits, so a resource may have 64 KiB and more. The buffer for one is not kept for the next.
#[test]
fn a_long_resource_is_read_to_its_end() {
    let mut workspace = Workspace::try_new(4096).unwrap();
    for length in [10, 9_000, 16_000, 31_000] {
        let mut node = version_node("driver.sys", 3);
        let comment = Node::text("Comments", &"x".repeat(length));
        node.at(TABLE).children.insert(0, comment);
        assert_eq!(read_with(&node.build(), &mut workspace), whole("driver.sys"));
    }
    // Two long values: the name begins behind what 16 bits can say, in nodes that reach beyond their parents.
    let mut node = version_node("driver.sys", 3);
    for _ in 0..2 {
        node.at(STRINGS)
            .children
            .insert(0, table("000004e4", &"x".repeat(20_000)));
    }
    node.children.reverse();
    for path in [&[][..], &[1]] {
        node.at(path).length = Some(0xffff);
    }
    let mut long = node.build();
    assert!(long.len() > 80_000);
    long.extend([0; 8]);
    // Within reach is what begins within its parent: the third table does not.
    let Fact::Present((_, found, _)) = read_with(&long, &mut workspace) else {
        unreachable!("a sound resource");
    };
    assert_eq!(found, Fact::Present("x".repeat(20_000)));
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
    assert_eq!(version.file_version, Fact::Present(0x0001_0002_0003_0004));
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
