//! `policy knowledge`: what is known of Windows' own policies and certificates, and replacing it by something newer.

use std::borrow::Cow;
use std::path::Path;
use std::path::PathBuf;

use sipolicy::Knowledge;

use crate::args::ShowKnowledge;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::output::Table;
use crate::output::Tint;

/// Far larger than any file of knowledge.
const MAX_BYTES: usize = 4 << 20;

/// Where newer knowledge is kept.
fn kept() -> Option<PathBuf> {
    let folder = std::env::var_os("GATEHOUSE_DATA")
        .map(PathBuf::from)
        .or_else(|| {
            if cfg!(windows) {
                std::env::var_os("ProgramData").map(|data| PathBuf::from(data).join("Gatehouse"))
            } else {
                let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
                let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
                data.or_else(home).map(|data| data.join("gatehouse"))
            }
        })?;
    Some(folder.join("knowledge.json"))
}

/// What is known: the kept file if there is one and it is newer than what is built in.
pub fn load() -> Result<Knowledge, Error> {
    let built_in = Knowledge::built_in();
    let Some(path) = kept().filter(|path| path.is_file()) else {
        return Ok(built_in);
    };
    let kept = read(&path)?;
    Ok(if kept.date > built_in.date { kept } else { built_in })
}

fn read(path: &Path) -> Result<Knowledge, Error> {
    parse(path, &files::read_text(path, MAX_BYTES)?)
}

fn parse(path: &Path, text: &str) -> Result<Knowledge, Error> {
    Knowledge::read(&files::name(path), text.as_bytes()).map_err(|error| Error::Document(error.to_string()))
}

/// Shows what is known, after taking in a newer file if one is given.
pub fn run(arguments: &ShowKnowledge, context: &mut Context) -> Result<Outcome, Error> {
    let output = &mut context.output;
    if let Some(path) = &arguments.update {
        let text = files::read_text(path, MAX_BYTES)?;
        let (newer, known) = (parse(path, &text)?, load()?);
        if newer.date <= known.date {
            return Err(Error::Document(format!(
                "{}: it is of {}, what is known of {}; give a newer file",
                files::name(path),
                newer.date,
                known.date
            )));
        }
        let Some(place) = kept() else {
            return Err(Error::Usage(
                "no folder to keep it in; set GATEHOUSE_DATA".to_owned(),
            ));
        };
        let failed = |source| Error::Write {
            path: place.clone(),
            source,
        };
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        files::replace(&place, text.as_bytes()).map_err(failed)?;
        output.note(format_args!("kept in {}", files::name(&place)));
    }
    let known = load()?;
    if output.is_json() {
        for policy in &known.policies {
            output.record(&serde_json::json!({
                "schema": "gatehouse.knowledge/1", "date": known.date, "policy": policy.role,
                "id": policy.id.to_string(), "name": policy.name,
            }))?;
        }
        for found in &known.thresholds {
            output.record(&serde_json::json!({
                "schema": "gatehouse.knowledge/1", "date": known.date, "thresholds": found.source,
                "uptime_hours": found.uptime_hours, "boot_sessions": found.boot_sessions,
                "server_boot_sessions": found.server_boot_sessions, "violations": found.violations,
            }))?;
        }
        for certificate in &known.certificates {
            output.record(&serde_json::json!({
                "schema": "gatehouse.knowledge/1", "date": known.date, "certificate": certificate.name,
                "wellknown": certificate.wellknown.map(|id| format!("{id:02X}")),
                "tbs": crate::output::hex(&certificate.tbs),
            }))?;
        }
        return Ok(Outcome::Done);
    }
    output.line(format_args!("as of {}", known.date))?;
    let mut table = Table::headed(&["WHAT", "ID", "NAME"]);
    let mut row = |what: &'static str, id: String, name: String| {
        let cells: [Cow<'_, str>; 3] = [what.into(), id.into(), name.into()];
        table.row(Tint::Plain, cells);
    };
    for policy in &known.policies {
        row(policy.role, policy.id.to_string(), policy.name.clone());
    }
    for found in &known.thresholds {
        let (hours, boots, server) = (
            found.uptime_hours,
            found.boot_sessions,
            found.server_boot_sessions,
        );
        let text = format!(
            "{hours} h, {boots} boots ({server} on a server): {}",
            found.source
        );
        row("thresholds", "-".to_owned(), text);
    }
    for certificate in &known.certificates {
        let id = certificate
            .wellknown
            .map_or_else(|| "-".to_owned(), |id| format!("{id:02X}"));
        row("certificate", id, certificate.name.clone());
    }
    output.table(&table)?;
    for origin in &known.origins {
        output.note(format_args!("origin: {origin}"));
    }
    Ok(Outcome::Done)
}
