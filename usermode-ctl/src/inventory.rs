//! Evidence of many files, for commands that weigh it: read from the files themselves, or from records of a scan.

mod recorded_files;

use std::path::PathBuf;

use evidence::CatalogIndex;
use evidence::ErrorKind;
use evidence::Evidence;
use evidence::Fact;
use evidence::Options;

use self::recorded_files::records;
use crate::error::Error;
use crate::error::Outcome;
use crate::examination::Candidate;
use crate::examination::Examination;
use crate::examination::Examined;
use crate::examination::PassedOver;
use crate::examination::candidates;
use crate::examination::jobs;
use crate::files;
use crate::output::Output;
use crate::records::now;

/// What to go through.
pub struct Inventory<'i> {
    /// Files and folders.
    pub paths: &'i [PathBuf],
    /// Files of evidence records.
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
    /// What was made of its evidence, whether it may be of the kernel, and what was wrong with it.
    Weighed(R, bool, Option<String>),
}

/// How many there were of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Images.
    pub images: u64,
    /// Of these, images that may be kernel images: all whose subsystem is known to be `native`, or is not known.
    pub kernel: u64,
    /// What could not be read or looked into; each was reported.
    pub unreadable: u64,
}

impl Count {
    /// One more image.
    pub const fn add(&mut self, may_be_kernel: bool) {
        self.images = self.images.saturating_add(1);
        if may_be_kernel {
            self.kernel = self.kernel.saturating_add(1);
        }
    }

    /// One more that could not be read.
    pub const fn add_unreadable(&mut self) {
        self.unreadable = self.unreadable.saturating_add(1);
    }

    /// How the examination ended, if `weighed` came out. Where there was no image, nothing speaks for all being well: that is a failure.
    /// Where there were others than kernel images alone, that is told.
    pub fn outcome(&self, weighed: Outcome, output: &mut Output) -> Outcome {
        let read = match self.unreadable {
            0 => Outcome::Done,
            _ => Outcome::Failed,
        };
        let outcome = read.max(weighed);
        match (self.images, self.kernel) {
            (0, _) => {
                output.failure("nothing was examined: no image was found");
                return outcome.max(Outcome::Failed);
            }
            (1, 0) => output.note("the one image that was found is not one that the kernel loads"),
            (images, 0) => output.note(format_args!(
                "none of the {images} images that were found is one that the kernel loads"
            )),
            _ => {}
        }
        outcome
    }
}

impl Inventory<'_> {
    /// Weighs the evidence of each file, several files at a time, and hands on what came of it with the file's name, one after
    /// another in the order of the files. What lies in folders and is no image is passed over; a file that cannot be read is
    /// reported and the rest goes on.
    pub fn each<R: Send>(
        &self,
        output: &mut Output,
        weigh: impl Fn(&str, &Evidence<'_>) -> R + Sync,
        mut take: impl FnMut(&mut Output, &str, R) -> Result<(), Error> + Send,
    ) -> Result<Count, Error> {
        let mut count = Count::default();
        let passed_over = PassedOver::default();
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
        examination.all(candidates(self.paths, &passed_over), |found| {
            let (candidate, read) = match found {
                Ok(read) => read,
                Err(failure) => {
                    output.failure(failure);
                    count.add_unreadable();
                    return Ok(());
                }
            };
            let name = files::name(&candidate.path);
            match read {
                Read::Failed(problem) => {
                    output.failure(format_args!("cannot read {name}: {problem}"));
                    count.add_unreadable();
                }
                Read::NotImage(problem) => {
                    if candidate.named {
                        output.note(format_args!("{name}: {problem}; it was passed over"));
                    }
                }
                Read::Weighed(result, may_be_kernel, problem) => {
                    if let Some(problem) = problem {
                        output.failure(format_args!("{name}: {problem}"));
                    }
                    count.add(may_be_kernel);
                    take(output, &name, result)?;
                }
            }
            Ok(())
        })?;
        passed_over.tell(output);
        for path in self.records {
            records(path, |record| {
                count.add(record.may_be_kernel_image());
                record.with_evidence(|name, evidence| take(output, name, weigh(name, evidence)))
            })?;
        }
        Ok(count)
    }
}

/// Weighs the evidence of one file.
fn read<R>(
    candidate: &Candidate,
    examined: &Examined<'_>,
    weigh: &impl Fn(&str, &Evidence<'_>) -> R,
) -> Read<R> {
    let name = files::name(&candidate.path);
    match examined {
        Err(problem) => Read::Failed(problem.clone()),
        Ok((_, Ok(evidence))) => {
            let evidence = evidence.at(now());
            Read::Weighed(weigh(&name, &evidence), may_be_kernel_image(&evidence), None)
        }
        Ok((_, Err(error))) if matches!(error.kind, ErrorKind::NotPe(_)) => Read::NotImage(error.to_string()),
        Ok((_, Err(error))) => {
            let evidence = error.evidence().at(now());
            let may_be_kernel = may_be_kernel_image(&evidence);
            Read::Weighed(weigh(&name, &evidence), may_be_kernel, Some(error.to_string()))
        }
    }
}

/// Whether these are the facts of a kernel image, or do not say of what.
pub fn may_be_kernel_image(evidence: &Evidence<'_>) -> bool {
    /// `IMAGE_SUBSYSTEM_NATIVE`. Source: Microsoft, "PE Format".
    const NATIVE: u16 = 1;
    match evidence.image {
        Fact::Present(image) => image.subsystem == NATIVE,
        _ => true,
    }
}
