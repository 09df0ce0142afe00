//! The blocks that later format versions added.

use super::WriteError;
use super::Writer;
use crate::document::FileRule;
use crate::document::Reference;
use crate::document::SignerGroup;

impl Writer<'_> {
    pub(super) fn block(&mut self, block: u32) -> Result<(), WriteError> {
        let document = self.document;
        match block {
            3 => {
                for rule in self.rules() {
                    let attributes = rule.attributes();
                    self.u64(attributes.maximum_version.map_or(0, |version| version.0));
                    let applications = self.applications(rule)?;
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

    /// The applications of a rule, macros replaced. Without them the rule would be about every file.
    fn applications(&self, rule: &FileRule) -> Result<Vec<String>, WriteError> {
        let Some(app_ids) = rule.attributes().app_ids.as_deref() else {
            return Ok(Vec::new());
        };
        if !app_ids.starts_with("$(") {
            return Ok(vec![app_ids.to_owned()]);
        }
        let value = |part: &str| {
            let name = part.strip_suffix(')')?;
            let mut macros = self.document.macros.iter();
            macros.find(|(id, _)| id == name).map(|(_, value)| value.clone())
        };
        app_ids
            .split("$(")
            .skip(1)
            .map(|part| {
                value(part).ok_or_else(|| WriteError {
                    place: self.document.place(rule.position),
                    message: format!(
                        "the AppIDs of {} name the macro $({part}, which is not there; correct it or add the macro",
                        rule.id
                    ),
                })
            })
            .collect()
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
