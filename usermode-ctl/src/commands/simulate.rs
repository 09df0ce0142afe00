//! `simulate`: verdicts without the driver.

use std::borrow::Cow;

use evidence::Evidence;
use policy::Decision;
use policy::Reason;
use policy::decide;

use crate::args::Simulate;
use crate::catalogs;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::inventory::Inventory;
use crate::output::Table;
use crate::output::Tint;
use crate::policies;
use crate::records::VerdictRecord;

/// Weighs every file and reports the verdicts in the order of the files.
pub fn run(arguments: &Simulate, context: &mut Context) -> Result<Outcome, Error> {
    let output = &mut context.output;
    let set = policies::load(&arguments.policy, output)?;
    let catalogs = catalogs::read(&arguments.catalogs, output)?;
    let inventory = Inventory {
        paths: &arguments.paths,
        records: &arguments.evidence,
        // Catalogues given now come before those that the set carries.
        catalogs: catalogs.index().or_else(|| set.set().catalogs()),
    };
    let mut table = Table::headed(&["DECISION", "REASON", "LEVEL", "RULE", "POLICY", "PATH"]);
    let mut counts = [0_u64; 3];
    let mut unknown = 0_u64;
    let set = set.set();
    let as_records = output.is_json();
    let weigh = |name: &str, evidence: &Evidence<'_>| {
        let verdict = decide(&set, evidence);
        let reported = as_records && !(arguments.refused && verdict.decision == Decision::Allow);
        let record = reported.then(|| VerdictRecord::of(name.to_owned(), &verdict, &set, evidence));
        (verdict, record)
    };
    let read = inventory.each(output, weigh, |output, name, (verdict, record)| {
        if !is_known(verdict.reason) {
            unknown = unknown.saturating_add(1);
        } else if let Some(count) = counts.get_mut(usize::from(verdict.decision.number())) {
            *count = count.saturating_add(1);
        }
        if arguments.refused && verdict.decision == Decision::Allow {
            return Ok(());
        }
        if let Some(record) = record {
            return output.record(&record);
        }
        let tint = match verdict.decision {
            Decision::Allow => Tint::Plain,
            Decision::WouldRefuse => Tint::Warn,
            Decision::Refuse => Tint::Bad,
        };
        let decider = verdict
            .policies()
            .find(|outcome| outcome.decision == verdict.decision && outcome.reason == verdict.reason);
        let rule = decider.and_then(|outcome| outcome.rule);
        let policy = decider.map_or("-", |outcome| outcome.policy.name());
        let cells: [Cow<'_, str>; 6] = [
            verdict.decision.name().into(),
            verdict.reason.name().into(),
            rule.map_or("-", |rule| rule.level.name()).into(),
            rule.map_or("-", |rule| rule.id).into(),
            policy.into(),
            Cow::Owned(name.to_owned()),
        ];
        table.row(tint, cells);
        Ok(())
    })?;
    if !table.is_empty() {
        output.table(&table)?;
    }
    let [allowed, would_refuse, refused] = counts;
    let unknown = unknown.saturating_add(read.unreadable);
    output.note(format_args!(
        "{allowed} allowed, {would_refuse} would be refused (audit), {refused} refused, {unknown} unknown"
    ));
    let weighed = if would_refuse > 0 || refused > 0 {
        Outcome::Refused
    } else {
        Outcome::Done
    };
    let outcome = read.outcome(weighed.max(catalogs.outcome()), output);
    Ok(if arguments.strict && unknown > 0 {
        Outcome::Refused
    } else {
        outcome
    })
}

/// Whether a verdict for this reason says what the policies want: all others are for want of a fact, or of a policy.
const fn is_known(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Allowed | Reason::WhqlRequired | Reason::FailsPolicy | Reason::ExplicitlyDenied
    )
}
