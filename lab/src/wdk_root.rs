//! A WDK content root made of open parts: mingw-w64's kernel headers, a small overlay, and import libraries from name lists.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;

use crate::cache;
use crate::cache::Key;
use crate::command;
use crate::host;
use crate::repository;

/// The version folder inside the root; any would do, this is the WDK that wdk 0.5 is tested with.
pub const VERSION: &str = "10.0.26100.0";

/// Where Debian puts mingw-w64's headers.
const HEADERS: &str = "/usr/share/mingw-w64/include";
/// Raised when the way the root is made changes, so that old cache entries are not taken.
const LAYOUT: &str = "1";

/// The content root for the current overlay, name lists and headers, made if the cache has it not.
pub fn prepare() -> Result<PathBuf> {
    let source = repository::lab().join("wdk-root");
    let overlay = read_folder(&source.join("include"))?;
    let lists = read_folder(&source.join("lib"))?;
    let mut key = Key::default()
        .with(LAYOUT)
        .with(host::version_of("mingw-w64-common")?);
    for (name, contents) in overlay.iter().chain(&lists) {
        key = key.with(name).with(contents);
    }
    cache::entry("wdk-root", &key, |root| {
        make_headers(root, &overlay)?;
        make_libraries(root, &lists)
    })
}

fn make_headers(root: &Path, overlay: &[(String, Vec<u8>)]) -> Result<()> {
    let include = root.join("Include").join(VERSION);
    let kernel = include.join("km");
    // The genuine root has the compiler's headers in km/crt, first on the search path: the place for the overlay.
    let first = kernel.join("crt");
    fs::create_dir_all(&first)?;
    for (name, contents) in overlay {
        fs::write(first.join(name), contents)?;
    }
    let ddk = Path::new(HEADERS).join("ddk");
    let entries = fs::read_dir(&ddk)
        .with_context(|| format!("cannot read mingw-w64's headers in {}", ddk.display()))?;
    for entry in entries {
        let entry = entry?;
        symlink(entry.path(), kernel.join(entry.file_name()))?;
    }
    symlink(HEADERS, include.join("shared"))?;
    Ok(())
}

fn make_libraries(root: &Path, lists: &[(String, Vec<u8>)]) -> Result<()> {
    let folder = root.join("Lib").join(VERSION).join("km/x64");
    fs::create_dir_all(&folder)?;
    for (name, contents) in lists {
        let list = folder.join(name);
        fs::write(&list, contents)?;
        let mut tool = command::clean("llvm-dlltool");
        tool.args(["-m", "i386:x86-64", "-d"])
            .arg(&list)
            .arg("-l")
            .arg(list.with_extension("lib"));
        command::output(&mut tool)?;
    }
    // The stack-cookie library of the genuine WDK: Rust code makes no cookies, but wdk-sys names the library.
    let empty = format!("/out:{}", folder.join("BufferOverflowFastFailK.lib").display());
    command::output(command::clean("llvm-lib").arg("/llvmlibempty").arg(empty))?;
    Ok(())
}

/// Names and contents of a folder's files, in order of name.
fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let contents =
            fs::read(entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
        files.push((entry.file_name().to_string_lossy().into_owned(), contents));
    }
    files.sort();
    Ok(files)
}
