//! What requests get: the generation, checks, events, versions.

use crate::Gate;
use crate::gate_tests::DRIVER;
use crate::gate_tests::decision;
use crate::gate_tests::load;
use crate::gate_tests::number;
use crate::gate_tests::records;
use crate::gate_tests::weigh;
use crate::host::NtStatus;
use crate::intake::SLOTS;
use crate::process::Content;
use crate::process::Process;
use crate::testing::events_after;
use crate::testing::gate;
use crate::testing::image;
use crate::testing::policy_set;
use crate::testing::push;
use crate::testing::request;
use crate::testing::send;
use crate::testing::status;
use policy::Reason;
use proptest::prelude::*;
use protocol::event::MAX_RECORD;
use protocol::event::tag;
use protocol::ioctl;
use protocol::message::PullRequest;
use protocol::message::Pulled;
use protocol::message::Request;
use std::vec::Vec;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

/// The set in force, pulled in pieces.
pub fn pulled(gate: &Gate<Process>) -> Vec<u8> {
    let mut set = Vec::new();
    loop {
        let asked = PullRequest {
            request: Request::new(),
            offset: (set.len() as u64).into(),
        };
        let answer = send(gate, ioctl::PULL, asked.as_bytes(), size_of::<Pulled>() + 100).expect("a piece");
        let (head, piece) = Pulled::read_from_prefix(&answer).expect("a head");
        set.extend_from_slice(piece);
        if set.len() as u64 == head.total.get() {
            return set;
        }
        assert!(!piece.is_empty());
    }
}

#[test]
fn a_check_is_made_with_the_requestors_rights_and_is_an_event() {
    let gate = gate();
    let bytes = image(1);
    push(&gate, &policy_set(&[("Deny", &bytes)]));
    gate.host().put(
        DRIVER,
        Content {
            bytes: bytes.clone(),
            ..Content::default()
        },
    );
    let name: Vec<u8> = DRIVER.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let answer = send(&gate, ioctl::CHECK, &request(&name), MAX_RECORD).expect("a record");
    let found = records(&answer);
    assert_eq!(decision(&found[0]).1, Reason::ExplicitlyDenied);
    let (_, emitted) = events_after(&gate, found[0].head.sequence.get() - 1);
    assert_eq!(emitted, answer);

    gate.host().put(
        DRIVER,
        Content {
            bytes,
            is_private: true,
            ..Content::default()
        },
    );
    let answer = send(&gate, ioctl::CHECK, &request(&name), MAX_RECORD).expect("a record");
    let record = &records(&answer)[0];
    assert_eq!(number(record, tag::STATUS), Some(0xc000_0022));
    assert_eq!(decision(record).1, Reason::EvidenceIo);
    assert_eq!(
        weigh(&gate, DRIVER, |record| decision(record).1),
        Reason::ExplicitlyDenied,
        "the kernel itself may read it"
    );

    for (bad, expected) in [
        (&name[..name.len() - 1], NtStatus::INVALID_PARAMETER),
        (&[][..], NtStatus::OBJECT_NAME_INVALID),
        (&[0, 0][..], NtStatus::OBJECT_NAME_INVALID),
        (&[65; 2000][..], NtStatus::NAME_TOO_LONG),
    ] {
        assert_eq!(
            send(&gate, ioctl::CHECK, &request(bad), MAX_RECORD),
            Err(expected)
        );
    }
    assert_eq!(
        send(&gate, ioctl::CHECK, &request(&name), MAX_RECORD - 1),
        Err(NtStatus::BUFFER_TOO_SMALL)
    );
}

#[test]
fn readers_that_fall_behind_learn_how_much_they_missed() {
    let gate = gate();
    gate.host().put(
        DRIVER,
        Content {
            bytes: image(1),
            ..Content::default()
        },
    );
    let mut seen = 0;
    let mut lost = 0;
    let mut after = 0;
    for round in 0..40 {
        for base in 0..SLOTS as u64 {
            load(&gate, DRIVER, base);
        }
        while gate.work() {}
        if round % 13 == 0 {
            loop {
                let (head, bytes) = events_after(&gate, after);
                seen += records(&bytes).len() as u64;
                lost += head.lost.get();
                after = head.last.get();
                if head.count.get() == 0 {
                    break;
                }
            }
        }
    }
    let (head, bytes) = events_after(&gate, after);
    let counts = status(&gate);
    assert_eq!(
        seen + records(&bytes).len() as u64 + lost + head.lost.get(),
        counts.events_emitted.get()
    );
    assert!(
        lost + head.lost.get() > 0,
        "the ring is smaller than what was emitted"
    );
    assert!(counts.events_overwritten.get() >= lost);
}

#[test]
fn pushes_loads_and_readers_at_once() {
    let gate = gate();
    let sets = [1, 2].map(|mark| policy_set(&[("Allow", &image(mark))]));
    gate.host().put(
        DRIVER,
        Content {
            bytes: image(1),
            ..Content::default()
        },
    );
    std::thread::scope(|scope| {
        for set in &sets {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(push(&gate, set).error.get(), 0)));
        }
        scope.spawn(|| (0..500).for_each(|base| load(&gate, DRIVER, base)));
        let worker = scope.spawn(|| {
            while !gate.is_stopping() {
                while gate.work() {}
                gate.host().wait();
            }
        });
        let mut after = 0;
        while status(&gate).generation.get() < 100 || status(&gate).loads_seen.get() < 500 {
            let (head, bytes) = events_after(&gate, after);
            for record in records(&bytes) {
                assert!(record.head.sequence.get() > after);
                after = record.head.sequence.get();
            }
            assert_eq!(after.max(head.last.get()), head.last.get());
        }
        gate.stop();
        assert!(worker.join().is_ok());
    });
    assert_eq!(status(&gate).generation.get(), 100);
    assert!(sets.contains(&pulled(&gate)));
}

#[test]
fn versions_are_negotiated_and_others_refused() {
    let gate = gate();
    let hello = |oldest: u16, newest: u16| {
        let asked = protocol::message::HelloRequest {
            oldest: oldest.into(),
            newest: newest.into(),
            reserved: 0.into(),
        };
        send(&gate, ioctl::HELLO, asked.as_bytes(), 64)
    };
    let answer = hello(0, 9).expect("a version");
    assert_eq!(answer[..2], protocol::VERSION.to_le_bytes());
    let ours = protocol::VERSION;
    assert_eq!(hello(ours + 1, 9), Err(NtStatus::REVISION_MISMATCH));
    assert_eq!(hello(0, ours - 1), Err(NtStatus::REVISION_MISMATCH));
    assert_eq!(hello(9, 0), Err(NtStatus::REVISION_MISMATCH));
    let mut old = request(&[]);
    old[0] = 99;
    assert_eq!(
        send(&gate, ioctl::STATUS, &old, 4096),
        Err(NtStatus::REVISION_MISMATCH)
    );
    assert_eq!(
        send(&gate, 0x8a11_6400, &request(&[]), 4096),
        Err(NtStatus::INVALID_DEVICE_REQUEST)
    );
}

/// A later build gives what is reserved a meaning; who uses it must not be told that it was done.
#[test]
fn what_is_reserved_must_be_zero() {
    let path = r"\??\C:\driver.sys";
    let seeds = crate::besieged::seeds(&crate::besieged::Besieged::new(gate()), path);
    for (code, input, _) in seeds {
        let gate = gate();
        let content = Content {
            bytes: image(1),
            ..Content::default()
        };
        gate.host().put(path, content);
        let head = if code == ioctl::HELLO { 4..8 } else { 2..8 };
        let more = if code == ioctl::EVENTS { 20..24 } else { 0..0 };
        for at in head.chain(more) {
            let mut bad = input.clone();
            bad[at] ^= 0x80;
            assert_eq!(
                send(&gate, code, &bad, 1 << 16),
                Err(NtStatus::INVALID_PARAMETER),
                "{code:#x} {at}"
            );
        }
        let mut buffer = input.clone();
        buffer.resize(1 << 16, 0);
        let good = gate.dispatch(code, &mut buffer, input.len(), 1 << 16);
        let status = good.completion().map(|completion| completion.status);
        assert!(
            matches!(status, None | Some(NtStatus::SUCCESS)),
            "{code:#x} {status:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a requestor sends, nothing but a valid push changes what is in force, and the gate goes on answering.
    #[test]
    fn no_request_without_a_valid_push_changes_the_state(
        code in prop_oneof![
            prop::sample::select(ioctl::ALL.map(|(code, _)| code).to_vec()),
            any::<u32>(),
        ],
        versioned in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..200),
        output in prop_oneof![0_usize..200, Just(MAX_RECORD + 64)],
    ) {
        let gate = gate();
        let set = policy_set(&[]);
        push(&gate, &set);
        let input = if versioned { request(&body) } else { body };
        let _ = send(&gate, code, &input, output);
        prop_assert_eq!(status(&gate).generation.get(), 1);
        prop_assert_eq!(pulled(&gate), set);
    }
}
