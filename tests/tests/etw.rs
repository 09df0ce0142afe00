//! The event manifest: that it says what the driver writes, that what the driver writes reads back by it, and what Windows requires of
//! it.
//!
//! Sources, by the names of Microsoft's documents: "Writing an Instrumentation Manifest", "EventManifest Schema", "EVENT_DESCRIPTOR
//! structure".

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;

use anyhow::Context;
use anyhow::Result;
use gatehouse_tests::compiled_manifest::Compiled;
use gatehouse_tests::event_manifest::attribute;
use gatehouse_tests::event_manifest::decode;
use gatehouse_tests::event_manifest::fields;
use gatehouse_tests::event_manifest::manifest;
use gatehouse_tests::event_manifest::named;
use gatehouse_tests::event_manifest::strings;
use gatehouse_tests::signed_images::images;
use gatehouse_tests::signed_images::script;
use lab::command;
use protocol::etw;
use protocol::etw::Event;
use protocol::event::Head;
use protocol::event::Kind;
use protocol::event::split;
use protocol::event::tag;
use protocol::field::Writer;
use roxmltree::Document;
use roxmltree::Node;
use serde_json::Value;
use zerocopy::IntoBytes;

#[test]
fn the_manifest_names_the_provider_and_its_channel() {
    let text = manifest();
    let document = Document::parse(&text).expect("well-formed");
    let provider = named(&document, "provider")[0];
    assert_eq!(attribute(provider, "name"), etw::PROVIDER_NAME);
    assert_eq!(attribute(provider, "guid"), etw::PROVIDER_GUID);
    let digits: String = etw::PROVIDER_GUID
        .chars()
        .filter(char::is_ascii_hexdigit)
        .collect();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits");
    let in_memory = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map(byte);
    assert_eq!(etw::PROVIDER, in_memory);
    let channel = named(&document, "channel")[0];
    assert_eq!(attribute(channel, "name"), etw::CHANNEL_NAME);
    assert_eq!(attribute(channel, "value"), etw::CHANNEL.to_string());
    assert_eq!(
        (attribute(channel, "type"), attribute(channel, "enabled")),
        ("Operational", "true")
    );
    let keywords: BTreeSet<_> = named(&document, "keyword")
        .iter()
        .map(|node| {
            (
                attribute(*node, "mask").to_owned(),
                attribute(*node, "name").to_owned(),
            )
        })
        .collect();
    let known = etw::keyword::ALL.map(|(mask, name)| (format!("{mask:#x}"), name.to_owned()));
    assert_eq!(keywords, BTreeSet::from(known));
    let tasks: BTreeSet<_> = named(&document, "task")
        .iter()
        .map(|node| {
            (
                attribute(*node, "value").to_owned(),
                attribute(*node, "name").to_owned(),
            )
        })
        .collect();
    assert_eq!(
        tasks,
        BTreeSet::from(etw::task::ALL.map(|(value, name)| (value.to_string(), name.to_owned())))
    );
}

#[test]
fn the_manifest_declares_every_event_as_the_driver_writes_it() {
    let text = manifest();
    let document = Document::parse(&text).expect("well-formed");
    let declared: BTreeMap<u16, Node<'_, '_>> = named(&document, "event")
        .into_iter()
        .map(|node| (attribute(node, "value").parse().expect("a number"), node))
        .collect();
    assert_eq!(declared.len(), etw::EVENTS.len());
    for event in &etw::EVENTS {
        let node = declared[&event.id];
        assert_eq!(attribute(node, "symbol"), event.name);
        assert_eq!(attribute(node, "version"), event.version.to_string());
        assert_eq!(attribute(node, "channel"), "Operational");
        let level = match event.level {
            etw::level::ERROR => "win:Error",
            etw::level::WARNING => "win:Warning",
            _ => "win:Informational",
        };
        assert_eq!(attribute(node, "level"), level, "{}", event.name);
        let name_of = |all: &[(u64, &'static str)], wanted: u64| {
            all.iter().find(|(value, _)| *value == wanted).expect("known").1
        };
        assert_eq!(
            attribute(node, "keywords"),
            name_of(&etw::keyword::ALL, event.keyword)
        );
        let tasks = etw::task::ALL.map(|(value, name)| (u64::from(value), name));
        assert_eq!(attribute(node, "task"), name_of(&tasks, event.task.into()));
        assert_eq!(attribute(node, "template"), event.template.name);
        let mut before = None;
        let expected: Vec<_> = event
            .template
            .fields
            .iter()
            .map(|field| {
                let counted = before.filter(|_| field.kind.is_counted());
                before = Some(field.name);
                (field.name, field.kind.input(), counted)
            })
            .collect();
        assert_eq!(fields(&document, event.template.name), expected);
    }
}

/// Every message is there, and names only fields that its event has.
#[test]
fn messages_name_fields_that_are_there() {
    let text = manifest();
    let document = Document::parse(&text).expect("well-formed");
    let strings = strings(&document);
    for node in document.descendants() {
        let Some(message) = node.attribute("message") else {
            continue;
        };
        let id = message
            .strip_prefix("$(string.")
            .and_then(|rest| rest.strip_suffix(')'));
        let message = strings[id.expect("a reference")];
        let Some(template) = node.attribute("template") else {
            continue;
        };
        let count = fields(&document, template).len();
        for insert in message.split('%').skip(1) {
            let digits: String = insert.chars().take_while(char::is_ascii_digit).collect();
            let number: usize = digits.parse().expect("a number after %");
            assert!((1..=count).contains(&number), "{message}");
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// An event record of this kind with these fields.
fn record(kind: Kind, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 16 * 1024];
    let mut writer = Writer::new(&mut buffer);
    writer.raw(&[0; size_of::<Head>()]);
    fill(&mut writer);
    let used = writer.finish().expect("it fits");
    let head = Head {
        size: u32::try_from(used).expect("small").into(),
        kind: kind.number().into(),
        flags: 0.into(),
        sequence: 0x0102_0304.into(),
        time: 0.into(),
    };
    buffer[..size_of::<Head>()].copy_from_slice(head.as_bytes());
    buffer.truncate(used);
    buffer
}

fn image(kind: Kind, decision: u64) -> Vec<u8> {
    record(kind, |writer| {
        writer.bytes(tag::PATH, &utf16(r"\??\C:\Zürich.sys"));
        writer.bytes(tag::SET_SHA256, &[7; 32]);
        writer.number(tag::GENERATION, 3);
        writer.group(tag::VERDICT, |writer| {
            writer.number(tag::DECISION, decision);
            writer.number(tag::REASON, 26);
            for (name, decision) in [("lenient", 0), ("strict", decision)] {
                writer.group(tag::POLICY, |writer| {
                    writer.bytes(tag::POLICY_ID, &[5; 16]);
                    writer.text(tag::POLICY_NAME, name.chars());
                    writer.number(tag::DECISION, decision);
                    writer.group(tag::RULE, |writer| writer.text(tag::RULE_ID, "ID_DENY".chars()));
                });
            }
        });
        writer.group(tag::EVIDENCE, |writer| {
            writer.bytes(tag::SHA256, &[1; 32]);
            writer.number(tag::FILE_VERSION, 0x0001_0002_0003_0004);
            writer.text(tag::ORIGINAL_FILENAME, "ä.sys".chars());
        });
        for name in ["first", "second"] {
            writer.group(tag::SIGNATURE_FACTS, |writer| {
                writer.number(tag::SOURCE, 3);
                writer.number(tag::FAULT, 2);
                for (subject, tbs) in [(name, 8), ("authority", 9)] {
                    writer.group(tag::CERTIFICATE, |writer| {
                        writer.text(tag::SUBJECT_CN, subject.chars());
                        writer.bytes(tag::TBS, &[tbs; 32]);
                        writer.number(tag::NOT_BEFORE, 1);
                    });
                }
            });
        }
    })
}

#[test]
fn an_image_and_its_signatures_read_back_by_the_manifest() {
    let bytes = image(Kind::ImageRefused, 2);
    let (record, _) = split(&bytes).expect("a record");
    let told: Vec<_> = etw::events(&record).collect();
    let ids: Vec<_> = told.iter().map(|(event, number)| (event.id, *number)).collect();
    assert_eq!(ids, [(3077, 0), (3089, 0), (3089, 1)]);
    let mut buffer = vec![0; etw::MAX_PAYLOAD];
    let read = |event: &Event, number, buffer: &mut Vec<u8>| {
        let used = etw::encode(event, &record, number, buffer).expect("it fits");
        decode(event.template.name, &buffer[..used])
    };
    let refused = read(told[0].0, 0, &mut buffer);
    assert_eq!(refused["File Name"], utf16(r"\??\C:\Zürich.sys"));
    assert_eq!(
        refused["PolicyName"],
        utf16("strict"),
        "of the policy that decided"
    );
    assert_eq!(refused["OriginalFileName"], utf16("ä.sys"));
    assert_eq!(refused["SHA256 Hash"], [1; 32]);
    assert_eq!(refused["SHA1 Hash"], b"");
    assert_eq!(refused["PolicyHash"], [7; 32]);
    assert_eq!(refused["PolicyGUID"], [5; 16]);
    assert_eq!(refused["VerificationError"], 26_u32.to_le_bytes());
    assert_eq!(refused["RuleID"], utf16("ID_DENY"));
    assert_eq!(refused["FileVersion"], 0x0001_0002_0003_0004_u64.to_le_bytes());
    assert_eq!(refused["Sequence"], 0x0102_0304_u64.to_le_bytes());
    let second = read(told[2].0, 1, &mut buffer);
    assert_eq!(second["TotalSignatureCount"], 2_u32.to_le_bytes());
    assert_eq!(second["PublisherName"], utf16("second"));
    assert_eq!(
        (&*second["PublisherTBSHash"], &*second["IssuerTBSHash"]),
        (&[8; 32][..], &[9; 32][..])
    );
    assert_eq!(second["SignatureType"], 3_u32.to_le_bytes());
    assert_eq!(second["VerificationError"], 1_u32.to_le_bytes());
    assert_eq!(
        second["NotValidBefore"],
        116_444_736_010_000_000_u64.to_le_bytes()
    );
    assert_eq!(second["Sequence"], refused["Sequence"]);
}

#[test]
fn what_becomes_of_an_image_chooses_its_event() {
    for (kind, decision, expected) in [
        (Kind::ImageLoad, 0, 100),
        (Kind::ImageLoad, 1, 3076),
        (Kind::Baseline, 2, 3076),
        (Kind::Check, 1, 3076),
        (Kind::ImageRefused, 2, 3077),
    ] {
        let bytes = image(kind, decision);
        let (record, _) = split(&bytes).expect("a record");
        assert_eq!(
            etw::events(&record).next().expect("an event").0.id,
            expected,
            "{kind:?}"
        );
    }
}

#[test]
fn every_kind_of_record_is_told() {
    for kind in Kind::ALL {
        let bytes = record(kind, |writer| {
            writer.number(tag::COUNT, 5);
            writer.group(tag::VERDICT, |writer| writer.number(tag::DECISION, 0));
        });
        let (record, _) = split(&bytes).expect("a record");
        let mut buffer = vec![0; etw::MAX_PAYLOAD];
        for (event, number) in etw::events(&record) {
            let used = etw::encode(event, &record, number, &mut buffer).expect("it fits");
            decode(event.template.name, &buffer[..used]);
        }
        assert!(etw::events(&record).next().is_some(), "{kind:?}");
    }
}

#[test]
fn activities_differ_by_record_and_descriptors_say_where_events_go() {
    let mut seen = BTreeSet::new();
    for sequence in 1..1000_u64 {
        let mut bytes = record(Kind::Started, |_| ());
        bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
        let (record, _) = split(&bytes).expect("a record");
        assert!(seen.insert(etw::activity(&record)));
    }
    let refused = etw::EVENTS
        .iter()
        .find(|event| event.id == 3077)
        .expect("an event");
    // Id, version, channel, level, opcode, task, keyword with the channel's bit.
    let expected = [0x05, 0x0c, 0, 16, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0x80];
    assert_eq!(refused.descriptor(), expected);
}

/// Names as long as they can be: cut, and never more than the room.
#[test]
fn the_longest_texts_fit() {
    let long: String = "x".repeat(1800);
    let bytes = record(Kind::ImageLoad, |writer| {
        writer.bytes(tag::PATH, &utf16(&"y".repeat(1200)));
        writer.group(tag::VERDICT, |writer| {
            writer.number(tag::DECISION, 1);
            writer.group(tag::POLICY, |writer| {
                writer.number(tag::DECISION, 1);
                writer.text(tag::POLICY_NAME, long.chars());
                writer.group(tag::RULE, |writer| writer.text(tag::RULE_ID, long.chars()));
            });
        });
        writer.group(tag::EVIDENCE, |writer| {
            for tag in [
                tag::ORIGINAL_FILENAME,
                tag::INTERNAL_NAME,
                tag::FILE_DESCRIPTION,
                tag::PRODUCT_NAME,
            ] {
                writer.text(tag, long.chars());
            }
        });
    });
    let (record, _) = split(&bytes).expect("a record");
    let (event, _) = etw::events(&record).next().expect("an event");
    let mut buffer = vec![0; etw::MAX_PAYLOAD];
    let used = etw::encode(event, &record, 0, &mut buffer).expect("it fits");
    let values = decode(event.template.name, &buffer[..used]);
    assert_eq!(values["ProductName"].len(), 2 * etw::MAX_TEXT);
    assert!(etw::encode(event, &record, 0, &mut buffer[..100]).is_none());
}

/// Microsoft's own compiler was given a manifest of other people's; ours makes the same bytes of it, but for the GUIDs of templates,
/// whose making is not known, and two bytes at the end, which no length counts.
#[test]
fn the_compiler_makes_the_bytes_that_microsofts_makes() -> Result<()> {
    let mut folders = vec![images()?];
    let mut library = None;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)?.flatten() {
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "vcamp140.dll" {
                library = Some(entry.path());
            }
        }
    }
    let said = command::output(script("resources.py")?.arg(library.context("C++ AMP's library")?))?;
    let found: Value = serde_json::from_str(&said)?;
    let bytes = |name: &str| -> Vec<u8> {
        let digits = found[name].as_str().expect("digits").as_bytes().chunks(2);
        let digits = digits.map(|pair| std::str::from_utf8(pair).expect("digits"));
        digits
            .map(|pair| u8::from_str_radix(pair, 16).expect("digits"))
            .collect()
    };
    let mut theirs = bytes("wevt");
    assert_eq!(theirs.split_off(theirs.len() - 2), [0, 0]);
    let text = Compiled(&theirs).written_back(&found["fwevt"]);
    let mut ours = manifest::compile(&text)?;
    let templates = Compiled(&theirs).templates();
    assert!(templates.len() > 10, "a manifest of some size");
    for place in templates {
        for side in [&mut theirs, &mut ours.events] {
            side[place + 24..place + 40].fill(0);
        }
    }
    assert!(ours.events == theirs, "{text}");
    assert_eq!(ours.messages, bytes("message_table"));
    Ok(())
}
