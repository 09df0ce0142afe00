//! `policy show`, `lint`, `merge`, `diff` and `convert`: work on policy documents.

use std::borrow::Cow;

use serde::Serialize;
use sipolicy::Document;
use sipolicy::Knowledge;
use sipolicy::Statement;
use sipolicy::lint::Severity;
use sipolicy::statements;
use sipolicy::to_binary;

use crate::args::Convert;
use crate::args::Diff;
use crate::args::Import;
use crate::args::Lint;
use crate::args::Merge;
use crate::args::Show;
use crate::commands::Context;
use crate::commands::compile;
use crate::commands::knowledge;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::output::hex;
use crate::policies;
use crate::policies::PolicyFile;
use crate::records::SetRecord;

/// One thing that a policy says.
#[derive(Serialize)]
struct StatementRecord<'s> {
    schema: &'static str,
    /// Of a compiled set, the policy that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_id: Option<String>,
    /// In a difference, whether it was `added` or `removed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
    says: &'s str,
    id: &'s str,
    name: &'s str,
    line: u32,
    column: u32,
}

impl<'s> StatementRecord<'s> {
    fn of(statement: &'s Statement, change: Option<&'static str>) -> Self {
        Self {
            schema: "gatehouse.statement/1",
            policy_id: None,
            change,
            says: &statement.text,
            id: &statement.id,
            name: &statement.name,
            line: statement.position.line,
            column: statement.position.column,
        }
    }
}

/// A fault in a document.
#[derive(Serialize)]
struct FindingRecord<'f> {
    schema: &'static str,
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    file: &'f str,
    line: u32,
    column: u32,
    message: &'f str,
    why: &'static str,
    instead: &'static str,
}

/// Shows what a document or a compiled set says.
pub fn show(arguments: &Show, context: &mut Context) -> Result<Outcome, Error> {
    let output = &mut context.output;
    let file = PolicyFile::read(&arguments.file)?;
    if file.is_compiled() {
        return show_set(&file, output);
    }
    let document = policies::document(&file)?;
    policies::tell_notes(&document, output);
    show_statements(&document, None, output)
}

/// What a document says, or a policy of a compiled set that this is the id of.
fn show_statements(
    document: &Document,
    policy_id: Option<&str>,
    output: &mut Output,
) -> Result<Outcome, Error> {
    let known = knowledge::load()?;
    let mut table = Table::headed(&["ID", "SAYS", "NAME", "CERTIFICATE"]);
    for statement in statements(document) {
        if output.is_json() {
            output.record(&StatementRecord {
                policy_id: policy_id.map(str::to_owned),
                ..StatementRecord::of(&statement, None)
            })?;
            continue;
        }
        let tint = if statement.text.contains(": deny ") {
            Tint::Bad
        } else {
            Tint::Plain
        };
        let cells: [Cow<'_, str>; 4] = [
            if statement.id.is_empty() {
                "-"
            } else {
                &statement.id
            }
            .into(),
            statement.text.as_str().into(),
            statement.name.as_str().into(),
            certificate_name(&known, &statement.text)
                .unwrap_or_default()
                .into(),
        ];
        table.row(tint, cells);
    }
    if !table.is_empty() {
        output.table(&table)?;
    }
    Ok(Outcome::Done)
}

/// The name of the certificate that a statement about a signer goes by, if it is known.
fn certificate_name<'k>(known: &'k Knowledge, text: &str) -> Option<&'k str> {
    let word = |after: &str| text.split_once(after)?.1.split([',', ' ', ']']).next();
    if let Some(id) = word("well-known root ") {
        return known.root(u8::from_str_radix(id, 16).ok()?);
    }
    let wanted = word("certificate TBS ")?;
    let mut certificates = known.certificates.iter();
    certificates
        .find(|certificate| hex(&certificate.tbs).eq_ignore_ascii_case(wanted))
        .map(|certificate| certificate.name.as_str())
}

/// A compiled set: its policies, then what each says as far as the set holds it.
fn show_set(file: &PolicyFile, output: &mut Output) -> Result<Outcome, Error> {
    let set = policies::validate(&file.path, &file.bytes)?;
    let record = SetRecord::new(files::name(&file.path), &file.bytes, &set);
    compile::report(output, &record)?;
    for document in sipolicy::decompile(&set) {
        if !output.is_json() {
            output.line("")?;
        }
        show_statements(&document, Some(&document.id().to_string()), output)?;
    }
    Ok(Outcome::Done)
}

/// Looks for faults; exit code 10 when there are errors.
pub fn lint(arguments: &Lint, context: &mut Context) -> Result<Outcome, Error> {
    let documents = policies::documents(&arguments.files)?;
    for document in &documents {
        if let Some(signature) = &document.signature {
            context
                .output
                .note(format_args!("{}: {signature}", document.file));
        }
    }
    let findings = sipolicy::lint(&documents, &knowledge::load()?);
    let output = &mut context.output;
    let mut outcome = Outcome::Done;
    let (mut errors, mut warnings) = (0_u64, 0_u64);
    for finding in &findings {
        let code = finding.code;
        let tint = match code.severity() {
            Severity::Error => {
                outcome = Outcome::Refused;
                errors = errors.saturating_add(1);
                Tint::Bad
            }
            Severity::Warning => {
                warnings = warnings.saturating_add(1);
                Tint::Warn
            }
        };
        if output.is_json() {
            output.record(&FindingRecord {
                schema: "gatehouse.lint/1",
                code: code.number(),
                name: code.name(),
                severity: code.severity().name(),
                file: &finding.place.file,
                line: finding.place.line,
                column: finding.place.column,
                message: &finding.message,
                why: code.why(),
                instead: code.instead(),
            })?;
            continue;
        }
        output.tinted(tint, finding)?;
        output.line(format_args!("    why: {}", code.why()))?;
        output.line(format_args!("    instead: {}", code.instead()))?;
    }
    output.note(format_args!("{errors} errors, {warnings} warnings"));
    Ok(outcome)
}

/// Merges documents into the first.
pub fn merge(arguments: &Merge, context: &mut Context) -> Result<Outcome, Error> {
    policies::keep_inputs(&arguments.output, &arguments.files)?;
    let output = &mut context.output;
    let mut documents = Vec::new();
    for path in &arguments.files {
        let file = PolicyFile::read(path)?;
        documents.push(policies::document(&file)?);
        if file.has_comments() {
            output.note(format_args!("{}: its comments were left out", path.display()));
        }
    }
    for document in &documents {
        policies::tell_notes(document, output);
    }
    let merged = sipolicy::merge(&documents).map_err(|error| Error::Document(error.to_string()))?;
    for note in &merged.notes {
        output.note(&note.message);
    }
    for loss in merged.xml_losses() {
        output.note(loss);
    }
    files::write_document(output, &arguments.output, &merged)?;
    Ok(Outcome::Done)
}

/// Shows the difference.
pub fn diff(arguments: &Diff, context: &mut Context) -> Result<Outcome, Error> {
    let first = policies::document(&PolicyFile::read(&arguments.first)?)?;
    let second = policies::document(&PolicyFile::read(&arguments.second)?)?;
    for document in [&first, &second] {
        policies::tell_notes(document, &mut context.output);
    }
    let difference = sipolicy::diff(&first, &second);
    let output = &mut context.output;
    for (statements, change, sign, tint) in [
        (&difference.removed, "removed", "-", Tint::Bad),
        (&difference.added, "added", "+", Tint::Good),
    ] {
        for statement in statements {
            if output.is_json() {
                output.record(&StatementRecord::of(statement, Some(change)))?;
                continue;
            }
            output.tinted(tint, format_args!("{sign} {}", statement.text))?;
        }
    }
    output.note(format_args!(
        "{} removed, {} added",
        difference.removed.len(),
        difference.added.len()
    ));
    Ok(Outcome::Done)
}

/// Converts a document and says what was lost.
pub fn convert(arguments: &Convert, context: &mut Context) -> Result<Outcome, Error> {
    policies::keep_inputs(&arguments.output, [&arguments.input])?;
    let file = PolicyFile::read(&arguments.input)?;
    let document = policies::document(&file)?;
    let output = &mut context.output;
    policies::tell_notes(&document, output);
    let to_xml = arguments
        .output
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("xml"));
    if to_xml {
        for loss in document.xml_losses() {
            output.note(loss);
        }
        if file.has_comments() {
            output.note("comments were left out");
        }
        files::write_document(output, &arguments.output, &document)?;
        return Ok(Outcome::Done);
    }
    let binary =
        to_binary(&document, arguments.format).map_err(|error| Error::Document(error.to_string()))?;
    for loss in &binary.losses {
        output.note(loss);
    }
    files::write_result(output, &arguments.output, &binary.bytes)?;
    output.note(format_args!("written in format version {}", binary.format));
    Ok(Outcome::Done)
}

/// Largest list imported. The published one has about 20 MB.
const MAX_LIST: usize = 256 << 20;

/// Makes a blocklist policy of a LOLDrivers list.
pub fn import(arguments: &Import, context: &mut Context) -> Result<Outcome, Error> {
    policies::keep_inputs(&arguments.output, [&arguments.file])?;
    let text = files::read_text(&arguments.file, MAX_LIST)?;
    let name = files::name(&arguments.file);
    let imported = sipolicy::import_loldrivers(&name, text.as_bytes())
        .map_err(|error| Error::Document(error.to_string()))?;
    let output = &mut context.output;
    files::write_document(output, &arguments.output, &imported.document)?;
    // One rule allows everything else.
    let rules = imported.document.file_rules.len().saturating_sub(1);
    output.note(format_args!("{rules} deny rules (audit mode)"));
    if !imported.without_hash.is_empty() {
        output.note(format_args!(
            "{} samples have no Authenticode hash and are not denied: {}",
            imported.without_hash.len(),
            imported.without_hash.join(", ")
        ));
    }
    Ok(Outcome::Done)
}
