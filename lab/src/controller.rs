//! Building programs for Windows on this host: the controller, and what the tests need beside it.

use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::command;
use crate::host;
use crate::repository;
use crate::toolchain::Library;
use crate::toolchain::Toolchain;

/// The target that needs nothing of Microsoft's to link.
pub const TARGET: &str = "x86_64-pc-windows-gnu";

const LIBRARY: Library = Library {
    parts: "std,panic_abort",
    features: "",
};

/// Builds the release controller and returns the path of gatehouse.exe. Quick when nothing changed.
pub fn build_controller() -> Result<PathBuf> {
    build_program("gatehouse-ctl", "gatehouse.exe")
}

/// Builds a package of the workspace for Windows and returns the path of its program.
pub fn build_program(package: &str, program: &str) -> Result<PathBuf> {
    host::require(&host::CONTROLLER_BUILD)?;
    let toolchain = Toolchain::for_target(TARGET)?;
    let target = repository::target("controller");
    eprintln!("lab: building {program} with {}", toolchain.description());
    let mut flags = vec!["-Cpanic=abort".to_owned(), "-Cstrip=symbols".to_owned()];
    flags.extend(toolchain.remap_arguments(&repository::root()));
    let mut build = toolchain.build(LIBRARY);
    build
        .args(["--release", "--package", package, "--manifest-path"])
        .arg(repository::root().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env(
            "CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER",
            "x86_64-w64-mingw32-gcc",
        )
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort");
    command::run(&mut build).with_context(|| format!("cannot build {program} for Windows"))?;
    Ok(target.join(TARGET).join("release").join(program))
}

/// Runs clippy over everything of the workspace that runs on Windows, for Windows; anything it says is an error.
pub fn lint_for_windows() -> Result<()> {
    // Libraries to link against are made while compiling, so even looking needs the tool for it.
    host::require(&host::CONTROLLER_BUILD)?;
    let toolchain = Toolchain::for_target(TARGET)?;
    let mut lint = toolchain.lint(LIBRARY)?;
    lint.args([
        "--workspace",
        "--exclude",
        "gatehouse-lab",
        "--exclude",
        "gatehouse-tests",
        "--manifest-path",
    ])
    .arg(repository::root().join("Cargo.toml"))
    .arg("--target-dir")
    .arg(repository::target("lint"));
    command::run(lint.args(["--", "--deny", "warnings"])).context("clippy for Windows")
}
