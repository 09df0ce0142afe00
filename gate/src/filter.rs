//! Refusing loads: what the filter asks before a section of a kernel image is created.

use crate::cache::Hit;
use crate::gate::Gate;
use crate::host::File;
use crate::host::Host;
use crate::host::Lock;
use crate::intake::Path;
use crate::judge::Judgement;
use crate::weigh::Stoppable;
use crate::worker::Bench;
use policy::Decision;
use protocol::event::Kind;
use protocol::event::tag;
use protocol::message::Mode;

/// A file of which a section is about to be created for execution.
pub trait Section {
    /// The file behind it.
    type File: File;

    /// Who asks for it.
    fn caller(&self) -> Caller;

    /// The path of the file, for the record; empty when it is not known.
    fn path(&mut self) -> Path;

    /// The file, for reading it below this filter; `None` when that is not possible now.
    fn open(&mut self) -> Option<Self::File>;
}

/// Who asks for a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The kernel's loader, by all that can be seen: kernel mode, in the system process.
    Kernel,
    /// User mode: not a kernel image, whatever the file is.
    User,
    /// The kernel's prefetcher, which loads nothing. The file must not be read.
    Prefetcher,
    /// That cannot be told, or the file must not be read now.
    Unknown,
}

/// What becomes of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is created.
    Pass,
    /// Its creation fails with `STATUS_ACCESS_DENIED`, and so does the load.
    Refuse,
}

impl<H: Host> Gate<H> {
    /// Says whether a section may be created, when that needs no look at the file: in evaluation mode, in which the notify routine
    /// reports the load, and for anyone but the kernel's loader. `None`: [`Gate::weigh_section`] says.
    ///
    /// At PASSIVE_LEVEL.
    pub fn section(&self, section: &impl Section) -> Option<Passage> {
        self.counters.sections_seen.increment();
        if self.mode() != Mode::Enforce {
            return Some(Passage::Pass);
        }
        match section.caller() {
            Caller::User | Caller::Prefetcher => Some(Passage::Pass),
            Caller::Unknown => Some(self.uncertain()),
            Caller::Kernel => None,
        }
    }

    /// Counts an open that may be the prefetcher's and could not be marked as such.
    pub fn prefetch_unmarked(&self) {
        self.counters.failures.prefetch.increment();
    }

    /// Lets a section through that cannot be judged, and counts it.
    pub fn uncertain(&self) -> Passage {
        self.counters.sections_uncertain.increment();
        Passage::Pass
    }

    /// Weighs the file of a section and says whether it may be created. Refuses only while enforcement is in effect, and only what
    /// is sure.
    ///
    /// At PASSIVE_LEVEL, with stack enough for weighing.
    pub fn weigh_section(&self, section: &mut impl Section) -> Passage {
        let started = self.host.ticks();
        let passage = self.judge_section(section);
        self.metrics.held.note(self.host.ticks().saturating_sub(started));
        passage
    }

    fn judge_section(&self, section: &mut impl Section) -> Passage {
        let Ok(mut bench) = Bench::try_new() else {
            return self.uncertain();
        };
        let Some(file) = section.open() else {
            return self.uncertain();
        };
        let mut file = Stoppable {
            file,
            stop: &self.stop,
        };
        let in_force = self.in_force();
        let generation = in_force.as_ref().map_or(0, |in_force| in_force.number);
        let key = self.key_of(&mut file);
        // Only a refusal is taken from the cache here: a file that was allowed is read again, since whoever can write it can also make
        // it look unwritten.
        let kept = key.and_then(|key| {
            self.cache
                .with(|cache| cache.find(&key, generation, &mut bench.fields))
                .filter(|hit| hit.judgement == Judgement::Refuse)
        });
        let hit = if let Some(hit) = kept {
            self.counters.cache_hits.increment();
            hit
        } else {
            self.counters.cache_misses.increment();
            let weighed = self.examine(&mut file, in_force.as_ref(), &mut bench);
            if let Some(key) = key.filter(|_| weighed.may_be_kept()) {
                self.keep_verdict(key, generation, &weighed.hit(), &bench);
            }
            weighed.hit()
        };
        self.counters.sections_weighed.increment();
        match hit.judgement {
            Judgement::Pass => Passage::Pass,
            // Asked again: the time may have run out, or the switch been thrown, while the file was read.
            Judgement::Refuse if self.mode() == Mode::Enforce && !self.is_stopping() => {
                self.refuse(section, &hit, kept.is_some(), &mut bench);
                Passage::Refuse
            }
            Judgement::Uncertain | Judgement::Refuse => self.uncertain(),
            Judgement::Spared => {
                self.counters.sections_spared.increment();
                Passage::Pass
            }
        }
    }

    fn refuse(&self, section: &mut impl Section, hit: &Hit, cached: bool, bench: &mut Bench) {
        self.counters.sections_refused.increment();
        self.count(Decision::Refuse, true);
        let path = section.path();
        let Bench { record, fields, .. } = bench;
        let found = fields.get(..hit.bytes).unwrap_or_default();
        self.note_weighed(Kind::ImageRefused, path.units(), found, cached);
        self.emit(record, Kind::ImageRefused, self.host.now(), |record| {
            record.encoded(found, hit.cut);
            if cached {
                record.number(tag::CACHED, 1);
            }
            record.units(tag::PATH, path.units());
        });
    }
}
