//! Weighing one file: its evidence, and what the generation in force makes of it.
//!
//! The one place where a driver's evidence meets `policy`: image loads, baseline images and live checks all come here.

use crate::cache::FileKey;
use crate::generation::Generation;
use crate::host::File;
use crate::host::NtStatus;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering;
use evidence::CatalogIndex;
use evidence::Evidence;
use evidence::ExamineError;
use evidence::Findings;
use evidence::Options;
use evidence::Source;
use evidence::SourceError;
use evidence::Unreadable;
use evidence::Workspace;
use policy::PolicySet;
use policy::Verdict;

/// What weighing a file gave.
pub struct Weighed<'w, 's> {
    /// What the file proves.
    pub evidence: Evidence<'w>,
    /// Why evidence is missing, where it is.
    pub error: Option<ExamineError>,
    /// The catalogues that could vouch for it.
    pub catalogs: Option<CatalogIndex<'s>>,
    /// What the policies make of it.
    pub verdict: Verdict<'s>,
    /// Time taken for the evidence, in 100 ns.
    pub read: u64,
    /// Time taken to decide, in 100 ns.
    pub decided: u64,
}

/// What reading a file gave.
pub struct Read<'w> {
    examined: Result<Evidence<'w>, ExamineError>,
    is_unchanged: bool,
    /// Time taken, in 100 ns.
    took: u64,
}

/// Establishes the evidence of `file`. `ticks` is the host's clock.
///
/// The file is behind a `dyn` so that the driver holds one copy of the engine, however files are read. Not inlined, as what
/// follows, so that the stack of the one does not stand under the other's.
#[inline(never)]
pub fn read<'w>(
    file: &mut dyn File,
    catalogs: Option<&CatalogIndex<'w>>,
    workspace: &'w mut Workspace,
    findings: &'w mut Findings<'w>,
    ticks: impl Fn() -> u64,
) -> Read<'w> {
    let started = ticks();
    Read {
        examined: evidence::examine_with_catalogs(file, &Options::default(), catalogs, workspace, findings),
        is_unchanged: file.is_unchanged(),
        took: ticks().saturating_sub(started),
    }
}

/// Decides on what was read, at `now` in seconds since 1970-01-01. A file that changed while it was read has no evidence.
pub fn weigh<'w, 's>(
    read: &Read<'w>,
    generation: Option<&'s Generation>,
    catalogs: Option<CatalogIndex<'s>>,
    now: i64,
    ticks: impl Fn() -> u64,
) -> Weighed<'w, 's> {
    let started = ticks();
    let (evidence, error) = match &read.examined {
        Ok(evidence) => (*evidence, None),
        Err(error) => (error.evidence(), Some(*error)),
    };
    let evidence = if read.is_unchanged {
        evidence
    } else {
        Evidence::unreadable(Unreadable::Changed)
    };
    let evidence = evidence.at(now);
    let verdict = decide(generation, &evidence);
    Weighed {
        evidence,
        error,
        catalogs,
        verdict,
        read: read.took,
        decided: ticks().saturating_sub(started),
    }
}

/// The verdict on a file that could not even be opened.
pub fn unread(generation: Option<&Generation>, reason: Unreadable) -> Weighed<'static, '_> {
    let evidence = Evidence::unreadable(reason);
    let verdict = decide(generation, &evidence);
    Weighed {
        evidence,
        error: None,
        catalogs: None,
        verdict,
        read: 0,
        decided: 0,
    }
}

fn decide<'s>(generation: Option<&'s Generation>, evidence: &Evidence<'_>) -> Verdict<'s> {
    let set = generation.map_or(PolicySet::empty(), |generation| generation.set.set());
    policy::decide(&set, evidence)
}

/// A file whose reading ends early when the driver is asked to stop.
pub struct Stoppable<'a, F> {
    /// The file.
    pub file: F,
    /// Set when the driver stops.
    pub stop: &'a AtomicBool,
}

impl<F: Source> Source for Stoppable<'_, F> {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(SourceError {
                status: NtStatus::CANCELLED.0,
                offset,
            });
        }
        self.file.read_at(offset, buffer)
    }
}

impl<F: File> File for Stoppable<'_, F> {
    fn is_unchanged(&mut self) -> bool {
        self.file.is_unchanged()
    }

    fn key(&mut self) -> Result<Option<FileKey>, NtStatus> {
        self.file.key()
    }
}
