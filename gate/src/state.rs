//! What the driver keeps of itself from one run to the next, beside the sets: a small file of fixed layout with its own SHA-256.

use crate::evaluation::Evaluation;
use protocol::message::Mode;
use protocol::report::state_error;
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
const VERSION: u16 = 1;

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
    /// Highest sequence number of a signed set that was accepted.
    pub sequence: u64,
    /// SHA-256 of the one set that may be in force again although its sequence number is lower; zeros for none.
    pub returnable: [u8; 32],
    /// SHA-256 of the set in force; zeros for none. Tells a set that is missing from one that never was.
    pub set: [u8; 32],
    /// Whether the driver is running. On the disk of a driver that starts, it tells that the last run did not end as it should.
    pub is_running: bool,
}

#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Layout {
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
    sequence: U64,
    key: [u8; 32],
    returnable: [u8; 32],
    set: [u8; 32],
    /// SHA-256 of all that comes before it.
    sha256: [u8; DIGEST_BYTES],
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
            sequence: 0,
            returnable: [0; 32],
            set: [0; 32],
            is_running: false,
        }
    }

    /// The bytes of the file.
    pub fn to_bytes(self) -> [u8; STATE_BYTES] {
        let evaluation = self.evaluation;
        let mode: u32 = match self.mode.asked {
            Mode::Evaluate => 1,
            Mode::Enforce => 2,
        };
        let mut layout = Layout {
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
            sequence: self.sequence.into(),
            key: self.key.unwrap_or_default(),
            returnable: self.returnable,
            set: self.set,
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
        let layout = Layout::read_from_bytes(bytes).map_err(|_| state_error::LENGTH)?;
        if layout.magic != MAGIC {
            return Err(state_error::MAGIC);
        }
        if layout.version.get() != VERSION {
            return Err(state_error::VERSION);
        }
        if layout.sha256 != digest(bytes) {
            return Err(state_error::DIGEST);
        }
        let asked = match layout.mode.get() {
            1 => Mode::Evaluate,
            2 => Mode::Enforce,
            _ => return Err(state_error::VALUE),
        };
        let is_running = match layout.running.get() {
            0 => false,
            1 => true,
            _ => return Err(state_error::VALUE),
        };
        Ok(Self {
            mode: ModeKept {
                asked,
                until: layout.until.get(),
            },
            evaluation: Evaluation {
                runtime_needed: layout.runtime_needed.get(),
                boots_needed: layout.boots_needed.get(),
                runtime: layout.runtime.get(),
                boots: layout.boots.get(),
                since: layout.since.get(),
                last_violation: layout.last_violation.get(),
                audits: layout.audits.get(),
                blocks: layout.blocks.get(),
                resets: layout.resets.get(),
                session: layout.session.get(),
            },
            key: (layout.key != [0; 32]).then_some(layout.key),
            sequence: layout.sequence.get(),
            returnable: layout.returnable,
            set: layout.set,
            is_running,
        })
    }
}

/// SHA-256 of all but the digest itself.
fn digest(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let covered = bytes.get(..STATE_BYTES.saturating_sub(DIGEST_BYTES));
    Sha256::digest(covered.unwrap_or_default()).into()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn states() -> impl Strategy<Value = State> {
        let numbers = any::<([u64; 6], [i64; 4], [u32; 2])>();
        let hashes = any::<([u8; 32], [u8; 32], [u8; 32])>();
        (any::<[bool; 2]>(), numbers, hashes).prop_map(
            |([enforce, is_running], (wide, times, counts), hashes)| State {
                mode: ModeKept {
                    asked: if enforce { Mode::Enforce } else { Mode::Evaluate },
                    until: times[0],
                },
                evaluation: Evaluation {
                    runtime_needed: wide[0],
                    boots_needed: counts[0],
                    runtime: wide[1],
                    boots: counts[1],
                    since: times[1],
                    last_violation: times[2],
                    audits: wide[2],
                    blocks: wide[3],
                    resets: wide[4],
                    session: times[3],
                },
                key: (hashes.0 != [0; 32]).then_some(hashes.0),
                sequence: wide[5],
                returnable: hashes.1,
                set: hashes.2,
                is_running,
            },
        )
    }

    proptest! {
        #[test]
        fn a_state_comes_back_as_it_was_written(state in states()) {
            prop_assert_eq!(State::read(&state.to_bytes()), Ok(state));
        }
    }

    #[test]
    fn no_cut_or_changed_file_is_read() {
        let good = State::new(7).to_bytes();
        for length in 0..good.len() {
            assert_eq!(State::read(&good[..length]), Err(state_error::LENGTH));
        }
        for index in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good;
                bad[index] ^= 1 << bit;
                assert!(State::read(&bad).is_err(), "bit {bit} of byte {index}");
            }
        }
        let mut longer = good.to_vec();
        longer.push(0);
        assert_eq!(State::read(&longer), Err(state_error::LENGTH));
    }

    #[test]
    fn another_version_and_an_unknown_mode_are_refused_as_such() {
        let changed = |change: &dyn Fn(&mut Layout)| {
            let mut layout = Layout::read_from_bytes(&State::new(0).to_bytes()).expect("its size");
            change(&mut layout);
            layout.sha256 = digest(layout.as_bytes());
            State::read(layout.as_bytes())
        };
        assert_eq!(
            changed(&|layout| layout.version = 2.into()),
            Err(state_error::VERSION)
        );
        assert_eq!(changed(&|layout| layout.mode = 3.into()), Err(state_error::VALUE));
        assert_eq!(
            changed(&|layout| layout.running = 2.into()),
            Err(state_error::VALUE)
        );
        assert!(changed(&|layout| layout.mode = 2.into()).is_ok());
    }
}
