//! A Wine prefix (Windows's registry and drive C:) as it is right after installation, kept for every run to copy.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::cache;
use crate::command;
use crate::namespace::Namespace;
use crate::wine;
use crate::wine_root;

/// Raised when the way the prefix is made changes.
const LAYOUT: &str = "1";

/// The template, made if the cache has it not.
pub fn prepare(root: &Path) -> Result<PathBuf> {
    let key = wine_root::key().with(LAYOUT);
    cache::entry("wine-prefix", &key, |folder| {
        eprintln!("lab: making a Wine prefix (ten seconds, once)");
        fs::create_dir(folder.join("home"))?;
        let namespace = Namespace::start(root, folder)?;
        command::output(wine::command(&namespace, 120, "wineboot").arg("--init"))?;
        command::output(wine::server(&namespace, 60).arg("-w"))?;
        drop(namespace);
        wine_root::link_builtin_modules(root, &folder.join("prefix"))
    })
}

/// Copies the template into `folder`, the folder of one run.
pub fn copy(template: &Path, folder: &Path) -> Result<()> {
    let mut copy = command::privileged("cp");
    copy.args(["--archive", "--reflink=auto"])
        .arg(template.join("."))
        .arg(folder);
    command::output(&mut copy)
        .with_context(|| format!("cannot copy the Wine prefix to {}", folder.display()))?;
    Ok(())
}
