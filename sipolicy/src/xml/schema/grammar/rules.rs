//! Key usages, file rules and artifact rules.

use super::Content;
use super::Element;
use super::child;
use super::element;
use super::empty;
use super::optional;
use super::required;
use super::text;
use crate::xml::schema::values::Value;

/// A choice of up to 255 times up to 255.
pub(super) const MANY_CHOICES: u32 = 255 * 255;

pub(super) const EKU_ID: Value = Value::Id(&["ID_EKU_"], 0);
pub(super) const ALLOW_ID: Value = Value::Id(&["ID_ALLOW_", "ID_FILE_"], 0);
pub(super) const DENY_ID: Value = Value::Id(&["ID_DENY_", "ID_FILE_"], 0);
pub(super) const FILE_ATTRIB_ID: Value = Value::Id(&["ID_FILEATTRIB_", "ID_FILE_"], 10);
const FILE_RULE_ID: Value = Value::Id(&["ID_FILE_", "ID_ALLOW_", "ID_DENY_", "ID_FILEATTRIB_"], 0);
pub(super) const ARTIFACT_ID: Value = Value::Id(&["ID_ARTIFACTATTRIB_", "ID_ARTIFACT_"], 14);

pub(super) static EKUS: Element = element("EKUs", &[], Content::AnyOrder(&[child(&EKU, 0, MANY_CHOICES)]));
static EKU: Element = empty(
    "EKU",
    &[
        required("ID", EKU_ID),
        optional("Value", Value::Hex(None)),
        optional("OID", Value::Any),
        optional("FriendlyName", Value::Any),
    ],
);

pub(super) static FILE_RULES: Element = element(
    "FileRules",
    &[],
    Content::AnyOrder(&[
        child(&ALLOW, 0, u32::MAX),
        child(&DENY, 0, u32::MAX),
        child(&FILE_ATTRIB, 0, u32::MAX),
        child(&FILE_RULE, 0, u32::MAX),
    ]),
);

/// The attributes of every kind of file rule, with an id of this form and what else this kind has.
macro_rules! file_rule_attributes {
    ($id:expr $(, $more:expr)*) => {
        &[
            required("ID", $id),
            optional("FriendlyName", Value::Any),
            optional("FileName", Value::Any),
            optional("InternalName", Value::Any),
            optional("FileDescription", Value::Any),
            optional("ProductName", Value::Any),
            optional("PackageFamilyName", Value::Any),
            optional("PackageVersion", Value::Version),
            optional("MinimumFileVersion", Value::Version),
            optional("MaximumFileVersion", Value::Version),
            optional("Hash", Value::Hex(None)),
            optional("AppIDs", Value::AppIds),
            optional("FilePath", Value::Any),
            $($more,)*
        ]
    };
}

static ALLOW: Element = empty(
    "Allow",
    file_rule_attributes!(
        ALLOW_ID,
        optional("RequireHotpatchID", ALLOW_ID),
        optional("MinimumHotpatchSequence", Value::Number(u32::MAX as u64)),
        optional("MaximumHotpatchSequence", Value::Number(u32::MAX as u64))
    ),
);
static DENY: Element = empty("Deny", file_rule_attributes!(DENY_ID));
static FILE_ATTRIB: Element = empty("FileAttrib", file_rule_attributes!(FILE_ATTRIB_ID));
static FILE_RULE: Element = empty(
    "FileRule",
    file_rule_attributes!(
        FILE_RULE_ID,
        required("Type", Value::OneOf(&["Match", "Exclude", "Attribute"]))
    ),
);

pub(super) static ARTIFACT_RULES: Element = element(
    "ArtifactRules",
    &[],
    Content::AnyOrder(&[child(&ARTIFACT_RULE, 0, u32::MAX)]),
);
static ARTIFACT_RULE: Element = element(
    "ArtifactRule",
    &[
        required("ID", ARTIFACT_ID),
        required("ArtifactType", Value::OneOf(&["CIM", "Catalog"])),
        required("Action", Value::OneOf(&["Deny", "Allow"])),
        optional("FriendlyName", Value::Any),
        optional("ArtifactName", Value::Any),
        optional("ArtifactDescription", Value::Any),
        optional("MinimumVersion", Value::Version),
        optional("MaximumVersion", Value::Version),
    ],
    Content::Ordered(&[child(&ARTIFACT_HASH, 0, 1)]),
);
static ARTIFACT_HASH: Element = element("ArtifactHash", &[], Content::Ordered(&[child(&HASH, 1, 1)]));
static HASH: Element = element(
    "Hash",
    &[],
    Content::OneOf(&[child(&SHA256, 1, 1), child(&SHA384, 1, 1), child(&SHA512, 1, 1)]),
);
static SHA256: Element = text("sha256", Value::Hex(Some(32)));
static SHA384: Element = text("sha384", Value::Hex(Some(48)));
static SHA512: Element = text("sha512", Value::Hex(Some(64)));
