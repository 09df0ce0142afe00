//! How bindgen is set up to read the kernel headers.

use std::borrow::Borrow;
use std::fmt::Debug;

use bindgen::Builder;
use bindgen::EnumVariation;
use bindgen::RustEdition;
use bindgen::RustTarget;

use crate::Config;
use crate::ConfigError;

/// Makes clang read headers that were written for Microsoft's compiler, quietly.
const CLANG_ARGUMENTS: [&str; 6] = [
    "-fms-compatibility",
    "-fms-extensions",
    "-fdelayed-template-parsing",
    "-fno-builtin",
    "-w",
    "-D_CRTIMP=",
];

/// Pool functions that return memory without the safeguards of ExAllocatePool2; hidden so that nothing calls them.
const DEPRECATED: [&str; 4] = [
    "ExAllocatePool",
    "ExAllocatePoolWithTag",
    "ExAllocatePoolWithQuotaTag",
    "ExAllocatePoolWithTagPriority",
];

/// Gives [`bindgen::Builder`] a constructor with the settings that wdk-sys's generated code relies on.
pub trait BuilderExt {
    /// A builder for the headers that `config` names.
    fn wdk_default(config: impl Borrow<Config> + Debug) -> Result<Builder, ConfigError>;
}

impl BuilderExt for Builder {
    fn wdk_default(config: impl Borrow<Config> + Debug) -> Result<Builder, ConfigError> {
        let config = config.borrow();
        let includes = config
            .include_paths()?
            .map(|path| format!("--include-directory={}", path.display()));
        let definitions = config
            .preprocessor_definitions()
            .map(|(name, value)| match value {
                Some(value) => format!("--define-macro={name}={value}"),
                None => format!("--define-macro={name}"),
            });
        let mut builder = Builder::default()
            .use_core()
            .derive_default(true)
            .generate_cstr(true)
            .detect_include_paths(false)
            .default_enum_style(EnumVariation::ModuleConsts)
            .must_use_type("NTSTATUS")
            .must_use_type("HRESULT")
            .opaque_type("_KGDTENTRY64")
            .opaque_type("_KIDTENTRY64")
            .clang_args(includes)
            .clang_args(definitions)
            .clang_args(CLANG_ARGUMENTS)
            // No cargo callbacks: the content root's path changes with its content, so watching the variable that names
            // it is enough, and a list of a thousand headers would only slow every build.
            .rust_target(oldest_supported_rust())
            .rust_edition(RustEdition::Edition2024);
        for name in DEPRECATED {
            builder = builder.blocklist_item(name);
        }
        Ok(builder)
    }
}

/// The `rust-version` of this package, so that the bindings compile wherever the driver does.
fn oldest_supported_rust() -> RustTarget {
    RustTarget::stable(91, 0).unwrap_or_default()
}
