//! The worker: takes image loads out of the intake, reads the files, weighs them and records what it found.

use crate::gate::Gate;
use crate::host::Authority;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NoMemory;
use crate::host::NtStatus;
use crate::intake::Capture;
use crate::intake::Path;
use crate::memory::filled;
use crate::path::openable;
use crate::weigh::Stoppable;
use crate::weigh::Weighed;
use crate::weigh::unread;
use crate::weigh::weigh;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use evidence::Findings;
use evidence::Unreadable;
use evidence::Workspace;
use protocol::event::Kind;
use protocol::event::MAX_RECORD;
use protocol::event::tag;

/// An image that was loaded before the driver started.
pub struct LoadedImage {
    /// Path as the kernel's module list has it.
    pub path: Path,
    /// Address it is mapped at.
    pub base: u64,
    /// Size of the mapped image in bytes.
    pub size: u64,
}

/// The memory that weighing one file needs; held only while there is something to weigh.
pub(crate) struct Bench {
    workspace: Workspace,
    pub(crate) record: Vec<u8>,
}

impl Bench {
    pub(crate) fn try_new() -> Result<Self, NoMemory> {
        Ok(Self {
            workspace: Workspace::try_new(Workspace::DEFAULT_CHUNK).map_err(|_| NoMemory)?,
            record: filled(MAX_RECORD, || 0)?,
        })
    }
}

/// What is to be weighed, and how it is to be reported.
pub(crate) struct Subject<'a, H: Host> {
    pub(crate) kind: Kind,
    /// The name to report.
    pub(crate) name: &'a [u16],
    /// Whether `name` is only the beginning of the name.
    pub(crate) cut: bool,
    pub(crate) authority: Authority,
    pub(crate) capture: Option<&'a Capture<H::Loaded>>,
    pub(crate) image: Option<(u64, u64)>,
}

impl<H: Host> Gate<H> {
    /// Weighs everything in the intake. Called by the worker thread whenever it is woken, at PASSIVE_LEVEL.
    pub fn work(&self) {
        let mut bench = None;
        while !self.is_stopping() {
            self.tell_drops();
            let Some(capture) = self.intake.with(super::intake::Intake::pop) else {
                return;
            };
            self.weigh_and_record(
                &Subject {
                    kind: Kind::ImageLoad,
                    name: capture.path.units(),
                    cut: capture.path.is_cut(),
                    authority: Authority::Kernel,
                    capture: Some(&capture),
                    image: Some((capture.base, capture.size)),
                },
                &mut bench,
            );
        }
    }

    /// Weighs the images that were loaded before the driver started. Called once by the worker thread, after the notify
    /// routine was registered; an image that was also reported by it is left to it.
    pub fn weigh_baseline(&self, images: impl IntoIterator<Item = LoadedImage>) {
        let mut bench = None;
        for image in images {
            if self.is_stopping() {
                break;
            }
            if self.intake.with(|intake| intake.has_seen(image.base)) {
                continue;
            }
            self.weigh_and_record(
                &Subject {
                    kind: Kind::Baseline,
                    name: image.path.units(),
                    cut: image.path.is_cut(),
                    authority: Authority::Kernel,
                    capture: None,
                    image: Some((image.base, image.size)),
                },
                &mut bench,
            );
        }
        let seen = self.intake.with(super::intake::Intake::forget_seen);
        drop(seen);
    }

    /// The images that were loaded before the driver started could not be listed.
    pub fn no_baseline(&self, status: NtStatus) {
        self.emit(&mut [0; 192], Kind::Baseline, self.host.now(), |record| {
            record.number(tag::STATUS, u64::from(status.bits()));
        });
        drop(self.intake.with(super::intake::Intake::forget_seen));
    }

    fn weigh_and_record(&self, subject: &Subject<'_, H>, bench: &mut Option<Bench>) {
        if bench.is_none() {
            *bench = Bench::try_new().ok();
        }
        if let Some(bench) = bench {
            self.weigh_on(subject, bench);
        } else {
            // No memory to weigh with: what is known is recorded all the same.
            let in_force = self.in_force();
            let generation = in_force.as_ref().map(|in_force| &*in_force.generation);
            let weighed = unread(generation, Unreadable::NoMemory);
            self.count(weighed.verdict.decision, false);
            self.record(subject, &weighed, None, &mut [0; 640]);
        }
    }

    /// Weighs a subject and records it; the record, unless it could not be recorded.
    pub(crate) fn weigh_on<'b>(
        &self,
        subject: &Subject<'_, H>,
        bench: &'b mut Bench,
    ) -> Option<&'b mut [u8]> {
        let in_force = self.in_force();
        let generation = in_force.as_ref().map(|in_force| &*in_force.generation);
        let opened = self.open(subject);
        let mut findings = Findings::new();
        let (weighed, outcome) = match opened {
            Ok(opened) => {
                let same_file = opened.same_file;
                let mut file = Stoppable {
                    file: opened.file,
                    stop: &self.stop,
                };
                let weighed = weigh(&mut file, &mut bench.workspace, &mut findings, generation, || {
                    self.host.ticks()
                });
                (weighed, Ok(same_file))
            }
            Err(status) if status == NtStatus::NAME_TOO_LONG => {
                (unread(generation, Unreadable::PathTooLong), Err(status))
            }
            Err(status) => (unread(generation, Unreadable::Io), Err(status)),
        };
        self.count(
            weighed.verdict.decision,
            weighed.error.is_none() && outcome.is_ok(),
        );
        self.record(subject, &weighed, Some(outcome), &mut bench.record)
    }

    fn open(&self, subject: &Subject<'_, H>) -> Result<crate::host::Opened<H::File>, NtStatus> {
        if subject.cut {
            return Err(NtStatus::NAME_TOO_LONG);
        }
        let path = openable(subject.name).ok_or(NtStatus::OBJECT_NAME_INVALID)?;
        if path.is_cut() {
            return Err(NtStatus::NAME_TOO_LONG);
        }
        let loaded = subject.capture.and_then(|capture| capture.loaded.as_ref());
        self.host.open(path.units(), subject.authority, loaded)
    }

    /// Records what weighing a subject gave. `opened` tells whether the file was proved to be the loaded one, or why it could
    /// not be opened.
    fn record<'b>(
        &self,
        subject: &Subject<'_, H>,
        weighed: &Weighed<'_, '_>,
        opened: Option<Result<bool, NtStatus>>,
        buffer: &'b mut [u8],
    ) -> Option<&'b mut [u8]> {
        let time = subject
            .capture
            .map_or_else(|| self.host.now(), |capture| capture.time);
        self.emit(buffer, subject.kind, time, |record| {
            record.weighed(weighed);
            match opened {
                Some(Ok(same_file)) => record.number(tag::SAME_FILE, u64::from(same_file)),
                Some(Err(status)) => record.number(tag::STATUS, u64::from(status.bits())),
                None => {}
            }
            if let Some((base, size)) = subject.image {
                record.number(tag::IMAGE_BASE, base);
                record.number(tag::IMAGE_SIZE, size);
            }
            if let Some(capture) = subject.capture {
                record.number(tag::PROCESS_ID, capture.process_id);
                record.number(tag::IMAGE_PROPERTIES, u64::from(capture.properties));
                record.number(tag::QUEUED, self.host.ticks().saturating_sub(capture.ticks));
            }
            record.units(tag::PATH, subject.name);
        })
    }

    /// Records the loads that were dropped since the last time this was done, if any.
    fn tell_drops(&self) {
        let dropped = self.counters.loads_dropped.get();
        let new = dropped.saturating_sub(self.drops_told.swap(dropped, Ordering::Relaxed));
        if new > 0 {
            self.emit(&mut [0; 192], Kind::LoadsDropped, self.host.now(), |record| {
                record.number(tag::COUNT, new);
            });
        }
    }
}
