//! `schema`: what the records that `--json` writes look like.

use schemars::Schema;
use schemars::schema_for;
use serde_json::Value;

use crate::args::ShowSchema;
use crate::commands::Context;
use crate::commands::key::KeyRecord;
use crate::commands::mode::ModeRecord;
use crate::commands::push::PushRecord;
use crate::doctor::Check;
use crate::error::Error;
use crate::error::Outcome;
use crate::records::DriverRecord;
use crate::records::DroppedRecord;
use crate::records::EventRecord;
use crate::records::EvidenceRecord;
use crate::records::MetricsRecord;
use crate::records::ProgressRecord;
use crate::records::ServiceRecord;
use crate::records::SetRecord;
use crate::records::StatusRecord;
use crate::records::VerdictRecord;

/// Every record that has a schema of its own, by the name it carries in its field `schema`.
fn schemas() -> [(&'static str, Schema); 14] {
    [
        ("gatehouse.doctor/1", schema_for!(Check)),
        ("gatehouse.driver/1", schema_for!(DriverRecord)),
        ("gatehouse.event/1", schema_for!(EventRecord)),
        ("gatehouse.event/1 (dropped)", schema_for!(DroppedRecord)),
        ("gatehouse.evidence/1", schema_for!(EvidenceRecord)),
        ("gatehouse.key/1", schema_for!(KeyRecord<'_>)),
        ("gatehouse.metrics/1", schema_for!(MetricsRecord)),
        ("gatehouse.mode/1", schema_for!(ModeRecord)),
        ("gatehouse.progress/1", schema_for!(ProgressRecord)),
        ("gatehouse.push/1", schema_for!(PushRecord)),
        ("gatehouse.service/1", schema_for!(ServiceRecord)),
        ("gatehouse.set/1", schema_for!(SetRecord)),
        ("gatehouse.status/1", schema_for!(StatusRecord)),
        ("gatehouse.verdict/1", schema_for!(VerdictRecord)),
    ]
}

/// Prints one schema, or all of them, one a line under `--json`.
pub fn run(arguments: &ShowSchema, context: &mut Context) -> Result<Outcome, Error> {
    let output = &mut context.output;
    let mut found = false;
    for (name, schema) in schemas() {
        let wanted = arguments.record.as_deref();
        if wanted.is_some_and(|wanted| wanted != name) {
            continue;
        }
        found = true;
        let mut schema = Value::from(schema);
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("title".to_owned(), name.into());
        }
        if output.is_json() {
            output.record(&schema)?;
        } else {
            for line in format!("{schema:#}").lines() {
                output.line(line)?;
            }
        }
    }
    if found {
        return Ok(Outcome::Done);
    }
    let names: Vec<&str> = schemas().iter().map(|(name, _)| *name).collect();
    Err(Error::Usage(format!(
        "there is no such record; there are {}",
        names.join(", ")
    )))
}
