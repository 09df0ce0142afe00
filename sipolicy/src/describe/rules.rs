//! File rules and artifact rules in words.

use crate::document::ArtifactRule;
use crate::document::FileRule;
use crate::hex;
use crate::semantics::version_range;
use crate::version::FileVersion;

/// A text in quotation marks; one that holds some is escaped, so that it cannot end where it does not.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('"') {
        format!("{text:?}")
    } else {
        format!("\"{text}\"")
    }
}

/// A file rule in words, without its id.
pub(crate) fn file_rule(rule: &FileRule) -> String {
    let attributes = rule.attributes();
    in_words(
        rule,
        attributes.app_ids.as_deref(),
        attributes.require_hotpatch_id.as_deref(),
    )
}

/// The same, `application` and the rule it requires as they are to be told.
pub(super) fn in_words(rule: &FileRule, application: Option<&str>, required: Option<&str>) -> String {
    let attributes = rule.attributes();
    let mut parts = Vec::new();
    if !rule.hash.is_empty() {
        parts.push(format!("hash {}", hex::encode(&rule.hash)));
    }
    for (what, name) in [
        ("file name", attributes.file_name.as_deref()),
        ("internal name", attributes.internal_name.as_deref()),
        ("description", attributes.file_description.as_deref()),
        ("product", attributes.product_name.as_deref()),
        ("package", attributes.package_family_name.as_deref()),
        ("path", attributes.file_path.as_deref()),
        ("application", application),
    ] {
        if let Some(name) = name {
            parts.push(format!("{what} {}", quoted(name)));
        }
    }
    if let Some(version) = attributes.package_version {
        parts.push(format!("package version {version}"));
    }
    parts.extend(versions(
        version_range(rule.kind, attributes).map(|(low, high)| (FileVersion(low), FileVersion(high))),
    ));
    if attributes.minimum_hotpatch_sequence.is_some() || attributes.maximum_hotpatch_sequence.is_some() {
        parts.push(format!(
            "hotpatch sequence {} to {}",
            attributes.minimum_hotpatch_sequence.unwrap_or(0),
            attributes.maximum_hotpatch_sequence.unwrap_or(u32::MAX)
        ));
    }
    if let Some(required) = required {
        parts.push(format!("if hotpatched by [{required}]"));
    }
    parts.join(", ")
}

fn versions(range: Option<(FileVersion, FileVersion)>) -> Option<String> {
    Some(match range? {
        (FileVersion(0), high) => format!("version up to {high}"),
        (low, FileVersion::MAX) => format!("version from {low}"),
        (low, high) => format!("version {low} to {high}"),
    })
}

/// An artifact rule in words, without its id and what it does.
pub(super) fn artifact_rule(rule: &ArtifactRule) -> String {
    let mut parts = vec![format!("{} artifact", rule.artifact_type)];
    if !rule.hash.is_empty() {
        parts.push(format!("hash {}", hex::encode(&rule.hash)));
    }
    for (what, name) in [("name", &rule.name), ("description", &rule.description)] {
        if let Some(name) = name {
            parts.push(format!("{what} {}", quoted(name)));
        }
    }
    let (low, high) = (
        rule.minimum_version.unwrap_or_default(),
        rule.maximum_version.unwrap_or(FileVersion::MAX),
    );
    parts.extend(versions(
        ((low, high) != (FileVersion(0), FileVersion::MAX)).then_some((low, high)),
    ));
    parts.join(", ")
}
