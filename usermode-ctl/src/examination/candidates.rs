//! The files that paths lead to.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use walkdir::DirEntry;
use walkdir::WalkDir;

use crate::files;
use crate::output::Output;

/// A file to examine.
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// Whether the user named it, rather than a folder above it.
    pub named: bool,
    /// Its size in bytes as its folder tells it, to plan by; 0 if that cannot be told.
    pub size: u64,
}

/// What lies in folders and is no regular file. It is not examined: a link may lead out of the folder or round in it, a pipe or a device
/// may never end. Whoever wants it read names it.
#[derive(Debug, Default)]
pub struct PassedOver {
    count: AtomicU64,
    /// The first of them, and what it is.
    first: Mutex<Option<(String, &'static str)>>,
}

impl PassedOver {
    fn add(&self, entry: &DirEntry) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| (files::name(entry.path()), files::kind_of(entry.file_type())));
    }

    /// Tells that there were some.
    pub fn tell(&self, output: &mut Output) {
        let count = self.count.load(Ordering::Relaxed);
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((name, kind)) = first.as_ref() {
            output.note(format_args!(
                "passed over {count} that are no regular files, first {name}, {kind}; name one to have it read"
            ));
        }
    }
}

/// The files that the paths lead to, found as they are asked for: there may be more of them than memory for their names. What cannot
/// be looked into comes as words.
pub fn candidates<'p>(
    paths: &'p [PathBuf],
    passed_over: &'p PassedOver,
) -> impl Iterator<Item = Result<Candidate, String>> + Send + 'p {
    paths.iter().flat_map(move |path| {
        let stream = files::is_standard_stream(path).then(|| {
            Ok(Candidate {
                path: path.clone(),
                named: true,
                size: 0,
            })
        });
        let entries = stream.is_none().then(|| WalkDir::new(path).sort_by_file_name());
        let found = entries
            .into_iter()
            .flatten()
            .filter_map(move |entry| match entry {
                Ok(entry) => candidate(entry, passed_over).map(Ok),
                Err(error) => Some(Err(format!(
                    "cannot look into {}: {}",
                    files::name(path),
                    cause(&error)
                ))),
            });
        stream.into_iter().chain(found)
    })
}

/// The entry, if there is a file to examine.
fn candidate(entry: DirEntry, passed_over: &PassedOver) -> Option<Candidate> {
    let named = entry.depth() == 0;
    // A link is followed when it is named, so that a walk always ends.
    let is_folder = if named {
        entry.path().is_dir()
    } else {
        entry.file_type().is_dir()
    };
    if is_folder {
        return None;
    }
    if !named && !entry.file_type().is_file() {
        passed_over.add(&entry);
        return None;
    }
    Some(Candidate {
        size: entry
            .metadata()
            .map(|metadata| metadata.len())
            .unwrap_or_default(),
        path: entry.into_path(),
        named,
    })
}

fn cause(error: &walkdir::Error) -> String {
    let place = files::name(error.path().unwrap_or_else(|| Path::new("")));
    match error.io_error() {
        Some(cause) => format!("{place}: {cause}"),
        None => error.to_string(),
    }
}
