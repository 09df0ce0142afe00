//! The catalogues that paths lead to, before they are read.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use walkdir::WalkDir;

use crate::files;

/// A catalogue before it is read.
pub struct Listed {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// The catalogues that the paths lead to, folders sorted.
pub fn list(paths: &[PathBuf], failed: &mut dyn FnMut(String)) -> Vec<Listed> {
    let mut listed = Vec::new();
    for path in paths {
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    failed(format!("cannot look into {}: {error}", files::name(path)));
                    continue;
                }
            };
            let named = entry.depth() == 0;
            if !named && !is_catalog(entry.path()) {
                continue;
            }
            // Follows links, as reading does.
            match fs::metadata(entry.path()) {
                Ok(found) if found.is_dir() => {}
                Ok(found) if !found.is_file() => failed(format!(
                    "passed over {}: it is no regular file but {}",
                    files::name(entry.path()),
                    files::kind_of(found.file_type())
                )),
                Ok(found) => listed.push(Listed {
                    path: entry.into_path(),
                    size: found.len(),
                }),
                Err(error) => failed(format!("cannot read {}: {error}", files::name(entry.path()))),
            }
        }
    }
    listed
}

fn is_catalog(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("cat"))
}
