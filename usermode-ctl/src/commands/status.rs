//! `status`: state and counters of the running driver.

use crate::commands::Context;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::records::StatusRecord;
use crate::records::hold_advice;

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
            "generation {}, {} bytes, {sha256}{}",
            record.generation,
            record.set_bytes,
            if record.lacks_base() {
                ": no base policy, so it refuses nothing"
            } else {
                ""
            }
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
    let asked = if record.mode == record.mode_asked {
        String::new()
    } else {
        format!(" ({} was asked for)", record.mode_asked)
    };
    let until = record.mode_until.as_ref().map(|until| format!(" until {until}"));
    row(
        warn(!asked.is_empty()),
        "mode",
        format!("{}{asked}{}", record.mode, until.unwrap_or_default()),
    );
    if !record.holds.is_empty() {
        row(
            warn(record.mode_asked == "enforce"),
            "enforcement held by",
            record.holds.join(", "),
        );
    }
    row(
        warn(record.generation == 0 || record.lacks_base()),
        "policy",
        policy,
    );
    let sequence = record.set_sequence.map_or_else(none, |number| number.to_string());
    row(Tint::Plain, "sequence number", sequence);
    row(
        Tint::Plain,
        "signing key",
        record
            .key_fingerprint
            .clone()
            .unwrap_or_else(|| "none: unsigned sets are taken".to_owned()),
    );
    if let Some(highest) = record.key_sequence {
        row(Tint::Plain, "its highest sequence", highest.to_string());
    }
    if record.key_number != 0 {
        row(Tint::Plain, "last change of key", record.key_number.to_string());
    }
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
    output.table(&table)?;
    if record.mode_asked == "enforce" {
        for hold in &record.holds {
            output.note(hold_advice(hold));
        }
    }
    output.line("")?;
    counters(output, record)
}

/// The counters alone.
pub fn counters(output: &mut Output, record: &StatusRecord) -> Result<(), Error> {
    let mut table = Table::bare();
    for (name, value, bad) in [
        ("loads seen", record.loads_seen, false),
        ("loads dropped", record.loads_dropped, true),
        ("weighed", record.weighed, false),
        ("allowed", record.allowed, false),
        ("would refuse", record.would_refuse, true),
        ("refused", record.refused, true),
        ("unreadable", record.unreadable, true),
        ("sections seen", record.sections_seen, false),
        ("sections weighed", record.sections_weighed, false),
        ("sections uncertain", record.sections_uncertain, true),
        ("sections spared", record.sections_spared, true),
        ("sections refused", record.sections_refused, true),
        ("cache hits", record.cache_hits, false),
        ("cache misses", record.cache_misses, false),
        ("events emitted", record.events_emitted, false),
        ("events overwritten", record.events_overwritten, false),
        ("events failed", record.events_failed, true),
        ("pushes accepted", record.pushes_accepted, false),
        ("pushes rejected", record.pushes_rejected, true),
        ("requests refused", record.requests_refused, false),
        ("pool blocks", record.pool_blocks, false),
        ("pool bytes", record.pool_bytes, false),
        ("pool failures", record.pool_failures, true),
        ("own image not known", record.failures.own_image, true),
        ("kill switch not read", record.failures.kill_switch, true),
        ("own files not written", record.failures.keeping, true),
        ("own files not restored", record.failures.restoring, true),
        ("last run not ended", record.failures.last_end, true),
        ("file marks not read", record.failures.file_marks, true),
        ("system start not known", record.failures.system_start, true),
        ("events not traced", record.failures.tracing, true),
        ("prefetches not marked", record.failures.prefetch, true),
    ] {
        table.row(warn(bad && value > 0), [name.into(), value.to_string().into()]);
    }
    output.table(&table)
}

fn warn(on: bool) -> Tint {
    if on { Tint::Warn } else { Tint::Plain }
}
