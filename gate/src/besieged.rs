//! Requests of any kind against a gate, each held against what it may change: for tests and for the fuzzer.
//!
//! The rules are written down a second time here, from the protocol's description and not from the dispatch code.

#![cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "never part of the driver: a test that fails is what it is for"
    )
)]

use crate::gate::Gate;
use crate::host::NtStatus;
use crate::memory::wide;
use crate::process::Process;
use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::control::ThresholdsRequest;
use protocol::envelope;
use protocol::envelope::Envelope;
use protocol::ioctl;
use protocol::message::PushOutcome;
use protocol::message::Request;
use protocol::report::Progress;
use std::vec;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

/// Largest output asked for.
const MAX_OUTPUT: usize = 32 * 1024;

/// A gate under attack, and what its requestors hold that is valid.
pub struct Besieged {
    /// The gate.
    pub gate: Gate<Process>,
    /// Sets that are well-formed.
    pub sets: Vec<Vec<u8>>,
    /// The same in envelopes that the provisioned key signed, with their sequence numbers.
    pub signed: Vec<(u64, Vec<u8>)>,
    /// Requests for another key that the provisioned one signed, with their numbers.
    pub key_requests: Vec<(u64, Vec<u8>)>,
    /// Whether the driver's files can be written.
    pub has_disk: bool,
    buffer: Vec<u8>,
}

/// What a request may change, and what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct View {
    sets: (u64, [u8; 32], u64),
    key: [u8; 32],
    sequence: u64,
    key_number: u64,
    mode: (u32, i64),
    thresholds: (u64, u32, i64),
}

/// What a request changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct Changed {
    /// The generation in force.
    pub generation: bool,
    /// The key.
    pub key: bool,
    /// The mode that was asked for.
    pub mode: bool,
    /// What the evaluation must reach, or when it started.
    pub thresholds: bool,
}

impl Besieged {
    /// A gate, with nothing valid yet to send to it.
    pub fn new(gate: Gate<Process>) -> Self {
        Self {
            gate,
            sets: Vec::new(),
            signed: Vec::new(),
            key_requests: Vec::new(),
            has_disk: true,
            buffer: vec![0; MAX_OUTPUT],
        }
    }

    /// Provisions a key, as whoever comes first may.
    ///
    /// # Panics
    /// When there is one already.
    pub fn provision(&mut self, key: [u8; 32]) {
        let request = KeyRequest {
            request: Request::new(),
            number: 0.into(),
            key,
            signature: [0; 64],
        };
        let changed = self.send(ioctl::KEY, request.as_bytes(), size_of::<KeyOutcome>());
        assert!(changed.key, "a key is provisioned already");
    }

    fn view(&self) -> View {
        let status = self.gate.status();
        let state = self.gate.state();
        View {
            sets: (
                status.generation.get(),
                status.set_sha256,
                status.set_sequence.get(),
            ),
            key: status.key,
            sequence: status.key_sequence.get(),
            key_number: status.key_number.get(),
            mode: (status.mode_asked.get(), status.mode_until.get()),
            thresholds: (
                state.evaluation.runtime_needed,
                state.evaluation.boots_needed,
                state.evaluation.since,
            ),
        }
    }

    /// Sends a request and tells what it changed.
    ///
    /// # Panics
    /// When it changed what it may not, or did not change what it must, or the answer is larger than was asked for.
    pub fn send(&mut self, code: u32, input: &[u8], output: usize) -> Changed {
        let output = output.min(MAX_OUTPUT);
        let before = self.view();
        if self.buffer.len() < input.len() {
            self.buffer.resize(input.len(), 0);
        }
        self.buffer[..input.len()].copy_from_slice(input);
        let room = input.len().max(output);
        let answer = self
            .gate
            .dispatch(code, &mut self.buffer[..room], input.len(), output);
        if let Some(completion) = answer.completion() {
            assert!(completion.information <= output, "no more than was asked for");
            let is_done = completion.status == NtStatus::SUCCESS;
            assert!(is_done || completion.information == 0);
        }
        let after = self.view();
        let changed = Changed {
            generation: before.sets != after.sets,
            key: before.key != after.key,
            mode: before.mode != after.mode,
            thresholds: before.thresholds != after.thresholds,
        };
        let may = self.may(code, input, output, &before);
        assert!(
            (may.generation || !changed.generation)
                && (may.key || !changed.key)
                && (may.mode || !changed.mode)
                && (may.thresholds || !changed.thresholds),
            "request {code:#x} {input:x?} for {output} bytes changed {changed:?} and may change {may:?}"
        );
        assert!(
            changed.key || after.sequence >= before.sequence,
            "the sequence number went down"
        );
        assert!(
            after.key_number >= before.key_number,
            "the key's number went down"
        );
        assert!(
            changed.key || before.key == [0; 32] || after.key_number == before.key_number,
            "its number rose and the key is the same"
        );
        if code == ioctl::PUSH && may.generation {
            assert!(changed.generation, "a valid push must come into force");
        }
        changed
    }

    /// What a valid request may change; nothing for any other.
    fn may(&self, code: u32, input: &[u8], output: usize, before: &View) -> Changed {
        let nothing = Changed::default();
        let is_current = input.starts_with(Request::new().as_bytes());
        let is = |size: usize, answer: usize| is_current && input.len() == size && output >= answer;
        match code {
            ioctl::PUSH => Changed {
                generation: is_current
                    && input.len() >= size_of::<Request>()
                    && output >= size_of::<PushOutcome>()
                    && self.is_acceptable(&input[size_of::<Request>()..], before),
                ..nothing
            },
            ioctl::ROLLBACK => Changed {
                generation: is(size_of::<Request>(), size_of::<PushOutcome>()),
                ..nothing
            },
            ioctl::MODE => Changed {
                mode: is(size_of::<ModeRequest>(), size_of::<ModeOutcome>())
                    && (1..=2).contains(&word(input, 8))
                    && word(input, 12) <= 1,
                ..nothing
            },
            ioctl::THRESHOLDS => Changed {
                thresholds: is(size_of::<ThresholdsRequest>(), size_of::<Progress>()) && word(input, 20) <= 1,
                ..nothing
            },
            ioctl::KEY => Changed {
                key: is(size_of::<KeyRequest>(), size_of::<KeyOutcome>())
                    && self.has_disk
                    && (before.key == [0; 32]
                        || self
                            .key_requests
                            .iter()
                            .any(|(number, known)| known == input && is_next(before.key_number, *number))),
                ..nothing
            },
            _ => nothing,
        }
    }

    fn is_acceptable(&self, pushed: &[u8], before: &View) -> bool {
        if before.key != [0; 32] {
            let known = self.signed.iter().find(|(_, bytes)| bytes == pushed);
            return self.has_disk && known.is_some_and(|(sequence, _)| is_next(before.sequence, *sequence));
        }
        let set = match Envelope::read_from_prefix(pushed) {
            Ok((head, set)) if head.magic == envelope::MAGIC => {
                let is_known = head.version.get() == envelope::VERSION && head.reserved == [0; 2];
                if !is_known || head.length.get() != wide(set.len()) {
                    return false;
                }
                set
            }
            _ => pushed,
        };
        self.sets.iter().any(|known| known == set)
    }
}

/// Whether a number may come after the highest one so far: it is above, by 2 to the 32 at most.
const fn is_next(highest: u64, number: u64) -> bool {
    number > highest && number - highest <= 1 << 32
}

/// The 32-bit number at this offset.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.first_chunk::<4>())
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// A request of each kind that is valid as far as its form goes, from which others are made.
pub fn seeds(besieged: &Besieged, path: &str) -> Vec<(u32, Vec<u8>, usize)> {
    let head = Request::new();
    let plain = head.as_bytes().to_vec();
    let with = |tail: &[u8]| [head.as_bytes(), tail].concat();
    let name: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mode = |mode: u32, force: u32, duration: u64| {
        let asked = ModeRequest {
            request: head,
            mode: mode.into(),
            force: force.into(),
            duration: duration.into(),
        };
        (ioctl::MODE, asked.as_bytes().to_vec(), 4096)
    };
    let thresholds = ThresholdsRequest {
        request: head,
        runtime: 1_000_000.into(),
        boots: 2.into(),
        restart: 1.into(),
    };
    let mut seeds = vec![
        (ioctl::HELLO, vec![1, 0, 2, 0, 0, 0, 0, 0], 64),
        (ioctl::STATUS, plain.clone(), 1024),
        (ioctl::PULL, with(&[0; 8]), 4096),
        (ioctl::CHECK, with(&name), 16 * 1024),
        (ioctl::EVENTS, with(&[0; 16]), 20 * 1024),
        (
            ioctl::EVENTS,
            with(&[0, 0, 0, 0, 0, 0, 0, 0x70, 1, 0, 0, 0, 0, 0, 0, 0]),
            20 * 1024,
        ),
        mode(1, 0, 0),
        mode(2, 0, 0),
        mode(2, 1, 1_000_000),
        (ioctl::ROLLBACK, plain.clone(), 64),
        (ioctl::PROGRESS, plain.clone(), 4096),
        (ioctl::THRESHOLDS, thresholds.as_bytes().to_vec(), 256),
        (ioctl::METRICS, plain, 4096),
    ];
    let pushes = besieged
        .sets
        .iter()
        .chain(besieged.signed.iter().map(|(_, bytes)| bytes));
    seeds.extend(pushes.map(|set| (ioctl::PUSH, with(set), 64)));
    let keys = besieged.key_requests.iter();
    seeds.extend(keys.map(|(_, request)| (ioctl::KEY, request.clone(), 64)));
    seeds
}
