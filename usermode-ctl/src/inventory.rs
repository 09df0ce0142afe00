//! Evidence of many files, for commands that weigh it: read from the files themselves, or from records of a scan.

use std::path::Path;
use std::path::PathBuf;

use evidence::CatalogIndex;
use evidence::ErrorKind;
use evidence::Evidence;
use evidence::Options;

use crate::error::Error;
use crate::error::Outcome;
use crate::examination::Candidate;
use crate::examination::Examination;
use crate::examination::Examined;
use crate::examination::candidates;
use crate::examination::jobs;
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

/// What came of a file.
enum Read<R> {
    /// It could not be read.
    Failed(String),
    /// It is no image.
    NotImage(String),
    /// What was made of its evidence, and what was wrong with it.
    Weighed(R, Option<String>),
}

impl Inventory<'_> {
    /// Weighs the evidence of each file, several files at a time, and hands on what came of it with the file's name, one after
    /// another in the order of the files. Files in folders that are no images are passed over; a file that cannot be read is
    /// reported and the rest goes on.
    pub fn each<R: Send>(
        &self,
        output: &mut Output,
        weigh: impl Fn(&str, &Evidence<'_>) -> R + Sync,
        mut take: impl FnMut(&mut Output, &str, R) -> Result<(), Error> + Send,
    ) -> Result<Outcome, Error> {
        let mut outcome = Outcome::Done;
        let examination = Examination {
            catalogs: self.catalogs.as_ref(),
            jobs: jobs(None),
            options: |_: &Candidate| Options {
                flat: true,
                flat_of_others: false,
                ..Options::default()
            },
            tell: |candidate: &Candidate, examined: &Examined<'_>| read(candidate, examined, &weigh),
        };
        examination.all(candidates(self.paths), |found| {
            let (candidate, read) = match found {
                Ok(read) => read,
                Err(failure) => {
                    output.failure(failure);
                    outcome = Outcome::Failed;
                    return Ok(());
                }
            };
            let name = candidate.path.display().to_string();
            match read {
                Read::Failed(problem) => {
                    output.failure(format_args!("cannot read {name}: {problem}"));
                    outcome = Outcome::Failed;
                }
                Read::NotImage(problem) => {
                    if candidate.named {
                        output.note(format_args!("{name}: {problem}; it was passed over"));
                    }
                }
                Read::Weighed(result, problem) => {
                    if let Some(problem) = problem {
                        output.failure(format_args!("{name}: {problem}"));
                    }
                    take(output, &name, result)?;
                }
            }
            Ok(())
        })?;
        for path in self.records {
            recorded(path, |name, evidence| take(output, name, weigh(name, evidence)))?;
        }
        Ok(outcome)
    }
}

/// Weighs the evidence of one file.
fn read<R>(
    candidate: &Candidate,
    examined: &Examined<'_>,
    weigh: &impl Fn(&str, &Evidence<'_>) -> R,
) -> Read<R> {
    let name = candidate.path.display().to_string();
    match examined {
        Err(problem) => Read::Failed(problem.clone()),
        Ok((_, Ok(evidence))) => Read::Weighed(weigh(&name, evidence), None),
        Ok((_, Err(error))) if matches!(error.kind, ErrorKind::NotPe(_)) => Read::NotImage(error.to_string()),
        Ok((_, Err(error))) => {
            let problem = Some(error.to_string());
            Read::Weighed(weigh(&name, &error.evidence()), problem)
        }
    }
}

/// Hands the evidence of each record in a file on.
fn recorded(
    path: &Path,
    mut each: impl FnMut(&str, &Evidence<'_>) -> Result<(), Error>,
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
            record.with_evidence(&mut each)?;
        }
    }
    Ok(())
}
