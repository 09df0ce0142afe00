//! `explain --policy`: the rules that were tried on a file, in the order in which they count.

use std::borrow::Cow;

use evidence::Evidence;
use policy::Action;
use policy::Decision;
use policy::PolicyOutcome;
use policy::Truth;
use policy::Verdict;
use policy::decide;
use policy::decide_parts;
use serde::Serialize;

use crate::args::Explain;
use crate::catalogs;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::inventory::Inventory;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::policies;
use crate::records::VerdictRecord;

/// A rule that was tried.
#[derive(Serialize)]
struct TriedRecord<'t> {
    schema: &'static str,
    policy: &'t str,
    kind: &'static str,
    level: &'static str,
    id: &'t str,
    name: &'t str,
    action: &'static str,
    /// `yes`, `no` or `unknown`.
    holds: &'static str,
    missed: Option<&'static str>,
    signature: Option<u8>,
}

/// Weighs the file and shows what led to the verdict.
pub fn run(arguments: &Explain, context: &mut Context) -> Result<Outcome, Error> {
    let output = &mut context.output;
    let set = policies::load(&arguments.policy, output)?;
    let index = catalogs::index(&arguments.catalogs, output)?;
    let inventory = Inventory {
        paths: std::slice::from_ref(&arguments.file),
        records: &[],
        catalogs: catalogs::read_index(&index).or_else(|| set.set().catalogs()),
    };
    let mut outcome = Outcome::Done;
    let set = set.set();
    let weigh = |name: &str, evidence: &Evidence<'_>| {
        let verdict = decide(&set, evidence);
        let outcomes: Vec<_> = decide_parts(&set, evidence)
            .flat_map(|part| part.policies())
            .collect();
        let record = VerdictRecord::of(name.to_owned(), &verdict, &set, evidence);
        let mut tried = Vec::new();
        let all = policy::explain(&set, evidence, &mut |found| tried.push(found));
        (verdict, outcomes, record, tried, all)
    };
    inventory.each(
        output,
        weigh,
        |output, _, (verdict, outcomes, record, mut tried, all)| {
            // Deny rules come before all others, then the more specific; rules that hold before those that do not.
            tried.sort_by_key(|found| {
                (
                    found.rule.action == Action::Allow,
                    found.truth == Truth::No,
                    found.rule.level,
                )
            });
            if verdict.decision != Decision::Allow {
                outcome = Outcome::Refused;
            }
            let mut table = Table::headed(&["HOLDS", "ACTION", "LEVEL", "RULE", "NAME", "POLICY", "WHY NOT"]);
            for found in &tried {
                let holds = match found.truth {
                    Truth::Yes => "yes",
                    Truth::No => "no",
                    Truth::Unknown(_) => "unknown",
                };
                if output.is_json() {
                    output.record(&TriedRecord {
                        schema: "gatehouse.tried/1",
                        policy: found.policy.name(),
                        kind: found.rule.kind.name(),
                        level: found.rule.level.name(),
                        id: found.rule.id,
                        name: found.rule.name,
                        action: found.rule.action.name(),
                        holds,
                        missed: found.missed,
                        signature: found.signature,
                    })?;
                    continue;
                }
                let decides = outcomes.iter().any(|outcome| outcome.rule == Some(found.rule));
                let holds = match (found.truth, decides) {
                    (Truth::Yes, true) => "yes, decides",
                    _ => holds,
                };
                let tint = match (found.truth, found.rule.action) {
                    (Truth::Yes, Action::Allow) => Tint::Good,
                    (Truth::Yes, Action::Deny) => Tint::Bad,
                    (Truth::Unknown(_), _) => Tint::Warn,
                    (Truth::No, _) => Tint::Plain,
                };
                let cells: [Cow<'_, str>; 7] = [
                    holds.into(),
                    found.rule.action.name().into(),
                    found.rule.level.name().into(),
                    found.rule.id.into(),
                    found.rule.name.into(),
                    found.policy.name().into(),
                    found.missed.unwrap_or("-").into(),
                ];
                table.row(tint, cells);
            }
            if output.is_json() {
                return output.record(&record);
            }
            output.line("")?;
            output.line(format_args!(
                "{all} rules tried; {} hold or come near",
                tried.len()
            ))?;
            if !table.is_empty() {
                output.table(&table)?;
            }
            show_verdict(&verdict, &outcomes, output)
        },
    )?;
    Ok(outcome)
}

/// Each base policy's part in the verdict, then the whole.
fn show_verdict(
    verdict: &Verdict<'_>,
    outcomes: &[PolicyOutcome<'_>],
    output: &mut Output,
) -> Result<(), Error> {
    output.line("")?;
    let mut table = Table::headed(&["DECISION", "REASON", "RULE", "POLICY"]);
    for found in outcomes {
        let tint = match found.decision {
            Decision::Allow => Tint::Good,
            Decision::WouldRefuse => Tint::Warn,
            Decision::Refuse => Tint::Bad,
        };
        let cells: [Cow<'_, str>; 4] = [
            found.decision.name().into(),
            found.reason.name().into(),
            found.rule.map_or("-", |rule| rule.id).into(),
            found.policy.name().into(),
        ];
        table.row(tint, cells);
    }
    if !table.is_empty() {
        output.table(&table)?;
    }
    output.line(format_args!(
        "{} ({})",
        verdict.decision.name(),
        verdict.reason.name()
    ))
}
