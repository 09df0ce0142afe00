//! The driver writing to Event Tracing for Windows, in a kernel whose tracing keeps what a listener would get.

#[path = "etw_recorded/written.rs"]
mod written;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;
use written::Written;
use written::read;
use written::text;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::CLEAN_STOP;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use gatehouse_tests::policy;
use lab::faults::FaultReport;
use lab::faults::Plan;
use lab::faults::Site;
use lab::packages;
use protocol::etw;
use serde_json::Value;

/// What an image is checked by that has signatures.
const SIGNED: &str = r"C:\signed.sys";
/// A load that is told, one that is refused, a check, changes of the mode, and a set that is rejected.
const SCENARIO: &str = r"C:\gatehouse\gatehouse.exe --quiet push C:\policy.ghp
net start subject >nul
net stop subject >nul
C:\gatehouse\gatehouse.exe --quiet check C:\signed.sys >nul
C:\gatehouse\gatehouse.exe --quiet mode enforce --force >nul
net start subject >nul
C:\gatehouse\gatehouse.exe --quiet mode evaluate >nul
C:\gatehouse\gatehouse.exe --quiet push --unchecked C:\signed.sys >nul
";
/// Kinds of events that are there after it.
const KINDS: [&str; 8] = [
    "baseline",
    "check",
    "image-load",
    "image-refused",
    "mode-changed",
    "policy-activated",
    "policy-rejected",
    "started",
];
/// Every keyword.
const ALL: u64 = u64::MAX;

/// The event that tells of a record.
fn event_of(record: &Value) -> u16 {
    match (text(&record["kind"]), text(&record["verdict"]["decision"])) {
        ("image-load" | "baseline" | "check", "allow") => 100,
        ("image-load" | "baseline" | "check", _) => 3076,
        ("image-refused", _) => 3077,
        ("started", _) => 110,
        ("policy-activated", _) => 111,
        ("policy-rejected", _) => 112,
        ("policy-restored", _) => 113,
        ("mode-changed", _) => 120,
        ("evaluation-reset", _) => 122,
        other => panic!("{other:?}"),
    }
}

fn mode(record: &Value) -> u64 {
    match text(&record["mode"]) {
        "evaluate" => 1,
        "enforce" => 2,
        _ => 0,
    }
}

/// Numbers of the kinds of records about images.
fn kind(record: &Value) -> u64 {
    match text(&record["kind"]) {
        "image-load" => 1,
        "baseline" => 2,
        "check" => 3,
        "image-refused" => 8,
        other => panic!("{other}"),
    }
}

fn same_image(record: &Value, written: &Written) {
    let (evidence, verdict) = (&record["evidence"], &record["verdict"]);
    let policies = verdict["policies"].as_array().cloned().unwrap_or_default();
    let deciding = policies
        .iter()
        .find(|policy| policy["decision"] == verdict["decision"]);
    let deciding = deciding.unwrap_or(&Value::Null);
    let version = &evidence["version"];
    for (field, expected) in [
        ("File Name", &record["path"]),
        ("PolicyName", &deciding["name"]),
        ("RuleID", &deciding["rule"]["id"]),
        ("OriginalFileName", &version["original_filename"]),
        ("InternalName", &version["internal_name"]),
        ("FileDescription", &version["file_description"]),
        ("ProductName", &version["product_name"]),
    ] {
        assert_eq!(written.text(field), text(expected), "{field}: {record}");
    }
    // The first three parts of a GUID are little-endian in memory.
    let id = written.hex("PolicyGUID");
    let part = |from: usize, to: usize| {
        (from..to)
            .rev()
            .map(|byte| &id[2 * byte..2 * byte + 2])
            .collect::<String>()
    };
    let id = format!(
        "{{{}-{}-{}-{}-{}}}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        &id[16..20],
        &id[20..]
    );
    let policy = deciding["policy_id"].as_str();
    let none = "{00000000-0000-0000-0000-000000000000}";
    assert!(id.eq_ignore_ascii_case(policy.unwrap_or(none)), "{id}: {record}");
    for (field, expected) in [
        ("SHA1 Hash", &evidence["authenticode"]["sha1"]),
        ("SHA256 Hash", &evidence["authenticode"]["sha256"]),
        ("SHA1 Flat Hash", &evidence["flat"]["sha1"]),
        ("SHA256 Flat Hash", &evidence["flat"]["sha256"]),
        ("PolicyHash", &record["set_sha256"]),
    ] {
        assert_eq!(written.hex(field), text(expected), "{field}: {record}");
    }
    let signatures = evidence["signatures"].as_array().map_or(0, Vec::len);
    let file_version = text(&version["file_version"]).split('.');
    let file_version = file_version.fold(0, |all, part| all << 16 | part.parse::<u64>().unwrap_or(0));
    for (field, expected) in [
        ("ProcessId", record["process_id"].as_u64().unwrap_or(0)),
        ("SI Signing Scenario", 0),
        ("Kind", kind(record)),
        ("FileVersion", file_version),
        (
            "VerificationError",
            verdict["reason"]["code"].as_u64().expect("a reason"),
        ),
        ("TotalSignatureCount", signatures as u64),
        ("Mode", mode(record)),
        ("Generation", record["generation"].as_u64().unwrap_or(0)),
    ] {
        assert_eq!(written.number(field), expected, "{field}: {record}");
    }
}

fn same_signature(record: &Value, index: usize, written: &Written) {
    let signature = &record["evidence"]["signatures"][index];
    let chain = &signature["chain"];
    for (field, expected) in [
        ("PublisherName", &chain[0]["subject_cn"]),
        ("IssuerName", &chain[0]["issuer_cn"]),
        ("OemID", &signature["oem_id"]),
    ] {
        assert_eq!(written.text(field), text(expected), "{field}: {record}");
    }
    for (field, certificate) in [("PublisherTBSHash", &chain[0]), ("IssuerTBSHash", &chain[1])] {
        assert_eq!(
            written.hex(field),
            text(&certificate["tbs"]["hash"]),
            "{field}: {record}"
        );
    }
    let of_catalogue = signature["source"] == "catalog";
    for (field, expected) in [
        ("Signature", index as u64),
        ("PageHash", u64::from(signature["page_hashes"] == true)),
        ("SignatureType", if of_catalogue { 3 } else { 1 }),
    ] {
        assert_eq!(written.number(field), expected, "{field}: {record}");
    }
    let days = |date: &str| {
        let parts: Vec<i64> = date[..10]
            .split('-')
            .map(|part| part.parse().expect("a date"))
            .collect();
        // Counted from March, so that a leap day is a year's last.
        let (year, month) = if parts[1] > 2 {
            (parts[0], parts[1] - 3)
        } else {
            (parts[0] - 1, parts[1] + 9)
        };
        let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + parts[2];
        u64::try_from(days).expect("after Christ")
    };
    for (field, end) in [("NotValidBefore", "not_before"), ("NotValidAfter", "not_after")] {
        let since = written.number(field) / (24 * 3600 * 10_000_000);
        assert_eq!(
            since + days("1601-01-01"),
            days(text(&chain[0][end])),
            "{field}: {record}"
        );
    }
}

fn same_state(record: &Value, written: &Written) {
    let status = text(&record["status"]).trim_start_matches("0x");
    for (field, expected) in [
        ("Mode", mode(record)),
        ("Generation", record["generation"].as_u64().unwrap_or(0)),
        ("SetSequence", record["set_sequence"].as_u64().unwrap_or(0)),
        ("Count", record["count"].as_u64().unwrap_or(0)),
        ("Error", record["error"]["code"].as_u64().unwrap_or(0)),
        ("Offset", record["error"]["offset"].as_u64().unwrap_or(0)),
        ("Status", u64::from_str_radix(status, 16).unwrap_or(0)),
    ] {
        assert_eq!(written.number(field), expected, "{field}: {record}");
    }
    assert_eq!(written.hex("PolicyHash"), text(&record["set_sha256"]), "{record}");
    let holds = record["holds"].as_array().map_or(0, Vec::len);
    assert_eq!(written.number("Holds").count_ones() as usize, holds, "{record}");
    assert_eq!(
        written.number("Until") == 0,
        record["until"].is_null(),
        "{record}"
    );
}

/// What the event stream tells was written once, and nothing else.
fn same(records: &[Value], written: &[Written]) {
    let mut by_sequence: BTreeMap<u64, Vec<&Written>> = BTreeMap::new();
    for event in written {
        by_sequence
            .entry(event.number("Sequence"))
            .or_default()
            .push(event);
    }
    let told: BTreeSet<u64> = by_sequence.keys().copied().collect();
    let sequences: BTreeSet<u64> = records
        .iter()
        .filter_map(|record| record["sequence"].as_u64())
        .collect();
    assert_eq!(told, sequences);
    let mut activities = BTreeSet::new();
    for record in records {
        let events = &by_sequence[&record["sequence"].as_u64().expect("a number")];
        let signatures = record["evidence"]["signatures"].as_array().map_or(0, Vec::len);
        let ids: Vec<u16> = events.iter().map(|event| event.id).collect();
        assert_eq!(
            ids,
            [vec![event_of(record)], vec![3089; signatures]].concat(),
            "{record}"
        );
        if record["verdict"].is_object() {
            same_image(record, events[0]);
        } else {
            same_state(record, events[0]);
        }
        for (index, event) in events[1..].iter().enumerate() {
            same_signature(record, index, event);
        }
        assert!(
            events
                .iter()
                .all(|event| event.activity == events[0].activity && event.activity.len() == 32)
        );
        assert!(
            activities.insert(&events[0].activity),
            "an activity of its own: {record}"
        );
    }
}

/// That the driver's registration was undone, and everything else given back.
fn ended_well(report: &FaultReport, registrations: usize) {
    assert_eq!(report.leaks(), Vec::<String>::new());
    let tracing = report.tracing();
    let provider = gatehouse_tests::hex(&etw::PROVIDER);
    assert_eq!(
        tracing["providers"],
        serde_json::json!(vec![provider; registrations])
    );
    assert_eq!(
        (&tracing["registered"], &tracing["strays"]),
        (&false.into(), &0.into())
    );
}

fn traces(rig: &Rig) -> Result<bool> {
    let status = rig.status()?;
    let features = status["features"].as_array().context("features")?;
    Ok(features.iter().any(|feature| feature == "etw"))
}

#[test]
fn listeners_get_what_the_event_stream_tells_and_nobody_else_costs_a_write() -> Result<()> {
    let rig = Rig::installed()?;
    rig.lab.install_fault_injector()?;
    rig.create_subject()?;
    rig.lab.put(&packages::VIGEMBUS.fetch()?, SIGNED)?;
    let rules = policy(&[("Deny", &rig.digest(SUBJECT)?)]);
    rig.compile(&rules.replace("<Rule><Option>Enabled:Audit Mode</Option></Rule>", ""))?;

    rig.lab.inject_traced(1, &Plan::Count, etw::CHANNEL_KEYWORD)?;
    rig.done(&["start"])?;
    rig.batch(60, SCENARIO)?;
    let mut records = Vec::new();
    for _ in 0..50 {
        records = rig.records(&["events"])?.1;
        if KINDS
            .iter()
            .all(|kind| records.iter().any(|record| record["kind"] == *kind))
        {
            break;
        }
        sleep(Duration::from_millis(100));
    }
    ensure!(traces(&rig)?, "it traces");
    rig.done(&["stop"])?;
    let report = rig.lab.fault_report(1)?;
    ended_well(&report, 1);
    same(&records, &read(&report));
    let kinds: BTreeSet<&str> = records.iter().map(|record| text(&record["kind"])).collect();
    assert!(KINDS.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let signed = |record: &&Value| record["evidence"]["signatures"][0].is_object();
    assert!(
        records.iter().any(|record| signed(&record)),
        "a signature is among them"
    );

    let sites = report.sites();
    let registering = sites.iter().find(|site| site.function == "EtwRegister");
    let registering = registering.context("it registers")?;
    let from_entry = |site: &&Site| site.trace.last() == registering.trace.last();
    let mut writing = sites.iter().filter(|site| site.function == "EtwWriteTransfer");
    let writing = writing.find(from_entry).context("it tells of its start")?;

    // Nobody listens to the driver's keywords.
    rig.lab.inject_traced(2, &Plan::Count, 0)?;
    rig.done(&["start"])?;
    ensure!(traces(&rig)?, "it would trace");
    rig.done(&["stop"])?;
    let report = rig.lab.fault_report(2)?;
    ended_well(&report, 1);
    assert_ne!(report.calls("EtwEventEnabled"), 0);
    assert_eq!(report.calls("EtwWriteTransfer"), 0);

    // Tracing refuses the driver: it does without, and says so.
    rig.lab
        .inject_traced(3, &Plan::Site(registering.site.clone(), 1), ALL)?;
    rig.done(&["start"])?;
    ensure!(!traces(&rig)?, "it does not trace");
    let (_, answers) = rig.records(&["check", SUBJECT])?;
    assert_eq!(answers[0]["decision"], "refuse");
    rig.done(&["stop"])?;
    let report = rig.lab.fault_report(3)?;
    assert!(report.fired());
    ended_well(&report, 0);
    assert_eq!(
        report.calls("EtwEventEnabled") + report.calls("EtwWriteTransfer"),
        0
    );

    // Tracing loses the event of the start: the driver counts it, and its own stream has it.
    rig.lab
        .inject_traced(4, &Plan::Site(writing.site.clone(), 1), ALL)?;
    rig.done(&["start"])?;
    assert_eq!(rig.status()?["failures"]["tracing"], 1);
    assert_eq!(rig.events("started")?.len(), 1);
    rig.done(&["stop"])?;
    let report = rig.lab.fault_report(4)?;
    ended_well(&report, 1);
    let written = read(&report);
    assert!(!written.is_empty() && written.iter().all(|event| event.id != 110));
    assert_eq!(rig.stop_lines()?, [CLEAN_STOP; 4]);
    Ok(())
}
