//! Which Rust toolchain builds for Windows on this host.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use anyhow::bail;

use crate::command;
use crate::host;

/// A toolchain able to build for one Windows target.
pub struct Toolchain {
    cargo: String,
    rustc: Option<PathBuf>,
    /// The standard library's sources, when they are built along.
    library: Option<PathBuf>,
    target: &'static str,
}

/// What is needed of Rust's standard library, separated by commas.
#[derive(Clone, Copy)]
pub struct Library {
    /// Its crates.
    pub parts: &'static str,
    /// Their features.
    pub features: &'static str,
}

impl Toolchain {
    /// The one to use for `target`: that on PATH if it has the target's libraries, else Debian's, installed if missing.
    pub fn for_target(target: &'static str) -> Result<Self> {
        if has_target(target) {
            return Ok(Self {
                cargo: "cargo".to_owned(),
                rustc: None,
                library: None,
                target,
            });
        }
        host::require(&host::DEBIAN_RUST)?;
        let rustc = PathBuf::from("/usr/bin/rustc");
        let library = Path::new("/usr/lib/rustlib/src/rust/library").to_owned();
        if !library.join("Cargo.lock").is_file() {
            bail!(
                "{} has no Cargo.lock: reinstall the package rust-web-src",
                library.display()
            );
        }
        Ok(Self {
            cargo: "/usr/bin/cargo".to_owned(),
            rustc: Some(rustc),
            library: Some(library),
            target,
        })
    }

    /// One line that says which toolchain this is.
    pub fn description(&self) -> String {
        match &self.rustc {
            Some(rustc) => format!("Debian's {} (standard library built along)", rustc.display()),
            None => format!("the toolchain on PATH, which has the target {}", self.target),
        }
    }

    /// `cargo build` for the target, building the named parts of the standard library where they are not at hand.
    pub fn build(&self, library: Library) -> Command {
        let mut command = command::clean(&self.cargo);
        command.arg("build");
        self.aimed(command, library)
    }

    /// `cargo clippy` for the target, likewise.
    pub fn lint(&self, library: Library) -> Result<Command> {
        let mut command = if self.rustc.is_some() {
            host::require(&host::DEBIAN_CLIPPY)?;
            // By its path: cargo itself would look among rustup's commands first.
            let mut command = command::clean("/usr/bin/cargo-clippy");
            command.arg("clippy").env("CARGO", &self.cargo);
            command
        } else {
            let mut command = command::clean(&self.cargo);
            command.arg("clippy");
            command
        };
        command.arg("--quiet");
        Ok(self.aimed(command, library))
    }

    fn aimed(&self, mut command: Command, library: Library) -> Command {
        command.args(["--target", self.target]);
        if let Some(rustc) = &self.rustc {
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            command.arg(format!("-Zbuild-std={}", library.parts));
            if !library.features.is_empty() {
                command.arg(format!("-Zbuild-std-features={}", library.features));
            }
        }
        command
    }

    /// Compiler arguments that keep this machine's folders out of what is built: each is replaced by a fixed name.
    pub fn remap_arguments(&self, checkout: &Path) -> Vec<String> {
        let mut pairs = vec![(checkout.to_owned(), "gatehouse")];
        if let Some(library) = &self.library {
            pairs.push((library.clone(), "rust/library"));
        }
        if let Some(cargo_home) = cargo_home() {
            let sources = cargo_home.join("registry/src");
            pairs.push((sources.clone(), "crates"));
            // Below it stands one folder per registry, named by the registry's address. The last match wins.
            for registry in fs::read_dir(&sources).into_iter().flatten().flatten() {
                pairs.push((registry.path(), "crates"));
            }
        }
        pairs
            .into_iter()
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
            .collect()
    }
}

/// Whether the toolchain on PATH has the libraries of `target`.
pub fn has_target(target: &str) -> bool {
    let Ok(folder) =
        command::output(command::clean("rustc").args(["--print", "target-libdir", "--target", target]))
    else {
        return false;
    };
    let files = fs::read_dir(folder.trim()).into_iter().flatten().flatten();
    files
        .into_iter()
        .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
}

fn cargo_home() -> Option<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Some(PathBuf::from(home)),
        None => Some(Path::new(&std::env::var_os("HOME")?).join(".cargo")),
    }
}
