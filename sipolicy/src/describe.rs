//! Rules in words: one canonical line a rule, whatever its id and the order of its parts. Used to show and to compare.

mod rules;

pub(crate) use rules::file_rule;

use crate::by_id::ById;
use crate::document::ArtifactRule;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::Eku;
use crate::document::FileRuleKind;
use crate::document::PLATFORM;
use crate::document::Position;
use crate::document::Scenario;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::hex;
use crate::options::option_names;
use crate::time;
use rules::artifact_rule;
use rules::in_words;
use rules::quoted;
use std::collections::HashMap;
use std::collections::HashSet;

/// One thing that a policy says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Statement {
    /// What it says, canonically: equal statements have equal texts.
    pub text: String,
    /// The id of the rule or signer; empty for what has none.
    pub id: String,
    /// Its friendly name; empty if it has none.
    pub name: String,
    /// Where it stands.
    pub position: Position,
}

/// Everything that a policy says, in document order: ids and versions, options, then each scenario's rules and signers.
pub fn statements(document: &Document) -> Vec<Statement> {
    let mut describer = Describer {
        document,
        by_id: ById::of(document),
        artifacts: document
            .artifact_rules
            .iter()
            .map(|rule| (rule.id.as_str(), rule))
            .collect(),
        used: HashSet::new(),
        found: Vec::new(),
    };
    describer.header();
    for scenario in &document.scenarios {
        describer.scenario(scenario);
    }
    describer.unreferenced();
    describer.found
}

struct Describer<'d> {
    document: &'d Document,
    by_id: ById<'d>,
    artifacts: HashMap<&'d str, &'d ArtifactRule>,
    /// Ids that something refers to.
    used: HashSet<&'d str>,
    found: Vec<Statement>,
}

impl<'d> Describer<'d> {
    fn add(&mut self, text: String, id: &str, name: &str, position: Position) {
        self.found.push(Statement {
            text,
            id: id.to_owned(),
            name: name.to_owned(),
            position,
        });
    }

    fn header(&mut self) {
        let document = self.document;
        let at = document.position;
        self.add(format!("policy type: {}", document.kind.name()), "", "", at);
        self.add(format!("policy id: {}", document.id()), "", "", at);
        self.add(format!("base policy id: {}", document.base_id()), "", "", at);
        self.add(format!("name: {}", document.name()), "", "", at);
        if document.policy_info("Name").is_some()
            && let Some(name) = &document.friendly_name
        {
            self.add(format!("friendly name: {name}"), "", "", at);
        }
        self.add(format!("version: {}", document.version), "", "", at);
        if let Some(platform) = document.platform_id.filter(|id| id.to_string() != PLATFORM) {
            self.add(format!("platform id: {platform}"), "", "", at);
        }
        if let Some(signature) = &document.signature {
            self.add(format!("signature: {signature}"), "", "", at);
        }
        // Where there is a policy id, the type is one more that the single-policy form has in its place.
        let type_id = document.policy_type_id.filter(|_| document.policy_id.is_some());
        if let Some(type_id) = type_id.filter(|id| *id != document.base_id()) {
            self.add(format!("policy type id: {type_id}"), "", "", at);
        }
        for name in option_names(document.options).chain(document.other_options.iter().cloned()) {
            self.add(format!("option: {name}"), "", "", at);
        }
        if let Some(hvci) = document.hvci_options.filter(|hvci| *hvci != 0) {
            self.add(format!("HVCI options: {hvci}"), "", "", at);
        }
        for (what, references) in [
            ("may sign updates", &document.update_policy_signers),
            ("is a CI signer", &document.ci_signers),
            ("may sign supplementals", &document.supplemental_policy_signers),
        ] {
            for reference in references {
                self.used.insert(&reference.id);
                let signer = self.signer_text(&reference.id);
                self.add(format!("{what}: {signer}"), &reference.id, "", reference.position);
            }
        }
        for setting in &document.settings {
            let text = format!(
                "setting {}/{}/{}: {}",
                setting.provider, setting.key, setting.value_name, setting.value
            );
            self.add(text, "", "", at);
        }
        for app in &document.app_settings {
            for (name, values) in &app.settings {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                let text = format!(
                    "application setting {} of {}: {}",
                    name.as_deref().unwrap_or_default(),
                    quoted(&app.manifest),
                    values.join(", ")
                );
                self.add(text, "", "", at);
            }
            if app.settings.is_empty() {
                self.add(
                    format!("application {} with no settings", quoted(&app.manifest)),
                    "",
                    "",
                    at,
                );
            }
        }
    }

    fn scenario(&mut self, scenario: &'d Scenario) {
        let (document, at) = (self.document, scenario.position);
        let name = format!("scenario {}", scenario.value);
        // SHA-256 holds where nothing is said.
        if let Some(minimum) = scenario
            .minimum_hash_algorithm
            .filter(|minimum| *minimum != 0x800c)
        {
            self.add(format!("{name}: minimum hash algorithm {minimum:#x}"), "", "", at);
        }
        for inherited in &scenario.inherited {
            let value = document.scenarios.iter().find(|other| other.id == inherited.id);
            let value = value.map_or_else(|| inherited.id.clone(), |other| other.value.to_string());
            self.add(format!("{name}: inherits scenario {value}"), "", "", at);
        }
        for (part, group) in [
            ("", Some(&scenario.product)),
            (", artifacts", scenario.artifact.as_ref()),
            (", test", scenario.test.as_ref()),
            (", test signing", scenario.test_signing.as_ref()),
        ] {
            if let Some(group) = group {
                self.group(&format!("{name}{part}"), group);
            }
        }
        if let Some(tags) = &scenario.app_id_tags {
            for (key, value) in &tags.tags {
                self.add(
                    format!("{name}: AppID tag {} = {}", quoted(key), quoted(value)),
                    "",
                    "",
                    at,
                );
            }
            if tags.enforce_dll == Some(true) {
                self.add(format!("{name}: AppID tags: DLLs are enforced"), "", "", at);
            }
        }
    }

    /// Rules and signers that nothing refers to: they have no effect, and are said.
    fn unreferenced(&mut self) {
        let document = self.document;
        // What a signer refers to, the signer's own statement says.
        for signer in &document.signers {
            let references = signer.file_attributes.iter().chain(&signer.artifact_rules);
            self.used
                .extend(references.map(|reference| reference.id.as_str()));
        }
        for rule in &document.file_rules {
            self.used.extend(rule.attributes().require_hotpatch_id.as_deref());
        }
        for rule in &document.file_rules {
            if !self.used.contains(rule.id.as_str()) {
                let verb = match rule.kind {
                    FileRuleKind::Allow => "allow",
                    FileRuleKind::Deny => "deny",
                    FileRuleKind::Attribute => "file attribute",
                };
                let text = format!("without effect: {verb} {}", self.rule_text(&rule.id));
                let name = rule.friendly_name.clone().unwrap_or_default();
                self.add(text, &rule.id, &name, rule.position);
            }
        }
        for rule in &document.artifact_rules {
            if !self.used.contains(rule.id.as_str()) {
                let text = format!("without effect: {} {}", verb_of(rule), artifact_rule(rule));
                let name = rule.friendly_name.clone().unwrap_or_default();
                self.add(text, &rule.id, &name, rule.position);
            }
        }
        for signer in &document.signers {
            if !self.used.contains(signer.id.as_str()) {
                let text = format!("without effect: {}", self.signer_text(&signer.id));
                let name = signer.name.clone().unwrap_or_default();
                self.add(text, &signer.id, &name, signer.position);
            }
        }
    }

    fn group(&mut self, scenario: &str, group: &'d SignerGroup) {
        for reference in &group.rules {
            self.used.insert(&reference.id);
            let (verb, name) = match self.by_id.rule(&reference.id) {
                Some(rule) if rule.kind == FileRuleKind::Deny => ("deny", rule.friendly_name.as_deref()),
                Some(rule) => ("allow", rule.friendly_name.as_deref()),
                None => match self.artifacts.get(reference.id.as_str()) {
                    Some(rule) => (verb_of(rule), rule.friendly_name.as_deref()),
                    None => ("refer to", None),
                },
            };
            let text = format!("{scenario}: {verb} {}", self.rule_text(&reference.id));
            self.add(text, &reference.id, name.unwrap_or_default(), reference.position);
        }
        for (verb, uses) in [("allow", &group.allowed), ("deny", &group.denied)] {
            for found in uses {
                self.signer_use(scenario, verb, found);
            }
        }
    }

    fn signer_use(&mut self, scenario: &str, verb: &str, found: &'d SignerUse) {
        let id = &found.signer.id;
        self.used.insert(id);
        self.used
            .extend(found.exceptions.iter().map(|exception| exception.id.as_str()));
        let mut text = format!("{scenario}: {verb} {}", self.signer_text(id));
        if !found.exceptions.is_empty() {
            let mut exceptions: Vec<String> = found
                .exceptions
                .iter()
                .map(|exception| self.rule_text(&exception.id))
                .collect();
            exceptions.sort();
            text.extend([" except [", &exceptions.join(" | "), "]"]);
        }
        let name = self.by_id.signer(id).and_then(|signer| signer.name.clone());
        self.add(text, id, &name.unwrap_or_default(), found.signer.position);
    }

    fn rule_text(&self, id: &str) -> String {
        if let Some(rule) = self.artifacts.get(id) {
            return artifact_rule(rule);
        }
        let Some(rule) = self.by_id.rule(id) else {
            return format!("{id} (not there)");
        };
        let attributes = rule.attributes();
        let required = attributes.require_hotpatch_id.as_deref().map(|id| {
            // One step: what that one requires says its own statement.
            let rule = self.by_id.rule(id);
            rule.map_or_else(|| format!("{id} (not there)"), |rule| in_words(rule, None, None))
        });
        let application = attributes.app_ids.as_deref().map(|ids| self.applications(ids));
        in_words(rule, application.as_deref(), required.as_deref())
    }

    /// The applications of a rule, macros replaced: what they are called does not matter.
    fn applications(&self, app_ids: &str) -> String {
        let value = |name: &str| {
            let mut macros = self.document.macros.iter();
            macros.find(|(id, _)| id == name).map(|(_, value)| value.clone())
        };
        if !app_ids.starts_with("$(") {
            return app_ids.to_owned();
        }
        let parts = app_ids
            .split("$(")
            .skip(1)
            .map(|part| match part.strip_suffix(')') {
                Some(name) => value(name).unwrap_or_else(|| format!("$({name}) (not there)")),
                None => format!("$({part}"),
            });
        parts.collect::<Vec<_>>().join("|")
    }

    fn signer_text(&self, id: &str) -> String {
        let Some(signer) = self.by_id.signer(id) else {
            return format!("{id} (not there)");
        };
        let mut parts = vec![match &signer.root {
            CertRoot::Tbs(tbs) => format!("certificate TBS {}", hex::encode(tbs)),
            CertRoot::Wellknown(id) => format!("well-known root {id:02X}"),
        }];
        for (what, name) in [
            ("publisher", &signer.publisher),
            ("issuer", &signer.issuer),
            ("OEM id", &signer.oem_id),
        ] {
            if let Some(name) = name {
                parts.push(format!("{what} {}", quoted(name)));
            }
        }
        let mut ekus: Vec<String> = signer
            .ekus
            .iter()
            .map(|cert_eku| {
                let value = self.by_id.eku(&cert_eku.eku.id).and_then(Eku::encoded);
                let value = value.map_or_else(
                    || format!("{} (not there)", cert_eku.eku.id),
                    |value| hex::encode(&value),
                );
                format!("{}EKU {value}", if cert_eku.except { "not " } else { "" })
            })
            .collect();
        ekus.sort();
        parts.extend(ekus);
        if let Some(after) = signer.sign_time_after {
            parts.push(format!("signed after {}", time::print(after)));
        }
        let mut files: Vec<String> = signer
            .file_attributes
            .iter()
            .map(|reference| self.rule_text(&reference.id))
            .collect();
        if !files.is_empty() {
            files.sort();
            files.dedup();
            parts.push(format!("files [{}]", files.join(" | ")));
        }
        let mut artifacts: Vec<String> = signer
            .artifact_rules
            .iter()
            .map(|reference| self.rule_text(&reference.id))
            .collect();
        if !artifacts.is_empty() {
            artifacts.sort();
            artifacts.dedup();
            parts.push(format!("artifacts [{}]", artifacts.join(" | ")));
        }
        format!("signer: {}", parts.join(", "))
    }
}

fn verb_of(rule: &ArtifactRule) -> &'static str {
    if rule.action == "Deny" { "deny" } else { "allow" }
}
