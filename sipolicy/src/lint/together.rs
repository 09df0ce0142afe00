//! Faults among policies that are to be in force together, and between the rules of one.

use super::Code;
use super::Finding;
use crate::by_id::ById;
use crate::document::Document;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::PolicyKind;
use crate::document::Signer;
use crate::document::SignerUse;
use policy::Options;
use std::collections::HashMap;

pub(super) fn lint(documents: &[Document], findings: &mut Vec<Finding>) {
    let mut denied_hashes = HashMap::<&[u8], (usize, &FileRule)>::new();
    let mut denied_signers = HashMap::<String, (usize, &Signer)>::new();
    for (at, document) in documents.iter().enumerate() {
        if document.kind != PolicyKind::Base {
            continue;
        }
        for rule in kernel_rules(document) {
            if rule.kind == FileRuleKind::Deny && !rule.hash.is_empty() {
                denied_hashes.entry(&rule.hash).or_insert((at, rule));
            }
        }
        for (found, signer) in kernel_signers(document, true) {
            // A denial of some files or with exceptions does not meet every grant.
            if found.exceptions.is_empty() && signer.file_attributes.is_empty() {
                denied_signers.entry(meaning(signer)).or_insert((at, signer));
            }
        }
    }
    for (at, document) in documents.iter().enumerate() {
        for rule in kernel_rules(document).filter(|rule| rule.kind == FileRuleKind::Allow) {
            if let Some((other, deny)) = denied_hashes
                .get(rule.hash.as_slice())
                .filter(|_| !rule.hash.is_empty())
            {
                let message = format!("{} allows the hash that {} denies", rule.id, deny.id);
                findings.push(clash(documents, at, *other, rule.position, message));
            }
        }
        for (found, signer) in kernel_signers(document, false) {
            if let Some((other, deny)) = denied_signers.get(&meaning(signer)) {
                let message = format!("{} allows the signer that {} denies", signer.id, deny.id);
                findings.push(clash(documents, at, *other, found.signer.position, message));
            }
        }
        if documents.len() > 1 && document.kind == PolicyKind::Supplemental {
            supplemental(documents, document, findings);
        }
    }
}

fn clash(
    documents: &[Document],
    at: usize,
    other: usize,
    position: crate::document::Position,
    message: String,
) -> Finding {
    let place = documents[at].place(position);
    if at == other {
        return Finding {
            code: Code::DeniedBeside,
            place,
            message,
        };
    }
    let message = format!("{message} in {}", documents[other].file);
    Finding {
        code: Code::Conflict,
        place,
        message,
    }
}

fn supplemental(documents: &[Document], document: &Document, findings: &mut Vec<Finding>) {
    let base = documents
        .iter()
        .find(|base| base.kind == PolicyKind::Base && base.id() == document.base_id());
    let message = match base {
        None => format!("the base policy {} is not among the policies", document.base_id()),
        Some(base) if !base.options.contains(Options::ALLOW_SUPPLEMENTAL) => {
            format!(
                "the base policy {} does not allow supplemental policies",
                base.file
            )
        }
        Some(_) => return,
    };
    findings.push(Finding {
        code: Code::NoBase,
        place: document.place(document.position),
        message,
    });
}

pub(super) fn kernel_rules(document: &Document) -> impl Iterator<Item = &FileRule> {
    let by_id = ById::of(document);
    document
        .scenarios
        .iter()
        .filter(|scenario| scenario.value == KERNEL_SCENARIO)
        .flat_map(|scenario| &scenario.product.rules)
        .filter_map(move |reference| by_id.rule(&reference.id))
}

pub(super) fn kernel_signers(
    document: &Document,
    denied: bool,
) -> impl Iterator<Item = (&SignerUse, &Signer)> {
    let by_id = ById::of(document);
    document
        .scenarios
        .iter()
        .filter(|scenario| scenario.value == KERNEL_SCENARIO)
        .flat_map(move |scenario| {
            if denied {
                &scenario.product.denied
            } else {
                &scenario.product.allowed
            }
        })
        .filter_map(move |found| Some((found, by_id.signer(&found.signer.id)?)))
}

/// Whom a signer means, apart from the files it is restricted to.
fn meaning(signer: &Signer) -> String {
    let ekus: Vec<_> = signer.ekus.iter().map(|eku| (&eku.eku.id, eku.except)).collect();
    let lower = |name: &Option<String>| name.as_ref().map(|name| name.to_lowercase());
    format!(
        "{:?} {:?} {:?} {:?} {ekus:?}",
        signer.root,
        lower(&signer.publisher),
        lower(&signer.issuer),
        lower(&signer.oem_id)
    )
}
