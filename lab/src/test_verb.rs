//! `./x test`: everything that must pass before a change goes in.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lab::cache;
use lab::cache::Key;
use lab::command;
use lab::controller;
use lab::driver;
use lab::host;
use lab::repository;

/// The tests that build the driver or boot a Windows.
const LAB_PACKAGES: [&str; 2] = ["gatehouse-lab", "gatehouse-tests"];
/// The version of cargo-deny that the rules in deny.toml are written for.
const CARGO_DENY: &str = "0.20.2";

/// Runs every check in turn and stops at the first that fails; `quick` leaves out what needs the lab.
pub fn run(quick: bool) -> Result<ExitCode> {
    require_components()?;
    step("the sources are formatted", formatted)?;
    step("clippy has nothing to say", || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "--deny",
            "warnings",
        ])
    })?;
    if quick {
        step("tests that need no lab", || {
            let mut arguments = vec!["test", "--workspace", "--quiet"];
            for package in LAB_PACKAGES {
                arguments.extend(["--exclude", package]);
            }
            cargo(&arguments)?;
            cargo(&["test", "--package", "gatehouse-lab", "--lib", "--quiet"])
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    // One test copies the checkout, by the list that git keeps.
    host::require(&["git"])?;
    step("dependencies keep to deny.toml", deny)?;
    step("clippy has nothing to say of what is built for Windows", || {
        driver::lint_driver()?;
        controller::lint_for_windows()
    })?;
    step("all tests", || {
        crate::test_lanes::run()?;
        cargo(&["test", "--workspace", "--doc", "--quiet"])
    })?;
    let begun = Instant::now();
    eprintln!("test: the main job, end to end");
    let code = crate::lab_verb::run(false)?;
    eprintln!("test: the main job took {:.1} s", begun.elapsed().as_secs_f32());
    Ok(code)
}

fn step(what: &str, check: impl FnOnce() -> Result<()>) -> Result<()> {
    eprintln!("test: {what}");
    let begun = Instant::now();
    check().with_context(|| format!("failed: {what}"))?;
    eprintln!("test: ok, {:.1} s", begun.elapsed().as_secs_f32());
    Ok(())
}

fn formatted() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    // What stands outside the workspace, by its crate roots.
    let mut check = command::clean("rustfmt");
    check.args([
        "--check",
        "--edition",
        "2024",
        "driver/build.rs",
        "driver/src/lib.rs",
        "lab/wdk-build/src/lib.rs",
    ]);
    command::run(check.current_dir(repository::root()))
}

fn cargo(arguments: &[&str]) -> Result<()> {
    command::run(
        command::clean("cargo")
            .args(arguments)
            .current_dir(repository::root()),
    )
}

/// Formatting and lints need parts of a toolchain that rustup installs by default and Debian's packages lack.
fn require_components() -> Result<()> {
    for component in ["fmt", "clippy"] {
        if command::output(command::clean("cargo").args([component, "--version"])).is_err() {
            bail!(
                "cargo has no {component} here; install rustup's stable toolchain, or `rustup component add {}`",
                if component == "fmt" { "rustfmt" } else { component }
            );
        }
    }
    Ok(())
}

/// Licences, sources and duplicates; not advisories, which would have to be fetched from elsewhere than the registry.
fn deny() -> Result<()> {
    let program = cargo_deny()?;
    let mut check = command::clean(&program.display().to_string());
    check.args([
        "--workspace",
        "--log-level",
        "error",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]);
    command::run(check.current_dir(repository::root()))
}

/// cargo-deny: that on PATH, else one built from the registry into the cache, once, in some minutes.
fn cargo_deny() -> Result<PathBuf> {
    if let Some(found) = command::find("cargo-deny") {
        return Ok(found);
    }
    let key = Key::default().with(CARGO_DENY);
    let folder = cache::entry("cargo-deny", &key, |folder| {
        eprintln!("test: building cargo-deny (some minutes, once)");
        let mut install = command::clean("cargo");
        install.args([
            "install",
            "cargo-deny",
            "--locked",
            "--no-default-features",
            "--quiet",
            "--version",
            CARGO_DENY,
        ]);
        // Built in the entry and removed with it: the finished program is all that stays.
        install
            .arg("--root")
            .arg(folder)
            .arg("--target-dir")
            .arg(folder.join("build"));
        // It need not be fast, only soon there.
        install
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        command::run(&mut install)?;
        command::remove_tree(&folder.join("build"))
    })?;
    Ok(folder.join("bin/cargo-deny"))
}
