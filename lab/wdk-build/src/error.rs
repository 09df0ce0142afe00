//! What can go wrong while a build is configured.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// An I/O failure and the path it happened on.
#[derive(Debug)]
pub struct IoError {
    path: PathBuf,
    source: io::Error,
}

impl IoError {
    /// Ties `source` to the path that was being worked on.
    pub fn with_path(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self {
            path: path.into(),
            source,
        }
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read or write {}", self.path.display())
    }
}

impl Error for IoError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Why the build cannot be configured.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// Reading or writing a file failed.
    Io(IoError),
    /// An environment variable that the lab sets is missing: the build was started by hand.
    MissingVariable(&'static str),
    /// The content root lacks a folder.
    DirectoryNotFound(PathBuf),
    /// The target is not `x86_64-pc-windows-msvc`.
    UnsupportedTarget(String),
    /// The target feature `crt-static` is off.
    StaticCrtNotEnabled,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::MissingVariable(name) => {
                write!(
                    f,
                    "{name} is not set; build the driver on this host with `./x build`, which sets it"
                )
            }
            Self::DirectoryNotFound(path) => {
                write!(
                    f,
                    "the WDK content root has no folder {}; `./x build` makes it anew",
                    path.display()
                )
            }
            Self::UnsupportedTarget(target) => {
                write!(
                    f,
                    "this stand-in for wdk-build knows x86_64-pc-windows-msvc only, not {target}"
                )
            }
            Self::StaticCrtNotEnabled => {
                write!(
                    f,
                    "a kernel image needs `-C target-feature=+crt-static` (driver/.cargo/config.toml has it)"
                )
            }
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<IoError> for ConfigError {
    fn from(error: IoError) -> Self {
        Self::Io(error)
    }
}
