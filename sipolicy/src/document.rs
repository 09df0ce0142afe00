//! A policy document, whatever form it was read from.

use crate::FileVersion;
use crate::Guid;
use crate::ReadError;
use crate::error::Place;
use policy::Options;

/// What kind of policy a document is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyKind {
    /// A base policy.
    #[default]
    Base,
    /// A supplemental policy: it adds grants to a base policy.
    Supplemental,
}

/// One App Control policy.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it starts.
    pub place: Place,
    /// Base or supplemental.
    pub kind: PolicyKind,
    /// Its name: `FriendlyName`, or the `PolicyInfo` name; empty if it has none.
    pub name: String,
    /// The `PolicyInfo` id; empty if it has none.
    pub info_id: String,
    /// `PolicyID`.
    pub id: Guid,
    /// `BasePolicyID`.
    pub base_id: Guid,
    /// `VersionEx`.
    pub version: FileVersion,
    /// Its options.
    pub options: Options,
    /// Its file rules, in document order.
    pub file_rules: Vec<FileRule>,
    /// Indexes into `file_rules` that the kernel scenario (131) refers to, in document order.
    pub kernel_file_rules: Vec<usize>,
}

impl Document {
    /// Reads a policy document. `file` names it in errors.
    ///
    /// # Errors
    /// [`ReadError`] with the place of what is malformed.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, ReadError> {
        crate::xml::read(file, bytes)
    }
}

/// What a file rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileRuleKind {
    /// Allows.
    Allow,
    /// Denies.
    Deny,
}

/// A file rule that goes by hash.
#[derive(Clone, Debug)]
pub struct FileRule {
    /// Where it stands.
    pub place: Place,
    /// What it does.
    pub kind: FileRuleKind,
    /// Its id.
    pub id: String,
    /// `FriendlyName`; empty if it has none.
    pub name: String,
    /// `Hash`: 20, 32, 48 or 64 bytes.
    pub hash: Vec<u8>,
}
