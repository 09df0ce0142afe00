//! What the allow rules of a policy amount to together: too broad, too narrow, or in one another's shadow.

use super::Code;
use super::Finding;
use super::document::asks_whql;
use super::together::kernel_rules;
use super::together::kernel_signers;
use crate::Document;
use crate::Knowledge;
use crate::PolicyKind;
use crate::document::CertRoot;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Position;
use crate::document::Signer;
use crate::semantics::is_wildcard;
use crate::semantics::version_range;
use policy::Options;
use policy::fold;
use std::collections::BTreeSet;
use std::collections::HashMap;

/// From this many vendors on a rule for each is more work than it is worth (the articles' own number).
const MANY_VENDORS: usize = 15;
/// Well-known id of Microsoft Code Verification Root, to which cross-signed drivers chain.
const CROSS_SIGNING_ROOT: u8 = 8;

pub(super) fn lint(documents: &[Document], knowledge: &Knowledge, findings: &mut Vec<Finding>) {
    let denies = documents.iter().any(|document| {
        kernel_rules(document).any(|rule| rule.kind == FileRuleKind::Deny)
            || kernel_signers(document, true).next().is_some()
    });
    for document in documents {
        let mut find = |code: Code, position: Position, message: String| {
            findings.push(Finding {
                code,
                place: document.place(position),
                message,
            });
        };
        age(document, knowledge, &mut find);
        whql(document, denies, &mut find);
        signers_in_shadow(document, &mut find);
        rules_in_shadow(document, &mut find);
    }
}

type Find<'f> = dyn FnMut(Code, Position, String) + 'f;

/// Finds Microsoft's blocklist in a version that is not the newest known.
fn age(document: &Document, knowledge: &Knowledge, find: &mut Find<'_>) {
    let Some(list) = knowledge.policies.iter().find(|known| known.role == "blocklist") else {
        return;
    };
    let is_list = document.name().starts_with(&list.name) || document.policy_id == Some(list.id);
    let Some(newest) = list
        .version
        .filter(|newest| is_list && document.version < *newest)
    else {
        return;
    };
    let message = format!(
        "this is Microsoft's blocklist in version {}; version {newest} was known on {}",
        document.version, knowledge.date
    );
    find(Code::BlocklistAge, document.position, message);
}

/// Finds what WHQL rules leave open, or close.
fn whql(document: &Document, denies: bool, find: &mut Find<'_>) {
    let allowed: Vec<&Signer> = kernel_signers(document, false)
        .map(|(_, signer)| signer)
        .collect();
    let (whql, others): (Vec<&Signer>, Vec<&Signer>) =
        allowed.iter().partition(|signer| asks_whql(document, signer));
    let any_vendor = |signer: &&&Signer| {
        signer.publisher.is_none() && signer.oem_id.is_none() && signer.file_attributes.is_empty()
    };
    if let Some(broad) = whql.iter().find(any_vendor).filter(|_| !denies) {
        let message = format!(
            "{} allows WHQL drivers of any vendor, and nothing is denied",
            broad.id
        );
        find(Code::NoBlocklist, broad.position, message);
    }
    let file_allows = kernel_rules(document).any(|rule| rule.kind == FileRuleKind::Allow);
    if document.kind == PolicyKind::Base
        && !document.options.contains(Options::REQUIRED_WHQL)
        && !document.options.contains(Options::ALLOW_SUPPLEMENTAL)
        && others.is_empty()
        && !file_allows
        && let Some(first) = whql.first()
    {
        let message =
            "all that is allowed must be WHQL-signed, and there is no rule for drivers that are not";
        find(Code::NoFallback, first.position, message.to_owned());
    }
    let vendors: BTreeSet<String> = whql
        .iter()
        .filter(|signer| signer.file_attributes.is_empty())
        .filter_map(|signer| signer.oem_id.as_deref().or(signer.publisher.as_deref()))
        .map(folded)
        .collect();
    if vendors.len() > MANY_VENDORS
        && let Some(first) = whql.first()
    {
        let message = format!("there are WHQLPublisher rules for {} vendors", vendors.len());
        find(Code::ManyVendors, first.position, message);
    }
    if document.options.contains(Options::REQUIRED_WHQL) {
        for signer in others
            .iter()
            .filter(|signer| signer.root == CertRoot::Wellknown(CROSS_SIGNING_ROOT))
        {
            let message = format!(
                "{} allows cross-signed drivers, and Required:WHQL is set",
                signer.id
            );
            find(Code::CrossSigned, signer.position, message);
        }
    }
}

fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// Finds signers that another one of the same list makes moot.
fn signers_in_shadow(document: &Document, find: &mut Find<'_>) {
    for denied in [false, true] {
        let mut by_root = HashMap::<String, Vec<&Signer>>::new();
        for (found, signer) in kernel_signers(document, denied) {
            // One with exceptions leaves something to others, and has a meaning of its own.
            if found.exceptions.is_empty() {
                let root = format!("{:?}", signer.root);
                by_root.entry(root).or_default().push(signer);
            }
        }
        for signers in by_root.values() {
            let broad: Vec<&Signer> = signers
                .iter()
                .copied()
                .filter(|signer| is_broad(signer))
                .collect();
            for signer in signers {
                // A bare WHQL signer has a finding of its own.
                let named = |broad: &Signer| {
                    denied
                        || !asks_whql(document, broad)
                        || broad.publisher.is_some()
                        || broad.oem_id.is_some()
                };
                let shadow = broad
                    .iter()
                    .find(|broad| broad.id != signer.id && covers(broad, signer) && named(broad));
                if let Some(broad) = shadow {
                    let message = format!("{} says no more than {}", signer.id, broad.id);
                    find(Code::Shadowed, signer.position, message);
                }
            }
        }
    }
}

/// Whether a signer means files and times without restriction.
fn is_broad(signer: &Signer) -> bool {
    signer.file_attributes.is_empty() && signer.sign_time_after.is_none()
}

/// Whether everything that `narrow` means is meant by `broad`, which is broad and has the same root. Of two that mean the
/// same the first by id covers the other.
fn covers(broad: &Signer, narrow: &Signer) -> bool {
    let name = |broad: &Option<String>, narrow: &Option<String>| {
        broad.as_deref().is_none_or(|broad| {
            narrow
                .as_deref()
                .is_some_and(|narrow| folded(narrow) == folded(broad))
        })
    };
    let ekus = |signer: &Signer| -> BTreeSet<(String, bool)> {
        signer
            .ekus
            .iter()
            .map(|eku| (eku.eku.id.clone(), eku.except))
            .collect()
    };
    let (broad_ekus, narrow_ekus) = (ekus(broad), ekus(narrow));
    let covered = name(&broad.publisher, &narrow.publisher)
        && name(&broad.issuer, &narrow.issuer)
        && name(&broad.oem_id, &narrow.oem_id)
        && (broad_ekus.is_empty() || broad_ekus == narrow_ekus);
    let same = is_broad(narrow)
        && name(&narrow.publisher, &broad.publisher)
        && name(&narrow.issuer, &broad.issuer)
        && name(&narrow.oem_id, &broad.oem_id)
        && broad_ekus == narrow_ekus;
    covered && (!same || broad.id < narrow.id)
}

/// Finds rules by name whose versions another rule of the same name covers.
fn rules_in_shadow(document: &Document, find: &mut Find<'_>) {
    let mut by_names = HashMap::<(FileRuleKind, [Option<String>; 4]), Vec<&FileRule>>::new();
    let mut seen = BTreeSet::new();
    for rule in kernel_rules(document) {
        if rule.hash.is_empty() && !rule.attributes().is_user_mode_only() && seen.insert(&rule.id) {
            let names = rule.attributes().names();
            let names = names.map(|name| name.filter(|name| !is_wildcard(name)).map(folded));
            by_names.entry((rule.kind, names)).or_default().push(rule);
        }
    }
    let range = |rule: &FileRule| version_range(rule.kind, rule.attributes()).unwrap_or((0, u64::MAX));
    for rules in by_names.values() {
        for rule in rules {
            let (low, high) = range(rule);
            let shadow = rules.iter().find(|other| {
                let (other_low, other_high) = range(other);
                other_low <= low && high <= other_high && (other_low, other_high) != (low, high)
            });
            if let Some(other) = shadow {
                let message = format!("{} covers no version that {} does not", rule.id, other.id);
                find(Code::Shadowed, rule.position, message);
            }
        }
    }
}
