//! The status record: state and counters of the running driver.

use std::borrow::Cow;

use protocol::message::Failures;
use protocol::message::Mode;
use protocol::message::Status;
use protocol::message::features;
use protocol::message::holds;
use schemars::JsonSchema;
use serde::Serialize;

use crate::keys;
use crate::output::hex;
use crate::records::time;

/// State and counters of the running driver. The counters are explained in `protocol::message::Status`.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct StatusRecord {
    pub schema: &'static str,
    pub driver_version: String,
    pub protocol_version: u16,
    /// In effect.
    pub mode: Cow<'static, str>,
    pub mode_asked: Cow<'static, str>,
    /// When the mode that was asked for ends by itself.
    pub mode_until: Option<String>,
    /// What keeps enforcement from taking effect.
    pub holds: Vec<Cow<'static, str>>,
    pub features: Vec<&'static str>,
    /// 0 when no policy is in force.
    pub generation: u64,
    pub set_sha256: Option<String>,
    pub set_bytes: u64,
    /// Of the signed set in force; `None` for an unsigned one.
    pub set_sequence: Option<u64>,
    /// Fingerprint of the key that sets must be signed with; `None` when none is provisioned.
    pub key_fingerprint: Option<String>,
    /// Highest sequence number accepted under that key; `None` without one. That of the next set must be above.
    pub key_sequence: Option<u64>,
    /// Highest number of a change of the key that was taken; that of the next one must be above.
    pub key_number: u64,
    pub started: Option<String>,
    pub now: Option<String>,
    pub loads_seen: u64,
    pub loads_dropped: u64,
    pub weighed: u64,
    pub allowed: u64,
    pub would_refuse: u64,
    pub refused: u64,
    pub unreadable: u64,
    pub events_emitted: u64,
    pub events_overwritten: u64,
    pub events_failed: u64,
    pub pushes_accepted: u64,
    pub pushes_rejected: u64,
    pub requests_refused: u64,
    pub pool_blocks: u64,
    pub pool_bytes: u64,
    pub pool_failures: u64,
    pub sections_seen: u64,
    pub sections_weighed: u64,
    pub sections_uncertain: u64,
    pub sections_spared: u64,
    pub sections_refused: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
    pub failures: FailuresRecord,
}

/// What the driver itself could not do since it started, and went on without. Explained in `protocol::message::Failures`.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct FailuresRecord {
    pub own_image: u64,
    pub kill_switch: u64,
    pub keeping: u64,
    pub restoring: u64,
    pub last_end: u64,
    pub file_marks: u64,
    pub system_start: u64,
    pub tracing: u64,
    pub prefetch: u64,
}

impl FailuresRecord {
    fn of(failures: &Failures) -> Self {
        Self {
            own_image: failures.own_image.get(),
            kill_switch: failures.kill_switch.get(),
            keeping: failures.keeping.get(),
            restoring: failures.restoring.get(),
            last_end: failures.last_end.get(),
            file_marks: failures.file_marks.get(),
            system_start: failures.system_start.get(),
            tracing: failures.tracing.get(),
            prefetch: failures.prefetch.get(),
        }
    }
}

impl StatusRecord {
    /// Whether what is in force has no base policy, as far as the driver says: it refuses nothing then.
    pub fn lacks_base(&self) -> bool {
        self.generation != 0 && self.holds.iter().any(|hold| hold == "no-policy")
    }

    /// What a driver of this version says of itself.
    pub fn new(driver_version: String, status: &Status) -> Self {
        let generation = status.generation.get();
        Self {
            schema: "gatehouse.status/1",
            driver_version,
            protocol_version: protocol::VERSION,
            mode: mode_name(status.mode.get().into()),
            mode_asked: mode_name(status.mode_asked.get().into()),
            mode_until: time(status.mode_until.get()),
            holds: hold_names(status.holds.get().into()),
            features: feature_names(status.features.get()),
            generation,
            set_sha256: (generation != 0).then(|| hex(&status.set_sha256)),
            set_bytes: status.set_bytes.get(),
            set_sequence: Some(status.set_sequence.get()).filter(|number| *number != 0),
            key_fingerprint: (status.key != [0; 32]).then(|| keys::fingerprint(&status.key)),
            key_sequence: (status.key != [0; 32]).then(|| status.key_sequence.get()),
            key_number: status.key_number.get(),
            started: time(status.started.get()),
            now: time(status.now.get()),
            loads_seen: status.loads_seen.get(),
            loads_dropped: status.loads_dropped.get(),
            weighed: status.weighed.get(),
            allowed: status.allowed.get(),
            would_refuse: status.would_refuse.get(),
            refused: status.refused.get(),
            unreadable: status.unreadable.get(),
            events_emitted: status.events_emitted.get(),
            events_overwritten: status.events_overwritten.get(),
            events_failed: status.events_failed.get(),
            pushes_accepted: status.pushes_accepted.get(),
            pushes_rejected: status.pushes_rejected.get(),
            requests_refused: status.requests_refused.get(),
            pool_blocks: status.pool_blocks.get(),
            pool_bytes: status.pool_bytes.get(),
            pool_failures: status.pool_failures.get(),
            sections_seen: status.sections_seen.get(),
            sections_weighed: status.sections_weighed.get(),
            sections_uncertain: status.sections_uncertain.get(),
            sections_spared: status.sections_spared.get(),
            sections_refused: status.sections_refused.get(),
            cache_hits: status.cache_hits.get(),
            cache_misses: status.cache_misses.get(),
            failures: FailuresRecord::of(&status.failures),
        }
    }
}

/// Name of a [`Mode`].
pub fn mode_name(number: u64) -> Cow<'static, str> {
    [(Mode::Evaluate, "evaluate"), (Mode::Enforce, "enforce")]
        .into_iter()
        .find(|(mode, _)| u64::from(*mode as u32) == number)
        .map_or_else(|| format!("unknown-{number}").into(), |(_, name)| name.into())
}

fn feature_names(bits: u32) -> Vec<&'static str> {
    let known = [
        (features::NOTIFY_EX, "notify-ex"),
        (features::FILTER, "filter"),
        (features::ETW, "etw"),
        (features::PERSISTENT, "persistent"),
        (features::PRECISE_TIME, "precise-time"),
        (features::MAPPINGS, "mappings"),
        (features::PERFORMANCE_COUNTER, "performance-counter"),
    ];
    known
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| name)
        .collect()
}

/// Names of [`holds`] bits; a bit that this build does not know is shown by its number.
pub fn hold_names(bits: u64) -> Vec<Cow<'static, str>> {
    (0..u64::BITS)
        .map(|bit| 1_u64 << bit)
        .filter(|bit| bits & bit != 0)
        .map(|bit| {
            let known = holds::ALL.into_iter().find(|(hold, _)| u64::from(*hold) == bit);
            known.map_or_else(|| format!("unknown-{bit:#x}").into(), |(_, name)| name.into())
        })
        .collect()
}

/// What a hold means and what to do about it.
pub fn hold_advice(name: &str) -> &'static str {
    match name {
        "no-filter" => {
            "the filter manager did not take the driver as a minifilter, and without it nothing can be refused; `gatehouse doctor` \
             says why"
        }
        "no-policy" => {
            "no base policy is in force, and without one nothing can be refused; push one with `gatehouse push`, together with its \
             supplementals"
        }
        "boot" => "Windows is still starting; this ends by itself",
        "safe-mode" => "Windows runs in safe mode; restart it normally",
        "kill-switch" => {
            "the registry's kill switch is on; set DisableEnforcement in \
             HKLM\\SYSTEM\\CurrentControlSet\\Services\\gatehouse\\Parameters to 0 or delete it, and start the driver again"
        }
        _ => "a newer driver holds enforcement back; install command and driver of the same release",
    }
}
