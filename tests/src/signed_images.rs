//! Really signed images out of published packages, other people's readers of them, and the command as users have it.

use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use lab::cache;
use lab::cache::Key;
use lab::command;
use lab::host;
use lab::packages;
use lab::repository;

/// Packages with signed images inside, by name and version.
const PACKAGES: [&str; 5] = [
    "debugpy==1.8.22",
    "hardwaremonitor==1.2.1",
    "msvc-runtime==14.44.35112",
    "onnxruntime==1.31.1",
    "pywinpty==3.1.2",
];
/// The other readers.
const ORACLES: [&str; 7] = [
    "asn1crypto==1.5.1",
    "evtx==0.14.0",
    "libfwevt-python==20260702",
    "libwrc-python==20260705",
    "lief==1.0.0",
    "signify==0.9.3",
    "yara-x==1.23.0",
];
/// Images with two entries in their certificate table, and with signatures by other tools than Microsoft's.
const DEBIAN: [&str; 2] = ["fwupd-amd64-signed", "shim-signed"];

fn pip(arguments: &[&str], folder: &Path) -> Result<()> {
    let mut pip = command::clean("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "--quiet"])
        .args(arguments)
        .arg(folder);
    command::output(&mut pip).map(drop)
}

/// A folder with the other readers.
pub fn oracles() -> Result<PathBuf> {
    let key = ORACLES.iter().fold(Key::default(), Key::with);
    cache::entry("oracles", &key, |folder| {
        if command::output(command::clean("python3").args(["-m", "pip", "--version"])).is_err() {
            host::require(&host::PIP)?;
        }
        pip(&[&["install"][..], &ORACLES, &["--target"]].concat(), folder)
    })
}

/// A folder with the images, unpacked.
pub fn images() -> Result<PathBuf> {
    let folder = cache::entry(
        "images",
        &PACKAGES.iter().chain(&DEBIAN).fold(Key::default(), Key::with),
        |folder| {
            let platform = [
                "--no-deps",
                "--only-binary=:all:",
                "--platform=win_amd64",
                "--python-version=3.11",
            ];
            pip(
                &[&["download"][..], &platform, &PACKAGES, &["--dest"]].concat(),
                folder,
            )?;
            for wheel in fs::read_dir(folder)?.flatten().map(|entry| entry.path()) {
                let into = wheel.with_extension("");
                command::output(
                    command::clean("python3")
                        .args(["-m", "zipfile", "-e"])
                        .arg(&wheel)
                        .arg(&into),
                )?;
                fs::remove_file(&wheel)?;
            }
            for package in DEBIAN {
                command::output(
                    command::clean("apt-get")
                        .args(["-qq", "download", package])
                        .current_dir(folder),
                )?;
            }
            let packages: Vec<_> = fs::read_dir(folder)?
                .flatten()
                .map(|entry| entry.path())
                .collect();
            for package in packages
                .iter()
                .filter(|path| path.extension().is_some_and(|kind| kind == "deb"))
            {
                command::output(
                    command::clean("dpkg")
                        .arg("-x")
                        .arg(package)
                        .arg(package.with_extension("")),
                )?;
                fs::remove_file(package)?;
            }
            Ok(())
        },
    )?;
    for driver in [packages::WINDIVERT, packages::VIGEMBUS] {
        let from = driver.fetch()?;
        let place = folder.join(from.file_name().context("a file")?);
        if !place.exists() {
            fs::copy(&from, &place)?;
        }
    }
    Ok(folder)
}

/// The command, built as it is shipped.
pub fn gatehouse() -> Result<PathBuf> {
    let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = command::clean(&cargo);
    build
        .args(["build", "--quiet", "--release", "--package", "gatehouse-ctl"])
        .current_dir(repository::root());
    command::run(&mut build)?;
    Ok(repository::target("release").join("gatehouse"))
}

/// A Python script of `tests/oracles`, to be run where the other readers are found.
pub fn script(name: &str) -> Result<std::process::Command> {
    let mut run = command::clean("python3");
    run.env("PYTHONPATH", oracles()?)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(repository::root().join("tests/oracles").join(name));
    Ok(run)
}
