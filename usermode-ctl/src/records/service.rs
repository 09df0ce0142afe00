//! The service record: what install, uninstall, start and stop did.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use crate::files;

/// What was done to the service, and how it stands now.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ServiceRecord {
    pub schema: &'static str,
    pub action: &'static str,
    /// Whether there was anything to do.
    pub changed: bool,
    /// `running`, `stopped` or `not-installed`.
    pub state: &'static str,
    /// The driver's file, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

#[cfg_attr(
    not(windows),
    expect(dead_code, reason = "only Windows has services to do something to")
)]
impl ServiceRecord {
    /// What `action` did.
    pub fn new(action: &'static str, changed: bool, state: &'static str) -> Self {
        Self {
            schema: "gatehouse.service/1",
            action,
            changed,
            state,
            path: None,
        }
    }

    /// Names the driver's file.
    pub fn with_path(self, path: &Path) -> Self {
        Self {
            path: Some(files::name(path)),
            ..self
        }
    }
}
