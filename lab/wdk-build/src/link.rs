//! What the linker is told: libraries, search path, and the properties of a kernel image.

use std::env;

use crate::ApiSubset;
use crate::Config;
use crate::ConfigError;

/// The libraries of a WDM driver, in the order the WDK links them.
const BASE_LIBRARIES: [&str; 4] = ["BufferOverflowFastFailK", "ntoskrnl", "hal", "wmilib"];

/// Arguments that make the cdylib a kernel image. All of them are known to lld-link 14 and later as well as to link.exe.
const LINK_ARGUMENTS: [&str; 14] = [
    "/DRIVER",
    "/NODEFAULTLIB",
    "/SUBSYSTEM:NATIVE,10.00",
    "/ENTRY:DriverEntry",
    "/NXCOMPAT",
    "/DYNAMICBASE",
    "/HIGHENTROPYVA",
    // The kernel checks the signature whatever the machine's policy; process callbacks are refused without it.
    "/INTEGRITYCHECK",
    // 4 KiB: memory integrity (HVCI) refuses anything less.
    "/ALIGN:4096",
    "/OPT:REF,ICF",
    "/INCREMENTAL:NO",
    // rustc asks for a PDB, whose identifier depends on the folder built in; the map serves to find what was linked and why.
    "/DEBUG:NONE",
    "/MAP",
    // The time stamp becomes a hash of the content, so that equal input gives equal bytes.
    "/BREPRO",
];

impl Config {
    /// `#[link]` attributes, as Rust source, for the libraries of a group of interfaces; `None` where it has none.
    pub fn bindgen_library_link_raw_lines(&self, subset: ApiSubset) -> Option<String> {
        if subset != ApiSubset::Base {
            return None;
        }
        let lines = BASE_LIBRARIES.map(|name| {
            format!(
                "#[cfg(not(any(test, feature = \"suppress-wdk-linking\")))]\n\
                 #[link(name = \"{name}\", kind = \"static\", modifiers = \"-bundle\")]\n\
                 unsafe extern \"C\" {{}}\n"
            )
        });
        Some(lines.concat())
    }

    /// Emits the library search path and the linker arguments of the driver image.
    pub fn configure_binary_build(&self) -> Result<(), ConfigError> {
        let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
        if !features.split(',').any(|feature| feature == "crt-static") {
            return Err(ConfigError::StaticCrtNotEnabled);
        }
        self.configure_library_build()?;
        for folder in self.library_paths()? {
            println!("cargo::rustc-link-search={}", folder.display());
        }
        for argument in LINK_ARGUMENTS {
            println!("cargo::rustc-cdylib-link-arg={argument}");
        }
        Ok(())
    }
}
