//! The gate as a whole, with an ordinary process as its host: what goes in at the notify routine and the device comes out as
//! events, and nothing a requestor sends does more than it may.

use crate::Capture;
use crate::Gate;
use crate::Path;
use crate::dispatch_tests::pulled;
use crate::host::NtStatus;
use crate::intake::SLOTS;
use crate::process::Content;
use crate::process::Process;
use crate::testing::authenticode;
use crate::testing::events_after;
use crate::testing::gate;
use crate::testing::image;
use crate::testing::policy_set;
use crate::testing::push;
use crate::testing::status;
use crate::worker::LoadedImage;
use policy::Decision;
use policy::Reason;
use policy::SetFault;
use protocol::event::Kind;
use protocol::event::Record;
use protocol::event::tag;
use sha2::Digest;
use sha2::Sha256;
use std::format;
use std::string::String;
use std::vec::Vec;

pub const DRIVER: &str = r"\??\C:\windows\system32\drivers\subject.sys";

pub fn records(mut bytes: &[u8]) -> Vec<Record<'_>> {
    let mut found = Vec::new();
    while let Some((record, rest)) = protocol::event::split(bytes) {
        found.push(record);
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole records only");
    found
}

pub fn number(record: &Record<'_>, tag: u16) -> Option<u64> {
    record.fields.find(tag).and_then(protocol::field::Field::number)
}

pub fn decision(record: &Record<'_>) -> (Decision, Reason, Option<String>) {
    let verdict = record.fields.find(tag::VERDICT).expect("a verdict").fields();
    let decision = verdict
        .find(tag::DECISION)
        .and_then(protocol::field::Field::number)
        .expect("a decision");
    let reason = verdict
        .find(tag::REASON)
        .and_then(protocol::field::Field::number)
        .expect("a reason");
    let rule = verdict
        .find(tag::POLICY)
        .and_then(|policy| policy.fields().find(tag::RULE));
    let id = rule
        .and_then(|rule| rule.fields().find(tag::RULE_ID))
        .and_then(protocol::field::Field::text)
        .map(String::from);
    let reason = u16::try_from(reason)
        .ok()
        .and_then(Reason::from_code)
        .expect("a known reason");
    (
        Decision::from_number(decision).expect("a known decision"),
        reason,
        id,
    )
}

pub fn load(gate: &Gate<Process>, path: &str, base: u64) {
    gate.image_loaded(Capture {
        path: Path::new(path.encode_utf16()),
        process_id: 0,
        base,
        size: 0x2000,
        properties: 0x103,
        time: 42,
        ticks: 0,
        loaded: Some(String::from(path)),
    });
}

/// Loads the image at `path` and gives the event about it.
pub fn weigh<R>(gate: &Gate<Process>, path: &str, look: impl FnOnce(&Record<'_>) -> R) -> R {
    let before = status(gate).events_emitted.get();
    load(gate, path, 0x1000);
    while gate.work() {}
    let (_, bytes) = events_after(gate, before);
    let found = records(&bytes);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].head.kind.get(), Kind::ImageLoad.number());
    look(&found[0])
}

#[test]
fn a_load_is_weighed_by_the_generation_in_force() {
    let gate = gate();
    let [allowed, denied, unlisted] = [1, 2, 3].map(image);
    for (name, bytes) in [
        ("allowed", &allowed),
        ("denied", &denied),
        ("unlisted", &unlisted),
    ] {
        gate.host().put(
            &format!(r"\??\C:\{name}.sys"),
            Content {
                bytes: bytes.clone(),
                ..Content::default()
            },
        );
    }
    assert_eq!(
        weigh(&gate, r"C:\denied.sys", decision),
        (Decision::Allow, Reason::NoPolicy, None)
    );

    let set = policy_set(&[("Allow", &allowed), ("Deny", &denied)]);
    let outcome = push(&gate, &set);
    assert_eq!((outcome.error.get(), outcome.generation.get()), (0, 1));
    assert_eq!(outcome.set_sha256, <[u8; 32]>::from(Sha256::digest(&set)));

    let (decided, reason, rule) = weigh(&gate, r"C:\allowed.sys", decision);
    assert_eq!(
        (decided, reason, rule.as_deref()),
        (Decision::Allow, Reason::Allowed, Some("ID_ALLOW_0"))
    );
    let (decided, reason, rule) = weigh(&gate, r"C:\denied.sys", decision);
    assert_eq!(
        (decided, reason, rule.as_deref()),
        (Decision::WouldRefuse, Reason::ExplicitlyDenied, Some("ID_DENY_1"))
    );
    let (decided, reason, rule) = weigh(&gate, r"C:\unlisted.sys", decision);
    assert_eq!(
        (decided, reason, rule),
        (Decision::WouldRefuse, Reason::FailsPolicy, None)
    );

    weigh(&gate, r"C:\allowed.sys", |record| {
        let evidence = record.fields.find(tag::EVIDENCE).expect("evidence").fields();
        assert_eq!(
            evidence.find(tag::SHA256).expect("digest").bytes,
            authenticode(&allowed)
        );
        assert_eq!(number(record, tag::GENERATION), Some(1));
        assert_eq!(
            record.fields.find(tag::SET_SHA256).expect("hash").bytes,
            outcome.set_sha256
        );
        assert_eq!(number(record, tag::IMAGE_PROPERTIES), Some(0x103));
        assert_eq!(
            record.head.time.get(),
            42,
            "the time of the load, not of the weighing"
        );
    });

    // The same file, another generation, another verdict.
    assert_eq!(
        push(&gate, &policy_set(&[("Deny", &allowed)])).generation.get(),
        2
    );
    assert_eq!(weigh(&gate, r"C:\allowed.sys", decision).0, Decision::WouldRefuse);
    let counts = status(&gate);
    assert_eq!(
        (
            counts.weighed.get(),
            counts.allowed.get(),
            counts.would_refuse.get()
        ),
        (6, 3, 3)
    );
}

#[test]
fn one_changed_byte_changes_the_verdict() {
    let gate = gate();
    let original = image(7);
    push(&gate, &policy_set(&[("Allow", &original)]));
    gate.host().put(
        DRIVER,
        Content {
            bytes: original.clone(),
            ..Content::default()
        },
    );
    assert_eq!(weigh(&gate, DRIVER, decision).0, Decision::Allow);
    let mut changed = original;
    changed[0x3ff] ^= 1;
    gate.host().put(
        DRIVER,
        Content {
            bytes: changed,
            ..Content::default()
        },
    );
    assert_eq!(weigh(&gate, DRIVER, decision).1, Reason::FailsPolicy);
}

#[test]
fn what_cannot_be_read_is_unknown_and_not_untrusted() {
    let gate = gate();
    let bytes = image(1);
    push(&gate, &policy_set(&[("Allow", &image(2)), ("Deny", &bytes)]));
    let changing = Content {
        bytes: bytes.clone(),
        is_changing: true,
        ..Content::default()
    };
    let failing = Content {
        bytes,
        fails_at: Some(0x300),
        ..Content::default()
    };
    for (content, expected) in [(changing, Reason::EvidenceChanged), (failing, Reason::EvidenceIo)] {
        gate.host().put(DRIVER, content);
        let (decided, reason, _) = weigh(&gate, DRIVER, decision);
        assert_eq!((decided, reason), (Decision::Allow, expected));
    }
    weigh(&gate, r"C:\missing.sys", |record| {
        assert_eq!(decision(record).1, Reason::EvidenceIo);
        assert_eq!(number(record, tag::STATUS), Some(0xc000_0034));
    });
    weigh(&gate, "", |record| {
        assert_eq!(
            number(record, tag::STATUS),
            Some(u64::from(NtStatus::OBJECT_NAME_INVALID.bits()))
        );
    });
    let long = format!(r"C:\{}.sys", "a".repeat(600));
    assert_eq!(
        weigh(&gate, &long, |record| decision(record).1),
        Reason::EvidencePathTooLong
    );
}

#[test]
fn images_loaded_before_are_weighed_once() {
    let gate = gate();
    gate.host().put(
        DRIVER,
        Content {
            bytes: image(1),
            ..Content::default()
        },
    );
    load(&gate, DRIVER, 0x1000);
    let loaded = |base| LoadedImage {
        path: Path::new(DRIVER.encode_utf16()),
        base,
        size: 0x2000,
    };
    for image in [loaded(0x1000), loaded(0x2000)] {
        gate.weigh_loaded(&image);
    }
    gate.baseline_weighed();
    while gate.work() {}
    let (_, bytes) = events_after(&gate, 1);
    let kinds: Vec<_> = records(&bytes)
        .iter()
        .map(|record| (record.head.kind.get(), number(record, tag::IMAGE_BASE)))
        .collect();
    let expected = [(Kind::Baseline, 0x2000), (Kind::ImageLoad, 0x1000)];
    assert_eq!(kinds, expected.map(|(kind, base)| (kind.number(), Some(base))));
}

#[test]
fn loads_that_find_the_intake_full_are_counted_and_told() {
    let gate = gate();
    for base in 0..SLOTS as u64 + 5 {
        load(&gate, DRIVER, base);
    }
    while gate.work() {}
    let counts = status(&gate);
    assert_eq!(
        (
            counts.loads_seen.get(),
            counts.loads_dropped.get(),
            counts.weighed.get()
        ),
        (SLOTS as u64 + 5, 5, SLOTS as u64)
    );
    // A load that finds room is no news of drops.
    load(&gate, DRIVER, 0);
    while gate.work() {}
    let (_, bytes) = events_after(&gate, 0);
    let found = records(&bytes);
    let told: Vec<_> = found
        .iter()
        .filter(|record| record.head.kind.get() == Kind::LoadsDropped.number())
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(number(told[0], tag::COUNT), Some(5));
}

#[test]
fn a_bad_push_leaves_the_generation_in_force() {
    let gate = gate();
    let good = policy_set(&[("Allow", &image(1))]);
    let first = push(&gate, &good);
    let mut tried = 0;
    for length in 0..good.len() {
        let outcome = push(&gate, &good[..length]);
        assert_ne!(outcome.error.get(), 0, "cut at {length}");
        assert_eq!(
            (outcome.generation, outcome.set_sha256),
            (first.generation, first.set_sha256)
        );
        tried += 1;
    }
    for index in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[index] ^= 1 << bit;
            assert_ne!(push(&gate, &bad).error.get(), 0, "bit {bit} of byte {index}");
            tried += 1;
        }
    }
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(
        push(&gate, &longer).error.get(),
        u32::from(SetFault::Length.code())
    );
    let counts = status(&gate);
    assert_eq!(
        (counts.generation.get(), counts.pushes_rejected.get()),
        (1, tried + 1)
    );
    assert_eq!(pulled(&gate), good);
    let (_, bytes) = events_after(&gate, counts.events_emitted.get() - 1);
    let last = &records(&bytes)[0];
    assert_eq!(last.head.kind.get(), Kind::PolicyRejected.number());
    assert_eq!(number(last, tag::ERROR), Some(u64::from(SetFault::Length.code())));
}
