//! Where the checkout is, and the folders in it that the lab reads and writes.

use std::path::Path;
use std::path::PathBuf;

/// The top of the checkout that this lab was built from.
pub fn root() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.parent().unwrap_or(lab).to_owned()
}

/// The lab's own folder in the checkout.
pub fn lab() -> PathBuf {
    root().join("lab")
}

/// Where builds for other machines than this one go; below the checkout's `target`, apart from the host's own builds.
pub fn target(name: &str) -> PathBuf {
    root().join("target").join(name)
}
