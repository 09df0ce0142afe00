//! The trust class of a file, by its signatures and at a time.

extern crate std;

use std::vec;
use std::vec::Vec;

use crate::Fact;
use crate::SignatureFault;
use crate::Trust;
use crate::TrustClass;
use crate::testing::Pe;
use crate::testing::certificates::Spec;
use crate::testing::messages;
use crate::testing::messages::Message;
use crate::testing::messages::nested;
use crate::testing::messages::token;
use crate::testing::signed::LEAF_KEY;
use crate::testing::signed::authority;
use crate::testing::signed::digest;
use crate::testing::signed::file_with;
use crate::testing::signed::leaf;
use crate::testing::signed::message;
use crate::testing::signed::timestamp_authority;
use crate::testing::signed::with_evidence;

/// A signature of a lifetime-signing certificate ends with it, timestamp or not; of any other it does not.
#[test]
fn signatures_end_with_the_certificate_only_where_it_says_so() {
    // 2030-01-01, when the tests' certificates end.
    const END: i64 = 1_893_456_000;
    let image = digest(&Pe::default());
    let plain = leaf();
    let mut lifetime = leaf();
    lifetime.ekus.push(crate::usage::LIFETIME_SIGNING);
    for (spec, expected) in [(plain, None), (lifetime, Some(SignatureFault::LifetimeEnded))] {
        let message = Message::over(&image, &spec, &[authority().issue(), spec.issue()]);
        let clock = timestamp_authority();
        let stamp = token(&message.signature(), "20250601120000Z", &clock, &[clock.issue()]);
        with_evidence(&file_with(&[message.build(&[stamp])]), |evidence| {
            assert!(
                evidence.signatures.present().unwrap()[0]
                    .timestamp
                    .present()
                    .is_some()
            );
            let before = Trust::of(&evidence.at(END)).present().unwrap();
            assert_eq!((before.class, before.fault), (TrustClass::OtherRoot, None));
            assert_eq!(Trust::of(evidence).present(), Some(before));
            let after = Trust::of(&evidence.at(END + 1)).present().unwrap();
            assert_eq!(after.fault, expected);
            assert_eq!(after.class == TrustClass::Invalid, expected.is_some());
        });
    }
}

#[test]
fn the_trust_class_is_that_of_the_best_signature() {
    let trust = |table: Vec<u8>| {
        with_evidence(
            &Pe {
                table,
                ..Pe::default()
            }
            .build(),
            Trust::of,
        )
    };
    let message = message();
    let own = Spec::leaf("Contoso Ltd", LEAF_KEY, "Contoso Ltd", LEAF_KEY);
    let self_signed = Message::over(&digest(&Pe::default()), &own, &[own.issue()]);
    let wrong = Message::over(&[3; 32], &leaf(), &message.certificates);
    let class = |class, signature, fault| {
        Fact::Present(Trust {
            class,
            signature,
            fault,
        })
    };

    assert_eq!(trust(vec![]), class(TrustClass::Unsigned, None, None));
    let invalid = class(TrustClass::Invalid, Some(0), Some(SignatureFault::ImageDigest));
    assert_eq!(trust(messages::table(&[wrong.build(&[])])), invalid);
    let alone = trust(messages::table(&[self_signed.build(&[])]));
    assert_eq!(alone, class(TrustClass::SelfSigned, Some(0), None));
    let all = [wrong.build(&[nested(&self_signed)]), message.build(&[])];
    assert_eq!(
        trust(messages::table(&all)),
        class(TrustClass::OtherRoot, Some(2), None)
    );
}
