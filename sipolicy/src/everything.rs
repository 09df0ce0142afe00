//! Rules that allow everything, however they are spelt.
//!
//! A policy beside others may hold one: a blocklist needs it. Among the rules of an allowlist it would undo all of them.

use crate::document::ArtifactRule;
use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::Eku;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::document::Signer;
use crate::hex::oid_content;

/// Well-known roots that any chain ends in or anyone can make: none, unknown and self-signed.
const ROOTS_OF_ANYBODY: [u8; 3] = [0, 1, 2];

/// Key usages that every signer of code has: code signing, and any (RFC 5280, 4.2.1.12).
const OF_ALL_CODE: [&[u8]; 2] = [&[0x2b, 6, 1, 5, 5, 7, 3, 3], &[0x55, 0x1d, 0x25, 0]];

/// Whether a name stands for every name.
fn any_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|found| found == '*')
}

/// Whether a path stands for every path: wildcards below no folder, on a drive or below the macro for every drive.
fn any_path(path: &str) -> bool {
    let upper = path.to_ascii_uppercase();
    let below = upper.strip_prefix("%OSDRIVE%").unwrap_or(&upper);
    let below = match below.as_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => &below[1..],
        _ => below,
    };
    below.contains('*')
        && below
            .chars()
            .all(|found| matches!(found, '*' | '?' | '\\' | '/' | ':'))
}

/// Whether a file rule names no file: it goes by nothing, or by names and paths that stand for all. A version is no limit, for a
/// file states what version it likes.
pub(crate) fn names_no_file(rule: &FileRule) -> bool {
    let attributes = rule.attributes();
    let names = attributes
        .names()
        .into_iter()
        .chain([attributes.package_family_name.as_deref()]);
    rule.hash.is_empty()
        && names.flatten().all(any_name)
        && attributes.file_path.as_deref().is_none_or(any_path)
        && attributes.app_ids.is_none()
        && attributes.require_hotpatch_id.is_none()
}

/// Whether a scenario that refers to this rule allows everything.
pub(crate) fn allows_everything(rule: &FileRule) -> bool {
    rule.kind == FileRuleKind::Allow && names_no_file(rule)
}

/// Whether a scenario that allows this signer allows everything that anybody signs: it asks for no certificate, nor for a name or
/// key usage, and its files are none or all. `files` are the rules it refers to, `ekus` the key usages. To sign code is no usage to ask
/// for: whoever signs an image has it.
pub(crate) fn means_everybody<'r>(
    signer: &Signer,
    files: impl IntoIterator<Item = &'r FileRule>,
    ekus: &[Eku],
) -> bool {
    let of_all_code = |asked: &CertEku| {
        let mut values = ekus.iter().filter(|eku| eku.id == asked.eku.id);
        values.any(|eku| {
            oid_content(eku.value.as_deref().unwrap_or_default())
                .is_some_and(|content| OF_ALL_CODE.contains(&content))
        })
    };
    let CertRoot::Wellknown(root) = signer.root else {
        return false;
    };
    ROOTS_OF_ANYBODY.contains(&root)
        && [&signer.publisher, &signer.issuer, &signer.oem_id]
            .into_iter()
            .flatten()
            .all(|name| any_name(name))
        && signer.ekus.iter().all(|eku| eku.except || of_all_code(eku))
        && (signer.file_attributes.is_empty() || files.into_iter().any(names_no_file))
}

/// Whether an artifact rule allows every artifact.
pub(crate) fn allows_every_artifact(rule: &ArtifactRule) -> bool {
    let names = [&rule.name, &rule.description];
    rule.action == "Allow" && rule.hash.is_empty() && names.into_iter().flatten().all(|name| any_name(name))
}

/// Whether a setting lets every COM object in: `AllKeys` in place of the object's id.
pub(crate) fn allows_every_com_object(setting: &Setting) -> bool {
    setting.key.eq_ignore_ascii_case("AllKeys")
        && setting.value_name.eq_ignore_ascii_case("EnterpriseDefinedClsId")
        && setting.value == SettingValue::Boolean(true)
}
