//! Commands against the driver's own dispatch.

use protocol::field::Writer;
use protocol::message::features;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;

use clap::Parser;
use gate::Capture;
use gate::Path;
use serde_json::Value;
use tempfile::TempDir;

use crate::args::Arguments;
use crate::commands::Context;
use crate::commands::run;
use crate::driver::loopback::Loopback;
use crate::driver::scripted::Scripted;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::support::audit_policy;
use crate::support::authenticode_sha256;
use crate::support::driver_image;
use crate::support::policy;

#[path = "control_tests.rs"]
mod control;
#[path = "key_tests.rs"]
mod key;
#[path = "report_tests.rs"]
mod report;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A driver, a folder, and the commands of a user.
struct Desk {
    driver: Loopback,
    /// Answers instead of the driver, where one is given.
    scripted: Option<Scripted>,
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            driver: Loopback::start(),
            scripted: None,
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn try_run(&self, arguments: &[&str]) -> (Result<Outcome, Error>, String) {
        let words = ["gatehouse"].iter().chain(arguments);
        let arguments = Arguments::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        let sink = Sink::default();
        let mut context = Context {
            output: Output::captured(arguments.common.json, Box::new(sink.clone())),
            connect: match &self.scripted {
                Some(scripted) => scripted.connect(&self.driver),
                None => self.driver.connect(),
            },
        };
        let done = run(&arguments.command, &mut context);
        context.output.finish().expect("written");
        drop(context);
        let text = String::from_utf8(std::mem::take(&mut *sink.0.lock().expect("no panic"))).expect("UTF-8");
        (done, text)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], expected: Outcome) -> String {
        let (done, text) = self.try_run(arguments);
        assert_eq!(done.unwrap_or_else(|error| panic!("{error}")), expected, "{text}");
        text
    }

    #[track_caller]
    fn records(&self, arguments: &[&str], expected: Outcome) -> Vec<Value> {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let text = self.run(&arguments, expected);
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    /// An image load as the kernel reports it, weighed at once.
    fn load(&self, path: &str) {
        self.driver.gate.image_loaded(Capture {
            path: Path::new(path.encode_utf16()),
            process_id: 0,
            base: 0xffff_f800_1234_0000,
            size: 0x2000,
            properties: 0x103,
            time: 134_397_273_001_234_567,
            ticks: 0,
            loaded: None,
        });
        while self.driver.gate.work() {}
    }

    /// From now on this request is answered so, with these fields after the head.
    fn script(&mut self, code: u32, head: &[u8], fields: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 4096];
        let mut writer = Writer::new(&mut buffer);
        writer.raw(head);
        fields(&mut writer);
        let used = writer.finish().expect("it fits");
        self.scripted = Some(Scripted {
            code,
            answer: buffer[..used].to_vec(),
        });
    }

    /// A policy that denies the image made from seed 2, in force; the filter is there, and these drivers are loaded.
    fn ready(loaded: &[&str]) -> Self {
        let desk = Self::new();
        let hash = authenticode_sha256(&driver_image(2));
        let document = desk.file("p.xml", policy(&[("ID_DENY_TWO", false, &hash)]));
        desk.run(&["push", &document], Outcome::Done);
        let host = desk.driver.gate.host();
        host.set_features(features::FILTER);
        host.set_in_use(Some(loaded));
        desk
    }
}

fn utf16(writer: &mut Writer<'_>, tag: u16, text: &str) {
    writer.group(tag, |writer| {
        for unit in text.encode_utf16() {
            writer.raw(&unit.to_le_bytes());
        }
    });
}

/// Puts the image made from this seed where the driver finds it.
fn image(desk: &Desk, seed: u8) -> String {
    let path = format!(r"\??\C:\drivers\{seed}.sys");
    desk.driver.put(&path, driver_image(seed));
    path
}

#[test]
fn a_day_with_the_driver() {
    let desk = Desk::new();
    let [listed, denied, unknown] = [1, 2, 3].map(|seed| image(&desk, seed));
    let hash = |seed| authenticode_sha256(&driver_image(seed));
    let rules = [
        ("ID_ALLOW_ONE", true, &*hash(1)),
        ("ID_DENY_TWO", false, &*hash(2)),
    ];
    let document = desk.file("p.xml", policy(&rules));

    let [status] = desk.records(&["status"], Outcome::Done).try_into().expect("one");
    assert_eq!(status["schema"], "gatehouse.status/1");
    assert_eq!(
        (&status["generation"], &status["set_sha256"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(status["mode"], "evaluate");

    let [pushed] = desk
        .records(&["push", &document], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!(pushed["accepted"], true);
    assert_eq!(pushed["generation"], 1);

    let checks = [
        (&listed, Outcome::Done, "allow", 0, "allowed", "ID_ALLOW_ONE"),
        (
            &denied,
            Outcome::Refused,
            "refuse",
            26,
            "explicitly-denied",
            "ID_DENY_TWO",
        ),
        (&unknown, Outcome::Refused, "refuse", 21, "fails-policy", ""),
    ];
    for (file, outcome, decision, code, reason, rule) in checks {
        let [verdict] = desk.records(&["check", file], outcome).try_into().expect("one");
        assert_eq!(verdict["schema"], "gatehouse.verdict/1");
        assert_eq!(verdict["path"], *file);
        assert_eq!(verdict["decision"], decision);
        assert_eq!(
            verdict["reason"],
            serde_json::json!({ "code": code, "name": reason })
        );
        let base = &verdict["policies"][0];
        assert_eq!(base["policy_id"], "{9A6B1C02-5D0E-4F43-8E5D-3A1F6B7C8D90}");
        assert_eq!(base["name"], "test policy");
        assert_eq!(base["decision"], decision);
        assert_eq!(base["rule"]["id"].as_str().unwrap_or_default(), rule);
        if !rule.is_empty() {
            assert_eq!(base["rule"]["kind"], "hash");
            assert_eq!(base["rule"]["level"], "Hash");
        }
        assert_eq!(verdict["evidence"]["schema"], "gatehouse.evidence/2");
        assert_eq!(verdict["evidence"]["machine"], "amd64");
        assert_eq!(verdict["set_sha256"], pushed["set_sha256"]);
    }
    // Allowed and refused together: what matters more decides the exit code.
    let table = desk.run(&["check", &listed, &denied], Outcome::Refused);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(
        lines[1].starts_with("allow ") && lines[2].starts_with("refuse "),
        "{table}"
    );

    let out = desk.path("out.ghp");
    let [fetched] = desk
        .records(&["pull", "-o", out.to_str().expect("UTF-8")], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!(fetched["schema"], "gatehouse.set/1");
    assert_eq!(fetched["rules"], 2);
    assert_eq!(fetched["sha256"], pushed["set_sha256"], "one set, one name");
    assert_eq!(
        desk.records(&["push", out.to_str().expect("UTF-8")], Outcome::Done)[0]["generation"],
        2
    );
}

#[test]
fn loads_checks_and_pushes_leave_events() {
    let desk = Desk::new();
    let denied = image(&desk, 2);
    let hash = authenticode_sha256(&driver_image(2));
    let document = desk.file("p.xml", policy(&[("ID_DENY_TWO", false, &hash)]));
    desk.run(&["push", &document], Outcome::Done);
    desk.run(&["check", &denied], Outcome::Refused);
    desk.load(&denied);
    let events = desk.records(&["events"], Outcome::Done);
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["kind"].as_str().expect("text"))
        .collect();
    assert_eq!(kinds, ["started", "policy-activated", "check", "image-load"]);
    let load = events.last().expect("events");
    assert_eq!(load["time"], "2026-11-21T09:35:00.123456700Z");
    assert_eq!(load["path"], *denied);
    assert_eq!(load["image_base"], "0xfffff80012340000");
    assert_eq!(load["image_properties"], "0x103");
    assert_eq!(load["verdict"]["decision"], "refuse");
    assert_eq!(load["evidence"]["authenticode"]["sha256"], hash);
    let since = load["sequence"].as_u64().expect("number") - 1;
    let last = desk.records(&["events", "--since", &since.to_string()], Outcome::Done);
    assert_eq!(&last, std::slice::from_ref(load));
}

#[test]
fn a_refusal_in_audit_mode_is_one_that_would_be() {
    let desk = Desk::new();
    let file = image(&desk, 1);
    let document = desk.file(
        "p.xml",
        audit_policy(&[("ID_DENY", false, &authenticode_sha256(&driver_image(1)))]),
    );
    desk.run(&["push", &document], Outcome::Done);
    let [verdict] = desk
        .records(&["check", &file], Outcome::Refused)
        .try_into()
        .expect("one");
    assert_eq!(verdict["decision"], "would-refuse");
}

#[test]
fn a_file_that_cannot_be_read_is_a_failure_and_not_a_refusal() {
    let desk = Desk::new();
    let document = desk.file("p.xml", policy(&[("ID_ALLOW", true, &"12".repeat(32))]));
    desk.run(&["push", &document], Outcome::Done);
    let [verdict] = desk
        .records(&["check", r"\??\C:\missing.sys"], Outcome::Failed)
        .try_into()
        .expect("one");
    assert_eq!(verdict["decision"], "allow", "unknown is not untrusted");
    assert_eq!(verdict["evidence"]["status"], "unreadable");
    let error = verdict["evidence"]["error"].as_str().expect("text");
    assert!(
        error.contains("there is no such file") && error.contains("0xc0000034"),
        "{error}"
    );
}

#[test]
fn a_rejected_push_exits_with_6_and_names_the_fault() {
    let desk = Desk::new();
    let document = desk.file("p.xml", policy(&[]));
    desk.run(&["push", &document], Outcome::Done);
    let noise = desk.file("noise", b"GHPS and nothing of use");
    let (done, text) = desk.try_run(&["push", "--json", "--unchecked", &noise]);
    let error = done.expect_err("rejected");
    assert_eq!(error.exit_code(), 6);
    let shown = error.to_string();
    assert!(
        shown.contains("ends before its header")
            && shown.contains("at byte")
            && shown.contains("generation 1 is in force"),
        "{shown}"
    );
    let record: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(record["accepted"], false);
    assert_eq!(record["error"]["name"], "truncated");
    let events = desk.records(&["events"], Outcome::Done);
    let rejected = events.last().expect("events");
    assert_eq!(rejected["kind"], "policy-rejected");
    assert_eq!(rejected["error"]["code"], 1);
    assert_eq!(rejected["generation"], 1);
}

#[test]
fn events_that_are_gone_are_accounted_for() {
    let desk = Desk::new();
    let document = desk.file("p.xml", policy(&[]));
    for _ in 0..2500 {
        desk.run(&["push", &document], Outcome::Done);
    }
    let events = desk.records(&["events", "--since", "7"], Outcome::Done);
    let dropped = &events[0];
    assert_eq!(dropped["kind"], "dropped");
    assert_eq!(dropped["first"], 8);
    let last = dropped["last"].as_u64().expect("number");
    assert_eq!(dropped["count"], last - 7);
    let sequences: Vec<_> = events[1..]
        .iter()
        .map(|event| event["sequence"].as_u64().expect("number"))
        .collect();
    assert_eq!(
        sequences,
        (last + 1..=2501).collect::<Vec<_>>(),
        "the rest, without a gap"
    );
    let lines = desk.run(&["events", "--since", "7"], Outcome::Done);
    assert!(
        lines.lines().next().expect("a line").contains("dropped"),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), events.len());
}

#[test]
fn without_a_policy_there_is_nothing_to_fetch() {
    let desk = Desk::new();
    let (done, _) = desk.try_run(&["pull", "-o", desk.path("out").to_str().expect("UTF-8")]);
    let error = done.expect_err("nothing");
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("gatehouse push"), "{error}");
    assert!(!desk.path("out").exists());
}
