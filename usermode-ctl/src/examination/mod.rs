//! Examining files: one, or all that paths lead to, on several threads and on each of them several side by side.

mod candidates;
mod line;
#[cfg(test)]
mod line_tests;

use std::io;
use std::num::NonZeroUsize;
use std::thread;

use evidence::Batch;
use evidence::CatalogIndex;
use evidence::Evidence;
use evidence::ExamineError;
use evidence::Findings;
use evidence::Options;
use evidence::Source;
use evidence::Workspace;
use evidence::examine_with_catalogs;

pub use self::candidates::Candidate;
pub use self::candidates::PassedOver;
pub use self::candidates::candidates;

use self::line::Line;
use crate::error::Error;
use crate::files::FileSource;

/// Files open at the same time, all threads together: well below what systems let a process have.
const OPEN_FILES: usize = 512;

/// What came of a file: its size in bytes and what it proves, or why it could not be opened.
pub type Examined<'e> = Result<(u64, Result<Evidence<'e>, ExamineError>), String>;

/// How to examine files, and what to make of them.
pub struct Examination<'x, O, T> {
    /// Catalogues that may vouch for the files.
    pub catalogs: Option<&'x CatalogIndex<'x>>,
    /// How many threads work.
    pub jobs: usize,
    /// What to find out about a file.
    pub options: O,
    /// What is made of a file once it is examined.
    pub tell: T,
}

impl<O, T, R> Examination<'_, O, T>
where
    O: Fn(&Candidate) -> Options + Sync,
    T: Fn(&Candidate, &Examined<'_>) -> R + Sync,
    R: Send,
{
    /// Works through the candidates, and hands on what was made of each, in their order.
    pub fn all(
        &self,
        candidates: impl Iterator<Item = Result<Candidate, String>> + Send,
        done: impl FnMut(Result<(Candidate, R), String>) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let line = Line::new(candidates, |candidate| candidate.size, done);
        let work = || {
            let _watch = line.watch();
            self.work(&line);
        };
        thread::scope(|scope| {
            for _ in 1..self.jobs {
                scope.spawn(work);
            }
            work();
        });
        line.outcome()
    }

    /// What one thread does.
    fn work<I, F>(&self, line: &Line<I, Candidate, R, F>)
    where
        I: Iterator<Item = Result<Candidate, String>>,
        F: FnMut(Result<(Candidate, R), String>) -> Result<(), Error>,
    {
        let hand_in = |(index, candidate): (usize, Candidate), examined: &Examined<'_>, table: usize| {
            let told = (self.tell)(&candidate, examined);
            line.hand_in(index, Ok((candidate, told)), table);
        };
        let room = OPEN_FILES.checked_div(self.jobs).unwrap_or_default();
        let mut batch = match Batch::try_new(room) {
            Ok(batch) => batch,
            Err(error) => {
                while let Some(taken) = line.wait() {
                    hand_in(taken, &Err(error.to_string()), 0);
                }
                return;
            }
        };
        loop {
            // With nothing else to do it waits for a file; otherwise it takes up what is there.
            while batch.has_room()
                && let Some(taken) = if batch.is_empty() {
                    line.wait()
                } else {
                    line.take()
                }
            {
                let (_, candidate) = &taken;
                let options = (self.options)(candidate);
                match open(candidate) {
                    Ok(source) => {
                        let size = source.size();
                        if let Err(((taken, size), error)) = batch.add(source, (taken, size), &options) {
                            hand_in(taken, &Ok((size, Err(error))), 0);
                        }
                    }
                    Err(error) => hand_in(taken, &Err(error.to_string()), 0),
                }
            }
            if batch.is_empty() || line.is_stopped() {
                return;
            }
            batch.advance(self.catalogs, |(taken, size), evidence, table| {
                hand_in(taken, &Ok((size, evidence)), table);
            });
        }
    }
}

/// As many threads as were asked for, or as the machine has.
pub fn jobs(asked: Option<NonZeroUsize>) -> usize {
    asked
        .or(thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
}

fn open(candidate: &Candidate) -> io::Result<FileSource> {
    if candidate.named {
        FileSource::open(&candidate.path)
    } else {
        FileSource::open_found(&candidate.path)
    }
}

/// Examines one source of evidence, and hands on its size and what it proves.
///
/// # Errors
/// Why it could not be examined.
pub fn examine_one<R>(
    mut source: impl Source,
    options: &Options,
    catalogs: Option<&CatalogIndex<'_>>,
    tell: impl FnOnce(u64, &Result<Evidence<'_>, ExamineError>) -> R,
) -> Result<R, String> {
    let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK).map_err(|error| error.to_string())?;
    let mut findings = Findings::new();
    let size = source.size();
    let examined = examine_with_catalogs(&mut source, options, catalogs, &mut workspace, &mut findings);
    Ok(tell(size, &examined))
}
