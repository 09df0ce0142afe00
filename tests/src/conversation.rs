//! A program in the lab's Windows that does one thing after another, each in about a millisecond; a process for each takes fifty.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::process::Child;
use std::process::ChildStdin;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::channel;
use std::thread::spawn;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use protocol::event::split;
use protocol::ioctl;
use protocol::message::Events;
use protocol::message::EventsRequest;
use protocol::message::Request;
use protocol::message::Status;
use protocol::message::wait;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;

use crate::Rig;
use crate::hex;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program ends after this many seconds, whatever happens to whoever talks to it.
const LIMIT: u32 = 3600;

/// Bytes of events that are asked for at once.
const BATCH: usize = 1 << 18;

/// What something gave: bytes, or a Win32 error.
pub type Answer = Result<Vec<u8>, u32>;

/// The program, running.
pub struct Conversation {
    program: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Conversation {
    /// Starts the program.
    pub fn begin(rig: &Rig) -> Result<Self> {
        let mut program = rig
            .lab
            .converse(LIMIT, crate::PROBE, &["serve", protocol::WIN32_NAME])?;
        let (Some(orders), Some(output)) = (program.stdin.take(), program.stdout.take()) else {
            bail!("the probe was started without its pipes");
        };
        let (sender, answers) = channel();
        // It ends with the program, whose output it reads.
        spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            program,
            orders,
            answers,
        })
    }

    fn ask(&mut self, order: &str) -> Result<Answer> {
        let what = || order.chars().take(60).collect::<String>();
        writeln!(self.orders, "{order}").with_context(|| format!("the probe is gone before {}", what()))?;
        let answer = self
            .answers
            .recv_timeout(PATIENCE)
            .with_context(|| format!("no answer to {}", what()))?;
        let bytes = |hex: &str| {
            let pairs = hex.as_bytes().chunks(2);
            pairs
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect::<Option<Vec<u8>>>()
        };
        let read = match answer.trim_end().split_once(' ') {
            Some(("error", code)) => code.parse().ok().map(Err),
            Some(("ok", hex)) => bytes(hex).map(Ok),
            _ if answer.trim_end() == "ok" => Some(Ok(Vec::new())),
            _ => None,
        };
        read.with_context(|| format!("the probe answered {answer} to {}", what()))
    }

    /// Starts a service and waits until it runs.
    pub fn start_service(&mut self, service: &str) -> Result<Answer> {
        self.ask(&format!("start {service}"))
    }

    /// Stops a service and waits until it has.
    pub fn stop_service(&mut self, service: &str) -> Result<Answer> {
        self.ask(&format!("stop {service}"))
    }

    /// Sends the driver a request: a structure and what follows it.
    pub fn request(
        &mut self,
        code: u32,
        request: &(impl IntoBytes + Immutable),
        tail: &[u8],
        output: usize,
    ) -> Result<Answer> {
        let input = format!("{}{}", hex(request.as_bytes()), hex(tail));
        self.ask(&format!("{code:x} {input} {output:x}"))
    }

    /// The driver's status.
    pub fn status(&mut self) -> Result<Result<Status, u32>> {
        let answer = self.request(ioctl::STATUS, &Request::new(), &[], size_of::<Status>())?;
        answer
            .map(|bytes| {
                Status::read_from_bytes(&bytes)
                    .ok()
                    .context("a status of another size")
            })
            .map_or_else(|code| Ok(Err(code)), |status| status.map(Ok))
    }

    /// All events that the driver holds, as records one after the other.
    pub fn events(&mut self) -> Result<Answer> {
        let mut records = Vec::new();
        let mut after = 0;
        loop {
            let request = EventsRequest {
                request: Request::new(),
                after: after.into(),
                wait: wait::NOT.into(),
                reserved: 0.into(),
            };
            let answer = match self.request(ioctl::EVENTS, &request, &[], BATCH)? {
                Ok(answer) => answer,
                Err(code) => return Ok(Err(code)),
            };
            let Ok((head, batch)) = Events::read_from_prefix(&answer) else {
                bail!("a batch of events without its head");
            };
            records.extend_from_slice(batch);
            after = head.last.get();
            if head.more.get() == 0 {
                let mut rest = records.as_slice();
                while let Some((_, tail)) = split(rest) {
                    rest = tail;
                }
                ensure!(rest.is_empty(), "events that are cut");
                return Ok(Ok(records));
            }
        }
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
