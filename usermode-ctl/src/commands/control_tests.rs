//! Commands that change the driver's ways, and those that tell how it has done.

use protocol::control::ModeOutcome;
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

/// Who may sign: from no key to one, to another, and back to none.
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
