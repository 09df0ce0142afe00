//! Building gatehouse.sys on this host.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::cache;
use crate::command;
use crate::host;
use crate::image;
use crate::repository;
use crate::toolchain::Toolchain;
use crate::wdk_root;

/// The target of a Windows kernel image.
pub const TARGET: &str = "x86_64-pc-windows-msvc";

/// Builds the release driver and returns the path of gatehouse.sys. Quick when nothing changed.
pub fn build_driver() -> Result<PathBuf> {
    host::require(&host::DRIVER_BUILD)?;
    let toolchain = Toolchain::for_target(TARGET)?;
    let root = wdk_root::prepare()?;
    let target = repository::target("driver");
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let _lock = cache::lock(&target.join("lab.lock"))?;
    eprintln!("lab: building gatehouse.sys with {}", toolchain.description());

    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(toolchain.remap_arguments(&repository::root()));
    let mut build = toolchain.build("core,alloc,compiler_builtins", "compiler-builtins-mem");
    build
        .args(["--release", "--manifest-path"])
        .arg(repository::lab().join("driver/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("RUSTC_WRAPPER", repository::lab().join("stable-names.sh"))
        .env("CARGO_TARGET_X86_64_PC_WINDOWS_MSVC_LINKER", "lld-link")
        .env("CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY", "never")
        .env("WDKContentRoot", &root)
        .env("Version_Number", wdk_root::VERSION);
    command::run(&mut build).context("cannot build the driver")?;

    let folder = target.join(TARGET).join("release");
    let linked = folder.join("gatehouse.dll");
    let mut bytes = fs::read(&linked).with_context(|| format!("the build left no {}", linked.display()))?;
    image::set_checksum(&mut bytes).with_context(|| format!("cannot finish {}", linked.display()))?;
    let finished = folder.join("gatehouse.sys");
    fs::write(&finished, bytes).with_context(|| format!("cannot write {}", finished.display()))?;
    Ok(finished)
}
