//! The mode: what was asked for, what holds enforcement back, and what is in effect.
//!
//! Enforcement is in effect only while nothing holds it back; everything else is evaluation.

use crate::gate::Gate;
use crate::host::Authority;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::intake::Path;
use crate::judge::Judgement;
use crate::record::mode_number;
use crate::state::ModeKept;
use crate::worker::Bench;
use crate::worker::Subject;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::AtomicI64;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::control::mode_error;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::field::Writer;
use protocol::message::Mode;
use protocol::message::features;
use protocol::message::holds;

/// Enforcement that was restored at start waits this long after the system started, in 100 ns: three minutes.
pub const BOOT_TIME: i64 = 3 * 60 * 10_000_000;

/// The state of the mode, readable without waiting.
#[derive(Default)]
pub struct Modes {
    enforce: AtomicBool,
    /// When enforcement ends by itself, FILETIME; 0 when it stays.
    until: AtomicI64,
    /// `protocol::message::holds` bits.
    holds: AtomicU32,
    /// An administrator asked for enforcement in this run: the system has started far enough for that.
    is_confirmed: AtomicBool,
}

impl Modes {
    /// What was asked for, unless it has ended by itself.
    pub fn asked(&self, now: i64) -> Mode {
        let until = self.until();
        if self.enforce.load(Ordering::Acquire) && (until == 0 || now < until) {
            Mode::Enforce
        } else {
            Mode::Evaluate
        }
    }

    /// What is in effect.
    pub fn in_effect(&self, now: i64) -> Mode {
        if self.holds() == 0 {
            self.asked(now)
        } else {
            Mode::Evaluate
        }
    }

    /// When what was asked for ends by itself; 0 when it stays.
    pub fn until(&self) -> i64 {
        self.until.load(Ordering::Acquire)
    }

    /// What holds enforcement back.
    pub fn holds(&self) -> u32 {
        self.holds.load(Ordering::Acquire)
    }

    /// Evaluation comes first, so that no load is refused under the old time.
    fn ask(&self, mode: Mode, until: i64) {
        self.enforce.store(false, Ordering::Release);
        self.until.store(until, Ordering::Release);
        self.enforce.store(mode == Mode::Enforce, Ordering::Release);
    }

    /// Whether enforcement was asked for and its time is over.
    fn has_ended(&self, now: i64) -> bool {
        self.enforce.load(Ordering::Acquire) && self.asked(now) == Mode::Evaluate
    }
}

/// What stands in the way of enforcement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct InTheWay {
    blockers: u32,
    error: u32,
    /// NTSTATUS of listing them.
    listed: u32,
}

impl<H: Host> Gate<H> {
    /// What is done with a load that a policy refuses. At PASSIVE_LEVEL.
    pub fn mode(&self) -> Mode {
        self.modes.in_effect(self.host.now())
    }

    /// Takes up the mode of an earlier run. Before enforcement takes effect the system must have started.
    pub(crate) fn resume_mode(&self, mode: Mode, until: i64) {
        self.modes.ask(mode, until);
        self.look_after_mode();
    }

    /// Ends enforcement whose time is over, and finds out anew what holds it back. Called by the worker every few seconds, and
    /// wherever that may have changed. At PASSIVE_LEVEL.
    pub fn look_after_mode(&self) {
        let now = self.host.now();
        let has_ended = self.modes.has_ended(now);
        if has_ended {
            self.modes.ask(Mode::Evaluate, 0);
        }
        let holds = self.find_holds(now);
        let has_changed = self.modes.holds.swap(holds, Ordering::AcqRel) != holds;
        // What would hold enforcement back is no news while nobody asked for it.
        if has_ended || (has_changed && self.modes.asked(now) == Mode::Enforce) {
            self.mode_changed();
        }
    }

    #[inline(never)]
    fn find_holds(&self, now: i64) -> u32 {
        let system = self.host.system();
        if system.is_killed.is_none() {
            self.counters.failures.kill_switch.increment();
        }
        // A start that nobody knows of may be this moment: what waits for a while after it goes on waiting.
        let started = self.system_start().unwrap_or(now);
        let is_starting =
            !self.modes.is_confirmed.load(Ordering::Acquire) && now < started.saturating_add(BOOT_TIME);
        [
            (self.host.features() & features::FILTER == 0, holds::NO_FILTER),
            (!self.has_base(), holds::NO_POLICY),
            (is_starting, holds::BOOT),
            (system.is_safe_mode, holds::SAFE_MODE),
            (system.is_killed != Some(false), holds::KILL_SWITCH),
        ]
        .into_iter()
        .fold(0, |found, (is_so, bit)| if is_so { found | bit } else { found })
    }

    /// Whether a policy is in force that could refuse anything: a set of supplementals alone cannot.
    pub(crate) fn has_base(&self) -> bool {
        self.in_force()
            .is_some_and(|in_force| in_force.generation.set.set().has_base())
    }

    /// When the system started; that it cannot be told is counted.
    pub(crate) fn system_start(&self) -> Option<i64> {
        let started = self.host.started();
        if started.is_none() {
            self.counters.failures.system_start.increment();
        }
        started
    }

    fn mode_changed(&self) {
        let now = self.host.now();
        self.emit(&mut [0; 192], Kind::ModeChanged, now, |record| {
            record.number(tag::HOLDS, u64::from(self.modes.holds()));
            let until = self.modes.until();
            if self.modes.asked(now) == Mode::Enforce && until != 0 {
                record.number(tag::UNTIL, until.cast_unsigned());
            }
        });
    }

    /// Answers a request for a mode. `room` is what follows the outcome: a field for each driver in the way, as many as fit; the
    /// number of bytes used comes back.
    pub(crate) fn ask_mode(
        &self,
        request: &ModeRequest,
        room: &mut [u8],
    ) -> Result<(ModeOutcome, usize), NtStatus> {
        let mode = match request.mode.get() {
            number if u64::from(number) == mode_number(Mode::Evaluate) => Mode::Evaluate,
            number if u64::from(number) == mode_number(Mode::Enforce) => Mode::Enforce,
            _ => return Err(NtStatus::INVALID_PARAMETER),
        };
        let is_forced = match request.force.get() {
            0 => false,
            1 => true,
            _ => return Err(NtStatus::INVALID_PARAMETER),
        };
        let now = self.host.now();
        let until = match i64::try_from(request.duration.get()) {
            Ok(0) => 0,
            Ok(duration) => now.saturating_add(duration),
            Err(_) => return Err(NtStatus::INVALID_PARAMETER),
        };
        let mut used = 0;
        let mut in_the_way = InTheWay::default();
        if mode == Mode::Enforce {
            // It could not be read when the driver started, perhaps.
            if self.own.with(|own| own.is_none()) {
                self.know_own_image();
            }
            in_the_way = if !self.has_base() {
                InTheWay {
                    error: mode_error::NO_POLICY,
                    ..in_the_way
                }
            } else if self.host.features() & features::FILTER == 0 {
                InTheWay {
                    error: mode_error::NO_FILTER,
                    ..in_the_way
                }
            } else {
                let (found, bytes) = self.find_blockers(room)?;
                used = bytes;
                found
            };
            let is_overridden = is_forced
                && matches!(
                    in_the_way.error,
                    mode_error::BLOCKERS | mode_error::UNKNOWN_BLOCKERS
                );
            if is_overridden {
                in_the_way.error = 0;
            }
        }
        let mut persisted = 0;
        if in_the_way.error == 0 {
            self.modes.is_confirmed.store(true, Ordering::Release);
            self.modes.ask(mode, until);
            self.modes.holds.store(self.find_holds(now), Ordering::Release);
            persisted = self
                .keep_mode(ModeKept { asked: mode, until })
                .map_or_else(NtStatus::bits, |()| 0);
            self.mode_changed();
        }
        let number = |mode| u32::try_from(mode_number(mode)).unwrap_or(0).into();
        let outcome = ModeOutcome {
            error: in_the_way.error.into(),
            mode: number(self.modes.in_effect(now)),
            mode_asked: number(self.modes.asked(now)),
            holds: self.modes.holds().into(),
            until: if self.modes.asked(now) == Mode::Enforce {
                self.modes.until()
            } else {
                0
            }
            .into(),
            blockers: in_the_way.blockers.into(),
            persisted: persisted.into(),
            listed: in_the_way.listed.into(),
        };
        Ok((outcome, used))
    }

    /// Weighs every driver that is loaded or starts with the system, and tells those that enforcement would refuse or that cannot be
    /// weighed.
    #[inline(never)]
    fn find_blockers(&self, room: &mut [u8]) -> Result<(InTheWay, usize), NtStatus> {
        let mut bench = Bench::try_new().map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        let mut writer = Writer::new(room);
        let (mut blockers, mut refused) = (0_u32, false);
        let listed = self.host.drivers_in_use(&mut |path: &Path| {
            if self.is_stopping() {
                return;
            }
            let subject = Subject {
                kind: Kind::Check,
                name: path.units(),
                cut: path.is_cut(),
                authority: Authority::Kernel,
                capture: None,
                image: None,
            };
            let weighed = self.weigh(&subject, &mut bench);
            let is_refused = weighed.judgement == Judgement::Refuse;
            refused |= is_refused;
            if !is_refused && !weighed.is_unknown() {
                return;
            }
            blockers = blockers.saturating_add(1);
            writer.group(tag::DRIVER, |writer| {
                writer.group(tag::PATH, |writer| {
                    for unit in path.units() {
                        writer.raw(&unit.to_le_bytes());
                    }
                });
                writer.raw(bench.fields.get(..weighed.bytes).unwrap_or_default());
            });
            writer.recover();
        });
        if self.is_stopping() {
            return Err(NtStatus::CANCELLED);
        }
        let error = match listed {
            _ if refused => mode_error::BLOCKERS,
            Ok(()) if blockers == 0 => 0,
            _ => mode_error::UNKNOWN_BLOCKERS,
        };
        let in_the_way = InTheWay {
            blockers,
            error,
            listed: listed.map_or_else(NtStatus::bits, |()| 0),
        };
        Ok((in_the_way, writer.finish().unwrap_or(0)))
    }
}
