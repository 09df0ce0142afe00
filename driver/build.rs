//! Gives cargo the linker arguments of a kernel image (from the genuine wdk-build on Windows, from the lab's elsewhere) and the image's
//! resources: the compiled event manifest and the version. wdk-build makes no resources; a linker that is given a second version says
//! so and fails.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use manifest::Version;

/// In the repository, for messages.
const MANIFEST: &str = "inf/gatehouse.man";

fn main() -> Result<(), Box<dyn Error>> {
    wdk_build::configure_wdk_binary_build()?;
    let number = |name: &str| -> Result<u16, Box<dyn Error>> { Ok(env::var(name)?.parse()?) };
    let version = Version {
        numbers: [
            number("CARGO_PKG_VERSION_MAJOR")?,
            number("CARGO_PKG_VERSION_MINOR")?,
            number("CARGO_PKG_VERSION_PATCH")?,
        ],
        company: "The Gatehouse project",
        description: "Gatehouse driver load control",
        file: "gatehouse.sys",
        internal: "gatehouse",
        copyright: "The Gatehouse project. MIT OR Apache-2.0.",
        product: "Gatehouse",
    };
    let resources = manifest::resources(include_str!("../inf/gatehouse.man"), &version)
        .map_err(|error| format!("{MANIFEST}: {error}"))?;
    let path = Path::new(&env::var("OUT_DIR")?).join("gatehouse.res");
    fs::write(&path, resources).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    println!("cargo::rustc-cdylib-link-arg={}", path.display());
    Ok(())
}
