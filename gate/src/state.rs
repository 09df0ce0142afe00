//! What the driver keeps of itself from one run to the next, beside the sets: a small file of fixed layout with its own SHA-256.

use crate::evaluation::Evaluation;
use crate::numbers::Numbers;
use protocol::message::Mode;
use protocol::report::state_error;
use protocol::rising::MAX_STEP;
use sha2::Digest;
use sha2::Sha256;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::I64;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::byteorder::little_endian::U64;

const MAGIC: [u8; 4] = *b"GHST";
const VERSION: u16 = 2;
/// The version before, which is still read.
const VERSION_BEFORE: u16 = 1;

/// Size of the file in bytes.
pub const STATE_BYTES: usize = size_of::<Layout>();

const DIGEST_BYTES: usize = 32;

/// The mode that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeKept {
    /// The mode.
    pub asked: Mode,
    /// When it ends by itself, FILETIME; 0 when it stays.
    pub until: i64,
}

/// All that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The mode that was asked for.
    pub mode: ModeKept,
    /// How far the evaluation is.
    pub evaluation: Evaluation,
    /// The key that sets must be signed with, if one is provisioned.
    pub key: Option<[u8; 32]>,
    /// Highest number of a change of the key that was taken. Outlives every key.
    pub key_number: u64,
    /// Highest sequence numbers of signed sets that were accepted.
    pub numbers: Numbers,
    /// SHA-256 of the one set that may be in force again although its sequence number is lower; zeros for none.
    pub returnable: [u8; 32],
    /// SHA-256 of the set that was last kept as the one in force; zeros for none. It was accepted once, so a start takes it whatever key
    /// came since. Tells, too, a set that is missing from one that never was.
    pub set: [u8; 32],
    /// Whether the driver is running. On the disk of a driver that starts, it tells that the last run did not end as it should.
    pub is_running: bool,
}

/// What every version of the file begins with.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    magic: [u8; 4],
    version: U16,
    /// 1 while the driver is running, else 0.
    running: U16,
    mode: U32,
    boots_needed: U32,
    until: I64,
    runtime_needed: U64,
    runtime: U64,
    since: I64,
    last_violation: I64,
    audits: U64,
    blocks: U64,
    resets: U64,
    session: I64,
    boots: U32,
    reserved: U32,
}

#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
    head: Head,
    key_number: U64,
    key: [u8; 32],
    returnable: [u8; 32],
    set: [u8; 32],
    numbers: Numbers,
    /// SHA-256 of all that comes before it.
    sha256: [u8; DIGEST_BYTES],
}

/// The file of [`VERSION_BEFORE`], in which all keys shared one highest number, and changes of the key had none.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct LayoutBefore {
    head: Head,
    sequence: U64,
    key: [u8; 32],
    returnable: [u8; 32],
    set: [u8; 32],
    /// SHA-256 of all that comes before it.
    sha256: [u8; DIGEST_BYTES],
}

impl LayoutBefore {
    /// What this file says in today's terms.
    fn today(self) -> Layout {
        let sequence = self.sequence.get();
        // It held for every key. Where it leaves no number it holds for the key in force alone: the next one must have some.
        let mut numbers = Numbers::above(if u64::MAX.abs_diff(sequence) < MAX_STEP {
            0
        } else {
            sequence
        });
        if self.key != [0; 32] {
            numbers.take(&self.key, sequence);
        }
        Layout {
            head: self.head,
            key_number: U64::ZERO,
            key: self.key,
            returnable: self.returnable,
            set: self.set,
            numbers,
            sha256: self.sha256,
        }
    }
}

impl State {
    /// What holds before anything was kept: evaluation mode, no key, an evaluation that starts now.
    pub const fn new(now: i64) -> Self {
        Self {
            mode: ModeKept {
                asked: Mode::Evaluate,
                until: 0,
            },
            evaluation: Evaluation::new(now),
            key: None,
            key_number: 0,
            numbers: Numbers::NONE,
            returnable: [0; 32],
            set: [0; 32],
            is_running: false,
        }
    }

    /// Highest sequence number of a set that was accepted under the key that is provisioned; 0 without one.
    pub fn sequence(&self) -> u64 {
        self.key.map_or(0, |key| self.numbers.of(&key))
    }

    /// A set is the one in force, and kept as such. `taken`: the sequence number that the key newly vouched for.
    pub fn accept(&mut self, sha256: [u8; 32], taken: Option<u64>) {
        self.set = sha256;
        if let (Some(key), Some(sequence)) = (self.key, taken) {
            self.numbers.take(&key, sequence);
        }
    }

    /// The bytes of the file.
    pub fn to_bytes(self) -> [u8; STATE_BYTES] {
        let evaluation = self.evaluation;
        let mode: u32 = match self.mode.asked {
            Mode::Evaluate => 1,
            Mode::Enforce => 2,
        };
        let head = Head {
            magic: MAGIC,
            version: VERSION.into(),
            running: u16::from(self.is_running).into(),
            mode: mode.into(),
            boots_needed: evaluation.boots_needed.into(),
            until: self.mode.until.into(),
            runtime_needed: evaluation.runtime_needed.into(),
            runtime: evaluation.runtime.into(),
            since: evaluation.since.into(),
            last_violation: evaluation.last_violation.into(),
            audits: evaluation.audits.into(),
            blocks: evaluation.blocks.into(),
            resets: evaluation.resets.into(),
            session: evaluation.session.into(),
            boots: evaluation.boots.into(),
            reserved: 0.into(),
        };
        let mut layout = Layout {
            head,
            key_number: self.key_number.into(),
            key: self.key.unwrap_or_default(),
            returnable: self.returnable,
            set: self.set,
            numbers: self.numbers,
            sha256: [0; DIGEST_BYTES],
        };
        layout.sha256 = digest(layout.as_bytes());
        zerocopy::transmute!(layout)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// One of [`state_error`].
    pub fn read(bytes: &[u8]) -> Result<Self, u32> {
        let (head, _) = Head::read_from_prefix(bytes).map_err(|_| state_error::LENGTH)?;
        if head.magic != MAGIC {
            return Err(state_error::MAGIC);
        }
        let layout = match head.version.get() {
            VERSION => Layout::read_from_bytes(bytes).ok(),
            VERSION_BEFORE => LayoutBefore::read_from_bytes(bytes).ok().map(LayoutBefore::today),
            _ => return Err(state_error::VERSION),
        };
        let layout = layout.ok_or(state_error::LENGTH)?;
        if layout.sha256 != digest(bytes) {
            return Err(state_error::DIGEST);
        }
        let asked = match head.mode.get() {
            1 => Mode::Evaluate,
            2 => Mode::Enforce,
            _ => return Err(state_error::VALUE),
        };
        let is_running = match head.running.get() {
            0 => false,
            1 => true,
            _ => return Err(state_error::VALUE),
        };
        Ok(Self {
            mode: ModeKept {
                asked,
                until: head.until.get(),
            },
            evaluation: Evaluation {
                runtime_needed: head.runtime_needed.get(),
                boots_needed: head.boots_needed.get(),
                runtime: head.runtime.get(),
                boots: head.boots.get(),
                since: head.since.get(),
                last_violation: head.last_violation.get(),
                audits: head.audits.get(),
                blocks: head.blocks.get(),
                resets: head.resets.get(),
                session: head.session.get(),
            },
            key: (layout.key != [0; 32]).then_some(layout.key),
            key_number: layout.key_number.get(),
            numbers: layout.numbers,
            returnable: layout.returnable,
            set: layout.set,
            is_running,
        })
    }
}

/// SHA-256 of all but the digest itself.
fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let covered = bytes.get(..bytes.len().saturating_sub(DIGEST_BYTES));
    Sha256::digest(covered.unwrap_or_default()).into()
}

#[cfg(test)]
#[path = "state_tests.rs"]
pub(crate) mod tests;
