//! The status record: state and counters of the running driver.

use std::borrow::Cow;

use protocol::message::Mode;
use protocol::message::Status;
use protocol::message::features;
use serde::Serialize;

use crate::output::hex;
use crate::records::time;

/// State and counters of the running driver. The counters are explained in `protocol::message::Status`.
#[derive(Clone, Debug, Serialize)]
pub struct StatusRecord {
    pub schema: &'static str,
    pub driver_version: String,
    pub protocol_version: u16,
    pub mode: Cow<'static, str>,
    pub features: Vec<&'static str>,
    /// 0 when no policy is in force.
    pub generation: u64,
    pub set_sha256: Option<String>,
    pub set_bytes: u64,
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
}

impl StatusRecord {
    /// What a driver of this version says of itself.
    pub fn new(driver_version: String, status: &Status) -> Self {
        let generation = status.generation.get();
        Self {
            schema: "gatehouse.status/1",
            driver_version,
            protocol_version: protocol::VERSION,
            mode: mode_name(status.mode.get().into()),
            features: feature_names(status.features.get()),
            generation,
            set_sha256: (generation != 0).then(|| hex(&status.set_sha256)),
            set_bytes: status.set_bytes.get(),
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
    [(features::NOTIFY_EX, "notify-ex")]
        .into_iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| name)
        .collect()
}
