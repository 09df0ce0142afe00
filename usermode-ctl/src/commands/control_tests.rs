//! Commands that change the driver's ways, and those that tell how it has done.

use protocol::control::KeyOutcome;
use protocol::control::ModeOutcome;
use protocol::control::key_error;
use protocol::ioctl;
use protocol::message::PushOutcome;
use protocol::message::features;
use protocol::message::push_error;
use zerocopy::IntoBytes;

use super::*;

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
        (push_error::STEP, "sequence-step", "lower --sequence"),
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

/// Changes of the key are numbered by the clock, or one after the other where that does not do, or as asked.
#[test]
fn a_change_of_the_key_shows_its_number() {
    let desk = Desk::new();
    let path = |name: &str| desk.path(name).to_str().expect("UTF-8").to_owned();
    for key in ["first", "second"] {
        desk.run(&["policy", "key", "new", "-o", &path(key)], Outcome::Done);
    }
    let change = |new: &str, old: &str, number: &[&str]| {
        let (new, old) = (path(new), path(old));
        let mut arguments = vec!["key", "provision", &new, "--old-key", &old];
        arguments.extend(number);
        let (done, text) = {
            arguments.push("--json");
            desk.try_run(&arguments)
        };
        done.map(|_| {
            let record: Value = serde_json::from_str(&text).expect("JSON");
            record["number"].as_u64().expect("a number")
        })
    };
    let first = desk.records(&["key", "provision", &path("first.pub")], Outcome::Done);
    assert!(first[0]["number"].as_u64().expect("a number") > 1_700_000_000);
    let seconds = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.expect("after 1970").as_secs()
    };
    let before = seconds();
    let number = change("second.pub", "first", &[]).expect("taken");
    assert!((before..=seconds() + 1).contains(&number));
    // At once, and so in the same second.
    let next = change("first.pub", "second", &[]).expect("taken");
    assert!((number + 1..=seconds() + 2).contains(&next));
    let number = (next + 1_000_000).to_string();
    assert_eq!(
        change("second.pub", "first", &["--number", &number]).expect("taken"),
        next + 1_000_000
    );
    let error = change("first.pub", "second", &["--number", &number])
        .expect_err("no number twice")
        .to_string();
    assert!(
        error.contains("is not above") && error.contains("--number"),
        "{error}"
    );
    let next = change("first.pub", "second", &[]).expect("taken");
    assert_eq!(
        next,
        number.parse::<u64>().expect("a number") + 1,
        "ahead of the clock"
    );
    let status = desk.records(&["status"], Outcome::Done).remove(0);
    assert_eq!(
        (&status["key_number"], &status["key_sequence"]),
        (&next.into(), &0.into())
    );
    let text = desk.run(&["key", "remove", "--old-key", &path("first")], Outcome::Done);
    assert!(text.contains(&format!("by change number {}", next + 1)), "{text}");
}

/// Supplementals only add grants to a base policy: alone they refuse nothing, and nobody may believe otherwise.
#[test]
fn a_set_without_a_base_policy_is_said_to_refuse_nothing() {
    let desk = Desk::new();
    desk.driver.gate.host().set_features(features::FILTER);
    desk.driver.gate.host().set_in_use(Some(&[]));
    let supplemental = policy(&[])
        .replace("\"Base Policy\"", "\"Supplemental Policy\"")
        .replace("<PolicyID>{9A", "<PolicyID>{9B");
    let supplemental = desk.file("s.xml", supplemental);
    desk.run(&["push", &supplemental], Outcome::Done);
    for force in [&[][..], &["--force"]] {
        let (done, _) = desk.try_run(&[&["mode", "enforce"], force].concat());
        let error = done.expect_err("declined").to_string();
        assert!(error.contains("no base policy"), "{error}");
    }
    let shown = desk.run(&["status"], Outcome::Done);
    assert!(shown.contains("no base policy, so it refuses nothing"), "{shown}");
    let status = desk.records(&["status"], Outcome::Done).remove(0);
    assert_eq!(status["holds"][0], "no-policy");
    let base = desk.file("b.xml", policy(&[]));
    desk.run(&["push", &base, &supplemental], Outcome::Done);
    let mode = desk.records(&["mode", "enforce"], Outcome::Done).remove(0);
    assert_eq!(mode["mode"], "enforce");
    // It goes when the base does.
    desk.run(&["push", &supplemental], Outcome::Done);
    let status = desk.records(&["status"], Outcome::Done).remove(0);
    assert_eq!(
        (&status["mode"], &status["mode_asked"]),
        (&"evaluate".into(), &"enforce".into())
    );
}

#[test]
fn a_key_that_is_not_taken_says_why() {
    for (code, old, advice) in [
        (key_error::SIGNATURE, false, "--old-key"),
        (key_error::SIGNATURE, true, "not the one that is provisioned"),
        (key_error::NOT_KEPT, false, "the disk is full"),
        (key_error::WEAK_KEY, false, "gatehouse policy key new"),
        (key_error::NUMBER, true, "is not above 41"),
        (key_error::STEP, true, "more than 2^32 above 41"),
    ] {
        let mut desk = Desk::new();
        let key = desk.path("k").to_str().expect("UTF-8").to_owned();
        let public = format!("{key}.pub");
        desk.run(&["policy", "key", "new", "-o", &key], Outcome::Done);
        let outcome = KeyOutcome {
            error: code.into(),
            persisted: 0xc000_007f.into(),
            key: [9; 32],
            number: 41.into(),
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
