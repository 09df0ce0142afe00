//! Keys and signed sets: from the files to the driver.

use protocol::control::KeyOutcome;
use protocol::control::key_error;
use protocol::ioctl;
use zerocopy::IntoBytes;

use super::*;

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
