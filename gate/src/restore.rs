//! Taking over at start what an earlier run left: its state, and the set that was in force.

use crate::gate::Gate;
use crate::generation::Generation;
use crate::generation::Rejected;
use crate::generation::accept;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::memory::wide;
use crate::signed::Occasion;
use crate::signed::Signer;
use crate::state::STATE_BYTES;
use crate::state::State;
use crate::store::Disk;
use crate::store::MAX_STORED;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::report::StoredFile;

/// Why a stored file is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It could not be read.
    Status(NtStatus),
    /// It holds no set that may come into force.
    Set(Rejected),
    /// It holds no state: one of [`protocol::report::state_error`].
    State(u32),
}

impl Fault {
    pub(crate) fn is_missing(self) -> bool {
        self == Self::Status(NtStatus::NOT_FOUND)
    }

    /// Whether the file may be good, and another attempt to read it go well.
    fn may_pass(self) -> bool {
        matches!(self, Self::Status(status) if !matches!(status, NtStatus::NOT_FOUND | NtStatus::FILE_TOO_LARGE))
    }
}

impl<H: Host> Gate<H> {
    /// Takes over what an earlier run left. Called once at start, before anything else can reach the gate, at PASSIVE_LEVEL.
    ///
    /// What is missing, cut or altered is reported and ignored; for a set, the previous one is then used. From here to the end of
    /// [`Gate::save_at_stop`] the state on the disk says that the driver is running.
    #[inline(never)]
    pub fn restore(&self) {
        self.changing.with(|disk| {
            let fault = self.restore_state();
            let had_set = self.restore_set(disk);
            self.begin_run(disk, fault, had_set);
        });
        let mode = self.state().mode;
        self.resume_mode(mode.asked, mode.until);
    }

    /// Takes over the state; why not, if not.
    #[inline(never)]
    fn restore_state(&self) -> Option<Fault> {
        let read = match self.host.load(StoredFile::State, STATE_BYTES) {
            Ok(bytes) => State::read(&bytes).map_err(Fault::State),
            Err(status) => Err(Fault::Status(status)),
        };
        match read {
            Ok(state) => self.kept.with(|kept| *kept = state),
            Err(fault) => {
                if !fault.is_missing() {
                    self.tell_unrestored(StoredFile::State, fault);
                }
                return Some(fault);
            }
        }
        None
    }

    /// Tells how the last run ended, and has the state say that this one is going on.
    fn begin_run(&self, disk: &mut Disk<H>, fault: Option<Fault>, had_set: bool) {
        let was_running = self
            .kept
            .with(|kept| core::mem::replace(&mut kept.is_running, true));
        if was_running {
            self.counters.failures.last_end.increment();
            self.emit(&mut [0; 256], Kind::StateNotKept, self.host.now(), |record| {
                record.number(tag::STORED_FILE, u64::from(StoredFile::State.number()));
            });
        }
        match fault {
            // A driver that has a set had a state.
            Some(fault) if fault.is_missing() && had_set => self.tell_unrestored(StoredFile::State, fault),
            // What cannot be read now is left for the next start; what is altered is left for whoever looks for the reason, until there
            // is something to write.
            Some(fault) if !fault.is_missing() => {
                disk.spares_state = fault.may_pass();
                return;
            }
            _ => {}
        }
        disk.spares_state = false;
        // That it could not be written is told and counted.
        let _ = self.save(disk, |_| ());
    }

    /// Takes over a set; whether there was a file of one, good or not.
    fn restore_set(&self, disk: &mut Disk<H>) -> bool {
        let fault = match self.load_set(StoredFile::Active, Occasion::Start) {
            Ok(generation) => {
                disk.is_active_kept = true;
                self.restored(StoredFile::Active, generation);
                return true;
            }
            Err(fault) => fault,
        };
        let previous = self.load_set(StoredFile::Previous, Occasion::Start);
        let never_was = self.state().set == [0; 32] && matches!(previous, Err(fault) if fault.is_missing());
        if !(fault.is_missing() && never_was) {
            self.tell_unrestored(StoredFile::Active, fault);
        }
        let is_missing = fault.is_missing();
        match previous {
            Ok(generation) => {
                // At once, so that the next push does not put the bad file where the good one is.
                let renamed = self.host.rename(StoredFile::Previous, StoredFile::Active);
                self.note_persisted(disk, StoredFile::Active, renamed);
                disk.is_active_kept = renamed.is_ok();
                self.restored(StoredFile::Previous, generation);
            }
            Err(fault) if fault.is_missing() => return !is_missing,
            Err(fault) => self.tell_unrestored(StoredFile::Previous, fault),
        }
        true
    }

    fn restored(&self, file: StoredFile, generation: H::Shared<Generation>) {
        let sequence = generation.sequence();
        let state = self.state();
        let returnable = if generation.sha256 == state.set {
            state.returnable
        } else {
            // Power failed between the renames of set and state: what the state would have said is made up for, the way back judged as
            // it was before.
            let before = self.load_set(StoredFile::Previous, Occasion::Start);
            before.map_or([0; 32], |before| before.sha256)
        };
        self.kept.with(|kept| {
            kept.accept(generation.sha256, generation.taken);
            kept.returnable = returnable;
        });
        let (in_force, _) = self.install(generation);
        self.emit(&mut [0; 256], Kind::PolicyRestored, self.host.now(), |record| {
            record.number(tag::STORED_FILE, u64::from(file.number()));
            record.number(tag::COUNT, wide(in_force.generation.set.bytes().len()));
            record.number(tag::SET_SEQUENCE, sequence);
        });
    }

    pub(crate) fn tell_unrestored(&self, file: StoredFile, fault: Fault) {
        self.counters.failures.restoring.increment();
        self.emit(&mut [0; 256], Kind::RestoreFailed, self.host.now(), |record| {
            record.number(tag::STORED_FILE, u64::from(file.number()));
            match fault {
                Fault::Status(status) => record.number(tag::STATUS, u64::from(status.bits())),
                Fault::State(error) => record.number(tag::ERROR, u64::from(error)),
                Fault::Set(rejected) => {
                    record.number(tag::ERROR, u64::from(rejected.code()));
                    record.number(tag::OFFSET, rejected.offset());
                }
            }
        });
    }

    /// A stored set, when it may come into force.
    pub(crate) fn load_set(
        &self,
        file: StoredFile,
        occasion: Occasion,
    ) -> Result<H::Shared<Generation>, Fault> {
        let bytes = self.host.load(file, MAX_STORED).map_err(Fault::Status)?;
        let signer = Signer::of(&self.state(), occasion);
        let generation = accept(&bytes, &signer).map_err(Fault::Set)?;
        H::share(generation).map_err(|no_memory| Fault::Set(no_memory.into()))
    }
}
