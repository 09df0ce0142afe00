//! Faults of scenarios: what they allow and deny.

use super::Linter;
use super::asks_whql;
use crate::describe::file_rule;
use crate::document::CertRoot;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::PolicyKind;
use crate::document::Scenario;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::lint::Code;
use crate::semantics::is_wildcard;
use policy::Options;
use std::collections::HashSet;

impl<'d> Linter<'d, '_> {
    pub(super) fn scenario(&mut self, scenario: &'d Scenario) {
        let document = self.document;
        for inherited in &scenario.inherited {
            let there = document.scenarios.iter().any(|other| other.id == inherited.id);
            self.refer(inherited, there, "scenario");
        }
        self.group(&scenario.product, true);
        for group in [&scenario.test, &scenario.test_signing].into_iter().flatten() {
            self.group(group, false);
        }
        if scenario.value == KERNEL_SCENARIO {
            if scenario.test.is_some() || scenario.test_signing.is_some() {
                let message = format!("{} has test signers", scenario.id);
                self.find(Code::TestSigners, scenario.position, message);
            }
            self.kernel(scenario);
        } else {
            for found in &scenario.product.allowed {
                let signer = self.by_id.signer(&found.signer.id);
                if signer.is_some_and(|signer| asks_whql(&self.by_id, signer)) {
                    let message = format!(
                        "{} asks for the WHQL EKU in scenario {}",
                        found.signer.id, scenario.value
                    );
                    self.find(Code::WhqlInUserMode, found.signer.position, message);
                }
            }
        }
    }

    fn group(&mut self, group: &'d SignerGroup, product: bool) {
        for (uses, denied) in [(&group.allowed, false), (&group.denied, true)] {
            let mut seen = HashSet::new();
            for found in uses {
                let there = self.by_id.signer(&found.signer.id).is_some();
                self.refer(&found.signer, there, "signer");
                if found.exceptions.is_empty() && !seen.insert(&found.signer.id) {
                    let message = format!("{} is referred to a second time", found.signer.id);
                    self.find(Code::DuplicateReference, found.signer.position, message);
                }
                for exception in &found.exceptions {
                    let there = self.by_id.rule(&exception.id).is_some();
                    self.refer(exception, there, "file rule");
                }
                if denied && product && self.document.kind == PolicyKind::Supplemental {
                    let message = format!("{} is denied", found.signer.id);
                    self.find(Code::SupplementalDeny, found.signer.position, message);
                }
                if denied && let Some(signer) = self.by_id.signer(&found.signer.id) {
                    self.denied_signer(signer);
                }
            }
        }
        for reference in &group.rules {
            let there = self.by_id.rule(&reference.id).is_some();
            self.refer(reference, there, "file rule");
        }
        self.duplicates(&group.rules);
    }

    fn denied_signer(&mut self, signer: &'d Signer) {
        for reference in &signer.file_attributes {
            let Some(rule) = self.by_id.rule(&reference.id) else {
                continue;
            };
            let attributes = rule.attributes();
            if attributes.minimum_version.is_some_and(|version| version.0 != 0)
                && attributes.maximum_version.is_none()
            {
                let message = format!("{} is restricted to {}, and is denied", signer.id, rule.id);
                self.find(Code::DeniedMinimum, reference.position, message);
            }
        }
    }

    fn kernel(&mut self, scenario: &'d Scenario) {
        let document = self.document;
        let allowed: Vec<&Signer> = scenario
            .product
            .allowed
            .iter()
            .filter_map(|found| self.by_id.signer(&found.signer.id))
            .collect();
        let whql: Vec<&Signer> = allowed
            .iter()
            .copied()
            .filter(|signer| asks_whql(&self.by_id, signer))
            .collect();
        let bare = |signer: &&&Signer| {
            signer.publisher.is_none() && signer.oem_id.is_none() && signer.file_attributes.is_empty()
        };
        if whql.len() > 1 && whql.iter().any(|signer| !bare(&signer)) {
            for signer in whql.iter().filter(bare) {
                self.find(
                    Code::BareWhql,
                    signer.position,
                    format!(
                        "{} allows WHQL drivers of any vendor beside signers that name one",
                        signer.id
                    ),
                );
            }
        }
        let mut allows_all = None;
        let mut other_allows = !allowed.is_empty();
        for reference in &scenario.product.rules {
            let Some(rule) = self.by_id.rule(&reference.id) else {
                continue;
            };
            let attributes = rule.attributes();
            if rule.kind == FileRuleKind::Deny && document.kind == PolicyKind::Supplemental {
                self.find(
                    Code::SupplementalDeny,
                    reference.position,
                    format!("{} denies", rule.id),
                );
            }
            if attributes.is_user_mode_only() {
                let message = format!("{} goes by {}", rule.id, file_rule(rule));
                self.find(Code::UserModeRule, reference.position, message);
            }
            let any = rule.hash.is_empty()
                && attributes.minimum_version.is_none()
                && attributes.maximum_version.is_none()
                && !attributes.is_user_mode_only()
                && attributes.names().iter().flatten().all(|name| is_wildcard(name));
            if rule.kind == FileRuleKind::Allow && any {
                allows_all = Some(reference);
            } else if rule.kind == FileRuleKind::Allow {
                other_allows = true;
            }
        }
        if let Some(reference) = allows_all.filter(|_| other_allows) {
            let message = format!("{} allows any file", reference.id);
            self.find(Code::AllowsAll, reference.position, message);
        }
        // A signer by a Microsoft product root allows WHQL drivers too, if it asks for no other key usage.
        let product_root = |signer: &&Signer| {
            matches!(signer.root, CertRoot::Wellknown(0 | 4..=6)) && signer.ekus.is_empty()
        };
        let grants_whql = !whql.is_empty() || allowed.iter().any(product_root) || allows_all.is_some();
        if document.options.contains(Options::REQUIRED_WHQL)
            && document.kind == PolicyKind::Base
            && !grants_whql
            && document.id() == document.base_id()
        {
            let message = "Required:WHQL is set, and no rule of scenario 131 allows WHQL drivers";
            self.find(Code::WhqlWithoutRule, scenario.position, message);
        }
    }
}
