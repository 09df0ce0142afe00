//! `mode`: whether the running driver reports or refuses.

use std::borrow::Cow;
use std::time::Duration;

use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::control::mode_error;
use protocol::message::Mode;
use protocol::message::Request;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::ModeName;
use crate::args::SetMode;
use crate::commands::Context;
use crate::commands::push::status_meaning;
use crate::driver::Access;
use crate::driver::Report;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::output::printable;
use crate::records::DriverRecord;
use crate::records::hold_advice;
use crate::records::hold_names;
use crate::records::mode_name;
use crate::records::time;

/// What became of a request for a mode.
#[derive(JsonSchema, Serialize)]
pub struct ModeRecord {
    schema: &'static str,
    /// Whether the driver took the mode that was asked for.
    taken: bool,
    /// In effect now.
    mode: Cow<'static, str>,
    /// Asked for and kept.
    mode_asked: Cow<'static, str>,
    /// When it ends by itself.
    until: Option<String>,
    /// What keeps enforcement from taking effect.
    holds: Vec<Cow<'static, str>>,
    /// Whether the mode is kept for the next start of the driver.
    kept: bool,
    /// Why it was not taken.
    error: Option<&'static str>,
    /// How many drivers would be refused that are loaded or start with Windows.
    blockers: u32,
    /// Whether all drivers that are loaded or start with Windows were listed; else more of them may be in the way.
    listed: bool,
    /// Those of them that the driver named.
    drivers: Vec<DriverRecord>,
}

/// Asks for the mode and tells what came of it.
pub fn run(arguments: &SetMode, context: &mut Context) -> Result<Outcome, Error> {
    let (mode, wanted) = match arguments.mode {
        ModeName::Evaluate => (Mode::Evaluate, "evaluate"),
        ModeName::Enforce => (Mode::Enforce, "enforce"),
    };
    if mode == Mode::Evaluate && (arguments.duration.is_some() || arguments.force) {
        return Err(Error::Usage(
            "--for and --force go with `mode enforce`; evaluation is never refused and does not end by itself".to_owned(),
        ));
    }
    let duration = match arguments.duration.map(ticks) {
        Some(Some(0)) => {
            return Err(Error::Usage(
                "--for needs a time above zero, as in --for 30m".to_owned(),
            ));
        }
        Some(None) => {
            return Err(Error::Usage(
                "--for is too long; leave it out to enforce until told otherwise".to_owned(),
            ));
        }
        Some(Some(ticks)) => ticks,
        None => 0,
    };
    let request = ModeRequest {
        request: Request::new(),
        mode: (mode as u32).into(),
        force: u32::from(arguments.force).into(),
        duration: duration.into(),
    };
    let answer = context.driver("mode", Access::Write)?.mode(&request)?;
    let record = record(&answer);
    if context.output.is_json() {
        context.output.record(&record)?;
    } else {
        report(&mut context.output, &record)?;
    }
    if record.taken && !record.kept {
        let status = answer.head.persisted.get();
        context.output.warning(format_args!(
            "the mode could not be kept for the next start of the driver (status {status:#010x}{})",
            status_meaning(status.into())
        ));
    }
    if !record.listed {
        let status = answer.head.listed.get();
        context.output.warning(format_args!(
            "not all drivers that are loaded or start with Windows could be listed (status {status:#010x}{}): more of them may be refused",
            status_meaning(status.into())
        ));
    }
    conclude(&answer.head, wanted)
}

/// A time in 100 ns; `None` for one that the driver could not count.
pub fn ticks(time: Duration) -> Option<u64> {
    u64::try_from(time.as_nanos() / 100).ok()
}

fn record(answer: &Report<ModeOutcome>) -> ModeRecord {
    let head = &answer.head;
    let error = head.error.get();
    ModeRecord {
        schema: "gatehouse.mode/1",
        taken: error == 0,
        mode: mode_name(head.mode.get().into()),
        mode_asked: mode_name(head.mode_asked.get().into()),
        until: time(head.until.get()),
        holds: hold_names(head.holds.get().into()),
        kept: head.persisted.get() == 0,
        error: match error {
            0 => None,
            mode_error::BLOCKERS => Some("blockers"),
            mode_error::NO_POLICY => Some("no-policy"),
            mode_error::NO_FILTER => Some("no-filter"),
            mode_error::UNKNOWN_BLOCKERS => Some("unknown-blockers"),
            _ => Some("unknown"),
        },
        blockers: head.blockers.get(),
        listed: head.listed.get() == 0,
        drivers: DriverRecord::all(&answer.fields()),
    }
}

fn report(output: &mut Output, record: &ModeRecord) -> Result<(), Error> {
    let until = record.until.as_ref().map(|until| format!(" until {until}"));
    let asked = (record.mode != record.mode_asked).then(|| format!(" ({} was asked for)", record.mode_asked));
    output.line(format_args!(
        "mode: {}{}{}",
        record.mode,
        asked.unwrap_or_default(),
        until.unwrap_or_default()
    ))?;
    if record.mode_asked == "enforce" {
        for hold in &record.holds {
            output.line(format_args!("held back: {}", hold_advice(hold)))?;
        }
    }
    drivers(output, &record.drivers)
}

/// The drivers that are or would be refused, and what to do about each.
pub fn drivers(output: &mut Output, drivers: &[DriverRecord]) -> Result<(), Error> {
    if drivers.is_empty() {
        return Ok(());
    }
    let mut table = Table::headed(&["TIMES", "REASON", "RULE", "TRUST", "PATH"]);
    table.align_right(0);
    for driver in drivers {
        let times = driver.times.map_or("-".to_owned(), |times| times.to_string());
        table.row(
            Tint::Bad,
            [
                times.into(),
                driver.reason.as_ref().map_or("-", |reason| &*reason.name).into(),
                driver.rule().unwrap_or("-").into(),
                driver.trust.as_deref().unwrap_or("-").into(),
                driver.path.as_str().into(),
            ],
        );
    }
    output.line("")?;
    output.table(&table)?;
    for driver in drivers {
        output.line("")?;
        output.line(format_args!("{}:", printable(&driver.path)))?;
        for advice in &driver.advice {
            output.line(format_args!("  - {}", printable(advice)))?;
        }
    }
    Ok(())
}

/// Drivers in the way are a result like that of a simulation; anything else is a failure.
fn conclude(head: &ModeOutcome, wanted: &'static str) -> Result<Outcome, Error> {
    let what = if wanted == "enforce" {
        "the driver does not enforce"
    } else {
        "the driver does not change its mode"
    };
    let problem = match head.error.get() {
        0 => return Ok(Outcome::Done),
        mode_error::BLOCKERS => return Ok(Outcome::Refused),
        mode_error::NO_POLICY => hold_advice("no-policy").to_owned(),
        mode_error::NO_FILTER => hold_advice("no-filter").to_owned(),
        mode_error::UNKNOWN_BLOCKERS => {
            "it could not weigh all drivers that are loaded or start with Windows, so it does not know whether Windows would start \
             again; try again, or use --force if you can recover the machine"
                .to_owned()
        }
        code => format!("code {code}, which this command does not know; install command and driver of the same release"),
    };
    Err(Error::Declined { what, problem })
}
