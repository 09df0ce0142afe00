//! Who may change the key, how often a statement serves, and what a change leaves as it was.

use crate::Gate;
use crate::power_cut_tests::at_every_cut;
use crate::process::Files;
use crate::process::Process;
use crate::signed_tests::ZEROS;
use crate::signed_tests::again;
use crate::signed_tests::ask_key;
use crate::signed_tests::key_request;
use crate::signed_tests::provisioned;
use crate::signed_tests::public;
use crate::signed_tests::send_key;
use crate::signed_tests::signed;
use crate::signed_tests::signer;
use crate::state::State;
use crate::state::tests::before;
use crate::store_tests::in_force;
use crate::store_tests::restarted;
use crate::store_tests::roll_back;
use crate::store_tests::set;
use crate::store_tests::sha256;
use crate::testing::push;
use crate::testing::status;
use proptest::prelude::*;
use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::key_error;
use protocol::message::Request;
use protocol::message::push_error;
use protocol::report::StoredFile;
use protocol::rising::MAX_STEP;
use std::string::ToString;
use std::vec::Vec;

#[test]
fn only_the_old_key_makes_way_for_a_new_one() {
    let gate = provisioned();
    let (mine, next) = (signer(1), public(&signer(2)));
    let refused = |outcome: KeyOutcome, error: u32| {
        assert_eq!((outcome.error.get(), outcome.key), (error, public(&mine)));
        assert_eq!(status(&gate).key, public(&mine));
    };
    let without = KeyRequest {
        signature: [0; 64],
        ..key_request(&mine, 1, next)
    };
    refused(send_key(&gate, &without), key_error::SIGNATURE);
    refused(ask_key(&gate, Some(&signer(2)), next), key_error::SIGNATURE);
    refused(ask_key(&gate, None, ZEROS), key_error::SIGNATURE);
    // A statement for another key, and one with another number.
    let mut other = key_request(&mine, 1, public(&signer(3)));
    other.key = next;
    refused(send_key(&gate, &other), key_error::SIGNATURE);
    let mut other = key_request(&mine, 1, next);
    other.number = 2.into();
    refused(send_key(&gate, &other), key_error::SIGNATURE);
    // No point of the curve, and one of small order.
    let mut none = [0; 32];
    none[0] = 2;
    let mut small = [0; 32];
    small[0] = 1;
    for weak in [none, small] {
        refused(ask_key(&gate, Some(&mine), weak), key_error::WEAK_KEY);
    }
    gate.host().limit_changes(Some(1));
    let outcome = ask_key(&gate, Some(&mine), next);
    assert_ne!(outcome.persisted.get(), 0);
    refused(outcome, key_error::NOT_KEPT);
    gate.host().limit_changes(None);

    push(&gate, &signed(&mine, 9, &set(1)));
    let outcome = ask_key(&gate, Some(&mine), next);
    assert_eq!((outcome.error.get(), outcome.key), (0, next));
    let gate = again(&gate);
    assert_eq!(status(&gate).key, next);
    assert_eq!(push(&gate, &signed(&signer(2), 1, &set(2))).error.get(), 0);
    assert_eq!(ask_key(&gate, Some(&signer(2)), ZEROS).error.get(), 0);
    assert_eq!(push(&gate, &set(3)).error.get(), 0);
    assert_eq!(status(&again(&gate)).set_sha256, sha256(&set(3)));
}

#[test]
fn whenever_power_fails_the_old_key_or_the_new_one_holds_and_the_set_stays() {
    let mine = signer(1);
    let first = key_request(&mine, 7, public(&signer(2)));
    let files = {
        let gate = provisioned();
        push(&gate, &signed(&mine, 5, &set(1)));
        gate.host().stored()
    };
    let (mut olds, mut news) = (0, 0);
    at_every_cut(
        &files,
        |gate| assert_eq!(send_key(gate, &first).error.get(), 0),
        |gate| {
            let found = status(gate);
            let is_new = found.key == public(&signer(2));
            assert!(is_new || found.key == public(&mine));
            assert_eq!(
                found.key_number.get(),
                if is_new { 7 } else { 0 },
                "never one without the other"
            );
            assert_eq!(found.key_sequence.get(), if is_new { 0 } else { 5 });
            assert_eq!(
                found.set_sha256,
                sha256(&set(1)),
                "the set in force is the same before and after"
            );
            olds += usize::from(!is_new);
            news += usize::from(is_new);
        },
    );
    assert!(olds > 100 && news > 0);
}

/// The first signed set comes over one that no key vouches for: whenever power fails, one of the two is in force.
#[test]
fn a_power_cut_at_the_first_push_under_a_new_key_leaves_no_gap() {
    let (mine, next) = (signer(1), signer(2));
    let unsigned = {
        let gate = restarted(Files::new());
        push(&gate, &set(1));
        ask_key(&gate, None, public(&next));
        gate.host().stored()
    };
    let foreign = {
        let gate = provisioned();
        push(&gate, &signed(&mine, 5, &set(1)));
        ask_key(&gate, Some(&mine), public(&next));
        gate.host().stored()
    };
    for files in [unsigned, foreign] {
        let (mut olds, mut news) = (0, 0);
        at_every_cut(
            &files,
            |gate| assert_eq!(push(gate, &signed(&next, 3, &set(2))).error.get(), 0),
            |gate| {
                let found = status(gate);
                let is_new = found.set_sha256 == sha256(&set(2));
                assert!(is_new || found.set_sha256 == sha256(&set(1)));
                olds += usize::from(!is_new);
                news += usize::from(is_new);
                assert_eq!(found.key_sequence.get(), if is_new { 3 } else { 0 });
            },
        );
        assert!(olds > 100 && news > 0, "{olds} {news}");
    }
}

#[test]
fn a_change_of_the_key_keeps_the_set_in_force() {
    let (mine, next) = (signer(1), signer(2));
    // Provisioned over an unsigned set, then replaced, removed, provisioned again: at every start in between it is there.
    let mut gate = restarted(Files::new());
    push(&gate, &set(1));
    let changes = [
        (None, public(&mine)),
        (Some(&mine), public(&next)),
        (Some(&next), ZEROS),
        (None, public(&mine)),
    ];
    for (old, new) in changes {
        assert_eq!(ask_key(&gate, old, new).error.get(), 0);
        for _ in 0..2 {
            gate = again(&gate);
            assert_eq!((status(&gate).key, in_force(&gate)), (new, sha256(&set(1))));
            assert_eq!(status(&gate).failures.restoring.get(), 0);
        }
    }
    // It is that set alone which needs no signature: not another one in its place, and not itself once another came.
    let active = StoredFile::Active.name().to_string();
    let with_active = |gate: &Gate<Process>, bytes: Vec<u8>| {
        let mut files = gate.host().stored();
        files.insert(active.clone(), bytes);
        in_force(&restarted(files))
    };
    assert_eq!(with_active(&gate, set(2)), ZEROS);
    assert_eq!(
        push(&gate, &set(1)).error.get(),
        push_error::UNSIGNED,
        "no push comes in by that"
    );
    assert_eq!(push(&gate, &signed(&mine, 1, &set(2))).error.get(), 0);
    assert_eq!(roll_back(&gate).error.get(), push_error::UNSIGNED);
    assert_eq!(with_active(&gate, set(1)), ZEROS);

    // Signed by the key before.
    let gate = provisioned();
    push(&gate, &signed(&mine, 5, &set(1)));
    push(&gate, &signed(&mine, 6, &set(2)));
    ask_key(&gate, Some(&mine), public(&next));
    let gate = again(&again(&gate));
    assert_eq!(in_force(&gate), sha256(&set(2)));
    assert_eq!(
        roll_back(&gate).error.get(),
        push_error::SIGNATURE,
        "nor back to the old key's"
    );
    assert_eq!(in_force(&gate), sha256(&set(2)));
}

/// The way back is to the one set before the one in force, whatever happened to the key since it was laid down.
#[test]
fn no_set_before_the_one_before_comes_back() {
    let mine = signer(1);
    let gate = provisioned();
    let first = signed(&mine, 1, &set(1));
    push(&gate, &first);
    push(&gate, &signed(&mine, 2, &set(2)));
    ask_key(&gate, Some(&mine), ZEROS);
    push(&gate, &set(3));
    ask_key(&gate, None, public(&mine));
    let mut files = gate.host().stored();
    files.insert(StoredFile::Previous.name().to_string(), first);
    let gate = restarted(files);
    assert_eq!(roll_back(&gate).error.get(), push_error::SEQUENCE);
    assert_eq!(in_force(&gate), sha256(&set(3)));
}

/// What is written around a set that a start takes without its signature says nothing.
#[test]
fn a_head_that_nobody_vouches_for_raises_no_number() {
    let (mine, next) = (signer(1), signer(2));
    let gate = provisioned();
    push(&gate, &signed(&mine, 5, &set(1)));
    ask_key(&gate, Some(&mine), public(&next));
    let mut files = gate.host().stored();
    files.insert(
        StoredFile::Active.name().to_string(),
        signed(&mine, MAX_STEP, &set(1)),
    );
    let gate = restarted(files);
    assert_eq!(
        (in_force(&gate), status(&gate).key_sequence.get()),
        (sha256(&set(1)), 0)
    );
    assert_eq!(push(&gate, &signed(&next, 1, &set(2))).error.get(), 0);
}

#[test]
fn a_number_is_above_the_last_one_and_within_the_step() {
    let (mine, next) = (signer(1), signer(2));
    let gate = provisioned();
    let ask = |old: &_, number, new| {
        let outcome = send_key(&gate, &key_request(old, number, public(new)));
        (outcome.error.get(), outcome.number.get())
    };
    assert_eq!(ask(&mine, 0, &next), (key_error::NUMBER, 0));
    assert_eq!(ask(&mine, MAX_STEP + 1, &next), (key_error::STEP, 0));
    assert_eq!(ask(&mine, u64::MAX, &next), (key_error::STEP, 0));
    assert_eq!(
        ask(&mine, 1_800_000_000, &next),
        (0, 1_800_000_000),
        "seconds since 1970 on a new machine"
    );
    assert_eq!(
        ask(&next, 1_800_000_000, &mine),
        (key_error::NUMBER, 1_800_000_000)
    );
    assert_eq!(
        ask(&next, 1_799_999_999, &mine),
        (key_error::NUMBER, 1_800_000_000)
    );
    assert_eq!(
        ask(&next, 1_800_000_000 + MAX_STEP, &mine),
        (0, 1_800_000_000 + MAX_STEP)
    );
    // Provisioning, for which nobody signs, leaves it,
    assert_eq!(ask_key(&gate, Some(&mine), ZEROS).error.get(), 0);
    let highest = 1_800_000_001 + MAX_STEP;
    assert_eq!(ask_key(&gate, None, public(&mine)).number.get(), highest);
    assert_eq!(status(&again(&gate)).key_number.get(), highest);
    // or raises it: what the key has signed elsewhere up to then is worth nothing here.
    assert_eq!(ask_key(&gate, Some(&mine), ZEROS).error.get(), 0);
    let numbered = |number: u64| {
        let asked = KeyRequest {
            request: Request::new(),
            number: number.into(),
            key: public(&mine),
            signature: [0; 64],
        };
        send_key(&gate, &asked).error.get()
    };
    assert_eq!(numbered(highest + 1), key_error::NUMBER);
    assert_eq!(numbered(highest + 2 + MAX_STEP), key_error::STEP);
    assert_eq!(status(&gate).key, ZEROS);
    assert_eq!(numbered(highest + 50), 0);
    assert_eq!(ask(&mine, highest + 50, &next), (key_error::NUMBER, highest + 50));
    assert_eq!(ask(&mine, highest + 51, &next), (0, highest + 51));
}

#[test]
fn no_key_uses_up_the_numbers_of_sets() {
    let (mine, next) = (signer(1), signer(2));
    let gate = provisioned();
    for (number, error) in [
        (u64::MAX, push_error::STEP),
        (MAX_STEP + 1, push_error::STEP),
        (MAX_STEP, 0),
        (u64::MAX, push_error::STEP),
        (2 * MAX_STEP, 0),
        (2 * MAX_STEP, push_error::SEQUENCE),
    ] {
        assert_eq!(
            push(&gate, &signed(&mine, number, &set(1))).error.get(),
            error,
            "{number:#x}"
        );
    }
    // The next key's start anew, by rotation and by removal; the old key's are where they were.
    ask_key(&gate, Some(&mine), public(&next));
    assert_eq!(push(&gate, &signed(&next, 1, &set(2))).error.get(), 0);
    ask_key(&gate, Some(&next), ZEROS);
    // Without a key nobody looks at numbers, and they count for nothing.
    assert_eq!(push(&gate, &signed(&signer(3), u64::MAX, &set(3))).error.get(), 0);
    ask_key(&gate, None, public(&signer(3)));
    assert_eq!(push(&gate, &signed(&signer(3), 1, &set(4))).error.get(), 0);
    ask_key(&gate, Some(&signer(3)), public(&mine));
    let gate = again(&gate);
    assert_eq!(status(&gate).key_sequence.get(), 2 * MAX_STEP);
    let old = push(&gate, &signed(&mine, 2 * MAX_STEP, &set(1)));
    assert_eq!(old.error.get(), push_error::SEQUENCE);
    assert_eq!(
        push(&gate, &signed(&mine, 2 * MAX_STEP + 1, &set(5))).error.get(),
        0
    );
}

/// However many keys come in between, and whoever brings them.
#[test]
fn a_key_that_comes_back_does_not_bring_its_old_sets() {
    for others in [1, 6, 7, 8, 9, 23] {
        let mine = signer(1);
        let mut gate = provisioned();
        let old = signed(&mine, 40, &set(1));
        assert_eq!(push(&gate, &old).error.get(), 0);
        assert_eq!(ask_key(&gate, Some(&mine), ZEROS).error.get(), 0);
        for other in 2..2 + others {
            assert_eq!(ask_key(&gate, None, public(&signer(other))).error.get(), 0);
            let first = status(&gate).key_sequence.get() + 1;
            assert_eq!(
                push(&gate, &signed(&signer(other), first, &set(2))).error.get(),
                0
            );
            assert_eq!(ask_key(&gate, Some(&signer(other)), ZEROS).error.get(), 0);
            gate = again(&gate);
        }
        assert_eq!(ask_key(&gate, None, public(&mine)).error.get(), 0);
        for number in [1, 39, 40] {
            let outcome = push(&gate, &signed(&mine, number, &set(3)));
            assert_eq!(outcome.error.get(), push_error::SEQUENCE, "{others} others");
        }
        let next = status(&gate).key_sequence.get() + 1;
        assert!((41..100).contains(&next));
        assert_eq!(push(&gate, &signed(&mine, next, &set(3))).error.get(), 0);
    }
}

#[test]
fn what_the_driver_before_this_one_left_is_taken_over() {
    let mine = signer(1);
    let gate = provisioned();
    push(&gate, &signed(&mine, 4, &set(1)));
    push(&gate, &signed(&mine, 5, &set(2)));
    let mut files = gate.host().stored();
    let state = StoredFile::State.name();
    let kept = State::read(&files[state]).expect("a state");
    files.insert(state.to_string(), before(&kept, 5));
    let gate = restarted(files);
    assert_eq!(
        (status(&gate).key, in_force(&gate)),
        (public(&mine), sha256(&set(2)))
    );
    assert_eq!(
        push(&gate, &signed(&mine, 5, &set(3))).error.get(),
        push_error::SEQUENCE
    );
    // Its numbers held for every key: one that was replaced before is not known here.
    ask_key(&gate, Some(&mine), public(&signer(2)));
    let gate = again(&gate);
    let outcome = push(&gate, &signed(&signer(2), 5, &set(3)));
    assert_eq!(outcome.error.get(), push_error::SEQUENCE);
    assert_eq!(push(&gate, &signed(&signer(2), 6, &set(3))).error.get(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Over any row of changes and restarts, no statement serves twice, and none that an accepted one has overtaken.
    #[test]
    fn no_statement_serves_twice(steps in prop::collection::vec((0_u8..4, 0_u8..4, 1_u64..40, any::<u8>()), 1..24)) {
        let mut gate = restarted(Files::new());
        let mut signed: Vec<KeyRequest> = Vec::new();
        let mut highest = 0;
        for (step, new, number, pick) in steps {
            let key = status(&gate).key;
            let new = if new == 0 { ZEROS } else { public(&signer(new)) };
            let old = (1..4).map(signer).find(|old| public(old) == key);
            match (step, old) {
                (0, _) => gate = again(&gate),
                // Nobody signs; the number may be left out.
                (_, None) => {
                    let number = if pick < 128 { 0 } else { number };
                    let request = KeyRequest {
                        number: number.into(),
                        signature: [0; 64],
                        ..key_request(&signer(1), number, new)
                    };
                    let is_taken = send_key(&gate, &request).error.get() == 0;
                    prop_assert_eq!(is_taken, number == 0 || number > highest);
                    highest = highest.max(number);
                }
                // One that was signed once and sent then or not.
                (1, _) if !signed.is_empty() => {
                    let request = signed[usize::from(pick) % signed.len()];
                    let number = request.number.get();
                    let is_taken = send_key(&gate, &request).error.get() == 0;
                    prop_assert!(!is_taken || number > highest);
                    highest = if is_taken { number } else { highest };
                }
                (_, Some(old)) => {
                    let request = key_request(&old, number, new);
                    signed.push(request);
                    if step == 2 {
                        let is_taken = send_key(&gate, &request).error.get() == 0;
                        prop_assert_eq!(is_taken, number > highest);
                        highest = highest.max(number);
                    }
                }
            }
            prop_assert_eq!(status(&gate).key_number.get(), highest);
            // Whatever was recorded so far and is not above: again, all of it.
            let key = status(&gate).key;
            for request in signed.iter().filter(|request| request.number.get() <= highest) {
                if key != ZEROS {
                    prop_assert_ne!(send_key(&gate, request).error.get(), 0);
                    prop_assert_eq!(status(&gate).key, key);
                }
            }
        }
    }
}
