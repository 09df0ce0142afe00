//! The gate itself: what is shared between the notify routine, the worker and the request dispatch.

use crate::cache::VerdictCache;
use crate::counters::Counters;
use crate::generation::Generation;
use crate::generation::InForce;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NoMemory;
use crate::intake::Capture;
use crate::intake::Intake;
use crate::memory::wide;
use crate::metrics::Metrics;
use crate::mode::Modes;
use crate::progress::Running;
use crate::record::Builder;
use crate::record::mode_number;
use crate::ring::EventRing;
use crate::ring::RING_BYTES;
use crate::state::State;
use crate::store::Disk;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering;
use policy::Decision;
use protocol::event::Kind;
use protocol::message::Status;

/// Everything the driver knows and decides with, for one run from start to stop.
pub struct Gate<H: Host> {
    pub(crate) host: H,
    active: H::Mutex<Option<InForce<H>>>,
    pub(crate) events: H::Mutex<EventRing>,
    /// Sequence number of the newest event, for who may take no lock to ask: see [`Gate::has_events`].
    newest_event: AtomicU64,
    pub(crate) intake: H::SpinLock<Intake<H::Loaded>>,
    pub(crate) counters: Counters,
    pub(crate) modes: Modes,
    pub(crate) cache: H::Mutex<VerdictCache>,
    /// Authenticode SHA-256 of the driver itself, once it is known.
    pub(crate) own: H::Mutex<Option<[u8; 32]>>,
    /// What outlives the driver.
    pub(crate) kept: H::Mutex<State>,
    /// Held by whoever changes that, until it is on the disk.
    pub(crate) changing: H::SlowMutex<Disk<H>>,
    /// The evaluation's progress in this run.
    pub(crate) running: H::Mutex<Running>,
    pub(crate) metrics: Metrics<H>,
    /// Dropped loads that an event has told of.
    pub(crate) drops_told: AtomicU64,
    pub(crate) stop: AtomicBool,
    started: i64,
}

impl<H: Host> Gate<H> {
    /// A gate without policy, in evaluation mode.
    ///
    /// # Errors
    /// [`NoMemory`] when the event ring or the intake cannot be had.
    pub fn try_new(host: H) -> Result<Self, NoMemory> {
        let started = host.now();
        let gate = Self {
            active: Lock::try_new(None)?,
            events: Lock::try_new(EventRing::try_new(RING_BYTES)?)?,
            newest_event: AtomicU64::new(0),
            intake: Lock::try_new(Intake::try_new()?)?,
            counters: Counters::default(),
            modes: Modes::default(),
            cache: Lock::try_new(VerdictCache::try_new()?)?,
            own: Lock::try_new(None)?,
            kept: Lock::try_new(State::new(started))?,
            changing: Lock::try_new(Disk::new())?,
            running: Lock::try_new(Running::default())?,
            metrics: Metrics::try_new()?,
            drops_told: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            started,
            host,
        };
        gate.emit(&mut [0; 64], Kind::Started, started, |_| ());
        Ok(gate)
    }

    /// The host.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// The load-image notify routine's part: queue and return. Never waits, allocates or reads.
    pub fn image_loaded(&self, capture: Capture<H::Loaded>) {
        self.counters.loads_seen.increment();
        // A capture that finds no room is dropped outside the lock: it may hold the last reference to a file object.
        let mut capture = Some(capture);
        self.intake.with(|intake| intake.push(&mut capture));
        if capture.is_some() {
            self.counters.loads_dropped.increment();
        }
        self.host.wake();
    }

    /// Asks everything that may take long to end early: the driver is about to stop.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.host.wake();
    }

    /// Whether [`Gate::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The generation in force.
    pub(crate) fn in_force(&self) -> Option<InForce<H>> {
        self.active.with(|active| active.clone())
    }

    /// Makes a generation the one in force; gives it back with its number, and the one it replaced.
    pub(crate) fn install(
        &self,
        generation: H::Shared<Generation>,
    ) -> (InForce<H>, Option<H::Shared<Generation>>) {
        // The time up to now was under the old one.
        self.count_time();
        // Numbered and swapped under one lock, so that generations come into force in the order of their numbers. The old
        // one is given back outside it, and freed when its last reader leaves.
        let (new, old) = self.active.with(|active| {
            let number = active
                .as_ref()
                .map_or(0, |active| active.number)
                .saturating_add(1);
            let new = InForce { number, generation };
            (new.clone(), active.replace(new))
        });
        self.look_after_mode();
        (new, old.map(|old| old.generation))
    }

    /// Whether there is an event after this sequence number. Takes no lock: it is asked under the spin lock of the requests that wait,
    /// at DISPATCH_LEVEL, where no [`Host::Mutex`] may be taken.
    pub fn has_events(&self, after: u64) -> bool {
        self.newest_event.load(Ordering::Acquire) > after
    }

    /// State and counters.
    pub fn status(&self) -> Status {
        let in_force = self.in_force();
        let pool = self.host.pool();
        let counters = &self.counters;
        let now = self.host.now();
        let mode = |mode| u32::try_from(mode_number(mode)).unwrap_or(0).into();
        let mut status = Status {
            mode: mode(self.modes.in_effect(now)),
            mode_asked: mode(self.modes.asked(now)),
            mode_until: self.modes.until().into(),
            holds: self.modes.holds().into(),
            features: self.host.features().into(),
            started: self.started.into(),
            now: now.into(),
            loads_seen: counters.loads_seen.get().into(),
            loads_dropped: counters.loads_dropped.get().into(),
            weighed: counters.weighed.get().into(),
            allowed: counters.allowed.get().into(),
            would_refuse: counters.would_refuse.get().into(),
            refused: counters.refused.get().into(),
            unreadable: counters.unreadable.get().into(),
            events_emitted: self.newest_event.load(Ordering::Acquire).into(),
            events_overwritten: counters.events_overwritten.get().into(),
            events_failed: counters.events_failed.get().into(),
            pushes_accepted: counters.pushes_accepted.get().into(),
            pushes_rejected: counters.pushes_rejected.get().into(),
            requests_refused: counters.requests_refused.get().into(),
            pool_blocks: pool.blocks.into(),
            pool_bytes: pool.bytes.into(),
            pool_failures: pool.failures.into(),
            sections_seen: counters.sections_seen.get().into(),
            sections_weighed: counters.sections_weighed.get().into(),
            sections_uncertain: counters.sections_uncertain.get().into(),
            sections_spared: counters.sections_spared.get().into(),
            sections_refused: counters.sections_refused.get().into(),
            cache_hits: counters.cache_hits.get().into(),
            cache_misses: counters.cache_misses.get().into(),
            ..Status::default()
        };
        status.failures = counters.failures.report();
        let state = self.state();
        status.key = state.key.unwrap_or_default();
        status.key_sequence = state.sequence().into();
        status.key_number = state.key_number.into();
        if let Some(in_force) = in_force {
            status.generation = in_force.number.into();
            status.set_sha256 = in_force.generation.sha256;
            status.set_bytes = wide(in_force.generation.set.bytes().len()).into();
            status.set_sequence = in_force.generation.sequence().into();
        }
        status
    }

    /// Counts a verdict.
    pub(crate) fn count(&self, decision: Decision, readable: bool) {
        self.counters.weighed.increment();
        match decision {
            Decision::Allow => self.counters.allowed.increment(),
            Decision::WouldRefuse => self.counters.would_refuse.increment(),
            Decision::Refuse => self.counters.refused.increment(),
        }
        if !readable {
            self.counters.unreadable.increment();
        }
    }

    /// Builds a record in `buffer`, adds mode and generation, numbers it and puts a copy into the ring. The finished record,
    /// unless it could not be recorded, which is counted.
    pub(crate) fn emit<'b>(
        &self,
        buffer: &'b mut [u8],
        kind: Kind,
        time: i64,
        fill: impl FnOnce(&mut Builder<'_>),
    ) -> Option<&'b mut [u8]> {
        let mut record = Builder::new(buffer, kind, time);
        record.context(self.in_force().as_ref(), self.mode());
        fill(&mut record);
        let record = record.finish().and_then(|finished| finished.seal(buffer));
        let pushed = record.and_then(|record| {
            let overwritten = self.events.with(|ring| {
                let overwritten = ring.push(record)?;
                // Inside the lock, and after the record: who sees the number finds the record.
                self.newest_event.store(ring.newest(), Ordering::Release);
                Some(overwritten)
            })?;
            self.counters.events_overwritten.add(overwritten);
            self.host.answer_waiting();
            if !self.host.trace(record) {
                self.counters.failures.tracing.increment();
            }
            Some(record)
        });
        if pushed.is_none() {
            self.counters.events_failed.increment();
        }
        pushed
    }
}
