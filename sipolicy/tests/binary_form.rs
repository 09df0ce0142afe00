//! The binary form in and out: it keeps what it can hold, and what is damaged is refused.

use sipolicy::Document;
use sipolicy::FileVersion;
use sipolicy::document::CertRoot;
use sipolicy::document::SettingValue;
use sipolicy::to_binary;

/// A policy with every element and attribute of the schema.
const EVERYTHING: &str = include_str!("everything.xml");

fn read(text: &str) -> Document {
    Document::read("policy.xml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_binary_form_keeps_everything_but_names() {
    let document = read(EVERYTHING);
    let binary = to_binary(&document, None).unwrap();
    assert_eq!(binary.format, 11);
    let back = Document::read("policy.cip", &binary.bytes).unwrap();
    assert!(to_binary(&back, None).unwrap().bytes == binary.bytes);
    // And once more by way of XML.
    let again = read(&back.to_xml());
    assert!(to_binary(&again, Some(11)).unwrap().bytes == binary.bytes);

    assert_eq!(back.options, document.options);
    assert_eq!(back.other_options, document.other_options);
    assert_eq!(
        (back.version, back.id(), back.base_id()),
        (document.version, document.id(), document.base_id())
    );
    assert_eq!(back.signers[0].root, document.signers[0].root);
    assert_eq!(
        back.signers[0].sign_time_after,
        document.signers[0].sign_time_after
    );
    assert_eq!(back.signers[0].oem_id.as_deref(), Some("An OEM"));
    assert_eq!(
        back.signers[0]
            .ekus
            .iter()
            .map(|eku| eku.except)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(back.signers[1].root, CertRoot::Wellknown(6));
    assert_eq!(back.name(), "Name in events");
    assert!(
        back.settings
            .iter()
            .any(|setting| setting.value == SettingValue::Binary(vec![0xde, 0xad, 0xbe, 0xef]))
    );
    let rule = |name: &str| {
        let mut rules = back.file_rules.iter();
        rules
            .find(|rule| rule.attributes().file_name.as_deref() == Some(name))
            .unwrap()
            .clone()
    };
    assert_eq!(
        rule("e.sys").attributes().minimum_version,
        Some(FileVersion(2 << 48))
    );
    assert_eq!(rule("f.sys").attributes().minimum_version, None);
    assert_eq!(
        rule("c.sys").attributes().require_hotpatch_id,
        Some(rule("d.sys").id)
    );
    assert_eq!(rule("d.sys").attributes().maximum_hotpatch_sequence, Some(8));
    let losses = binary.losses.join("\n");
    for lost in [
        "friendly names",
        "AppID tags",
        "AppSettings",
        "macros",
        "FileRule",
    ] {
        assert!(losses.contains(lost), "{lost} in {losses}");
    }
}

#[test]
fn every_format_version_reads_back_as_it_was_written() {
    let simple = read(
        r#"<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy"><VersionEx>1.0.0.0</VersionEx>
        <PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>
        <PolicyTypeID>{A244370E-44C9-4C06-B551-F6016E563076}</PolicyTypeID><Rules/>
        <FileRules><Deny ID="ID_DENY_B" FileName="b.sys"/><Deny ID="ID_DENY_A" FileName="A.sys" MinimumFileVersion="1.0.0.0"/>
        <Allow ID="ID_ALLOW_A" FileName="*"/></FileRules></SiPolicy>"#,
    );
    for format in 2..=11 {
        let binary = to_binary(&simple, Some(format)).unwrap();
        let back = Document::read("policy.cip", &binary.bytes).unwrap();
        assert_eq!(back.format_version, Some(format));
        assert!(to_binary(&back, None).unwrap().bytes == binary.bytes, "{format}");
        let names: Vec<_> = back
            .file_rules
            .iter()
            .map(|rule| rule.attributes().file_name.as_deref())
            .collect();
        assert_eq!(
            names,
            [Some("A.sys"), Some("b.sys"), Some("*")],
            "sorted as the kernel searches"
        );
    }
    // A version that cannot hold a rule whole would widen it, and is refused.
    let everything = read(EVERYTHING);
    for format in 2..11 {
        let error = to_binary(&everything, Some(format)).unwrap_err().to_string();
        assert!(error.contains("version 11 or later"), "{error}");
    }
    assert!(
        to_binary(&everything, Some(12))
            .unwrap_err()
            .to_string()
            .contains("12")
    );
}

#[test]
fn a_damaged_binary_policy_is_refused_wherever_it_is_cut() {
    let binary = to_binary(&read(EVERYTHING), None).unwrap();
    for length in 1..binary.bytes.len() {
        // The closing number alone may be missing.
        if length != binary.bytes.len() - 4 {
            assert!(
                Document::read("policy.cip", &binary.bytes[..length]).is_err(),
                "{length}"
            );
        }
    }
    for at in 0..binary.bytes.len() {
        let mut damaged = binary.bytes.clone();
        damaged[at] ^= 0xff;
        let _ = Document::read("policy.cip", &damaged);
    }
}

#[test]
fn a_name_that_xml_cannot_hold_is_refused_rather_than_changed() {
    let binary = to_binary(&read(EVERYTHING), None).unwrap().bytes;
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let name = wide("A Publisher");
    let at = binary
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    for odd in ["A\u{0}Publisher", "A\u{1f}Publisher", "A\u{ffff}Publisher"] {
        let mut damaged = binary.clone();
        damaged[at..at + name.len()].copy_from_slice(&wide(odd));
        let error = Document::read("policy.cip", &damaged).unwrap_err();
        assert!(error.message.contains("control characters"), "{error}");
    }
}

#[test]
fn a_signed_policy_is_read_from_its_envelope() {
    let policy = to_binary(&read(EVERYTHING), None).unwrap().bytes;
    let der = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    };
    let policy_type = der(6, &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4f, 1]);
    for content in [
        der(4, &policy),
        der(4, &der(4, &policy)),
        der(0x24, &[der(4, &policy[..9]), der(4, &policy[9..])].concat()),
    ] {
        let encapsulated = der(0x30, &[policy_type.clone(), der(0xa0, &content)].concat());
        let signed_data = der(
            0x30,
            &[der(2, &[1]), der(0x31, &[]), encapsulated, der(0x31, &[])].concat(),
        );
        let signed_type = der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]);
        let envelope = der(0x30, &[signed_type, der(0xa0, &signed_data)].concat());
        let document = Document::read("policy.p7b", &envelope).unwrap();
        assert_eq!(document.name(), "Name in events");
    }
    let error = Document::read("policy.p7b", &[0x30, 3, 2, 1, 1]).unwrap_err();
    assert!(error.to_string().contains("envelope"), "{error}");
    let error = Document::read("policy.p7b", b"-----BEGIN PKCS7-----\nMIIC\n").unwrap_err();
    assert!(error.to_string().contains("DER"), "{error}");
}
