//! Small policies for the tests of merging.

use sipolicy::Document;

pub fn read(file: &str, text: &str) -> Document {
    Document::read(file, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A base policy of this number, with these elements in its body before `tail`, which holds the scenarios and what follows.
pub fn policy(number: u32, body: &str, tail: &str) -> Document {
    let text = format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\" FriendlyName=\"policy {number}\" PolicyType=\"Base Policy\">\
         <VersionEx>{number}.0.0.0</VersionEx><PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
         <PolicyID>{{00000000-0000-0000-0000-{number:012}}}</PolicyID>\
         <BasePolicyID>{{00000000-0000-0000-0000-{number:012}}}</BasePolicyID>\n{body}\n{tail}</SiPolicy>"
    );
    read(&format!("{number}.xml"), &text)
}

/// A scenario of this value with these signers and rules.
pub fn scenario(value: u8, inner: &str) -> String {
    format!(
        "<SigningScenario Value=\"{value}\" ID=\"ID_SIGNINGSCENARIO_S{value}\"><ProductSigners>{inner}</ProductSigners>\
         </SigningScenario>"
    )
}

pub fn refers(rule: &str) -> String {
    format!("<FileRulesRef><FileRuleRef RuleID=\"{rule}\"/></FileRulesRef>")
}

pub fn allows(signer: &str) -> String {
    format!("<AllowedSigners><AllowedSigner SignerId=\"{signer}\"/></AllowedSigners>")
}

pub fn scenarios(inner: &str) -> String {
    format!("<SigningScenarios>{inner}</SigningScenarios>")
}

pub const SIGNER_A: &str = "<Signers><Signer ID=\"ID_SIGNER_A\" Name=\"a\"><CertRoot Type=\"TBS\" \
                        Value=\"CAB6A67CBCD1F50F27D1CF498036C8F4B05F419580CC07BC0DC4915F00ED5B05\"/></Signer></Signers>";

pub fn allowlist() -> Document {
    let tail = scenarios(&scenario(131, &allows("ID_SIGNER_A")));
    policy(1, &format!("<Rules/>{SIGNER_A}"), &tail)
}

pub fn notes(merged: &Document) -> String {
    let notes: Vec<&str> = merged.notes.iter().map(|note| note.message.as_str()).collect();
    notes.join("\n")
}
