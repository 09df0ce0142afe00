//! Reading signers and the scenarios that allow and deny them.

use super::Element;
use super::Reader;
use super::elements;
use crate::document::AppIdTags;
use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::error::ReadError;
use crate::time;

impl Reader<'_> {
    pub(super) fn signers(&mut self, signers: Element<'_, '_>) -> Result<(), ReadError> {
        for node in elements(signers) {
            if node.tag_name().name() != "Signer" {
                self.unknown_element(node);
                continue;
            }
            let signer = self.signer(node)?;
            self.document.signers.push(signer);
        }
        Ok(())
    }

    fn signer(&mut self, node: Element<'_, '_>) -> Result<Signer, ReadError> {
        self.only_attributes(node, &["ID", "Name", "SignTimeAfter"]);
        let sign_time_after = match node.attribute("SignTimeAfter") {
            Some(text) => Some(time::parse(text).ok_or_else(|| {
                self.error(
                    node,
                    format!("SignTimeAfter holds \"{text}\"; write a time such as 2024-01-31T00:00:00Z"),
                )
            })?),
            None => None,
        };
        let mut root = None;
        let mut signer = Signer {
            position: self.position(node),
            id: self.id(node)?,
            name: node.attribute("Name").map(str::to_owned),
            sign_time_after,
            root: CertRoot::Wellknown(0),
            ekus: Vec::new(),
            issuer: None,
            publisher: None,
            oem_id: None,
            file_attributes: Vec::new(),
            artifact_rules: Vec::new(),
        };
        for child in elements(node) {
            match child.tag_name().name() {
                "CertRoot" => root = Some(self.cert_root(child)?),
                "CertEKU" => {
                    let except = match child.attribute("Condition") {
                        None => false,
                        Some("Except") => true,
                        Some(other) => {
                            let message = format!(
                                "Condition=\"{other}\" is not known; write \"Except\" or leave it out"
                            );
                            return Err(self.error(child, message));
                        }
                    };
                    let eku = self.reference(child, "ID")?;
                    signer.ekus.push(CertEku { eku, except });
                }
                "CertIssuer" => signer.issuer = Some(self.required(child, "Value")?.to_owned()),
                "CertPublisher" => signer.publisher = Some(self.required(child, "Value")?.to_owned()),
                "CertOemID" => signer.oem_id = Some(self.required(child, "Value")?.to_owned()),
                "FileAttribRef" => {
                    let reference = self.reference(child, "RuleID")?;
                    signer.file_attributes.push(reference);
                }
                "ArtifactRuleRef" => {
                    let reference = self.reference(child, "RuleID")?;
                    signer.artifact_rules.push(reference);
                }
                _ => self.unknown_element(child),
            }
        }
        let Some(root) = root else {
            let message = format!("signer {} has no <CertRoot>; add one", signer.id);
            return Err(self.error(node, message));
        };
        signer.root = root;
        Ok(signer)
    }

    fn cert_root(&mut self, node: Element<'_, '_>) -> Result<CertRoot, ReadError> {
        self.only_attributes(node, &["Type", "Value"]);
        let value = self.hex(node, "Value", self.required(node, "Value")?)?;
        match (node.attribute("Type"), value.as_slice()) {
            (Some("TBS"), [_, ..]) => Ok(CertRoot::Tbs(value)),
            (Some("Wellknown"), [id]) => Ok(CertRoot::Wellknown(*id)),
            (Some("Wellknown"), _) => Err(self.error(
                node,
                "a well-known root is one byte; write Value=\"06\" or another",
            )),
            (Some("TBS"), []) => {
                Err(self.error(node, "the TBS hash is empty; write the hash of the certificate"))
            }
            _ => Err(self.error(node, "a CertRoot needs a Type; write TBS or Wellknown")),
        }
    }

    pub(super) fn scenarios(&mut self, scenarios: Element<'_, '_>) -> Result<(), ReadError> {
        for node in elements(scenarios) {
            if node.tag_name().name() != "SigningScenario" {
                self.unknown_element(node);
                continue;
            }
            let scenario = self.scenario(node)?;
            if self
                .document
                .scenarios
                .iter()
                .any(|other| other.value == scenario.value)
            {
                return Err(self.error(
                    node,
                    format!(
                        "there is a second scenario of value {}; put both into one",
                        scenario.value
                    ),
                ));
            }
            self.document.scenarios.push(scenario);
        }
        Ok(())
    }

    fn scenario(&mut self, node: Element<'_, '_>) -> Result<Scenario, ReadError> {
        let known = [
            "ID",
            "FriendlyName",
            "Value",
            "InheritedScenarios",
            "MinimumHashAlgorithm",
        ];
        self.only_attributes(node, &known);
        let value = self.required(node, "Value")?;
        let value: u8 = value
            .trim()
            .parse()
            .ok()
            .filter(|value| *value != 0)
            .ok_or_else(|| self.error(node, format!("Value=\"{value}\" is no scenario; write 131 or 12")))?;
        let minimum_hash_algorithm = match node.attribute("MinimumHashAlgorithm") {
            Some(text) => Some(text.trim().parse().map_err(|_| {
                self.error(
                    node,
                    format!("MinimumHashAlgorithm holds \"{text}\"; write 32772 (SHA-1) or 32780 (SHA-256)"),
                )
            })?),
            None => None,
        };
        let position = self.position(node);
        let inherited = node
            .attribute("InheritedScenarios")
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(|id| Reference {
                position,
                id: id.to_owned(),
            })
            .collect();
        let mut scenario = Scenario {
            position,
            id: self.id(node)?,
            friendly_name: node.attribute("FriendlyName").map(str::to_owned),
            value,
            inherited,
            minimum_hash_algorithm,
            ..Scenario::default()
        };
        for child in elements(node) {
            match child.tag_name().name() {
                "ProductSigners" => scenario.product = self.group(child)?,
                "ArtifactSigners" => scenario.artifact = Some(self.group(child)?),
                "TestSigners" => scenario.test = Some(self.group(child)?),
                "TestSigningSigners" => scenario.test_signing = Some(self.group(child)?),
                "AppIDTags" => scenario.app_id_tags = Some(self.app_id_tags(child)?),
                _ => self.unknown_element(child),
            }
        }
        Ok(scenario)
    }

    fn group(&mut self, node: Element<'_, '_>) -> Result<SignerGroup, ReadError> {
        let mut group = SignerGroup::default();
        for child in elements(node) {
            match child.tag_name().name() {
                "AllowedSigners" => {
                    for signer in elements(child) {
                        let found = self.signer_use(signer)?;
                        group.allowed.push(found);
                    }
                }
                "DeniedSigners" => {
                    for signer in elements(child) {
                        let found = self.signer_use(signer)?;
                        group.denied.push(found);
                    }
                }
                // Articles on the web leave the lists out.
                "AllowedSigner" => {
                    self.note(
                        child,
                        "<AllowedSigner> stands outside <AllowedSigners>; it was read as if inside",
                    );
                    let found = self.signer_use(child)?;
                    group.allowed.push(found);
                }
                "DeniedSigner" => {
                    self.note(
                        child,
                        "<DeniedSigner> stands outside <DeniedSigners>; it was read as if inside",
                    );
                    let found = self.signer_use(child)?;
                    group.denied.push(found);
                }
                "FileRulesRef" => group.rules = self.references(child, "FileRuleRef", "RuleID")?,
                "ArtifactRulesRef" => group.rules = self.references(child, "ArtifactRuleRef", "RuleID")?,
                _ => self.unknown_element(child),
            }
        }
        Ok(group)
    }

    fn signer_use(&mut self, node: Element<'_, '_>) -> Result<SignerUse, ReadError> {
        let signer = self.reference(node, "SignerId")?;
        let mut exceptions = Vec::new();
        for child in elements(node) {
            let attribute = match child.tag_name().name() {
                "ExceptDenyRule" => "DenyRuleID",
                "ExceptAllowRule" => "AllowRuleID",
                _ => {
                    self.unknown_element(child);
                    continue;
                }
            };
            exceptions.push(self.reference(child, attribute)?);
        }
        Ok(SignerUse { signer, exceptions })
    }

    fn app_id_tags(&mut self, node: Element<'_, '_>) -> Result<AppIdTags, ReadError> {
        let enforce_dll = node
            .attribute("EnforceDLL")
            .map(|text| matches!(text.trim(), "true" | "1"));
        let mut tags = Vec::new();
        for child in elements(node) {
            let key = self.required(child, "Key")?.to_owned();
            tags.push((key, self.required(child, "Value")?.to_owned()));
        }
        Ok(AppIdTags { enforce_dll, tags })
    }
}
