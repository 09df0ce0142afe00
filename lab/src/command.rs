//! Running other programs: what was run and what it said is part of every error.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// Variables that a `cargo run` or `cargo test` leaves to its children and that would lead another toolchain astray.
const INHERITED_FROM_CARGO: [&str; 11] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_MANIFEST_DIR",
    "LD_LIBRARY_PATH",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// A command without the surroundings that cargo gave this process.
pub fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in INHERITED_FROM_CARGO {
        command.env_remove(name);
    }
    command
}

/// As [`clean`], but with the rights of root, by way of `sudo` where this process has them not.
pub fn privileged(program: &str) -> Command {
    if is_root() {
        return clean(program);
    }
    let mut command = clean("sudo");
    command.arg("--").arg(program);
    command
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Runs `command` to its end with its output going where ours goes; a failure status is an error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} failed ({status})", shown(command));
    }
    Ok(())
}

/// Runs `command` to its end and returns its standard output; its standard error goes into the error message only.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed ({})\n{}",
            shown(command),
            output.status,
            said.trim_end()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first of `folders` on PATH in which `program` stands, as a whole path.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Removes a folder with everything in it, whoever owns it; one that does not exist is fine.
pub fn remove_tree(folder: &Path) -> Result<()> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        _ => {}
    }
    if fs::remove_dir_all(folder).is_ok() {
        return Ok(());
    }
    run(privileged("rm")
        .args(["-rf", "--one-file-system", "--"])
        .arg(folder))
    .with_context(|| format!("cannot remove {}", folder.display()))
}

fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
