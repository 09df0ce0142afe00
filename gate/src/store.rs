//! What outlives the driver: the set in force, the one before it, and the state, in three files of the driver's own.
//!
//! A file is replaced by writing a new one beside it, flushing that, and renaming it over the old one; the set in force first
//! becomes the previous one by a rename of its own. Whenever power fails, the old set or the new one is found at start.
//!
//! Whoever changes what is kept holds [`Gate::changing`] from the decision to the last rename, so that changes reach the disk in
//! the order in which they come into force. Locks of memory are taken inside it, never around it.

use crate::gate::Gate;
use crate::generation::Generation;
use crate::generation::InForce;
use crate::generation::Rejected;
use crate::generation::accept;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::memory::wide;
use crate::restore::Fault;
use crate::signed::Occasion;
use crate::signed::Signer;
use crate::state::ModeKept;
use crate::state::State;
use policy::format::MAX_SET_BYTES;
use protocol::envelope::Envelope;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::message::features;
use protocol::message::push_error;
use protocol::report::StoredFile;
use zerocopy::IntoBytes;

/// Largest file of a set in bytes.
pub(crate) const MAX_STORED: usize = MAX_SET_BYTES.saturating_add(size_of::<Envelope>());

/// What the gate knows of its files.
pub(crate) struct Disk<H: Host> {
    /// Whether nothing that changes by itself may be written over the state of an earlier run: it was not looked at yet, or it could not
    /// be read and may be read at the next start. What somebody asks for is written, and ends this.
    pub(crate) spares_state: bool,
    /// Whether the file of the set in force holds just that set.
    pub(crate) is_active_kept: bool,
    /// The generation before the one in force, where the file of the previous set does not hold it.
    pub(crate) before: Option<H::Shared<Generation>>,
    /// Whether the last attempt to write failed, and was told of.
    pub(crate) is_failing: bool,
}

impl<H: Host> Disk<H> {
    pub(crate) const fn new() -> Self {
        Self {
            spares_state: true,
            is_active_kept: false,
            before: None,
            is_failing: false,
        }
    }
}

/// A generation that came into force.
pub(crate) struct Installed<H: Host> {
    pub(crate) in_force: InForce<H>,
    /// Whether the next start will find it.
    pub(crate) persisted: Result<(), NtStatus>,
}

impl<H: Host> Gate<H> {
    /// What is kept, as it is now.
    pub(crate) fn state(&self) -> State {
        self.kept.with(|kept| *kept)
    }

    /// Makes `bytes` the generation in force and keeps it, or says why not and leaves the old one there.
    pub(crate) fn push(&self, bytes: &[u8]) -> Result<Installed<H>, Rejected> {
        let outcome = self.changing.with(|disk| self.take(disk, bytes));
        self.tell_push(&outcome, wide(bytes.len()));
        outcome
    }

    fn take(&self, disk: &mut Disk<H>, bytes: &[u8]) -> Result<Installed<H>, Rejected> {
        let signer = Signer::of(&self.state(), Occasion::Push);
        let generation = H::share(accept(bytes, &signer)?)?;
        let was_kept = disk.is_active_kept;
        let persisted = self.keep_set(disk, &generation);
        self.note_persisted(disk, StoredFile::Active, persisted);
        if signer.is_strict() && persisted.is_err() {
            return Err(Rejected::Other(push_error::NOT_KEPT));
        }
        disk.is_active_kept = persisted.is_ok();
        disk.spares_state &= persisted.is_err();
        let (in_force, old) = self.install(generation);
        // The file of the previous set holds the old one only if the file of the set in force held it before.
        disk.before = old.filter(|_| !(was_kept && persisted.is_ok()));
        Ok(Installed { in_force, persisted })
    }

    /// Writes a new set and the state that goes with it.
    #[inline(never)]
    fn keep_set(&self, disk: &Disk<H>, generation: &H::Shared<Generation>) -> Result<(), NtStatus> {
        let mut state = self.state();
        state.returnable = self
            .in_force()
            .map_or([0; 32], |in_force| in_force.generation.sha256);
        state.accept(generation.sha256, generation.taken);
        // All that can run out of space comes before the first rename.
        self.write_set(generation)?;
        self.host.write_new(StoredFile::State, &[&state.to_bytes()])?;
        let has_previous = disk.is_active_kept;
        if has_previous {
            match self.host.rename(StoredFile::Active, StoredFile::Previous) {
                // It is the previous one already, after an attempt that failed half-way.
                Ok(()) | Err(NtStatus::NOT_FOUND) => {}
                Err(status) => return Err(status),
            }
        }
        let committed = self
            .host
            .commit(StoredFile::Active)
            .and_then(|()| self.host.commit(StoredFile::State));
        if let Err(status) = committed {
            let is_back = !has_previous || self.host.rename(StoredFile::Previous, StoredFile::Active).is_ok();
            if !is_back {
                // The next start looks at the previous set anyway.
                self.counters.failures.keeping.increment();
            }
            return Err(status);
        }
        self.kept.with(|kept| {
            kept.set = state.set;
            kept.returnable = state.returnable;
            kept.numbers = state.numbers;
        });
        Ok(())
    }

    fn write_set(&self, generation: &Generation) -> Result<(), NtStatus> {
        let envelope = generation.envelope.as_ref().map(IntoBytes::as_bytes);
        let parts = [envelope.unwrap_or_default(), generation.set.bytes()];
        self.host.write_new(StoredFile::Active, &parts)
    }

    fn tell_push(&self, outcome: &Result<Installed<H>, Rejected>, length: u64) {
        let (kind, counter) = match outcome {
            Ok(_) => (Kind::PolicyActivated, &self.counters.pushes_accepted),
            Err(_) => (Kind::PolicyRejected, &self.counters.pushes_rejected),
        };
        counter.increment();
        self.emit(&mut [0; 256], kind, self.host.now(), |record| {
            record.number(tag::COUNT, length);
            match outcome {
                Ok(installed) => {
                    let sequence = installed.in_force.generation.sequence();
                    record.number(tag::SET_SEQUENCE, sequence);
                }
                Err(rejected) => {
                    record.number(tag::ERROR, u64::from(rejected.code()));
                    record.number(tag::OFFSET, rejected.offset());
                }
            }
        });
    }

    /// Puts the generation before the one in force into force again. There is one step back: the set that is left is gone.
    pub(crate) fn roll_back(&self) -> Result<Installed<H>, Rejected> {
        let outcome = self.changing.with(|disk| self.return_to_previous(disk));
        let length = outcome
            .as_ref()
            .map_or(0, |installed| installed.in_force.generation.set.bytes().len());
        self.tell_push(&outcome, wide(length));
        outcome
    }

    fn return_to_previous(&self, disk: &mut Disk<H>) -> Result<Installed<H>, Rejected> {
        let (generation, taken, persisted) = if let Some(before) = disk.before.clone() {
            let length = wide(before.set.bytes().len());
            let taken = Signer::of(&self.state(), Occasion::Rollback).admit(
                before.envelope.as_ref(),
                length,
                &before.sha256,
            )?;
            let persisted = self
                .write_set(&before)
                .and_then(|()| self.host.commit(StoredFile::Active));
            (before, taken, persisted)
        } else {
            let generation = self
                .load_set(StoredFile::Previous, Occasion::Rollback)
                .map_err(|fault| match fault {
                    Fault::Set(rejected) => rejected,
                    Fault::Status(_) | Fault::State(_) => {
                        if !fault.is_missing() {
                            self.tell_unrestored(StoredFile::Previous, fault);
                        }
                        Rejected::Other(push_error::NOTHING_BEFORE)
                    }
                })?;
            let persisted = self.host.rename(StoredFile::Previous, StoredFile::Active);
            let taken = generation.taken;
            (generation, taken, persisted)
        };
        self.note_persisted(disk, StoredFile::Active, persisted);
        disk.is_active_kept = persisted.is_ok();
        disk.before = None;
        let sha256 = generation.sha256;
        let (in_force, _) = self.install(generation);
        // The state's note of the set follows what the disk holds. Until it does, a start finds the set by the note of the one that may
        // return.
        if persisted.is_ok() {
            let _ = self.save(disk, |state| state.accept(sha256, taken));
        }
        Ok(Installed { in_force, persisted })
    }

    /// Changes what is kept and writes it; in memory it is changed even when it cannot be written.
    ///
    /// Not inlined, as all that has a whole state on the stack: it would lie below whatever the caller calls next.
    #[inline(never)]
    pub(crate) fn save(&self, disk: &mut Disk<H>, change: impl Fn(&mut State)) -> Result<(), NtStatus> {
        let state = self.kept.with(|kept| {
            change(kept);
            *kept
        });
        self.write_state(disk, &state)
    }

    /// As [`Gate::save`], but nothing is changed unless it could be written.
    #[inline(never)]
    pub(crate) fn save_first(&self, disk: &mut Disk<H>, change: impl Fn(&mut State)) -> Result<(), NtStatus> {
        let mut state = self.state();
        change(&mut state);
        self.write_state(disk, &state)?;
        self.kept.with(|kept| change(kept));
        Ok(())
    }

    fn write_state(&self, disk: &mut Disk<H>, state: &State) -> Result<(), NtStatus> {
        let persisted = self
            .host
            .write_new(StoredFile::State, &[&state.to_bytes()])
            .and_then(|()| self.host.commit(StoredFile::State));
        self.note_persisted(disk, StoredFile::State, persisted);
        disk.spares_state &= persisted.is_err();
        persisted
    }

    /// Counts failures to write; tells of the first one, and of the next one after writing went well again.
    pub(crate) fn note_persisted(&self, disk: &mut Disk<H>, file: StoredFile, outcome: Result<(), NtStatus>) {
        let was_failing = core::mem::replace(&mut disk.is_failing, outcome.is_err());
        let Err(status) = outcome else { return };
        self.counters.failures.keeping.increment();
        if !was_failing {
            self.emit(&mut [0; 256], Kind::PersistFailed, self.host.now(), |record| {
                record.number(tag::STORED_FILE, u64::from(file.number()));
                record.number(tag::STATUS, u64::from(status.bits()));
            });
        }
    }

    /// Keeps the mode that was asked for; in memory it is kept even when it cannot be written.
    ///
    /// # Errors
    /// The status of the system call that failed.
    pub(crate) fn keep_mode(&self, mode: ModeKept) -> Result<(), NtStatus> {
        self.changing
            .with(|disk| self.save(disk, |state| state.mode = mode))
    }

    /// Keeps what changes by itself, the evaluation's progress.
    pub(crate) fn save_progress(&self) {
        self.changing.with(|disk| {
            if !disk.spares_state {
                let _ = self.save(disk, |_| ());
            }
        });
    }

    /// Whether what is kept outlives the driver, as far as the last attempt tells.
    pub(crate) fn is_persistent(&self) -> bool {
        self.host.features() & features::PERSISTENT != 0 && self.changing.with(|disk| !disk.is_failing)
    }

    /// Keeps what changed by itself, and that the run has ended as it should. When that fails, there is nobody left to tell: the next
    /// start does. Called at stop, when nobody else uses the gate any more.
    #[inline(never)]
    pub fn save_at_stop(&self) {
        self.count_time();
        self.changing.with(|disk| {
            if !disk.spares_state {
                let _ = self.save(disk, |state| state.is_running = false);
            }
        });
    }
}
