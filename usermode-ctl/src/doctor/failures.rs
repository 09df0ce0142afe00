//! What the driver itself could not do, by its own account: what each failure means, and what to do.

use protocol::message::Failures;
use protocol::message::Status;

use crate::doctor::Check;
use crate::doctor::Known;
use crate::doctor::State;

/// A kind of failure.
struct Kind {
    /// The check.
    name: &'static str,
    /// How often it happened.
    count: fn(&Failures) -> u64,
    /// How it comes out when it happened.
    state: State,
    /// What it says when it did not.
    fine: &'static str,
    /// What it says when it did, behind the number of times.
    says: &'static str,
    advice: &'static str,
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "own-image",
        count: |failures| failures.own_image.get(),
        state: State::Finding,
        fine: "the driver could read its own image",
        says: "the driver could not read its own image; until it can, enforcement does not spare it",
        advice: "see to it that the service's ImagePath names gatehouse.sys and that SYSTEM may read it; the driver looks again when \
                 enforcement is asked for, and when it starts",
    },
    Kind {
        name: "kill-switch",
        count: |failures| failures.kill_switch.get(),
        state: State::Finding,
        fine: "the driver could look at the registry's kill switch",
        says: "the driver could not look at the registry's kill switch; each time it counted as on, until the next look seconds later",
        advice: "see to it that SYSTEM may read HKLM\\SYSTEM\\CurrentControlSet\\Services\\gatehouse\\Parameters and that \
                 DisableEnforcement, if it is there, is a REG_DWORD",
    },
    Kind {
        name: "own-files",
        count: |failures| failures.keeping.get(),
        state: State::Finding,
        fine: "the driver could write its own files",
        says: "the driver could not write a file of its own; what was pushed or asked for then may not outlive a restart",
        advice: "see to it that there is room and that SYSTEM may write to System32\\Gatehouse; `gatehouse events` has the status \
                 (persist-failed); then push the policy again, or ask for the mode again",
    },
    Kind {
        name: "restored-files",
        count: |failures| failures.restoring.get(),
        state: State::Finding,
        fine: "the driver could take over what the last run left",
        says: "the driver could not take over a file of an earlier run",
        advice: "`gatehouse events` names it (restore-failed). A policy: push it again. The state: provision the signing key, ask for the \
                 mode and set the thresholds again, and find out who was at the file",
    },
    Kind {
        name: "last-run",
        count: |failures| failures.last_end.get(),
        state: State::Note,
        fine: "the last run ended with its state written",
        says: "the last run did not end with its state written: the progress of the evaluation since it was written last is lost, ten \
               minutes at most",
        advice: "nothing to do after a power cut or a crash of Windows; else look for room and rights of System32\\Gatehouse",
    },
    Kind {
        name: "file-marks",
        count: |failures| failures.file_marks.get(),
        state: State::Note,
        fine: "the driver could tell whether files change",
        says: "the driver could not tell whether a file changes, and kept no verdict on it: it is read again at its next load",
        advice: "nothing to do unless it goes on; then look for a file system filter that fails FSCTL_READ_FILE_USN_DATA (`fltmc filters`)",
    },
    Kind {
        name: "system-start",
        count: |failures| failures.system_start.get(),
        state: State::Note,
        fine: "Windows tells when it started",
        says: "Windows did not tell when it started: enforcement of an earlier run waits on, and no boot session was counted then",
        advice: "nothing to do unless it goes on; then ask for enforcement by hand (`gatehouse mode enforce`), which does not wait",
    },
    Kind {
        name: "tracing",
        count: |failures| failures.tracing.get(),
        state: State::Finding,
        fine: "Windows took every event that somebody listened for",
        says: "an event did not get to who listens through ETW, the event log for one",
        advice: "`gatehouse events` has them all; give the listening session more and larger buffers",
    },
    Kind {
        name: "prefetch",
        count: |failures| failures.prefetch.get(),
        state: State::Note,
        fine: "the driver could tell the prefetcher's opens from others",
        says: "the driver could not mark an open that may be the prefetcher's: while it enforces, it weighs that file as it would a load",
        advice: "nothing to do unless it goes on; then look for what takes the kernel's paged pool",
    },
];

/// A check for each kind of failure.
pub fn all(driver: &Known<Status>) -> impl Iterator<Item = Check> {
    KINDS.iter().map(move |kind| match driver {
        Err(why) => Check::new(kind.name, State::NotKnown, why.clone()),
        Ok(status) => match (kind.count)(&status.failures) {
            0 => Check::new(kind.name, State::Fine, kind.fine),
            1 => Check::new(kind.name, kind.state, kind.says).advise(kind.advice),
            count => {
                Check::new(kind.name, kind.state, format!("{count} times: {}", kind.says)).advise(kind.advice)
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Failures);

    #[test]
    fn each_counter_has_a_check_of_its_own_that_says_what_to_do() {
        let changes: [Change; 9] = [
            |failures| failures.own_image = 1.into(),
            |failures| failures.kill_switch = 1.into(),
            |failures| failures.keeping = 1.into(),
            |failures| failures.restoring = 1.into(),
            |failures| failures.last_end = 1.into(),
            |failures| failures.file_marks = 1.into(),
            |failures| failures.system_start = 1.into(),
            |failures| failures.tracing = 2.into(),
            |failures| failures.prefetch = 1.into(),
        ];
        assert_eq!(changes.len() * 8, size_of::<Failures>(), "every counter");
        let mut names = Vec::new();
        for change in changes {
            let mut status = Status::default();
            change(&mut status.failures);
            let checks: Vec<Check> = all(&Ok(status)).collect();
            let told: Vec<&Check> = checks.iter().filter(|check| check.state != State::Fine).collect();
            let [told] = told.as_slice() else {
                panic!("one check tells of it: {told:?}");
            };
            assert!(told.advice.is_some());
            names.push(told.name);
        }
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}
