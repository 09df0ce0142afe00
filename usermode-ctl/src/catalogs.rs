//! Catalogues for `scan` and `explain`: folders of them, read once into an index.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use evidence::CatalogIndex;
use evidence::CatalogIndexBuilder;
use evidence::Findings;
use evidence::Workspace;
use evidence::examine_catalog;
use walkdir::WalkDir;

use crate::error::Error;
use crate::output::Output;

/// Larger catalogues are passed over. Windows' own largest have about 10 MB.
const MAX_CATALOG: u64 = 64 << 20;

/// The index over every catalogue in these folders, or these files; empty for none. Its bytes are read as [`CatalogIndex`].
pub fn index(paths: &[PathBuf], output: &mut Output) -> Result<Vec<u8>, Error> {
    let out_of_memory = |_| Error::Document("out of memory for the index of catalogues".to_owned());
    let mut builder = CatalogIndexBuilder::new();
    let mut workspace = Workspace::try_new(0).map_err(out_of_memory)?;
    let mut unsound = 0_u64;
    for path in paths {
        for entry in WalkDir::new(path).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    output.failure(format_args!("cannot look into {}: {error}", path.display()));
                    continue;
                }
            };
            let named = entry.depth() == 0;
            if entry.path().is_dir() || !(named || is_catalog(entry.path())) {
                continue;
            }
            let name = entry.path().display().to_string();
            let bytes = match read(entry.path()) {
                Ok(bytes) => bytes,
                Err(problem) => {
                    output.failure(format_args!("cannot read {name}: {problem}"));
                    continue;
                }
            };
            let mut findings = Findings::new();
            match examine_catalog(&bytes, &mut workspace, &mut findings) {
                Ok(catalog) => {
                    let sound = builder.add(&name, &catalog).map_err(out_of_memory)?;
                    unsound = unsound.saturating_add(u64::from(!sound));
                }
                Err(problem) => output.failure(format_args!("{name}: {problem}")),
            }
        }
    }
    if unsound > 0 {
        output.note(format_args!(
            "{unsound} catalogues vouch for nothing: no signature of theirs holds"
        ));
    }
    builder.finish().map_err(out_of_memory)
}

/// The index in these bytes, if there is anything in it.
pub fn read_index(bytes: &[u8]) -> Option<CatalogIndex<'_>> {
    CatalogIndex::read(bytes).filter(|index| !index.is_empty())
}

fn is_catalog(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("cat"))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_CATALOG {
        return Err(format!(
            "it is larger than the {MAX_CATALOG} bytes that a catalogue may have"
        ));
    }
    fs::read(path).map_err(|error| error.to_string())
}
