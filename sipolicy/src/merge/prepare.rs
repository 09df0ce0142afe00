//! A document made ready to be merged: what may not count beside the rules of others is taken out and told.

use crate::document::Document;
use crate::document::FileRuleKind;
use crate::document::PolicyKind;
use crate::document::Reference;
use crate::document::SignerGroup;
use crate::everything::allows_every_artifact;
use crate::everything::allows_every_com_object;
use crate::everything::allows_everything;
use crate::everything::means_everybody;
use std::collections::HashMap;
use std::collections::HashSet;

/// All groups of a document, with what they are about: file rules, or artifact rules.
fn groups(document: &mut Document) -> impl Iterator<Item = (u8, &mut SignerGroup)> {
    document.scenarios.iter_mut().flat_map(|scenario| {
        let groups = [
            Some(&mut scenario.product),
            scenario.artifact.as_mut(),
            scenario.test.as_mut(),
            scenario.test_signing.as_mut(),
        ];
        let value = scenario.value;
        groups.into_iter().flatten().map(move |group| (value, group))
    })
}

/// Takes out denials of signers that are not there: they deny nothing, and Microsoft's own list has one.
pub(super) fn drop_denials_of_nobody(document: &mut Document, notes: &mut Vec<String>) {
    let signers: HashSet<String> = document.signers.iter().map(|signer| signer.id.clone()).collect();
    let file = document.file.to_string();
    for (value, group) in groups(document) {
        group.denied.retain(|found| {
            let there = signers.contains(&found.signer.id);
            if !there {
                notes.push(format!(
                    "{file}: scenario {value} denies the signer {}, which is not there; nothing is denied by that, and it \
                     was left out",
                    found.signer.id
                ));
            }
            there
        });
    }
}

/// Writes what a scenario inherits into it. The rules that others have for the inherited scenario would count for it too.
pub(super) fn write_out_inheritance(document: &mut Document, notes: &mut Vec<String>) {
    let before = document.scenarios.clone();
    for scenario in &mut document.scenarios {
        if scenario.inherited.is_empty() {
            continue;
        }
        // Each scenario once, however the inheritance runs.
        let mut seen = HashSet::from([scenario.id.clone()]);
        let mut waiting: Vec<Reference> = scenario.inherited.iter().rev().cloned().collect();
        while let Some(next) = waiting.pop() {
            if !seen.insert(next.id.clone()) {
                continue;
            }
            let Some(from) = before.iter().find(|other| other.id == next.id) else {
                continue;
            };
            append(&mut scenario.product, &from.product);
            for (to, from) in [
                (&mut scenario.artifact, &from.artifact),
                (&mut scenario.test, &from.test),
                (&mut scenario.test_signing, &from.test_signing),
            ] {
                if let Some(from) = from {
                    append(to.get_or_insert_default(), from);
                }
            }
            notes.push(format!(
                "{}: what scenario {} inherits from scenario {} was written into it, so that the other policies' rules for \
                 scenario {} do not count there",
                document.file, scenario.value, from.value, from.value
            ));
            waiting.extend(from.inherited.iter().rev().cloned());
        }
        scenario.inherited.clear();
    }
}

fn append(to: &mut SignerGroup, from: &SignerGroup) {
    to.allowed.extend(from.allowed.iter().cloned());
    to.denied.extend(from.denied.iter().cloned());
    to.rules.extend(from.rules.iter().cloned());
}

/// Takes out whatever allows everything, each told with its id.
pub(super) fn drop_allowances_of_everything(document: &mut Document, notes: &mut Vec<String>) {
    let file = document.file.to_string();
    let by_id: HashMap<&str, _> = document
        .file_rules
        .iter()
        .map(|rule| (rule.id.as_str(), rule))
        .collect();
    let mut broad = HashMap::<String, Option<String>>::new();
    for rule in document.file_rules.iter().filter(|rule| allows_everything(rule)) {
        broad.insert(rule.id.clone(), rule.friendly_name.clone());
    }
    for rule in document
        .artifact_rules
        .iter()
        .filter(|rule| allows_every_artifact(rule))
    {
        broad.insert(rule.id.clone(), rule.friendly_name.clone());
    }
    for signer in &document.signers {
        let files = signer.file_attributes.iter();
        if means_everybody(
            signer,
            files.filter_map(|file| by_id.get(file.id.as_str()).copied()),
            &document.ekus,
        ) {
            broad.insert(signer.id.clone(), signer.name.clone());
        }
    }
    let mut dropped = HashSet::new();
    let mut drop = |reference: &Reference, value: u8| {
        let Some(name) = broad.get(&reference.id) else {
            return false;
        };
        let name = name.as_deref().filter(|name| !name.is_empty());
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        notes.push(format!(
            "{file}: {}{name} allows everything in scenario {value}; it was left out, for beside the rules of the first \
             policy it would undo them",
            reference.id
        ));
        dropped.insert(reference.id.clone());
        true
    };
    for (value, group) in groups(document) {
        group.allowed.retain(|found| !drop(&found.signer, value));
        group.rules.retain(|reference| !drop(reference, value));
    }
    document.settings.retain(|setting| {
        let broad = allows_every_com_object(setting);
        if broad {
            notes.push(format!(
                "{file}: the setting {}/{}/{} allows every COM object; it was left out",
                setting.provider, setting.key, setting.value_name
            ));
        }
        !broad
    });
    remove_unless_used(document, &dropped);
}

/// Removes the rules and signers with these ids that nothing refers to any more.
fn remove_unless_used(document: &mut Document, ids: &HashSet<String>) {
    let used_signers: HashSet<String> = {
        let lists = [
            &document.update_policy_signers,
            &document.ci_signers,
            &document.supplemental_policy_signers,
        ];
        lists
            .into_iter()
            .flatten()
            .map(|found| found.id.clone())
            .collect()
    };
    let mut used = used_signers;
    for (_, group) in groups(document) {
        for found in group.allowed.iter().chain(&group.denied) {
            used.insert(found.signer.id.clone());
            used.extend(found.exceptions.iter().map(|found| found.id.clone()));
        }
        used.extend(group.rules.iter().map(|found| found.id.clone()));
    }
    let keep = |id: &String| !ids.contains(id) || used.contains(id);
    document.signers.retain(|signer| keep(&signer.id));
    for signer in &document.signers {
        let references = signer.file_attributes.iter().chain(&signer.artifact_rules);
        used.extend(references.map(|found| found.id.clone()));
    }
    for rule in &document.file_rules {
        used.extend(rule.attributes().require_hotpatch_id.clone());
    }
    let keep = |id: &String| !ids.contains(id) || used.contains(id);
    document.file_rules.retain(|rule| keep(&rule.id));
    document.artifact_rules.retain(|rule| keep(&rule.id));
}

/// Whether any scenario of a document allows anything.
pub(super) fn allows_anything(document: &Document) -> bool {
    let allows: HashSet<&str> = document
        .file_rules
        .iter()
        .filter(|rule| rule.kind == FileRuleKind::Allow)
        .map(|rule| rule.id.as_str())
        .collect();
    document.kind != PolicyKind::AppIdTagging
        && document.scenarios.iter().any(|scenario| {
            let groups = [
                Some(&scenario.product),
                scenario.test.as_ref(),
                scenario.test_signing.as_ref(),
            ];
            groups.into_iter().flatten().any(|group| {
                !group.allowed.is_empty()
                    || group
                        .rules
                        .iter()
                        .any(|reference| allows.contains(reference.id.as_str()))
            })
        })
}
