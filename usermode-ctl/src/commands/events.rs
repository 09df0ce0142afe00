//! `events`: what the driver saw.
//!
//! The device is opened anew for each look: Windows does not unload a driver as long as a handle to its device is open, and
//! following events must not keep the driver from being stopped.

use std::thread::sleep;

use owo_colors::OwoColorize;
use protocol::event::split;

use crate::args::Events;
use crate::commands::Context;
use crate::commands::check::tint;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Tint;
use crate::output::printable;
use crate::records::DroppedRecord;
use crate::records::EventRecord;

/// Reports what is held and, when following, what comes.
pub fn run(arguments: &Events, context: &mut Context) -> Result<Outcome, Error> {
    let mut cursor = Cursor {
        after: arguments.since,
        started: None,
    };
    cursor.look(context)?;
    if !arguments.follow {
        return Ok(Outcome::Done);
    }
    loop {
        sleep(arguments.interval);
        match cursor.look(context) {
            Err(Error::NotRunning) => {
                context.output.note("the driver was stopped");
                return Ok(Outcome::Done);
            }
            looked => looked?,
        }
    }
}

/// Where reading goes on.
struct Cursor {
    /// Sequence number of the last event seen.
    after: u64,
    /// When the driver that it belongs to was started.
    started: Option<i64>,
}

impl Cursor {
    /// Reports everything that is new.
    fn look(&mut self, context: &mut Context) -> Result<(), Error> {
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
            let batch = driver.events(self.after)?;
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
    output.line(line.style(Tint::Warn.colours()))
}

fn event(output: &mut Output, record: &EventRecord) -> Result<(), Error> {
    if output.is_json() {
        return output.record(record);
    }
    let time = record.time.as_deref().unwrap_or("-");
    let (what, tint) = what(record);
    let line = format!(
        "{:>6}  {time:30}  {:16}  {}",
        record.sequence,
        record.kind,
        printable(&what)
    );
    output.line(line.trim_end().style(tint.colours()))
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
    let generation = record.generation.unwrap_or(0);
    let count = record.count.map(|count| format!("{count}"));
    match (&record.error, count) {
        (Some(fault), count) => {
            let what = format!(
                "{} at byte {} of a set of {} bytes; generation {generation} stays in force",
                fault.name,
                fault.offset,
                count.unwrap_or_default()
            );
            (what, Tint::Bad)
        }
        (None, Some(count)) if record.kind == "loads-dropped" => (
            format!("{count} image loads so far went by unweighed"),
            Tint::Warn,
        ),
        (None, Some(count)) => (
            format!("generation {generation} is in force, {count} bytes"),
            Tint::Plain,
        ),
        (None, None) => (String::new(), Tint::Plain),
    }
}
