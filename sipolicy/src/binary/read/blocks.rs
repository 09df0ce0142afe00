//! The blocks that later format versions added.

use super::Reader;
use crate::document::ArtifactRule;
use crate::document::CertEku;
use crate::document::FileAttributes;
use crate::document::FileRuleKind;
use crate::document::SignerGroup;
use crate::error::ReadError;
use crate::version::FileVersion;

impl Reader<'_> {
    /// One of the blocks that later format versions added.
    pub(super) fn block(&mut self, block: u32) -> Result<(), ReadError> {
        match block {
            3 => {
                for at in 0..self.document.file_rules.len() {
                    self.versions_and_applications(at)?;
                }
                for at in 0..self.document.signers.len() {
                    let time = i64::from_le_bytes(self.array()?);
                    self.document.signers[at].sign_time_after = (time != 0).then_some(time);
                }
            }
            4 => {
                for at in 0..self.document.file_rules.len() {
                    let [internal, description, product] = [self.string()?, self.string()?, self.string()?];
                    let attributes = self.attributes(at);
                    attributes.internal_name = internal;
                    attributes.file_description = description;
                    attributes.product_name = product;
                }
            }
            5 => {
                for at in 0..self.document.file_rules.len() {
                    let (family, version) = (self.string()?, self.u64()?);
                    let attributes = self.attributes(at);
                    attributes.package_family_name = family;
                    attributes.package_version = (version != 0).then_some(FileVersion(version));
                }
            }
            6 => {
                self.document.policy_id = Some(self.guid()?);
                self.document.base_policy_id = Some(self.guid()?);
                // In this form the header repeats the base policy's id in place of the type.
                if self.document.policy_type_id == self.document.base_policy_id {
                    self.document.policy_type_id = None;
                }
                self.document.supplemental_policy_signers = self.signer_references()?;
            }
            7 => {
                for at in 0..self.document.file_rules.len() {
                    let path = self.string()?;
                    self.attributes(at).file_path = path;
                }
            }
            8 => {
                let count = self.u32()?;
                if count != 0 {
                    return Err(self.error("application settings in a binary policy cannot be read"));
                }
            }
            9 => self.hotpatches()?,
            10 => self.artifacts()?,
            _ => {
                for _ in 0..self.count(8)? {
                    let at = self.index(self.document.signers.len(), "signer")?;
                    for _ in 0..self.count(4)? {
                        let eku = self.eku_reference()?;
                        self.document.signers[at].ekus.push(CertEku { eku, except: true });
                    }
                }
            }
        }
        Ok(())
    }

    fn attributes(&mut self, at: usize) -> &mut FileAttributes {
        self.document.file_rules[at].attributes.get_or_insert_default()
    }

    pub(super) fn versions(&mut self, at: usize, maximum: u64) {
        let (kind, minimum) = (self.document.file_rules[at].kind, self.minimums[at]);
        let attributes = self.attributes(at);
        attributes.maximum_version = (maximum != 0).then_some(FileVersion(maximum));
        attributes.minimum_version = match kind {
            // A deny rule for any version is stored with the highest minimum.
            FileRuleKind::Deny if minimum == u64::MAX && maximum == 0 => None,
            FileRuleKind::Deny => Some(FileVersion(minimum)),
            FileRuleKind::Allow | FileRuleKind::Attribute => (minimum != 0).then_some(FileVersion(minimum)),
        };
    }

    fn versions_and_applications(&mut self, at: usize) -> Result<(), ReadError> {
        let maximum = self.u64()?;
        self.versions(at, maximum);
        let count = self.count(8)?;
        let mut applications = Vec::new();
        for _ in 0..count {
            applications.push(self.string()?.unwrap_or_default());
        }
        if let [only] = applications.as_slice() {
            self.attributes(at).app_ids = Some(only.clone());
        } else if !applications.is_empty() {
            let mut names = String::new();
            for application in applications {
                let id = format!("App{}", self.document.macros.len() + 1);
                names.extend(["$(", &id, ")"]);
                self.document.macros.push((id, application));
            }
            self.attributes(at).app_ids = Some(names);
        }
        Ok(())
    }

    fn hotpatches(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.count(16)? {
            let rules = self.document.file_rules.len();
            let (base, target) = (self.index(rules, "file rule")?, self.index(rules, "file rule")?);
            let (minimum, maximum) = (self.u32()?, self.u32()?);
            let id = self.document.file_rules[target].id.clone();
            self.attributes(base).require_hotpatch_id = Some(id);
            let attributes = self.attributes(target);
            attributes.minimum_hotpatch_sequence = Some(minimum);
            attributes.maximum_hotpatch_sequence = Some(maximum);
        }
        Ok(())
    }

    fn artifacts(&mut self) -> Result<(), ReadError> {
        for number in 1..=self.count(44)? {
            let position = self.position();
            let artifact_type = if self.u32()? == 0 { "CIM" } else { "Catalog" };
            let action = if self.u32()? == 0 { "Deny" } else { "Allow" };
            let (name, description) = (self.string()?, self.string()?);
            let (minimum, maximum) = (self.u64()?, self.u64()?);
            let hash = self.blob()?;
            self.document.artifact_rules.push(ArtifactRule {
                position,
                id: format!("ID_ARTIFACT_A_{number}"),
                artifact_type: artifact_type.to_owned(),
                action: action.to_owned(),
                friendly_name: None,
                name,
                description,
                minimum_version: (minimum != 0).then_some(FileVersion(minimum)),
                maximum_version: (maximum != u64::MAX).then_some(FileVersion(maximum)),
                hash,
            });
        }
        for _ in 0..self.count(8)? {
            let at = self.index(self.document.signers.len(), "signer")?;
            self.document.signers[at].artifact_rules = self.artifact_references()?;
        }
        for at in 0..self.document.scenarios.len() {
            let group = self.group(true)?;
            self.document.scenarios[at].artifact = (group != SignerGroup::default()).then_some(group);
        }
        Ok(())
    }
}
