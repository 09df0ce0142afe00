//! Who may have made a signature whose scheme and key are of kinds that nobody here knows, as signatures of the future are.

extern crate std;

use std::vec::Vec;

use crate::Identity;
use crate::testing::Pe;
use crate::testing::certificates::Spec;
use crate::testing::certificates::key_info;
use crate::testing::messages::Message;
use crate::testing::rsa_key;
use crate::testing::signed::AUTHORITY;
use crate::testing::signed::AUTHORITY_KEY;
use crate::testing::signed::LEAF_KEY;
use crate::testing::signed::OTHER_KEY;
use crate::testing::signed::authority;
use crate::testing::signed::digest;
use crate::testing::signed::file_with;
use crate::testing::signed::leaf;
use crate::testing::signed::with_evidence;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const UNKNOWN: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x61];

/// The key as one of an unknown kind.
fn unknown_key(bits: usize) -> Vec<u8> {
    let mut info = key_info(rsa_key(bits));
    let place = info.windows(RSA.len()).position(|window| window == RSA).unwrap();
    info[place..place + RSA.len()].copy_from_slice(UNKNOWN);
    info
}

/// Who signed, by a signature of an unknown kind.
fn identity(leaf: &Spec, certificates: &[Vec<u8>]) -> Identity {
    let mut message = Message::over(&digest(&Pe::default()), leaf, certificates).build(&[]);
    // The signer's scheme stands behind everything else.
    let place = message
        .windows(RSA.len())
        .rposition(|window| window == RSA)
        .unwrap();
    message[place..place + RSA.len()].copy_from_slice(UNKNOWN);
    with_evidence(&file_with(&[message]), |evidence| {
        evidence.signatures.present().unwrap()[0].identity
    })
}

#[test]
fn a_leaf_of_an_unknown_kind_is_who_it_says_unless_its_authority_says_otherwise() {
    let unknown = |leaf: Spec| Spec {
        key_info: Some(unknown_key(LEAF_KEY)),
        ..leaf
    };
    let issued = unknown(leaf());
    // Issued by an authority that can be asked, and by one of an unknown kind too.
    assert_eq!(
        identity(&issued, &[authority().issue(), issued.issue()]),
        Identity::Claimed
    );
    let beyond = Spec {
        key_info: Some(unknown_key(AUTHORITY_KEY)),
        ..authority()
    };
    assert_eq!(
        identity(&issued, &[beyond.issue(), issued.issue()]),
        Identity::Claimed
    );
    // Issued by none that is at hand: the key may have been put into it.
    assert_eq!(identity(&issued, &[issued.issue()]), Identity::Unproven);

    // A genuine leaf with a few bits changed: its authority did not issue that.
    let changed = unknown(Spec::leaf("Contoso Ltd", LEAF_KEY, AUTHORITY, OTHER_KEY));
    assert_eq!(
        identity(&changed, &[authority().issue(), changed.issue()]),
        Identity::Unproven
    );
    // Key and scheme that do not belong together.
    assert_eq!(
        identity(&leaf(), &[authority().issue(), leaf().issue()]),
        Identity::Unproven
    );
}
