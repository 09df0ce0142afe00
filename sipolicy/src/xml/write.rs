//! Writing SiPolicy XML.

use super::NAMESPACE;
use super::element_writer::Writer;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::PLATFORM;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::SettingValue;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::guid::Guid;
use crate::hex;
use crate::options::OPTIONS;
use crate::time;
use crate::version::FileVersion;

#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "reads as the value of an attribute in the tables below"
)]
fn is(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

/// Writes a policy as SiPolicy XML.
pub(crate) fn write(document: &Document) -> String {
    let mut writer = Writer {
        text: "<?xml version=\"1.0\" encoding=\"utf-8\"?>".to_owned(),
        open: Vec::new(),
    };
    writer.start(
        "SiPolicy",
        [
            ("xmlns", is(NAMESPACE)),
            ("FriendlyName", document.friendly_name.clone()),
            // A policy of the single-policy form has no type.
            (
                "PolicyType",
                document.policy_id.and_then(|_| is(document.kind.name())),
            ),
        ],
    );
    writer.leaf("VersionEx", &document.version.to_string());
    let platform = document
        .platform_id
        .map_or_else(|| PLATFORM.to_owned(), |id| id.to_string());
    writer.leaf("PlatformID", &platform);
    let mut id = |name: &'static str, id: Option<Guid>| {
        if let Some(id) = id {
            writer.leaf(name, &id.to_string());
        }
    };
    id("PolicyTypeID", document.policy_type_id);
    id("PolicyID", document.policy_id);
    id("BasePolicyID", document.base_policy_id);
    options(&mut writer, document);
    writer.list("EKUs", &document.ekus, |writer, eku| {
        writer.empty(
            "EKU",
            [
                ("ID", is(&eku.id)),
                ("FriendlyName", eku.friendly_name.clone()),
                ("Value", eku.value.as_deref().map(hex::encode)),
                ("OID", eku.oid.clone()),
            ],
        );
    });
    writer.list("FileRules", &document.file_rules, file_rule);
    artifact_rules(&mut writer, document);
    writer.list("Signers", &document.signers, signer);
    writer.list("SigningScenarios", &document.scenarios, scenario);
    for (list, element, references) in [
        (
            "UpdatePolicySigners",
            "UpdatePolicySigner",
            &document.update_policy_signers,
        ),
        ("CiSigners", "CiSigner", &document.ci_signers),
        (
            "SupplementalPolicySigners",
            "SupplementalPolicySigner",
            &document.supplemental_policy_signers,
        ),
    ] {
        writer.list(list, references, |writer, reference: &Reference| {
            writer.empty(element, [("SignerId", is(&reference.id))]);
        });
    }
    if let Some(hvci) = document.hvci_options {
        writer.leaf("HvciOptions", &hvci.to_string());
    }
    settings(&mut writer, document);
    writer.end();
    writer.text.push('\n');
    writer.text
}

fn options(writer: &mut Writer, document: &Document) {
    writer.start("Rules", []);
    let set = OPTIONS
        .iter()
        .filter(|option| document.options.0 & (1 << option.bit) != 0)
        .map(|option| option.name);
    for name in set.chain(document.other_options.iter().map(String::as_str)) {
        writer.start("Rule", []);
        writer.leaf("Option", name);
        writer.end();
    }
    writer.end();
}

fn version(version: Option<FileVersion>) -> Option<String> {
    version.map(|version| version.to_string())
}

fn file_rule(writer: &mut Writer, rule: &FileRule) {
    let (element, kind) = match (rule.kind, rule.generic) {
        (FileRuleKind::Allow, false) => ("Allow", None),
        (FileRuleKind::Deny, false) => ("Deny", None),
        (FileRuleKind::Attribute, false) => ("FileAttrib", None),
        (FileRuleKind::Allow, true) => ("FileRule", is("Match")),
        (FileRuleKind::Deny, true) => ("FileRule", is("Exclude")),
        (FileRuleKind::Attribute, true) => ("FileRule", is("Attribute")),
    };
    let attributes = rule.attributes();
    writer.empty(
        element,
        [
            ("ID", is(&rule.id)),
            ("FriendlyName", rule.friendly_name.clone()),
            ("FileName", attributes.file_name.clone()),
            ("InternalName", attributes.internal_name.clone()),
            ("FileDescription", attributes.file_description.clone()),
            ("ProductName", attributes.product_name.clone()),
            ("PackageFamilyName", attributes.package_family_name.clone()),
            ("PackageVersion", version(attributes.package_version)),
            ("MinimumFileVersion", version(attributes.minimum_version)),
            ("MaximumFileVersion", version(attributes.maximum_version)),
            ("Hash", (!rule.hash.is_empty()).then(|| hex::encode(&rule.hash))),
            ("AppIDs", attributes.app_ids.clone()),
            ("FilePath", attributes.file_path.clone()),
            ("Type", kind),
            ("RequireHotpatchID", attributes.require_hotpatch_id.clone()),
            (
                "MinimumHotpatchSequence",
                attributes.minimum_hotpatch_sequence.and_then(is),
            ),
            (
                "MaximumHotpatchSequence",
                attributes.maximum_hotpatch_sequence.and_then(is),
            ),
        ],
    );
}

fn artifact_rules(writer: &mut Writer, document: &Document) {
    writer.list("ArtifactRules", &document.artifact_rules, |writer, rule| {
        let attributes = [
            ("ID", is(&rule.id)),
            ("ArtifactType", is(&rule.artifact_type)),
            ("Action", is(&rule.action)),
            ("FriendlyName", rule.friendly_name.clone()),
            ("ArtifactName", rule.name.clone()),
            ("ArtifactDescription", rule.description.clone()),
            ("MinimumVersion", version(rule.minimum_version)),
            ("MaximumVersion", version(rule.maximum_version)),
        ];
        let digest = match rule.hash.len() {
            0 => return writer.empty("ArtifactRule", attributes),
            48 => "sha384",
            64 => "sha512",
            _ => "sha256",
        };
        writer.start("ArtifactRule", attributes);
        writer.start("ArtifactHash", []);
        writer.start("Hash", []);
        writer.leaf(digest, &hex::encode(&rule.hash));
        writer.end();
        writer.end();
        writer.end();
    });
}

fn signer(writer: &mut Writer, signer: &Signer) {
    writer.start(
        "Signer",
        [
            ("ID", is(&signer.id)),
            ("Name", signer.name.clone()),
            ("SignTimeAfter", signer.sign_time_after.map(time::print)),
        ],
    );
    let (kind, value) = match &signer.root {
        CertRoot::Tbs(tbs) => ("TBS", hex::encode(tbs)),
        CertRoot::Wellknown(id) => ("Wellknown", hex::encode(&[*id])),
    };
    writer.empty("CertRoot", [("Type", is(kind)), ("Value", Some(value))]);
    for eku in &signer.ekus {
        let condition = eku.except.then(|| "Except".to_owned());
        writer.empty("CertEKU", [("ID", is(&eku.eku.id)), ("Condition", condition)]);
    }
    for (element, value) in [
        ("CertIssuer", &signer.issuer),
        ("CertPublisher", &signer.publisher),
        ("CertOemID", &signer.oem_id),
    ] {
        if let Some(value) = value {
            writer.empty(element, [("Value", is(value))]);
        }
    }
    for (element, references) in [
        ("FileAttribRef", &signer.file_attributes),
        ("ArtifactRuleRef", &signer.artifact_rules),
    ] {
        for reference in references {
            writer.empty(element, [("RuleID", is(&reference.id))]);
        }
    }
    writer.end();
}

fn scenario(writer: &mut Writer, scenario: &Scenario) {
    let inherited: Vec<&str> = scenario
        .inherited
        .iter()
        .map(|reference| reference.id.as_str())
        .collect();
    writer.start(
        "SigningScenario",
        [
            ("Value", is(scenario.value)),
            ("ID", is(&scenario.id)),
            ("FriendlyName", scenario.friendly_name.clone()),
            (
                "InheritedScenarios",
                (!inherited.is_empty()).then(|| inherited.join(",")),
            ),
            (
                "MinimumHashAlgorithm",
                scenario.minimum_hash_algorithm.and_then(is),
            ),
        ],
    );
    group(
        writer,
        "ProductSigners",
        "FileRulesRef",
        "FileRuleRef",
        &scenario.product,
    );
    if let Some(artifact) = &scenario.artifact {
        group(
            writer,
            "ArtifactSigners",
            "ArtifactRulesRef",
            "ArtifactRuleRef",
            artifact,
        );
    }
    if let Some(test) = &scenario.test {
        group(writer, "TestSigners", "FileRulesRef", "FileRuleRef", test);
    }
    if let Some(test_signing) = &scenario.test_signing {
        group(
            writer,
            "TestSigningSigners",
            "FileRulesRef",
            "FileRuleRef",
            test_signing,
        );
    }
    if let Some(tags) = &scenario.app_id_tags {
        writer.start("AppIDTags", [("EnforceDLL", tags.enforce_dll.and_then(is))]);
        for (key, value) in &tags.tags {
            writer.empty("AppIDTag", [("Key", is(key)), ("Value", is(value))]);
        }
        writer.end();
    }
    writer.end();
}

fn group(
    writer: &mut Writer,
    name: &'static str,
    rules: &'static str,
    rule: &'static str,
    group: &SignerGroup,
) {
    if *group == SignerGroup::default() {
        return writer.empty(name, []);
    }
    writer.start(name, []);
    for (list, element, exception, attribute, uses) in [
        (
            "AllowedSigners",
            "AllowedSigner",
            "ExceptDenyRule",
            "DenyRuleID",
            &group.allowed,
        ),
        (
            "DeniedSigners",
            "DeniedSigner",
            "ExceptAllowRule",
            "AllowRuleID",
            &group.denied,
        ),
    ] {
        writer.list(list, uses, |writer, found: &SignerUse| {
            let id = [("SignerId", is(&found.signer.id))];
            if found.exceptions.is_empty() {
                return writer.empty(element, id);
            }
            writer.start(element, id);
            for reference in &found.exceptions {
                writer.empty(exception, [(attribute, is(&reference.id))]);
            }
            writer.end();
        });
    }
    writer.list(rules, &group.rules, |writer, reference| {
        writer.empty(rule, [("RuleID", is(&reference.id))]);
    });
    writer.end();
}

fn settings(writer: &mut Writer, document: &Document) {
    writer.list("Settings", &document.settings, |writer, setting| {
        writer.start(
            "Setting",
            [
                ("Provider", is(&setting.provider)),
                ("Key", is(&setting.key)),
                ("ValueName", is(&setting.value_name)),
            ],
        );
        writer.start("Value", []);
        match &setting.value {
            SettingValue::Boolean(value) => writer.leaf("Boolean", &value.to_string()),
            SettingValue::DWord(value) => writer.leaf("DWord", &value.to_string()),
            SettingValue::Binary(value) => writer.leaf("Binary", &hex::encode(value)),
            SettingValue::String(value) => writer.leaf("String", value),
        }
        writer.end();
        writer.end();
    });
    writer.list("Macros", &document.macros, |writer, (id, value)| {
        writer.empty("Macro", [("Id", is(id)), ("Value", is(value))]);
    });
    writer.list("AppSettings", &document.app_settings, |writer, app| {
        writer.start("App", [("Manifest", is(&app.manifest))]);
        for (name, values) in &app.settings {
            writer.start("Setting", [("Name", name.clone())]);
            for value in values {
                writer.leaf("Value", value);
            }
            writer.end();
        }
        writer.end();
    });
}
