//! What the parts of a document are called in the merged policy.

use super::references::with_macros;
use crate::document::FileRule;
use crate::document::Reference;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use std::collections::HashMap;
use std::collections::HashSet;

/// What an id of a document is called in the merged policy. Every reference has a target: `references::check` saw to it.
pub(super) type Names = HashMap<String, String>;

pub(super) fn renamed(names: &Names, id: &str) -> String {
    names.get(id).map_or_else(|| id.to_owned(), Clone::clone)
}

pub(super) fn rename(names: &Names, reference: &Reference) -> Reference {
    Reference {
        position: reference.position,
        id: renamed(names, &reference.id),
    }
}

/// The names of one document's parts.
#[derive(Default)]
pub(super) struct AllNames {
    pub(super) macros: Names,
    pub(super) ekus: Names,
    pub(super) rules: Names,
    pub(super) artifacts: Names,
    pub(super) signers: Names,
    pub(super) scenarios: Names,
}

/// A file rule with what it refers to as it is called in the merged policy; its own id stays.
pub(super) fn with_names(rule: &FileRule, names: &AllNames) -> FileRule {
    let mut rule = rule.clone();
    if let Some(attributes) = &mut rule.attributes {
        if let Some(id) = &mut attributes.require_hotpatch_id {
            *id = renamed(&names.rules, id);
        }
        if let Some(app_ids) = &mut attributes.app_ids {
            *app_ids = with_macros(app_ids, |name| renamed(&names.macros, name));
        }
    }
    rule
}

pub(super) fn add_references(to: &mut Vec<Reference>, from: &[Reference], names: &Names) {
    let mut known: HashSet<String> = to.iter().map(|reference| reference.id.clone()).collect();
    for reference in from {
        let reference = rename(names, reference);
        if known.insert(reference.id.clone()) {
            to.push(reference);
        }
    }
}

pub(super) fn add_group(to: &mut SignerGroup, from: &SignerGroup, signers: &Names, rules: &Names) {
    for (to, from) in [(&mut to.allowed, &from.allowed), (&mut to.denied, &from.denied)] {
        let key = |found: &SignerUse| {
            let mut exceptions: Vec<String> = found.exceptions.iter().map(|found| found.id.clone()).collect();
            exceptions.sort_unstable();
            (found.signer.id.clone(), exceptions)
        };
        let mut known: HashSet<_> = to.iter().map(key).collect();
        for found in from {
            let found = SignerUse {
                signer: rename(signers, &found.signer),
                exceptions: found
                    .exceptions
                    .iter()
                    .map(|exception| rename(rules, exception))
                    .collect(),
            };
            if known.insert(key(&found)) {
                to.push(found);
            }
        }
    }
    add_references(&mut to.rules, &from.rules, rules);
}
