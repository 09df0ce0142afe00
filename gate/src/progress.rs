//! How far an evaluation is, as Windows' own driver policy counts it: running time and boot sessions without a violation, and which
//! drivers violated.

use crate::gate::Gate;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::memory::copied;
use alloc::vec::Vec;
use policy::Decision;
use protocol::control::ThresholdsRequest;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use protocol::field::Writer;
use protocol::report;

/// 100 ns units in a second.
pub(crate) const SECOND: u64 = 10_000_000;

/// Running time is written this often.
const SAVE_EVERY: u64 = 600 * SECOND;

/// What violations change is written no more often than this.
const SAVE_AT_MOST: u64 = 10 * SECOND;

/// Violating drivers listed.
const LISTED: usize = 64;

/// Violating drivers beyond those, told apart so that each is counted once; there may be more.
const UNLISTED: usize = 256;

/// Most bytes kept of what is known of a violating driver.
const DRIVER_BYTES: usize = 1536;

/// A driver that violated.
struct Violator {
    /// Its Authenticode SHA-256; without one, its path tells it from others.
    sha256: Option<[u8; 32]>,
    /// What is known of it, as the fields of [`tag::DRIVER`].
    fields: Vec<u8>,
    times: u64,
    first: i64,
    last: i64,
}

/// The part of the evaluation that ends with the driver.
#[derive(Default)]
pub(crate) struct Running {
    /// Up to when time has been counted, in ticks; `None` before the first count.
    counted: Option<u64>,
    /// The boot session, once it is known: it is that of the whole run, even if the clock is set and the system's start with it.
    session: Option<i64>,
    /// When progress was last written, in ticks.
    saved: u64,
    /// Whether something other than time changed since.
    is_dirty: bool,
    /// Whether a violation set progress back since: a crash must not bring that progress back.
    is_set_back: bool,
    violators: Vec<Violator>,
    unlisted: Vec<u64>,
}

impl Running {
    fn note(&mut self, sha256: Option<[u8; 32]>, fields: &[u8], now: i64) {
        self.is_dirty = true;
        let path = path_of(fields);
        let known = self
            .violators
            .iter_mut()
            .find(|known| known.sha256 == sha256 && (sha256.is_some() || path_of(&known.fields) == path));
        if let Some(known) = known {
            known.times = known.times.saturating_add(1);
            known.last = now;
            // The latest verdict counts; without memory for it the old one stays.
            if known.fields != fields
                && let Ok(fields) = copied(fields)
            {
                known.fields = fields;
            }
            return;
        }
        if self.violators.len() < LISTED
            && self.violators.try_reserve(1).is_ok()
            && let Ok(fields) = copied(fields)
            && self.violators.len() < self.violators.capacity()
        {
            self.violators.push(Violator {
                sha256,
                fields,
                times: 1,
                first: now,
                last: now,
            });
            return;
        }
        let mark = mark(sha256.as_ref().map_or(path, <[u8; 32]>::as_slice));
        if !self.unlisted.contains(&mark)
            && self.unlisted.len() < UNLISTED
            && self.unlisted.try_reserve(1).is_ok()
            && self.unlisted.len() < self.unlisted.capacity()
        {
            self.unlisted.push(mark);
        }
    }
}

fn path_of(fields: &[u8]) -> &[u8] {
    Fields::new(fields).find(tag::PATH).map_or(&[], |path| path.bytes)
}

/// FNV-1a.
fn mark(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |mark, byte| {
        (mark ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Writes what is known of a violating driver: path, digest, trust, verdict, and the policies that refuse.
fn describe(writer: &mut Writer<'_>, name: &[u16], fields: &Fields<'_>, verdict: &Fields<'_>) {
    writer.group(tag::PATH, |writer| {
        for unit in name {
            writer.raw(&unit.to_le_bytes());
        }
    });
    let evidence = fields.find(tag::EVIDENCE).map(Field::fields);
    let of_evidence = |tag| evidence.as_ref().and_then(|evidence| evidence.find(tag));
    let facts = [
        of_evidence(tag::SHA256),
        of_evidence(tag::TRUST),
        verdict.find(tag::DECISION),
        verdict.find(tag::REASON),
    ];
    for fact in facts.into_iter().flatten() {
        writer.bytes(fact.tag, fact.bytes);
    }
    for policy in verdict.clone().filter_map(Result::ok) {
        let is_refusal = policy.tag == tag::POLICY
            && policy.fields().find(tag::DECISION).and_then(Field::number)
                != Some(u64::from(Decision::Allow.number()));
        if is_refusal {
            writer.bytes(policy.tag, policy.bytes);
            writer.recover();
        }
    }
}

impl<H: Host> Gate<H> {
    /// Counts the time since this was done last, if a policy is in force that could refuse something; called whenever one is about to come into force, too.
    pub(crate) fn count_time(&self) {
        let now = self.host.ticks();
        let passed = self.running.with(|running| {
            let counted = running.counted.replace(now);
            now.saturating_sub(counted.unwrap_or(now))
        });
        if self.has_base() {
            let session = self.session();
            let is_new = self.kept.with(|kept| kept.evaluation.pass(passed, session));
            if is_new {
                self.running.with(|running| running.is_dirty = true);
            }
        }
    }

    /// The boot session that this run is in, as far as it is known.
    fn session(&self) -> Option<i64> {
        let known = self.running.with(|running| running.session);
        let session = known.or_else(|| self.system_start());
        self.running.with(|running| running.session = session);
        session
    }

    /// Counts time and writes progress now and then. Called by the worker every few seconds, at PASSIVE_LEVEL.
    pub fn look_after_progress(&self) {
        self.count_time();
        let now = self.host.ticks();
        let is_due = self.running.with(|running| {
            let since = now.saturating_sub(running.saved);
            let is_due =
                running.is_set_back || since >= SAVE_EVERY || (running.is_dirty && since >= SAVE_AT_MOST);
            if is_due {
                running.saved = now;
                running.is_dirty = false;
                running.is_set_back = false;
            }
            is_due
        });
        if is_due {
            self.save_progress();
        }
    }

    /// Takes note of a verdict on an image that was loaded, or refused.
    pub(crate) fn note_verdict(&self, kind: Kind, name: &[u16], fields: &Fields<'_>, verdict: &Fields<'_>) {
        let decision = verdict.find(tag::DECISION).and_then(Field::number);
        if decision.is_some_and(|decision| decision != u64::from(Decision::Allow.number())) {
            self.violated(kind, name, fields, verdict);
        }
    }

    #[inline(never)]
    fn violated(&self, kind: Kind, name: &[u16], fields: &Fields<'_>, verdict: &Fields<'_>) {
        self.count_time();
        let now = self.host.now();
        let is_blocked = kind == Kind::ImageRefused;
        let was_set_back = self.kept.with(|kept| kept.evaluation.violate(now, is_blocked));
        let mut buffer = [0; DRIVER_BYTES];
        let mut writer = Writer::new(&mut buffer);
        describe(&mut writer, name, fields, verdict);
        writer.recover();
        let used = writer.finish().unwrap_or(0);
        let known = buffer.get(..used).unwrap_or_default();
        let sha256 = Fields::new(known)
            .find(tag::SHA256)
            .and_then(|digest| <[u8; 32]>::try_from(digest.bytes).ok());
        self.running.with(|running| {
            running.note(sha256, known, now);
            running.is_set_back |= was_set_back;
        });
        if was_set_back {
            self.tell_reset(name, sha256.as_ref());
        }
    }

    #[inline(never)]
    fn tell_reset(&self, name: &[u16], sha256: Option<&[u8; 32]>) {
        self.emit(&mut [0; 1024], Kind::EvaluationReset, self.host.now(), |record| {
            if let Some(sha256) = sha256 {
                record.bytes(tag::SHA256, sha256);
            }
            record.units(tag::PATH, name);
        });
    }

    /// How far the evaluation is, and a field for each driver that violates into `room`, as many as fit; the number of bytes used.
    pub(crate) fn report_progress(&self, room: &mut [u8]) -> (report::Progress, usize) {
        self.count_time();
        let evaluation = self.state().evaluation;
        let persistent = u32::from(self.is_persistent());
        let mut writer = Writer::new(room);
        let (listed, unlisted) = self.running.with(|running| {
            for violator in &running.violators {
                writer.group(tag::DRIVER, |writer| {
                    writer.raw(&violator.fields);
                    writer.number(tag::TIMES, violator.times);
                    writer.number(tag::FIRST_TIME, violator.first.cast_unsigned());
                    writer.number(tag::LAST_TIME, violator.last.cast_unsigned());
                });
                writer.recover();
            }
            (running.violators.len(), running.unlisted.len())
        });
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let report = report::Progress {
            runtime_needed: evaluation.runtime_needed.into(),
            runtime: evaluation.runtime.into(),
            boots_needed: evaluation.boots_needed.into(),
            boots: evaluation.boots.into(),
            since: evaluation.since.into(),
            last_violation: evaluation.last_violation.into(),
            audits: evaluation.audits.into(),
            blocks: evaluation.blocks.into(),
            resets: evaluation.resets.into(),
            violators: count(listed.saturating_add(unlisted)).into(),
            violators_unlisted: count(unlisted).into(),
            passed: u32::from(evaluation.has_passed()).into(),
            persistent: persistent.into(),
        };
        (report, writer.finish().unwrap_or(0))
    }

    /// Changes what an evaluation must reach, or starts it again.
    pub(crate) fn ask_thresholds(&self, request: &ThresholdsRequest) -> Result<(), NtStatus> {
        let is_restart = match request.restart.get() {
            0 => false,
            1 => true,
            _ => return Err(NtStatus::INVALID_PARAMETER),
        };
        self.count_time();
        let now = self.host.now();
        let (runtime, boots) = (request.runtime.get(), request.boots.get());
        // Without a disk the change holds for this run; the answer says whether it outlives it.
        let _ = self.changing.with(|disk| {
            self.save(disk, |state| {
                if runtime != 0 {
                    state.evaluation.runtime_needed = runtime;
                }
                if boots != 0 {
                    state.evaluation.boots_needed = boots;
                }
                if is_restart {
                    state.evaluation.restart(now);
                }
            })
        });
        if is_restart {
            let gone = self.running.with(|running| {
                let unlisted = core::mem::take(&mut running.unlisted);
                (core::mem::take(&mut running.violators), unlisted)
            });
            drop(gone);
        }
        Ok(())
    }
}
