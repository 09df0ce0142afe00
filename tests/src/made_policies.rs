//! Policies made for tests: one base policy for each thing to be allowed or denied, all in one set or each by itself.

use std::fmt::Write;

use crate::hex;

/// What a signer of a policy asks for. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The TBS hash of a certificate in the chain; otherwise a root.
    pub tbs: Option<Vec<u8>>,
    /// A well-known root; 0 is any.
    pub root: u8,
    /// `CertPublisher`.
    pub publisher: Option<String>,
    /// `CertOemID`.
    pub oem: Option<String>,
    /// `CertEKU`, as DER content octets.
    pub usage: Option<Vec<u8>>,
    /// `SignTimeAfter`.
    pub after: Option<&'static str>,
    /// Original file name and least version of a `FileAttrib`.
    pub file: Option<(String, &'static str)>,
}

/// What a policy does with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It allows that and nothing else.
    AllowsOnly,
    /// It allows all but that.
    DeniesOnly,
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' | '<' | '>' | '"' | '\'' => {
                write!(escaped, "&#{};", u32::from(character)).expect("a string");
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// A base policy with one rule: a signer, or a file of this Authenticode hash. `number` tells policies apart.
pub fn policy(number: usize, kind: Kind, asked: &Asked) -> String {
    let mut files = String::new();
    let mut usages = String::new();
    let mut signer = String::new();
    let root = match &asked.tbs {
        Some(tbs) => ("TBS", hex(tbs).to_uppercase()),
        None => ("Wellknown", format!("{:02X}", asked.root)),
    };
    write!(signer, r#"<CertRoot Type="{}" Value="{}"/>"#, root.0, root.1).expect("a string");
    if let Some(usage) = &asked.usage {
        let length = usage.len();
        write!(
            usages,
            r#"<EKU ID="ID_EKU_1" Value="01{length:02X}{}"/>"#,
            hex(usage).to_uppercase()
        )
        .expect("a string");
        signer.push_str(r#"<CertEKU ID="ID_EKU_1"/>"#);
    }
    if let Some(publisher) = &asked.publisher {
        write!(signer, r#"<CertPublisher Value="{}"/>"#, escaped(publisher)).expect("a string");
    }
    if let Some(oem) = &asked.oem {
        write!(signer, r#"<CertOemID Value="{}"/>"#, escaped(oem)).expect("a string");
    }
    if let Some((name, version)) = &asked.file {
        write!(
            files,
            r#"<FileAttrib ID="ID_FILEATTRIB_1" FileName="{}" MinimumFileVersion="{version}"/>"#,
            escaped(name)
        )
        .expect("a string");
        signer.push_str(r#"<FileAttribRef RuleID="ID_FILEATTRIB_1"/>"#);
    }
    let after = asked
        .after
        .map(|time| format!(r#" SignTimeAfter="{time}""#))
        .unwrap_or_default();
    let (rules, references) = match kind {
        Kind::AllowsOnly => (
            r#"<AllowedSigners><AllowedSigner SignerId="ID_SIGNER_1"/></AllowedSigners>"#,
            "",
        ),
        Kind::DeniesOnly => {
            files.push_str(r#"<Allow ID="ID_ALLOW_ALL" FileName="*"/>"#);
            (
                r#"<DeniedSigners><DeniedSigner SignerId="ID_SIGNER_1"/></DeniedSigners>"#,
                r#"<FileRulesRef><FileRuleRef RuleID="ID_ALLOW_ALL"/></FileRulesRef>"#,
            )
        }
    };
    let id = format!("{{5F2C8A10-7D3E-4B61-9C42-{number:012X}}}");
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy">
  <VersionEx>1.0.0.0</VersionEx>
  <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>
  <PolicyID>{id}</PolicyID>
  <BasePolicyID>{id}</BasePolicyID>
  <Rules/>
  <EKUs>{usages}</EKUs>
  <FileRules>{files}</FileRules>
  <Signers><Signer ID="ID_SIGNER_1" Name="asked"{after}>{signer}</Signer></Signers>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS">
      <ProductSigners>{rules}{references}</ProductSigners>
    </SigningScenario>
  </SigningScenarios>
</SiPolicy>
"#
    )
}

/// A base policy that allows one Authenticode SHA-256.
pub fn hash_policy(digest: &[u8]) -> String {
    crate::policy(&[("Allow", &hex(digest))]).replace(
        "<Option>Enabled:Audit Mode</Option>",
        "<Option>Enabled:UMCI</Option>",
    )
}
