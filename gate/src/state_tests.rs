//! The state as bytes: what comes back, what is refused, and what the version before wrote.

use super::*;
use proptest::prelude::*;
use std::vec::Vec;

pub(crate) fn states() -> impl Strategy<Value = State> {
    let numbers = any::<([u64; 6], [i64; 4], [u32; 2])>();
    let hashes = any::<([u8; 32], [u8; 32], [u8; 32])>();
    let kept = crate::numbers::tests::numbers();
    (any::<[bool; 2]>(), numbers, hashes, kept).prop_map(
        |([enforce, is_running], (wide, times, counts), hashes, numbers)| State {
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
            key_number: wide[5],
            numbers,
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
        changed(&|layout| layout.head.version = 3.into()),
        Err(state_error::VERSION)
    );
    assert_eq!(
        changed(&|layout| layout.head.mode = 3.into()),
        Err(state_error::VALUE)
    );
    assert_eq!(
        changed(&|layout| layout.head.running = 2.into()),
        Err(state_error::VALUE)
    );
    assert!(changed(&|layout| layout.head.mode = 2.into()).is_ok());
}

/// The file as version 1 wrote it, field by field.
pub(crate) fn before(state: &State, sequence: u64) -> Vec<u8> {
    let evaluation = &state.evaluation;
    let mut bytes = b"GHST\x01\0".to_vec();
    bytes.extend(u16::from(state.is_running).to_le_bytes());
    bytes.extend((state.mode.asked as u32).to_le_bytes());
    bytes.extend(evaluation.boots_needed.to_le_bytes());
    bytes.extend(state.mode.until.to_le_bytes());
    bytes.extend(evaluation.runtime_needed.to_le_bytes());
    bytes.extend(evaluation.runtime.to_le_bytes());
    bytes.extend(evaluation.since.to_le_bytes());
    bytes.extend(evaluation.last_violation.to_le_bytes());
    bytes.extend(evaluation.audits.to_le_bytes());
    bytes.extend(evaluation.blocks.to_le_bytes());
    bytes.extend(evaluation.resets.to_le_bytes());
    bytes.extend(evaluation.session.to_le_bytes());
    bytes.extend(evaluation.boots.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(sequence.to_le_bytes());
    bytes.extend(state.key.unwrap_or_default());
    bytes.extend(state.returnable);
    bytes.extend(state.set);
    let sha256 = Sha256::digest(&bytes);
    bytes.extend(sha256);
    bytes
}

proptest! {
    /// Nothing is lost of a file of the version before: its number holds for the key it has and for any other.
    #[test]
    fn a_file_of_the_version_before_is_read_as_it_was_meant(
        state in states(),
        sequence in 0_u64..=u64::MAX - MAX_STEP,
        other in any::<[u8; 32]>(),
    ) {
        let bytes = before(&state, sequence);
                    let mut numbers = Numbers::above(sequence);
        if let Some(key) = state.key {
            numbers.take(&key, sequence);
        }
        let read = State::read(&bytes).expect("still read");
        prop_assert_eq!(read, State { key_number: 0, numbers, ..state });
        prop_assert_eq!(read.numbers.of(&other), sequence);
        for bad in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()] {
            prop_assert_eq!(State::read(bad), Err(state_error::LENGTH));
        }
        let mut altered = bytes;
        altered[100] ^= 1;
        prop_assert_eq!(State::read(&altered), Err(state_error::DIGEST));
    }
}

#[test]
fn a_key_that_used_up_all_numbers_before_there_was_a_bound_leaves_them_to_the_next() {
    let key = [7; 32];
    let state = State {
        key: Some(key),
        ..State::new(0)
    };
    let read = State::read(&before(&state, u64::MAX)).expect("read");
    assert_eq!((read.key, read.sequence()), (Some(key), u64::MAX));
    assert_eq!(read.numbers.of(&[8; 32]), 0);
}
