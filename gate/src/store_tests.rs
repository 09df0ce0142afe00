//! What a restart finds: after a clean stop, after power failed at any step of any change, and after somebody was at the files.

use crate::Gate;
use crate::host::NtStatus;
use crate::process::Files;
use crate::process::Process;
use crate::state::ModeKept;
use crate::state::State;
use crate::testing::events_after;
use crate::testing::image;
use crate::testing::policy_set;
use crate::testing::push;
use crate::testing::request;
use crate::testing::send;
use crate::testing::status;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::ioctl;
use protocol::message::Mode;
use protocol::message::PushOutcome;
use protocol::message::push_error;
use protocol::report::StoredFile;
use protocol::report::state_error;
use sha2::Digest;
use sha2::Sha256;
use std::string::ToString;
use std::sync::OnceLock;
use std::vec;
use std::vec::Vec;
use zerocopy::FromBytes;

/// A gate as the next start has it.
pub fn restarted(files: Files) -> Gate<Process> {
    let gate = Gate::try_new(Process::with_stored(files)).expect("memory");
    gate.restore();
    gate
}

/// One set for each mark.
pub fn set(mark: u8) -> Vec<u8> {
    static SETS: [OnceLock<Vec<u8>>; 16] = [const { OnceLock::new() }; 16];
    SETS[usize::from(mark)]
        .get_or_init(|| policy_set(&[("Allow", &image(mark))]))
        .clone()
}

/// SHA-256 of the set in force, zeros for none.
pub fn in_force(gate: &Gate<Process>) -> [u8; 32] {
    status(gate).set_sha256
}

pub fn sha256(set: &[u8]) -> [u8; 32] {
    Sha256::digest(set).into()
}

pub fn roll_back(gate: &Gate<Process>) -> PushOutcome {
    let answer = send(gate, ioctl::ROLLBACK, &request(&[]), size_of::<PushOutcome>()).expect("an outcome");
    PushOutcome::read_from_bytes(&answer).expect("its size")
}

/// An event about a stored file.
#[derive(Debug, PartialEq)]
pub struct Told {
    pub kind: Kind,
    file: Option<u64>,
    error: Option<u64>,
    status: Option<u64>,
}

/// The events about stored files.
pub fn told(gate: &Gate<Process>) -> Vec<Told> {
    let (_, bytes) = events_after(gate, 0);
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Some((record, after)) = protocol::event::split(rest) {
        let number = |tag| record.fields.find(tag).and_then(protocol::field::Field::number);
        let kind = Kind::from_number(record.head.kind.get()).expect("a known kind");
        let is_wanted = matches!(
            kind,
            Kind::RestoreFailed | Kind::PolicyRestored | Kind::PersistFailed | Kind::StateNotKept
        );
        if is_wanted {
            found.push(Told {
                kind,
                file: number(tag::STORED_FILE),
                error: number(tag::ERROR),
                status: number(tag::STATUS),
            });
        }
        rest = after;
    }
    found
}

pub fn failed(file: StoredFile, error: Option<u32>, status: Option<NtStatus>) -> Told {
    Told {
        kind: Kind::RestoreFailed,
        file: Some(u64::from(file.number())),
        error: error.map(u64::from),
        status: status.map(|status| u64::from(status.bits())),
    }
}

pub fn not_kept() -> Told {
    Told {
        kind: Kind::StateNotKept,
        file: Some(u64::from(StoredFile::State.number())),
        error: None,
        status: None,
    }
}

/// What a driver leaves that stops.
pub fn ended(gate: &Gate<Process>) -> Files {
    gate.save_at_stop();
    gate.host().stored()
}

pub fn restored(file: StoredFile) -> Told {
    Told {
        kind: Kind::PolicyRestored,
        file: Some(u64::from(file.number())),
        error: None,
        status: None,
    }
}

#[test]
fn the_set_in_force_and_the_mode_outlive_the_driver() {
    let gate = restarted(Files::new());
    assert_eq!(told(&gate), [], "a first start has nothing to tell");
    let outcome = push(&gate, &set(1));
    assert_eq!((outcome.error.get(), outcome.persisted.get()), (0, 0));
    let mode = ModeKept {
        asked: Mode::Enforce,
        until: 77,
    };
    gate.keep_mode(mode).expect("kept");
    let gate = restarted(ended(&gate));
    assert_eq!(
        (status(&gate).generation.get(), in_force(&gate)),
        (1, sha256(&set(1)))
    );
    assert_eq!(gate.state().mode, mode);
    assert_eq!(told(&gate), [restored(StoredFile::Active)]);
    assert_eq!(push(&gate, &set(2)).generation.get(), 2);
}

#[test]
fn a_rollback_goes_one_step_back_and_is_kept() {
    let gate = restarted(Files::new());
    assert_eq!(roll_back(&gate).error.get(), push_error::NOTHING_BEFORE);
    push(&gate, &set(1));
    assert_eq!(roll_back(&gate).error.get(), push_error::NOTHING_BEFORE);
    push(&gate, &set(2));
    // A rollback works in the run after as well.
    let gate = restarted(gate.host().stored());
    let outcome = roll_back(&gate);
    assert_eq!((outcome.error.get(), outcome.persisted.get()), (0, 0));
    assert_eq!(
        (outcome.generation.get(), outcome.set_sha256),
        (2, sha256(&set(1)))
    );
    let gate = restarted(gate.host().stored());
    assert_eq!(in_force(&gate), sha256(&set(1)));
    let outcome = roll_back(&gate);
    assert_eq!(outcome.error.get(), push_error::NOTHING_BEFORE);
    assert_eq!(outcome.set_sha256, sha256(&set(1)), "what is in force stays");
    push(&gate, &set(3));
    assert_eq!(roll_back(&gate).set_sha256, sha256(&set(1)));
}

/// Files of a run in which `set(1)` and then `set(2)` were pushed.
pub fn two_sets() -> Files {
    let gate = restarted(Files::new());
    push(&gate, &set(1));
    push(&gate, &set(2));
    ended(&gate)
}

#[test]
fn a_cut_or_altered_set_is_told_and_the_previous_one_used() {
    let files = two_sets();
    let active = StoredFile::Active.name().to_string();
    let good = files[&active].clone();
    let mut bad_ones: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    for index in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        bad[index] ^= 1 << (index % 8);
        bad_ones.push(bad);
    }
    bad_ones.push([&good[..], &[0]].concat());
    for bad in bad_ones {
        let mut files = files.clone();
        files.insert(active.clone(), bad);
        let gate = restarted(files);
        assert_eq!(in_force(&gate), sha256(&set(1)));
        let told = told(&gate);
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].kind, told[0].file), (Kind::RestoreFailed, Some(1)));
        assert!(told[0].error.is_some_and(|error| error != 0));
        assert_eq!(told[1], restored(StoredFile::Previous));
        // And it is the one in force for good.
        assert_eq!(in_force(&restarted(gate.host().stored())), sha256(&set(1)));
    }
}

#[test]
fn a_missing_set_is_told_and_the_previous_one_used() {
    let mut files = two_sets();
    files.remove(StoredFile::Active.name());
    let gate = restarted(files.clone());
    assert_eq!(in_force(&gate), sha256(&set(1)));
    let missing = || failed(StoredFile::Active, None, Some(NtStatus::NOT_FOUND));
    assert_eq!(told(&gate), [missing(), restored(StoredFile::Previous)]);
    files.remove(StoredFile::Previous.name());
    let gate = restarted(files);
    assert_eq!(in_force(&gate), [0; 32]);
    assert_eq!(told(&gate), [missing()], "the state knows that there was a set");
}

#[test]
fn with_both_sets_bad_there_is_none_and_a_push_heals() {
    let mut files = two_sets();
    for file in [StoredFile::Active, StoredFile::Previous] {
        files.insert(file.name().to_string(), vec![0; 10]);
    }
    let gate = restarted(files);
    assert_eq!(status(&gate).generation.get(), 0);
    assert_eq!(told(&gate).len(), 2);
    assert_eq!(push(&gate, &set(3)).persisted.get(), 0);
    assert_eq!(in_force(&restarted(gate.host().stored())), sha256(&set(3)));
    assert_ne!(
        roll_back(&gate).error.get(),
        0,
        "the bad one is no set to go back to"
    );
    assert_eq!(in_force(&gate), sha256(&set(3)));
}

#[test]
fn an_altered_state_is_told_and_nothing_of_it_believed() {
    let files = {
        let gate = restarted(two_sets());
        gate.keep_mode(ModeKept {
            asked: Mode::Enforce,
            until: 0,
        })
        .expect("kept");
        ended(&gate)
    };
    let name = StoredFile::State.name().to_string();
    let good = files[&name].clone();
    for index in 0..good.len() {
        let mut files = files.clone();
        files.get_mut(&name).expect("a state")[index] ^= 0x10;
        let gate = restarted(files);
        assert_eq!(gate.state().mode.asked, Mode::Evaluate);
        assert_eq!(told(&gate)[0].kind, Kind::RestoreFailed);
        assert_eq!(in_force(&gate), sha256(&set(2)));
    }
    let mut longer = files.clone();
    longer.get_mut(&name).expect("a state").push(0);
    assert_eq!(
        told(&restarted(longer))[0],
        failed(StoredFile::State, None, Some(NtStatus::FILE_TOO_LARGE))
    );
    let mut shorter = files;
    shorter.get_mut(&name).expect("a state").truncate(40);
    let gate = restarted(shorter);
    assert_eq!(
        told(&gate)[0],
        failed(StoredFile::State, Some(state_error::LENGTH), None)
    );
    assert_eq!(
        State::read(&gate.host().stored()[&name]),
        Err(state_error::LENGTH),
        "left as it is"
    );
}

#[test]
fn a_stop_before_the_restore_overwrites_nothing() {
    let files = two_sets();
    let gate = Gate::try_new(Process::with_stored(files.clone())).expect("memory");
    gate.save_at_stop();
    assert_eq!(gate.host().stored(), files);
}

#[test]
fn a_run_that_does_not_end_as_it_should_is_told_by_the_next() {
    let files = two_sets();
    let gate = restarted(files.clone());
    assert_eq!(told(&gate), [restored(StoredFile::Active)], "the last run ended");
    assert_eq!(status(&gate).failures.last_end.get(), 0);
    // Power fails.
    let gate = restarted(gate.host().stored());
    assert_eq!(told(&gate), [restored(StoredFile::Active), not_kept()]);
    assert_eq!(status(&gate).failures.last_end.get(), 1);
    // The disk is full when the driver stops.
    gate.host().limit_changes(Some(0));
    let gate = restarted(ended(&gate));
    assert_eq!(told(&gate), [restored(StoredFile::Active), not_kept()]);
    // It can be written, and not take its place.
    gate.host().limit_changes(Some(1));
    let gate = restarted(ended(&gate));
    assert_eq!(told(&gate), [restored(StoredFile::Active), not_kept()]);
    let gate = restarted(ended(&gate));
    assert_eq!(told(&gate), [restored(StoredFile::Active)]);
    // It could not say that it was running; that is told at once.
    let process = Process::with_stored(files);
    process.limit_changes(Some(0));
    let gate = Gate::try_new(process).expect("memory");
    gate.restore();
    assert_eq!(told(&gate)[1].kind, Kind::PersistFailed);
    assert_eq!(status(&gate).failures.keeping.get(), 1);
}

#[test]
fn a_state_that_is_missing_where_there_is_a_set_is_told_and_the_set_used() {
    let missing = || failed(StoredFile::State, None, Some(NtStatus::NOT_FOUND));
    let mut files = two_sets();
    files.remove(StoredFile::State.name());
    let gate = restarted(files.clone());
    assert_eq!(told(&gate), [restored(StoredFile::Active), missing()]);
    assert_eq!(status(&gate).failures.restoring.get(), 1);
    assert_eq!(in_force(&gate), sha256(&set(2)));
    assert_eq!(status(&gate).mode_asked.get(), Mode::Evaluate as u32);
    // Told once: from now on there is a state.
    assert_eq!(told(&restarted(ended(&gate))), [restored(StoredFile::Active)]);
    // A bad set is one as well.
    for file in [StoredFile::Active, StoredFile::Previous] {
        files.insert(file.name().to_string(), vec![0; 10]);
    }
    let gate = restarted(files);
    assert_eq!(told(&gate).last(), Some(&missing()));
    assert_eq!(status(&gate).failures.restoring.get(), 3);
}

/// What cannot be read for want of memory, say, is not lost by that: nothing that happens by itself is written over it.
#[test]
fn a_state_that_cannot_be_read_now_is_there_at_the_next_start() {
    let mode = ModeKept {
        asked: Mode::Enforce,
        until: 0,
    };
    let files = {
        let gate = restarted(two_sets());
        gate.keep_mode(mode).expect("kept");
        ended(&gate)
    };
    let unreadable = || {
        let process = Process::with_stored(files.clone());
        process.set_unreadable(StoredFile::State);
        let gate = Gate::try_new(process).expect("memory");
        gate.restore();
        let status = Some(NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(told(&gate)[0], failed(StoredFile::State, None, status));
        assert_eq!(gate.state().mode.asked, Mode::Evaluate);
        gate
    };
    let gate = unreadable();
    gate.save_progress();
    let gate = restarted(ended(&gate));
    assert_eq!(gate.state().mode, mode);
    assert_eq!(told(&gate), [restored(StoredFile::Active)]);
    // What somebody asks for is kept, and then the rest, too.
    let gate = unreadable();
    push(&gate, &set(3));
    let gate = restarted(ended(&gate));
    assert_eq!(
        (in_force(&gate), gate.state().mode.asked),
        (sha256(&set(3)), Mode::Evaluate)
    );
    assert_eq!(told(&gate), [restored(StoredFile::Active)]);
}
