//! Signers, and the scenarios that allow and deny them.

use super::Attribute;
use super::Content;
use super::Element;
use super::assumed;
use super::bare;
use super::child;
use super::element;
use super::empty;
use super::listed;
use super::optional;
use super::required;
use super::rules::ALLOW_ID;
use super::rules::ARTIFACT_ID;
use super::rules::DENY_ID;
use super::rules::EKU_ID;
use super::rules::FILE_ATTRIB_ID;
use super::rules::MANY_CHOICES;
use crate::xml::schema::values::Value;

/// As many as a document has room for.
const MANY: u32 = 10_000_000;

const SIGNER_ID: Value = Value::Id(&["ID_SIGNER_"], 0);
const SCENARIO_ID: Value = Value::Id(&["ID_SIGNINGSCENARIO_"], 0);
const RULE_REFERENCE: Value = Value::Id(&["ID_ALLOW_", "ID_DENY_", "ID_FILE_"], 0);

pub(super) static SIGNERS: Element =
    element("Signers", &[], Content::AnyOrder(&[child(&SIGNER, 0, u32::MAX)]));
static SIGNER: Element = element(
    "Signer",
    &[
        optional("Name", Value::Any),
        required("ID", SIGNER_ID),
        optional("SignTimeAfter", Value::Time),
    ],
    Content::Ordered(&[
        child(&CERT_ROOT, 1, 1),
        child(&CERT_EKU, 0, 255),
        child(&CERT_ISSUER, 0, 1),
        child(&CERT_PUBLISHER, 0, 1),
        child(&CERT_OEM_ID, 0, 1),
        child(&FILE_ATTRIB_REF, 0, MANY),
        child(&ARTIFACT_RULE_REF, 0, MANY),
    ]),
);
static CERT_ROOT: Element = empty(
    "CertRoot",
    &[
        required("Type", Value::OneOf(&["TBS", "Wellknown"])),
        required("Value", Value::Hex(None)),
    ],
);
static CERT_EKU: Element = empty(
    "CertEKU",
    &[
        required("ID", EKU_ID),
        optional("Condition", Value::OneOf(&["Except"])),
    ],
);
static CERT_ISSUER: Element = empty("CertIssuer", &[required("Value", Value::Any)]);
static CERT_PUBLISHER: Element = empty("CertPublisher", &[required("Value", Value::Any)]);
static CERT_OEM_ID: Element = empty("CertOemID", &[required("Value", Value::Any)]);
static FILE_ATTRIB_REF: Element = empty("FileAttribRef", &[required("RuleID", FILE_ATTRIB_ID)]);
static ARTIFACT_RULE_REF: Element = empty("ArtifactRuleRef", &[required("RuleID", ARTIFACT_ID)]);

pub(super) static SIGNING_SCENARIOS: Element = element(
    "SigningScenarios",
    &[],
    Content::AnyOrder(&[child(&SIGNING_SCENARIO, 0, MANY_CHOICES)]),
);
static SIGNING_SCENARIO: Element = element(
    "SigningScenario",
    &[
        required("ID", SCENARIO_ID),
        optional("FriendlyName", Value::Any),
        required("Value", Value::Number(u8::MAX as u64)),
        optional("InheritedScenarios", Value::ScenarioIds),
        optional("MinimumHashAlgorithm", Value::Number(u16::MAX as u64)),
    ],
    Content::Ordered(&[
        assumed(
            &PRODUCT_SIGNERS,
            "there are no <ProductSigners>; it is assumed that the scenario allows and denies nothing",
        ),
        child(&ARTIFACT_SIGNERS, 0, 1),
        child(&TEST_SIGNERS, 0, 1),
        child(&TEST_SIGNING_SIGNERS, 0, 1),
        child(&APP_ID_TAGS, 0, 1),
    ]),
);
static PRODUCT_SIGNERS: Element = element(
    "ProductSigners",
    &[],
    Content::AnyOrder(&[
        child(&ALLOWED_SIGNERS, 0, 1),
        child(&DENIED_SIGNERS, 0, 1),
        child(&FILE_RULES_REF, 0, 1),
        bare(&ALLOWED_SIGNER, "AllowedSigners"),
        bare(&DENIED_SIGNER, "DeniedSigners"),
    ]),
);
static ARTIFACT_SIGNERS: Element = element(
    "ArtifactSigners",
    &[],
    Content::AnyOrder(&[
        child(&ALLOWED_SIGNERS, 0, 1),
        child(&DENIED_SIGNERS, 0, 1),
        child(&ARTIFACT_RULES_REF, 0, 1),
    ]),
);
static TEST_SIGNERS: Element = element("TestSigners", &[], TEST_LISTS);
static TEST_SIGNING_SIGNERS: Element = element("TestSigningSigners", &[], TEST_LISTS);
const TEST_LISTS: Content = Content::Ordered(&[
    child(&ALLOWED_SIGNERS, 0, 1),
    child(&DENIED_SIGNERS, 0, 1),
    child(&FILE_RULES_REF, 0, 1),
]);

/// What a list may have for the sake of a tool that makes code of the schema; it means nothing.
const WORKAROUND: &[Attribute] = &[optional("Workaround", Value::Any)];
static ALLOWED_SIGNERS: Element = element(
    "AllowedSigners",
    WORKAROUND,
    Content::Ordered(&[listed(&ALLOWED_SIGNER, MANY)]),
);
static ALLOWED_SIGNER: Element = element(
    "AllowedSigner",
    &[required("SignerId", SIGNER_ID)],
    Content::Ordered(&[child(&EXCEPT_DENY_RULE, 0, MANY)]),
);
static DENIED_SIGNERS: Element = element(
    "DeniedSigners",
    WORKAROUND,
    Content::Ordered(&[listed(&DENIED_SIGNER, MANY)]),
);
static DENIED_SIGNER: Element = element(
    "DeniedSigner",
    &[required("SignerId", SIGNER_ID)],
    Content::Ordered(&[child(&EXCEPT_ALLOW_RULE, 0, MANY)]),
);
static EXCEPT_DENY_RULE: Element = empty("ExceptDenyRule", &[required("DenyRuleID", DENY_ID)]);
static EXCEPT_ALLOW_RULE: Element = empty("ExceptAllowRule", &[required("AllowRuleID", ALLOW_ID)]);
static FILE_RULES_REF: Element = element(
    "FileRulesRef",
    WORKAROUND,
    Content::Ordered(&[listed(&FILE_RULE_REF, MANY)]),
);
static FILE_RULE_REF: Element = empty("FileRuleRef", &[optional("RuleID", RULE_REFERENCE)]);
static ARTIFACT_RULES_REF: Element = element(
    "ArtifactRulesRef",
    WORKAROUND,
    Content::Ordered(&[listed(&ARTIFACT_RULE_REF, MANY)]),
);

static APP_ID_TAGS: Element = element(
    "AppIDTags",
    &[optional("EnforceDLL", Value::Boolean)],
    Content::Ordered(&[child(&APP_ID_TAG, 0, 65_535)]),
);
static APP_ID_TAG: Element = empty(
    "AppIDTag",
    &[required("Key", Value::Any), required("Value", Value::Any)],
);

/// A list of signers that hold something beside images.
macro_rules! signer_list {
    ($list:ident $list_name:literal $signer:ident $signer_name:literal) => {
        pub(super) static $list: Element = element(
            $list_name,
            &[],
            Content::AnyOrder(&[child(&$signer, 0, u32::MAX)]),
        );
        static $signer: Element = empty($signer_name, &[required("SignerId", SIGNER_ID)]);
    };
}

signer_list!(UPDATE_POLICY_SIGNERS "UpdatePolicySigners" UPDATE_POLICY_SIGNER "UpdatePolicySigner");
signer_list!(CI_SIGNERS "CiSigners" CI_SIGNER "CiSigner");
signer_list!(SUPPLEMENTAL_POLICY_SIGNERS "SupplementalPolicySigners" SUPPLEMENTAL_POLICY_SIGNER "SupplementalPolicySigner");
