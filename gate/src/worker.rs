//! The worker: takes image loads out of the intake, reads the files, weighs them and records what it found.

use crate::assessment::Assessment;
use crate::cache::FileKey;
use crate::cache::Hit;
use crate::facts::unix_seconds;
use crate::gate::Gate;
use crate::generation::Generation;
use crate::generation::InForce;
use crate::host::Authority;
use crate::host::File;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NoMemory;
use crate::host::NtStatus;
use crate::intake::Capture;
use crate::intake::Path;
use crate::memory::filled;
use crate::path::openable;
use crate::weigh::Read;
use crate::weigh::Stoppable;
use crate::weigh::read;
use crate::weigh::weigh;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use evidence::CatalogIndex;
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
    /// Made when a file is read for the first time: what the cache knows needs none.
    workspace: Option<Workspace>,
    /// What weighing gave, as fields for a record.
    pub(crate) fields: Vec<u8>,
    pub(crate) record: Vec<u8>,
}

/// Room in a record beside the fields that weighing gives: its head, mode and generation, path and times.
const BESIDE_FIELDS: usize = 2048;

impl Bench {
    pub(crate) fn try_new() -> Result<Self, NoMemory> {
        Ok(Self {
            workspace: None,
            fields: filled(MAX_RECORD.saturating_sub(BESIDE_FIELDS), || 0)?,
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
    /// Weighs the oldest image load in the intake; whether there was one. Called by the worker thread until there is none, at
    /// PASSIVE_LEVEL.
    pub fn work(&self) -> bool {
        self.tell_drops();
        if self.is_stopping() {
            return false;
        }
        let Some(capture) = self.intake.with(super::intake::Intake::pop) else {
            return false;
        };
        let subject = Subject {
            kind: Kind::ImageLoad,
            name: capture.path.units(),
            cut: capture.path.is_cut(),
            authority: Authority::Kernel,
            capture: Some(&capture),
            image: Some((capture.base, capture.size)),
        };
        self.weigh_and_record(&subject);
        true
    }

    /// Finds out what the driver itself looks like, so that enforcement never refuses it. Called once by the worker thread.
    #[inline(never)]
    pub fn know_own_image(&self) {
        let path = self.host.own_path();
        let subject = Subject {
            kind: Kind::Check,
            name: path.units(),
            cut: path.is_cut(),
            authority: Authority::Kernel,
            capture: None,
            image: None,
        };
        if let Ok(mut bench) = Bench::try_new() {
            let own = self.weigh(&subject, &mut bench).sha256;
            self.own.with(|known| *known = own);
        }
        if self.own.with(|known| known.is_none()) {
            self.counters.failures.own_image.increment();
        }
    }

    /// Weighs an image that was loaded before the driver started, unless the notify routine reported it too. Called by the worker
    /// thread, after the notify routine was registered, and then [`Gate::baseline_weighed`].
    pub fn weigh_loaded(&self, image: &LoadedImage) {
        if self.is_stopping() || self.intake.with(|intake| intake.has_seen(image.base)) {
            return;
        }
        let subject = Subject {
            kind: Kind::Baseline,
            name: image.path.units(),
            cut: image.path.is_cut(),
            authority: Authority::Kernel,
            capture: None,
            image: Some((image.base, image.size)),
        };
        self.weigh_and_record(&subject);
    }

    /// All images that were loaded before the driver started have been weighed.
    pub fn baseline_weighed(&self) {
        let seen = self.intake.with(super::intake::Intake::forget_seen);
        drop(seen);
    }

    /// The images that were loaded before the driver started could not be listed.
    pub fn no_baseline(&self, status: NtStatus) {
        self.emit(&mut [0; 192], Kind::Baseline, self.host.now(), |record| {
            record.number(tag::STATUS, u64::from(status.bits()));
        });
        self.baseline_weighed();
    }

    fn weigh_and_record(&self, subject: &Subject<'_, H>) {
        match Bench::try_new() {
            Ok(mut bench) => {
                self.weigh_on(subject, &mut bench);
            }
            Err(NoMemory) => self.record_unweighed(subject),
        }
    }

    /// Records a subject that there was no memory to weigh: what is known is told all the same. Not inlined, as the others here,
    /// because the stack it takes would stand under everything that weighing takes.
    #[inline(never)]
    fn record_unweighed(&self, subject: &Subject<'_, H>) {
        let in_force = self.in_force();
        let generation = in_force.as_ref().map(|in_force| &*in_force.generation);
        let mut fields = [0; 256];
        let assessed = Assessment::unread(generation, Unreadable::NoMemory, &mut fields);
        self.record(subject, &assessed, &fields, &mut [0; 640]);
    }

    /// Weighs a subject and records it; the record, unless it could not be recorded.
    pub(crate) fn weigh_on<'b>(
        &self,
        subject: &Subject<'_, H>,
        bench: &'b mut Bench,
    ) -> Option<&'b mut [u8]> {
        let assessed = self.weigh(subject, bench);
        let Bench { fields, record, .. } = bench;
        self.record(subject, &assessed, fields, record)
    }

    /// Weighs a subject. What was found for a loaded image before is taken from the cache; a check always reads the file.
    pub(crate) fn weigh(&self, subject: &Subject<'_, H>, bench: &mut Bench) -> Assessment {
        let in_force = self.in_force();
        let generation = in_force.as_ref().map_or(0, |in_force| in_force.number);
        let opened = match self.open(subject) {
            Ok(opened) => opened,
            Err(status) => return Assessment::unopened(in_force.as_ref(), status, &mut bench.fields),
        };
        let mut file = Stoppable {
            file: opened.file,
            stop: &self.stop,
        };
        let key = match subject.kind {
            Kind::Check => None,
            _ => self.key_of(&mut file),
        };
        let kept = key.and_then(|key| {
            self.cache
                .with(|cache| cache.find(&key, generation, &mut bench.fields))
        });
        let mut assessed = if let Some(hit) = kept {
            self.counters.cache_hits.increment();
            Assessment::from_cache(&hit)
        } else {
            self.counters.cache_misses.increment();
            let assessed = self.examine(&mut file, in_force.as_ref(), bench);
            if let Some(key) = key.filter(|_| assessed.may_be_kept()) {
                self.keep_verdict(key, generation, &assessed.hit(), bench);
            }
            assessed
        };
        assessed.opened = Some(Ok(opened.same_file));
        assessed
    }

    /// Reads a file and decides.
    #[inline(never)]
    pub(crate) fn examine(
        &self,
        file: &mut dyn File,
        in_force: Option<&InForce<H>>,
        bench: &mut Bench,
    ) -> Assessment {
        let generation = in_force.map(|in_force| &*in_force.generation);
        let catalogs = generation.and_then(|generation| generation.set.set().catalogs());
        let Bench {
            workspace, fields, ..
        } = bench;
        if workspace.is_none() {
            *workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK).ok();
        }
        let Some(workspace) = workspace else {
            return Assessment::unread(generation, Unreadable::NoMemory, fields);
        };
        let mut findings = Findings::new();
        let read = read(file, catalogs.as_ref(), workspace, &mut findings, || {
            self.host.ticks()
        });
        self.assess(&read, generation, catalogs, fields)
    }

    /// Decides on what was read.
    #[inline(never)]
    fn assess<'s>(
        &self,
        read: &Read<'_>,
        generation: Option<&'s Generation>,
        catalogs: Option<CatalogIndex<'s>>,
        fields: &mut [u8],
    ) -> Assessment {
        let own = self.own.with(|own| *own);
        let now = unix_seconds(self.host.now());
        let weighed = weigh(read, generation, catalogs, now, || self.host.ticks());
        Assessment::of(&weighed, generation, own.as_ref(), fields)
    }

    /// What a verdict on a file is kept under, where there is such a thing; that it could not be had is counted. In a stack frame of
    /// its own, which is gone when the file is read.
    #[inline(never)]
    pub(crate) fn key_of(&self, file: &mut dyn File) -> Option<FileKey> {
        file.key().unwrap_or_else(|_| {
            self.counters.failures.file_marks.increment();
            None
        })
    }

    /// Keeps a verdict for the next time.
    pub(crate) fn keep_verdict(&self, key: FileKey, generation: u64, hit: &Hit, bench: &Bench) {
        let dropped = self
            .cache
            .with(|cache| cache.keep(key, generation, hit, &bench.fields));
        drop(dropped);
    }

    #[inline(never)]
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

    /// Counts and records what weighing a subject came to.
    #[inline(never)]
    fn record<'b>(
        &self,
        subject: &Subject<'_, H>,
        assessed: &Assessment,
        fields: &[u8],
        buffer: &'b mut [u8],
    ) -> Option<&'b mut [u8]> {
        self.count(assessed.decision, assessed.is_readable);
        let found = fields.get(..assessed.bytes).unwrap_or_default();
        self.note_weighed(subject.kind, subject.name, found, assessed.is_cached);
        let time = subject
            .capture
            .map_or_else(|| self.host.now(), |capture| capture.time);
        self.emit(buffer, subject.kind, time, |record| {
            record.encoded(found, assessed.cut);
            match assessed.opened {
                Some(Ok(same_file)) => record.number(tag::SAME_FILE, u64::from(same_file)),
                Some(Err(status)) => record.number(tag::STATUS, u64::from(status.bits())),
                None => {}
            }
            if assessed.is_cached {
                record.number(tag::CACHED, 1);
            }
            if let Some((base, size)) = subject.image {
                record.number(tag::IMAGE_BASE, base);
                record.number(tag::IMAGE_SIZE, size);
            }
            if let Some(capture) = subject.capture {
                record.number(tag::PROCESS_ID, capture.process_id);
                record.number(tag::IMAGE_PROPERTIES, u64::from(capture.properties));
                let queued = self.host.ticks().saturating_sub(capture.ticks);
                self.metrics.queued.note(queued);
                record.number(tag::QUEUED, queued);
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
