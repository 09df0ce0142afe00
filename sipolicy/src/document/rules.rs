//! The rules of a policy: what they ask of a file, and of those who signed it.

use super::Position;
use super::Reference;
use crate::hex;
use crate::version::FileVersion;

/// An extended key usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eku {
    /// Where it stands.
    pub position: Position,
    /// Its id.
    pub id: String,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `Value`: the encoded object identifier, its tag byte replaced by 01.
    pub value: Option<Vec<u8>>,
    /// `OID`, dotted.
    pub oid: Option<String>,
}

impl Eku {
    /// The encoded object identifier, from its `Value` or its `OID`; `None` if there is neither, or no such OID.
    pub(crate) fn encoded(&self) -> Option<Vec<u8>> {
        let from_oid = || hex::encode_oid(self.oid.as_deref()?);
        self.value.clone().or_else(from_oid)
    }
}

/// What a file rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileRuleKind {
    /// Denies: `Deny`, or `FileRule` of type `Exclude`.
    Deny,
    /// Allows: `Allow`, or `FileRule` of type `Match`.
    Allow,
    /// Restricts a signer: `FileAttrib`, or `FileRule` of type `Attribute`.
    Attribute,
}

/// A file rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Where it stands.
    pub position: Position,
    /// What it does.
    pub kind: FileRuleKind,
    /// Whether it is written as the generic `FileRule`.
    pub generic: bool,
    /// Its id.
    pub id: String,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `Hash`; empty if it has none.
    pub hash: Vec<u8>,
    /// What it goes by besides.
    pub attributes: Option<Box<FileAttributes>>,
}

impl FileRule {
    /// The attributes, all absent if it has none.
    pub fn attributes(&self) -> &FileAttributes {
        static NONE: FileAttributes = FileAttributes::NONE;
        self.attributes.as_deref().unwrap_or(&NONE)
    }
}

/// What a file rule goes by besides a hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileAttributes {
    /// `FileName`: compared with the version resource's `OriginalFilename`.
    pub file_name: Option<String>,
    /// `InternalName`.
    pub internal_name: Option<String>,
    /// `FileDescription`.
    pub file_description: Option<String>,
    /// `ProductName`.
    pub product_name: Option<String>,
    /// `PackageFamilyName`.
    pub package_family_name: Option<String>,
    /// `PackageVersion`.
    pub package_version: Option<FileVersion>,
    /// `MinimumFileVersion`.
    pub minimum_version: Option<FileVersion>,
    /// `MaximumFileVersion`.
    pub maximum_version: Option<FileVersion>,
    /// `AppIDs`.
    pub app_ids: Option<String>,
    /// `FilePath`.
    pub file_path: Option<String>,
    /// `RequireHotpatchID`.
    pub require_hotpatch_id: Option<String>,
    /// `MinimumHotpatchSequence`.
    pub minimum_hotpatch_sequence: Option<u32>,
    /// `MaximumHotpatchSequence`.
    pub maximum_hotpatch_sequence: Option<u32>,
}

impl FileAttributes {
    const NONE: Self = Self {
        file_name: None,
        internal_name: None,
        file_description: None,
        product_name: None,
        package_family_name: None,
        package_version: None,
        minimum_version: None,
        maximum_version: None,
        app_ids: None,
        file_path: None,
        require_hotpatch_id: None,
        minimum_hotpatch_sequence: None,
        maximum_hotpatch_sequence: None,
    };

    /// The names a kernel image can have, in the order of `policy::records::NAME_KINDS`.
    pub fn names(&self) -> [Option<&str>; 4] {
        [
            self.file_name.as_deref(),
            self.internal_name.as_deref(),
            self.file_description.as_deref(),
            self.product_name.as_deref(),
        ]
    }

    /// Whether it goes by something that only user-mode files have.
    pub fn is_user_mode_only(&self) -> bool {
        self.file_path.is_some()
            || self.package_family_name.is_some()
            || self.package_version.is_some()
            || self.app_ids.is_some()
    }
}

/// A rule about catalogues or composite images; it decides nothing about one kernel image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtifactRule {
    /// Where it stands.
    pub position: Position,
    /// Its id.
    pub id: String,
    /// `ArtifactType`: `CIM` or `Catalog`.
    pub artifact_type: String,
    /// `Action`: `Deny` or `Allow`.
    pub action: String,
    /// `FriendlyName`.
    pub friendly_name: Option<String>,
    /// `ArtifactName`.
    pub name: Option<String>,
    /// `ArtifactDescription`.
    pub description: Option<String>,
    /// `MinimumVersion`.
    pub minimum_version: Option<FileVersion>,
    /// `MaximumVersion`.
    pub maximum_version: Option<FileVersion>,
    /// Its hash; empty if it has none.
    pub hash: Vec<u8>,
}

/// The certificate a signer goes by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CertRoot {
    /// The TBS hash of some certificate of the chain.
    Tbs(Vec<u8>),
    /// A well-known root.
    Wellknown(u8),
}

/// A key usage that a signer asks for or excepts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertEku {
    /// The EKU.
    pub eku: Reference,
    /// `Condition="Except"`: the leaf must not have it.
    pub except: bool,
}

/// A signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Where it stands.
    pub position: Position,
    /// Its id.
    pub id: String,
    /// `Name`.
    pub name: Option<String>,
    /// `SignTimeAfter`, in 100 ns since 1601-01-01.
    pub sign_time_after: Option<i64>,
    /// `CertRoot`.
    pub root: CertRoot,
    /// `CertEKU`s.
    pub ekus: Vec<CertEku>,
    /// `CertIssuer`.
    pub issuer: Option<String>,
    /// `CertPublisher`.
    pub publisher: Option<String>,
    /// `CertOemID`.
    pub oem_id: Option<String>,
    /// `FileAttribRef`s.
    pub file_attributes: Vec<Reference>,
    /// `ArtifactRuleRef`s.
    pub artifact_rules: Vec<Reference>,
}
