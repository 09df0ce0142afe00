//! Reading signers and the scenarios that allow and deny them.

use super::Element;
use super::Reader;
use super::elements;
use super::schema::boolean;
use super::schema::quoted;
use super::schema::trim;
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
            let signer = self.signer(node)?;
            self.document.signers.push(signer);
        }
        Ok(())
    }

    fn signer(&mut self, node: Element<'_, '_>) -> Result<Signer, ReadError> {
        let sign_time_after = match node.attribute("SignTimeAfter") {
            Some(text) => Some(time::parse(text).ok_or_else(|| {
                self.error(
                    node,
                    format!(
                        "SignTimeAfter holds {}; write a time such as 2024-01-31T00:00:00Z",
                        quoted(text)
                    ),
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
                    let except = child.attribute("Condition").is_some();
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
                _ => {}
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
        let value = self.required(node, "Value")?;
        let value: u8 = self.number(node, "Value", value)?;
        if value == 0 {
            return Err(self.error(node, "Value=\"0\" is no scenario; write 131 or 12"));
        }
        let minimum_hash_algorithm = match node.attribute("MinimumHashAlgorithm") {
            Some(text) => Some(self.number(node, "MinimumHashAlgorithm", text)?),
            None => None,
        };
        let position = self.position(node);
        let inherited = node
            .attribute("InheritedScenarios")
            .unwrap_or_default()
            .split(',')
            .map(trim)
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
                _ => {}
            }
        }
        Ok(scenario)
    }

    fn group(&self, node: Element<'_, '_>) -> Result<SignerGroup, ReadError> {
        let mut group = SignerGroup::default();
        for child in elements(node) {
            match child.tag_name().name() {
                "AllowedSigners" => group.allowed.append(&mut self.signer_uses(child)?),
                "DeniedSigners" => group.denied.append(&mut self.signer_uses(child)?),
                // Articles on the web leave the lists out.
                "AllowedSigner" => group.allowed.push(self.signer_use(child)?),
                "DeniedSigner" => group.denied.push(self.signer_use(child)?),
                "FileRulesRef" | "ArtifactRulesRef" => group.rules = self.references(child, "RuleID")?,
                _ => {}
            }
        }
        Ok(group)
    }

    fn signer_uses(&self, list: Element<'_, '_>) -> Result<Vec<SignerUse>, ReadError> {
        elements(list).map(|child| self.signer_use(child)).collect()
    }

    fn signer_use(&self, node: Element<'_, '_>) -> Result<SignerUse, ReadError> {
        let signer = self.reference(node, "SignerId")?;
        let mut exceptions = Vec::new();
        for child in elements(node) {
            let attribute = match child.tag_name().name() {
                "ExceptDenyRule" => "DenyRuleID",
                _ => "AllowRuleID",
            };
            exceptions.push(self.reference(child, attribute)?);
        }
        Ok(SignerUse { signer, exceptions })
    }

    fn app_id_tags(&self, node: Element<'_, '_>) -> Result<AppIdTags, ReadError> {
        let enforce_dll = node.attribute("EnforceDLL").and_then(boolean);
        let mut tags = Vec::new();
        for child in elements(node) {
            let key = self.required(child, "Key")?.to_owned();
            tags.push((key, self.required(child, "Value")?.to_owned()));
        }
        Ok(AppIdTags { enforce_dll, tags })
    }
}
