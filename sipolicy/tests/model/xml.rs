//! The XML of generated policies.

use super::policies::EKUS;
use super::policies::Kind;
use super::policies::Policy;
use super::policies::Root;
use super::policies::Rule;
use super::policies::Signer;
use std::fmt::Write as _;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn version(value: u64) -> String {
    format!(
        "{}.{}.{}.{}",
        value >> 48,
        value >> 32 & 0xffff,
        value >> 16 & 0xffff,
        value & 0xffff
    )
}

impl Policy {
    pub fn xml(&self, all: &[Self]) -> String {
        let id = |number: usize| format!("{{00000000-0000-0000-0000-{:012}}}", number + 1);
        // One that extends a supplemental is written as extending something else, for that is what it amounts to.
        let base = match self.extends {
            Some(base) if all[base].extends.is_some() => 900,
            Some(base) => base,
            None => self.number,
        };
        let kind = if self.extends.is_some() {
            "Supplemental"
        } else {
            "Base"
        };
        let mut text = format!(
            "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" PolicyType=\"{kind} Policy\">\n<VersionEx>1.0.0.0\
             </VersionEx><PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID><PolicyID>{}</PolicyID>\
             <BasePolicyID>{}</BasePolicyID>\n<Rules>",
            id(self.number),
            id(base)
        );
        for (set, name) in [
            (self.audit, "Enabled:Audit Mode"),
            (self.allows_supplementals, "Enabled:Allow Supplemental Policies"),
            (self.requires_whql, "Required:WHQL"),
            (self.flight_disabled, "Disabled:Flight Signing"),
        ] {
            if set {
                let _ = write!(text, "<Rule><Option>{name}</Option></Rule>");
            }
        }
        text += "</Rules>\n<EKUs>";
        for (id, value) in EKUS {
            let _ = write!(text, "<EKU ID=\"{id}\" Value=\"{}\"/>", hex(value));
        }
        text += "</EKUs>\n<FileRules>\n";
        for rule in &self.rules {
            rule.write(&mut text);
        }
        text += "</FileRules>\n<Signers>\n";
        for signer in &self.signers {
            signer.write(&mut text, self);
        }
        text += "</Signers>\n<SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"";
        if let Some(minimum) = self.minimum {
            let _ = write!(text, " MinimumHashAlgorithm=\"{minimum}\"");
        }
        text += "><ProductSigners>\n";
        for (deny, list, entry, exception, attribute) in [
            (
                false,
                "AllowedSigners",
                "AllowedSigner",
                "ExceptDenyRule",
                "DenyRuleID",
            ),
            (
                true,
                "DeniedSigners",
                "DeniedSigner",
                "ExceptAllowRule",
                "AllowRuleID",
            ),
        ] {
            let _ = write!(text, "<{list}>");
            for signer_use in self.uses.iter().filter(|signer_use| signer_use.deny == deny) {
                let _ = write!(
                    text,
                    "<{entry} SignerId=\"{}\">",
                    self.signers[signer_use.signer].id
                );
                for at in &signer_use.exceptions {
                    let _ = write!(text, "<{exception} {attribute}=\"{}\"/>", self.rules[*at].id);
                }
                let _ = writeln!(text, "</{entry}>");
            }
            let _ = write!(text, "</{list}>");
        }
        text += "<FileRulesRef>";
        for at in &self.direct {
            let _ = write!(text, "<FileRuleRef RuleID=\"{}\"/>", self.rules[*at].id);
        }
        text + "</FileRulesRef></ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"
    }
}

impl Rule {
    fn write(&self, text: &mut String) {
        let element = match self.kind {
            Kind::Allow => "Allow",
            Kind::Deny => "Deny",
            Kind::Attribute => "FileAttrib",
        };
        let _ = write!(text, "<{element} ID=\"{}\"", self.id);
        if let Some(hash) = &self.hash {
            let _ = write!(text, " Hash=\"{}\"", hex(hash));
        }
        if self.path {
            text.push_str(" FilePath=\"C:\\x.sys\"");
        }
        let attributes = ["FileName", "InternalName", "FileDescription", "ProductName"];
        for (attribute, name) in attributes.iter().zip(self.names) {
            if let Some(name) = name {
                let _ = write!(text, " {attribute}=\"{name}\"");
            }
        }
        for (attribute, bound) in [("MinimumFileVersion", self.min), ("MaximumFileVersion", self.max)] {
            if let Some(bound) = bound {
                let _ = write!(text, " {attribute}=\"{}\"", version(bound));
            }
        }
        text.push_str("/>\n");
    }
}

impl Signer {
    fn write(&self, text: &mut String, policy: &Policy) {
        let _ = write!(text, "<Signer ID=\"{}\" Name=\"made\"", self.id);
        if let Some(after) = self.signed_after {
            let time = match after {
                1_000_000_000 => "2001-09-09T01:46:40Z",
                1_400_000_000 => "2014-05-13T16:53:20Z",
                _ => "2023-11-14T22:13:20Z",
            };
            let _ = write!(text, " SignTimeAfter=\"{time}\"");
        }
        let _ = match &self.root {
            Root::Tbs(tbs) => write!(text, "><CertRoot Type=\"TBS\" Value=\"{}\"/>", hex(tbs)),
            Root::Wellknown(id) => write!(text, "><CertRoot Type=\"Wellknown\" Value=\"{id:02X}\"/>"),
        };
        for eku in &self.ekus {
            let _ = write!(text, "<CertEKU ID=\"{}\"/>", EKUS[*eku].0);
        }
        for eku in &self.except_ekus {
            let _ = write!(text, "<CertEKU ID=\"{}\" Condition=\"Except\"/>", EKUS[*eku].0);
        }
        for (element, name) in [
            ("CertIssuer", self.issuer),
            ("CertPublisher", self.publisher),
            ("CertOemID", self.oem),
        ] {
            if let Some(name) = name {
                let _ = write!(text, "<{element} Value=\"{name}\"/>");
            }
        }
        for at in &self.attributes {
            let _ = write!(text, "<FileAttribRef RuleID=\"{}\"/>", policy.rules[*at].id);
        }
        text.push_str("</Signer>\n");
    }
}
