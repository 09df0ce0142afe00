//! Which elements a policy is made of: what each may hold, in what order and number, and its attributes.
//!
//! Source: the SiPolicy schema that Microsoft ships with its policy compiler (NuGet `Microsoft.Security.CodeIntegrity`), retold.

mod rules;
mod signers;

use super::values::Value;
use rules::ARTIFACT_RULES;
use rules::EKUS;
use rules::FILE_RULES;
use signers::CI_SIGNERS;
use signers::SIGNERS;
use signers::SIGNING_SCENARIOS;
use signers::SUPPLEMENTAL_POLICY_SIGNERS;
use signers::UPDATE_POLICY_SIGNERS;

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
