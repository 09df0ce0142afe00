//! `status`: state and counters of the running driver.

use crate::commands::Context;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::records::StatusRecord;

/// Asks and reports.
pub fn run(context: &mut Context) -> Result<Outcome, Error> {
    let mut driver = context.driver("status", Access::Read)?;
    let status = driver.status()?;
    let record = StatusRecord::new(driver.driver_version(), &status);
    if context.output.is_json() {
        context.output.record(&record)?;
    } else {
        report(&mut context.output, &record)?;
    }
    Ok(Outcome::Done)
}

fn report(output: &mut Output, record: &StatusRecord) -> Result<(), Error> {
    let none = || "-".to_owned();
    let policy = match &record.set_sha256 {
        Some(sha256) => format!(
            "generation {}, {} bytes, {sha256}",
            record.generation, record.set_bytes
        ),
        None => "none".to_owned(),
    };
    let mut table = Table::bare();
    let mut row = |tint, name: &'static str, value: String| table.row(tint, [name.into(), value.into()]);
    row(
        Tint::Plain,
        "driver",
        format!("{} (protocol {})", record.driver_version, record.protocol_version),
    );
    row(Tint::Plain, "mode", record.mode.to_string());
    row(warn(record.generation == 0), "policy", policy);
    row(
        Tint::Plain,
        "started",
        record.started.clone().unwrap_or_else(none),
    );
    row(Tint::Plain, "now", record.now.clone().unwrap_or_else(none));
    row(
        Tint::Plain,
        "features",
        if record.features.is_empty() {
            none()
        } else {
            record.features.join(", ")
        },
    );
    for (name, value, bad) in [
        ("loads seen", record.loads_seen, false),
        ("loads dropped", record.loads_dropped, true),
        ("weighed", record.weighed, false),
        ("allowed", record.allowed, false),
        ("would refuse", record.would_refuse, true),
        ("refused", record.refused, true),
        ("unreadable", record.unreadable, true),
        ("events emitted", record.events_emitted, false),
        ("events overwritten", record.events_overwritten, false),
        ("events failed", record.events_failed, true),
        ("pushes accepted", record.pushes_accepted, false),
        ("pushes rejected", record.pushes_rejected, true),
        ("requests refused", record.requests_refused, false),
        ("pool blocks", record.pool_blocks, false),
        ("pool bytes", record.pool_bytes, false),
        ("pool failures", record.pool_failures, true),
    ] {
        row(warn(bad && value > 0), name, value.to_string());
    }
    output.table(&table)
}

fn warn(on: bool) -> Tint {
    if on { Tint::Warn } else { Tint::Plain }
}
