//! `./x package`: the folder that is carried to a Windows machine.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use lab::command;
use lab::repository;

/// What goes in beside what is built.
const FILES: [&str; 5] = [
    "inf/gatehouse.inf",
    "inf/gatehouse.man",
    "inf/Install-TestSigned.ps1",
    "LICENSE-APACHE",
    "LICENSE-MIT",
];

/// Builds driver and controller and lays out target/package; its path.
pub fn run() -> Result<PathBuf> {
    let folder = repository::target("package");
    let built = [lab::build_driver()?, lab::build_controller()?];
    // Made anew, so that nothing of an earlier release stays in it.
    command::remove_tree(&folder)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for file in built {
        copy(&file, &folder)?;
    }
    for name in FILES {
        copy(&repository::root().join(name), &folder)?;
    }
    Ok(folder)
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file
        .file_name()
        .with_context(|| format!("{} names no file", file.display()))?;
    let place = folder.join(name);
    fs::copy(file, &place)
        .with_context(|| format!("cannot copy {} to {}", file.display(), place.display()))?;
    Ok(())
}
