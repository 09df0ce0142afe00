//! What the allow rules of a policy amount to together: too broad, too narrow, or in one another's shadow.

use super::Code;
use super::Finding;
use super::document::asks_whql;
use super::together::kernel_rules;
use super::together::kernel_signers;
use crate::by_id::ById;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Signer;
use crate::knowledge::Knowledge;
use crate::semantics::is_wildcard;
use crate::semantics::version_range;
use policy::Options;
use policy::fold;
use std::cmp::Reverse;
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
    let by_id = ById::of(document);
    let allowed: Vec<&Signer> = kernel_signers(document, false)
        .map(|(_, signer)| signer)
        .collect();
    let (whql, others): (Vec<&Signer>, Vec<&Signer>) =
        allowed.iter().partition(|signer| asks_whql(&by_id, signer));
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

/// Whom a signer means, apart from files and times; `None` for whatever it does not ask for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Meant<'d> {
    root: &'d CertRoot,
    publisher: Option<String>,
    issuer: Option<String>,
    oem: Option<String>,
    ekus: BTreeSet<(&'d str, bool)>,
}

impl<'d> Meant<'d> {
    fn of(signer: &'d Signer) -> Self {
        let folded = |name: &Option<String>| name.as_deref().map(folded);
        Self {
            root: &signer.root,
            publisher: folded(&signer.publisher),
            issuer: folded(&signer.issuer),
            oem: folded(&signer.oem_id),
            ekus: signer
                .ekus
                .iter()
                .map(|eku| (eku.eku.id.as_str(), eku.except))
                .collect(),
        }
    }

    /// What means all of this and maybe more: with each of its demands, or without.
    fn broader(&self) -> impl Iterator<Item = Self> + '_ {
        (0..16_u8).map(|kept| {
            let name = |bit: u8, name: &Option<String>| name.clone().filter(|_| kept & bit == 0);
            Self {
                root: self.root,
                publisher: name(1, &self.publisher),
                issuer: name(2, &self.issuer),
                oem: name(4, &self.oem),
                ekus: if kept & 8 == 0 {
                    self.ekus.clone()
                } else {
                    BTreeSet::new()
                },
            }
        })
    }
}

/// Finds signers that another one of the same list makes moot.
fn signers_in_shadow(document: &Document, find: &mut Find<'_>) {
    let by_id = ById::of(document);
    for denied in [false, true] {
        // One with exceptions leaves something to others, and has a meaning of its own.
        let alone = || kernel_signers(document, denied).filter(|(found, _)| found.exceptions.is_empty());
        let mut broad = HashMap::<Meant<'_>, &str>::new();
        for (_, signer) in alone() {
            let names_vendor = signer.publisher.is_some() || signer.oem_id.is_some();
            // A bare WHQL signer has a finding of its own.
            let counts = denied || names_vendor || !asks_whql(&by_id, signer);
            if counts && signer.file_attributes.is_empty() && signer.sign_time_after.is_none() {
                broad.entry(Meant::of(signer)).or_insert(&signer.id);
            }
        }
        for (_, signer) in alone() {
            let meant = Meant::of(signer);
            // Of several that mean the same the first stands.
            let other = |meant| broad.get(&meant).filter(|id| **id != signer.id);
            if let Some(broad) = meant.broader().find_map(other) {
                let message = format!("{} says no more than {broad}", signer.id);
                find(Code::Shadowed, signer.position, message);
            }
        }
    }
}

/// Finds rules by name whose versions another rule of the same name covers.
fn rules_in_shadow(document: &Document, find: &mut Find<'_>) {
    let mut by_names = HashMap::<(FileRuleKind, [Option<String>; 4]), Vec<(u64, u64, &FileRule)>>::new();
    for rule in kernel_rules(document) {
        if rule.hash.is_empty() && !rule.attributes().is_user_mode_only() {
            let names = rule.attributes().names();
            let names = names.map(|name| name.filter(|name| !is_wildcard(name)).map(folded));
            let (low, high) = version_range(rule.kind, rule.attributes()).unwrap_or((0, u64::MAX));
            by_names
                .entry((rule.kind, names))
                .or_default()
                .push((low, high, rule));
        }
    }
    for mut rules in by_names.into_values() {
        rules.sort_by_key(|(low, high, _)| (*low, Reverse(*high)));
        // The one before that reaches highest, and of those the lowest: if any covers a rule, it does.
        let mut widest: Option<(u64, u64, &FileRule)> = None;
        for (low, high, rule) in rules {
            match widest {
                Some((other_low, other_high, other)) if high <= other_high => {
                    // Two of the same range are duplicates, which have a finding of their own.
                    if (other_low, other_high) != (low, high) {
                        let message = format!("{} covers no version that {} does not", rule.id, other.id);
                        find(Code::Shadowed, rule.position, message);
                    }
                }
                _ => widest = Some((low, high, rule)),
            }
        }
    }
}
