//! The rules and signers of several policies in one, under ids that mean one thing each.

use super::head;
use super::names::AllNames;
use super::names::add_group;
use super::names::add_references;
use super::names::rename;
use super::names::renamed;
use super::names::with_names;
use super::prepare::allows_anything;
use crate::document::Document;
use crate::document::Eku;
use crate::document::FileRule;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Signer;
use crate::document::SignerGroup;
use std::collections::HashMap;
use std::collections::HashSet;

pub(super) struct Merger {
    merged: Document,
    ids: HashSet<String>,
    macro_ids: HashSet<String>,
    /// Ids by what they stand for.
    ekus: HashMap<String, String>,
    rules: HashMap<String, String>,
    artifacts: HashMap<String, String>,
    signers: HashMap<String, String>,
    /// Parts of the document at hand that say what is said already.
    repeated: usize,
}

/// What a file rule says, apart from how it is called.
fn rule_key(rule: &FileRule) -> String {
    format!("{:?} {:?} {:?}", rule.kind, rule.hash, rule.attributes())
}

/// What a signer says, its references as they are called in the merged policy.
fn signer_key(signer: &Signer) -> String {
    let ids = |references: &[Reference]| {
        let mut ids: Vec<&str> = references.iter().map(|reference| reference.id.as_str()).collect();
        ids.sort_unstable();
        ids.join(" ")
    };
    let ekus: Vec<_> = signer.ekus.iter().map(|eku| (&eku.eku.id, eku.except)).collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} [{}] [{}]",
        signer.root,
        ekus,
        signer.issuer,
        signer.publisher,
        signer.oem_id,
        signer.sign_time_after,
        ids(&signer.file_attributes),
        ids(&signer.artifact_rules),
    )
}

/// An id like this one that is still free.
fn free(taken: &mut HashSet<String>, id: &str) -> String {
    let mut found = id.to_owned();
    let mut number = 2;
    while !taken.insert(found.clone()) {
        found = format!("{id}_{number}");
        number += 1;
    }
    found
}

impl Merger {
    /// Begins with the first policy.
    pub(super) fn new(first: &Document) -> Self {
        let head = Document {
            ekus: Vec::new(),
            file_rules: Vec::new(),
            signers: Vec::new(),
            scenarios: Vec::new(),
            macros: Vec::new(),
            update_policy_signers: Vec::new(),
            ci_signers: Vec::new(),
            supplemental_policy_signers: Vec::new(),
            artifact_rules: Vec::new(),
            notes: Vec::new(),
            signature: None,
            ..first.clone()
        };
        let mut merger = Self {
            merged: head,
            ids: HashSet::new(),
            macro_ids: HashSet::new(),
            ekus: HashMap::new(),
            rules: HashMap::new(),
            artifacts: HashMap::new(),
            signers: HashMap::new(),
            repeated: 0,
        };
        merger.content(first, &mut Vec::new());
        merger
    }

    /// The merged policy.
    pub(super) fn finish(self) -> Document {
        self.merged
    }

    /// Takes another policy in.
    pub(super) fn add(&mut self, other: &Document, notes: &mut Vec<String>) {
        head::add(&mut self.merged, other, notes);
        self.repeated = 0;
        self.content(other, notes);
        if self.repeated > 0 {
            notes.push(format!(
                "{}: {} of its rules, signers and key usages say the same as one that is there already, whose id and \
                 name are kept",
                other.file, self.repeated
            ));
        }
    }

    fn content(&mut self, other: &Document, notes: &mut Vec<String>) {
        let mut names = AllNames::default();
        self.macros(other, &mut names);
        self.add_ekus(other, &mut names);
        self.file_rules(other, &mut names);
        for rule in &other.artifact_rules {
            let mut rule = rule.clone();
            let key = format!(
                "{} {} {:?} {:?} {:?} {:?} {:?}",
                rule.artifact_type,
                rule.action,
                rule.name,
                rule.description,
                rule.minimum_version,
                rule.maximum_version,
                rule.hash
            );
            let old = rule.id.clone();
            let id = if let Some(id) = self.artifacts.get(&key) {
                self.repeated += 1;
                id.clone()
            } else {
                rule.id = free(&mut self.ids, &old);
                let id = rule.id.clone();
                self.artifacts.insert(key, id.clone());
                self.merged.artifact_rules.push(rule);
                id
            };
            names.artifacts.insert(old, id);
        }
        self.add_signers(other, &mut names);
        for scenario in &other.scenarios {
            self.scenario(scenario, other, &mut names, notes);
        }
        // Only a policy that is merged with no other still inherits.
        for scenario in &other.scenarios {
            let id = renamed(&names.scenarios, &scenario.id);
            let inherited: Vec<Reference> = scenario
                .inherited
                .iter()
                .map(|reference| rename(&names.scenarios, reference))
                .collect();
            if let Some(merged) = self.merged.scenarios.iter_mut().find(|merged| merged.id == id) {
                merged.inherited.extend(inherited);
            }
        }
        for (to, from) in [
            (
                &mut self.merged.update_policy_signers,
                &other.update_policy_signers,
            ),
            (&mut self.merged.ci_signers, &other.ci_signers),
            (
                &mut self.merged.supplemental_policy_signers,
                &other.supplemental_policy_signers,
            ),
        ] {
            add_references(to, from, &names.signers);
        }
    }

    fn macros(&mut self, other: &Document, names: &mut AllNames) {
        for (id, value) in &other.macros {
            let known = self
                .merged
                .macros
                .iter()
                .any(|known| known == &(id.clone(), value.clone()));
            let new = if known {
                id.clone()
            } else {
                let new = free(&mut self.macro_ids, id);
                self.merged.macros.push((new.clone(), value.clone()));
                new
            };
            names.macros.insert(id.clone(), new);
        }
    }

    fn add_ekus(&mut self, other: &Document, names: &mut AllNames) {
        for eku in &other.ekus {
            // One that is no object identifier stands for itself alone.
            let key = eku.encoded().map_or_else(
                || format!("{:?} {:?}", eku.value, eku.oid),
                |value| format!("{value:?}"),
            );
            let id = if let Some(id) = self.ekus.get(&key) {
                self.repeated += 1;
                id.clone()
            } else {
                let id = free(&mut self.ids, &eku.id);
                self.ekus.insert(key, id.clone());
                self.merged.ekus.push(Eku {
                    id: id.clone(),
                    ..eku.clone()
                });
                id
            };
            names.ekus.insert(eku.id.clone(), id);
        }
    }

    fn file_rules(&mut self, other: &Document, names: &mut AllNames) {
        // A rule that asks for another by its id can be told from others only when that one has its name.
        let mut waiting: Vec<usize> = (0..other.file_rules.len()).collect();
        let mut new: Vec<(usize, FileRule)> = Vec::new();
        while !waiting.is_empty() {
            let count = waiting.len();
            let mut left = Vec::new();
            for at in waiting {
                let rule = &other.file_rules[at];
                let asked = rule.attributes().require_hotpatch_id.as_ref();
                if asked.is_some_and(|id| !names.rules.contains_key(id)) {
                    left.push(at);
                    continue;
                }
                let rule = with_names(rule, names);
                let key = rule_key(&rule);
                let old = rule.id.clone();
                let id = if let Some(id) = self.rules.get(&key) {
                    self.repeated += 1;
                    id.clone()
                } else {
                    let id = free(&mut self.ids, &old);
                    self.rules.insert(key, id.clone());
                    new.push((
                        at,
                        FileRule {
                            id: id.clone(),
                            ..rule
                        },
                    ));
                    id
                };
                names.rules.insert(old, id);
            }
            waiting = left;
            if waiting.len() == count {
                // They ask for one another in a circle: none says what one that is there does.
                for at in &waiting {
                    let old = &other.file_rules[*at].id;
                    names.rules.insert(old.clone(), free(&mut self.ids, old));
                }
                for at in std::mem::take(&mut waiting) {
                    let mut rule = with_names(&other.file_rules[at], names);
                    rule.id = renamed(&names.rules, &rule.id);
                    new.push((at, rule));
                }
            }
        }
        new.sort_by_key(|(at, _)| *at);
        self.merged
            .file_rules
            .extend(new.into_iter().map(|(_, rule)| rule));
    }

    fn add_signers(&mut self, other: &Document, names: &mut AllNames) {
        for signer in &other.signers {
            let mut signer = signer.clone();
            for eku in &mut signer.ekus {
                eku.eku = rename(&names.ekus, &eku.eku);
            }
            for reference in &mut signer.file_attributes {
                *reference = rename(&names.rules, reference);
            }
            for reference in &mut signer.artifact_rules {
                *reference = rename(&names.artifacts, reference);
            }
            let key = signer_key(&signer);
            let old = signer.id.clone();
            let id = if let Some(id) = self.signers.get(&key) {
                self.repeated += 1;
                id.clone()
            } else {
                signer.id = free(&mut self.ids, &old);
                let id = signer.id.clone();
                self.signers.insert(key, id.clone());
                self.merged.signers.push(signer);
                id
            };
            names.signers.insert(old, id);
        }
    }

    fn scenario(
        &mut self,
        scenario: &Scenario,
        other: &Document,
        names: &mut AllNames,
        notes: &mut Vec<String>,
    ) {
        let known = self
            .merged
            .scenarios
            .iter()
            .position(|known| known.value == scenario.value);
        let at = if let Some(at) = known {
            head::scenario(
                &mut self.merged.scenarios[at],
                scenario,
                allows_anything(other),
                &other.file,
                notes,
            );
            at
        } else {
            let id = free(&mut self.ids, &scenario.id);
            self.merged.scenarios.push(Scenario {
                id,
                product: SignerGroup::default(),
                artifact: None,
                test: None,
                test_signing: None,
                inherited: Vec::new(),
                ..scenario.clone()
            });
            self.merged.scenarios.len() - 1
        };
        let merged = &mut self.merged.scenarios[at];
        names.scenarios.insert(scenario.id.clone(), merged.id.clone());
        add_group(
            &mut merged.product,
            &scenario.product,
            &names.signers,
            &names.rules,
        );
        for (to, from, rules) in [
            (&mut merged.artifact, &scenario.artifact, &names.artifacts),
            (&mut merged.test, &scenario.test, &names.rules),
            (&mut merged.test_signing, &scenario.test_signing, &names.rules),
        ] {
            if let Some(from) = from {
                add_group(to.get_or_insert_default(), from, &names.signers, rules);
            }
        }
    }
}
