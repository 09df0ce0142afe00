//! Evidence of many files, for commands that weigh it: read from the files themselves, or from records of a scan.

use std::path::Path;
use std::path::PathBuf;

use evidence::CatalogIndex;
use evidence::Evidence;
use evidence::Findings;
use evidence::Options;
use evidence::Workspace;
use evidence::examine_with_catalogs;

use crate::commands::scan::candidates;
use crate::error::Error;
use crate::error::Outcome;
use crate::files::FileSource;
use crate::output::Output;
use crate::recorded;

/// What to go through.
pub struct Inventory<'i> {
    /// Files and folders.
    pub paths: &'i [PathBuf],
    /// Files of evidence records, one a line.
    pub records: &'i [PathBuf],
    /// Catalogues that may vouch for the files.
    pub catalogs: Option<CatalogIndex<'i>>,
}

impl Inventory<'_> {
    /// Hands the evidence of each file on, with its name. Files in folders that are no images are passed over; a file that cannot
    /// be read is reported and the rest goes on.
    pub fn each(
        &self,
        output: &mut Output,
        mut weigh: impl FnMut(&mut Output, &str, &Evidence<'_>) -> Result<(), Error>,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::Done;
        let candidates = candidates(self.paths, &mut |failure| {
            output.failure(failure);
            outcome = Outcome::Failed;
        });
        let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK)
            .map_err(|error| Error::Document(error.to_string()))?;
        for candidate in candidates {
            let name = candidate.path.display().to_string();
            let mut source = match FileSource::open(&candidate.path) {
                Ok(source) => source,
                Err(error) => {
                    output.failure(format_args!("cannot read {name}: {error}"));
                    outcome = Outcome::Failed;
                    continue;
                }
            };
            let options = Options {
                flat: true,
                flat_of_others: false,
                ..Options::default()
            };
            let mut findings = Findings::new();
            let catalogs = self.catalogs.as_ref();
            let examined =
                examine_with_catalogs(&mut source, &options, catalogs, &mut workspace, &mut findings);
            match examined {
                Ok(evidence) => weigh(output, &name, &evidence)?,
                Err(error) if matches!(error.kind, evidence::ErrorKind::NotPe(_)) => {
                    if candidate.named {
                        output.note(format_args!("{name}: {error}; it was passed over"));
                    }
                }
                Err(error) => {
                    output.failure(format_args!("{name}: {error}"));
                    weigh(output, &name, &error.evidence())?;
                }
            }
        }
        for path in self.records {
            recorded(path, output, &mut weigh)?;
        }
        Ok(outcome)
    }
}

/// Hands the evidence of each record in a file on.
fn recorded(
    path: &Path,
    output: &mut Output,
    weigh: &mut impl FnMut(&mut Output, &str, &Evidence<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    for (line, number) in text.lines().zip(1_u64..) {
        if line.trim().is_empty() {
            continue;
        }
        let record = recorded::Record::parse(line).map_err(|problem| Error::Malformed {
            path: path.to_owned(),
            problem: format!("line {number}: {problem}"),
        })?;
        // Events are of other things too.
        if let Some(record) = record {
            record.with_evidence(|name, evidence| weigh(output, name, evidence))?;
        }
    }
    Ok(())
}
