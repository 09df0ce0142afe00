//! Building gatehouse.sys on this host.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;

use crate::cache;
use crate::command;
use crate::host;
use crate::image;
use crate::repository;
use crate::toolchain::Library;
use crate::toolchain::Toolchain;
use crate::wdk_root;

/// The target of a Windows kernel image.
pub const TARGET: &str = "x86_64-pc-windows-msvc";

const LIBRARY: Library = Library {
    parts: "core,alloc,compiler_builtins",
    features: "compiler-builtins-mem",
};

/// Builds the release driver and returns the path of gatehouse.sys. Quick when nothing changed.
pub fn build_driver() -> Result<PathBuf> {
    host::require(&host::DRIVER_BUILD)?;
    let toolchain = Toolchain::for_target(TARGET)?;
    let target = repository::target("driver");
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let _lock = cache::lock(&target.join("lab.lock"))?;
    eprintln!("lab: building gatehouse.sys with {}", toolchain.description());
    let mut build = toolchain.build(LIBRARY);
    configure(&mut build, &toolchain, &target)?;
    build
        .env("RUSTC_WRAPPER", repository::lab().join("stable-names.sh"))
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER", "lld-link");
    command::run(&mut build).context("cannot build the driver")?;

    let folder = target.join(TARGET).join("release");
    let linked = folder.join("gatehouse.dll");
    let mut bytes = fs::read(&linked).with_context(|| format!("the build left no {}", linked.display()))?;
    image::set_checksum(&mut bytes).with_context(|| format!("cannot finish {}", linked.display()))?;
    let finished = folder.join("gatehouse.sys");
    fs::write(&finished, bytes).with_context(|| format!("cannot write {}", finished.display()))?;
    Ok(finished)
}

/// Runs clippy over the driver; anything it says is an error.
pub fn lint_driver() -> Result<()> {
    host::require(&host::DRIVER_BUILD)?;
    let toolchain = Toolchain::for_target(TARGET)?;
    let mut lint = toolchain.lint(LIBRARY)?;
    configure(&mut lint, &toolchain, &repository::target("lint"))?;
    command::run(lint.args(["--", "--deny", "warnings"])).context("clippy of the driver")
}

/// What building and linting have in common.
fn configure(command: &mut Command, toolchain: &Toolchain, target: &Path) -> Result<()> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(toolchain.remap_arguments(&repository::root()));
    command
        .args(["--release", "--manifest-path"])
        .arg(repository::lab().join("driver/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY", "never")
        .env("WDKContentRoot", wdk_root::prepare()?)
        .env("Version_Number", wdk_root::VERSION);
    Ok(())
}
