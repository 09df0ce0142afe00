//! `policy compile`: documents to the one set that the driver takes.

use sipolicy::Compiled;

use crate::args::Compile;
use crate::catalogs;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::policies;
use crate::policies::PolicyFile;
use crate::records::SetRecord;

/// Compiles, writes and reports what was written.
pub fn run(arguments: &Compile, context: &mut Context) -> Result<Outcome, Error> {
    policies::keep_inputs(
        &arguments.output,
        arguments.files.iter().chain(&arguments.catalogs),
    )?;
    let files = arguments.files.iter().map(|path| PolicyFile::read(path));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let catalogs = catalogs::read(&arguments.catalogs, &mut context.output)?.whole()?;
    let Compiled { bytes: set, notes } = policies::compile_with(&files, catalogs, &mut context.output)?;
    let view = policies::validate(&arguments.output, &set)?;
    policies::warn_without_base(&view, &mut context.output);
    let to_output = files::is_standard_output(&arguments.output);
    let mut record = SetRecord::new(files::name(&arguments.output), &set, &view);
    record.notes = notes.iter().map(ToString::to_string).collect();
    files::write_result(&mut context.output, &arguments.output, &set)?;
    // The set itself is the result when it goes to standard output.
    if !to_output {
        report(&mut context.output, &record)?;
    }
    Ok(Outcome::Done)
}

/// Tells what a set holds.
pub fn report(output: &mut Output, record: &SetRecord) -> Result<(), Error> {
    if output.is_json() {
        return output.record(record);
    }
    output.line(format_args!(
        "{}  {}  {} bytes, {} rules",
        record.path, record.sha256, record.bytes, record.rules
    ))?;
    let mut table = Table::headed(&["POLICY", "VERSION", "KIND", "MODE", "NAME"]);
    for policy in &record.policies {
        table.row(
            Tint::Plain,
            [
                policy.policy_id.as_str().into(),
                policy.version.as_str().into(),
                policy.kind.into(),
                if policy.audit { "audit" } else { "enforced" }.into(),
                policy.name.as_str().into(),
            ],
        );
    }
    output.table(&table)
}
