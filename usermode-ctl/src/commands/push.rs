//! `push`: policies to the driver.

use protocol::message::PushOutcome;
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

/// How a push ended.
#[derive(Serialize)]
struct PushRecord {
    schema: &'static str,
    accepted: bool,
    /// In force after the push.
    generation: u64,
    set_sha256: Option<String>,
    bytes: usize,
    error: Option<FaultRecord>,
}

/// Compiles where needed, validates, pushes.
pub fn run(arguments: &Push, context: &mut Context) -> Result<Outcome, Error> {
    let set = set(arguments, context)?;
    let outcome = context.driver("push", Access::Write)?.push(&set)?;
    let record = record(&outcome, set.len());
    if context.output.is_json() {
        context.output.record(&record)?;
    } else if record.accepted {
        context
            .output
            .line(format_args!("{}, {} bytes", in_force(&record), record.bytes))?;
    }
    match &record.error {
        None => Ok(Outcome::Done),
        Some(fault) => Err(Error::PolicyRejected {
            fault: fault.to_string(),
            in_force: in_force(&record),
        }),
    }
}

/// The bytes to push.
fn set(arguments: &Push, context: &mut Context) -> Result<Vec<u8>, Error> {
    let unchecked = arguments.unchecked;
    let mut files = arguments
        .files
        .iter()
        .map(|path| PolicyFile::read(path))
        .collect::<Result<Vec<_>, _>>()?;
    let alone = match files.as_slice() {
        [file] => unchecked || file.is_compiled(),
        _ if unchecked || files.iter().any(PolicyFile::is_compiled) => {
            return Err(Error::Usage(
                "a compiled set is pushed alone; compile all documents together instead".to_owned(),
            ));
        }
        _ => false,
    };
    if !alone {
        return Ok(policies::compile(&files, &mut context.output)?.bytes);
    }
    let file = files.remove(0);
    if !unchecked {
        policies::validate(&file.path, &file.bytes)?;
    }
    Ok(file.bytes)
}

fn record(outcome: &PushOutcome, bytes: usize) -> PushRecord {
    let code = u64::from(outcome.error.get());
    let generation = outcome.generation.get();
    PushRecord {
        schema: "gatehouse.push/1",
        accepted: code == 0,
        generation,
        set_sha256: (generation != 0).then(|| hex(&outcome.set_sha256)),
        bytes,
        error: (code != 0).then(|| FaultRecord::new(code, outcome.offset.get())),
    }
}

fn in_force(record: &PushRecord) -> String {
    match &record.set_sha256 {
        Some(sha256) => format!("generation {} is in force: set {sha256}", record.generation),
        None => "no policy is in force".to_owned(),
    }
}
