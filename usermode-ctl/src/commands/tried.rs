//! `explain --policy`: the rules that were tried on a file, in the order in which they count.

use std::borrow::Cow;

use evidence::Evidence;
use policy::Action;
use policy::Decision;
use policy::PolicyOutcome;
use policy::PolicySet;
use policy::Truth;
use policy::Verdict;
use policy::decide;
use policy::decide_parts;
use serde::Serialize;

use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
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

/// What was tried on a file, and what came of it.
pub struct Tried<'s> {
    verdict: Verdict<'s>,
    /// What each base policy decided.
    outcomes: Vec<PolicyOutcome<'s>>,
    record: VerdictRecord,
    /// The rules that hold or come near.
    found: Vec<policy::Tried<'s>>,
    /// How many rules were tried.
    all: u32,
}

impl<'s> Tried<'s> {
    /// Weighs a file.
    pub fn of(name: &str, set: &PolicySet<'s>, evidence: &Evidence<'_>) -> Self {
        let verdict = decide(set, evidence);
        let mut found = Vec::new();
        let all = policy::explain(set, evidence, &mut |rule| found.push(rule));
        // Deny rules come before all others, then the more specific; rules that hold before those that do not.
        found.sort_by_key(|found| {
            (
                found.rule.action == Action::Allow,
                found.truth == Truth::No,
                found.rule.level,
            )
        });
        Self {
            outcomes: decide_parts(set, evidence)
                .flat_map(|part| part.policies())
                .collect(),
            record: VerdictRecord::of(name.to_owned(), &verdict, set, evidence),
            verdict,
            found,
            all,
        }
    }

    /// Shows what led to the verdict.
    pub fn show(&self, output: &mut Output) -> Result<Outcome, Error> {
        if output.is_json() {
            for found in &self.found {
                output.record(&TriedRecord::of(found))?;
            }
            output.record(&self.record)?;
        } else {
            output.line("")?;
            output.line(format_args!(
                "{} rules tried; {} hold or come near",
                self.all,
                self.found.len()
            ))?;
            let table = self.table();
            if !table.is_empty() {
                output.table(&table)?;
            }
            show_verdict(&self.verdict, &self.outcomes, output)?;
        }
        Ok(match self.verdict.decision {
            Decision::Allow => Outcome::Done,
            _ => Outcome::Refused,
        })
    }

    fn table(&self) -> Table {
        let mut table = Table::headed(&["HOLDS", "ACTION", "LEVEL", "RULE", "NAME", "POLICY", "WHY NOT"]);
        for found in &self.found {
            let decides = self
                .outcomes
                .iter()
                .any(|outcome| outcome.rule == Some(found.rule));
            let holds = match (found.truth, decides) {
                (Truth::Yes, true) => "yes, decides",
                (truth, _) => name(truth),
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
        table
    }
}

impl<'t> TriedRecord<'t> {
    fn of(found: &'t policy::Tried<'_>) -> Self {
        Self {
            schema: "gatehouse.tried/1",
            policy: found.policy.name(),
            kind: found.rule.kind.name(),
            level: found.rule.level.name(),
            id: found.rule.id,
            name: found.rule.name,
            action: found.rule.action.name(),
            holds: name(found.truth),
            missed: found.missed,
            signature: found.signature,
        }
    }
}

const fn name(truth: Truth) -> &'static str {
    match truth {
        Truth::Yes => "yes",
        Truth::No => "no",
        Truth::Unknown(_) => "unknown",
    }
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
