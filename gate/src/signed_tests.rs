//! Signed sets: what a provisioned key lets in, at a push, at start and on the way back, and who may change the key.

use crate::Gate;
use crate::power_cut_tests::at_every_cut;
use crate::process::Files;
use crate::process::Process;
use crate::store_tests::restarted;
use crate::store_tests::roll_back;
use crate::store_tests::set;
use crate::store_tests::sha256;
use crate::testing::push;
use crate::testing::send;
use crate::testing::status;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::KeyStatement;
use protocol::envelope::Envelope;
use protocol::envelope::MAGIC;
use protocol::envelope::Statement;
use protocol::envelope::VERSION;
use protocol::ioctl;
use protocol::message::Request;
use protocol::message::push_error;
use protocol::report::StoredFile;
use std::string::ToString;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

pub const ZEROS: [u8; 32] = [0; 32];

pub fn signer(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn public(signer: &SigningKey) -> [u8; 32] {
    signer.verifying_key().to_bytes()
}

/// A set in its envelope.
pub fn signed(signer: &SigningKey, sequence: u64, set: &[u8]) -> Vec<u8> {
    let length = set.len() as u64;
    let statement = Statement::new(sequence, length, sha256(set));
    let envelope = Envelope {
        magic: MAGIC,
        version: VERSION.into(),
        reserved: [0; 2],
        sequence: sequence.into(),
        length: length.into(),
        signature: signer.sign(statement.as_bytes()).to_bytes(),
    };
    [envelope.as_bytes(), set].concat()
}

/// A request for a key that the old one signed with this number.
pub fn key_request(old: &SigningKey, number: u64, new: [u8; 32]) -> KeyRequest {
    let statement = KeyStatement::new(number, public(old), new);
    KeyRequest {
        request: Request::new(),
        number: number.into(),
        key: new,
        signature: old.sign(statement.as_bytes()).to_bytes(),
    }
}

/// Asks for a key, with the signature of the old one and the next number if there is one.
pub fn ask_key(gate: &Gate<Process>, old: Option<&SigningKey>, new: [u8; 32]) -> KeyOutcome {
    let unsigned = KeyRequest {
        request: Request::new(),
        number: 0.into(),
        key: new,
        signature: [0; 64],
    };
    let number = status(gate).key_number.get() + 1;
    send_key(gate, &old.map_or(unsigned, |old| key_request(old, number, new)))
}

pub fn send_key(gate: &Gate<Process>, asked: &KeyRequest) -> KeyOutcome {
    let answer = send(gate, ioctl::KEY, asked.as_bytes(), size_of::<KeyOutcome>()).expect("an outcome");
    KeyOutcome::read_from_bytes(&answer).expect("its size")
}

/// A gate whose key is `signer(1)`'s.
pub fn provisioned() -> Gate<Process> {
    let gate = restarted(Files::new());
    let outcome = ask_key(&gate, None, public(&signer(1)));
    assert_eq!((outcome.error.get(), outcome.persisted.get()), (0, 0));
    gate
}

pub fn again(gate: &Gate<Process>) -> Gate<Process> {
    restarted(gate.host().stored())
}

#[test]
fn with_a_key_only_its_newer_sets_come_in() {
    let gate = provisioned();
    let mine = signer(1);
    let refused = |what: &[u8], error: u32| {
        let before = status(&gate).set_sha256;
        let outcome = push(&gate, what);
        assert_eq!((outcome.error.get(), outcome.set_sha256), (error, before));
    };
    refused(&set(1), push_error::UNSIGNED);
    refused(&signed(&signer(2), 1, &set(1)), push_error::SIGNATURE);
    refused(&signed(&mine, 0, &set(1)), push_error::SEQUENCE);
    assert_eq!(push(&gate, &signed(&mine, 5, &set(1))).error.get(), 0);
    assert_eq!(status(&gate).set_sequence.get(), 5);
    refused(&signed(&mine, 5, &set(2)), push_error::SEQUENCE);
    refused(&signed(&mine, 5, &set(1)), push_error::SEQUENCE);
    refused(&signed(&mine, 4, &set(2)), push_error::SEQUENCE);
    refused(&set(2), push_error::UNSIGNED);
    // Another set under the same head.
    let head = size_of::<Envelope>();
    let other = [&signed(&mine, 6, &set(2))[..head], &set(3)[..]].concat();
    refused(&other, push_error::SIGNATURE);
    let good = signed(&mine, 6, &set(2));
    for index in 0..head {
        let mut bad = good.clone();
        bad[index] ^= 1;
        let outcome = push(&gate, &bad);
        let expected = match index {
            0..4 => push_error::UNSIGNED,
            4..8 | 16..24 => push_error::ENVELOPE,
            _ => push_error::SIGNATURE,
        };
        assert_eq!(outcome.error.get(), expected, "byte {index}");
    }
    for length in 4..head {
        assert_eq!(push(&gate, &good[..length]).error.get(), push_error::ENVELOPE);
    }
    // Signed, and no set: its own fault is told.
    let nonsense = push(&gate, &signed(&mine, 6, b"nonsense"));
    assert!((1..100).contains(&nonsense.error.get()));
    assert_eq!(push(&gate, &good).error.get(), 0);
    assert_eq!(status(&gate).set_sha256, sha256(&set(2)));
}

#[test]
fn without_a_key_an_envelope_is_opened_and_kept() {
    let gate = restarted(Files::new());
    let outcome = push(&gate, &signed(&signer(1), 9, &set(1)));
    assert_eq!((outcome.error.get(), outcome.set_sha256), (0, sha256(&set(1))));
    assert_eq!(push(&gate, &signed(&signer(2), 3, &set(2))).error.get(), 0);
    // The key that comes then finds its own set in force: nothing older comes in.
    assert_eq!(ask_key(&gate, None, public(&signer(2))).error.get(), 0);
    assert_eq!(
        push(&gate, &signed(&signer(2), 3, &set(3))).error.get(),
        push_error::SEQUENCE
    );
    let gate = again(&gate);
    assert_eq!(status(&gate).set_sha256, sha256(&set(2)));
    assert_eq!(push(&gate, &signed(&signer(2), 4, &set(3))).error.get(), 0);
}

#[test]
fn a_restart_believes_no_more_than_a_push() {
    let mine = signer(1);
    let gate = provisioned();
    push(&gate, &signed(&mine, 1, &set(1)));
    push(&gate, &signed(&mine, 2, &set(2)));
    push(&gate, &signed(&mine, 3, &set(3)));
    let files = gate.host().stored();
    assert_eq!(status(&restarted(files.clone())).set_sha256, sha256(&set(3)));
    let active = StoredFile::Active.name().to_string();
    let with_active = |bytes: Vec<u8>| {
        let mut files = files.clone();
        files.insert(active.clone(), bytes);
        status(&restarted(files)).set_sha256
    };
    // Whoever gets at the file puts nothing else there: not a bare set, not a foreign or an old one, nor one whose number is out of
    // reach. The one before the last is the one step back, which is always open.
    assert_eq!(with_active(set(4)), sha256(&set(2)));
    assert_eq!(with_active(signed(&mine, 3, &set(4))), sha256(&set(2)));
    assert_eq!(with_active(signed(&mine, u64::MAX, &set(4))), sha256(&set(2)));
    assert_eq!(with_active(signed(&signer(2), 9, &set(4))), sha256(&set(2)));
    assert_eq!(with_active(signed(&mine, 1, &set(1))), sha256(&set(2)));
    assert_eq!(with_active(signed(&mine, 2, &set(2))), sha256(&set(2)));
    assert_eq!(with_active(signed(&mine, 4, &set(4))), sha256(&set(4)));
}

#[test]
fn a_rollback_leaves_the_sequence_number_where_it_was() {
    let mine = signer(1);
    let gate = provisioned();
    push(&gate, &signed(&mine, 1, &set(1)));
    push(&gate, &signed(&mine, 7, &set(2)));
    let outcome = roll_back(&gate);
    assert_eq!((outcome.error.get(), outcome.set_sha256), (0, sha256(&set(1))));
    let gate = again(&gate);
    assert_eq!(
        status(&gate).set_sha256,
        sha256(&set(1)),
        "the last good set is found again"
    );
    assert_eq!(status(&gate).set_sequence.get(), 1);
    for sequence in [1, 2, 7] {
        let outcome = push(&gate, &signed(&mine, sequence, &set(3)));
        assert_eq!(outcome.error.get(), push_error::SEQUENCE);
    }
    assert_eq!(push(&gate, &signed(&mine, 8, &set(3))).error.get(), 0);
    let gate = again(&gate);
    assert_eq!(roll_back(&gate).set_sha256, sha256(&set(1)));
}

#[test]
fn a_way_back_that_could_not_be_kept_is_not_taken_for_one() {
    let mine = signer(1);
    let gate = provisioned();
    push(&gate, &signed(&mine, 1, &set(1)));
    push(&gate, &signed(&mine, 2, &set(2)));
    gate.host().limit_changes(Some(0));
    let outcome = roll_back(&gate);
    assert_eq!((outcome.error.get(), outcome.set_sha256), (0, sha256(&set(1))));
    assert_ne!(outcome.persisted.get(), 0);
    gate.host().limit_changes(None);
    gate.save_at_stop();
    let gate = again(&gate);
    let found = status(&gate);
    assert_eq!(
        (found.set_sha256, found.failures.restoring.get()),
        (sha256(&set(2)), 0)
    );
}

#[test]
fn there_is_no_way_back_to_an_unsigned_set() {
    let mine = signer(1);
    let gate = restarted(Files::new());
    push(&gate, &set(1));
    ask_key(&gate, None, public(&mine));
    assert_eq!(
        status(&gate).set_sha256,
        sha256(&set(1)),
        "in force until something signed comes"
    );
    push(&gate, &signed(&mine, 1, &set(2)));
    assert_eq!(roll_back(&gate).error.get(), push_error::UNSIGNED);
    assert_eq!(status(&gate).set_sha256, sha256(&set(2)));
}

#[test]
fn a_signed_set_that_cannot_be_kept_is_not_taken() {
    let mine = signer(1);
    for room in 0..5 {
        let gate = provisioned();
        push(&gate, &signed(&mine, 1, &set(1)));
        gate.host().limit_changes(Some(room));
        let outcome = push(&gate, &signed(&mine, 2, &set(2)));
        assert_eq!(outcome.error.get(), push_error::NOT_KEPT, "room for {room}");
        assert_eq!(outcome.set_sha256, sha256(&set(1)));
        gate.host().limit_changes(None);
        assert_eq!(push(&gate, &signed(&mine, 2, &set(2))).error.get(), 0);
        assert_eq!(status(&again(&gate)).set_sha256, sha256(&set(2)));
    }
}

/// Whenever power fails, the old set or the new one is found, and no set older than the one found comes in.
#[test]
fn a_power_cut_opens_no_way_for_an_old_set() {
    let mine = signer(1);
    let files = {
        let gate = provisioned();
        push(&gate, &signed(&mine, 1, &set(1)));
        push(&gate, &signed(&mine, 2, &set(2)));
        gate.host().stored()
    };
    let (mut olds, mut news) = (0, 0);
    at_every_cut(
        &files,
        |gate| assert_eq!(push(gate, &signed(&mine, 3, &set(3))).error.get(), 0),
        |gate| {
            let found = status(gate);
            let sequence = found.set_sequence.get();
            match sequence {
                2 => assert_eq!(found.set_sha256, sha256(&set(2))),
                3 => assert_eq!(found.set_sha256, sha256(&set(3))),
                other => panic!("neither the old set nor the new one, but number {other}"),
            }
            olds += usize::from(sequence == 2);
            news += usize::from(sequence == 3);
            assert_eq!(found.key, public(&mine));
            let outcome = push(gate, &signed(&mine, sequence, &set(4)));
            assert_eq!(outcome.error.get(), push_error::SEQUENCE);
            if sequence == 3 {
                assert_eq!(
                    roll_back(gate).set_sha256,
                    sha256(&set(2)),
                    "the way back is open"
                );
                assert_eq!(status(&again(gate)).set_sha256, sha256(&set(2)));
            }
            let outcome = push(gate, &signed(&mine, 4, &set(5)));
            assert_eq!(outcome.error.get(), 0);
        },
    );
    assert!(olds > 100 && news > 0, "{olds} {news}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is pushed, rolled back and restarted, the highest number accepted never goes down.
    #[test]
    fn the_sequence_number_only_grows(
        steps in prop::collection::vec((0_u8..4, 1_u64..12, 1_u8..6), 1..14),
    ) {
        let mine = signer(1);
        let mut gate = provisioned();
        let mut highest = 0;
        for (step, sequence, mark) in steps {
            match step {
                0 => gate = again(&gate),
                1 => {
                    let _ = roll_back(&gate);
                }
                _ => {
                    let outcome = push(&gate, &signed(&mine, sequence, &set(mark)));
                    prop_assert_eq!(outcome.error.get() == 0, sequence > highest);
                    if outcome.error.get() == 0 {
                        highest = sequence;
                    }
                }
            }
            prop_assert_eq!(gate.state().sequence(), highest);
        }
    }
}
