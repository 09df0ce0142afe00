//! The packages of the host: which are needed for what, and installing the missing ones.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context;
use anyhow::Result;

use crate::command;

/// What builds the driver: headers, an import-library maker, a linker, and the C parser behind bindgen.
pub const DRIVER_BUILD: [&str; 4] = ["clang", "lld", "llvm", "mingw-w64-x86-64-dev"];
/// What links the controller for Windows.
pub const CONTROLLER_BUILD: [&str; 1] = ["gcc-mingw-w64-x86-64-win32"];
/// What opens packages.
pub const ARCHIVES: [&str; 1] = ["7zip"];
/// What fetches packages, where python3 has no pip of its own.
pub const PIP: [&str; 1] = ["python3-pip"];
/// What makes the root that Wine runs in, and what mounts it; a bare Debian has neither.
pub const WINE_ROOT: [&str; 2] = ["mmdebstrap", "mount"];
/// Debian's Rust with the sources of its standard library, for machines whose toolchain lacks the Windows targets.
pub const DEBIAN_RUST: [&str; 3] = ["cargo-web", "rust-web-src", "rustc-web"];
/// The lints of Debian's Rust.
pub const DEBIAN_CLIPPY: [&str; 1] = ["rust-web-clippy"];

/// Installs those of `packages` that are missing. Does nothing, quickly, when all are there.
pub fn require(packages: &[&str]) -> Result<()> {
    let installed = installed()?;
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|&name| !installed.contains(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("lab: installing {}", missing.join(" "));
    let mut update = command::privileged("apt-get");
    command::run(update.args(["-qq", "update"])).context("cannot refresh the package lists")?;
    let mut install = command::privileged("env");
    install.args([
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-qq",
        "-y",
        "--no-install-recommends",
        "install",
    ]);
    command::run(install.args(&missing).stdout(std::process::Stdio::null())).with_context(|| {
        format!(
            "cannot install {}; the lab needs Debian 12 or later and its package archive",
            missing.join(" ")
        )
    })
}

/// The installed version of one package, as the package database states it.
pub fn version_of(package: &str) -> Result<String> {
    let query = ["-W", "-f", "${Version}", package];
    command::output(command::clean("dpkg-query").args(query))
}

/// The names of all installed packages, read from the package database itself: asking its tool takes longer.
fn installed() -> Result<BTreeSet<String>> {
    let path = "/var/lib/dpkg/status";
    let status = fs::read_to_string(path)
        .with_context(|| format!("cannot read {path}; the lab needs Debian or a relative of it"))?;
    Ok(parse_status(&status))
}

fn parse_status(status: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for paragraph in status.split("\n\n") {
        let field = |key: &str| paragraph.lines().find_map(|line| line.strip_prefix(key));
        if let (Some(name), Some("install ok installed")) = (field("Package: "), field("Status: ")) {
            names.insert(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::parse_status;

    #[test]
    fn a_package_that_was_removed_does_not_count_as_installed() {
        let status = "Package: lld\nStatus: install ok installed\n\nPackage: clang\nStatus: deinstall ok config-files\n";
        let names = parse_status(status);
        assert!(names.contains("lld"));
        assert!(!names.contains("clang"));
    }
}
