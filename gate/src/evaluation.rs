//! The count of an evaluation, as Windows' own driver policy keeps it, and what it asks for.

use crate::progress::SECOND;

/// Hours of running time that Windows' driver policy asks for before it enforces. Microsoft's announcement of March 2026 says 100,
/// its support page 250: the longer one, so that no earlier end is promised than Windows keeps.
const HOURS_NEEDED: u64 = 250;

/// Boot sessions that Windows' driver policy asks for on a client.
const BOOTS_NEEDED: u32 = 3;

/// Less running time than this is nothing that a violation could set back: of several violating images in a row, the first does.
const WORTH_TELLING: u64 = 60 * SECOND;

/// The part of the evaluation that is kept from one run to the next. Times are in 100 ns, moments FILETIME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Running time that is asked for.
    pub runtime_needed: u64,
    /// Boot sessions that are asked for.
    pub boots_needed: u32,
    /// Running time with a policy in force, since the last violation.
    pub runtime: u64,
    /// Boot sessions with a policy in force since the last violation, that of the violation included.
    pub boots: u32,
    /// When the evaluation started.
    pub since: i64,
    /// The last violation; 0 for none.
    pub last_violation: i64,
    /// Loads that would have been refused.
    pub audits: u64,
    /// Loads that were refused.
    pub blocks: u64,
    /// Violations that set progress back.
    pub resets: u64,
    /// [`System::started`](crate::host::System::started) of the boot session counted last.
    pub session: i64,
}

impl Evaluation {
    /// An evaluation that starts now.
    pub const fn new(now: i64) -> Self {
        Self {
            runtime_needed: SECOND.saturating_mul(3600).saturating_mul(HOURS_NEEDED),
            boots_needed: BOOTS_NEEDED,
            runtime: 0,
            boots: 0,
            since: now,
            last_violation: 0,
            audits: 0,
            blocks: 0,
            resets: 0,
            session: 0,
        }
    }

    /// Time has passed with a policy in force, in the boot session that started then, if that is known. Whether it is a session that
    /// was not counted before.
    pub(crate) const fn pass(&mut self, time: u64, session: Option<i64>) -> bool {
        self.runtime = self.runtime.saturating_add(time);
        match session {
            Some(session) if self.boots == 0 || self.session != session => {
                self.boots = self.boots.saturating_add(1);
                self.session = session;
                true
            }
            _ => false,
        }
    }

    /// A load violated the policy; whether there was progress that it set back.
    pub(crate) const fn violate(&mut self, now: i64, is_blocked: bool) -> bool {
        let had_progress = self.runtime >= WORTH_TELLING || self.boots > 1;
        if is_blocked {
            self.blocks = self.blocks.saturating_add(1);
        } else {
            self.audits = self.audits.saturating_add(1);
        }
        if had_progress {
            self.resets = self.resets.saturating_add(1);
        }
        self.runtime = 0;
        self.boots = 1;
        self.last_violation = now;
        had_progress
    }

    /// Starts again; the thresholds stay.
    pub(crate) const fn restart(&mut self, now: i64) {
        *self = Self {
            runtime_needed: self.runtime_needed,
            boots_needed: self.boots_needed,
            ..Self::new(now)
        };
    }

    pub(crate) const fn has_passed(&self) -> bool {
        self.runtime >= self.runtime_needed && self.boots >= self.boots_needed
    }
}
