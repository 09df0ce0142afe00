//! What the binary form can hold, and from which format version on.

use super::tagging;
use crate::document::Document;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::forms::SIGNATURE_LOSS;
use crate::lint::MAX_DENIED_SIGNERS;
use crate::lint::too_many_denied_signers;
use crate::options::CERTIFICATE_REMAPPING;
use std::collections::HashSet;

/// The oldest format version that holds all that the policy says.
pub(super) fn needed_format(document: &Document) -> u32 {
    let any_rule = |holds: &dyn Fn(&FileRule) -> bool| document.file_rules.iter().any(holds);
    let except = document
        .signers
        .iter()
        .any(|signer| signer.ekus.iter().any(|eku| eku.except));
    let artifacts = !document.artifact_rules.is_empty()
        || document
            .scenarios
            .iter()
            .any(|scenario| scenario.artifact.is_some());
    if except {
        11
    } else if artifacts {
        10
    } else if any_rule(&|rule| rule.attributes().require_hotpatch_id.is_some()) {
        9
    } else if any_rule(&|rule| rule.attributes().file_path.is_some()) {
        7
    } else if document.policy_id.is_some() || !document.supplemental_policy_signers.is_empty() {
        6
    } else if any_rule(&|rule| {
        let attributes = rule.attributes();
        attributes.package_family_name.is_some() || attributes.package_version.is_some()
    }) {
        5
    } else if any_rule(&|rule| rule.attributes().names()[1..].iter().any(Option::is_some)) {
        4
    } else if any_rule(&|rule| {
        let attributes = rule.attributes();
        attributes.maximum_version.is_some() || attributes.app_ids.is_some()
    }) || document
        .signers
        .iter()
        .any(|signer| signer.sign_time_after.is_some())
    {
        3
    } else {
        2
    }
}

/// What the document says and the binary form cannot hold.
pub(super) fn losses(document: &Document) -> Vec<String> {
    let mut losses = vec![
        "ids, friendly names and signer names are not in the binary form".to_owned(),
        "comments are not in the binary form".to_owned(),
    ];
    losses.extend(tagging::losses(document));
    if !document.app_settings.is_empty() {
        losses.push("AppSettings are not in the binary form that this tool writes".to_owned());
    }
    if !document.macros.is_empty() {
        losses.push("macros are replaced by their values".to_owned());
    }
    if document.file_rules.iter().any(|rule| rule.generic) {
        losses.push("FileRule elements become Allow, Deny and FileAttrib".to_owned());
    }
    if document
        .ekus
        .iter()
        .any(|eku| eku.value.is_some() && eku.oid.is_some())
    {
        losses.push("of EKUs with both Value and OID only the Value is kept".to_owned());
    }
    let required: HashSet<&str> = document
        .file_rules
        .iter()
        .filter_map(|rule| rule.attributes().require_hotpatch_id.as_deref())
        .collect();
    for rule in &document.file_rules {
        let attributes = rule.attributes();
        let sequence = attributes
            .minimum_hotpatch_sequence
            .or(attributes.maximum_hotpatch_sequence);
        if sequence.is_some() && !required.contains(rule.id.as_str()) {
            losses.push(format!(
                "the hotpatch sequences of {} were left out: no rule requires it",
                rule.id
            ));
        }
    }
    let maximum_alone = |rule: &FileRule| {
        let attributes = rule.attributes();
        rule.kind == FileRuleKind::Deny
            && attributes.minimum_version.is_none()
            && attributes.maximum_version.is_some()
    };
    if document.file_rules.iter().any(maximum_alone) {
        losses.push("deny rules with a maximum version alone get the minimum 0.0.0.0".to_owned());
    }
    if document.signature.is_some() {
        losses.push(SIGNATURE_LOSS.to_owned());
    }
    for (_, scenario, count) in too_many_denied_signers(document) {
        losses.push(format!(
            "{scenario} denies {count} signers; Microsoft's compiler takes {MAX_DENIED_SIGNERS} at most, and whether Windows \
             takes more is not known: split the policy"
        ));
    }
    for option in &document.other_options {
        if option != CERTIFICATE_REMAPPING {
            losses.push(format!("the option {option} has no place in the binary form"));
        }
    }
    losses
}
