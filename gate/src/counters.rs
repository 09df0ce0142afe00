//! What is counted while the driver runs.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering;
use protocol::message::Failures;

/// A number that only grows.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// That many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of [`protocol::message::Status`].
#[derive(Default)]
pub struct Counters {
    /// Kernel image loads the notify routine reported.
    pub loads_seen: Counter,
    /// Those that found the intake full.
    pub loads_dropped: Counter,
    /// Files weighed.
    pub weighed: Counter,
    /// Verdicts that allow.
    pub allowed: Counter,
    /// Verdicts that would refuse.
    pub would_refuse: Counter,
    /// Verdicts that refuse.
    pub refused: Counter,
    /// Files without enough evidence.
    pub unreadable: Counter,
    /// Events overwritten in the ring.
    pub events_overwritten: Counter,
    /// Events that could not be recorded.
    pub events_failed: Counter,
    /// Pushes accepted.
    pub pushes_accepted: Counter,
    /// Pushes rejected.
    pub pushes_rejected: Counter,
    /// Requests refused before they were understood.
    pub requests_refused: Counter,
    /// Executable sections the filter saw.
    pub sections_seen: Counter,
    /// Those that were weighed.
    pub sections_weighed: Counter,
    /// Those let through because something was uncertain.
    pub sections_uncertain: Counter,
    /// Those that a fail-safe let through.
    pub sections_spared: Counter,
    /// Those that were refused.
    pub sections_refused: Counter,
    /// Verdicts found in the cache.
    pub cache_hits: Counter,
    /// Verdicts that had to be worked out.
    pub cache_misses: Counter,
    /// What the driver itself could not do.
    pub failures: FailureCounters,
}

/// The counters of [`Failures`].
#[derive(Default)]
pub struct FailureCounters {
    /// Attempts to find out what the driver's own image looks like.
    pub own_image: Counter,
    /// Looks at the kill switch.
    pub kill_switch: Counter,
    /// Writes and renames of the driver's own files.
    pub keeping: Counter,
    /// Files of an earlier run that were not taken over.
    pub restoring: Counter,
    /// The run before this one, if it did not end with its state written.
    pub last_end: Counter,
    /// Files of which it could not be told whether they change.
    pub file_marks: Counter,
    /// Questions when the system started.
    pub system_start: Counter,
    /// Events that a listener to the system's own tracing did not get.
    pub tracing: Counter,
    /// Opens that may be the prefetcher's and could not be marked.
    pub prefetch: Counter,
}

impl FailureCounters {
    /// As the controller is told.
    pub fn report(&self) -> Failures {
        Failures {
            own_image: self.own_image.get().into(),
            kill_switch: self.kill_switch.get().into(),
            keeping: self.keeping.get().into(),
            restoring: self.restoring.get().into(),
            last_end: self.last_end.get().into(),
            file_marks: self.file_marks.get().into(),
            system_start: self.system_start.get().into(),
            tracing: self.tracing.get().into(),
            prefetch: self.prefetch.get().into(),
        }
    }
}
