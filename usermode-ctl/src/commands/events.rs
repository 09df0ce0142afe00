//! `events`: what the driver saw.
//!
//! The device is opened anew for each look, and each look ends after a while: Windows does not unload a driver as long as a handle
//! to its device is open, and following events must not keep the driver from being stopped.

use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use protocol::event::split;

use crate::args::Events;
use crate::commands::Context;
use crate::commands::check::tint;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Tint;
use crate::records::DroppedRecord;
use crate::records::EventRecord;

/// Reports what is held and, when following, what comes.
pub fn run(arguments: &Events, context: &mut Context) -> Result<Outcome, Error> {
    let mut cursor = Cursor {
        after: arguments.since,
        started: None,
    };
    cursor.look(context, None)?;
    if !arguments.follow {
        return Ok(Outcome::Done);
    }
    loop {
        let begun = Instant::now();
        let before = cursor.after;
        match cursor.look(context, Some(arguments.interval)) {
            Err(Error::NotRunning) => {
                context.output.note("the driver was stopped");
                return Ok(Outcome::Done);
            }
            looked => looked?,
        }
        // A driver that does not know how to wait says at once that there is nothing.
        if cursor.after == before {
            sleep(arguments.interval.min(POLL).saturating_sub(begun.elapsed()));
        }
    }
}

/// How often a driver is asked that does not wait.
const POLL: Duration = Duration::from_millis(250);

/// Where reading goes on.
struct Cursor {
    /// Sequence number of the last event seen.
    after: u64,
    /// When the driver that it belongs to was started.
    started: Option<i64>,
}

impl Cursor {
    /// Reports everything that is new; waits `patience` for it where that is given.
    fn look(&mut self, context: &mut Context, mut patience: Option<Duration>) -> Result<(), Error> {
        let mut driver = context.driver("events", Access::Read)?;
        let started = driver.status()?.started.get();
        if self
            .started
            .replace(started)
            .is_some_and(|before| before != started)
        {
            context
                .output
                .note("the driver was started anew; its events are counted from 1 again");
            self.after = 0;
        }
        loop {
            let batch = match patience.take() {
                Some(patience) => driver.await_events(self.after, patience)?,
                None => Some(driver.events(self.after)?),
            };
            let Some(batch) = batch else { return Ok(()) };
            let lost = batch.head.lost.get();
            if lost > 0 {
                dropped(&mut context.output, &DroppedRecord::new(self.after, lost))?;
            }
            let mut rest = batch.bytes.as_slice();
            while let Some((record, tail)) = split(rest) {
                event(&mut context.output, &EventRecord::of(&record))?;
                rest = tail;
            }
            self.after = batch.head.last.get();
            context.output.flush()?;
            if batch.head.more.get() == 0 {
                return Ok(());
            }
        }
    }
}

fn dropped(output: &mut Output, record: &DroppedRecord) -> Result<(), Error> {
    if output.is_json() {
        return output.record(record);
    }
    let DroppedRecord {
        first, last, count, ..
    } = record;
    let line = format!(
        "{first:>6}  {:30}  {:16}  {count} events, {first} to {last}, were overwritten",
        "-", "dropped"
    );
    output.tinted(Tint::Warn, line)
}

fn event(output: &mut Output, record: &EventRecord) -> Result<(), Error> {
    if output.is_json() {
        return output.record(record);
    }
    let time = record.time.as_deref().unwrap_or("-");
    let (what, tint) = what(record);
    let line = format!("{:>6}  {time:30}  {:16}  {what}", record.sequence, record.kind);
    output.tinted(tint, line.trim_end())
}

/// What an event tells, in one line.
fn what(record: &EventRecord) -> (String, Tint) {
    if let (Some(verdict), Some(evidence)) = (&record.verdict, &record.evidence) {
        let rule = verdict.deciding_rule().map(|rule| format!(" by {}", rule.id));
        let error = evidence.error.as_ref().map(|error| format!(" ({error})"));
        let what = format!(
            "{}: {}{}  {}{}",
            verdict.decision,
            verdict.reason.name,
            rule.unwrap_or_default(),
            verdict.path,
            error.unwrap_or_default()
        );
        return (what, tint(verdict, evidence));
    }
    changed(record)
}

/// What an event about the driver's own state tells.
fn changed(record: &EventRecord) -> (String, Tint) {
    let generation = record.generation.unwrap_or(0);
    let count = record.count.unwrap_or(0);
    let state = &record.state;
    let file = state.stored_file.as_deref().unwrap_or("a file");
    let status = state.status.as_ref().map(|status| format!(" (status {status})"));
    let status = status.unwrap_or_default();
    let sequence = state.set_sequence.filter(|number| *number != 0);
    let sequence = sequence.map(|number| format!(", sequence number {number}"));
    let sequence = sequence.unwrap_or_default();
    match &*record.kind {
        "policy-activated" => (
            format!("generation {generation} is in force, {count} bytes{sequence}"),
            Tint::Plain,
        ),
        "policy-restored" => (
            format!("generation {generation} is in force as before the driver stopped{sequence}"),
            Tint::Plain,
        ),
        "policy-rejected" => {
            let fault = record.error.as_ref().map_or("-", |fault| &*fault.name);
            let offset = record.error.as_ref().map_or(0, |fault| fault.offset);
            let what = format!(
                "{fault} at byte {offset} of a set of {count} bytes; generation {generation} stays in force"
            );
            (what, Tint::Bad)
        }
        "loads-dropped" => (
            format!("{count} image loads so far went by unweighed"),
            Tint::Warn,
        ),
        "mode-changed" => {
            let mode = record.mode.as_deref().unwrap_or("-");
            let until = state.until.as_ref().map(|until| format!(" until {until}"));
            let holds = state.holds.as_ref().filter(|holds| !holds.is_empty());
            let holds = holds.map(|holds| format!("; enforcement is held back by {}", holds.join(", ")));
            let what = format!("{mode}{}{}", until.unwrap_or_default(), holds.unwrap_or_default());
            (what, Tint::Warn)
        }
        "restore-failed" => {
            let fault = record.error.as_ref().map(|fault| format!(": {}", fault.name));
            let what = format!("{file} was not taken over{}{status}", fault.unwrap_or_default());
            (what, Tint::Bad)
        }
        "persist-failed" => (format!("{file} could not be written{status}"), Tint::Bad),
        "state-not-kept" => (
            "the last run did not end with its state written; progress since it was written last is lost"
                .to_owned(),
            Tint::Warn,
        ),
        "key-changed" => ("the key that sets must be signed with".to_owned(), Tint::Warn),
        "evaluation-reset" => (
            "a violation set the progress back; `gatehouse readiness` names the driver".to_owned(),
            Tint::Warn,
        ),
        _ => (String::new(), Tint::Plain),
    }
}
