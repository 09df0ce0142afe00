//! Commands that change the driver's ways, and those that tell how it has done.

use protocol::control::KeyOutcome;
use protocol::control::ModeOutcome;
use protocol::control::key_error;
use protocol::event::tag;
use protocol::field::Writer;
use protocol::ioctl;
use protocol::message::PushOutcome;
use protocol::message::features;
use protocol::message::push_error;
use protocol::report::Metrics;
use protocol::report::Progress;
use zerocopy::IntoBytes;

use super::*;

impl Desk {
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

#[test]
fn enforcement_is_asked_for_seen_and_taken_back() {
    let desk = Desk::ready(&[]);
    let [mode] = desk
        .records(&["mode", "enforce", "--for", "30m"], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!(mode["taken"], true);
    assert_eq!(
        (&mode["mode"], &mode["mode_asked"]),
        (&"enforce".into(), &"enforce".into())
    );
    let [status] = desk.records(&["status"], Outcome::Done).try_into().expect("one");
    assert_eq!(status["mode"], "enforce");
    assert_eq!(status["mode_until"], mode["until"]);
    assert!(
        mode["until"].is_string() || mode["until"].is_null(),
        "the test's clock starts before 1970"
    );
    desk.run(&["mode", "evaluate"], Outcome::Done);
    let shown = desk.run(&["status"], Outcome::Done);
    assert!(shown.contains("mode") && !shown.contains("enforce"), "{shown}");
    let events = desk.records(&["events"], Outcome::Done);
    let modes: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "mode-changed")
        .map(|event| event["mode"].as_str().expect("text"))
        .collect();
    assert_eq!(modes, ["enforce", "evaluate"]);
}

#[test]
fn drivers_in_the_way_are_named_with_what_to_do() {
    let desk = Desk::ready(&[r"\??\C:\drivers\2.sys"]);
    image(&desk, 2);
    let [mode] = desk
        .records(&["mode", "enforce"], Outcome::Refused)
        .try_into()
        .expect("one");
    assert_eq!(mode["taken"], false);
    assert_eq!(mode["error"], "blockers");
    assert_eq!(mode["mode"], "evaluate");
    assert_eq!((&mode["blockers"], &mode["listed"]), (&1.into(), &true.into()));
    let driver = &mode["drivers"][0];
    assert_eq!(driver["path"], r"\??\C:\drivers\2.sys");
    assert_eq!(driver["reason"]["name"], "explicitly-denied");
    assert_eq!(driver["trust"], "unsigned");
    let advice = driver["advice"][0].as_str().expect("text");
    assert!(advice.contains("deny rule ID_DENY_TWO"), "{advice}");
    let shown = desk.run(&["mode", "enforce"], Outcome::Refused);
    assert!(
        shown.contains("2.sys") && shown.contains("ID_DENY_TWO") && shown.contains("  - "),
        "{shown}"
    );
    let [forced] = desk
        .records(&["mode", "enforce", "--force"], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!(
        (&forced["taken"], &forced["mode"]),
        (&true.into(), &"enforce".into())
    );
}

/// Drivers may be in the way that nobody named, and who forces enforcement is to know.
#[test]
fn a_list_of_drivers_that_is_cut_is_said_to_be() {
    let mut desk = Desk::ready(&[]);
    let outcome = ModeOutcome {
        error: 0.into(),
        mode: 2.into(),
        mode_asked: 2.into(),
        holds: 0.into(),
        until: 0.into(),
        blockers: 0.into(),
        persisted: 0.into(),
        listed: 0xc000_009a.into(),
    };
    desk.script(ioctl::MODE, outcome.as_bytes(), |_| ());
    let [mode] = desk
        .records(&["mode", "enforce", "--force"], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!((&mode["taken"], &mode["listed"]), (&true.into(), &false.into()));
}

#[test]
fn enforcement_that_cannot_be_is_declined_with_what_to_do() {
    let desk = Desk::new();
    let declined = |expected: &str| {
        let (done, _) = desk.try_run(&["mode", "enforce"]);
        let error = done.expect_err("declined");
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(expected), "{error}");
    };
    declined("push one with `gatehouse push`");
    let document = desk.file("p.xml", policy(&[]));
    desk.run(&["push", &document], Outcome::Done);
    declined("gatehouse doctor");
    desk.driver.gate.host().set_features(features::FILTER);
    desk.driver.gate.host().set_in_use(None);
    declined("--force");
    for wrong in [
        &["mode", "evaluate", "--for", "30m"][..],
        &["mode", "evaluate", "--force"],
        &["mode", "enforce", "--for", "0s"],
    ] {
        assert_eq!(
            desk.try_run(wrong).0.expect_err("wrong").exit_code(),
            2,
            "{wrong:?}"
        );
    }
}

#[test]
fn a_set_that_was_not_kept_is_in_force_all_the_same() {
    let mut desk = Desk::new();
    let document = desk.file("p.xml", policy(&[]));
    let outcome = PushOutcome {
        error: 0.into(),
        persisted: 0xc000_007f.into(),
        offset: 0.into(),
        generation: 4.into(),
        set_sha256: [7; 32],
    };
    desk.script(ioctl::PUSH, outcome.as_bytes(), |_| ());
    let [pushed] = desk
        .records(&["push", &document], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!(
        (&pushed["accepted"], &pushed["kept"]),
        (&true.into(), &false.into())
    );
    assert_eq!(pushed["status"], "0xc000007f");
}

#[test]
fn every_reason_to_reject_a_set_says_what_to_do() {
    for (code, name, advice) in [
        (push_error::NO_MEMORY, "no-memory", "memory"),
        (push_error::UNSIGNED, "unsigned", "gatehouse policy sign"),
        (push_error::ENVELOPE, "envelope", "gatehouse policy sign"),
        (push_error::SIGNATURE, "signature", "fingerprint"),
        (push_error::SEQUENCE, "sequence", "--sequence"),
        (push_error::NOTHING_BEFORE, "nothing-before", "push the set"),
        (push_error::NOT_KEPT, "not-kept", "disk"),
    ] {
        let mut desk = Desk::new();
        let outcome = PushOutcome {
            error: code.into(),
            persisted: 0.into(),
            offset: 0.into(),
            generation: 0.into(),
            set_sha256: [0; 32],
        };
        desk.script(ioctl::ROLLBACK, outcome.as_bytes(), |_| ());
        let (done, text) = desk.try_run(&["rollback", "--json"]);
        let error = done.expect_err("rejected");
        assert_eq!(error.exit_code(), 6);
        assert!(error.to_string().contains(advice), "{error}");
        let record: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(record["error"]["name"], name);
    }
}

#[test]
fn a_signed_set_is_pushed_as_it_is_and_a_damaged_one_not_at_all() {
    let desk = Desk::new();
    let path = |name: &str| desk.path(name).to_str().expect("UTF-8").to_owned();
    let document = desk.file("p.xml", policy(&[]));
    desk.run(
        &["policy", "compile", &document, "-o", &path("p.ghp")],
        Outcome::Done,
    );
    desk.run(&["policy", "key", "new", "-o", &path("k")], Outcome::Done);
    let sign = [
        "policy",
        "sign",
        &path("p.ghp"),
        "--key",
        &path("k"),
        "--sequence",
        "5",
        "-o",
        &path("s"),
    ];
    let [signed] = desk.records(&sign, Outcome::Done).try_into().expect("one");
    assert_eq!(signed["sequence"], 5);
    let mut bytes = std::fs::read(path("s")).expect("written");
    let set = std::fs::read(path("p.ghp")).expect("written");
    assert!(bytes.ends_with(&set) && bytes.len() > set.len());
    // What a signed set holds can be looked at and weighed by like any other.
    desk.file("1.sys", driver_image(1));
    desk.run(
        &["simulate", "--policy", &path("s"), &path("1.sys")],
        Outcome::Refused,
    );
    bytes.truncate(bytes.len() - 1);
    let cut = desk.file("cut", &bytes);
    assert_eq!(desk.try_run(&["push", &cut]).0.expect_err("cut").exit_code(), 3);
    let both = desk
        .try_run(&["push", &path("s"), &document])
        .0
        .expect_err("not together");
    assert_eq!(both.exit_code(), 2);
}

/// Who may sign: from no key to one, to another, and back to none.
#[test]
fn a_key_decides_which_sets_are_taken() {
    let desk = Desk::new();
    let path = |name: &str| desk.path(name).to_str().expect("UTF-8").to_owned();
    let document = desk.file("p.xml", policy(&[]));
    desk.run(
        &["policy", "compile", &document, "-o", &path("p.ghp")],
        Outcome::Done,
    );
    for key in ["first", "second"] {
        desk.run(&["policy", "key", "new", "-o", &path(key)], Outcome::Done);
    }
    let sign = |key: &str, sequence: &str, signed: &str| {
        let arguments = [
            "policy",
            "sign",
            &path("p.ghp"),
            "--key",
            &path(key),
            "--sequence",
            sequence,
            "-o",
            &path(signed),
        ];
        desk.run(&arguments, Outcome::Done);
    };
    sign("first", "5", "five");
    sign("first", "4", "four");
    sign("second", "6", "foreign");
    let rejected = |file: &str| {
        let (done, text) = desk.try_run(&["push", "--json", file]);
        assert_eq!(done.expect_err("rejected").exit_code(), 6);
        let record: Value = serde_json::from_str(&text).expect("JSON");
        record["error"]["name"].as_str().expect("text").to_owned()
    };
    let provisioned = desk.records(&["key", "provision", &path("first.pub")], Outcome::Done);
    let status = || desk.records(&["status"], Outcome::Done).remove(0);
    assert_eq!(status()["key_fingerprint"], provisioned[0]["fingerprint"]);
    assert_eq!(rejected(&document), "unsigned");
    assert_eq!(rejected(&path("foreign")), "signature");
    let [pushed] = desk
        .records(&["push", &path("five")], Outcome::Done)
        .try_into()
        .expect("one");
    assert_eq!(pushed["kept"], true);
    assert_eq!(status()["set_sequence"], 5);
    assert_eq!(rejected(&path("four")), "sequence");
    assert_eq!(rejected(&path("five")), "sequence");
    let without = desk.try_run(&["key", "provision", &path("second.pub")]).0;
    let error = without.expect_err("the first key must agree").to_string();
    assert!(error.contains("--old-key"), "{error}");
    let replace = [
        "key",
        "provision",
        &path("second.pub"),
        "--old-key",
        &path("first"),
    ];
    desk.run(&replace, Outcome::Done);
    desk.run(&["push", &path("foreign")], Outcome::Done);
    desk.run(&["key", "remove", "--old-key", &path("second")], Outcome::Done);
    assert_eq!(status()["key_fingerprint"], Value::Null);
    desk.run(&["push", &document], Outcome::Done);
    let events = desk.records(&["events"], Outcome::Done);
    let changes = events.iter().filter(|event| event["kind"] == "key-changed");
    assert_eq!(changes.count(), 3, "each change is an event");
}

#[test]
fn going_back_brings_the_generation_before() {
    let desk = Desk::new();
    let (done, text) = desk.try_run(&["rollback", "--json"]);
    assert_eq!(done.expect_err("nothing before").exit_code(), 6);
    let record: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(record["error"]["name"], "nothing-before");
    let push = |name: &str, hash: &str| {
        let document = desk.file(name, policy(&[("ID_ALLOW", true, hash)]));
        let pushed = desk.records(&["push", &document], Outcome::Done).remove(0);
        pushed["set_sha256"].clone()
    };
    let first = push("1.xml", &"12".repeat(32));
    let second = push("2.xml", &"34".repeat(32));
    assert_ne!(first, second);
    let back = desk.records(&["rollback"], Outcome::Done).remove(0);
    assert_eq!((&back["accepted"], &back["set_sha256"]), (&true.into(), &first));
}

/// What was loaded against the policy is in the way, with the reason; what was allowed is counted by its rule.
#[test]
fn loads_show_in_readiness_and_metrics() {
    let desk = Desk::new();
    let files = [image(&desk, 1), image(&desk, 2)];
    let hashes = [1, 2].map(|seed| authenticode_sha256(&driver_image(seed)));
    let rules = [
        ("ID_ALLOW_ONE", true, &*hashes[0]),
        ("ID_DENY_TWO", false, &*hashes[1]),
        ("ID_ALLOW_NOTHING", true, &*"12".repeat(32)),
    ];
    let document = desk.file("p.xml", audit_policy(&rules));
    desk.run(&["push", &document], Outcome::Done);
    let set = ["readiness", "--runtime", "2h", "--boots", "2"];
    let [progress] = desk.records(&set, Outcome::Done).try_into().expect("one");
    assert_eq!(progress["runtime_needed_seconds"], 7200);
    assert_eq!(
        (&progress["boots_needed"], &progress["violators"]),
        (&2.into(), &0.into())
    );
    desk.load(&files[0]);
    desk.load(&files[1]);
    let [progress, driver] = desk
        .records(&["readiness"], Outcome::Refused)
        .try_into()
        .expect("two");
    assert_eq!(
        (&progress["violators"], &progress["passed"]),
        (&1.into(), &false.into())
    );
    assert_eq!(driver["path"], *files[1]);
    assert_eq!(driver["reason"]["name"], "explicitly-denied");
    assert_eq!(driver["sha256"], *hashes[1]);
    let advice = driver["advice"][0].as_str().expect("text");
    assert!(advice.contains("newer version"), "{advice}");
    let [metrics] = desk.records(&["metrics"], Outcome::Done).try_into().expect("one");
    let hits: Vec<_> = metrics["rules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| {
            (
                rule["id"].as_str().expect("text"),
                rule["times"].as_u64().expect("a number"),
            )
        })
        .collect();
    assert_eq!(hits, [("ID_ALLOW_ONE", 1), ("ID_DENY_TWO", 1)]);
    assert_eq!(metrics["unused"][0]["id"], "ID_ALLOW_NOTHING");
    assert_eq!(metrics["times_us"]["decided"]["count"], 2);
    let shown = desk.run(&["metrics"], Outcome::Done);
    assert!(
        shown.contains("P99") && shown.contains("1 rules decided nothing"),
        "{shown}"
    );
    desk.run(&["readiness", "--restart"], Outcome::Done);
}

#[test]
fn a_key_that_is_not_taken_says_why() {
    for (code, old, advice) in [
        (key_error::SIGNATURE, false, "--old-key"),
        (key_error::SIGNATURE, true, "not the one that is provisioned"),
        (key_error::NOT_KEPT, false, "the disk is full"),
        (key_error::WEAK_KEY, false, "gatehouse policy key new"),
    ] {
        let mut desk = Desk::new();
        let key = desk.path("k").to_str().expect("UTF-8").to_owned();
        let public = format!("{key}.pub");
        desk.run(&["policy", "key", "new", "-o", &key], Outcome::Done);
        let outcome = KeyOutcome {
            error: code.into(),
            persisted: 0xc000_007f.into(),
            key: [9; 32],
        };
        desk.script(ioctl::KEY, outcome.as_bytes(), |_| ());
        let mut arguments = vec!["key", "provision", &public];
        if old {
            arguments.extend(["--old-key", &key]);
        }
        let error = desk.try_run(&arguments).0.expect_err("not taken");
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(advice), "{error}");
    }
}

fn progress() -> Progress {
    Progress {
        runtime_needed: (100 * 3600 * 10_000_000_u64).into(),
        runtime: (40 * 3600 * 10_000_000_u64).into(),
        boots_needed: 3.into(),
        boots: 3.into(),
        persistent: 1.into(),
        ..Progress::default()
    }
}

#[test]
fn readiness_says_how_far_and_what_is_in_the_way() {
    let mut desk = Desk::ready(&[]);
    desk.script(ioctl::PROGRESS, progress().as_bytes(), |_| ());
    let shown = desk.run(&["readiness"], Outcome::Done);
    assert!(
        shown.contains("40h of 100h") && shown.contains("3 of 3") && shown.contains("60h of runtime to go"),
        "{shown}"
    );
    let violated = Progress {
        violators: 1.into(),
        audits: 2.into(),
        ..progress()
    };
    desk.script(ioctl::PROGRESS, violated.as_bytes(), |writer| {
        writer.group(tag::DRIVER, |writer| {
            utf16(writer, tag::PATH, r"\??\C:\old.sys");
            writer.number(tag::TRUST, 5);
            writer.number(tag::REASON, 21);
            writer.number(tag::TIMES, 2);
        });
    });
    let [progress, driver] = desk
        .records(&["readiness"], Outcome::Refused)
        .try_into()
        .expect("two");
    assert_eq!(progress["schema"], "gatehouse.progress/1");
    assert_eq!(progress["runtime_seconds"], 40 * 3600);
    assert_eq!(
        (&driver["trust"], &driver["times"]),
        (&"cross-signed".into(), &2.into())
    );
    let shown = desk.run(&["readiness"], Outcome::Refused);
    assert!(
        shown.contains("gatehouse policy new --level FilePublisher"),
        "{shown}"
    );
}

#[test]
fn metrics_tell_times_hits_and_unused_rules() {
    let mut desk = Desk::new();
    let rules = [
        ("ID_ALLOW_ONE", true, &*"12".repeat(32)),
        ("ID_ALLOW_TWO", true, &*"34".repeat(32)),
    ];
    let document = desk.file("p.xml", policy(&rules));
    // Another policy with a rule of the same id.
    let other_id = "{9A6B1C02-5D0E-4F43-8E5D-3A1F6B7C8D91}";
    let other = policy(&rules[..1]).replace("{9A6B1C02-5D0E-4F43-8E5D-3A1F6B7C8D90}", other_id);
    let other = desk.file("other.xml", other);
    desk.run(&["push", &document, &other], Outcome::Done);
    let mut metrics = Metrics {
        hits_none: 4.into(),
        ..Metrics::default()
    };
    metrics.decided[3] = 10.into();
    let hits = |writer: &mut Writer<'_>| {
        writer.group(tag::RULE_HITS, |writer| {
            let id = [
                0x02, 0x1c, 0x6b, 0x9a, 0x0e, 0x5d, 0x43, 0x4f, 0x8e, 0x5d, 0x3a, 0x1f, 0x6b, 0x7c, 0x8d,
                0x90,
            ];
            writer.bytes(tag::POLICY_ID, &id);
            writer.text(tag::RULE_ID, "ID_ALLOW_ONE".chars());
            writer.number(tag::RULE_ACTION, 0);
            writer.number(tag::TIMES, 6);
        });
    };
    desk.script(ioctl::METRICS, metrics.as_bytes(), hits);
    let [record] = desk.records(&["metrics"], Outcome::Done).try_into().expect("one");
    assert_eq!(record["times_us"]["decided"]["p99"], 0.8);
    assert_eq!(record["times_us"]["read"]["p50"], Value::Null);
    assert_eq!(record["rules"][0]["times"], 6);
    assert_eq!(record["unused"][0]["id"], "ID_ALLOW_TWO");
    assert_eq!(record["unused"][1]["id"], "ID_ALLOW_ONE");
    assert_eq!(record["unused"][1]["policy_id"], other_id);
    assert_eq!(record["unused"].as_array().expect("a list").len(), 2);
    // What was not counted one by one may have been any rule.
    metrics.hits_unlisted = 1.into();
    desk.script(ioctl::METRICS, metrics.as_bytes(), hits);
    let [record] = desk.records(&["metrics"], Outcome::Done).try_into().expect("one");
    assert_eq!(record["unused"], serde_json::json!([]));
}

/// Everything that a driver can say of itself anywhere, and not a word of what only Windows can tell.
#[test]
#[cfg(not(windows))]
fn the_doctor_does_not_guess() {
    let desk = Desk::new();
    let checks = desk.records(&["doctor"], Outcome::Failed);
    let state = |name: &str| {
        let check = checks.iter().find(|check| check["check"] == name);
        check.expect("a check")["state"]
            .as_str()
            .expect("text")
            .to_owned()
    };
    assert_eq!(state("policy"), "finding");
    for name in [
        "secure-boot",
        "test-signing",
        "memory-integrity",
        "windows-evaluation",
        "altitude",
    ] {
        assert_eq!(state(name), "not-known", "{name}");
    }
}

#[test]
fn following_brings_what_comes_and_goes_on_until_the_reader_leaves() {
    let desk = Desk::new();
    let mut client = desk.driver.client();
    let waited = client
        .await_events(1, std::time::Duration::ZERO)
        .expect("answered");
    assert!(waited.is_none(), "there is nothing after the start");
    let driver = desk.driver.clone();
    let pusher = std::thread::spawn(move || driver.client().push(b"no set").expect("answered").error.get());
    let waited = client
        .await_events(1, std::time::Duration::from_mins(1))
        .expect("answered")
        .expect("an event");
    assert_ne!(pusher.join().expect("no panic"), 0);
    assert_eq!((waited.head.count.get(), waited.head.last.get()), (1, 2));
}

#[test]
fn records_are_as_their_schemas_say() {
    let desk = Desk::ready(&[]);
    let file = image(&desk, 2);
    desk.run(&["check", &file], Outcome::Refused);
    let schemas = desk.records(&["schema"], Outcome::Done);
    let required = |name: &str| -> Vec<String> {
        let schema = schemas.iter().find(|schema| schema["title"] == name);
        let required = schema.expect("a schema")["required"]
            .as_array()
            .expect("a list")
            .clone();
        required
            .iter()
            .map(|field| field.as_str().expect("text").to_owned())
            .collect()
    };
    for arguments in [&["events"][..], &["status"], &["mode", "evaluate"]] {
        for record in desk.records(arguments, Outcome::Done) {
            let name = record["schema"].as_str().expect("text");
            for field in required(name) {
                assert!(record.get(&field).is_some(), "{name} lacks {field}: {record}");
            }
        }
    }
    assert_eq!(
        desk.try_run(&["schema", "nothing"])
            .0
            .expect_err("unknown")
            .exit_code(),
        2
    );
}
