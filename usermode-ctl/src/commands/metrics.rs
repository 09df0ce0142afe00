//! `metrics`: counters, times and rule hits.

use policy::ValidatedSet;

use crate::commands::Context;
use crate::commands::status;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::records::MetricsRecord;
use crate::records::TimeRecord;

/// Asks and reports. The set in force is fetched too, to tell which of its rules decide nothing.
pub fn run(context: &mut Context) -> Result<Outcome, Error> {
    let mut driver = context.driver("metrics", Access::Read)?;
    let metrics = driver.metrics()?;
    let status = driver.status()?;
    let set = driver.pull()?.map(|(_, bytes)| ValidatedSet::new(bytes));
    let set = set.transpose().map_err(|_| Error::Answer {
        request: "pull",
        problem: "it is no valid set",
    })?;
    let view = set.as_ref().map(ValidatedSet::set);
    let record = MetricsRecord::new(driver.driver_version(), &status, &metrics, view.as_ref());
    if context.output.is_json() {
        context.output.record(&record)?;
    } else {
        report(&mut context.output, &record)?;
    }
    Ok(Outcome::Done)
}

fn report(output: &mut Output, record: &MetricsRecord) -> Result<(), Error> {
    status::counters(output, &record.counters)?;
    output.line("")?;
    let mut table = Table::headed(&["MICROSECONDS, AT MOST", "COUNT", "P50", "P95", "P99", "MAX"]);
    for column in 1..=5 {
        table.align_right(column);
    }
    let times = &record.times_us;
    for (name, time) in [
        ("waiting for the worker", &times.queued),
        ("reading a file", &times.read),
        ("deciding", &times.decided),
        ("holding up a load", &times.held),
    ] {
        let TimeRecord {
            count,
            p50,
            p95,
            p99,
            max,
        } = *time;
        let shown =
            [p50, p95, p99, max].map(|bound| bound.map_or("-".to_owned(), |bound| format!("{bound:.1}")));
        let cells = [name.to_owned(), count.to_string()].into_iter().chain(shown);
        table.row(Tint::Plain, cells.map(Into::into));
    }
    output.table(&table)?;
    output.note(
        "times are upper bounds of the buckets that the driver counts in: each at most twice the true value",
    );
    rules(output, record)
}

fn rules(output: &mut Output, record: &MetricsRecord) -> Result<(), Error> {
    if !record.rules.is_empty() {
        let mut table = Table::headed(&["HITS", "ACTION", "RULE", "POLICY"]);
        table.align_right(0);
        for rule in &record.rules {
            let tint = if rule.action == "deny" {
                Tint::Bad
            } else {
                Tint::Plain
            };
            table.row(
                tint,
                [
                    rule.times.to_string().into(),
                    (&*rule.action).into(),
                    rule.id.as_str().into(),
                    rule.policy_id.as_str().into(),
                ],
            );
        }
        output.line("")?;
        output.table(&table)?;
    }
    output.line("")?;
    output.line(format_args!("{} decisions by no rule", record.hits_none))?;
    if record.hits_unlisted > 0 {
        return output.line(format_args!(
            "{} decisions by rules that are not counted one by one, so nobody knows which rules are unused",
            record.hits_unlisted
        ));
    }
    if record.unused.is_empty() {
        return Ok(());
    }
    output.line(format_args!(
        "{} rules decided nothing so far:",
        record.unused.len()
    ))?;
    let mut table = Table::headed(&["RULE", "NAME", "POLICY"]);
    for rule in &record.unused {
        let cells = [&rule.id, &rule.name, &rule.policy_id];
        table.row(Tint::Plain, cells.map(|cell| cell.as_str().into()));
    }
    output.table(&table)
}
