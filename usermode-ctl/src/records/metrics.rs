//! The metrics record: times, and how often which rule decided.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use policy::Action;
use policy::PolicySet;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use protocol::message::Status;
use protocol::report::Histogram;
use protocol::report::Metrics;
use schemars::JsonSchema;
use serde::Serialize;
use sipolicy::Guid;

use crate::driver::Report;
use crate::records::StatusRecord;
use crate::records::verdict::Name;
use crate::records::verdict::groups;
use crate::records::verdict::guid;
use crate::records::verdict::name;
use crate::records::verdict::number;
use crate::records::verdict::text;

/// Counters, times and rule hits of the running driver.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct MetricsRecord {
    pub schema: &'static str,
    pub counters: StatusRecord,
    /// Microseconds. What is given as percentile is the upper bound of the bucket it falls into: at most twice the true value.
    pub times_us: TimesRecord,
    pub rules: Vec<HitsRecord>,
    /// Decisions by rules that are not listed because the driver counts only so many.
    pub hits_unlisted: u64,
    /// Decisions that no rule made.
    pub hits_none: u64,
    /// Rules of the set in force that have decided nothing; empty when hits went uncounted, because then nobody knows.
    pub unused: Vec<UnusedRecord>,
}

/// What takes how long.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct TimesRecord {
    /// From a load to the start of reading its file.
    pub queued: TimeRecord,
    /// Reading a file and establishing its evidence.
    pub read: TimeRecord,
    /// Deciding.
    pub decided: TimeRecord,
    /// How long the filter held up the creation of a section.
    pub held: TimeRecord,
}

/// How long one thing takes.
#[derive(Clone, Copy, Debug, Default, JsonSchema, PartialEq, Serialize)]
pub struct TimeRecord {
    pub count: u64,
    /// `None` without any; upper bounds of buckets.
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

/// How often a rule decided.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct HitsRecord {
    pub policy_id: String,
    pub id: String,
    pub action: Name,
    pub times: u64,
}

/// A rule that decided nothing.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct UnusedRecord {
    /// Of the base policy that it belongs to, or that its policy supplements.
    pub policy_id: String,
    pub id: String,
    pub name: String,
}

impl MetricsRecord {
    /// What a driver of this version says of itself; `set` is the one in force.
    pub fn new(
        version: String,
        status: &Status,
        metrics: &Report<Metrics>,
        set: Option<&PolicySet<'_>>,
    ) -> Self {
        let head = &metrics.head;
        let mut rules: Vec<HitsRecord> = groups(&metrics.fields(), tag::RULE_HITS)
            .map(|group| HitsRecord::of(&group))
            .collect();
        rules.sort_by(|one, other| other.times.cmp(&one.times).then_with(|| one.id.cmp(&other.id)));
        let hits_unlisted = head.hits_unlisted.get();
        let unused = match set {
            Some(set) if hits_unlisted == 0 => unused(set, &rules),
            _ => Vec::new(),
        };
        Self {
            schema: "gatehouse.metrics/1",
            counters: StatusRecord::new(version, status),
            times_us: TimesRecord {
                queued: TimeRecord::of(&head.queued),
                read: TimeRecord::of(&head.read),
                decided: TimeRecord::of(&head.decided),
                held: TimeRecord::of(&head.held),
            },
            rules,
            hits_unlisted,
            hits_none: head.hits_none.get(),
            unused,
        }
    }
}

impl HitsRecord {
    fn of(group: &Fields<'_>) -> Self {
        Self {
            policy_id: guid(group, tag::POLICY_ID),
            id: text(group, tag::RULE_ID),
            action: name(number(group, tag::RULE_ACTION), Action::from_number, Action::name),
            times: group.find(tag::TIMES).and_then(Field::number).unwrap_or(0),
        }
    }
}

impl TimeRecord {
    /// Percentiles of what these buckets count.
    fn of(histogram: &Histogram) -> Self {
        let count = histogram
            .iter()
            .fold(0_u64, |sum, bucket| sum.saturating_add(bucket.get()));
        // The bucket in which the n-th time lies, the times being in order.
        let bound = |nth: u64| {
            let mut seen = 0_u64;
            histogram.iter().zip(0_u32..).find_map(|(bucket, power)| {
                seen = seen.saturating_add(bucket.get());
                (seen >= nth.max(1)).then(|| upper_bound(power))
            })
        };
        let percentile = |percent: u64| {
            let nth = count.saturating_mul(percent).div_ceil(100);
            (count > 0).then(|| bound(nth)).flatten()
        };
        Self {
            count,
            p50: percentile(50),
            p95: percentile(95),
            p99: percentile(99),
            max: percentile(100),
        }
    }
}

/// The upper end of a bucket, in microseconds.
fn upper_bound(power: u32) -> f64 {
    let ticks = 1_u64.checked_shl(power).unwrap_or(u64::MAX);
    #[expect(clippy::cast_precision_loss, reason = "a power of two")]
    {
        ticks as f64 / 10.0
    }
}

/// Rules of the set that are not among those that decided. The driver counts a rule of a supplemental policy with the base policy
/// that it supplements, so a rule counts as used when one of its id decided for that base policy.
fn unused(set: &PolicySet<'_>, hits: &[HitsRecord]) -> Vec<UnusedRecord> {
    let bases: Vec<String> = set
        .policies()
        .map(|policy| Guid(policy.base_id()).to_string())
        .collect();
    let used: BTreeSet<(&str, &str)> = hits
        .iter()
        .map(|hit| (hit.policy_id.as_str(), hit.id.as_str()))
        .collect();
    let mut unused = BTreeMap::new();
    set.rules(&mut |used_rule| {
        let base = bases
            .get(usize::from(used_rule.policy))
            .map_or("", String::as_str);
        let rule = used_rule.rule;
        if !used.contains(&(base, rule.id)) {
            unused
                .entry((used_rule.policy, rule.id))
                .or_insert((base, rule.name));
        }
    });
    unused
        .into_iter()
        .map(|((_, id), (base, name))| UnusedRecord {
            policy_id: base.to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::report::BUCKETS;
    use zerocopy::byteorder::little_endian::U64;

    #[test]
    fn percentiles_are_upper_bounds_of_buckets() {
        let mut histogram = [U64::new(0); BUCKETS];
        assert_eq!(
            TimeRecord::of(&histogram),
            TimeRecord::default(),
            "none, and no numbers made up"
        );
        // 90 times below 2^4, 9 below 2^10, 1 below 2^20, in 100 ns.
        histogram[4] = 90.into();
        histogram[10] = 9.into();
        histogram[20] = 1.into();
        let times = TimeRecord::of(&histogram);
        assert_eq!(times.count, 100);
        assert_eq!(times.p50, Some(1.6));
        assert_eq!(times.p95, Some(102.4));
        assert_eq!(times.p99, Some(102.4));
        assert_eq!(times.max, Some(104_857.6));
    }
}
