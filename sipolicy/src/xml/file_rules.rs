//! Reading key usages, file rules and artifact rules.

use super::Element;
use super::Reader;
use super::elements;
use super::text_of;
use crate::document::ArtifactRule;
use crate::document::Eku;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::error::ReadError;
use crate::version::FileVersion;

impl Reader<'_> {
    pub(super) fn ekus(&mut self, ekus: Element<'_, '_>) -> Result<(), ReadError> {
        for node in elements(ekus) {
            let value = match node.attribute("Value") {
                Some(text) => Some(self.hex(node, "Value", text)?),
                None => None,
            };
            let oid = node.attribute("OID").map(str::to_owned);
            if value.is_none() && oid.is_none() {
                return Err(self.error(node, "the EKU has neither Value nor OID; write OID=\"1.3...\""));
            }
            let eku = Eku {
                position: self.position(node),
                id: self.id(node)?,
                friendly_name: node.attribute("FriendlyName").map(str::to_owned),
                value,
                oid,
            };
            self.document.ekus.push(eku);
        }
        Ok(())
    }

    pub(super) fn file_rules(&mut self, rules: Element<'_, '_>) -> Result<(), ReadError> {
        for node in elements(rules) {
            let name = node.tag_name().name();
            let (kind, generic) = match (name, node.attribute("Type")) {
                ("Allow", _) => (FileRuleKind::Allow, false),
                ("Deny", _) => (FileRuleKind::Deny, false),
                ("FileAttrib", _) => (FileRuleKind::Attribute, false),
                ("FileRule", Some("Match")) => (FileRuleKind::Allow, true),
                ("FileRule", Some("Exclude")) => (FileRuleKind::Deny, true),
                _ => (FileRuleKind::Attribute, true),
            };
            let mut hash = Vec::new();
            let mut attributes = FileAttributes::default();
            let mut friendly_name = None;
            for attribute in node.attributes() {
                let (name, text) = (attribute.name(), attribute.value());
                match name {
                    "ID" | "Type" => {}
                    "FriendlyName" => friendly_name = Some(text.to_owned()),
                    "Hash" => hash = self.hex(node, name, text)?,
                    _ if text.is_empty() => {
                        self.note(
                            node,
                            format!("{name} is empty; it was read as if it were not there"),
                        );
                    }
                    "FileName" => attributes.file_name = Some(text.to_owned()),
                    "InternalName" => attributes.internal_name = Some(text.to_owned()),
                    "FileDescription" => attributes.file_description = Some(text.to_owned()),
                    "ProductName" => attributes.product_name = Some(text.to_owned()),
                    "PackageFamilyName" => attributes.package_family_name = Some(text.to_owned()),
                    "PackageVersion" => attributes.package_version = Some(self.version(node, name, text)?),
                    "MinimumFileVersion" => {
                        attributes.minimum_version = Some(self.version(node, name, text)?);
                    }
                    "MaximumFileVersion" => {
                        attributes.maximum_version = Some(self.version(node, name, text)?);
                    }
                    "AppIDs" => attributes.app_ids = Some(text.to_owned()),
                    "FilePath" => attributes.file_path = Some(text.to_owned()),
                    "RequireHotpatchID" => attributes.require_hotpatch_id = Some(text.to_owned()),
                    "MinimumHotpatchSequence" => {
                        attributes.minimum_hotpatch_sequence = Some(self.number(node, name, text)?);
                    }
                    "MaximumHotpatchSequence" => {
                        attributes.maximum_hotpatch_sequence = Some(self.number(node, name, text)?);
                    }
                    _ => {}
                }
            }
            let rule = FileRule {
                position: self.position(node),
                kind,
                generic,
                id: self.id(node)?,
                friendly_name,
                hash,
                attributes: (attributes != FileAttributes::default()).then(|| Box::new(attributes)),
            };
            self.check_file_rule(node, &rule)?;
            self.document.file_rules.push(rule);
        }
        Ok(())
    }

    /// What the policy compiler demands of a file rule.
    fn check_file_rule(&self, node: Element<'_, '_>, rule: &FileRule) -> Result<(), ReadError> {
        let id = &rule.id;
        let attributes = rule.attributes();
        let named = attributes.names().iter().any(Option::is_some);
        if !rule.hash.is_empty() && !matches!(rule.hash.len(), 20 | 32 | 48 | 64) {
            return Err(self.error(
                node,
                format!("the Hash of {id} is not one; write 40, 64, 96 or 128 hexadecimal digits"),
            ));
        }
        if rule.hash.is_empty() && !named && !attributes.is_user_mode_only() {
            return Err(self.error(
                node,
                format!("{id} names nothing; add a Hash or a FileName (FileName=\"*\" for a version alone)"),
            ));
        }
        if !rule.hash.is_empty() && (named || attributes.is_user_mode_only()) {
            return Err(self.error(
                node,
                format!("{id} has a Hash beside other properties; make two rules of it"),
            ));
        }
        if let (Some(minimum), Some(maximum)) = (attributes.minimum_version, attributes.maximum_version)
            && minimum > maximum
            && maximum != FileVersion::default()
        {
            return Err(self.error(
                node,
                format!(
                    "{id} has MinimumFileVersion {minimum} above MaximumFileVersion {maximum}; swap them"
                ),
            ));
        }
        Ok(())
    }

    pub(super) fn artifact_rules(&mut self, rules: Element<'_, '_>) -> Result<(), ReadError> {
        for node in elements(rules) {
            let digest = node.descendants().find(|child| {
                let name = child.tag_name().name();
                matches!(name, "sha256" | "sha384" | "sha512")
            });
            let hash = match digest {
                Some(digest) => self.hex(digest, digest.tag_name().name(), &text_of(digest))?,
                None => Vec::new(),
            };
            let version = |attribute: &str| {
                node.attribute(attribute)
                    .map(|text| self.version(node, attribute, text))
                    .transpose()
            };
            let owned = |attribute: &str| node.attribute(attribute).map(str::to_owned);
            let (minimum_version, maximum_version) = (version("MinimumVersion")?, version("MaximumVersion")?);
            let rule = ArtifactRule {
                position: self.position(node),
                artifact_type: self.required(node, "ArtifactType")?.to_owned(),
                action: self.required(node, "Action")?.to_owned(),
                friendly_name: owned("FriendlyName"),
                name: owned("ArtifactName"),
                description: owned("ArtifactDescription"),
                minimum_version,
                maximum_version,
                hash,
                id: self.id(node)?,
            };
            self.document.artifact_rules.push(rule);
        }
        Ok(())
    }
}
