//! Timestamps: which of them prove a time.

extern crate std;

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Fact;
use crate::SignatureFault;
use crate::Timestamp;
use crate::Unreadable;
use crate::oid;
use crate::testing::certificates::CLOCK_ROOT;
use crate::testing::certificates::CODE_ROOT;
use crate::testing::certificates::Spec;
use crate::testing::messages;
use crate::testing::messages::token;
use crate::testing::signed::changed;
use crate::testing::signed::fault;
use crate::testing::signed::file_with;
use crate::testing::signed::message;
use crate::testing::signed::timestamp_authority;
use crate::testing::signed::with_evidence;

#[test]
fn timestamps_count_with_a_chain_of_their_own() {
    let message = message();
    let signature = message.signature();
    let clock = timestamp_authority();
    let time = "20250601120000Z";
    let timestamp = |attributes: &[Vec<u8>]| {
        let file = file_with(&[message.build(attributes)]);
        with_evidence(&file, |evidence| {
            let found = &evidence.signatures.present().unwrap()[0];
            assert_eq!(found.fault, None, "a bad timestamp leaves the signature alone");
            found
                .timestamp
                .map(|timestamp| (timestamp.rfc3161, timestamp.time))
        })
    };
    let good = token(&signature, time, &clock, &[clock.issue()]);
    assert_eq!(
        timestamp(core::slice::from_ref(&good)),
        Fact::Present((true, 1_748_779_200))
    );

    let unproven = Fact::Unreadable(Unreadable::Unproven);
    let info_time = changed(&good, b"20250601120000Z", b"20150601120000Z");
    assert_eq!(timestamp(&[info_time]), unproven, "the time was changed");
    let elsewhere = token(b"another signature", time, &clock, &[clock.issue()]);
    assert_eq!(
        timestamp(&[elsewhere]),
        unproven,
        "it vouches for another signature"
    );
    let late = token(&signature, "20310601120000Z", &clock, &[clock.issue()]);
    assert_eq!(timestamp(&[late]), unproven, "its certificate had ended");
    let no_clock = Spec {
        ekus: vec![oid::EKU_CODE_SIGNING],
        ..clock.clone()
    };
    assert_eq!(
        timestamp(&[token(&signature, time, &no_clock, &[no_clock.issue()])]),
        unproven,
        "no timestamp authority"
    );

    // The vendor's own clock.
    let own = Spec {
        issuer: "Contoso Root".to_string(),
        signed_by: 1024,
        ..clock.clone()
    };
    let own_root = Spec::authority("Contoso Root", 1024, "Contoso Root", 1024).issue();
    assert_eq!(
        timestamp(&[token(&signature, time, &own, &[own.issue(), own_root])]),
        unproven,
        "private authority"
    );
    // A good one beside a bad one counts.
    let bad = token(b"another", time, &clock, &[clock.issue()]);
    assert_eq!(timestamp(&[bad, good]), Fact::Present((true, 1_748_779_200)));
}

/// Each timestamp has the signature hashed, and no signature has megabytes.
#[test]
fn no_time_is_proven_for_a_signature_longer_than_any_in_use() {
    let mut message = message();
    let clock = timestamp_authority();
    message.certificates.push(clock.issue());
    let time = |length: usize, is_stamped: bool| {
        let signature = vec![5; length];
        let counter = messages::countersignature(&signature, "250601120000Z", &clock);
        let attributes = if is_stamped { vec![counter] } else { vec![] };
        let file = file_with(&[message.build_with(&signature, &attributes)]);
        with_evidence(&file, |evidence| {
            evidence.signatures.present().unwrap()[0].timestamp
        })
    };
    let expected = Timestamp {
        rfc3161: false,
        time: 1_748_779_200,
    };
    assert_eq!(time(64 << 10, true), Fact::Present(expected));
    assert_eq!(time((64 << 10) + 1, true), Fact::Unreadable(Unreadable::Unproven));
    assert_eq!(time((64 << 10) + 1, false), Fact::Absent);
}

#[test]
fn older_timestamps_are_countersignatures() {
    let mut message = message();
    let clock = timestamp_authority();
    message.certificates.push(clock.issue());
    let signature = message.signature();
    let counter = messages::countersignature(&signature, "250601120000Z", &clock);
    for (attribute, expected) in [
        (counter.clone(), Fact::Present(1_748_779_200)),
        (
            changed(&counter, b"250601120000Z", b"150601120000Z"),
            Fact::Unreadable(Unreadable::Unproven),
        ),
        (
            messages::countersignature(b"other", "250601120000Z", &clock),
            Fact::Unreadable(Unreadable::Unproven),
        ),
    ] {
        with_evidence(&file_with(&[message.build(&[attribute])]), |evidence| {
            let timestamp = evidence.signatures.present().unwrap()[0].timestamp;
            assert_eq!(timestamp.map(|timestamp| timestamp.time), expected);
        });
    }
}

/// VeriSign's and Symantec's time stamping services leave the DigestInfo out. Nobody else may.
#[test]
fn only_countersignatures_may_leave_the_digest_info_out() {
    let mut message = message();
    let clock = timestamp_authority();
    message.certificates.push(clock.issue());
    let mut counter = messages::clock_message(&message.signature(), "250601120000Z", &clock);
    counter.bare = true;
    let timestamp = |attribute| {
        with_evidence(&file_with(&[message.build(&[attribute])]), |evidence| {
            let timestamp = evidence.signatures.present().unwrap()[0].timestamp;
            timestamp.map(|timestamp| timestamp.time)
        })
    };
    assert_eq!(
        timestamp(counter.countersignature()),
        Fact::Present(1_748_779_200)
    );
    counter.weak = true;
    assert_eq!(
        timestamp(counter.countersignature()),
        Fact::Unreadable(Unreadable::Unproven),
        "a digest that proves nothing"
    );

    let mut bare = message;
    bare.bare = true;
    assert_eq!(fault(bare.build(&[])), Some(SignatureFault::SignerSignature));
}

/// Microsoft's list says of each root what it may vouch for, and until when.
#[test]
fn a_root_that_vouches_for_no_times_proves_none() {
    let message = message();
    let signature = message.signature();
    let timestamp = |root: &str, time| {
        let clock = Spec {
            issuer: root.to_string(),
            ..timestamp_authority()
        };
        let attribute = token(&signature, time, &clock, &[clock.issue()]);
        with_evidence(&file_with(&[message.build(&[attribute])]), |evidence| {
            let timestamp = evidence.signatures.present().unwrap()[0].timestamp;
            timestamp.map(|timestamp| timestamp.time)
        })
    };
    let unproven = Fact::Unreadable(Unreadable::Unproven);
    assert_eq!(timestamp(CODE_ROOT, "20240601120000Z"), unproven);
    assert_eq!(
        timestamp(CLOCK_ROOT, "20240601120000Z"),
        Fact::Present(1_717_243_200)
    );
    assert_eq!(
        timestamp(CLOCK_ROOT, "20250601120000Z"),
        unproven,
        "it was disabled"
    );
}
