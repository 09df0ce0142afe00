//! What is large in a signature is worked on once, whatever number of other things it could belong to.

extern crate std;

use std::time::Duration;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use crate::testing::Pe;
use crate::testing::certificates::Spec;
use crate::testing::messages::Message;
use crate::testing::messages::clock_message;
use crate::testing::signed::LEAF_KEY;
use crate::testing::signed::OTHER_KEY;
use crate::testing::signed::authority;
use crate::testing::signed::digest;
use crate::testing::signed::file_with;
use crate::testing::signed::leaf;
use crate::testing::signed::timestamp_authority;
use crate::testing::signed::with_evidence;

/// The time that a file takes, without what disturbed one run or the other.
fn time_of(file: &[u8]) -> Duration {
    let run = || {
        let begun = Instant::now();
        with_evidence(file, |evidence| {
            assert_eq!(evidence.signatures.present().unwrap().len(), 1);
        });
        begun.elapsed()
    };
    (0..5).map(|_| run()).min().unwrap()
}

/// Others that bear the name of a certificate, and did not sign.
fn namesakes(of: &Spec, key: usize, count: usize) -> Vec<Vec<u8>> {
    let namesake = |index| Spec {
        subject: std::format!("Namesake {index}"),
        key,
        ..of.clone()
    };
    (0..count).map(|index| namesake(index).issue()).collect()
}

#[test]
fn signed_attributes_are_read_and_hashed_once_for_all_certificates_that_a_signer_names() {
    let image = digest(&Pe::default());
    // An attribute of a type that nobody knows, without values.
    let many = [0x30, 0x06, 0x06, 0x02, 0x2a, 0x03, 0x31, 0x00].repeat(350_000);
    let signed = |count| {
        let certificates = [
            namesakes(&leaf(), OTHER_KEY, count),
            vec![authority().issue(), leaf().issue()],
        ]
        .concat();
        let mut message = Message::over(&image, &leaf(), &certificates);
        message.signed_attributes = vec![many.clone()];
        file_with(&[message.build(&[])])
    };
    let stamped = |count| {
        let clock = timestamp_authority();
        let certificates = [
            namesakes(&clock, LEAF_KEY, count),
            vec![clock.issue(), authority().issue(), leaf().issue()],
        ]
        .concat();
        let message = Message::over(&image, &leaf(), &certificates);
        let mut clock = clock_message(&message.signature(), "200101000000Z", &clock);
        clock.signed_attributes.push(many.clone());
        file_with(&[message.build(&[clock.countersignature()])])
    };
    for file in [&signed as &dyn Fn(usize) -> Vec<u8>, &stamped] {
        let (few, crowd) = (time_of(&file(1)), time_of(&file(50)));
        assert!(crowd < few * 5, "{few:?} {crowd:?}");
    }
}
