//! Requests: bytes in, bytes out. Everything a controller can make the driver do comes through [`Gate::dispatch`].

use crate::gate::Gate;
use crate::generation::Rejected;
use crate::host::Authority;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::intake::PATH_UNITS;
use crate::intake::Path;
use crate::memory::wide;
use crate::store::Installed;
use crate::worker::Bench;
use crate::worker::Subject;
use policy::format::MAX_SET_BYTES;
use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::control::ThresholdsRequest;
use protocol::envelope::Envelope;
use protocol::event::Kind;
use protocol::event::MAX_RECORD;
use protocol::ioctl;
use protocol::message::Events;
use protocol::message::EventsRequest;
use protocol::message::Hello;
use protocol::message::HelloRequest;
use protocol::message::PullRequest;
use protocol::message::Pulled;
use protocol::message::PushOutcome;
use protocol::message::Request;
use protocol::message::wait;
use protocol::report::Metrics;
use protocol::report::Progress;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// Largest input of any request in bytes: a compiled set, its envelope and the request's head.
pub const MAX_INPUT: usize = MAX_SET_BYTES
    .saturating_add(size_of::<Envelope>())
    .saturating_add(size_of::<Request>());

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What the requestor is told.
    pub status: NtStatus,
    /// Bytes of output.
    pub information: usize,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is answered.
    Complete(#[doc = "With this."] Completion),
    /// It waits for an event after this sequence number; when [`Gate::has_events`] says that there is one, it is dispatched again.
    Wait(#[doc = "The sequence number."] u64),
}

impl Answer {
    /// How the request ended, if it did.
    pub const fn completion(self) -> Option<Completion> {
        match self {
            Self::Complete(completion) => Some(completion),
            Self::Wait(_) => None,
        }
    }
}

/// Why a request is not answered now.
enum Unanswered {
    Refused(NtStatus),
    Wait(u64),
}

impl From<NtStatus> for Unanswered {
    fn from(status: NtStatus) -> Self {
        Self::Refused(status)
    }
}

type Written = Result<usize, NtStatus>;

impl<H: Host> Gate<H> {
    /// Answers one request, at PASSIVE_LEVEL.
    ///
    /// As METHOD_BUFFERED has it, `buffer` holds the `input` bytes of the request and receives the answer, of which at most
    /// `output` bytes are given back.
    pub fn dispatch(&self, code: u32, buffer: &mut [u8], input: usize, output: usize) -> Answer {
        let (status, information) = match self.answer(code, buffer, input, output) {
            Ok(information) => (NtStatus::SUCCESS, information),
            Err(Unanswered::Wait(after)) => return Answer::Wait(after),
            Err(Unanswered::Refused(status)) => {
                self.counters.requests_refused.increment();
                (status, 0)
            }
        };
        Answer::Complete(Completion { status, information })
    }

    /// Answers a request for events that has waited, as far as there are some now.
    pub fn answer_waiting(&self, buffer: &mut [u8], input: usize, output: usize) -> Answer {
        match self.answer_events(buffer, input, output) {
            Ok(information) => Answer::Complete(Completion {
                status: NtStatus::SUCCESS,
                information,
            }),
            Err(Unanswered::Wait(after)) => Answer::Wait(after),
            Err(Unanswered::Refused(status)) => Answer::Complete(Completion {
                status,
                information: 0,
            }),
        }
    }

    fn answer(&self, code: u32, buffer: &mut [u8], input: usize, output: usize) -> Result<usize, Unanswered> {
        if input > MAX_INPUT {
            return Err(NtStatus::FILE_TOO_LARGE.into());
        }
        let written = match code {
            ioctl::EVENTS => return self.answer_events(buffer, input, output),
            ioctl::HELLO => hello(buffer, input, output),
            ioctl::STATUS => self.answer_status(buffer, input, output),
            ioctl::PUSH => self.answer_push(buffer, input, output),
            ioctl::PULL => self.answer_pull(buffer, input, output),
            ioctl::CHECK => self.answer_check(buffer, input, output),
            ioctl::MODE => self.answer_mode(buffer, input, output),
            ioctl::ROLLBACK => self.answer_rollback(buffer, input, output),
            ioctl::PROGRESS => self.answer_progress(buffer, input, output),
            ioctl::THRESHOLDS => self.answer_thresholds(buffer, input, output),
            ioctl::METRICS => self.answer_metrics(buffer, input, output),
            ioctl::KEY => self.answer_key(buffer, input, output),
            _ => Err(NtStatus::INVALID_DEVICE_REQUEST),
        };
        written.map_err(Unanswered::Refused)
    }

    #[inline(never)]
    fn answer_status(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        exact(buffer, input).and_then(current)?;
        put(&self.status(), buffer, output)
    }

    #[inline(never)]
    fn answer_push(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        let (request, set) = split::<Request>(buffer, input)?;
        current(request)?;
        // Checked first: a set must not come into force when its outcome cannot be told.
        if output < size_of::<PushOutcome>() {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        let outcome = self.push_outcome(self.push(set));
        put(&outcome, buffer, output)
    }

    fn answer_rollback(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        exact(buffer, input).and_then(current)?;
        if output < size_of::<PushOutcome>() {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        let outcome = self.push_outcome(self.roll_back());
        put(&outcome, buffer, output)
    }

    fn answer_progress(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        exact(buffer, input).and_then(current)?;
        let room = room::<Progress>(buffer, output)?;
        let (progress, used) = self.report_progress(room);
        put(&progress, buffer, output).map(|head| head.saturating_add(used))
    }

    fn answer_thresholds(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        let request = exact::<ThresholdsRequest>(buffer, input)?;
        current(request.request)?;
        room::<Progress>(buffer, output)?;
        self.ask_thresholds(&request)?;
        let (progress, _) = self.report_progress(&mut []);
        put(&progress, buffer, output)
    }

    fn answer_metrics(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        exact(buffer, input).and_then(current)?;
        let room = room::<Metrics>(buffer, output)?;
        let (metrics, used) = self.report_metrics(room);
        put(&metrics, buffer, output).map(|head| head.saturating_add(used))
    }

    #[inline(never)]
    fn answer_key(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        let request = exact::<KeyRequest>(buffer, input)?;
        current(request.request)?;
        room::<KeyOutcome>(buffer, output)?;
        put(&self.ask_key(&request), buffer, output)
    }

    fn push_outcome(&self, outcome: Result<Installed<H>, Rejected>) -> PushOutcome {
        let (error, offset, persisted, in_force) = match outcome {
            Ok(Installed { in_force, persisted }) => (0, 0, persisted, Some(in_force)),
            Err(rejected) => (rejected.code(), rejected.offset(), Ok(()), self.in_force()),
        };
        PushOutcome {
            error: error.into(),
            persisted: persisted.map_or_else(NtStatus::bits, |()| 0).into(),
            offset: offset.into(),
            generation: in_force.as_ref().map_or(0, |in_force| in_force.number).into(),
            set_sha256: in_force.map_or([0; 32], |in_force| in_force.generation.sha256),
        }
    }

    #[inline(never)]
    fn answer_pull(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        let request = exact::<PullRequest>(buffer, input)?;
        current(request.request)?;
        let in_force = self.in_force();
        let set = in_force
            .as_ref()
            .map_or(&[][..], |in_force| in_force.generation.set.bytes());
        let offset = request.offset.get();
        let rest = usize::try_from(offset).ok().and_then(|offset| set.get(offset..));
        let rest = rest.ok_or(NtStatus::INVALID_PARAMETER)?;
        let head = Pulled {
            generation: in_force.as_ref().map_or(0, |in_force| in_force.number).into(),
            total: wide(set.len()).into(),
            offset: offset.into(),
        };
        let used = put(&head, buffer, output)?;
        let room = buffer.get_mut(used..output).unwrap_or_default();
        let count = room.len().min(rest.len());
        if let (Some(room), Some(piece)) = (room.get_mut(..count), rest.get(..count)) {
            room.copy_from_slice(piece);
        }
        Ok(used.saturating_add(count))
    }

    #[inline(never)]
    fn answer_check(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        let (request, name) = split::<Request>(buffer, input)?;
        current(request)?;
        if output < MAX_RECORD {
            return Err(NtStatus::BUFFER_TOO_SMALL);
        }
        let (units, []) = name.as_chunks::<2>() else {
            return Err(NtStatus::INVALID_PARAMETER);
        };
        if units.len() > PATH_UNITS {
            return Err(NtStatus::NAME_TOO_LONG);
        }
        let path = Path::new(units.iter().copied().map(u16::from_le_bytes));
        if path.units().is_empty() || path.units().contains(&0) {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        let mut bench = Bench::try_new().map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?;
        let subject = Subject {
            kind: Kind::Check,
            name: path.units(),
            cut: false,
            authority: Authority::Requestor,
            capture: None,
            image: None,
        };
        let record = self
            .weigh_on(&subject, &mut bench)
            .ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        let room = buffer.get_mut(..record.len()).ok_or(NtStatus::BUFFER_TOO_SMALL)?;
        room.copy_from_slice(record);
        Ok(record.len())
    }

    #[inline(never)]
    fn answer_mode(&self, buffer: &mut [u8], input: usize, output: usize) -> Written {
        let request = exact::<ModeRequest>(buffer, input)?;
        current(request.request)?;
        let drivers = buffer
            .get_mut(size_of::<ModeOutcome>()..output)
            .ok_or(NtStatus::BUFFER_TOO_SMALL)?;
        let (outcome, used) = self.ask_mode(&request, drivers)?;
        put(&outcome, buffer, output).map(|head| head.saturating_add(used))
    }

    fn answer_events(&self, buffer: &mut [u8], input: usize, output: usize) -> Result<usize, Unanswered> {
        let request = exact::<EventsRequest>(buffer, input)?;
        current(request.request)?;
        zero(request.reserved.get() == 0)?;
        let may_wait = match request.wait.get() {
            wait::NOT => false,
            wait::FOR_EVENT => true,
            _ => return Err(NtStatus::INVALID_PARAMETER.into()),
        };
        let after = request.after.get();
        let records = buffer
            .get(size_of::<Events>()..output)
            .ok_or(NtStatus::BUFFER_TOO_SMALL)?;
        // So that every reader makes progress, whatever the size of the next record.
        if records.len() < MAX_RECORD {
            return Err(NtStatus::BUFFER_TOO_SMALL.into());
        }
        // The request is left as it is while it waits: input and output share the buffer.
        if may_wait && !self.has_events(after) {
            return Err(Unanswered::Wait(after));
        }
        let records = buffer.get_mut(size_of::<Events>()..output).unwrap_or_default();
        let batch = self.events.with(|ring| ring.read(after, records));
        let head = Events {
            count: batch.count.into(),
            more: u32::from(batch.more).into(),
            last: batch.last.into(),
            lost: batch.lost.into(),
        };
        let used = put(&head, buffer, output)?;
        Ok(used.saturating_add(batch.bytes))
    }
}

fn hello(buffer: &mut [u8], input: usize, output: usize) -> Written {
    let request = exact::<HelloRequest>(buffer, input)?;
    if !(request.oldest.get()..=request.newest.get()).contains(&protocol::VERSION) {
        return Err(NtStatus::REVISION_MISMATCH);
    }
    zero(request.reserved.get() == 0)?;
    let answer = Hello {
        version: protocol::VERSION.into(),
        driver: DRIVER_VERSION.map(Into::into),
    };
    put(&answer, buffer, output)
}

/// Version of the driver, from the package's own.
const DRIVER_VERSION: [u16; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

const fn number(text: &str) -> u16 {
    match u16::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => 0,
    }
}

/// The request, when the input is exactly that.
fn exact<T: FromBytes>(buffer: &[u8], input: usize) -> Result<T, NtStatus> {
    buffer
        .get(..input)
        .and_then(|bytes| T::read_from_bytes(bytes).ok())
        .ok_or(NtStatus::INVALID_PARAMETER)
}

/// The request at the head of the input, and what follows it.
fn split<T: FromBytes>(buffer: &[u8], input: usize) -> Result<(T, &[u8]), NtStatus> {
    let bytes = buffer.get(..input).ok_or(NtStatus::INVALID_PARAMETER)?;
    T::read_from_prefix(bytes).map_err(|_| NtStatus::INVALID_PARAMETER)
}

/// Whether the request speaks this build's version, and asks for nothing that this build does not know.
fn current(request: Request) -> Result<(), NtStatus> {
    if request.version.get() != protocol::VERSION {
        return Err(NtStatus::REVISION_MISMATCH);
    }
    zero(request.reserved == [0; 6])
}

/// Whether what is reserved is zero: a later build gives it a meaning that must not be passed over.
const fn zero(is_zero: bool) -> Result<(), NtStatus> {
    if is_zero {
        Ok(())
    } else {
        Err(NtStatus::INVALID_PARAMETER)
    }
}

/// What is left of the output behind an answer of type `T`. Asked for first where answering changes something: that must not be
/// when its outcome cannot be told.
fn room<T>(buffer: &mut [u8], output: usize) -> Result<&mut [u8], NtStatus> {
    buffer
        .get_mut(size_of::<T>()..output)
        .ok_or(NtStatus::BUFFER_TOO_SMALL)
}

/// Puts an answer at the head of the output.
fn put<T: IntoBytes + Immutable + KnownLayout>(answer: &T, buffer: &mut [u8], output: usize) -> Written {
    let bytes = answer.as_bytes();
    let room = buffer
        .get_mut(..output)
        .and_then(|room| room.get_mut(..bytes.len()));
    room.ok_or(NtStatus::BUFFER_TOO_SMALL)?.copy_from_slice(bytes);
    Ok(bytes.len())
}
