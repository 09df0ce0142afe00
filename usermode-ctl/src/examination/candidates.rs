//! The files that paths lead to.

use std::path::Path;
use std::path::PathBuf;

use walkdir::DirEntry;
use walkdir::WalkDir;

/// A file to examine.
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the user named it, rather than a folder above it.
    pub named: bool,
    /// Its size in bytes as its folder tells it, to plan by; 0 if that cannot be told.
    pub size: u64,
}

/// The files that the paths lead to, found as they are asked for: there may be more of them than memory for their names. What cannot
/// be looked into comes as words.
pub fn candidates(paths: &[PathBuf]) -> impl Iterator<Item = Result<Candidate, String>> + Send {
    let entries = paths.iter().flat_map(|path| {
        WalkDir::new(path)
            .sort_by_file_name()
            .into_iter()
            .map(move |entry| (path, entry))
    });
    entries.filter_map(|(path, entry)| match entry {
        Ok(entry) => candidate(entry).map(Ok),
        Err(error) => Some(Err(format!(
            "cannot look into {}: {}",
            path.display(),
            cause(&error)
        ))),
    })
}

/// The entry, if there is a file to examine.
fn candidate(entry: DirEntry) -> Option<Candidate> {
    let named = entry.depth() == 0;
    // A link is followed when it is named, so that a walk always ends.
    let is_file = if named {
        entry.path().is_file()
    } else {
        entry.file_type().is_file()
    };
    let wanted = is_file || (named && !entry.path().is_dir());
    wanted.then(|| Candidate {
        size: entry
            .metadata()
            .map(|metadata| metadata.len())
            .unwrap_or_default(),
        path: entry.into_path(),
        named,
    })
}

fn cause(error: &walkdir::Error) -> String {
    let place = error.path().unwrap_or_else(|| Path::new("")).display();
    match error.io_error() {
        Some(cause) => format!("{place}: {cause}"),
        None => error.to_string(),
    }
}
