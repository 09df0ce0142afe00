//! Several policies in one.

use crate::document::Document;
use crate::document::Eku;
use crate::document::FileRule;
use crate::document::Note;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use std::collections::HashMap;
use std::collections::HashSet;

/// Merges policies into the first: type, ids, version and options are the first one's; rules and signers are those of all, each
/// once, whatever their ids. The notes say what of the others was left out.
///
/// Returns `None` for no policies.
pub fn merge(documents: &[Document]) -> Option<Document> {
    let (first, others) = documents.split_first()?;
    let mut merger = Merger::new(first);
    for other in others {
        merger.add(other);
    }
    Some(merger.merged)
}

/// What a file rule says, apart from how it is called.
type RuleKey = String;

struct Merger {
    merged: Document,
    ids: HashSet<String>,
    ekus: HashMap<Vec<u8>, String>,
    rules: HashMap<RuleKey, String>,
    signers: HashMap<String, String>,
}

/// Old ids and what they are called in the merged policy.
#[derive(Default)]
struct Names {
    ekus: HashMap<String, String>,
    rules: HashMap<String, String>,
    signers: HashMap<String, String>,
}

impl Names {
    fn rename(names: &HashMap<String, String>, reference: &Reference) -> Reference {
        let id = names.get(&reference.id).unwrap_or(&reference.id);
        Reference {
            position: reference.position,
            id: id.clone(),
        }
    }
}

fn rule_key(rule: &FileRule) -> RuleKey {
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
        "{:?} {:?} {:?} {:?} {:?} {:?} {} {}",
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

impl Merger {
    fn new(first: &Document) -> Self {
        let head = Document {
            ekus: Vec::new(),
            file_rules: Vec::new(),
            signers: Vec::new(),
            scenarios: Vec::new(),
            update_policy_signers: Vec::new(),
            ci_signers: Vec::new(),
            supplemental_policy_signers: Vec::new(),
            artifact_rules: Vec::new(),
            notes: Vec::new(),
            ..first.clone()
        };
        let mut merger = Self {
            merged: head,
            ids: HashSet::new(),
            ekus: HashMap::new(),
            rules: HashMap::new(),
            signers: HashMap::new(),
        };
        merger.content(first);
        merger
    }

    fn note(&mut self, message: String) {
        self.merged.notes.push(Note {
            position: Position::default(),
            message,
        });
    }

    /// An id like this one that is still free.
    fn free_id(&mut self, id: &str) -> String {
        let mut free = id.to_owned();
        let mut number = 2;
        while !self.ids.insert(free.clone()) {
            free = format!("{id}_{number}");
            number += 1;
        }
        free
    }

    fn add(&mut self, other: &Document) {
        let file = other.file.to_string();
        if other.kind != self.merged.kind {
            self.note(format!(
                "{file} is a {}; its rules were merged into a {}",
                other.kind.name(),
                self.merged.kind.name()
            ));
        }
        if other.options != self.merged.options {
            self.note(format!(
                "the options of {file} differ; those of the first policy are kept"
            ));
        }
        for setting in &other.settings {
            let known = self.merged.settings.iter().find(|known| {
                (&known.provider, &known.key, &known.value_name)
                    == (&setting.provider, &setting.key, &setting.value_name)
            });
            match known.map(|known| known.value == setting.value) {
                None => self.merged.settings.push(setting.clone()),
                Some(true) => {}
                Some(false) => {
                    let name = format!("{}/{}/{}", setting.provider, setting.key, setting.value_name);
                    self.note(format!(
                        "the setting {name} of {file} differs; that of the first policy is kept"
                    ));
                }
            }
        }
        for (id, value) in &other.macros {
            match self.merged.macros.iter().find(|(known, _)| known == id) {
                None => self.merged.macros.push((id.clone(), value.clone())),
                Some((_, known)) if known == value => {}
                Some(_) => self.note(format!(
                    "the macro {id} of {file} differs; that of the first policy is kept"
                )),
            }
        }
        self.content(other);
    }

    fn content(&mut self, other: &Document) {
        let mut names = Names::default();
        for eku in &other.ekus {
            let value = eku.encoded().unwrap_or_default();
            let id = if let Some(id) = self.ekus.get(&value) {
                id.clone()
            } else {
                let id = self.free_id(&eku.id);
                self.ekus.insert(value, id.clone());
                self.merged.ekus.push(Eku {
                    id: id.clone(),
                    ..eku.clone()
                });
                id
            };
            names.ekus.insert(eku.id.clone(), id);
        }
        for rule in &other.file_rules {
            let key = rule_key(rule);
            let id = if let Some(id) = self.rules.get(&key) {
                id.clone()
            } else {
                let id = self.free_id(&rule.id);
                self.rules.insert(key, id.clone());
                self.merged.file_rules.push(FileRule {
                    id: id.clone(),
                    ..rule.clone()
                });
                id
            };
            names.rules.insert(rule.id.clone(), id);
        }
        for rule in &other.artifact_rules {
            let id = self.free_id(&rule.id);
            names.rules.insert(rule.id.clone(), id.clone());
            let mut rule = rule.clone();
            rule.id = id;
            self.merged.artifact_rules.push(rule);
        }
        for signer in &other.signers {
            let mut signer = signer.clone();
            for eku in &mut signer.ekus {
                eku.eku = Names::rename(&names.ekus, &eku.eku);
            }
            for reference in signer
                .file_attributes
                .iter_mut()
                .chain(&mut signer.artifact_rules)
            {
                *reference = Names::rename(&names.rules, reference);
            }
            let key = signer_key(&signer);
            let old = signer.id.clone();
            let id = if let Some(id) = self.signers.get(&key) {
                id.clone()
            } else {
                signer.id = self.free_id(&old);
                let id = signer.id.clone();
                self.signers.insert(key, id.clone());
                self.merged.signers.push(signer);
                id
            };
            names.signers.insert(old, id);
        }
        for scenario in &other.scenarios {
            self.scenario(scenario, other, &names);
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

    fn scenario(&mut self, scenario: &Scenario, other: &Document, names: &Names) {
        let at = self
            .merged
            .scenarios
            .iter()
            .position(|known| known.value == scenario.value);
        let at = if let Some(at) = at {
            at
        } else {
            let id = self.free_id(&scenario.id);
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
        // Inherited scenarios are known by their values, for ids may have changed.
        for inherited in &scenario.inherited {
            let value = other
                .scenarios
                .iter()
                .find(|known| known.id == inherited.id)
                .map(|known| known.value);
            let known = self
                .merged
                .scenarios
                .iter()
                .find(|known| Some(known.value) == value);
            let id = known.map_or_else(|| inherited.id.clone(), |known| known.id.clone());
            let reference = Reference {
                position: inherited.position,
                id,
            };
            let list = &mut self.merged.scenarios[at].inherited;
            if !list.iter().any(|known| known.id == reference.id) {
                list.push(reference);
            }
        }
        let merged = &mut self.merged.scenarios[at];
        add_group(&mut merged.product, &scenario.product, names);
        for (to, from) in [
            (&mut merged.artifact, &scenario.artifact),
            (&mut merged.test, &scenario.test),
            (&mut merged.test_signing, &scenario.test_signing),
        ] {
            if let Some(from) = from {
                add_group(to.get_or_insert_default(), from, names);
            }
        }
    }
}

fn add_references(to: &mut Vec<Reference>, from: &[Reference], names: &HashMap<String, String>) {
    let mut known: HashSet<String> = to.iter().map(|reference| reference.id.clone()).collect();
    for reference in from {
        let reference = Names::rename(names, reference);
        if known.insert(reference.id.clone()) {
            to.push(reference);
        }
    }
}

fn add_group(to: &mut SignerGroup, from: &SignerGroup, names: &Names) {
    for (to, from) in [(&mut to.allowed, &from.allowed), (&mut to.denied, &from.denied)] {
        let key = |found: &SignerUse| {
            let mut exceptions: Vec<String> = found.exceptions.iter().map(|found| found.id.clone()).collect();
            exceptions.sort_unstable();
            (found.signer.id.clone(), exceptions)
        };
        let mut known: HashSet<_> = to.iter().map(key).collect();
        for found in from {
            let found = SignerUse {
                signer: Names::rename(&names.signers, &found.signer),
                exceptions: found
                    .exceptions
                    .iter()
                    .map(|exception| Names::rename(&names.rules, exception))
                    .collect(),
            };
            if known.insert(key(&found)) {
                to.push(found);
            }
        }
    }
    add_references(&mut to.rules, &from.rules, &names.rules);
}
