//! The checks, each a function of the facts.

use std::time::Duration;

use protocol::install::ALTITUDE;
use protocol::message::features;
use protocol::message::holds;
use sipolicy::Knowledge;

use crate::doctor::Check;
use crate::doctor::DriverPolicy;
use crate::doctor::Evaluation;
use crate::doctor::Facts;
use crate::doctor::Instance;
use crate::doctor::Known;
use crate::doctor::SecureBoot;
use crate::doctor::Service;
use crate::doctor::State;
use crate::doctor::failures;
use crate::records::hold_advice;
use crate::records::hold_names;
use crate::records::span;

/// `CODEINTEGRITY_OPTION_ENABLED`, `_TESTSIGN`, `_DEBUGMODE_ENABLED`, `_HVCI_KMCI_ENABLED`. Source: Microsoft,
/// "NtQuerySystemInformation", SYSTEM_CODEINTEGRITY_INFORMATION.
const CI_ENABLED: u32 = 0x1;
const CI_TEST_SIGNING: u32 = 0x2;
const CI_DEBUG_MODE: u32 = 0x80;
const CI_HVCI: u32 = 0x400;

/// A policy that nobody has looked at for longer has missed several updates of Microsoft's blocklist.
const OLD_POLICY: Duration = Duration::from_hours(90 * 24);

/// All checks in the order in which they are reported.
pub fn all(facts: &Facts, known: &Knowledge) -> Vec<Check> {
    let mut checks = general(facts, known);
    checks.extend(failures::all(&facts.driver));
    checks
}

fn general(facts: &Facts, known: &Knowledge) -> Vec<Check> {
    vec![
        service(&facts.service),
        driver(facts),
        filter_manager(&facts.filter_manager),
        instance(&facts.instance),
        enforcement(facts),
        safe_mode(&facts.safe_mode),
        policy(facts),
        keeping(facts),
        code_integrity(&facts.code_integrity),
        test_signing(&facts.code_integrity),
        secure_boot(&facts.secure_boot),
        memory_integrity(&facts.code_integrity),
        blocklist(&facts.blocklist_off),
        windows_policy(&facts.driver_policy),
        windows_evaluation(&facts.evaluation, known),
    ]
}

/// The check, or that it is not known.
fn when<T>(check: &'static str, fact: &Known<T>, answer: impl FnOnce(&T) -> Check) -> Check {
    match fact {
        Ok(fact) => answer(fact),
        Err(why) => Check::new(check, State::NotKnown, why.clone()),
    }
}

fn service(service: &Known<Service>) -> Check {
    const CHECK: &str = "service";
    when(CHECK, service, |service| match service {
        Service::Running => Check::new(CHECK, State::Fine, "the service is running"),
        Service::Stopped => Check::new(CHECK, State::Finding, "the service is stopped")
            .advise("start it with `gatehouse start`"),
        Service::Missing => Check::new(CHECK, State::Finding, "the service is not installed")
            .advise("install it with `gatehouse install`"),
    })
}

fn driver(facts: &Facts) -> Check {
    const CHECK: &str = "driver";
    match (&facts.driver, &facts.service) {
        (Ok(status), _) => {
            let dropped = status.loads_dropped.get();
            let failed = status.events_failed.get();
            let memory = status.pool_failures.get();
            if dropped == 0 && failed == 0 && memory == 0 {
                return Check::new(CHECK, State::Fine, "it answers, and has dropped nothing");
            }
            let says = format!(
                "it answers; {dropped} loads went by unweighed, {failed} events were not recorded, {memory} allocations failed"
            );
            Check::new(CHECK, State::Finding, says).advise(
                "look for what uses up the system's memory; `gatehouse metrics` shows where time goes",
            )
        }
        (Err(why), Ok(Service::Running)) => Check::new(
            CHECK,
            State::Finding,
            format!("its service runs, but it does not answer: {why}"),
        )
        .advise("install command and driver of the same release, and run this as an administrator"),
        (Err(why), _) => Check::new(CHECK, State::NotKnown, why.clone()),
    }
}

fn filter_manager(running: &Known<bool>) -> Check {
    const CHECK: &str = "filter-manager";
    when(CHECK, running, |running| {
        if *running {
            return Check::new(CHECK, State::Fine, "the filter manager is running");
        }
        Check::new(
            CHECK,
            State::Finding,
            "the filter manager is not running: nothing can be refused",
        )
        .advise("set the start type of the service FltMgr to 0 and restart Windows")
    })
}

fn instance(instance: &Known<Instance>) -> Check {
    const CHECK: &str = "altitude";
    when(CHECK, instance, |instance| match instance {
        Instance::At(altitude) if altitude == ALTITUDE => Check::new(
            CHECK,
            State::Fine,
            format!("the minifilter instance is registered at altitude {altitude}"),
        ),
        Instance::At(altitude) => Check::new(
            CHECK,
            State::Note,
            format!(
                "the minifilter instance is registered at altitude {altitude}, this release's is {ALTITUDE}"
            ),
        )
        .advise("fine if Microsoft assigned you that altitude; else run `gatehouse install` again"),
        Instance::Missing => Check::new(
            CHECK,
            State::Finding,
            "no minifilter instance is registered: the filter manager will not take the driver",
        )
        .advise("run `gatehouse install` again"),
    })
}

fn enforcement(facts: &Facts) -> Check {
    const CHECK: &str = "enforcement";
    when(CHECK, &facts.driver, |status| {
        let holds = hold_names(status.holds.get().into());
        let asked = status.mode_asked.get() == 2;
        if holds.is_empty() {
            let says = if asked {
                "enforcement was asked for and is in effect"
            } else {
                "nothing holds enforcement back; it was not asked for"
            };
            return Check::new(CHECK, State::Fine, says);
        }
        let state = if asked { State::Finding } else { State::Note };
        let says = format!("enforcement is held back by {}", holds.join(", "));
        let advice: Vec<&str> = holds.iter().map(|hold| hold_advice(hold)).collect();
        let mut advice = advice.join("; ");
        if status.features.get() & features::FILTER == 0 && facts.filter_manager == Ok(true) {
            advice.push_str("; the filter manager runs, so look at the check `altitude`");
        }
        Check::new(CHECK, state, says).advise(advice)
    })
}

fn safe_mode(safe_mode: &Known<bool>) -> Check {
    const CHECK: &str = "safe-mode";
    when(CHECK, safe_mode, |safe_mode| {
        if *safe_mode {
            return Check::new(
                CHECK,
                State::Finding,
                "Windows runs in safe mode: nothing is refused",
            )
            .advise("restart Windows normally");
        }
        Check::new(CHECK, State::Fine, "Windows runs normally")
    })
}

fn policy(facts: &Facts) -> Check {
    const CHECK: &str = "policy";
    when(CHECK, &facts.driver, |status| {
        if status.generation.get() == 0 {
            return Check::new(
                CHECK,
                State::Finding,
                "no policy is in force: every load is allowed",
            )
            .advise("push one with `gatehouse push`");
        }
        if status.holds.get() & holds::NO_POLICY != 0 {
            return Check::new(
                CHECK,
                State::Finding,
                "what is in force has no base policy: every load is allowed",
            )
            .advise(hold_advice("no-policy"));
        }
        match &facts.policy_age {
            Err(why) => Check::new(
                CHECK,
                State::NotKnown,
                format!("a policy is in force; since when: {why}"),
            ),
            Ok(age) => {
                let days = age.as_secs() / 86_400;
                let says = format!("the policy came into force {days} days ago");
                if *age < OLD_POLICY {
                    return Check::new(CHECK, State::Fine, says);
                }
                Check::new(CHECK, State::Finding, says).advise(
                    "take in newer lists of vulnerable drivers (`gatehouse policy import`, `merge`), and push the policy again",
                )
            }
        }
    })
}

fn keeping(facts: &Facts) -> Check {
    const CHECK: &str = "keeping";
    when(CHECK, &facts.driver, |status| {
        if status.features.get() & features::PERSISTENT != 0 {
            return Check::new(CHECK, State::Fine, "policy, mode and progress outlive a restart");
        }
        Check::new(
            CHECK,
            State::Finding,
            "policy, mode and progress do not outlive a restart: the driver's folder cannot be used",
        )
        .advise("see to it that SYSTEM may write to the driver's folder and that there is room, then start the driver again")
    })
}

fn code_integrity(options: &Known<u32>) -> Check {
    const CHECK: &str = "code-integrity";
    when(CHECK, options, |options| {
        if options & CI_ENABLED == 0 {
            return Check::new(CHECK, State::Finding, "Windows checks no driver signatures at all")
                .advise("remove nointegritychecks (bcdedit /deletevalue nointegritychecks), and restart without F8 options");
        }
        if options & CI_DEBUG_MODE != 0 {
            return Check::new(
                CHECK,
                State::Note,
                "a kernel debugger is allowed: it can switch everything off",
            )
            .advise("bcdedit /debug off, unless this machine is for debugging");
        }
        Check::new(CHECK, State::Fine, "Windows checks driver signatures")
    })
}

fn test_signing(options: &Known<u32>) -> Check {
    const CHECK: &str = "test-signing";
    when(CHECK, options, |options| {
        if options & CI_TEST_SIGNING == 0 {
            return Check::new(CHECK, State::Fine, "test signing is off");
        }
        Check::new(CHECK, State::Finding, "test signing is on: Windows loads drivers that anybody signed").advise(
            "bcdedit /set testsigning off and restart, unless this is a test machine; a test-signed gatehouse.sys then no longer loads",
        )
    })
}

fn secure_boot(state: &Known<SecureBoot>) -> Check {
    const CHECK: &str = "secure-boot";
    when(CHECK, state, |state| match state {
        SecureBoot::On => Check::new(CHECK, State::Fine, "Secure Boot is on"),
        SecureBoot::Off => Check::new(
            CHECK,
            State::Finding,
            "Secure Boot is off: what starts before Windows is not checked",
        )
        .advise("turn it on in the firmware's setup"),
        SecureBoot::Missing => Check::new(CHECK, State::Finding, "this firmware has no Secure Boot")
            .advise("convert Windows to UEFI start (mbr2gpt) if the machine can, and turn Secure Boot on"),
    })
}

fn memory_integrity(options: &Known<u32>) -> Check {
    const CHECK: &str = "memory-integrity";
    when(CHECK, options, |options| {
        if options & CI_HVCI != 0 {
            return Check::new(CHECK, State::Fine, "memory integrity (HVCI) is on");
        }
        Check::new(
            CHECK,
            State::Finding,
            "memory integrity (HVCI) is off: a vulnerable driver that is loaded can patch the kernel, and this driver with it",
        )
        .advise("turn it on in Windows Security, Device security, Core isolation")
    })
}

fn blocklist(off: &Known<bool>) -> Check {
    const CHECK: &str = "blocklist";
    when(CHECK, off, |off| {
        if *off {
            return Check::new(CHECK, State::Finding, "Microsoft's list of vulnerable drivers is switched off").advise(
                "turn it on in Windows Security, Device security, Core isolation (VulnerableDriverBlocklistEnable)",
            );
        }
        Check::new(
            CHECK,
            State::Fine,
            "Microsoft's list of vulnerable drivers is not switched off",
        )
    })
}

fn windows_policy(policy: &Known<DriverPolicy>) -> Check {
    const CHECK: &str = "windows-driver-policy";
    when(CHECK, policy, |policy| {
        match (policy.enforced, policy.audit) {
        (true, _) => Check::new(
            CHECK,
            State::Note,
            "Windows has its own driver policy in place, enforced: cross-signed drivers outside its list do not load",
        ),
        (false, true) => Check::new(
            CHECK,
            State::Note,
            "Windows evaluates its own driver policy: it will refuse cross-signed drivers outside its list once that has passed",
        ),
        (false, false) => Check::new(
            CHECK,
            State::Note,
            "the files of Windows' own driver policy are not here: a Windows without it, or they lie on the EFI partition only",
        )
        .advise("`CiTool --list-policies`, as an administrator, shows which policies are in force"),
    }
    })
}

fn windows_evaluation(evaluation: &Known<Option<Evaluation>>, known: &Knowledge) -> Check {
    const CHECK: &str = "windows-evaluation";
    when(CHECK, evaluation, |evaluation| {
        let Some(counted) = evaluation else {
            return Check::new(
                CHECK,
                State::Note,
                "Windows keeps no counters of an evaluation of its own driver policy",
            );
        };
        let number = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
        let needed: Vec<String> = known
            .thresholds
            .iter()
            .map(|found| {
                let (hours, boots, server) = (
                    found.uptime_hours,
                    found.boot_sessions,
                    found.server_boot_sessions,
                );
                format!(
                    "{hours} h and {boots} boots ({server} on a server) by the {}",
                    found.source
                )
            })
            .collect();
        let says = format!(
            "Windows counts {} of uptime and {} boot sessions without a violation (needed: {}); {} loads would have been refused, {} \
             were",
            counted
                .uptime
                .map_or("?".to_owned(), |uptime| span(uptime.as_secs())),
            number(counted.boots),
            needed.join(", or "),
            number(counted.audits),
            number(counted.blocks)
        );
        if counted.audits.unwrap_or(0) == 0 && counted.blocks.unwrap_or(0) == 0 {
            return Check::new(CHECK, State::Fine, says);
        }
        Check::new(CHECK, State::Finding, says).advise(
            "events 3076 (would refuse) and 3077 (refused) in Microsoft-Windows-CodeIntegrity/Operational name the drivers; `gatehouse \
             scan` on their folder shows which are cross-signed: update or remove them",
        )
    })
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
