//! What the doctor finds on machines that are well, and on those that are not.

use super::*;
use protocol::message::Status;
use protocol::message::holds;

/// A machine with nothing to complain about.
fn healthy() -> Facts {
    Facts {
        code_integrity: Ok(CI_ENABLED | CI_HVCI),
        secure_boot: Ok(SecureBoot::On),
        safe_mode: Ok(false),
        filter_manager: Ok(true),
        service: Ok(Service::Running),
        instance: Ok(Instance::At(ALTITUDE.to_owned())),
        driver: Ok(Status {
            generation: 3.into(),
            features: (features::FILTER | features::PERSISTENT).into(),
            mode: 2.into(),
            mode_asked: 2.into(),
            ..Status::default()
        }),
        policy_age: Ok(Duration::from_hours(48)),
        evaluation: Ok(Some(Evaluation {
            uptime: Some(Duration::from_hours(20)),
            boots: Some(1),
            audits: Some(0),
            blocks: Some(0),
        })),
        driver_policy: Ok(DriverPolicy {
            audit: true,
            enforced: false,
        }),
        blocklist_off: Ok(false),
    }
}

fn checks(facts: &Facts) -> Vec<Check> {
    all(facts, &Knowledge::built_in())
}

#[test]
fn a_healthy_machine_has_no_findings() {
    for check in checks(&healthy()) {
        assert!(matches!(check.state, State::Fine | State::Note), "{check:?}");
    }
}

type Change = fn(&mut Facts);
type StatusChange = fn(&mut Status);

#[test]
fn each_thing_that_is_wrong_is_found_and_comes_with_advice() {
    let status = |facts: &mut Facts, change: StatusChange| {
        if let Ok(status) = &mut facts.driver {
            change(status);
        }
    };
    let cases: [(&str, Change); 15] = [
        ("service", |facts| facts.service = Ok(Service::Stopped)),
        ("service", |facts| facts.service = Ok(Service::Missing)),
        ("driver", |facts| facts.driver = Err("no answer".to_owned())),
        ("filter-manager", |facts| facts.filter_manager = Ok(false)),
        ("altitude", |facts| facts.instance = Ok(Instance::Missing)),
        ("safe-mode", |facts| facts.safe_mode = Ok(true)),
        ("policy", |facts| {
            facts.policy_age = Ok(Duration::from_hours(24 * 400));
        }),
        ("code-integrity", |facts| facts.code_integrity = Ok(CI_HVCI)),
        ("test-signing", |facts| {
            facts.code_integrity = Ok(CI_ENABLED | CI_HVCI | CI_TEST_SIGNING);
        }),
        ("secure-boot", |facts| facts.secure_boot = Ok(SecureBoot::Off)),
        ("secure-boot", |facts| facts.secure_boot = Ok(SecureBoot::Missing)),
        ("memory-integrity", |facts| facts.code_integrity = Ok(CI_ENABLED)),
        ("blocklist", |facts| facts.blocklist_off = Ok(true)),
        ("windows-evaluation", |facts| {
            facts.evaluation = Ok(Some(Evaluation {
                audits: Some(2),
                ..Evaluation::default()
            }));
        }),
        ("windows-evaluation", |facts| {
            facts.evaluation = Ok(Some(Evaluation {
                blocks: Some(1),
                ..Evaluation::default()
            }));
        }),
    ];
    for (name, change) in cases {
        let mut facts = healthy();
        change(&mut facts);
        assert_found(&facts, name);
    }
    let of_status: [(&str, StatusChange); 10] = [
        ("own-image", |status| status.failures.own_image = 1.into()),
        ("kill-switch", |status| status.failures.kill_switch = 1.into()),
        ("own-files", |status| status.failures.keeping = 1.into()),
        ("restored-files", |status| status.failures.restoring = 1.into()),
        ("tracing", |status| status.failures.tracing = 1.into()),
        ("policy", |status| status.generation = 0.into()),
        ("policy", |status| status.holds = holds::NO_POLICY.into()),
        ("keeping", |status| status.features = features::FILTER.into()),
        ("enforcement", |status| status.holds = holds::KILL_SWITCH.into()),
        ("driver", |status| status.loads_dropped = 1.into()),
    ];
    for (name, change) in of_status {
        let mut facts = healthy();
        status(&mut facts, change);
        assert_found(&facts, name);
    }
}

#[track_caller]
fn assert_found(facts: &Facts, name: &str) {
    let found: Vec<_> = checks(facts)
        .into_iter()
        .filter(|check| check.state == State::Finding)
        .collect();
    assert!(found.iter().any(|check| check.name == name), "{name}: {found:?}");
    assert!(found.iter().all(|check| check.advice.is_some()), "{found:?}");
}

#[test]
fn what_is_not_known_is_never_fine() {
    fn why<T>() -> Known<T> {
        Err("this is no Windows".to_owned())
    }
    let facts = Facts {
        code_integrity: why(),
        secure_boot: why(),
        safe_mode: why(),
        filter_manager: why(),
        service: why(),
        instance: why(),
        driver: why(),
        policy_age: why(),
        evaluation: why(),
        driver_policy: why(),
        blocklist_off: why(),
    };
    for check in checks(&facts) {
        assert_eq!(check.state, State::NotKnown, "{check:?}");
    }
}

/// What was not asked for and is held back is no fault.
#[test]
fn holds_matter_when_enforcement_was_asked_for() {
    let mut facts = healthy();
    if let Ok(status) = &mut facts.driver {
        status.holds = holds::BOOT.into();
        status.mode_asked = 1.into();
    }
    let check = enforcement(&facts);
    assert_eq!(check.state, State::Note, "{check:?}");
}
