//! The evaluation: what counts, what sets it back, what outlives the driver, and what controllers are told; and the metrics.

use crate::Gate;
use crate::LoadedImage;
use crate::Path;
use crate::host::NtStatus;
use crate::process::Content;
use crate::process::Files;
use crate::process::Process;
use crate::store_tests::restarted;
use crate::testing::events_after;
use crate::testing::image;
use crate::testing::policy_set;
use crate::testing::push;
use crate::testing::request;
use crate::testing::send;
use policy::Action;
use policy::Decision;
use protocol::control::ThresholdsRequest;
use protocol::event::Kind;
use protocol::event::MAX_RECORD;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use protocol::ioctl;
use protocol::message::Request;
use protocol::report::Metrics;
use protocol::report::Progress;
use std::format;
use std::string::String;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

const SECOND: i64 = 10_000_000;
const HOUR: i64 = 3600 * SECOND;

/// A driver as PROGRESS lists it.
#[derive(Debug, PartialEq)]
struct Listed {
    path: String,
    has_digest: bool,
    decision: Option<u64>,
    rule: Option<String>,
    times: u64,
    first: i64,
    last: i64,
}

fn progress(gate: &Gate<Process>) -> (Progress, Vec<Listed>) {
    let answer = send(gate, ioctl::PROGRESS, &request(&[]), 1 << 18).expect("progress");
    let (head, rest) = Progress::read_from_prefix(&answer).expect("a head");
    let drivers = Fields::new(rest).map(|field| {
        let field = field.expect("whole");
        assert_eq!(field.tag, tag::DRIVER);
        let fields = field.fields();
        let number = |tag| fields.find(tag).and_then(Field::number);
        let path = fields.find(tag::PATH).expect("a path");
        let units: Vec<u16> = path
            .bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|unit| u16::from_le_bytes(*unit))
            .collect();
        let rule = fields.find(tag::POLICY).and_then(|policy| {
            policy
                .fields()
                .find(tag::RULE)?
                .fields()
                .find(tag::RULE_ID)?
                .text()
        });
        Listed {
            path: String::from_utf16_lossy(&units),
            has_digest: fields.find(tag::SHA256).is_some(),
            decision: number(tag::DECISION),
            rule: rule.map(String::from),
            times: number(tag::TIMES).expect("times"),
            first: number(tag::FIRST_TIME).expect("a time").cast_signed(),
            last: number(tag::LAST_TIME).expect("a time").cast_signed(),
        }
    });
    (head, drivers.collect())
}

fn thresholds(gate: &Gate<Process>, runtime: i64, boots: u32, restart: u32) -> Result<Progress, NtStatus> {
    let asked = ThresholdsRequest {
        request: Request::new(),
        runtime: runtime.cast_unsigned().into(),
        boots: boots.into(),
        restart: restart.into(),
    };
    let answer = send(gate, ioctl::THRESHOLDS, asked.as_bytes(), size_of::<Progress>())?;
    Ok(Progress::read_from_bytes(&answer).expect("its size"))
}

/// Lets time go by, in steps as the worker's.
fn run(gate: &Gate<Process>, time: i64) {
    gate.host().advance(time);
    gate.look_after_progress();
}

fn boot(files: Files, started: i64) -> Gate<Process> {
    let process = Process::with_stored(files);
    process.set_started(Some(started));
    process.advance(started);
    let gate = Gate::try_new(process).expect("memory");
    gate.restore();
    gate
}

fn put(gate: &Gate<Process>, name: &str, bytes: Vec<u8>) -> String {
    let path = format!(r"\??\C:\{name}.sys");
    gate.host().put(
        &path,
        Content {
            bytes,
            ..Content::default()
        },
    );
    path
}

/// Loads the image of a mark.
fn load(gate: &Gate<Process>, mark: u8) {
    let path = put(gate, &format!("{mark}"), image(mark));
    crate::gate_tests::load(gate, &path, 0x1000);
    while gate.work() {}
}

fn kinds(gate: &Gate<Process>) -> Vec<u16> {
    let (_, bytes) = events_after(gate, 0);
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Some((record, after)) = protocol::event::split(rest) {
        found.push(record.head.kind.get());
        rest = after;
    }
    found
}

#[test]
fn time_counts_while_a_policy_is_in_force() {
    let gate = restarted(Files::new());
    run(&gate, HOUR);
    let (head, _) = progress(&gate);
    assert_eq!((head.runtime.get(), head.boots.get()), (0, 0));
    gate.host().advance(HOUR);
    push(&gate, &policy_set(&[("Allow", &image(1))]));
    run(&gate, HOUR);
    load(&gate, 1);
    run(&gate, HOUR);
    let (head, drivers) = progress(&gate);
    assert_eq!(
        (head.runtime.get(), head.boots.get()),
        (2 * HOUR.cast_unsigned(), 1)
    );
    assert_eq!(
        (head.audits.get(), head.violators.get(), drivers.len()),
        (0, 0, 0)
    );
    assert_eq!((head.passed.get(), head.persistent.get()), (0, 1));
    // The thresholds of Windows' own policy.
    assert_eq!(
        (head.runtime_needed.get(), head.boots_needed.get()),
        (250 * HOUR.cast_unsigned(), 3)
    );
}

#[test]
fn the_thresholds_are_those_of_windows_as_the_knowledge_has_them() {
    let (head, _) = progress(&restarted(Files::new()));
    let known = sipolicy::Knowledge::built_in().thresholds;
    let longest = known.iter().map(|known| known.uptime_hours).max().expect("some");
    assert_eq!(
        head.runtime_needed.get(),
        u64::from(longest) * HOUR.cast_unsigned()
    );
    assert!(
        known
            .iter()
            .all(|known| known.boot_sessions == head.boots_needed.get())
    );
}

#[test]
fn a_violation_sets_progress_back_and_is_told_once() {
    let gate = restarted(Files::new());
    push(&gate, &policy_set(&[("Deny", &image(2))]));
    run(&gate, HOUR);
    load(&gate, 2);
    let violated_at = gate.host().clock();
    let (head, drivers) = progress(&gate);
    assert_eq!((head.runtime.get(), head.boots.get()), (0, 1));
    assert_eq!(
        (head.audits.get(), head.blocks.get(), head.resets.get()),
        (1, 0, 1)
    );
    assert_eq!(head.last_violation.get(), violated_at);
    assert_eq!(
        drivers,
        [Listed {
            path: r"\??\C:\2.sys".into(),
            has_digest: true,
            decision: Some(u64::from(Decision::WouldRefuse.number())),
            rule: Some("ID_DENY_0".into()),
            times: 1,
            first: violated_at,
            last: violated_at,
        }]
    );
    run(&gate, SECOND);
    load(&gate, 2);
    let (head, drivers) = progress(&gate);
    assert_eq!(
        (head.audits.get(), head.resets.get(), head.violators.get()),
        (2, 1, 1)
    );
    assert_eq!(
        (drivers[0].times, drivers[0].last - drivers[0].first),
        (2, SECOND)
    );
    let resets = kinds(&gate)
        .into_iter()
        .filter(|kind| *kind == Kind::EvaluationReset.number());
    assert_eq!(resets.count(), 1, "a second of progress is none");
}

#[test]
fn images_loaded_before_count_and_checks_do_not() {
    let gate = restarted(Files::new());
    push(&gate, &policy_set(&[("Deny", &image(2))]));
    let path = put(&gate, "2", image(2));
    run(&gate, HOUR);
    let name: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    send(&gate, ioctl::CHECK, &request(&name), MAX_RECORD).expect("a record");
    assert_eq!(progress(&gate).0.audits.get(), 0);
    gate.weigh_loaded(&LoadedImage {
        path: Path::new(path.encode_utf16()),
        base: 0x1000,
        size: 0x1000,
    });
    let (head, drivers) = progress(&gate);
    assert_eq!((head.audits.get(), head.resets.get(), drivers.len()), (1, 1, 1));
}

#[test]
fn progress_outlives_the_driver_and_boot_sessions_are_told_apart() {
    let gate = boot(Files::new(), HOUR);
    push(&gate, &policy_set(&[("Deny", &image(2))]));
    run(&gate, HOUR);
    gate.save_at_stop();
    // The driver starts again in the same session.
    let gate = boot(gate.host().stored(), HOUR);
    run(&gate, HOUR);
    let (head, _) = progress(&gate);
    assert_eq!(
        (head.runtime.get(), head.boots.get()),
        (2 * HOUR.cast_unsigned(), 1)
    );
    gate.save_at_stop();
    for session in 2..=3 {
        let gate = boot(gate.host().stored(), session * 100 * HOUR);
        run(&gate, SECOND);
        assert_eq!(progress(&gate).0.boots.get(), 2);
    }
    let mut files = gate.host().stored();
    for (session, boots) in [(5, 2), (6, 3)] {
        let gate = boot(files, session * 100 * HOUR);
        run(&gate, 150 * HOUR);
        let (head, _) = progress(&gate);
        assert_eq!(
            (head.boots.get(), head.passed.get()),
            (boots, u32::from(boots == 3))
        );
        gate.save_at_stop();
        files = gate.host().stored();
    }
    let gate = boot(files, 900 * HOUR);
    run(&gate, SECOND);
    load(&gate, 2);
    let (head, _) = progress(&gate);
    assert_eq!(
        (head.boots.get(), head.passed.get(), head.resets.get()),
        (1, 0, 1)
    );
}

#[test]
fn without_a_clean_stop_ten_minutes_are_lost_at_most() {
    let gate = boot(Files::new(), HOUR);
    push(&gate, &policy_set(&[]));
    for _ in 0..1000 {
        run(&gate, 5 * SECOND);
    }
    let counted = progress(&gate).0.runtime.get();
    let found = progress(&boot(gate.host().stored(), HOUR)).0.runtime.get();
    assert!(
        counted > found && counted - found <= (600 * SECOND).cast_unsigned(),
        "{counted} {found}"
    );
    // What else a violation changes is written some seconds later.
    load(&gate, 2);
    run(&gate, 0);
    load(&gate, 2);
    run(&gate, 11 * SECOND);
    let (head, _) = progress(&boot(gate.host().stored(), HOUR));
    assert_eq!((head.audits.get(), head.resets.get()), (2, 1));
}

#[test]
fn a_crash_does_not_bring_back_what_a_violation_took() {
    let gate = boot(Files::new(), HOUR);
    push(&gate, &policy_set(&[("Deny", &image(2))]));
    run(&gate, HOUR);
    assert!(progress(&gate).0.runtime.get() > 0);
    load(&gate, 2);
    // The worker's next step; then Windows crashes.
    run(&gate, 0);
    let (head, _) = progress(&boot(gate.host().stored(), HOUR));
    assert_eq!((head.runtime.get(), head.resets.get()), (0, 1));
}

#[test]
fn thresholds_can_be_set_and_an_evaluation_started_again() {
    let gate = restarted(Files::new());
    push(&gate, &policy_set(&[("Deny", &image(2))]));
    let head = thresholds(&gate, HOUR, 1, 0).expect("progress");
    assert_eq!(
        (head.runtime_needed.get(), head.boots_needed.get()),
        (HOUR.cast_unsigned(), 1)
    );
    run(&gate, HOUR);
    assert_eq!(progress(&gate).0.passed.get(), 1);
    load(&gate, 2);
    let head = thresholds(&gate, 0, 0, 1).expect("progress");
    let counts = (
        head.audits.get(),
        head.resets.get(),
        head.violators.get(),
        head.boots.get(),
    );
    assert_eq!(counts, (0, 0, 0, 1), "this session counts again");
    assert_eq!(
        (head.runtime_needed.get(), head.boots_needed.get()),
        (HOUR.cast_unsigned(), 1)
    );
    assert_eq!(head.since.get(), gate.host().clock());
    assert_eq!(thresholds(&gate, 0, 0, 2), Err(NtStatus::INVALID_PARAMETER));
    let gate = restarted(gate.host().stored());
    assert_eq!(progress(&gate).0.boots_needed.get(), 1, "kept");
}

#[test]
fn the_list_of_violators_is_bounded_and_says_what_it_lacks() {
    let gate = restarted(Files::new());
    push(&gate, &policy_set(&[]));
    for _ in 0..2 {
        for mark in 0..100 {
            load(&gate, mark);
        }
    }
    let (head, drivers) = progress(&gate);
    assert_eq!((head.violators.get(), head.violators_unlisted.get()), (100, 36));
    assert_eq!(drivers.len(), 64);
    assert!(drivers.iter().all(|driver| driver.times == 2));
    assert_eq!(head.audits.get(), 200);
    // What does not fit an answer is left out whole.
    let answer = send(
        &gate,
        ioctl::PROGRESS,
        &request(&[]),
        size_of::<Progress>() + 1000,
    )
    .expect("progress");
    assert!(Fields::new(&answer[size_of::<Progress>()..]).all(|field| field.is_ok()));
}

#[test]
fn rules_that_decide_are_counted_and_times_taken() {
    let gate = restarted(Files::new());
    push(&gate, &policy_set(&[("Allow", &image(1)), ("Deny", &image(2))]));
    for mark in [1, 1, 2, 3, 3, 3] {
        load(&gate, mark);
    }
    let name: Vec<u8> = r"\??\C:\1.sys"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    send(&gate, ioctl::CHECK, &request(&name), MAX_RECORD).expect("a record");
    let answer = send(&gate, ioctl::METRICS, &request(&[]), 1 << 16).expect("metrics");
    let (head, rest) = Metrics::read_from_prefix(&answer).expect("a head");
    assert_eq!((head.hits_none.get(), head.hits_unlisted.get()), (3, 0));
    let mut hits: Vec<_> = Fields::new(rest)
        .map(|field| {
            let fields = field.expect("whole").fields();
            let number = |tag| fields.find(tag).and_then(Field::number).expect("a number");
            let id = fields.find(tag::RULE_ID).and_then(Field::text).expect("an id");
            (String::from(id), number(tag::RULE_ACTION), number(tag::TIMES))
        })
        .collect();
    hits.sort();
    let action = |action: Action| u64::from(action.number());
    assert_eq!(
        hits,
        [
            ("ID_ALLOW_0".into(), action(Action::Allow), 2),
            ("ID_DENY_1".into(), action(Action::Deny), 1)
        ]
    );
    let total =
        |histogram: &protocol::report::Histogram| histogram.iter().map(|count| count.get()).sum::<u64>();
    assert_eq!((total(&head.read), total(&head.decided)), (7, 7));
    assert_eq!((total(&head.queued), total(&head.held)), (6, 0));
    assert_eq!(
        send(&gate, ioctl::METRICS, &request(&[]), size_of::<Metrics>() - 1),
        Err(NtStatus::BUFFER_TOO_SMALL)
    );
}
