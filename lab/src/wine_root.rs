//! A Debian root with Wine in it, the same on every host: what runs in the lab depends on nothing installed outside.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::cache;
use crate::cache::Key;
use crate::command;
use crate::host;

/// The first Debian release whose Wine (10.0) has the kernel functions that the driver imports.
const SUITE: &str = "trixie";
/// The loader's place inside the root.
pub const WINE: &str = "/usr/lib/wine/wine64";
/// The place of Wine's own modules inside the root.
pub const BUILTIN: &str = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";
/// Where a run's folder is mounted inside the root.
pub const RUN: &str = "/lab";
/// Raised when the way the root is made changes.
const LAYOUT: &str = "1";
/// Parts of packages that a machine without users or 32-bit programs has no use for.
const LEFT_OUT: [&str; 4] = [
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "*/wine/i386-windows/*",
];

/// What identifies the root; the prefix made inside it carries this in its own key.
pub fn key() -> Key {
    Key::default().with(LAYOUT).with(SUITE).with(LEFT_OUT.join(" "))
}

/// The root, made if the cache has it not: a gigabyte, half a minute.
pub fn prepare() -> Result<PathBuf> {
    host::require(&host::WINE_ROOT)?;
    cache::entry("wine-root", &key(), |root| {
        eprintln!("lab: making a Debian {SUITE} root with Wine (about a minute, once)");
        let mut make = command::privileged("mmdebstrap");
        make.args(["--quiet", "--variant=apt", "--include=wine64"]);
        make.arg("--aptopt=Apt::Install-Recommends \"false\"");
        for pattern in LEFT_OUT {
            make.arg(format!("--dpkgopt=path-exclude={pattern}"));
        }
        make.arg(format!("--customize-hook=mkdir \"$1\"{RUN}"));
        make.arg(SUITE).arg(root);
        make.args(mirror());
        command::output(&mut make)
            .context("cannot make the Wine root; it is made of packages from Debian's archive")?;
        Ok(())
    })
}

/// The host's own Debian archive, for machines that reach no other; nothing where the host's apt does not name one.
fn mirror() -> Option<String> {
    let format = "$(LABEL) $(REPO_URI)";
    let mut query = command::clean("apt-get");
    let listed =
        command::output(query.args(["indextargets", "--format", format, "Created-By: Packages"])).ok()?;
    listed
        .lines()
        .find_map(|line| line.strip_prefix("Debian "))
        .map(str::to_owned)
}

/// Replaces what Wine copied of its own modules into `prefix` by links to the originals in `root`: a prefix then takes a
/// fiftieth of the space, so that every run can have a copy. Kernel drivers stay files, being what the runs work on.
pub fn link_builtin_modules(root: &Path, prefix: &Path) -> Result<()> {
    let windows = prefix.join("drive_c/windows");
    let originals = root.join(BUILTIN.trim_start_matches('/'));
    let mut folders = vec![windows.clone()];
    while let Some(folder) = folders.pop() {
        if folder == windows.join("system32/drivers") {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                link_if_same(&entry.path(), &originals.join(entry.file_name()))?;
            }
        }
    }
    Ok(())
}

fn link_if_same(copy: &Path, original: &Path) -> Result<()> {
    let Ok(length) = fs::metadata(original).map(|metadata| metadata.len()) else {
        return Ok(());
    };
    if fs::metadata(copy)?.len() != length || fs::read(copy)? != fs::read(original)? {
        return Ok(());
    }
    let name = original.file_name().unwrap_or_default();
    fs::remove_file(copy)?;
    std::os::unix::fs::symlink(Path::new(BUILTIN).join(name), copy)?;
    Ok(())
}
