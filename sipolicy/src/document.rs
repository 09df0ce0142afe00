//! A policy document, whatever form it was read from: every element and attribute of the SiPolicy schema.

mod rules;

pub use rules::ArtifactRule;
pub use rules::CertEku;
pub use rules::CertRoot;
pub use rules::Eku;
pub use rules::FileAttributes;
pub use rules::FileRule;
pub use rules::FileRuleKind;
pub use rules::Signer;

use crate::error::Place;
use crate::guid::Guid;
use crate::signature::PolicySignature;
use crate::version::FileVersion;
use policy::Options;
use std::sync::Arc;

/// Value of the kernel signing scenario.
pub const KERNEL_SCENARIO: u8 = 131;
/// `PolicyTypeID` of a policy of the single-policy form.
pub const SINGLE_POLICY_TYPE: &str = "{A244370E-44C9-4C06-B551-F6016E563076}";
/// The `PlatformID` that policies carry.
pub const PLATFORM: &str = "{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}";

/// Where in its document something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1; 0 in a binary document.
    pub line: u32,
    /// Column in characters, from 1; the byte offset in a binary document.
    pub column: u32,
}

/// What kind of policy a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// A base policy.
    #[default]
    Base,
    /// A supplemental policy: it adds grants to a base policy.
    Supplemental,
    /// An AppID tagging policy: it tags processes and decides nothing about kernel images.
    AppIdTagging,
}

impl PolicyKind {
    /// The schema's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "Base Policy",
            Self::Supplemental => "Supplemental Policy",
            Self::AppIdTagging => "AppID Tagging Policy",
        }
    }
}

/// Something the reader assumed, left out or found odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where.
    pub position: Position,
    /// What, and what to write to be explicit.
    pub message: String,
}

/// One App Control policy.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The file it was read from, as the caller named it.
    pub file: Arc<str>,
    /// Where it starts.
    pub position: Position,
    /// Base, supplemental or tagging.
    pub kind: PolicyKind,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `VersionEx`.
    pub version: FileVersion,
    /// `PolicyTypeID`.
    pub policy_type_id: Option<Guid>,
    /// `PlatformID`.
    pub platform_id: Option<Guid>,
    /// `PolicyID`.
    pub policy_id: Option<Guid>,
    /// `BasePolicyID`.
    pub base_policy_id: Option<Guid>,
    /// Its options that have a bit in the binary form.
    pub options: Options,
    /// Options without a bit, by name.
    pub other_options: Vec<String>,
    /// `EKUs`.
    pub ekus: Vec<Eku>,
    /// `FileRules`, in document order.
    pub file_rules: Vec<FileRule>,
    /// `ArtifactRules`.
    pub artifact_rules: Vec<ArtifactRule>,
    /// `Signers`.
    pub signers: Vec<Signer>,
    /// `SigningScenarios`.
    pub scenarios: Vec<Scenario>,
    /// `UpdatePolicySigners`.
    pub update_policy_signers: Vec<Reference>,
    /// `CiSigners`.
    pub ci_signers: Vec<Reference>,
    /// `SupplementalPolicySigners`.
    pub supplemental_policy_signers: Vec<Reference>,
    /// `HvciOptions`.
    pub hvci_options: Option<u32>,
    /// `Settings`.
    pub settings: Vec<Setting>,
    /// `Macros`: id and value.
    pub macros: Vec<(String, String)>,
    /// `AppSettings`.
    pub app_settings: Vec<AppSettings>,
    /// Format version of the binary form it was read from.
    pub format_version: Option<u32>,
    /// The signature of the envelope it was read from.
    pub signature: Option<PolicySignature>,
    /// What reading assumed or left out.
    pub notes: Vec<Note>,
    /// Those of the notes that tell what Microsoft's schema forbids: its compiler would refuse the document.
    pub forbidden: Vec<Note>,
}

impl Document {
    /// The key usage that a signer refers to by this id.
    pub(crate) fn eku(&self, id: &str) -> Option<&Eku> {
        self.ekus.iter().find(|eku| eku.id == id)
    }

    /// The place of something in this document.
    pub fn place(&self, position: Position) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: position.line,
            column: position.column,
        }
    }

    /// The id that names the policy: its `PolicyID`, or in the single-policy form its `PolicyTypeID`.
    pub fn id(&self) -> Guid {
        self.policy_id.or(self.policy_type_id).unwrap_or_default()
    }

    /// The id of the policy it extends; its own for a base policy.
    pub fn base_id(&self) -> Guid {
        self.base_policy_id.unwrap_or_else(|| self.id())
    }

    /// Its name: the `PolicyInfo` name that events carry, or else the friendly name; empty if it has none.
    pub fn name(&self) -> &str {
        self.policy_info("Name")
            .or(self.friendly_name.as_deref())
            .unwrap_or_default()
    }

    /// The `PolicyInfo` id that events carry; empty if it has none.
    pub fn info_id(&self) -> &str {
        self.policy_info("Id").unwrap_or_default()
    }

    pub(crate) fn policy_info(&self, value_name: &str) -> Option<&str> {
        self.settings.iter().find_map(|setting| match &setting.value {
            SettingValue::String(text)
                if setting.provider == "PolicyInfo"
                    && setting.key == "Information"
                    && setting.value_name == value_name =>
            {
                Some(text.as_str())
            }
            _ => None,
        })
    }
}

/// A reference to something by its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Where it stands.
    pub position: Position,
    /// The id.
    pub id: String,
}

/// A signing scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// Where it stands.
    pub position: Position,
    /// Its id.
    pub id: String,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `Value`: 131 kernel, 12 user.
    pub value: u8,
    /// `InheritedScenarios`.
    pub inherited: Vec<Reference>,
    /// `MinimumHashAlgorithm`, a CALG number.
    pub minimum_hash_algorithm: Option<u16>,
    /// `ProductSigners`.
    pub product: SignerGroup,
    /// `ArtifactSigners`; its rules are artifact rules.
    pub artifact: Option<SignerGroup>,
    /// `TestSigners`.
    pub test: Option<SignerGroup>,
    /// `TestSigningSigners`.
    pub test_signing: Option<SignerGroup>,
    /// `AppIDTags`.
    pub app_id_tags: Option<AppIdTags>,
}

/// What a scenario allows and denies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignerGroup {
    /// `AllowedSigners`.
    pub allowed: Vec<SignerUse>,
    /// `DeniedSigners`.
    pub denied: Vec<SignerUse>,
    /// `FileRulesRef`, or `ArtifactRulesRef`.
    pub rules: Vec<Reference>,
}

/// A signer that a scenario allows or denies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerUse {
    /// The signer.
    pub signer: Reference,
    /// `ExceptDenyRule`s or `ExceptAllowRule`s.
    pub exceptions: Vec<Reference>,
}

/// `AppIDTags`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppIdTags {
    /// `EnforceDLL`.
    pub enforce_dll: Option<bool>,
    /// Keys and values.
    pub tags: Vec<(String, String)>,
}

/// A secure setting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Setting {
    /// `Provider`.
    pub provider: String,
    /// `Key`.
    pub key: String,
    /// `ValueName`.
    pub value_name: String,
    /// Its value.
    pub value: SettingValue,
}

/// The value of a secure setting.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SettingValue {
    /// `Boolean`.
    Boolean(bool),
    /// `DWord`.
    DWord(u32),
    /// `Binary`.
    Binary(Vec<u8>),
    /// `String`.
    String(String),
}

impl std::fmt::Display for SettingValue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean(value) => write!(formatter, "{value}"),
            Self::DWord(value) => write!(formatter, "{value}"),
            Self::Binary(value) => write!(formatter, "bytes {}", crate::hex::encode(value)),
            Self::String(value) => write!(formatter, "{value:?}"),
        }
    }
}

/// The settings of one application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppSettings {
    /// `Manifest`.
    pub manifest: String,
    /// Names and values.
    pub settings: Vec<(Option<String>, Vec<String>)>,
}
