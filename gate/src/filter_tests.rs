//! What the filter lets through and what it does not, and what must happen before it refuses anything.

use crate::Caller;
use crate::FileKey;
use crate::Gate;
use crate::Passage;
use crate::Path;
use crate::Section;
use crate::process::Content;
use crate::process::OpenFile;
use crate::process::Process;
use crate::testing::authenticode;
use crate::testing::enforced_set;
use crate::testing::events_after;
use crate::testing::gate;
use crate::testing::image;
use crate::testing::policy_set;
use crate::testing::push;
use crate::testing::send;
use crate::testing::status;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::field::Fields;
use protocol::ioctl;
use protocol::message::Mode;
use protocol::message::Request;
use protocol::message::features;
use std::format;
use std::string::String;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

pub const SECOND: i64 = 10_000_000;

struct Asked<'g> {
    gate: &'g Gate<Process>,
    caller: Caller,
    path: String,
}

impl Section for Asked<'_> {
    type File = OpenFile;

    fn caller(&self) -> Caller {
        self.caller
    }

    fn path(&mut self) -> Path {
        Path::new(self.path.encode_utf16())
    }

    fn open(&mut self) -> Option<OpenFile> {
        self.gate.host().file(&self.path)
    }
}

pub fn load(gate: &Gate<Process>, caller: Caller, name: &str) -> Passage {
    let mut asked = Asked {
        gate,
        caller,
        path: path(name),
    };
    gate.section(&asked)
        .unwrap_or_else(|| gate.weigh_section(&mut asked))
}

pub fn path(name: &str) -> String {
    format!(r"\??\C:\{name}.sys")
}

pub fn put(gate: &Gate<Process>, name: &str, content: Content) {
    gate.host().put(&path(name), content);
}

pub fn bytes(bytes: Vec<u8>) -> Content {
    Content {
        bytes,
        ..Content::default()
    }
}

/// Asks for a mode: the outcome and the paths of the drivers in the way.
pub fn ask(gate: &Gate<Process>, mode: Mode, force: bool, seconds: i64) -> (ModeOutcome, Vec<String>) {
    let request = ModeRequest {
        request: Request::new(),
        mode: (mode as u32).into(),
        force: u32::from(force).into(),
        duration: (seconds * SECOND).cast_unsigned().into(),
    };
    let answer = send(gate, ioctl::MODE, request.as_bytes(), 1 << 16).expect("an outcome");
    let (outcome, rest) = ModeOutcome::read_from_prefix(&answer).expect("its size");
    let paths = Fields::new(rest).map(|field| {
        let driver = field.expect("whole");
        assert_eq!(driver.tag, tag::DRIVER);
        let path = driver.fields().find(tag::PATH).expect("a path").bytes;
        let units: Vec<u16> = path
            .as_chunks()
            .0
            .iter()
            .map(|unit| u16::from_le_bytes(*unit))
            .collect();
        String::from_utf16(&units).expect("text")
    });
    (outcome, paths.collect())
}

/// A gate with everything that enforcement needs, and three files: allowed, denied and unlisted.
pub fn ready() -> Gate<Process> {
    let gate = gate();
    let [allowed, denied, unlisted] = [1, 2, 3].map(image);
    let set = enforced_set(&[("Allow", &allowed), ("Deny", &denied)]);
    for (name, image) in [("allowed", allowed), ("denied", denied), ("unlisted", unlisted)] {
        put(&gate, name, bytes(image));
    }
    gate.host().set_features(features::FILTER);
    gate.host().set_in_use(Some(&[&path("allowed")]));
    assert_eq!(push(&gate, &set).error.get(), 0);
    gate
}

pub fn enforcing() -> Gate<Process> {
    let gate = ready();
    let (outcome, _) = ask(&gate, Mode::Enforce, false, 0);
    assert_eq!(
        (outcome.error.get(), outcome.mode.get()),
        (0, Mode::Enforce as u32)
    );
    gate
}

#[test]
fn evaluation_refuses_nothing_and_reads_nothing() {
    let gate = ready();
    for name in ["allowed", "denied", "unlisted", "missing"] {
        for caller in [Caller::Kernel, Caller::User, Caller::Unknown] {
            assert_eq!(load(&gate, caller, name), Passage::Pass);
        }
    }
    let counts = status(&gate);
    assert_eq!(
        (counts.sections_seen.get(), counts.sections_weighed.get()),
        (12, 0)
    );
}

#[test]
fn enforcement_refuses_what_is_sure_and_only_that() {
    let gate = enforcing();
    assert_eq!(load(&gate, Caller::Kernel, "allowed"), Passage::Pass);
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);
    assert_eq!(load(&gate, Caller::Kernel, "unlisted"), Passage::Refuse);
    assert_eq!(load(&gate, Caller::User, "denied"), Passage::Pass);
    assert_eq!(load(&gate, Caller::Unknown, "denied"), Passage::Pass);
    let before = status(&gate);
    assert_eq!(
        (before.sections_refused.get(), before.sections_uncertain.get()),
        (2, 1)
    );

    // Nothing is sure that the machine could not read.
    let denied = image(2);
    let uncertain = [
        (
            "changing",
            Content {
                is_changing: true,
                ..bytes(denied.clone())
            },
        ),
        (
            "broken",
            Content {
                fails_at: Some(0x200),
                ..bytes(denied.clone())
            },
        ),
    ];
    for (name, content) in uncertain {
        put(&gate, name, content);
        assert_eq!(load(&gate, Caller::Kernel, name), Passage::Pass, "{name}");
    }
    assert_eq!(load(&gate, Caller::Kernel, "missing"), Passage::Pass);
    assert_eq!(status(&gate).sections_refused.get(), 2);
    assert!(status(&gate).sections_uncertain.get() >= 3);

    // What the file itself hides keeps no refusal away: another subsystem, an end that comes too soon, a table that is not where it says.
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = denied.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    // The security entry of the data directory.
    let entry = 0x80 + 24 + 112 + 4 * 8;
    let hidden = [
        ("console", changed(0xdc, &[3])),
        ("text", b"no image at all".to_vec()),
        ("truncated", denied[..0x300].to_vec()),
        ("misplaced", changed(entry, &[0x10, 0, 0, 0, 0x10, 0, 0, 0])),
        ("past-end", changed(entry, &[0, 0, 0, 0x70, 0, 1, 0, 0])),
    ];
    for (name, content) in hidden {
        put(&gate, name, bytes(content));
        assert_eq!(load(&gate, Caller::Kernel, name), Passage::Refuse, "{name}");
    }
}

#[test]
fn a_refusal_is_recorded_with_verdict_evidence_and_path() {
    let gate = enforcing();
    let before = status(&gate).events_emitted.get();
    load(&gate, Caller::Kernel, "denied");
    let (_, events) = events_after(&gate, before);
    let (record, rest) = protocol::event::split(&events).expect("one");
    assert!(rest.is_empty());
    assert_eq!(record.head.kind.get(), Kind::ImageRefused.number());
    let number = |tag| record.fields.find(tag).and_then(protocol::field::Field::number);
    assert_eq!(number(tag::MODE), Some(2));
    let evidence = record.fields.find(tag::EVIDENCE).expect("evidence").fields();
    assert_eq!(
        evidence.find(tag::SHA256).expect("digest").bytes,
        authenticode(&image(2))
    );
    let path_field = record.fields.find(tag::PATH).expect("a path").bytes;
    assert_eq!(path_field.len(), path("denied").len() * 2);
}

#[test]
fn audit_policies_and_fail_safes_refuse_nothing() {
    let gate = enforcing();
    // A policy in audit mode says "would refuse", whatever the driver's mode.
    push(&gate, &policy_set(&[("Deny", &image(2))]));
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
    // The driver's own image.
    push(&gate, &enforced_set(&[("Deny", &image(2))]));
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);
    gate.host().put(r"\??\C:\gatehouse.sys", bytes(image(2)));
    gate.know_own_image();
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
    assert_eq!(status(&gate).sections_spared.get(), 1);
}

#[test]
fn the_cache_serves_refusals_and_never_lets_a_changed_file_through() {
    let gate = enforcing();
    let key = |usn| {
        Some(FileKey {
            volume: 1,
            file: 1,
            usn,
            size: 0x400,
            written: 0,
            changed: 0,
        })
    };
    put(
        &gate,
        "kept",
        Content {
            key: key(1),
            ..bytes(image(2))
        },
    );
    for hits in 0..3 {
        assert_eq!(load(&gate, Caller::Kernel, "kept"), Passage::Refuse);
        assert_eq!(status(&gate).cache_hits.get(), hits);
    }
    // Written: another number, another look.
    put(
        &gate,
        "kept",
        Content {
            key: key(2),
            ..bytes(image(1))
        },
    );
    assert_eq!(load(&gate, Caller::Kernel, "kept"), Passage::Pass);
    // Allowed is never taken from the cache, even if nothing shows a change.
    put(
        &gate,
        "kept",
        Content {
            key: key(2),
            ..bytes(image(2))
        },
    );
    assert_eq!(load(&gate, Caller::Kernel, "kept"), Passage::Refuse);
    // Another generation decides anew.
    push(&gate, &enforced_set(&[("Allow", &image(2))]));
    assert_eq!(load(&gate, Caller::Kernel, "kept"), Passage::Pass);
}

#[test]
fn a_stopping_driver_refuses_nothing() {
    let gate = enforcing();
    gate.stop();
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
}
