//! App Control documents for the runs: hash rules over the subjects.

use std::fmt::Write;

/// One hash rule.
#[derive(Clone, Debug)]
pub struct HashRule {
    /// The rule's id, as verdicts will name it.
    pub id: String,
    /// Whether it allows; else it denies.
    pub allow: bool,
    /// Authenticode SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Whether a policy says of itself that it only audits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// It has the option that Microsoft calls audit mode.
    Audits,
    /// It has not: what it refuses is to be refused.
    Enforces,
}

/// A base policy with these rules and nothing else: what is not listed is refused, or would be.
pub fn base_policy(name: &str, version: &str, stance: Stance, rules: &[HashRule]) -> String {
    let option = match stance {
        Stance::Audits => "\n    <Rule><Option>Enabled:Audit Mode</Option></Rule>",
        Stance::Enforces => "",
    };
    let mut file_rules = String::new();
    let mut references = String::new();
    for HashRule { id, allow, sha256 } in rules {
        let element = if *allow { "Allow" } else { "Deny" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            file_rules,
            r#"    <{element} ID="{id}" FriendlyName="{id}" Hash="{sha256}"/>"#
        );
        let _ = writeln!(references, r#"        <FileRuleRef RuleID="{id}"/>"#);
    }
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy" FriendlyName="{name}">
  <VersionEx>{version}</VersionEx>
  <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>
  <PolicyID>{{6C0B3F1D-9E4A-4E0C-8B57-2D1F7A903E55}}</PolicyID>
  <BasePolicyID>{{6C0B3F1D-9E4A-4E0C-8B57-2D1F7A903E55}}</BasePolicyID>
  <Rules>{option}
  </Rules>
  <EKUs/>
  <FileRules>
{file_rules}  </FileRules>
  <Signers/>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS" FriendlyName="Kernel mode">
      <ProductSigners>
        <FileRulesRef>
{references}        </FileRulesRef>
      </ProductSigners>
    </SigningScenario>
  </SigningScenarios>
  <UpdatePolicySigners/>
  <CiSigners/>
  <HvciOptions>0</HvciOptions>
</SiPolicy>
"#
    )
}
