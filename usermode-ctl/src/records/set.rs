//! The set record: what a compiled set holds.

use policy::PolicySet;
use policy::PolicyView;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;
use sipolicy::Guid;

use crate::output::hex;
use crate::records::dotted;

/// What a compiled set holds.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct SetRecord {
    pub schema: &'static str,
    pub path: String,
    /// Of the whole file; what the driver reports of the set in force.
    pub sha256: String,
    pub bytes: usize,
    pub rules: u32,
    pub policies: Vec<SetPolicyRecord>,
    /// What the documents hold and the set leaves out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One policy of a set.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct SetPolicyRecord {
    pub policy_id: String,
    pub base_policy_id: String,
    pub name: String,
    pub version: String,
    pub kind: &'static str,
    pub audit: bool,
}

impl SetRecord {
    /// What `set` holds, of which `bytes` are all and `path` names the file.
    pub fn new(path: String, bytes: &[u8], set: &PolicySet<'_>) -> Self {
        Self {
            schema: "gatehouse.set/1",
            path,
            sha256: hex(&Sha256::digest(bytes)),
            bytes: bytes.len(),
            rules: set.rule_count(),
            policies: set.policies().map(|view| SetPolicyRecord::new(&view)).collect(),
            notes: Vec::new(),
        }
    }
}

impl SetPolicyRecord {
    fn new(view: &PolicyView<'_>) -> Self {
        Self {
            policy_id: Guid(view.id()).to_string(),
            base_policy_id: Guid(view.base_id()).to_string(),
            name: view.name().to_owned(),
            version: dotted(view.version()),
            kind: if view.is_supplemental() {
                "supplemental"
            } else {
                "base"
            },
            audit: view.is_audit(),
        }
    }
}
