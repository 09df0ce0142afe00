//! What is reported, as JSON has it. The names are fixed: scripts and dashboards count on them.

mod driver;
mod event;
mod evidence;
mod metrics;
mod progress;
mod service;
mod set;
mod signature;
mod status;
pub mod values;
mod verdict;

pub use driver::DriverRecord;
pub use event::DroppedRecord;
pub use event::EventRecord;
pub use event::FaultRecord;
pub use evidence::DigestsRecord;
pub use evidence::EvidenceRecord;
pub use evidence::Stated;
pub use evidence::Status as EvidenceStatus;
pub use evidence::TrustRecord;
pub use evidence::meaning;
pub use evidence::now;
pub use metrics::MetricsRecord;
pub use metrics::TimeRecord;
pub use progress::ProgressRecord;
pub use progress::span;
pub use service::ServiceRecord;
pub use set::SetRecord;
pub use signature::CertificateRecord;
pub use signature::SignatureRecord;
pub use status::StatusRecord;
pub use status::hold_advice;
pub use status::hold_names;
pub use status::mode_name;
pub use verdict::VerdictRecord;

use std::time::Duration;
use std::time::SystemTime;

/// A FILETIME (100 ns since 1601-01-01 UTC) as RFC 3339 in UTC; `None` for a time before 1970, which no driver runs in.
pub fn time(filetime: i64) -> Option<String> {
    /// 100 ns from 1601-01-01 to 1970-01-01.
    const UNIX_EPOCH: i64 = 116_444_736_000_000_000;
    let ticks = u64::try_from(filetime.checked_sub(UNIX_EPOCH)?).ok()?;
    let since = Duration::from_micros(ticks / 10).saturating_add(Duration::from_nanos(ticks % 10 * 100));
    let time = SystemTime::UNIX_EPOCH.checked_add(since)?;
    Some(humantime::format_rfc3339_nanos(time).to_string())
}

/// `a.b.c.d` of a version with `a` in the top 16 bits.
pub fn dotted(version: u64) -> String {
    let part = |shift: u32| (version >> shift) & 0xffff;
    format!("{}.{}.{}.{}", part(48), part(32), part(16), part(0))
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn filetimes_are_shown_in_utc() {
        assert_eq!(
            time(116_444_736_000_000_000).as_deref(),
            Some("1970-01-01T00:00:00.000000000Z")
        );
        // 2026-11-21T09:35:00.1234567Z
        assert_eq!(
            time(134_397_273_001_234_567).as_deref(),
            Some("2026-11-21T09:35:00.123456700Z")
        );
        assert_eq!(time(0), None);
    }
}
