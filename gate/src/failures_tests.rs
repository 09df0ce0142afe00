//! What the driver could not do and went on without: each is counted, and does no harm.

use crate::Gate;
use crate::Path;
use crate::cache::FileKey;
use crate::host::NtStatus;
use crate::host::System;
use crate::mode::BOOT_TIME;
use crate::process::Content;
use crate::process::Process;
use crate::store_tests::restarted;
use crate::store_tests::set;
use crate::store_tests::told;
use crate::store_tests::two_sets;
use crate::testing::gate;
use crate::testing::image;
use crate::testing::policy_set;
use crate::testing::push;
use crate::testing::status;
use crate::worker::LoadedImage;
use protocol::event::Kind;
use protocol::message::Failures;
use protocol::message::Mode;
use protocol::message::holds;

fn failures(gate: &Gate<Process>) -> Failures {
    status(gate).failures
}

fn load(gate: &Gate<Process>, content: Content) {
    let path = r"\??\C:\driver.sys";
    gate.host().put(path, content);
    gate.weigh_loaded(&LoadedImage {
        path: Path::new(path.encode_utf16()),
        base: 0x1000,
        size: 0x1000,
    });
}

#[test]
fn a_driver_that_does_not_know_itself_says_so() {
    let gate = gate();
    gate.know_own_image();
    assert_eq!(failures(&gate).own_image.get(), 1);
    let content = Content {
        bytes: image(1),
        ..Content::default()
    };
    gate.host().put(r"\??\C:\gatehouse.sys", content);
    gate.know_own_image();
    assert_eq!(failures(&gate).own_image.get(), 1, "now it does");
}

#[test]
fn a_kill_switch_that_cannot_be_looked_at_is_counted_at_every_look() {
    let gate = gate();
    gate.host().set_system(System {
        is_killed: None,
        ..System::default()
    });
    gate.look_after_mode();
    gate.look_after_mode();
    assert_eq!(failures(&gate).kill_switch.get(), 2);
    assert_ne!(status(&gate).holds.get() & holds::KILL_SWITCH, 0);
}

#[test]
fn a_start_that_nobody_knows_of_ends_no_wait_and_is_no_session() {
    let gate = gate();
    push(&gate, &policy_set(&[]));
    let boots = || gate.state().evaluation.boots;
    gate.host().set_started(None);
    gate.look_after_progress();
    assert_eq!(boots(), 0);
    gate.resume_mode(Mode::Enforce, 0);
    gate.host().advance(2 * BOOT_TIME);
    gate.look_after_mode();
    assert_ne!(status(&gate).holds.get() & holds::BOOT, 0);
    let counted = failures(&gate).system_start.get();
    gate.look_after_progress();
    assert_eq!(failures(&gate).system_start.get(), counted + 1);
    assert_eq!(boots(), 0);
    gate.host().set_started(Some(0));
    gate.look_after_progress();
    assert_eq!(boots(), 1);
    gate.look_after_mode();
    assert_eq!(status(&gate).holds.get() & holds::BOOT, 0);
}

#[test]
fn a_file_that_cannot_be_asked_for_its_marks_is_read_every_time() {
    let gate = gate();
    let mut content = Content {
        bytes: image(1),
        key: Some(FileKey {
            volume: 1,
            file: 1,
            usn: 1,
            size: 0x400,
            written: 0,
            changed: 0,
        }),
        has_lost_key: true,
        ..Content::default()
    };
    load(&gate, content.clone());
    load(&gate, content.clone());
    assert_eq!(failures(&gate).file_marks.get(), 2);
    content.has_lost_key = false;
    load(&gate, content.clone());
    load(&gate, content);
    let status = status(&gate);
    assert_eq!(status.failures.file_marks.get(), 2);
    assert_eq!((status.cache_misses.get(), status.cache_hits.get()), (3, 1));
}

#[test]
fn an_event_that_a_listener_does_not_get_is_counted_and_kept() {
    let gate = gate();
    let emitted = status(&gate).events_emitted.get();
    gate.host().set_tracing(false);
    push(&gate, &policy_set(&[]));
    let status = status(&gate);
    assert_eq!(status.failures.tracing.get(), 1);
    assert_eq!(status.events_emitted.get(), emitted + 1);
    assert_eq!(status.events_failed.get(), 0);
}

#[test]
fn failures_to_write_are_told_once_in_a_row() {
    let gate = restarted(two_sets());
    let failures = |gate: &Gate<Process>| {
        let told = told(gate);
        told.iter()
            .filter(|told| told.kind == Kind::PersistFailed)
            .count()
    };
    gate.host().limit_changes(Some(0));
    for mark in 3..6 {
        assert_eq!(
            push(&gate, &set(mark)).persisted.get(),
            NtStatus::DISK_FULL.bits()
        );
    }
    assert_eq!(failures(&gate), 1);
    gate.host().limit_changes(None);
    push(&gate, &set(6));
    gate.host().limit_changes(Some(0));
    push(&gate, &set(7));
    assert_eq!(failures(&gate), 2);
}
