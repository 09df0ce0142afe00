//! What the driver reports: readiness, metrics, events, and what the doctor makes of it.

use super::*;
use protocol::event::tag;
use protocol::field::Writer;
use protocol::ioctl;
use protocol::report::Metrics;
use protocol::report::Progress;
use zerocopy::IntoBytes;

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
