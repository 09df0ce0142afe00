//! `readiness`: how far the evaluation is, and what stands in the way.

use protocol::control::ThresholdsRequest;
use protocol::message::Request;

use crate::args::Readiness;
use crate::commands::Context;
use crate::commands::mode::drivers;
use crate::commands::mode::ticks;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::records::DriverRecord;
use crate::records::ProgressRecord;
use crate::records::span;

/// Sets thresholds where some are given, then reports.
pub fn run(arguments: &Readiness, context: &mut Context) -> Result<Outcome, Error> {
    let changes = arguments.runtime.is_some() || arguments.boots.is_some() || arguments.restart;
    let runtime = match arguments.runtime.map(ticks) {
        Some(Some(0) | None) => {
            return Err(Error::Usage(
                "--runtime is a time as in --runtime 100h".to_owned(),
            ));
        }
        Some(Some(ticks)) => ticks,
        None => 0,
    };
    let access = if changes { Access::Write } else { Access::Read };
    let mut driver = context.driver("readiness", access)?;
    if changes {
        driver.thresholds(&ThresholdsRequest {
            request: Request::new(),
            runtime: runtime.into(),
            boots: arguments.boots.unwrap_or(0).into(),
            restart: u32::from(arguments.restart).into(),
        })?;
    }
    let has_policy = driver.status()?.generation.get() != 0;
    let answer = driver.progress()?;
    let record = ProgressRecord::new(&answer.head);
    let violators = DriverRecord::all(&answer.fields());
    if context.output.is_json() {
        context.output.record(&record)?;
        for violator in &violators {
            context.output.record(violator)?;
        }
    } else {
        report(&mut context.output, &record, has_policy)?;
        drivers(&mut context.output, &violators)?;
    }
    Ok(if record.violators > 0 || !violators.is_empty() {
        Outcome::Refused
    } else {
        Outcome::Done
    })
}

fn report(output: &mut Output, record: &ProgressRecord, has_policy: bool) -> Result<(), Error> {
    let mut table = Table::bare();
    let mut row = |tint, name: &'static str, value: String| table.row(tint, [name.into(), value.into()]);
    let reached = |done: bool| if done { Tint::Good } else { Tint::Warn };
    let runtime = record.runtime_seconds >= record.runtime_needed_seconds;
    let boots = record.boots >= record.boots_needed;
    row(
        reached(runtime),
        "runtime",
        format!(
            "{} of {} without a violation",
            span(record.runtime_seconds),
            span(record.runtime_needed_seconds)
        ),
    );
    row(
        reached(boots),
        "boots",
        format!("{} of {} without a violation", record.boots, record.boots_needed),
    );
    row(Tint::Plain, "since", moment(record.since.as_ref(), "not started"));
    row(
        Tint::Plain,
        "last violation",
        moment(record.last_violation.as_ref(), "none"),
    );
    for (name, count) in [
        ("would have been refused", record.audits),
        ("refused", record.blocks),
        ("set back", record.resets),
    ] {
        row(
            if count == 0 { Tint::Plain } else { Tint::Warn },
            name,
            count.to_string(),
        );
    }
    let unlisted = match record.violators_unlisted {
        0 => String::new(),
        unlisted => format!(", {unlisted} of them not listed"),
    };
    let drivers = format!("{}{unlisted}", record.violators);
    let tint = if record.violators == 0 {
        Tint::Good
    } else {
        Tint::Bad
    };
    row(tint, "drivers in the way", drivers);
    output.table(&table)?;
    output.line(verdict(record, has_policy))?;
    if !record.persistent {
        output.warning("this progress is lost when the driver stops: its files cannot be written");
    }
    Ok(())
}

fn moment(time: Option<&String>, none: &str) -> String {
    time.map_or(none, String::as_str).to_owned()
}

/// The one line that says what to do next.
fn verdict(record: &ProgressRecord, has_policy: bool) -> String {
    if !has_policy {
        return "no policy is in force, so nothing is evaluated; push one with `gatehouse push`".to_owned();
    }
    if record.violators > 0 {
        return "not ready: see to the drivers below first; each new violation sets the progress back"
            .to_owned();
    }
    if record.passed {
        return "ready: enforce with `gatehouse mode enforce`, at first for a while (`--for 1h`)".to_owned();
    }
    let mut missing = Vec::new();
    let runtime = record
        .runtime_needed_seconds
        .saturating_sub(record.runtime_seconds);
    if runtime > 0 {
        missing.push(format!("{} of runtime", span(runtime)));
    }
    let boots = record.boots_needed.saturating_sub(record.boots);
    if boots > 0 {
        missing.push(format!("{boots} boot sessions"));
    }
    format!("not ready yet: {} to go", missing.join(" and "))
}
