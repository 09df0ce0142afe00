//! `schema`: what the records that `--json` writes look like.

use schemars::JsonSchema;
use schemars::Schema;
use schemars::generate::SchemaSettings;
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

/// The schema of a record as it is written: a field that may be left out is not required.
fn schema_of<R: JsonSchema>() -> Schema {
    let settings = SchemaSettings::default().for_serialize();
    settings.into_generator().into_root_schema_for::<R>()
}

/// Every record that has a schema of its own, by the name it carries in its field `schema`.
fn schemas() -> [(&'static str, Schema); 14] {
    [
        ("gatehouse.doctor/1", schema_of::<Check>()),
        ("gatehouse.driver/1", schema_of::<DriverRecord>()),
        ("gatehouse.event/1", schema_of::<EventRecord>()),
        ("gatehouse.event/1 (dropped)", schema_of::<DroppedRecord>()),
        ("gatehouse.evidence/2", schema_of::<EvidenceRecord>()),
        ("gatehouse.key/1", schema_of::<KeyRecord<'_>>()),
        ("gatehouse.metrics/1", schema_of::<MetricsRecord>()),
        ("gatehouse.mode/1", schema_of::<ModeRecord>()),
        ("gatehouse.progress/1", schema_of::<ProgressRecord>()),
        ("gatehouse.push/1", schema_of::<PushRecord>()),
        ("gatehouse.service/1", schema_of::<ServiceRecord>()),
        ("gatehouse.set/1", schema_of::<SetRecord>()),
        ("gatehouse.status/1", schema_of::<StatusRecord>()),
        ("gatehouse.verdict/1", schema_of::<VerdictRecord>()),
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
