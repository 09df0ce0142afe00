//! What somebody who looks at the driver from outside gets to see of a run, so that two runs can be compared.

use gatehouse_tests::hex;
use protocol::event::Kind;
use protocol::event::Record;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use protocol::message::Failures;
use protocol::message::Status;
use std::collections::BTreeMap;

/// What differs between two events about the same.
const VARYING: [u16; 5] = [
    tag::DECIDED,
    tag::IMAGE_BASE,
    tag::QUEUED,
    tag::READ,
    tag::WEIGHED_AT,
];
/// Reason of a verdict by a rule that allows: `policy::Reason`.
const REASON_ALLOWED: u64 = 0;

/// A counter of failures.
pub struct Counter {
    /// The doctor's check.
    pub check: &'static str,
    /// The name in JSON.
    pub name: &'static str,
    pub count: fn(&Failures) -> u64,
}

const fn counter(check: &'static str, name: &'static str, count: fn(&Failures) -> u64) -> Counter {
    Counter { check, name, count }
}

/// Every counter of failures.
pub const COUNTERS: [Counter; 9] = [
    counter("own-image", "own_image", |failures| failures.own_image.get()),
    counter("kill-switch", "kill_switch", |failures| {
        failures.kill_switch.get()
    }),
    counter("own-files", "keeping", |failures| failures.keeping.get()),
    counter("restored-files", "restoring", |failures| failures.restoring.get()),
    counter("last-run", "last_end", |failures| failures.last_end.get()),
    counter("file-marks", "file_marks", |failures| failures.file_marks.get()),
    counter("system-start", "system_start", |failures| {
        failures.system_start.get()
    }),
    counter("tracing", "tracing", |failures| failures.tracing.get()),
    counter("prefetch", "prefetch", |failures| failures.prefetch.get()),
];

/// What is seen of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How each step ended, in order.
    pub steps: Vec<(&'static str, String)>,
    /// The status, without what differs between two runs of the same.
    pub status: Status,
    /// Whether the status says what time it is, and since when the driver runs.
    pub has_times: bool,
    /// Events, without what differs; sorted.
    pub events: Vec<String>,
}

impl Seen {
    /// What the driver could not do, by its own account.
    pub fn failures(&self) -> Failures {
        self.status.failures
    }

    /// Whether this tells of something that a run without a fault does not: an answer to who asked, a counter that counts what goes
    /// wrong, a mode or a feature that is not there, an event. That something is missing tells nobody.
    pub fn tells(&self, without: &Self) -> bool {
        // A load that fails, or that goes through, is no word of the driver's.
        let answers = |seen: &Self| -> Vec<(&str, String)> {
            let mut answers = seen.steps.clone();
            answers.retain(|(step, _)| !step.starts_with("load"));
            answers
        };
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for event in &without.events {
            *known.entry(event).or_default() += 1;
        }
        let has_news = self
            .events
            .iter()
            .any(|event| match known.get_mut(event.as_str()) {
                Some(left @ 1..) => {
                    *left -= 1;
                    false
                }
                _ => true,
            });
        has_news
            || self.has_times != without.has_times
            || answers(self) != answers(without)
            || alarms(&self.status) != alarms(&without.status)
    }
}

/// The status without the counters of what goes well.
pub fn alarms(status: &Status) -> Status {
    Status {
        loads_seen: 0.into(),
        weighed: 0.into(),
        allowed: 0.into(),
        would_refuse: 0.into(),
        refused: 0.into(),
        events_emitted: 0.into(),
        pushes_accepted: 0.into(),
        sections_seen: 0.into(),
        sections_weighed: 0.into(),
        sections_refused: 0.into(),
        cache_hits: 0.into(),
        cache_misses: 0.into(),
        ..*status
    }
}

/// The part of an event that is the same in two runs.
pub fn told(record: &Record<'_>) -> String {
    let kind = Kind::from_number(record.head.kind.get()).map_or("unknown", Kind::name);
    let has_time = record.head.time.get() != 0;
    format!("{kind} {} {has_time}{}", record.head.flags, shown(&record.fields))
}

/// Fields, without what differs.
pub fn shown(fields: &Fields<'_>) -> String {
    let fields = fields.clone().filter_map(std::result::Result::ok);
    let same = fields.filter(|field| !VARYING.contains(&field.tag));
    same.fold(String::new(), |told, field| {
        let value = if matches!(field.tag, tag::DRIVER | tag::EVIDENCE) {
            shown(&field.fields())
        } else {
            hex(field.bytes)
        };
        told + &format!(" {}:{value}", field.tag)
    })
}

/// The subject is denied by every generation there is. It may be let through as not judged, for want of evidence; then the reason
/// says so.
pub fn wrongly_allowed(record: &Record<'_>) -> Option<String> {
    let path = record.fields.find(tag::PATH)?;
    let units = path.bytes.as_chunks::<2>().0.iter();
    let about: Vec<u16> = units.map(|unit| u16::from_le_bytes(*unit)).collect();
    let about = String::from_utf16_lossy(&about).to_ascii_lowercase();
    let verdict = record.fields.find(tag::VERDICT)?.fields();
    let reason = verdict.find(tag::REASON).and_then(Field::number);
    (about.ends_with("mouhid.sys") && reason == Some(REASON_ALLOWED))
        .then(|| format!("reported as allowed: {}", told(record)))
}
