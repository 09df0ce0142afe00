//! `push`: policies to the driver.

use std::path::Path;

use protocol::message::PushOutcome;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::Push;
use crate::commands::Context;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::hex;
use crate::policies;
use crate::policies::PolicyFile;
use crate::records::FaultRecord;
use crate::records::meaning;

/// How a push or a rollback ended.
#[derive(JsonSchema, Serialize)]
pub struct PushRecord {
    schema: &'static str,
    accepted: bool,
    /// In force after the push.
    generation: u64,
    set_sha256: Option<String>,
    /// Of what was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    /// Whether what was accepted is kept for the next start.
    kept: bool,
    /// NTSTATUS of keeping it, in hexadecimal, when that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    error: Option<FaultRecord>,
}

/// Compiles where needed, validates, pushes.
pub fn run(arguments: &Push, context: &mut Context) -> Result<Outcome, Error> {
    let set = set(arguments, context)?;
    let outcome = context.driver("push", Access::Write)?.push(&set)?;
    report(&outcome, Some(set.len()), context)
}

/// Tells how a push or a rollback ended.
pub fn report(outcome: &PushOutcome, bytes: Option<usize>, context: &mut Context) -> Result<Outcome, Error> {
    let record = record(outcome, bytes);
    if context.output.is_json() {
        context.output.record(&record)?;
    } else if record.accepted {
        let bytes = record.bytes.map(|bytes| format!(", {bytes} bytes"));
        context
            .output
            .line(format_args!("{}{}", in_force(&record), bytes.unwrap_or_default()))?;
    }
    if let Some(status) = &record.status {
        context.output.warning(format_args!(
            "the set is in force, but could not be kept for the next start of the driver (status {status}{}); make room and check \
             the rights on the driver's folder, then push it again",
            status_meaning(outcome.persisted.get().into())
        ));
    }
    match &record.error {
        None => Ok(Outcome::Done),
        Some(fault) => Err(Error::PolicyRejected {
            fault: fault.to_string(),
            in_force: in_force(&record),
        }),
    }
}

/// What a status means, to follow its number.
pub fn status_meaning(status: u64) -> String {
    meaning(status).map_or_else(String::new, |meaning| format!(": {meaning}"))
}

/// The bytes to push.
fn set(arguments: &Push, context: &mut Context) -> Result<Vec<u8>, Error> {
    let unchecked = arguments.unchecked;
    let mut files = arguments
        .files
        .iter()
        .map(|path| PolicyFile::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let is_set = |file: &PolicyFile| file.is_compiled() || file.is_signed();
    let alone = match files.as_slice() {
        [file] => unchecked || is_set(file),
        _ if unchecked || files.iter().any(is_set) => {
            return Err(Error::Usage(
                "a compiled or signed set is pushed alone; compile all documents together instead".to_owned(),
            ));
        }
        _ => false,
    };
    if !alone {
        let set = policies::compile(&files, &mut context.output)?.bytes;
        let path = files.first().map_or(Path::new(""), |file| &file.path);
        policies::warn_without_base(&policies::validate(path, &set)?, &mut context.output);
        return Ok(set);
    }
    let file = files.remove(0);
    if !unchecked && let Some(set) = file.set()? {
        policies::warn_without_base(&policies::validate(&file.path, set)?, &mut context.output);
    }
    Ok(file.bytes)
}

fn record(outcome: &PushOutcome, bytes: Option<usize>) -> PushRecord {
    let code = u64::from(outcome.error.get());
    let generation = outcome.generation.get();
    let status = outcome.persisted.get();
    PushRecord {
        schema: "gatehouse.push/1",
        accepted: code == 0,
        generation,
        set_sha256: (generation != 0).then(|| hex(&outcome.set_sha256)),
        bytes,
        kept: code == 0 && status == 0,
        status: (code == 0 && status != 0).then(|| format!("{status:#010x}")),
        error: (code != 0).then(|| FaultRecord::new(code, outcome.offset.get())),
    }
}

fn in_force(record: &PushRecord) -> String {
    match &record.set_sha256 {
        Some(sha256) => format!("generation {} is in force: set {sha256}", record.generation),
        None => "no policy is in force".to_owned(),
    }
}
