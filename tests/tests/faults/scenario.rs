//! The scenario: start, push, load, check, enforce, load what is allowed, pass what is prefetched, have refused what is denied,
//! evaluate, pull, stop; and what somebody who looks at the driver from outside gets to see of it.

use crate::seen::COUNTERS;
use crate::seen::Counter;
use crate::seen::Seen;
use crate::seen::shown;
use crate::seen::told;
use crate::seen::wrongly_allowed;
use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use gatehouse_tests::conversation::Answer;
use gatehouse_tests::conversation::Conversation;
use gatehouse_tests::hex;
use gatehouse_tests::policy;
use lab::faults::FaultReport;
use lab::faults::Plan;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::etw;
use protocol::event::MAX_RECORD;
use protocol::event::split;
use protocol::field::Fields;
use protocol::ioctl;
use protocol::message::Failures;
use protocol::message::Mode;
use protocol::message::PullRequest;
use protocol::message::Pulled;
use protocol::message::PushOutcome;
use protocol::message::Request;
use protocol::message::Status;
use serde_json::Value;

const ALLOWED: &str = r"C:\windows\system32\drivers\allowed.sys";
const PREFETCHED: &str = r"C:\windows\system32\drivers\prefetched.sys";
const SUBJECT_NT: &str = r"\??\C:\windows\system32\drivers\mouhid.sys";
/// Where the driver keeps what outlives it.
const STORE: &str = r"C:\windows\system32\Gatehouse";
/// How often is looked whether there are new events.
const STEP: Duration = Duration::from_millis(2);

/// Without a new event for so long none is to be expected.
const QUIET: Duration = Duration::from_millis(150);
const LONG_QUIET: Duration = Duration::from_secs(1);

/// How long new events are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until there are as many as in a run without a fault, or none came for a while.
    AsBefore,
    /// Until none came for a long while.
    Long,
}

/// What is known from runs before.
#[derive(Clone, Default)]
pub struct Known {
    /// How many events there are after each step of a run without a fault.
    pub events: Vec<u64>,
    /// The same, of the start after it.
    pub next_events: Vec<u64>,
    /// The doctor's checks of the counters that were looked for in what the controller shows.
    pub shown: BTreeSet<&'static str>,
}

/// A lab with driver and injector.
pub struct Session {
    pub known: Known,
    talk: Conversation,
    rig: Rig,
    set: Vec<u8>,
    runs: usize,
    /// What an earlier run left in the store, by file name: every run finds the same.
    stored: Vec<(String, Vec<u8>)>,
}

/// A run that came to its end.
pub struct Ran {
    pub seen: Seen,
    pub report: FaultReport,
    /// What must not be.
    pub wrong: Vec<String>,
    /// How many events there were after each step.
    pub events: Vec<u64>,
}

/// A run that goes on.
struct Going<'e> {
    steps: Vec<(&'static str, String)>,
    wrong: Vec<String>,
    wait: Wait,
    expected: &'e [u64],
    events: Vec<u64>,
}

impl Session {
    pub fn begin() -> Result<Self> {
        let rig = Rig::installed()?;
        rig.lab.install_fault_injector()?;
        rig.create_subject()?;
        let mut copy = rig.lab.read(SUBJECT)?;
        let text = copy.windows(3).position(|window| window == b"DOS");
        copy[text.expect("a DOS text")] = b'd';
        rig.lab.write(ALLOWED, &copy)?;
        rig.lab.create_service("allowed", ALLOWED)?;
        // Denied too; it loads while the driver enforces, as it passes for one that the prefetcher maps.
        let text = copy.windows(3).position(|window| window == b"dOS");
        copy[text.expect("the changed text")] = b'D' ^ 0x40;
        rig.lab.write(PREFETCHED, &copy)?;
        rig.lab.create_service("prefetched", PREFETCHED)?;
        rig.lab.steer_filter_manager("prefetch prefetched.sys\n")?;
        let rules = [
            ("Deny", rig.digest(SUBJECT)?),
            ("Deny", rig.digest(PREFETCHED)?),
            ("Allow", rig.digest(ALLOWED)?),
            ("Allow", "*".to_owned()),
        ];
        let policy = policy(
            &rules
                .each_ref()
                .map(|(action, digest)| (*action, digest.as_str())),
        );
        let enforced = policy.replace("<Rule><Option>Enabled:Audit Mode</Option></Rule>", "");
        let set = rig.compile(&enforced)?;
        rig.done(&["start"])?;
        rig.done(&["push", r"C:\policy.ghp"])?;
        rig.done(&["stop"])?;
        let stored = store(&rig)?;
        ensure!(!stored.is_empty(), "the driver keeps nothing in {STORE}");
        Ok(Self {
            known: Known::default(),
            talk: rig.converse()?,
            rig,
            set,
            runs: 0,
            stored,
        })
    }

    /// The whole scenario.
    pub fn run(&mut self, plan: &Plan, wait: Wait) -> Result<Ran> {
        for (name, _) in store(&self.rig)? {
            fs::remove_file(self.rig.lab.host_path(&format!(r"{STORE}\{name}"))?)?;
        }
        for (name, bytes) in &self.stored {
            self.rig.lab.write(&format!(r"{STORE}\{name}"), bytes)?;
        }
        self.start_to_stop(plan, wait, true)
    }

    /// Starts the driver again, after a run, and stops it.
    pub fn next_start(&mut self, wait: Wait) -> Result<Ran> {
        self.start_to_stop(&Plan::Count, wait, false)
    }

    fn start_to_stop(&mut self, plan: &Plan, wait: Wait, is_whole: bool) -> Result<Ran> {
        self.runs += 1;
        let run = self.runs;
        // Somebody listens, so that tracing is a part of it.
        self.rig.lab.inject_traced(run, plan, etw::CHANNEL_KEYWORD)?;
        let known = self.known.clone();
        let mut going = Going {
            steps: Vec::new(),
            wrong: Vec::new(),
            wait,
            expected: if is_whole {
                &known.events
            } else {
                &known.next_events
            },
            events: Vec::new(),
        };
        let started = self.talk.start_service(protocol::SERVICE_NAME)?;
        going.steps.push(("start", format!("{started:?}")));
        let mut seen = Seen::default();
        if started.is_ok() {
            // What was loaded before is weighed before anything is asked, so that every run finds the same.
            self.settle(&mut going)?;
            if is_whole {
                self.scenario(&mut going)?;
            }
            self.look(&mut seen, &mut going)?;
            if let Err(code) = self.talk.stop_service(protocol::SERVICE_NAME)? {
                going
                    .wrong
                    .push(format!("the driver could not be stopped: error {code}"));
            }
        }
        let report = self.rig.lab.fault_report(run)?;
        let Going {
            steps,
            mut wrong,
            events,
            ..
        } = going;
        wrong.extend(report.leaks());
        seen.steps = steps;
        Ok(Ran {
            seen,
            report,
            wrong,
            events,
        })
    }

    fn scenario(&mut self, going: &mut Going<'_>) -> Result<()> {
        let request = Request::new();
        let set = self.set.clone();
        let pushed = self
            .talk
            .request(ioctl::PUSH, &request, &set, size_of::<PushOutcome>())?;
        going.answered("push", &pushed);
        self.load("load", "subject", true, going)?;

        let name: Vec<u8> = SUBJECT_NT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let checked = self.talk.request(ioctl::CHECK, &request, &name, MAX_RECORD)?;
        going
            .steps
            .push(("check", format!("{:?}", checked.as_ref().map(|_| ()))));
        if let Some((record, _)) = checked.as_deref().ok().and_then(split) {
            going.wrong.extend(wrongly_allowed(&record));
        }

        self.ask_mode("enforce", Mode::Enforce, going)?;
        self.load("load-allowed", "allowed", true, going)?;
        // Neither first nor last: what comes along with it is uncertain anyway, so that no fault in weighing it would tell.
        // While an open could not be marked, it is refused as a load would be.
        self.load("load-prefetched", "prefetched", false, going)?;
        self.load("load-denied", "subject", false, going)?;
        self.ask_mode("evaluate", Mode::Evaluate, going)?;

        let pull = PullRequest {
            request,
            offset: 0.into(),
        };
        let room = size_of::<Pulled>() + set.len();
        let pulled = self.talk.request(ioctl::PULL, &pull, &[], room)?;
        if pulled
            .as_ref()
            .is_ok_and(|bytes| bytes.get(size_of::<Pulled>()..) != Some(&set))
        {
            going
                .wrong
                .push("a pull gave something else than was pushed".to_owned());
        }
        going.answered("pull", &pulled);
        Ok(())
    }

    fn ask_mode(&mut self, step: &'static str, mode: Mode, going: &mut Going<'_>) -> Result<()> {
        let asked = ModeRequest {
            request: Request::new(),
            mode: (mode as u32).into(),
            force: u32::from(mode == Mode::Enforce).into(),
            duration: 0.into(),
        };
        let room = size_of::<ModeOutcome>() + MAX_RECORD;
        let answer = self.talk.request(ioctl::MODE, &asked, &[], room)?;
        let told = answer.map(|bytes| {
            let (head, drivers) = bytes
                .split_at_checked(size_of::<ModeOutcome>())
                .unwrap_or_default();
            format!("{}{}", hex(head), shown(&Fields::new(drivers)))
        });
        going.steps.push((step, format!("{told:?}")));
        Ok(())
    }

    /// Has a driver loaded and unloaded again.
    fn load(
        &mut self,
        step: &'static str,
        service: &str,
        must_load: bool,
        going: &mut Going<'_>,
    ) -> Result<()> {
        let loaded = self.talk.start_service(service)?;
        going.steps.push((step, format!("{loaded:?}")));
        match loaded {
            Ok(_) => {
                let stopped = self.talk.stop_service(service)?;
                ensure!(stopped.is_ok(), "{service} could not be stopped: {stopped:?}");
            }
            Err(code) if must_load => going.wrong.push(format!("{step}: refused with error {code}")),
            Err(_) => {}
        }
        // What follows may change what is said of it.
        self.settle(going)
    }

    /// Waits until there are as many events as in a run without a fault, but for those that were missing before, or until nothing has
    /// happened for a while.
    fn settle(&mut self, going: &mut Going<'_>) -> Result<()> {
        let step = going.events.len();
        let lag = step.checked_sub(1).map_or(0, |before| {
            let expected = going.expected.get(before).copied().unwrap_or(0);
            i64::try_from(expected).unwrap_or(0) - i64::try_from(going.events[before]).unwrap_or(0)
        });
        let expected = going.expected.get(step).copied();
        let expected = expected.and_then(|expected| expected.checked_add_signed(-lag));
        let (expected, quiet) = match going.wait {
            Wait::AsBefore => (expected, QUIET),
            Wait::Long => (None, LONG_QUIET),
        };
        let mut newest = 0;
        let mut since = Instant::now();
        loop {
            let emitted = match self.talk.status()? {
                Ok(status) => status.events_emitted.get(),
                Err(code) => {
                    // Who asks is told.
                    going.steps.push(("settle", format!("error {code}")));
                    ensure!(
                        going.steps.len() < 100,
                        "the driver gives no status: error {code}"
                    );
                    continue;
                }
            };
            if expected.is_some_and(|expected| emitted >= expected) || since.elapsed() > quiet {
                newest = emitted;
                break;
            }
            if emitted != newest {
                newest = emitted;
                since = Instant::now();
            }
            sleep(STEP);
        }
        going.events.push(newest);
        Ok(())
    }

    /// Reads status and events.
    fn look(&mut self, seen: &mut Seen, going: &mut Going<'_>) -> Result<()> {
        self.settle(going)?;
        let events = self.talk.events()?;
        going
            .steps
            .push(("events", format!("{:?}", events.as_ref().map(|_| ()))));
        let events = events.unwrap_or_default();
        let mut rest = events.as_slice();
        while let Some((record, tail)) = split(rest) {
            going.wrong.extend(wrongly_allowed(&record));
            seen.events.push(told(&record));
            rest = tail;
        }
        seen.events.sort();
        let status = self.talk.status()?;
        going
            .steps
            .push(("status", format!("{:?}", status.as_ref().map(|_| ()))));
        let Ok(status) = status else { return Ok(()) };
        seen.has_times = status.now.get() != 0 && status.started.get() != 0;
        seen.status = Status {
            now: 0.into(),
            started: 0.into(),
            pool_blocks: 0.into(),
            pool_bytes: 0.into(),
            ..status
        };
        self.show(&status.failures, going)
    }

    /// The first of each counter that counts something is looked for in what the controller shows.
    fn show(&mut self, failures: &Failures, going: &mut Going<'_>) -> Result<()> {
        let news =
            |counter: &&Counter| (counter.count)(failures) != 0 && !self.known.shown.contains(counter.check);
        let news: Vec<&Counter> = COUNTERS.iter().filter(news).collect();
        if news.is_empty() {
            return Ok(());
        }
        let status = self.rig.status()?;
        let (_, checks) = self.rig.records(&["doctor"])?;
        for counter in news {
            let count = (counter.count)(failures);
            let is_counted = status["failures"][counter.name].as_u64() >= Some(count);
            let is_found = checks.iter().any(|check| {
                check["check"] == counter.check && check["state"] != "fine" && check["advice"] != Value::Null
            });
            if is_counted && is_found {
                self.known.shown.insert(counter.check);
            } else {
                let failures = &status["failures"];
                going
                    .wrong
                    .push(format!("{} not shown: {failures} {checks:?}", counter.check));
            }
        }
        Ok(())
    }
}

impl Going<'_> {
    fn answered(&mut self, step: &'static str, answer: &Answer) {
        self.steps
            .push((step, format!("{:?}", answer.as_ref().map(|bytes| hex(bytes)))));
    }
}

/// The driver's stored files: names and contents.
fn store(rig: &Rig) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(rig.lab.host_path(STORE)?)? {
        let entry = entry?;
        found.push((
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path())?,
        ));
    }
    Ok(found)
}
