//! Images signed by the vendor of the tests, and what comes out when they are examined.

extern crate std;

use std::string::String;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use crate::Digests;
use crate::Evidence;
use crate::Findings;
use crate::Options;
use crate::SignatureFault;
use crate::SignatureSource;
use crate::Workspace;
use crate::examine;
use crate::oid;
use crate::testing::Pe;
use crate::testing::certificates::ROOT;
use crate::testing::certificates::ROOT_KEY;
use crate::testing::certificates::Spec;
use crate::testing::facts;
use crate::testing::messages::Message;
use crate::testing::messages::table;

pub(crate) const AUTHORITY: &str = "Contoso Code Signing CA";

pub(crate) const AUTHORITY_KEY: usize = 1040;

pub(crate) const LEAF_KEY: usize = 1056;

pub(crate) const OTHER_KEY: usize = 1072;

pub(crate) fn authority() -> Spec {
    Spec::authority(AUTHORITY, AUTHORITY_KEY, ROOT, ROOT_KEY)
}

pub(crate) fn leaf() -> Spec {
    Spec::leaf("Contoso Ltd", LEAF_KEY, AUTHORITY, AUTHORITY_KEY)
}

pub(crate) fn timestamp_authority() -> Spec {
    Spec {
        serial: 9,
        ekus: vec![oid::EKU_TIME_STAMPING],
        ..Spec::new("Clock", OTHER_KEY, ROOT, ROOT_KEY)
    }
}

/// The digests of an image that carries a table of any content.
pub(crate) fn digests(pe: &Pe) -> Digests {
    let file = Pe {
        table: vec![0; 8],
        ..pe.clone()
    }
    .build();
    facts(&file).1
}

/// Its SHA-256.
pub(crate) fn digest(pe: &Pe) -> Vec<u8> {
    digests(pe).sha256.unwrap().to_vec()
}

pub(crate) fn message() -> Message {
    Message::over(
        &digest(&Pe::default()),
        &leaf(),
        &[authority().issue(), leaf().issue()],
    )
}

pub(crate) fn file_with(signatures: &[Vec<u8>]) -> Vec<u8> {
    Pe {
        table: table(signatures),
        ..Pe::default()
    }
    .build()
}

pub(crate) fn with_evidence<R>(file: &[u8], look: impl FnOnce(&Evidence<'_>) -> R) -> R {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap();
    look(&evidence)
}

/// What the tests compare of a signature.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) source: SignatureSource,
    pub(crate) digest_valid: bool,
    pub(crate) signature_valid: bool,
    pub(crate) fault: Option<SignatureFault>,
    pub(crate) chain: Vec<String>,
    pub(crate) root_verified: bool,
}

pub(crate) fn outcomes(file: &[u8]) -> Vec<Outcome> {
    with_evidence(file, |evidence| {
        let signatures = evidence.signatures.present().unwrap().iter();
        signatures
            .map(|signature| Outcome {
                source: signature.source,
                digest_valid: signature.digest_valid,
                signature_valid: signature.signature_valid,
                fault: signature.fault,
                chain: signature
                    .chain
                    .iter()
                    .map(|c| c.subject_cn.present().unwrap().to_string())
                    .collect(),
                root_verified: signature.root.verified,
            })
            .collect()
    })
}

pub(crate) fn fault(signature: Vec<u8>) -> Option<SignatureFault> {
    let outcomes = outcomes(&file_with(&[signature]));
    assert_eq!(outcomes.len(), 1);
    assert_eq!(
        outcomes[0].fault.is_none(),
        outcomes[0].digest_valid && outcomes[0].signature_valid
    );
    outcomes[0].fault
}

/// The message with every occurrence of `from` in its bytes turned into `to`.
pub(crate) fn changed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let places: Vec<usize> = (0..=bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}
