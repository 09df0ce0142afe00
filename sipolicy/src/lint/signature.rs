//! Faults of the envelope that a signed policy came in.

use super::Code;
use super::Finding;
use crate::document::Document;
use crate::signature::SignatureState;

pub(super) fn lint(document: &Document, findings: &mut Vec<Finding>) {
    let Some(signature) = &document.signature else {
        return;
    };
    let code = match signature.state {
        SignatureState::Broken(_) => Code::BrokenSignature,
        SignatureState::Unverified(_) | SignatureState::ChainUnproven(_) => Code::UnprovenSignature,
        SignatureState::Holds => return,
    };
    findings.push(Finding {
        code,
        place: document.place(document.position),
        message: signature.to_string(),
    });
}
