//! Rules in words: one canonical line a rule, whatever its id and the order of its parts. Used to show and to compare.

use crate::by_id::ById;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::Eku;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Position;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::hex;
use crate::options::OPTIONS;
use crate::semantics::version_range;
use crate::time;
use crate::version::FileVersion;

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
        found: Vec::new(),
    };
    describer.header();
    for scenario in &document.scenarios {
        let name = format!("scenario {}", scenario.value);
        if let Some(minimum) = scenario.minimum_hash_algorithm {
            describer.add(
                format!("{name}: minimum hash algorithm {minimum:#x}"),
                "",
                "",
                scenario.position,
            );
        }
        for inherited in &scenario.inherited {
            let value = document.scenarios.iter().find(|other| other.id == inherited.id);
            let value = value.map_or_else(|| inherited.id.clone(), |other| other.value.to_string());
            describer.add(
                format!("{name}: inherits scenario {value}"),
                "",
                "",
                scenario.position,
            );
        }
        describer.group(&name, &scenario.product);
        for (part, group) in [("test", &scenario.test), ("test signing", &scenario.test_signing)] {
            if let Some(group) = group {
                describer.group(&format!("{name}, {part}"), group);
            }
        }
    }
    describer.found
}

struct Describer<'d> {
    document: &'d Document,
    by_id: ById<'d>,
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
        self.add(format!("version: {}", document.version), "", "", at);
        let set = OPTIONS
            .iter()
            .filter(|option| document.options.0 & (1 << option.bit) != 0)
            .map(|option| option.name);
        for name in set.chain(document.other_options.iter().map(String::as_str)) {
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
                let signer = self.signer_text(&reference.id);
                self.add(format!("{what}: {signer}"), &reference.id, "", reference.position);
            }
        }
        for setting in &document.settings {
            let text = format!(
                "setting {}/{}/{}: {:?}",
                setting.provider, setting.key, setting.value_name, setting.value
            );
            self.add(text, "", "", at);
        }
    }

    fn group(&mut self, scenario: &str, group: &'d SignerGroup) {
        for reference in &group.rules {
            let rule = self.by_id.rule(&reference.id);
            let (verb, name) = match rule {
                Some(rule) if rule.kind == FileRuleKind::Deny => ("deny", rule.friendly_name.as_deref()),
                Some(rule) => ("allow", rule.friendly_name.as_deref()),
                None => ("refer to", None),
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

    fn signer_use(&mut self, scenario: &str, verb: &str, found: &SignerUse) {
        let id = &found.signer.id;
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
        self.by_id
            .rule(id)
            .map_or_else(|| format!("{id} (not there)"), file_rule)
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
                parts.push(format!("{what} \"{name}\""));
            }
        }
        let mut ekus: Vec<String> = signer
            .ekus
            .iter()
            .map(|cert_eku| {
                let value = self.document.eku(&cert_eku.eku.id).and_then(Eku::encoded);
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
        format!("signer: {}", parts.join(", "))
    }
}

/// A file rule in words, without its id.
pub(crate) fn file_rule(rule: &FileRule) -> String {
    let attributes = rule.attributes();
    let mut parts = Vec::new();
    if !rule.hash.is_empty() {
        parts.push(format!("hash {}", hex::encode(&rule.hash)));
    }
    for (what, name) in [
        ("file name", &attributes.file_name),
        ("internal name", &attributes.internal_name),
        ("description", &attributes.file_description),
        ("product", &attributes.product_name),
        ("package", &attributes.package_family_name),
        ("path", &attributes.file_path),
        ("application", &attributes.app_ids),
    ] {
        if let Some(name) = name {
            parts.push(format!("{what} \"{name}\""));
        }
    }
    if let Some(version) = attributes.package_version {
        parts.push(format!("package version {version}"));
    }
    match version_range(rule.kind, attributes).map(|(low, high)| (FileVersion(low), FileVersion(high))) {
        None => {}
        Some((FileVersion(0), high)) => parts.push(format!("version up to {high}")),
        Some((low, FileVersion::MAX)) => parts.push(format!("version from {low}")),
        Some((low, high)) => parts.push(format!("version {low} to {high}")),
    }
    parts.join(", ")
}
