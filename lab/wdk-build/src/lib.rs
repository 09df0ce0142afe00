//! A `wdk-build` for hosts other than Windows.
//!
//! Called from the build scripts of `wdk-sys`, `wdk`, `wdk-alloc`, `wdk-panic` and of the driver itself, through
//! `[patch.crates-io]` in `lab/driver/Cargo.toml`. It offers the part of the genuine crate's interface that those scripts
//! use, for the one configuration this project has: a WDM driver for x64.
//!
//! It never looks for a WDK: `WDKContentRoot` names a folder that the lab made from open headers and import libraries of
//! its own, and `Version_Number` the version folder inside it. The Windows build uses the genuine crate.

mod bindings;
mod config;
mod error;
mod link;

pub use bindings::BuilderExt;
pub use config::ApiSubset;
pub use config::Config;
pub use config::CpuArchitecture;
pub use config::DriverConfig;
pub use config::KmdfConfig;
pub use config::UmdfConfig;
pub use error::ConfigError;
pub use error::IoError;

/// Configures the build of a library crate on top of the WDK: emits the `driver_model__driver_type` cfg.
pub fn configure_wdk_library_build() -> Result<(), ConfigError> {
    Config::from_env_auto()?.configure_library_build()
}

/// As [`configure_wdk_library_build`], then calls `then` with the configuration, to generate bindings from it.
pub fn configure_wdk_library_build_and_then<F, E>(mut then: F) -> Result<(), E>
where
    F: FnMut(Config) -> Result<(), E>,
    E: From<ConfigError>,
{
    let config = Config::from_env_auto()?;
    config.configure_library_build()?;
    then(config)
}

/// Configures the build of the driver image: library search path and linker arguments.
pub fn configure_wdk_binary_build() -> Result<(), ConfigError> {
    Config::from_env_auto()?.configure_binary_build()
}
