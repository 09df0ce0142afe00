//! `check`: the running driver weighs files now.

use std::borrow::Cow;
use std::path::Path;

use protocol::event::split;
use serde::Serialize;

use crate::args::Check;
use crate::commands::Context;
use crate::driver::Access;
use crate::driver::Client;
use crate::driver::path::nt_path;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::records::EventRecord;
use crate::records::EvidenceRecord;
use crate::records::VerdictRecord;

/// The verdict record, and beside it what it rests on.
#[derive(Serialize)]
struct CheckRecord {
    #[serde(flatten)]
    verdict: VerdictRecord,
    /// Of the event that the check left in the driver's ring.
    sequence: u64,
    generation: Option<u64>,
    set_sha256: Option<String>,
    evidence: EvidenceRecord,
}

/// Has each file weighed and reports the verdicts.
pub fn run(arguments: &Check, context: &mut Context) -> Result<Outcome, Error> {
    let mut driver = context.driver("check", Access::Read)?;
    let mut outcome = Outcome::Done;
    let mut records = Vec::new();
    for path in &arguments.files {
        let record = check(&mut driver, path)?;
        outcome = outcome.max(outcome_of(&record));
        if let Some(error) = &record.evidence.error {
            context
                .output
                .failure(format_args!("{}: {error}", files::name(path)));
        }
        if context.output.is_json() {
            context.output.record(&record)?;
        } else {
            records.push(record);
        }
    }
    if !records.is_empty() {
        report(&mut context.output, &records)?;
    }
    Ok(outcome)
}

fn check(driver: &mut Client, path: &Path) -> Result<CheckRecord, Error> {
    let bytes = driver.check(&nt_path(path)?)?;
    let record = split(&bytes).map(|(record, _)| EventRecord::of(&record));
    let without = |problem| Error::Answer {
        request: "check",
        problem,
    };
    let record = record.ok_or(without("it is not an event record"))?;
    Ok(CheckRecord {
        verdict: record.verdict.ok_or(without("it holds no verdict"))?,
        sequence: record.sequence,
        generation: record.generation,
        set_sha256: record.set_sha256,
        evidence: record.evidence.ok_or(without("it holds no evidence"))?,
    })
}

fn outcome_of(record: &CheckRecord) -> Outcome {
    if record.evidence.is_unreadable() {
        Outcome::Failed
    } else if record.verdict.refuses {
        Outcome::Refused
    } else {
        Outcome::Done
    }
}

fn report(output: &mut Output, records: &[CheckRecord]) -> Result<(), Error> {
    let mut table = Table::headed(&["DECISION", "REASON", "RULE", "SHA256", "PATH"]);
    for record in records {
        let rule = record.verdict.deciding_rule().map_or("-", |rule| &rule.id);
        let sha256 = record.evidence.authenticode.sha256.as_deref();
        table.row(
            tint(&record.verdict, &record.evidence),
            [
                Cow::Borrowed(&*record.verdict.decision),
                (&*record.verdict.reason.name).into(),
                rule.into(),
                sha256.unwrap_or(record.evidence.status.name()).into(),
                record.verdict.path.as_str().into(),
            ],
        );
    }
    output.table(&table)
}

/// How a verdict looks.
pub fn tint(verdict: &VerdictRecord, evidence: &EvidenceRecord) -> Tint {
    if verdict.refuses {
        Tint::Bad
    } else if evidence.is_unreadable() {
        Tint::Warn
    } else {
        Tint::Good
    }
}
