//! The progress record: how far the evaluation is.

use std::time::Duration;

use protocol::report::Progress;
use schemars::JsonSchema;
use serde::Serialize;

use crate::records::time;

/// How far the evaluation is, as Windows' own driver policy counts it.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ProgressRecord {
    pub schema: &'static str,
    /// Whether both thresholds are reached.
    pub passed: bool,
    pub runtime_seconds: u64,
    pub runtime_needed_seconds: u64,
    pub boots: u32,
    pub boots_needed: u32,
    pub since: Option<String>,
    pub last_violation: Option<String>,
    pub audits: u64,
    pub blocks: u64,
    /// How often a violation set the progress back.
    pub resets: u64,
    /// Different drivers that violate.
    pub violators: u32,
    /// Of these, how many are not listed because the driver keeps only so many.
    pub violators_unlisted: u32,
    /// Whether the progress outlives the driver.
    pub persistent: bool,
}

impl ProgressRecord {
    /// What a driver says of its evaluation.
    pub fn new(progress: &Progress) -> Self {
        Self {
            schema: "gatehouse.progress/1",
            passed: progress.passed.get() != 0,
            runtime_seconds: progress.runtime.get() / TICKS,
            runtime_needed_seconds: progress.runtime_needed.get() / TICKS,
            boots: progress.boots.get(),
            boots_needed: progress.boots_needed.get(),
            since: time(progress.since.get()),
            last_violation: time(progress.last_violation.get()),
            audits: progress.audits.get(),
            blocks: progress.blocks.get(),
            resets: progress.resets.get(),
            violators: progress.violators.get(),
            violators_unlisted: progress.violators_unlisted.get(),
            persistent: progress.persistent.get() != 0,
        }
    }
}

/// 100 ns units in a second.
const TICKS: u64 = 10_000_000;

/// A time as people read it: to the second below an hour, to the minute above.
pub fn span(seconds: u64) -> String {
    let shown = if seconds < 3600 {
        seconds
    } else {
        seconds / 60 * 60
    };
    // humantime counts in months and days; thresholds are stated in hours.
    match (shown / 3600, shown % 3600) {
        (0, rest) => humantime::format_duration(Duration::from_secs(rest)).to_string(),
        (hours, 0) => format!("{hours}h"),
        (hours, rest) => format!(
            "{hours}h {}",
            humantime::format_duration(Duration::from_secs(rest))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn times_are_in_hours() {
        assert_eq!(span(0), "0s");
        assert_eq!(span(75), "1m 15s");
        assert_eq!(span(360_000), "100h");
        assert_eq!(span(360_075), "100h 1m");
    }
}
