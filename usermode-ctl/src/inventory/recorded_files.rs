//! Files of evidence records: lines of JSON, as `scan --json` writes them, or the same in one list or spread over lines, as PowerShell does.

use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::files;
use crate::recorded::Record;

/// Largest file of records read; the files of a whole fleet are given one by one.
const MAX_BYTES: usize = 2 << 30;

/// What to give instead of what was given.
const INSTEAD: &str = "give what `gatehouse scan --json` or `gatehouse events --json` writes";

/// Hands on each record of a file that carries evidence.
///
/// # Errors
/// [`Error::Malformed`] for what is no record of ours, with its place, and for a file in which nothing carries evidence; what `each` says.
pub fn records(path: &Path, mut each: impl FnMut(&Record) -> Result<(), Error>) -> Result<(), Error> {
    let malformed = |problem: String| Error::Malformed {
        path: path.to_owned(),
        problem,
    };
    let mut text = files::read_text(path, MAX_BYTES)?;
    // Where files were put together, the marks of the later ones are within.
    if text.contains("\n\u{feff}") {
        text = text.replace("\n\u{feff}", "\n");
    }
    let (mut all, mut with_evidence) = (0_u64, 0_u64);
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    loop {
        let before = values.byte_offset();
        let Some(value) = values.next() else { break };
        let value = value.map_err(|error| malformed(not_json(&text, before, &error)))?;
        let list = match value {
            Value::Array(list) => list,
            value => vec![value],
        };
        for value in list {
            all = all.saturating_add(1);
            let record = Record::of(value).map_err(|problem| {
                let number = line_number(&text, before);
                malformed(format!("line {number}: {problem}; {INSTEAD}"))
            })?;
            // Events are of other things too.
            if let Some(record) = record {
                with_evidence = with_evidence.saturating_add(1);
                each(&record)?;
            }
        }
    }
    match (all, with_evidence) {
        (0, _) => Err(malformed(format!("there is no record in it; {INSTEAD}"))),
        (_, 0) => Err(malformed(format!(
            "none of its {all} records carries evidence of a file; {INSTEAD}"
        ))),
        _ => Ok(()),
    }
}

/// What a text is that is no JSON from this byte on.
fn not_json(text: &str, at: usize, error: &serde_json::Error) -> String {
    let looks_like = if text.starts_with("ElfFile\0") {
        "a log of Windows' events"
    } else if text.trim_start().starts_with('<') {
        "XML"
    } else {
        let number = line_number(text, at);
        return format!("line {number}: this is not JSON: {error}; {INSTEAD}");
    };
    format!("this is {looks_like}, not JSON; {INSTEAD}")
}

/// The number of the line in which the first thing from this byte on stands.
fn line_number(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let blank = rest.len().saturating_sub(rest.trim_start().len());
    let before = text.get(..at.saturating_add(blank)).unwrap_or(text);
    before
        .bytes()
        .filter(|byte| *byte == b'\n')
        .count()
        .saturating_add(1)
}
