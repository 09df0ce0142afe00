//! Asking for enforcement, and what keeps it from taking effect.

use crate::Caller;
use crate::Passage;
use crate::filter_tests::SECOND;
use crate::filter_tests::ask;
use crate::filter_tests::bytes;
use crate::filter_tests::enforcing;
use crate::filter_tests::load;
use crate::filter_tests::path;
use crate::filter_tests::put;
use crate::filter_tests::ready;
use crate::host::NtStatus;
use crate::host::System;
use crate::mode::BOOT_TIME;
use crate::process::Content;
use crate::testing::enforced_set;
use crate::testing::events_after;
use crate::testing::image;
use crate::testing::push;
use crate::testing::send;
use crate::testing::status;
use crate::testing::supplemental_set;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::control::mode_error;
use protocol::event::Kind;
use protocol::ioctl;
use protocol::message::Mode;
use protocol::message::Request;
use protocol::message::features;
use protocol::message::holds;
use zerocopy::IntoBytes;

#[test]
fn enforcement_is_refused_while_a_driver_in_use_would_be() {
    let gate = ready();
    gate.host().set_in_use(Some(&[
        &path("allowed"),
        &path("denied"),
        &path("missing"),
        &path("unlisted"),
    ]));
    let (outcome, in_the_way) = ask(&gate, Mode::Enforce, false, 0);
    assert_eq!(outcome.error.get(), mode_error::BLOCKERS);
    assert_eq!(
        (outcome.mode.get(), outcome.blockers.get()),
        (Mode::Evaluate as u32, 2)
    );
    assert_eq!(
        in_the_way,
        [path("denied"), path("unlisted")],
        "what cannot be read is in nobody's way"
    );
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
    let (outcome, _) = ask(&gate, Mode::Enforce, true, 0);
    assert_eq!(
        (outcome.error.get(), outcome.mode.get()),
        (0, Mode::Enforce as u32)
    );
    assert_eq!(outcome.listed.get(), 0);
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);

    // There may be more than those that could be listed, and who forces it is told, too.
    gate.host().cut_in_use();
    for (is_forced, error) in [(false, mode_error::BLOCKERS), (true, 0)] {
        let (outcome, _) = ask(&gate, Mode::Enforce, is_forced, 0);
        assert_eq!((outcome.error.get(), outcome.blockers.get()), (error, 2));
        assert_eq!(outcome.listed.get(), NtStatus::INSUFFICIENT_RESOURCES.bits());
    }

    // One that is there and cannot be read might be refused at its next load.
    let gate = ready();
    put(
        &gate,
        "broken",
        Content {
            fails_at: Some(0x200),
            ..bytes(image(1))
        },
    );
    gate.host().set_in_use(Some(&[&path("allowed"), &path("broken")]));
    assert_eq!(
        ask(&gate, Mode::Enforce, false, 0).0.error.get(),
        mode_error::UNKNOWN_BLOCKERS
    );

    let gate = ready();
    gate.host().set_in_use(None);
    assert_eq!(
        ask(&gate, Mode::Enforce, false, 0).0.error.get(),
        mode_error::UNKNOWN_BLOCKERS
    );
    let gate = ready();
    gate.host().set_features(0);
    assert_eq!(
        ask(&gate, Mode::Enforce, true, 0).0.error.get(),
        mode_error::NO_FILTER
    );
    let gate = crate::testing::gate();
    gate.host().set_features(features::FILTER);
    assert_eq!(
        ask(&gate, Mode::Enforce, true, 0).0.error.get(),
        mode_error::NO_POLICY
    );
}

/// Supplementals only add grants to a base policy: alone they refuse nothing, so there is nothing to enforce and nothing to evaluate.
#[test]
fn a_set_without_a_base_policy_is_no_policy() {
    let gate = enforcing();
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);
    push(&gate, &supplemental_set(&[("Allow", &image(1))]));
    let found = status(&gate);
    assert_eq!(found.holds.get(), holds::NO_POLICY);
    assert_eq!(found.mode.get(), Mode::Evaluate as u32);
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
    for is_forced in [false, true] {
        let (outcome, _) = ask(&gate, Mode::Enforce, is_forced, 0);
        assert_eq!(outcome.error.get(), mode_error::NO_POLICY);
    }
    let counted = gate.state().evaluation.runtime;
    gate.host().advance(100 * SECOND);
    gate.count_time();
    assert_eq!(
        gate.state().evaluation.runtime,
        counted,
        "no time without a violation"
    );
    push(&gate, &enforced_set(&[("Allow", &image(1))]));
    assert_eq!(status(&gate).mode.get(), Mode::Enforce as u32);
    gate.host().advance(100 * SECOND);
    gate.count_time();
    assert!(gate.state().evaluation.runtime > counted);
}

#[test]
fn enforcement_for_a_time_ends_by_itself() {
    let gate = ready();
    let (outcome, _) = ask(&gate, Mode::Enforce, false, 30);
    assert_eq!(outcome.until.get(), 30 * SECOND);
    gate.host().advance(30 * SECOND - 1);
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);
    gate.host().advance(1);
    assert_eq!(
        load(&gate, Caller::Kernel, "denied"),
        Passage::Pass,
        "without the worker's help"
    );
    let before = status(&gate).events_emitted.get();
    gate.look_after_mode();
    let (head, events) = events_after(&gate, before);
    let (record, _) = protocol::event::split(&events).expect("one");
    assert_eq!(
        (head.count.get(), record.head.kind.get()),
        (1, Kind::ModeChanged.number())
    );
    assert_eq!(status(&gate).mode_asked.get(), Mode::Evaluate as u32);
}

#[test]
fn safe_mode_kill_switch_and_a_lost_policy_hold_enforcement_back() {
    let gate = enforcing();
    let system = System::default();
    for (system, hold) in [
        (
            System {
                is_safe_mode: true,
                ..system
            },
            holds::SAFE_MODE,
        ),
        (
            System {
                is_killed: Some(true),
                ..system
            },
            holds::KILL_SWITCH,
        ),
        (
            System {
                is_killed: None,
                ..system
            },
            holds::KILL_SWITCH,
        ),
    ] {
        gate.host().set_system(system);
        gate.look_after_mode();
        assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
        let status = status(&gate);
        assert_eq!(
            (status.holds.get(), status.mode.get()),
            (hold, Mode::Evaluate as u32)
        );
        assert_eq!(status.mode_asked.get(), Mode::Enforce as u32);
        gate.host().set_system(System::default());
        gate.look_after_mode();
        assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);
    }
}

#[test]
fn enforcement_of_an_earlier_run_waits_until_the_system_has_started() {
    let gate = ready();
    gate.host().set_started(Some(0));
    gate.resume_mode(Mode::Enforce, 0);
    assert_eq!(status(&gate).holds.get(), holds::BOOT);
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Pass);
    gate.host().advance(BOOT_TIME);
    gate.look_after_mode();
    assert_eq!(load(&gate, Caller::Kernel, "denied"), Passage::Refuse);
}

#[test]
fn malformed_mode_requests_change_nothing() {
    let gate = ready();
    let sound = ModeRequest {
        request: Request::new(),
        mode: 2.into(),
        force: 0.into(),
        duration: 0.into(),
    };
    let unsound = [
        ModeRequest {
            mode: 0.into(),
            ..sound
        },
        ModeRequest {
            mode: 3.into(),
            ..sound
        },
        ModeRequest {
            force: 2.into(),
            ..sound
        },
        ModeRequest {
            duration: u64::MAX.into(),
            ..sound
        },
    ];
    for request in unsound {
        assert!(send(&gate, ioctl::MODE, request.as_bytes(), 1 << 12).is_err());
    }
    assert!(send(&gate, ioctl::MODE, sound.as_bytes(), size_of::<ModeOutcome>() - 1).is_err());
    assert_eq!(gate.mode(), Mode::Evaluate);
}
