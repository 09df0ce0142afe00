//! Policies put together from parts, for the tests that look for faults in them.

use sipolicy::Document;
use sipolicy::Knowledge;
use sipolicy::lint;
use sipolicy::lint::Code;

pub const WHQL: &str = "<EKU ID=\"ID_EKU_WHQL\" Value=\"010A2B0601040182370A0305\"/>";

/// Rules that a WHQL policy should have beside its signers: one for a driver that is not WHQL-signed, and one that denies.
pub const HASHES: &str = "<Allow ID=\"ID_ALLOW_FALLBACK\" Hash=\"0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A\"/>\
                      <Deny ID=\"ID_DENY_LISTED\" Hash=\"0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B\"/>";

/// A policy with these parts, otherwise without fault.
#[derive(Clone, Copy)]
pub struct Parts<'p> {
    pub kind: &'p str,
    pub options: &'p str,
    pub ekus: &'p str,
    pub rules: &'p str,
    pub signers: &'p str,
    pub kernel: &'p str,
    pub more: &'p str,
}

impl Default for Parts<'_> {
    fn default() -> Self {
        Self {
            kind: "Base Policy",
            options: "Enabled:Unsigned System Integrity Policy",
            ekus: "",
            rules: "",
            signers: "",
            kernel: "",
            more: "",
        }
    }
}

impl Parts<'_> {
    pub fn document(&self, file: &str) -> Document {
        let options = self.options.split('|');
        let options: Vec<_> = options
            .map(|option| format!("<Rule><Option>{option}</Option></Rule>"))
            .collect();
        let options = options.concat();
        let (id, base) = match self.kind {
            "Base Policy" => ("1", "1"),
            _ => ("2", "1"),
        };
        let text = format!(
            "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" PolicyType=\"{}\"><VersionEx>1.0.0.0</VersionEx>\
             <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
             <PolicyID>{{00000000-0000-0000-0000-00000000000{id}}}</PolicyID>\
             <BasePolicyID>{{00000000-0000-0000-0000-00000000000{base}}}</BasePolicyID><Rules>{options}</Rules>\
             <EKUs>{}</EKUs>\n<FileRules>{}</FileRules>\n<Signers>{}</Signers>\n<SigningScenarios>\
             <SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners>{}</ProductSigners></SigningScenario>\
             {}</SigningScenarios><Settings><Setting Provider=\"PolicyInfo\" Key=\"Information\" ValueName=\"Id\"><Value>\
             <String>1</String></Value></Setting></Settings></SiPolicy>",
            self.kind, self.ekus, self.rules, self.signers, self.kernel, self.more
        );
        Document::read(file, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    pub fn codes(&self) -> Vec<Code> {
        lint(&[self.document("a.xml")], &Knowledge::built_in())
            .into_iter()
            .map(|finding| finding.code)
            .collect()
    }
}

pub fn signer(id: &str, inner: &str) -> String {
    format!("<Signer ID=\"{id}\" Name=\"s\"><CertRoot Type=\"Wellknown\" Value=\"06\"/>{inner}</Signer>")
}

pub fn allowed(ids: &[&str]) -> String {
    let list: Vec<_> = ids
        .iter()
        .map(|id| format!("<AllowedSigner SignerId=\"{id}\"/>"))
        .collect();
    let list = list.concat();
    format!("<AllowedSigners>{list}</AllowedSigners>")
}

pub fn referred(ids: &[&str]) -> String {
    let list: Vec<_> = ids
        .iter()
        .map(|id| format!("<FileRuleRef RuleID=\"{id}\"/>"))
        .collect();
    let list = list.concat();
    format!("<FileRulesRef>{list}</FileRulesRef>")
}
