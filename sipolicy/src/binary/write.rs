//! Writing the binary form.

use super::ALWAYS_BIT;
use super::BODY;
use super::DEFAULT_MINIMUM_HASH;
use super::NEWEST_FORMAT;
use super::OLDEST_FORMAT;
use super::REMAPPING_SETTING;
use super::SUPPLEMENTAL_BIT;
use crate::Document;
use crate::PolicyKind;
use crate::document::CertRoot;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::PLATFORM;
use crate::document::Reference;
use crate::document::SettingValue;
use crate::document::SignerGroup;
use crate::error::Place;
use crate::hex;
use crate::options::CERTIFICATE_REMAPPING;
use policy::fold;
use std::collections::HashMap;
use std::fmt;

/// A policy in the binary form.
#[derive(Clone, Debug)]
pub struct Binary {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The format version written.
    pub format: u32,
    /// What the document says and this form cannot hold.
    pub losses: Vec<String>,
}

/// A document cannot be written in the binary form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError {
    /// Where it stands.
    pub place: Place,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for WriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for WriteError {}

/// Writes a policy in the binary form: in this format version, or else in the one it was read from, or else in the oldest one
/// from 7 on that holds all of it.
///
/// # Errors
/// [`WriteError`] for a format version that is not known and for references that point nowhere.
pub fn to_binary(document: &Document, format: Option<u32>) -> Result<Binary, WriteError> {
    let format = format
        .or(document.format_version)
        .unwrap_or_else(|| needed_format(document).max(7));
    if !(OLDEST_FORMAT..=NEWEST_FORMAT).contains(&format) {
        return Err(WriteError {
            place: document.place(document.position),
            message: format!("format version {format} is not known; {OLDEST_FORMAT} to {NEWEST_FORMAT} are"),
        });
    }
    let needed = needed_format(document);
    if format < needed {
        // What is left out of a rule would widen it.
        return Err(WriteError {
            place: document.place(document.position),
            message: format!(
                "format version {format} cannot hold all the policy says; write version {needed} or later"
            ),
        });
    }
    let mut order: Vec<usize> = (0..document.file_rules.len()).collect();
    let keys: Vec<_> = document.file_rules.iter().map(sort_key).collect();
    order.sort_by(|a, b| keys[*a].cmp(&keys[*b]));
    let ranks = order.iter().enumerate();
    let mut writer = Writer {
        document,
        format,
        bytes: Vec::new(),
        losses: losses(document),
        file_rules: ranks
            .map(|(rank, at)| (document.file_rules[*at].id.as_str(), rank))
            .collect(),
        signers: numbered(document.signers.iter().map(|signer| signer.id.as_str())),
        ekus: numbered(document.ekus.iter().map(|eku| eku.id.as_str())),
        artifacts: numbered(document.artifact_rules.iter().map(|rule| rule.id.as_str())),
        scenarios: numbered(document.scenarios.iter().map(|scenario| scenario.id.as_str())),
        order,
    };
    writer.policy()?;
    Ok(Binary {
        bytes: writer.bytes,
        format,
        losses: writer.losses,
    })
}

fn numbered<'d>(ids: impl Iterator<Item = &'d str>) -> HashMap<&'d str, usize> {
    ids.enumerate().map(|(at, id)| (id, at)).collect()
}

/// The order in which the kernel searches file rules: by type, then names in ordinal order ignoring case, then hash.
fn sort_key(rule: &FileRule) -> (FileRuleKind, [Vec<u16>; 6], &[u8]) {
    let attributes = rule.attributes();
    let upper = |name: &Option<String>| -> Vec<u16> {
        let folded: String = name.iter().flat_map(|name| name.chars()).map(fold).collect();
        folded.encode_utf16().collect()
    };
    let names = [
        &attributes.file_name,
        &attributes.internal_name,
        &attributes.file_description,
        &attributes.product_name,
        &attributes.package_family_name,
        &attributes.file_path,
    ];
    (rule.kind, names.map(upper), &rule.hash)
}

/// The oldest format version that holds all that the policy says.
fn needed_format(document: &Document) -> u32 {
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
    } else if document.policy_id.is_some() {
        6
    } else if any_rule(&|rule| rule.attributes().package_family_name.is_some()) {
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
fn losses(document: &Document) -> Vec<String> {
    let mut losses = vec![
        "ids, friendly names and signer names are not in the binary form".to_owned(),
        "comments are not in the binary form".to_owned(),
    ];
    if document.kind == PolicyKind::AppIdTagging
        || document
            .scenarios
            .iter()
            .any(|scenario| scenario.app_id_tags.is_some())
    {
        losses.push("AppID tags are not in the binary form that this tool writes".to_owned());
    }
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
    let maximum_alone = |rule: &FileRule| {
        let attributes = rule.attributes();
        rule.kind == FileRuleKind::Deny
            && attributes.minimum_version.is_none()
            && attributes.maximum_version.is_some()
    };
    if document.file_rules.iter().any(maximum_alone) {
        losses.push("deny rules with a maximum version alone get the minimum 0.0.0.0".to_owned());
    }
    for option in &document.other_options {
        if option != CERTIFICATE_REMAPPING {
            losses.push(format!("the option {option} has no place in the binary form"));
        }
    }
    losses
}

struct Writer<'d> {
    document: &'d Document,
    format: u32,
    bytes: Vec<u8>,
    losses: Vec<String>,
    /// Indexes of the file rules in the order in which they are written.
    order: Vec<usize>,
    file_rules: HashMap<&'d str, usize>,
    signers: HashMap<&'d str, usize>,
    ekus: HashMap<&'d str, usize>,
    artifacts: HashMap<&'d str, usize>,
    scenarios: HashMap<&'d str, usize>,
}

impl<'d> Writer<'d> {
    fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        // Documents are read whole into memory and capped far below this.
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn blob(&mut self, blob: &[u8]) {
        self.count(blob.len());
        self.bytes.extend_from_slice(blob);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn string(&mut self, text: Option<&str>) {
        let units: Vec<u8> = text
            .unwrap_or_default()
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        self.blob(&units);
        self.u32(0);
    }

    fn index(
        &self,
        ids: &HashMap<&str, usize>,
        reference: &Reference,
        what: &str,
    ) -> Result<usize, WriteError> {
        ids.get(reference.id.as_str()).copied().ok_or_else(|| WriteError {
            place: self.document.place(reference.position),
            message: format!(
                "no {what} has the ID {}; correct it or add the {what}",
                reference.id
            ),
        })
    }

    fn indexes(
        &mut self,
        ids: fn(&Self) -> &HashMap<&'d str, usize>,
        references: &[Reference],
        what: &str,
    ) -> Result<(), WriteError> {
        let mut indexes = Vec::new();
        for reference in references {
            indexes.push(self.index(ids(self), reference, what)?);
        }
        self.count(indexes.len());
        for index in indexes {
            self.count(index);
        }
        Ok(())
    }

    fn rules(&self) -> Vec<&'d FileRule> {
        self.order
            .iter()
            .map(|at| &self.document.file_rules[*at])
            .collect()
    }

    fn policy(&mut self) -> Result<(), WriteError> {
        let document = self.document;
        self.u32(self.format);
        let policy_type = document.policy_type_id.unwrap_or_else(|| document.base_id());
        self.bytes.extend_from_slice(&policy_type.0);
        let platform = document
            .platform_id
            .or_else(|| PLATFORM.parse().ok())
            .unwrap_or_default();
        self.bytes.extend_from_slice(&platform.0);
        let supplemental = if document.kind == PolicyKind::Supplemental {
            SUPPLEMENTAL_BIT
        } else {
            0
        };
        self.u32(document.options.0 | supplemental | ALWAYS_BIT);
        self.count(document.ekus.len());
        self.count(document.file_rules.len());
        self.count(document.signers.len());
        self.count(document.scenarios.len());
        self.u64(document.version.0);
        self.u32(BODY);
        for eku in &document.ekus {
            let from_oid = || eku.oid.as_deref().and_then(hex::encode_oid);
            let Some(value) = eku.value.clone().or_else(from_oid) else {
                return Err(WriteError {
                    place: document.place(eku.position),
                    message: format!("{} has no valid Value or OID; add one", eku.id),
                });
            };
            self.blob(&value);
        }
        for rule in self.rules() {
            let attributes = rule.attributes();
            self.u32(match rule.kind {
                FileRuleKind::Deny => 0,
                FileRuleKind::Allow => 1,
                FileRuleKind::Attribute => 2,
            });
            self.string(attributes.file_name.as_deref());
            let any_version = attributes.maximum_version.is_none_or(|maximum| maximum.0 == 0);
            let minimum = match attributes.minimum_version {
                Some(minimum) => minimum.0,
                None if rule.kind == FileRuleKind::Deny && any_version => u64::MAX,
                None => 0,
            };
            self.u64(minimum);
            self.blob(&rule.hash);
        }
        self.signers()?;
        self.indexes(
            |writer| &writer.signers,
            &document.update_policy_signers,
            "signer",
        )?;
        self.indexes(|writer| &writer.signers, &document.ci_signers, "signer")?;
        self.scenarios()?;
        self.u32(document.hvci_options.unwrap_or(0));
        self.settings();
        for block in 3..=self.format {
            self.u32(block);
            self.block(block)?;
        }
        self.u32(self.format + 1);
        Ok(())
    }

    fn signers(&mut self) -> Result<(), WriteError> {
        for signer in &self.document.signers {
            match &signer.root {
                CertRoot::Tbs(tbs) => {
                    self.u32(0);
                    self.blob(tbs);
                }
                CertRoot::Wellknown(id) => {
                    self.u32(1);
                    self.u32((*id).into());
                }
            }
            let ekus: Vec<Reference> = signer
                .ekus
                .iter()
                .filter(|eku| !eku.except)
                .map(|eku| eku.eku.clone())
                .collect();
            self.indexes(|writer| &writer.ekus, &ekus, "EKU")?;
            self.string(signer.issuer.as_deref());
            self.string(signer.publisher.as_deref());
            self.string(signer.oem_id.as_deref());
            self.indexes(|writer| &writer.file_rules, &signer.file_attributes, "file rule")?;
        }
        Ok(())
    }

    fn scenarios(&mut self) -> Result<(), WriteError> {
        for scenario in &self.document.scenarios {
            self.u32(scenario.value.into());
            self.indexes(|writer| &writer.scenarios, &scenario.inherited, "scenario")?;
            let minimum = scenario.minimum_hash_algorithm;
            self.u32(minimum.map_or(DEFAULT_MINIMUM_HASH, u32::from));
            let none = SignerGroup::default();
            self.group(&scenario.product, |writer| &writer.file_rules)?;
            self.group(scenario.test.as_ref().unwrap_or(&none), |writer| {
                &writer.file_rules
            })?;
            self.group(scenario.test_signing.as_ref().unwrap_or(&none), |writer| {
                &writer.file_rules
            })?;
        }
        Ok(())
    }

    fn group(
        &mut self,
        group: &SignerGroup,
        rules: fn(&Self) -> &HashMap<&'d str, usize>,
    ) -> Result<(), WriteError> {
        for (uses, denied) in [(&group.allowed, false), (&group.denied, true)] {
            let mut found = Vec::new();
            for signer_use in uses {
                match self.index(&self.signers, &signer_use.signer, "signer") {
                    Ok(signer) => found.push((signer, signer_use)),
                    // As in compilation: a denial of nothing denies nothing.
                    Err(error) if denied => self.losses.push(format!("{error}; it was left out")),
                    Err(error) => return Err(error),
                }
            }
            self.count(found.len());
            for (signer, signer_use) in found {
                self.count(signer);
                self.indexes(rules, &signer_use.exceptions, "rule")?;
            }
        }
        let mut indexes = Vec::new();
        for reference in &group.rules {
            indexes.push(self.index(rules(self), reference, "rule")?);
        }
        indexes.sort_unstable();
        indexes.dedup();
        self.count(indexes.len());
        for index in indexes {
            self.count(index);
        }
        Ok(())
    }

    fn settings(&mut self) {
        let remapping = self
            .document
            .other_options
            .iter()
            .any(|option| option == CERTIFICATE_REMAPPING);
        let mut settings: Vec<([&str; 3], SettingValue)> = self
            .document
            .settings
            .iter()
            .map(|setting| {
                let names = [&*setting.provider, &*setting.key, &*setting.value_name];
                (names, setting.value.clone())
            })
            .collect();
        if remapping {
            settings.push((REMAPPING_SETTING, SettingValue::Boolean(true)));
        }
        settings.sort_by(|a, b| a.0.cmp(&b.0));
        self.count(settings.len());
        for (names, value) in settings {
            for name in names {
                self.string(Some(name));
            }
            match value {
                SettingValue::Boolean(value) => {
                    self.u32(0);
                    self.u32(value.into());
                }
                SettingValue::DWord(value) => {
                    self.u32(1);
                    self.u32(value);
                }
                SettingValue::Binary(value) => {
                    self.u32(2);
                    self.blob(&value);
                }
                SettingValue::String(value) => {
                    self.u32(3);
                    self.string(Some(&value));
                }
            }
        }
    }

    fn block(&mut self, block: u32) -> Result<(), WriteError> {
        let document = self.document;
        match block {
            3 => {
                for rule in self.rules() {
                    let attributes = rule.attributes();
                    self.u64(attributes.maximum_version.map_or(0, |version| version.0));
                    let applications = self.applications(attributes.app_ids.as_deref());
                    self.count(applications.len());
                    for application in applications {
                        self.string(Some(&application));
                    }
                }
                for signer in &document.signers {
                    let time = signer.sign_time_after.unwrap_or(0);
                    self.bytes.extend_from_slice(&time.to_le_bytes());
                }
            }
            4 => {
                for rule in self.rules() {
                    let attributes = rule.attributes();
                    self.string(attributes.internal_name.as_deref());
                    self.string(attributes.file_description.as_deref());
                    self.string(attributes.product_name.as_deref());
                }
            }
            5 => {
                for rule in self.rules() {
                    let attributes = rule.attributes();
                    self.string(attributes.package_family_name.as_deref());
                    self.u64(attributes.package_version.map_or(0, |version| version.0));
                }
            }
            6 => {
                self.bytes.extend_from_slice(&document.id().0);
                self.bytes.extend_from_slice(&document.base_id().0);
                let signers = &document.supplemental_policy_signers;
                self.indexes(|writer| &writer.signers, signers, "signer")?;
            }
            7 => {
                for rule in self.rules() {
                    self.string(rule.attributes().file_path.as_deref());
                }
            }
            8 => self.u32(0),
            9 => self.hotpatches()?,
            10 => self.artifacts()?,
            _ => self.except_ekus()?,
        }
        Ok(())
    }

    /// The applications of a rule, macros replaced.
    fn applications(&mut self, app_ids: Option<&str>) -> Vec<String> {
        let Some(app_ids) = app_ids else {
            return Vec::new();
        };
        if !app_ids.starts_with("$(") {
            return vec![app_ids.to_owned()];
        }
        let mut found = Vec::new();
        for name in app_ids.split("$(").filter_map(|part| part.strip_suffix(')')) {
            match self.document.macros.iter().find(|(id, _)| id == name) {
                Some((_, value)) => found.push(value.clone()),
                None => self
                    .losses
                    .push(format!("there is no macro {name}; it was left out")),
            }
        }
        found
    }

    fn hotpatches(&mut self) -> Result<(), WriteError> {
        let mut entries = Vec::new();
        for (rank, rule) in self.rules().into_iter().enumerate() {
            let Some(id) = &rule.attributes().require_hotpatch_id else {
                continue;
            };
            let reference = Reference {
                position: rule.position,
                id: id.clone(),
            };
            let target = self.index(&self.file_rules, &reference, "file rule")?;
            let attributes = self.document.file_rules[self.order[target]].attributes();
            let minimum = attributes.minimum_hotpatch_sequence.unwrap_or(0);
            let maximum = attributes.maximum_hotpatch_sequence.unwrap_or(u32::MAX);
            entries.push((rank, target, minimum, maximum));
        }
        self.count(entries.len());
        for (base, target, minimum, maximum) in entries {
            self.count(base);
            self.count(target);
            self.u32(minimum);
            self.u32(maximum);
        }
        Ok(())
    }

    fn artifacts(&mut self) -> Result<(), WriteError> {
        let document = self.document;
        self.count(document.artifact_rules.len());
        for rule in &document.artifact_rules {
            self.u32(u32::from(rule.artifact_type != "CIM"));
            self.u32(u32::from(rule.action != "Deny"));
            self.string(rule.name.as_deref());
            self.string(rule.description.as_deref());
            self.u64(rule.minimum_version.map_or(0, |version| version.0));
            self.u64(rule.maximum_version.map_or(u64::MAX, |version| version.0));
            self.blob(&rule.hash);
        }
        let with: Vec<_> = document
            .signers
            .iter()
            .enumerate()
            .filter(|(_, signer)| !signer.artifact_rules.is_empty())
            .collect();
        self.count(with.len());
        for (at, signer) in with {
            self.count(at);
            self.indexes(
                |writer| &writer.artifacts,
                &signer.artifact_rules,
                "artifact rule",
            )?;
        }
        let none = SignerGroup::default();
        for scenario in &document.scenarios {
            let group = scenario.artifact.as_ref().unwrap_or(&none);
            self.group(group, |writer| &writer.artifacts)?;
        }
        Ok(())
    }

    fn except_ekus(&mut self) -> Result<(), WriteError> {
        let mut entries = Vec::new();
        for (at, signer) in self.document.signers.iter().enumerate() {
            let ekus: Vec<Reference> = signer
                .ekus
                .iter()
                .filter(|eku| eku.except)
                .map(|eku| eku.eku.clone())
                .collect();
            if !ekus.is_empty() {
                entries.push((at, ekus));
            }
        }
        self.count(entries.len());
        for (at, ekus) in entries {
            self.count(at);
            self.indexes(|writer| &writer.ekus, &ekus, "EKU")?;
        }
        Ok(())
    }
}
