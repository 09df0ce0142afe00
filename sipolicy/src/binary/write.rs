//! Writing the binary form.

mod blocks;
mod capacity;
mod fields;

use super::ALWAYS_BIT;
use super::BODY;
use super::DEFAULT_MINIMUM_HASH;
use super::NEWEST_FORMAT;
use super::OLDEST_FORMAT;
use super::REMAPPING_SETTING;
use super::SUPPLEMENTAL_BIT;
use super::tagging;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::PLATFORM;
use crate::document::PolicyKind;
use crate::document::Reference;
use crate::document::SettingValue;
use crate::document::SignerGroup;
use crate::error::Place;
use crate::hex;
use crate::options::CERTIFICATE_REMAPPING;
use capacity::losses;
use capacity::needed_format;
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
    if document.kind == PolicyKind::Base && tagging::is_tagging_policy(document) {
        return Err(WriteError {
            place: document.place(document.position),
            message: "its WDACAppId settings or AppID tags make an AppID tagging policy of it in the binary form, which allows \
                      and denies nothing; write PolicyType=\"AppID Tagging Policy\" if it is meant to be one, or remove them"
                .to_owned(),
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
        let options = document.options.0 | tagging::added_options(document).0;
        self.u32(options | supplemental | ALWAYS_BIT);
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
        // Microsoft's own binaries repeat some; they are the same policy only if they come back so.
        indexes.sort_unstable();
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
        settings.extend(tagging::settings(self.document));
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
}
