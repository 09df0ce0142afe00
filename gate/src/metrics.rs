//! How long things take and which rules decide.

use crate::gate::Gate;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NoMemory;
use crate::memory::filled;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use protocol::field::Writer;
use protocol::report;
use protocol::report::BUCKETS;
use protocol::report::Histogram;

/// Places for rules that decided. A power of two, so that a hash finds its place by its lowest bits.
const PLACES: usize = 128;

/// Rules counted; the places left free keep looking up short.
const MAX_RULES: usize = 96;

/// Longest rule id that is counted by itself, in bytes.
const ID_BYTES: usize = 64;

/// How often something took how long. In memory of its own: a gate is moved about on the stack while it is made.
pub(crate) struct Times(Vec<AtomicU64>);

impl Times {
    fn try_new() -> Result<Self, NoMemory> {
        filled(BUCKETS, AtomicU64::default).map(Self)
    }

    /// Counts one that took so long, in 100 ns.
    pub(crate) fn note(&self, ticks: u64) {
        let bits = u64::BITS.saturating_sub(ticks.leading_zeros());
        let bucket = usize::try_from(bits)
            .unwrap_or(BUCKETS)
            .min(BUCKETS.saturating_sub(1));
        if let Some(count) = self.0.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn histogram(&self) -> Histogram {
        let mut histogram = Histogram::default();
        for (to, from) in histogram.iter_mut().zip(&self.0) {
            to.set(from.load(Ordering::Relaxed));
        }
        histogram
    }
}

/// A rule that decided.
#[derive(Clone, Copy)]
struct Rule {
    policy: [u8; 16],
    id: [u8; ID_BYTES],
    length: usize,
    action: u64,
    times: u64,
}

impl Rule {
    fn id(&self) -> &[u8] {
        self.id.get(..self.length).unwrap_or_default()
    }
}

/// How often each rule decided: open addressing in a fixed number of places, which are made for the first hit.
#[derive(Default)]
pub(crate) struct Hits {
    places: Vec<Option<Rule>>,
    used: usize,
    unlisted: u64,
    none: u64,
}

impl Hits {
    fn note(&mut self, policy: [u8; 16], id: &[u8], action: u64) {
        match self.place(policy, id) {
            Some(Some(rule)) => rule.times = rule.times.saturating_add(1),
            Some(free @ None) => {
                let mut kept = [0; ID_BYTES];
                for (to, from) in kept.iter_mut().zip(id) {
                    *to = *from;
                }
                *free = Some(Rule {
                    policy,
                    id: kept,
                    length: id.len(),
                    action,
                    times: 1,
                });
                self.used = self.used.saturating_add(1);
            }
            None => self.unlisted = self.unlisted.saturating_add(1),
        }
    }

    /// Where a rule is, or a free place for it; `None` when it can have none.
    fn place(&mut self, policy: [u8; 16], id: &[u8]) -> Option<&mut Option<Rule>> {
        if id.len() > ID_BYTES {
            return None;
        }
        if self.places.is_empty() {
            self.places = filled(PLACES, || None).ok()?;
        }
        let may_add = self.used < MAX_RULES;
        let start = hash(policy.iter().chain(id));
        let found = (0..PLACES).find_map(|step| {
            let index = start.wrapping_add(step).checked_rem(PLACES)?;
            match self.places.get(index)? {
                Some(rule) if rule.policy == policy && rule.id() == id => Some(index),
                Some(_) => None,
                None => Some(index),
            }
        })?;
        self.places
            .get_mut(found)
            .filter(|place| place.is_some() || may_add)
    }
}

/// FNV-1a. Whoever chooses rule ids to collide is an administrator, and slows down nobody but the counting.
fn hash<'a>(bytes: impl Iterator<Item = &'a u8>) -> usize {
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash & 0xffff_ffff).unwrap_or(0)
}

/// What is measured.
pub(crate) struct Metrics<H: Host> {
    /// From a load to the start of reading its file.
    pub(crate) queued: Times,
    read: Times,
    decided: Times,
    /// How long the filter held up the creation of a section.
    pub(crate) held: Times,
    hits: H::Mutex<Hits>,
}

impl<H: Host> Metrics<H> {
    pub(crate) fn try_new() -> Result<Self, NoMemory> {
        Ok(Self {
            queued: Times::try_new()?,
            read: Times::try_new()?,
            decided: Times::try_new()?,
            held: Times::try_new()?,
            hits: Lock::try_new(Hits::default())?,
        })
    }
}

impl<H: Host> Gate<H> {
    /// Takes note of what weighing a file gave. `fields` are those of its event.
    pub(crate) fn note_weighed(&self, kind: Kind, name: &[u16], fields: &[u8], is_cached: bool) {
        let fields = Fields::new(fields);
        if !is_cached {
            let time = |tag| fields.find(tag).and_then(Field::number);
            if let (Some(read), Some(decided)) = (time(tag::READ), time(tag::DECIDED)) {
                self.metrics.read.note(read);
                self.metrics.decided.note(decided);
            }
        }
        // A check is a question, and changes neither what the rules did nor how the evaluation went.
        if kind == Kind::Check {
            return;
        }
        if let Some(verdict) = fields.find(tag::VERDICT) {
            self.note_hits(&verdict.fields());
            self.note_verdict(kind, name, &fields, &verdict.fields());
        }
    }

    fn note_hits(&self, verdict: &Fields<'_>) {
        let policies = verdict
            .clone()
            .filter_map(Result::ok)
            .filter(|field| field.tag == tag::POLICY);
        for policy in policies {
            let policy = policy.fields();
            let rule = policy.find(tag::RULE).map(Field::fields);
            let id = rule.as_ref().and_then(|rule| rule.find(tag::RULE_ID));
            let policy_id = policy
                .find(tag::POLICY_ID)
                .and_then(|id| id.bytes.first_chunk::<16>().copied())
                .unwrap_or_default();
            let action = rule
                .as_ref()
                .and_then(|rule| rule.find(tag::RULE_ACTION)?.number())
                .unwrap_or_default();
            self.metrics.hits.with(|hits| match id {
                Some(id) => hits.note(policy_id, id.bytes, action),
                None => hits.none = hits.none.saturating_add(1),
            });
        }
    }

    /// The times, and a field for each rule that decided into `room`, as many as fit; the number of bytes used.
    #[inline(never)]
    pub(crate) fn report_metrics(&self, room: &mut [u8]) -> (report::Metrics, usize) {
        let metrics = &self.metrics;
        let mut writer = Writer::new(room);
        let (unlisted, none) = metrics.hits.with(|hits| {
            for rule in hits.places.iter().flatten() {
                writer.group(tag::RULE_HITS, |writer| {
                    writer.bytes(tag::POLICY_ID, &rule.policy);
                    writer.bytes(tag::RULE_ID, rule.id());
                    writer.number(tag::RULE_ACTION, rule.action);
                    writer.number(tag::TIMES, rule.times);
                });
                writer.recover();
            }
            (hits.unlisted, hits.none)
        });
        let report = report::Metrics {
            queued: metrics.queued.histogram(),
            read: metrics.read.histogram(),
            decided: metrics.decided.histogram(),
            held: metrics.held.histogram(),
            hits_unlisted: unlisted.into(),
            hits_none: none.into(),
        };
        (report, writer.finish().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::format;

    #[test]
    fn a_time_is_counted_below_its_power_of_two() {
        let times = Times::try_new().expect("memory");
        for ticks in [0, 1, 2, 3, 4, 1 << 29, (1 << 31) - 1, 1 << 31, u64::MAX] {
            times.note(ticks);
        }
        let histogram = times.histogram();
        let counted: Vec<_> = (0..BUCKETS).filter(|index| histogram[*index].get() > 0).collect();
        assert_eq!(counted, [0, 1, 2, 3, 30, 31]);
        assert_eq!(histogram[2].get(), 2, "2 and 3");
        assert_eq!(histogram[31].get(), 3, "the last has no upper end");
    }

    #[test]
    fn rules_are_counted_one_by_one_until_there_is_no_place() {
        let mut hits = Hits::default();
        let mut expected = HashMap::new();
        for round in 0..3_usize {
            for number in 0..200_usize {
                let policy = [u8::try_from(number % 3).unwrap(); 16];
                let id = format!("ID_RULE_{number}");
                hits.note(policy, id.as_bytes(), 1);
                if number < MAX_RULES {
                    *expected.entry((policy, id)).or_insert(0) += 1;
                }
            }
            assert_eq!(hits.unlisted, ((round + 1) * (200 - MAX_RULES)) as u64);
        }
        let found: HashMap<_, _> = hits
            .places
            .iter()
            .flatten()
            .map(|rule| {
                let id = std::str::from_utf8(rule.id()).expect("an id");
                ((rule.policy, id.into()), rule.times)
            })
            .collect();
        assert_eq!(found, expected);
        hits.note([0; 16], &[b'x'; ID_BYTES + 1], 0);
        assert_eq!(hits.unlisted, 3 * (200 - MAX_RULES) as u64 + 1);
    }
}
