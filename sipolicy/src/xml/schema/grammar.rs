//! Which elements a policy is made of: what each may hold, in what order and number, and its attributes.
//!
//! Source: the SiPolicy schema that Microsoft ships with its policy compiler (NuGet `Microsoft.Security.CodeIntegrity`), retold.

use super::values::Value;

/// An element.
pub(super) struct Element {
    /// Its name, in the namespace of policies.
    pub name: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
    /// What may stand between its tags.
    pub content: Content,
}

/// An attribute.
pub(super) struct Attribute {
    /// Its name, in no namespace.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it holds.
    pub value: Value,
}

/// What may stand between the tags of an element.
pub(super) enum Content {
    /// Nothing, not even a blank.
    Nothing,
    /// Text.
    Text(Value),
    /// These elements, in this order.
    Ordered(&'static [Child]),
    /// These elements, in any order.
    AnyOrder(&'static [Child]),
    /// One of these elements, once.
    OneOf(&'static [Child]),
}

/// An element inside another.
pub(super) struct Child {
    /// The element.
    pub element: &'static Element,
    /// How many there must be at least.
    pub least: u32,
    /// How many there may be at most.
    pub most: u32,
    /// What reading makes of it where the schema is not kept to.
    pub leniency: Leniency,
}

/// What is read although the schema forbids it: articles on the web leave out and add such things.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leniency {
    /// Nothing: if the element is missing, the document is refused.
    None,
    /// It may be missing; what is assumed then.
    Assumed(&'static str),
    /// It may be missing: then the list allows and denies nothing.
    EmptyList,
    /// It must not stand here, but in a list of this name; it is read as if it did.
    InsideOf(&'static str),
}

/// As many as a document has room for.
const MANY: u32 = 10_000_000;
/// A choice of up to 255 times up to 255.
const MANY_CHOICES: u32 = 255 * 255;

const fn required(name: &'static str, value: Value) -> Attribute {
    Attribute {
        name,
        required: true,
        value,
    }
}

const fn optional(name: &'static str, value: Value) -> Attribute {
    Attribute {
        name,
        required: false,
        value,
    }
}

const fn child(element: &'static Element, least: u32, most: u32) -> Child {
    Child {
        element,
        least,
        most,
        leniency: Leniency::None,
    }
}

const fn assumed(element: &'static Element, message: &'static str) -> Child {
    Child {
        element,
        least: 1,
        most: 1,
        leniency: Leniency::Assumed(message),
    }
}

const fn listed(element: &'static Element, most: u32) -> Child {
    Child {
        element,
        least: 1,
        most,
        leniency: Leniency::EmptyList,
    }
}

const fn bare(element: &'static Element, list: &'static str) -> Child {
    Child {
        element,
        least: 0,
        most: u32::MAX,
        leniency: Leniency::InsideOf(list),
    }
}

const fn element(name: &'static str, attributes: &'static [Attribute], content: Content) -> Element {
    Element {
        name,
        attributes,
        content,
    }
}

/// An element that has nothing but attributes.
const fn empty(name: &'static str, attributes: &'static [Attribute]) -> Element {
    element(name, attributes, Content::Nothing)
}

const fn text(name: &'static str, value: Value) -> Element {
    element(name, &[], Content::Text(value))
}

const EKU_ID: Value = Value::Id(&["ID_EKU_"], 0);
const SIGNER_ID: Value = Value::Id(&["ID_SIGNER_"], 0);
const SCENARIO_ID: Value = Value::Id(&["ID_SIGNINGSCENARIO_"], 0);
const ALLOW_ID: Value = Value::Id(&["ID_ALLOW_", "ID_FILE_"], 0);
const DENY_ID: Value = Value::Id(&["ID_DENY_", "ID_FILE_"], 0);
const FILE_ATTRIB_ID: Value = Value::Id(&["ID_FILEATTRIB_", "ID_FILE_"], 10);
const FILE_RULE_ID: Value = Value::Id(&["ID_FILE_", "ID_ALLOW_", "ID_DENY_", "ID_FILEATTRIB_"], 0);
const RULE_REFERENCE: Value = Value::Id(&["ID_ALLOW_", "ID_DENY_", "ID_FILE_"], 0);
const ARTIFACT_ID: Value = Value::Id(&["ID_ARTIFACTATTRIB_", "ID_ARTIFACT_"], 14);

/// The root element.
pub(super) static SI_POLICY: Element = element(
    "SiPolicy",
    &[
        optional("FriendlyName", Value::Any),
        optional(
            "PolicyType",
            Value::OneOf(&["Base Policy", "Supplemental Policy", "AppID Tagging Policy"]),
        ),
    ],
    Content::AnyOrder(&[
        assumed(&VERSION_EX, "there is no <VersionEx>; 0.0.0.0 is assumed"),
        child(&POLICY_TYPE_ID, 0, 1),
        assumed(
            &PLATFORM_ID,
            "there is no <PlatformID>; {2E07F7E4-194C-4D20-B7C9-6F44A6C5A234} is assumed",
        ),
        child(&POLICY_ID, 0, 1),
        child(&BASE_POLICY_ID, 0, 1),
        assumed(&RULES, "there are no <Rules>; no option is assumed to be set"),
        child(&EKUS, 0, 1),
        child(&FILE_RULES, 0, 1),
        child(&ARTIFACT_RULES, 0, 1),
        child(&SIGNERS, 0, 1),
        child(&SIGNING_SCENARIOS, 0, 1),
        child(&UPDATE_POLICY_SIGNERS, 0, 1),
        child(&CI_SIGNERS, 0, 1),
        child(&HVCI_OPTIONS, 0, 1),
        child(&SETTINGS, 0, 1),
        child(&MACROS, 0, 1),
        child(&SUPPLEMENTAL_POLICY_SIGNERS, 0, 1),
        child(&APP_SETTINGS, 0, 1),
    ]),
);

static VERSION_EX: Element = text("VersionEx", Value::Version);
static POLICY_TYPE_ID: Element = text("PolicyTypeID", Value::Guid);
static PLATFORM_ID: Element = text("PlatformID", Value::Guid);
static POLICY_ID: Element = text("PolicyID", Value::Guid);
static BASE_POLICY_ID: Element = text("BasePolicyID", Value::Guid);
static HVCI_OPTIONS: Element = text("HvciOptions", Value::Number(u32::MAX as u64));

static RULES: Element = element("Rules", &[], Content::Ordered(&[child(&RULE, 0, 65_535)]));
static RULE: Element = element("Rule", &[], Content::OneOf(&[child(&OPTION, 1, 1)]));
static OPTION: Element = text("Option", Value::Option);

static EKUS: Element = element("EKUs", &[], Content::AnyOrder(&[child(&EKU, 0, MANY_CHOICES)]));
static EKU: Element = empty(
    "EKU",
    &[
        required("ID", EKU_ID),
        optional("Value", Value::Hex(None)),
        optional("OID", Value::Any),
        optional("FriendlyName", Value::Any),
    ],
);

static FILE_RULES: Element = element(
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

static ARTIFACT_RULES: Element = element(
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

static SIGNERS: Element = element("Signers", &[], Content::AnyOrder(&[child(&SIGNER, 0, u32::MAX)]));
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

static SIGNING_SCENARIOS: Element = element(
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
        static $list: Element = element(
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

static SETTINGS: Element = element(
    "Settings",
    &[],
    Content::AnyOrder(&[child(&SETTING, 0, u32::MAX)]),
);
static SETTING: Element = element(
    "Setting",
    &[
        required("Provider", Value::Any),
        required("Key", Value::Any),
        required("ValueName", Value::Any),
    ],
    Content::Ordered(&[child(&SETTING_VALUE, 1, 1)]),
);
static SETTING_VALUE: Element = element(
    "Value",
    &[],
    Content::OneOf(&[
        child(&BOOLEAN, 1, 1),
        child(&D_WORD, 1, 1),
        child(&BINARY, 1, 1),
        child(&STRING, 1, 1),
    ]),
);
static BOOLEAN: Element = text("Boolean", Value::Boolean);
static D_WORD: Element = text("DWord", Value::Number(u32::MAX as u64));
static BINARY: Element = text("Binary", Value::Hex(None));
static STRING: Element = text("String", Value::Any);

static MACROS: Element = element("Macros", &[], Content::Ordered(&[listed(&MACRO, u32::MAX)]));
static MACRO: Element = empty(
    "Macro",
    &[
        required("Id", Value::MacroId),
        required("Value", Value::MacroText),
    ],
);

static APP_SETTINGS: Element = element("AppSettings", &[], Content::Ordered(&[child(&APP, 0, u32::MAX)]));
static APP: Element = element(
    "App",
    &[required("Manifest", Value::Uri)],
    Content::Ordered(&[child(&APP_SETTING, 0, u32::MAX)]),
);
static APP_SETTING: Element = element(
    "Setting",
    &[optional("Name", Value::Any)],
    Content::Ordered(&[child(&APP_SETTING_VALUE, 0, u32::MAX)]),
);
static APP_SETTING_VALUE: Element = text("Value", Value::Any);
