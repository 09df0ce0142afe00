//! Catalogues for the commands that weigh files: folders of them, read once into an index that is kept for the next time.

mod cache;
mod list;

use std::path::PathBuf;

use evidence::CatalogIndex;
use evidence::CatalogIndexBuilder;
use evidence::Findings;
use evidence::Workspace;
use evidence::examine_catalog;

use self::cache::Cache;
use self::cache::Kept;
use self::list::Listed;
use self::list::list;
use crate::error::Error;
use crate::files;
use crate::output::Output;

/// Larger catalogues are passed over. Windows' own largest have about 10 MB.
const MAX_CATALOG: usize = 64 << 20;

/// The index over every catalogue in these folders, or these files; empty for none. Its bytes are read as [`CatalogIndex`].
pub fn index(paths: &[PathBuf], output: &mut Output) -> Result<Vec<u8>, Error> {
    let mut complete = true;
    let listed = list(paths, &mut |problem| {
        complete = false;
        output.failure(problem);
    });
    let cache = Cache::of(paths, &listed);
    let kept = if let Some(kept) = cache.as_ref().and_then(Cache::read) {
        kept
    } else {
        let kept = build(&listed, output, &mut complete)?;
        if let Some(cache) = cache.filter(|_| complete) {
            cache.write(&kept);
        }
        kept
    };
    for problem in &kept.problems {
        output.failure(problem);
    }
    if kept.unsound > 0 {
        output.note(format_args!(
            "{} catalogues vouch for nothing: no signature of theirs holds",
            kept.unsound
        ));
    }
    Ok(kept.index)
}

/// The index in these bytes, if there is anything in it.
pub fn read_index(bytes: &[u8]) -> Option<CatalogIndex<'_>> {
    CatalogIndex::read(bytes).filter(|index| !index.is_empty())
}

/// Reads and proves every catalogue. `complete` becomes false if one could not be read this time.
fn build(listed: &[Listed], output: &mut Output, complete: &mut bool) -> Result<Kept, Error> {
    let out_of_memory = |_| Error::Document("out of memory for the index of catalogues".to_owned());
    let mut builder = CatalogIndexBuilder::new();
    let mut workspace = Workspace::try_new(0).map_err(out_of_memory)?;
    let (mut unsound, mut problems) = (0_u64, Vec::new());
    for Listed { path, .. } in listed {
        let name = files::name(path);
        // A file that was listed with one size may have another by now.
        let bytes = match files::read_found(path, MAX_CATALOG) {
            Ok(bytes) => bytes,
            Err(problem @ Error::Malformed { .. }) => {
                problems.push(problem.to_string());
                continue;
            }
            Err(problem) => {
                *complete = false;
                output.failure(problem);
                continue;
            }
        };
        let mut findings = Findings::new();
        match examine_catalog(&bytes, &mut workspace, &mut findings) {
            Ok(catalog) => {
                let sound = builder.add(&name, &catalog).map_err(out_of_memory)?;
                unsound = unsound.saturating_add(u64::from(!sound));
            }
            Err(problem) => problems.push(format!("{name}: {problem}")),
        }
    }
    Ok(Kept {
        unsound,
        problems,
        index: builder.finish().map_err(out_of_memory)?,
    })
}
