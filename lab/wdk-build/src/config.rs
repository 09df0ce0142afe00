//! The build's configuration: where headers and libraries are, which headers and preprocessor definitions belong to it.

use std::env;
use std::path::PathBuf;

use crate::ConfigError;

/// Environment variable naming the folder that stands for an installed WDK.
const CONTENT_ROOT: &str = "WDKContentRoot";
/// Environment variable naming the version folder below `Include` and `Lib`.
const VERSION: &str = "Version_Number";
/// The only target built here.
const TARGET: &str = "x86_64-pc-windows-msvc";

/// A group of WDK interfaces. wdk-sys generates [`ApiSubset::Base`] always and the others by cargo feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiSubset {
    /// What every driver needs.
    Base,
    /// Windows Driver Framework.
    Wdf,
    /// General-purpose I/O.
    Gpio,
    /// Human interface devices.
    Hid,
    /// Parallel ports.
    ParallelPorts,
    /// Simple peripheral bus.
    Spb,
    /// Storage.
    Storage,
    /// Universal serial bus.
    Usb,
}

/// The driver model. Only [`DriverConfig::Wdm`] is ever made here; the others exist because wdk-sys matches on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverConfig {
    /// Windows Driver Model.
    Wdm,
    /// Kernel-Mode Driver Framework.
    Kmdf(KmdfConfig),
    /// User-Mode Driver Framework.
    Umdf(UmdfConfig),
}

/// Versions of a KMDF build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KmdfConfig {
    /// Major version.
    pub kmdf_version_major: u8,
    /// Minor version built against.
    pub target_kmdf_version_minor: u8,
    /// Oldest minor version supported.
    pub minimum_kmdf_version_minor: Option<u8>,
}

/// Versions of a UMDF build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UmdfConfig {
    /// Major version.
    pub umdf_version_major: u8,
    /// Minor version built against.
    pub target_umdf_version_minor: u8,
    /// Oldest minor version supported.
    pub minimum_umdf_version_minor: Option<u8>,
}

/// The processor the driver is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuArchitecture {
    /// x64.
    Amd64,
}

/// One build's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    content_root: PathBuf,
    version: String,
    /// The driver model.
    pub driver_config: DriverConfig,
}

impl Config {
    /// Reads the configuration from the environment that the lab sets for the build.
    pub fn from_env_auto() -> Result<Self, ConfigError> {
        // These two lines also stop cargo from running the script again whenever a file of its package is touched.
        println!("cargo::rerun-if-env-changed={CONTENT_ROOT}");
        println!("cargo::rerun-if-env-changed={VERSION}");
        let target = variable("TARGET")?;
        if target != TARGET {
            return Err(ConfigError::UnsupportedTarget(target));
        }
        Ok(Self {
            content_root: PathBuf::from(variable(CONTENT_ROOT)?),
            version: variable(VERSION)?,
            driver_config: DriverConfig::Wdm,
        })
    }

    /// The header folders, first to last on the search path: the overlay, the kernel headers, the shared ones.
    pub fn include_paths(&self) -> Result<impl Iterator<Item = PathBuf> + use<>, ConfigError> {
        let include = self.content_root.join("Include").join(&self.version);
        let folders = ["km/crt", "km", "shared"].map(|name| include.join(name));
        for folder in &folders {
            require_folder(folder)?;
        }
        Ok(folders.into_iter())
    }

    /// The folder of the import libraries.
    pub fn library_paths(&self) -> Result<impl Iterator<Item = PathBuf> + use<>, ConfigError> {
        let folder = self.content_root.join("Lib").join(&self.version).join("km/x64");
        require_folder(&folder)?;
        Ok(std::iter::once(folder))
    }

    /// Macros that the kernel headers expect the compiler's command line to define.
    pub fn preprocessor_definitions(&self) -> impl Iterator<Item = (String, Option<String>)> + use<> {
        ["_WIN64", "_AMD64_", "AMD64", "_KERNEL_MODE"]
            .into_iter()
            .map(|name| (name.to_owned(), None))
    }

    /// The headers of one group of interfaces; the groups beyond the base one have none here.
    pub fn headers(&self, subset: ApiSubset) -> Result<impl Iterator<Item = String> + use<>, ConfigError> {
        let headers: &'static [&'static str] = match subset {
            ApiSubset::Base => &["ntifs.h", "ntddk.h", "ntstrsafe.h"],
            _ => &[],
        };
        Ok(headers.iter().map(|&header| header.to_owned()))
    }

    /// A header that includes all headers of the given groups, for bindgen.
    pub fn bindgen_header_contents(
        &self,
        subsets: impl IntoIterator<Item = ApiSubset>,
    ) -> Result<String, ConfigError> {
        let mut contents = String::new();
        for subset in subsets {
            for header in self.headers(subset)? {
                contents.push_str("#include \"");
                contents.push_str(&header);
                contents.push_str("\"\n");
            }
        }
        Ok(contents)
    }

    /// The symbol of the WDF function table; a WDM driver has none.
    pub fn compute_wdffunctions_symbol_name(&self) -> Option<String> {
        None
    }

    /// Emits the cfg that the wdk crates choose their code by.
    pub fn configure_library_build(&self) -> Result<(), ConfigError> {
        println!(r#"cargo::rustc-check-cfg=cfg(driver_model__driver_type, values("WDM","KMDF","UMDF"))"#);
        println!(r#"cargo::rustc-cfg=driver_model__driver_type="WDM""#);
        Ok(())
    }
}

fn variable(name: &'static str) -> Result<String, ConfigError> {
    env::var(name).map_err(|_| ConfigError::MissingVariable(name))
}

fn require_folder(folder: &std::path::Path) -> Result<(), ConfigError> {
    if folder.is_dir() {
        Ok(())
    } else {
        Err(ConfigError::DirectoryNotFound(folder.to_owned()))
    }
}
