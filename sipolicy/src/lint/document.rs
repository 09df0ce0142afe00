//! Faults of one document.

mod scenarios;
mod signers;

use super::Code;
use super::Finding;
use crate::by_id::ById;
use crate::describe::file_rule;
use crate::document::Document;
use crate::document::Eku;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::SINGLE_POLICY_TYPE;
use crate::document::Signer;
use crate::hex;
use crate::knowledge::Knowledge;
use crate::options::OPTIONS;
use crate::semantics::is_wildcard;
use policy::EKU_WHQL;
use policy::Options;
use std::collections::HashMap;
use std::collections::HashSet;

/// Bits of the options that have a meaning in a supplemental policy.
const SUPPLEMENTAL_OPTIONS: u32 = 1 << 18 | 1 << 19 | 1 << 27 | 1 << 4 | 1 << 11;
/// `Disabled:Flight Signing`.
const FLIGHT_SIGNING_DISABLED: Options = Options(1 << 17);
/// Well-known id of the root of flight signing.
const FLIGHT_ROOT: u8 = 0x0e;
/// `Required:EV Signers`.
const EV_SIGNERS: Options = Options(1 << 21);
/// As many denied signers one list of a scenario may have: above that Microsoft's `ConvertFrom-CIPolicy` fails
/// (MicrosoftDocs/WDAC-Toolkit issue 269, magicsword-io/LOLDrivers issue 334).
pub const MAX_DENIED_SIGNERS: usize = 255;

/// Lists of denied signers that are too long for Microsoft's policy compiler: where each goes beyond, its scenario and its length.
pub fn too_many_denied_signers(document: &Document) -> impl Iterator<Item = (Position, &str, usize)> {
    document.scenarios.iter().flat_map(|scenario| {
        let groups = [
            Some(&scenario.product),
            scenario.artifact.as_ref(),
            scenario.test.as_ref(),
            scenario.test_signing.as_ref(),
        ];
        groups.into_iter().flatten().filter_map(|group| {
            let beyond = group.denied.get(MAX_DENIED_SIGNERS)?;
            Some((beyond.signer.position, scenario.id.as_str(), group.denied.len()))
        })
    })
}

pub(super) fn lint(document: &Document, knowledge: &Knowledge, findings: &mut Vec<Finding>) {
    let mut linter = Linter {
        document,
        knowledge,
        findings,
        by_id: ById::of(document),
        used: HashSet::new(),
    };
    linter.notes();
    linter.ekus();
    linter.signers();
    for scenario in &document.scenarios {
        linter.scenario(scenario);
    }
    linter.policy();
    linter.file_rules();
    linter.unreferenced();
}

/// Whether a rule by this well-known root can be decided. 00 stands for any signature.
fn has_key(root: u8) -> bool {
    root == 0 || evidence::wellknown_roots_with_keys().any(|known| known == root)
}

/// The hash algorithm that the name of a rule says last, and the length of its hashes in bytes. Microsoft's tools write
/// `a.sys Hash Sha256` and `a.sys Hash Page Sha1`.
fn label(name: &str) -> Option<(&'static str, usize)> {
    const LABELS: [(&str, usize); 4] = [("SHA-1", 20), ("SHA-256", 32), ("SHA-384", 48), ("SHA-512", 64)];
    let words = name.rsplit(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    words.into_iter().find_map(|word| {
        let word = word.replace('-', "");
        let mut labels = LABELS.into_iter();
        labels.find(|(label, _)| label.replace('-', "").eq_ignore_ascii_case(&word))
    })
}

/// Whether a signer asks for the WHQL key usage.
pub(super) fn asks_whql(by_id: &ById<'_>, signer: &Signer) -> bool {
    signer.ekus.iter().filter(|eku| !eku.except).any(|cert_eku| {
        let value = by_id.eku(&cert_eku.eku.id).and_then(Eku::encoded);
        value.is_some_and(|value| hex::oid_content(&value) == Some(EKU_WHQL))
    })
}

struct Linter<'d, 'f> {
    document: &'d Document,
    knowledge: &'f Knowledge,
    findings: &'f mut Vec<Finding>,
    by_id: ById<'d>,
    /// Ids that something refers to.
    used: HashSet<&'d str>,
}

impl<'d> Linter<'d, '_> {
    fn find(&mut self, code: Code, position: Position, message: impl Into<String>) {
        self.findings.push(Finding {
            code,
            place: self.document.place(position),
            message: message.into(),
        });
    }

    fn notes(&mut self) {
        let forbidden: HashSet<(Position, &str)> = self
            .document
            .forbidden
            .iter()
            .map(|note| (note.position, note.message.as_str()))
            .collect();
        for note in &self.document.notes {
            let code = if forbidden.contains(&(note.position, note.message.as_str())) {
                Code::Forbidden
            } else {
                Code::Assumed
            };
            self.find(code, note.position, note.message.clone());
        }
    }

    /// Notes a reference, and one that points nowhere.
    fn refer(&mut self, reference: &'d Reference, there: bool, what: &str) {
        self.used.insert(&reference.id);
        if !there {
            self.find(
                Code::Dangling,
                reference.position,
                format!("no {what} has the ID {}", reference.id),
            );
        }
    }

    fn duplicates(&mut self, references: &[Reference]) {
        let mut seen = HashSet::new();
        for reference in references {
            if !seen.insert(&reference.id) {
                self.find(
                    Code::DuplicateReference,
                    reference.position,
                    format!("{} is referred to a second time", reference.id),
                );
            }
        }
    }

    fn policy(&mut self) {
        let document = self.document;
        let signers = document
            .update_policy_signers
            .iter()
            .chain(&document.ci_signers)
            .chain(&document.supplemental_policy_signers);
        for reference in signers {
            let there = self.by_id.signer(&reference.id).is_some();
            self.refer(reference, there, "signer");
        }
        let at = document.position;
        let unsigned = document.options.contains(Options::UNSIGNED_POLICY);
        if !unsigned && document.update_policy_signers.is_empty() {
            self.find(
                Code::NoUpdateSigner,
                at,
                "the policy may be unsigned by no option and updated by no signer",
            );
        }
        if !unsigned
            && document.kind == PolicyKind::Base
            && document.options.contains(Options::ALLOW_SUPPLEMENTAL)
            && document.supplemental_policy_signers.is_empty()
        {
            let message = "the signed policy allows supplementals and names nobody who may sign them";
            self.find(Code::NoSupplementalSigner, at, message);
        }
        for (position, scenario, count) in too_many_denied_signers(document) {
            let message =
                format!("{scenario} denies {count} signers; this one is beyond {MAX_DENIED_SIGNERS}");
            self.find(Code::ManyDeniedSigners, position, message);
        }
        if document.options.contains(FLIGHT_SIGNING_DISABLED) && !has_key(FLIGHT_ROOT) {
            self.find(Code::FlightRoot, at, "Disabled:Flight Signing is set");
        }
        if document.kind == PolicyKind::Supplemental {
            if SINGLE_POLICY_TYPE.parse().ok() == Some(document.base_id()) {
                let message = format!("the supplemental policy extends {SINGLE_POLICY_TYPE}");
                self.find(Code::SingleFormBase, at, message);
            }
            for option in OPTIONS
                .iter()
                .filter(|option| document.options.0 & (1 << option.bit) != 0)
            {
                if SUPPLEMENTAL_OPTIONS & (1 << option.bit) == 0 {
                    let message = format!("the supplemental policy sets {}", option.name);
                    self.find(Code::SupplementalOption, at, message);
                }
            }
            if !document.supplemental_policy_signers.is_empty() {
                self.find(
                    Code::SupplementalOption,
                    at,
                    "the supplemental policy has SupplementalPolicySigners",
                );
            }
        }
        if document.options.contains(EV_SIGNERS) {
            self.find(Code::EvSigners, at, "Required:EV Signers is set");
        }
        let kernel = document
            .scenarios
            .iter()
            .any(|scenario| scenario.value == KERNEL_SCENARIO);
        if !kernel && document.kind == PolicyKind::Base {
            self.find(Code::NoKernelScenario, at, "there is no scenario of value 131");
        }
        if document.info_id().is_empty() {
            self.find(
                Code::NoEventName,
                at,
                "there is no PolicyInfo/Information/Id setting",
            );
        }
    }

    fn file_rules(&mut self) {
        let mut seen = HashMap::<String, &str>::new();
        for rule in &self.document.file_rules {
            let attributes = rule.attributes();
            if rule.kind == FileRuleKind::Deny {
                let maximum = attributes.maximum_version.filter(|version| version.0 != 0);
                match (attributes.minimum_version, maximum) {
                    (Some(minimum), None) => self.find(
                        Code::DenyMinimum,
                        rule.position,
                        format!("{} denies version {minimum} and older ones", rule.id),
                    ),
                    (None, Some(maximum)) => self.find(
                        Code::DenyMaximum,
                        rule.position,
                        format!("{} denies with a maximum version {maximum} alone", rule.id),
                    ),
                    _ => {}
                }
            }
            for name in attributes.names().into_iter().flatten() {
                let pattern = !is_wildcard(name) && name.contains(['*', '?']);
                // A description may well have a stroke in it; a file name has none.
                let folder = attributes.file_name.as_deref() == Some(name) && name.contains(['\\', '/']);
                if pattern || folder {
                    let message = format!("{} names \"{name}\"", rule.id);
                    self.find(Code::NameForm, rule.position, message);
                }
            }
            if let Some((algorithm, bytes)) = label(rule.friendly_name.as_deref().unwrap_or_default())
                && !rule.hash.is_empty()
                && rule.hash.len() != bytes
            {
                let message = format!(
                    "{} is labelled {algorithm}, which has {bytes} bytes, and has a hash of {}",
                    rule.id,
                    rule.hash.len()
                );
                self.find(Code::HashLabel, rule.position, message);
            }
            let says = format!("{:?} {}", rule.kind, file_rule(rule));
            if let Some(first) = seen.get(&says) {
                let message = format!("{} says the same as {first}", rule.id);
                self.find(Code::DuplicateRule, rule.position, message);
            } else {
                seen.insert(says, &rule.id);
            }
        }
    }

    fn unreferenced(&mut self) {
        let document = self.document;
        let rules = document
            .file_rules
            .iter()
            .map(|rule| (&rule.id, rule.position, "file rule"));
        let signers = document
            .signers
            .iter()
            .map(|signer| (&signer.id, signer.position, "signer"));
        let ekus = document.ekus.iter().map(|eku| (&eku.id, eku.position, "EKU"));
        for (id, position, what) in rules.chain(signers).chain(ekus) {
            if !self.used.contains(id.as_str()) {
                self.find(
                    Code::Unreferenced,
                    position,
                    format!("nothing refers to the {what} {id}"),
                );
            }
        }
    }
}
