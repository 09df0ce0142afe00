//! The places where threads meet, model-checked: every interleaving of a few steps, up to a bound of preemptions.
//!
//! The gate is the real one; its locks and reference counts are the model checker's, which also finds deadlocks.

use crate::Answer;
use crate::Caller;
use crate::Capture;
use crate::FileKey;
use crate::Gate;
use crate::Passage;
use crate::Path;
use crate::Section;
use crate::host::Authority;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NoMemory;
use crate::host::NtStatus;
use crate::host::Opened;
use crate::host::PoolUse;
use crate::host::System;
use crate::process::Content;
use crate::process::OpenFile;
use crate::process::Process;
use crate::rundown::CLOSED;
use crate::rundown::Rundown;
use crate::rundown::Word;
use crate::testing::enforced_set;
use crate::testing::image;
use core::cell::Cell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::Mutex;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering;
use loom::thread;
use policy::Decision;
use protocol::control::ModeRequest;
use protocol::event::MAX_RECORD;
use protocol::event::tag;
use protocol::field::Field;
use protocol::ioctl;
use protocol::message::Events;
use protocol::message::EventsRequest;
use protocol::message::Mode;
use protocol::message::Request;
use protocol::message::features;
use protocol::message::wait;
use protocol::report::StoredFile;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

const SUBJECT: &str = r"\??\C:\subject.sys";

/// A process whose locks the model checker watches.
#[derive(Default)]
struct Watched(Process);

/// `PASSIVE_LEVEL`: whatever may wait.
const PASSIVE: u8 = 0;
/// `APC_LEVEL`: what a fast mutex runs at.
const APC: u8 = 1;
/// `DISPATCH_LEVEL`: what a spin lock runs at; nothing may wait.
const DISPATCH: u8 = 2;

loom::thread_local! {
    /// The IRQL that this thread would run at in the kernel.
    static LEVEL: Cell<u8> = Cell::new(PASSIVE);
}

/// A lock that runs at level `AT`, and that nobody may take above level `FROM`, as the kernel's.
struct WatchedLock<T, const FROM: u8, const AT: u8>(Mutex<T>);

impl<T: Send, const FROM: u8, const AT: u8> Lock<T> for WatchedLock<T, FROM, AT> {
    fn try_new(value: T) -> Result<Self, NoMemory> {
        Ok(Self(Mutex::new(value)))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let level = LEVEL.with(Cell::get);
        assert!(level <= FROM, "a lock for level {FROM} taken at level {level}");
        let mut value = self.0.lock().expect("no thread panics");
        LEVEL.with(|at| at.set(level.max(AT)));
        let result = work(&mut value);
        LEVEL.with(|at| at.set(level));
        result
    }
}

impl Host for Watched {
    type Mutex<T: Send> = WatchedLock<T, APC, APC>;
    type SlowMutex<T: Send> = WatchedLock<T, PASSIVE, PASSIVE>;
    type SpinLock<T: Send> = WatchedLock<T, DISPATCH, DISPATCH>;
    type Shared<T: Send + Sync> = Arc<T>;
    type File = OpenFile;
    type Loaded = <Process as Host>::Loaded;

    fn share<T: Send + Sync>(value: T) -> Result<Arc<T>, NoMemory> {
        Ok(Arc::new(value))
    }

    fn now(&self) -> i64 {
        self.0.now()
    }

    fn ticks(&self) -> u64 {
        self.0.ticks()
    }

    fn open(
        &self,
        path: &[u16],
        authority: Authority,
        loaded: Option<&Self::Loaded>,
    ) -> Result<Opened<OpenFile>, NtStatus> {
        self.0.open(path, authority, loaded)
    }

    fn drivers_in_use(&self, visit: &mut dyn FnMut(&Path)) -> Result<(), NtStatus> {
        self.0.drivers_in_use(visit)
    }

    fn own_path(&self) -> Path {
        self.0.own_path()
    }

    fn wake(&self) {}

    fn answer_waiting(&self) {}

    fn started(&self) -> Option<i64> {
        self.0.started()
    }

    fn system(&self) -> System {
        self.0.system()
    }

    fn load(&self, file: StoredFile, limit: usize) -> Result<Vec<u8>, NtStatus> {
        self.0.load(file, limit)
    }

    fn write_new(&self, file: StoredFile, parts: &[&[u8]]) -> Result<(), NtStatus> {
        self.0.write_new(file, parts)
    }

    fn commit(&self, file: StoredFile) -> Result<(), NtStatus> {
        self.0.commit(file)
    }

    fn rename(&self, from: StoredFile, to: StoredFile) -> Result<(), NtStatus> {
        self.0.rename(from, to)
    }

    fn pool(&self) -> PoolUse {
        self.0.pool()
    }

    fn features(&self) -> u32 {
        self.0.features()
    }
}

/// A thread with stack enough for weighing; the model checker's own have little.
fn spawn(work: impl FnOnce() + Send + 'static) -> thread::JoinHandle<()> {
    let builder = thread::Builder::new().stack_size(1 << 17);
    builder.spawn(work).expect("a thread")
}

/// Explores the interleavings of `work` with at most two preemptions, which is where nearly all races show.
fn explore(work: impl Fn() + Copy + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 100_000;
    builder.check(move || spawn(work).join().expect("no panic"));
}

/// A gate in which the subject is allowed.
fn gate() -> Arc<Gate<Watched>> {
    let host = Watched::default();
    host.0.put(
        SUBJECT,
        Content {
            bytes: image(1),
            key: Some(FileKey {
                volume: 1,
                file: 1,
                usn: 1,
                size: 0x400,
                written: 0,
                changed: 0,
            }),
            ..Content::default()
        },
    );
    host.0.set_features(features::FILTER);
    host.0.set_in_use(Some(&[]));
    let gate = Gate::try_new(host).unwrap_or_else(|_| panic!("no memory"));
    push(&gate, "Allow");
    Arc::new(gate)
}

fn send(gate: &Gate<Watched>, code: u32, input: &[u8], output: usize) -> Option<Vec<u8>> {
    let mut buffer = input.to_vec();
    buffer.resize(input.len().max(output), 0);
    match gate.dispatch(code, &mut buffer, input.len(), output) {
        Answer::Complete(completion) => {
            assert_eq!(completion.status, NtStatus::SUCCESS);
            buffer.truncate(completion.information);
            Some(buffer)
        }
        Answer::Wait(_) => None,
    }
}

/// Puts a set into force that does this with the subject.
fn push(gate: &Gate<Watched>, action: &str) {
    let set = enforced_set(&[(action, &image(1))]);
    send(gate, ioctl::PUSH, &[Request::new().as_bytes(), &set].concat(), 64).expect("an outcome");
}

fn ask(gate: &Gate<Watched>, mode: Mode) {
    let request = ModeRequest {
        request: Request::new(),
        mode: (mode as u32).into(),
        force: 1.into(),
        duration: 0.into(),
    };
    send(gate, ioctl::MODE, request.as_bytes(), 256).expect("an outcome");
}

fn events(after: u64, wait: u32) -> Vec<u8> {
    EventsRequest {
        request: Request::new(),
        after: after.into(),
        wait: wait.into(),
        reserved: 0.into(),
    }
    .as_bytes()
    .to_vec()
}

fn load(gate: &Gate<Watched>) {
    gate.image_loaded(Capture {
        path: Path::new(SUBJECT.encode_utf16()),
        process_id: 0,
        base: 0x1000,
        size: 0x1000,
        properties: 0x103,
        time: 0,
        ticks: 0,
        loaded: None,
    });
    while gate.work() {}
}

/// An image that is loaded while a set is pushed is weighed by the one or the other, and its event says by which: never by a mixture,
/// whether or not the verdict was in the cache.
#[test]
fn a_verdict_is_that_of_the_generation_it_names() {
    explore(|| {
        let gate = gate();
        let pusher = {
            let gate = gate.clone();
            spawn(move || push(&gate, "Deny"))
        };
        load(&gate);
        load(&gate);
        pusher.join().expect("no panic");
        let answer = send(&gate, ioctl::EVENTS, &events(0, wait::NOT), 1 << 17).expect("events");
        let (_, mut rest) = Events::read_from_prefix(&answer).expect("a head");
        let mut seen = 0;
        while let Some((record, tail)) = protocol::event::split(rest) {
            rest = tail;
            let Some(verdict) = record.fields.find(tag::VERDICT) else {
                continue;
            };
            let number = |field: Option<Field<'_>>| field.and_then(Field::number);
            let decision = number(verdict.fields().find(tag::DECISION)).expect("a decision");
            // The context of the record is taken after the verdict; a set that was pushed between shows there.
            let generation = number(record.fields.find(tag::GENERATION)).expect("a generation");
            let refused = decision == u64::from(Decision::Refuse.number());
            assert!(generation == 2 || !refused, "the first generation allows it");
            seen += 1;
        }
        assert_eq!(seen, 2);
        push(&gate, "Allow");
        load(&gate);
    });
}

/// What the device does with a request for events that finds none: it waits, and is looked at once more after it was put aside, under
/// the spin lock of those that wait. However that falls together with an event, the request is answered, and no lock that may wait is
/// asked for while the spin lock is held.
#[test]
fn a_reader_that_waits_is_always_answered() {
    explore(|| {
        let gate = gate();
        let after = gate.status().events_emitted.get();
        let waiting: <Watched as Host>::SpinLock<Option<Vec<u8>>> = Lock::try_new(None).expect("memory");
        let waiting = Arc::new(waiting);
        let answered = Arc::new(AtomicUsize::new(0));
        let answer = {
            let (gate, waiting, answered) = (gate.clone(), waiting.clone(), answered.clone());
            move || {
                let taken = waiting.with(|waiting| waiting.take_if(|_| gate.has_events(after)));
                if let Some(mut buffer) = taken {
                    let input = size_of::<EventsRequest>();
                    let output = buffer.len();
                    let answer = gate.answer_waiting(&mut buffer, input, output);
                    assert!(matches!(answer, Answer::Complete(_)));
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let emitter = {
            let (gate, answer) = (gate.clone(), answer.clone());
            spawn(move || {
                push(&gate, "Deny");
                answer();
            })
        };
        let request = events(after, wait::FOR_EVENT);
        if send(&gate, ioctl::EVENTS, &request, MAX_RECORD + 64).is_some() {
            answered.fetch_add(1, Ordering::SeqCst);
        } else {
            let mut buffer = request;
            buffer.resize(MAX_RECORD + 64, 0);
            waiting.with(|waiting| *waiting = Some(buffer));
            answer();
        }
        emitter.join().expect("no panic");
        assert_eq!(answered.load(Ordering::SeqCst), 1);
    });
}

struct Asked<'g>(&'g Gate<Watched>);

impl Section for Asked<'_> {
    type File = OpenFile;

    fn caller(&self) -> Caller {
        Caller::Kernel
    }

    fn path(&mut self) -> Path {
        Path::new(SUBJECT.encode_utf16())
    }

    fn open(&mut self) -> Option<OpenFile> {
        self.0.host().0.file(SUBJECT)
    }
}

fn section(gate: &Gate<Watched>) -> Passage {
    let mut asked = Asked(gate);
    gate.section(&asked)
        .unwrap_or_else(|| gate.weigh_section(&mut asked))
}

/// Once a request to evaluate has been answered, nothing is refused, whatever was going on meanwhile.
#[test]
fn nothing_is_refused_after_enforcement_was_taken_back() {
    explore(|| {
        let gate = gate();
        push(&gate, "Deny");
        ask(&gate, Mode::Enforce);
        let loader = {
            let gate = gate.clone();
            spawn(move || {
                section(&gate);
            })
        };
        ask(&gate, Mode::Evaluate);
        assert_eq!(section(&gate), Passage::Pass);
        loader.join().expect("no panic");
        let status = gate.status();
        assert!(status.sections_refused.get() <= 1);
    });
}

impl Word for AtomicUsize {
    fn add(&self, count: usize) -> usize {
        self.fetch_add(count, Ordering::Acquire)
    }

    fn subtract(&self, count: usize) {
        self.fetch_sub(count, Ordering::Release);
    }

    fn set(&self, bits: usize) {
        self.fetch_or(bits, Ordering::AcqRel);
    }

    fn clear(&self, bits: usize) {
        self.fetch_and(!bits, Ordering::Release);
    }

    fn get(&self) -> usize {
        self.load(Ordering::Acquire)
    }
}

/// What is behind a rundown is not touched by anyone inside once closing has returned.
#[test]
fn closing_waits_for_everyone_inside() {
    struct Shared {
        rundown: Rundown<AtomicUsize>,
        value: AtomicUsize,
    }
    // Relaxed: nothing but the rundown orders what is done with the value.
    explore(|| {
        let shared = Arc::new(Shared {
            rundown: Rundown::new(AtomicUsize::new(CLOSED)),
            value: AtomicUsize::new(1),
        });
        shared.rundown.open();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let shared = shared.clone();
                spawn(move || {
                    let guard = shared.rundown.enter();
                    if guard.is_open() {
                        assert_eq!(shared.value.load(Ordering::Relaxed), 1);
                    }
                })
            })
            .collect();
        shared.rundown.close(thread::yield_now);
        shared.value.store(2, Ordering::Relaxed);
        for reader in readers {
            reader.join().expect("no panic");
        }
    });
}
