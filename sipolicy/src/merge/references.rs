//! What the references of a document point to. One without a target must never find another document's by its name.

use super::MergeError;
use crate::document::Document;
use crate::document::Position;
use crate::document::Reference;
use crate::document::SignerGroup;
use std::collections::HashSet;

/// Finds the first reference that points nowhere. A denied signer may: it denies nothing, here as in compilation.
pub(super) fn check(document: &Document) -> Result<(), MergeError> {
    let targets = Targets::of(document);
    for rule in &document.file_rules {
        let attributes = rule.attributes();
        if let Some(id) = &attributes.require_hotpatch_id {
            targets.find(&targets.rules, "file rule", id, rule.position)?;
        }
        for name in attributes.app_ids.as_deref().into_iter().flat_map(macros_of) {
            targets.find(&targets.macros, "macro", name, rule.position)?;
        }
    }
    for signer in &document.signers {
        for eku in &signer.ekus {
            targets.refer(&targets.ekus, "EKU", &eku.eku)?;
        }
        targets.refer_all(&targets.rules, "file rule", &signer.file_attributes)?;
        targets.refer_all(&targets.artifacts, "artifact rule", &signer.artifact_rules)?;
    }
    let mut values = HashSet::new();
    for scenario in &document.scenarios {
        if !values.insert(scenario.value) {
            return Err(MergeError::at(
                document,
                scenario.position,
                format!(
                    "there is a scenario of value {} already; make one of the two, for only one counts",
                    scenario.value
                ),
            ));
        }
        targets.refer_all(&targets.scenarios, "scenario", &scenario.inherited)?;
        targets.group(&targets.rules, "file rule", &scenario.product)?;
        for group in [&scenario.test, &scenario.test_signing].into_iter().flatten() {
            targets.group(&targets.rules, "file rule", group)?;
        }
        if let Some(group) = &scenario.artifact {
            targets.group(&targets.artifacts, "artifact rule", group)?;
        }
    }
    for references in [
        &document.update_policy_signers,
        &document.ci_signers,
        &document.supplemental_policy_signers,
    ] {
        targets.refer_all(&targets.signers, "signer", references)?;
    }
    Ok(())
}

/// The names of the macros that an `AppIDs` is made of; one that begins otherwise is a text of its own.
fn macros_of(app_ids: &str) -> impl Iterator<Item = &str> {
    let parts = app_ids.starts_with("$(").then(|| app_ids.split("$(").skip(1));
    let names = parts
        .into_iter()
        .flatten()
        .filter_map(|part| part.split_once(')'));
    names.map(|(name, _)| name)
}

/// An `AppIDs` with its macros called as `rename` has it.
pub(super) fn with_macros(app_ids: &str, rename: impl Fn(&str) -> String) -> String {
    if !app_ids.starts_with("$(") {
        return app_ids.to_owned();
    }
    let parts = app_ids
        .split("$(")
        .skip(1)
        .map(|part| match part.split_once(')') {
            Some((name, rest)) => format!("$({}){rest}", rename(name)),
            None => format!("$({part}"),
        });
    parts.collect()
}

/// Everything that can be referred to, by id.
struct Targets<'d> {
    document: &'d Document,
    ekus: HashSet<&'d str>,
    rules: HashSet<&'d str>,
    artifacts: HashSet<&'d str>,
    signers: HashSet<&'d str>,
    scenarios: HashSet<&'d str>,
    macros: HashSet<&'d str>,
}

impl<'d> Targets<'d> {
    fn of(document: &'d Document) -> Self {
        Self {
            document,
            ekus: document.ekus.iter().map(|eku| eku.id.as_str()).collect(),
            rules: document.file_rules.iter().map(|rule| rule.id.as_str()).collect(),
            artifacts: document
                .artifact_rules
                .iter()
                .map(|rule| rule.id.as_str())
                .collect(),
            signers: document.signers.iter().map(|signer| signer.id.as_str()).collect(),
            scenarios: document
                .scenarios
                .iter()
                .map(|scenario| scenario.id.as_str())
                .collect(),
            macros: document.macros.iter().map(|(id, _)| id.as_str()).collect(),
        }
    }

    fn find(
        &self,
        targets: &HashSet<&str>,
        what: &str,
        id: &str,
        position: Position,
    ) -> Result<(), MergeError> {
        if targets.contains(id) {
            return Ok(());
        }
        let message = format!("no {what} has the ID {id} in this document; correct it or add the {what}");
        Err(MergeError::at(self.document, position, message))
    }

    fn refer(&self, targets: &HashSet<&str>, what: &str, reference: &Reference) -> Result<(), MergeError> {
        self.find(targets, what, &reference.id, reference.position)
    }

    fn refer_all(
        &self,
        targets: &HashSet<&str>,
        what: &str,
        references: &[Reference],
    ) -> Result<(), MergeError> {
        references
            .iter()
            .try_for_each(|reference| self.refer(targets, what, reference))
    }

    fn group(&self, rules: &HashSet<&str>, what: &str, group: &SignerGroup) -> Result<(), MergeError> {
        for found in &group.allowed {
            self.refer(&self.signers, "signer", &found.signer)?;
        }
        for found in group.allowed.iter().chain(&group.denied) {
            self.refer_all(rules, what, &found.exceptions)?;
        }
        self.refer_all(rules, what, &group.rules)
    }
}
