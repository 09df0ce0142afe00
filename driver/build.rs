//! Gives cargo the linker arguments of a kernel image: from the genuine wdk-build on Windows, from the lab's elsewhere.

fn main() -> Result<(), wdk_build::ConfigError> {
    wdk_build::configure_wdk_binary_build()
}
