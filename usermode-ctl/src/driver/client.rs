//! The requests of `protocol`, each as one call.

use std::time::Duration;

use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::control::ThresholdsRequest;
use protocol::event::MAX_RECORD;
use protocol::event::split;
use protocol::field::Fields;
use protocol::ioctl;
use protocol::message::Events;
use protocol::message::EventsRequest;
use protocol::message::Hello;
use protocol::message::HelloRequest;
use protocol::message::PullRequest;
use protocol::message::Pulled;
use protocol::message::PushOutcome;
use protocol::message::Request;
use protocol::message::Status;
use protocol::message::wait;
use protocol::report::Metrics;
use protocol::report::Progress;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

use crate::driver::SystemError;
use crate::driver::Transport;
use crate::error::Error;
use crate::error::TheirVersion;

/// Bytes asked for at once when a set is fetched.
const PIECE: usize = 256 * 1024;

/// Bytes asked for at once when events are fetched; the driver wants room for its largest record.
const BATCH: usize = 16 * MAX_RECORD;

/// Room for an answer that fields follow: the driver leaves out what does not fit.
const REPORT: usize = 64 * 1024;

/// How often fetching a set starts again because another one came into force meanwhile.
const PULL_ATTEMPTS: u32 = 16;

/// A connection to a driver that speaks our protocol version.
pub struct Client {
    transport: Box<dyn Transport>,
    hello: Hello,
}

/// Some events, as records.
#[derive(Clone, Debug)]
pub struct EventBatch {
    /// Head of the answer.
    pub head: Events,
    /// The records, each whole.
    pub bytes: Vec<u8>,
}

/// An answer that fields follow.
#[derive(Clone, Debug)]
pub struct Report<T> {
    /// Head of the answer.
    pub head: T,
    fields: Vec<u8>,
}

impl<T> Report<T> {
    /// The fields that follow the head.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.fields)
    }
}

impl Client {
    /// Agrees on a protocol version with the driver at the other end.
    #[cfg_attr(
        not(any(windows, test)),
        expect(dead_code, reason = "only Windows has a driver to talk to")
    )]
    pub fn over(mut transport: Box<dyn Transport>) -> Result<Self, Error> {
        let ours = protocol::VERSION;
        let error = match greet(transport.as_mut(), ours, ours) {
            Ok(hello) if hello.version.get() == ours => return Ok(Self { transport, hello }),
            Ok(hello) => return Err(other_version(hello)),
            Err(error) => error,
        };
        if !matches!(error, Error::Version { .. }) {
            return Err(error);
        }
        // To name the driver's version: a greeting that any version can answer.
        Err(greet(transport.as_mut(), 0, u16::MAX).map_or(error, other_version))
    }

    /// Version of the driver: major, minor, patch.
    pub fn driver_version(&self) -> String {
        dotted(self.hello)
    }

    /// State and counters.
    pub fn status(&mut self) -> Result<Status, Error> {
        ask(
            self.transport.as_mut(),
            "status",
            ioctl::STATUS,
            Request::new().as_bytes(),
        )
    }

    /// Makes `set` the generation in force, or learns why not.
    pub fn push(&mut self, set: &[u8]) -> Result<PushOutcome, Error> {
        let mut input = Vec::with_capacity(size_of::<Request>().saturating_add(set.len()));
        input.extend_from_slice(Request::new().as_bytes());
        input.extend_from_slice(set);
        ask(self.transport.as_mut(), "push", ioctl::PUSH, &input)
    }

    /// The generation in force and its compiled set; `None` when none was pushed.
    pub fn pull(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        for _ in 0..PULL_ATTEMPTS {
            let mut set = Vec::new();
            let first = self.pull_piece(&mut set)?;
            if first.generation.get() == 0 {
                return Ok(None);
            }
            let total = first.total.get();
            let mut same = true;
            while same && u64::try_from(set.len()).is_ok_and(|got| got < total) {
                let got = set.len();
                let next = self.pull_piece(&mut set);
                match next {
                    Ok(next) => same = next.generation == first.generation && next.total == first.total,
                    // The new set may be shorter than what was fetched of the old one.
                    Err(error) if self.pull_piece(&mut Vec::new())?.generation == first.generation => {
                        return Err(error);
                    }
                    Err(_) => same = false,
                }
                if same && set.len() == got {
                    return Err(answer("pull", "it holds no bytes of the set"));
                }
            }
            if same {
                return Ok(Some((first.generation.get(), set)));
            }
        }
        Err(answer(
            "pull",
            "the generation in force changed each time it was fetched",
        ))
    }

    /// Fetches what follows `set` and appends it.
    fn pull_piece(&mut self, set: &mut Vec<u8>) -> Result<Pulled, Error> {
        const NAME: &str = "pull";
        let offset = u64::try_from(set.len()).unwrap_or(u64::MAX);
        let request = PullRequest {
            request: Request::new(),
            offset: offset.into(),
        };
        let mut output = vec![0; PIECE];
        let output = self.send(NAME, ioctl::PULL, request.as_bytes(), &mut output)?;
        let (head, piece) = Pulled::read_from_prefix(output).map_err(|_| answer(NAME, "it is too short"))?;
        if head.offset.get() != offset {
            return Err(answer(NAME, "it is another piece than was asked for"));
        }
        let rest = head.total.get().saturating_sub(offset);
        if u64::try_from(piece.len()).is_ok_and(|length| length > rest) {
            return Err(answer(NAME, "it holds more bytes than the set has"));
        }
        set.extend_from_slice(piece);
        Ok(head)
    }

    /// Has the file at this NT path weighed; the answer is an event record.
    pub fn check(&mut self, path: &[u16]) -> Result<Vec<u8>, Error> {
        const NAME: &str = "check";
        let mut input = Request::new().as_bytes().to_vec();
        input.extend(path.iter().flat_map(|unit| unit.to_le_bytes()));
        let mut output = vec![0; MAX_RECORD];
        let length = self.send(NAME, ioctl::CHECK, &input, &mut output)?.len();
        output.truncate(length);
        match split(&output) {
            Some((_, [])) => Ok(output),
            _ => Err(answer(NAME, "it is not one event record")),
        }
    }

    /// Goes back to the generation before the one in force, or learns why not.
    pub fn rollback(&mut self) -> Result<PushOutcome, Error> {
        ask(
            self.transport.as_mut(),
            "rollback",
            ioctl::ROLLBACK,
            Request::new().as_bytes(),
        )
    }

    /// Asks for a mode; [`tag::DRIVER`](protocol::event::tag::DRIVER) fields follow for the drivers in the way.
    pub fn mode(&mut self, request: &ModeRequest) -> Result<Report<ModeOutcome>, Error> {
        self.report("mode", ioctl::MODE, request.as_bytes())
    }

    /// How far the evaluation is; [`tag::DRIVER`](protocol::event::tag::DRIVER) fields follow for the drivers that violate.
    pub fn progress(&mut self) -> Result<Report<Progress>, Error> {
        self.report("progress", ioctl::PROGRESS, Request::new().as_bytes())
    }

    /// Sets what the evaluation must reach.
    pub fn thresholds(&mut self, request: &ThresholdsRequest) -> Result<Report<Progress>, Error> {
        self.report("thresholds", ioctl::THRESHOLDS, request.as_bytes())
    }

    /// Times; [`tag::RULE_HITS`](protocol::event::tag::RULE_HITS) fields follow for the rules that decided.
    pub fn metrics(&mut self) -> Result<Report<Metrics>, Error> {
        self.report("metrics", ioctl::METRICS, Request::new().as_bytes())
    }

    /// Provisions, replaces or removes the key that sets must be signed with.
    pub fn key(&mut self, request: &KeyRequest) -> Result<KeyOutcome, Error> {
        ask(self.transport.as_mut(), "key", ioctl::KEY, request.as_bytes())
    }

    /// Events after sequence number `after` that are held, as many as one request brings.
    pub fn events(&mut self, after: u64) -> Result<EventBatch, Error> {
        const NAME: &str = "events";
        let request = events_request(after, wait::NOT);
        let mut output = vec![0; BATCH];
        let output = self.send(NAME, ioctl::EVENTS, request.as_bytes(), &mut output)?;
        batch(output, after)
    }

    /// As [`Client::events`], waiting for one if there is none; `None` when none came in time.
    pub fn await_events(&mut self, after: u64, patience: Duration) -> Result<Option<EventBatch>, Error> {
        let request = events_request(after, wait::FOR_EVENT);
        let mut output = vec![0; BATCH];
        let length = match self
            .transport
            .wait(ioctl::EVENTS, request.as_bytes(), &mut output, patience)
        {
            Err(SystemError::OPERATION_ABORTED) => None,
            waited => waited.map_err(|error| failed("events", error))?,
        };
        let output = length.map(|length| output.get(..length));
        output
            .map(|output| {
                let output = output.ok_or_else(|| answer("events", "it is longer than the room for it"))?;
                batch(output, after)
            })
            .transpose()
    }

    fn report<T: FromBytes>(
        &mut self,
        name: &'static str,
        code: u32,
        input: &[u8],
    ) -> Result<Report<T>, Error> {
        let mut output = vec![0; REPORT];
        let output = self.send(name, code, input, &mut output)?;
        let (head, fields) = T::read_from_prefix(output).map_err(|_| answer(name, "it is too short"))?;
        if Fields::new(fields).any(|field| field.is_err()) {
            return Err(answer(name, "it ends within a field"));
        }
        Ok(Report {
            head,
            fields: fields.to_vec(),
        })
    }

    fn send<'o>(
        &mut self,
        name: &'static str,
        code: u32,
        input: &[u8],
        output: &'o mut [u8],
    ) -> Result<&'o [u8], Error> {
        send(self.transport.as_mut(), name, code, input, output)
    }
}

fn events_request(after: u64, wait: u32) -> EventsRequest {
    EventsRequest {
        request: Request::new(),
        after: after.into(),
        wait: wait.into(),
        reserved: 0.into(),
    }
}

/// A batch of events, once it is sure that it is one.
fn batch(output: &[u8], after: u64) -> Result<EventBatch, Error> {
    const NAME: &str = "events";
    let (head, records) = Events::read_from_prefix(output).map_err(|_| answer(NAME, "it is too short"))?;
    let mut rest = records;
    let mut count = 0_u32;
    while let Some((_, tail)) = split(rest) {
        rest = tail;
        count = count.saturating_add(1);
    }
    if !rest.is_empty() || count != head.count.get() {
        return Err(answer(NAME, "it does not hold the records it says"));
    }
    if head.last.get() < after || (head.more.get() != 0 && count == 0) {
        return Err(answer(NAME, "it leads nowhere"));
    }
    Ok(EventBatch {
        head,
        bytes: records.to_vec(),
    })
}

/// Says which versions are spoken here and learns which one the driver will speak.
fn greet(transport: &mut dyn Transport, oldest: u16, newest: u16) -> Result<Hello, Error> {
    let request = HelloRequest {
        oldest: oldest.into(),
        newest: newest.into(),
        reserved: 0.into(),
    };
    ask(transport, "hello", ioctl::HELLO, request.as_bytes())
}

fn other_version(hello: Hello) -> Error {
    Error::Version {
        ours: protocol::VERSION,
        theirs: TheirVersion::Known {
            protocol: hello.version.get(),
            driver: dotted(hello),
        },
    }
}

fn dotted(hello: Hello) -> String {
    let [major, minor, patch] = hello.driver;
    format!("{major}.{minor}.{patch}")
}

fn send<'o>(
    transport: &mut dyn Transport,
    name: &'static str,
    code: u32,
    input: &[u8],
    output: &'o mut [u8],
) -> Result<&'o [u8], Error> {
    let length = transport
        .request(code, input, output)
        .map_err(|error| failed(name, error))?;
    output
        .get(..length)
        .ok_or_else(|| answer(name, "it is longer than the room for it"))
}

fn ask<T: FromBytes>(
    transport: &mut dyn Transport,
    name: &'static str,
    code: u32,
    input: &[u8],
) -> Result<T, Error> {
    let mut output = vec![0; size_of::<T>()];
    let output = send(transport, name, code, input, &mut output)?;
    T::read_from_bytes(output).map_err(|_| answer(name, "it has the wrong length"))
}

fn failed(request: &'static str, error: SystemError) -> Error {
    match error {
        SystemError::REVISION_MISMATCH => Error::Version {
            ours: protocol::VERSION,
            theirs: TheirVersion::Other,
        },
        // Rights are checked when the device is opened: on an open one, access is denied only where the driver is unloaded under
        // a request (Wine says it so).
        SystemError::NO_SUCH_DEVICE | SystemError::DEVICE_GONE | SystemError::ACCESS_DENIED => {
            Error::NotRunning
        }
        SystemError::INVALID_FUNCTION => Error::Unknown { request },
        SystemError(code) => Error::Request {
            request,
            problem: error.to_string(),
            code,
        },
    }
}

fn answer(request: &'static str, problem: &'static str) -> Error {
    Error::Answer { request, problem }
}
