//! Catalogues for the commands that weigh files: folders of them, read and proven into an index.
//!
//! Every run proves every catalogue anew. What an index says of signers is never proven again, and it goes into sets that the kernel
//! decides by: one that was kept in a file would be as good as whoever may write that file.

mod list;

use std::panic;
use std::path::PathBuf;
use std::thread;

use evidence::CatalogIndex;
use evidence::CatalogIndexBuilder;
use evidence::Findings;
use evidence::NoMemory;
use evidence::Taken;
use evidence::Workspace;
use evidence::examine_catalog;

use self::list::Listed;
use self::list::list;
use crate::error::Error;
use crate::error::Outcome;
use crate::examination::jobs;
use crate::files;
use crate::output::Output;

/// Larger catalogues are passed over. Windows' own largest have about 10 MB.
const MAX_CATALOG: usize = 64 << 20;
/// What a catalogue costs beside its bytes: opening it and verifying its signatures, as so many bytes.
const EACH: u64 = 64 << 10;

/// The catalogues that a command was given.
pub struct Catalogs {
    index: Vec<u8>,
    /// How many of them, or of the folders, could not be taken; each was reported.
    failed: u64,
}

impl Catalogs {
    /// The index, if there is anything in it.
    pub fn index(&self) -> Option<CatalogIndex<'_>> {
        CatalogIndex::read(&self.index).filter(|index| !index.is_empty())
    }

    /// How reading them ended: what could not be read may vouch for a file all the same.
    pub const fn outcome(&self) -> Outcome {
        match self.failed {
            0 => Outcome::Done,
            _ => Outcome::Failed,
        }
    }

    /// The bytes of the index for a set, which says of itself that it knows them all; empty without any.
    pub fn whole(self) -> Result<Vec<u8>, Error> {
        match self.failed {
            0 if self.index().is_none() => Ok(Vec::new()),
            0 => Ok(self.index),
            failed => Err(Error::Declined {
                what: "no set was made",
                problem: format!(
                    "{failed} of the catalogues could not be taken, and a driver that does not know them refuses what they vouch for; \
                     give others with --catalogs"
                ),
            }),
        }
    }
}

/// Reads every catalogue in these folders, or these files.
pub fn read(paths: &[PathBuf], output: &mut Output) -> Result<Catalogs, Error> {
    let out_of_memory = |_| Error::Document("out of memory for the index of catalogues".to_owned());
    let mut failed = 0_u64;
    let mut fail = |problem: String| {
        output.failure(problem);
        failed = failed.saturating_add(1);
    };
    let listed = list(paths, &mut fail);
    let mut whole = CatalogIndexBuilder::new();
    let mut unsound = 0_u64;
    for part in prove_side_by_side(&listed) {
        let part = part.map_err(out_of_memory)?;
        part.problems.into_iter().for_each(&mut fail);
        unsound = unsound.saturating_add(part.unsound);
        whole.append(part.builder).map_err(out_of_memory)?;
    }
    if unsound > 0 {
        output.note(format_args!(
            "{unsound} catalogues vouch for nothing: no signature of theirs holds"
        ));
    }
    let index = whole.finish().map_err(out_of_memory)?;
    Ok(Catalogs { index, failed })
}

/// What reading some catalogues came to.
struct Part {
    builder: CatalogIndexBuilder,
    /// How many of them vouch for nothing.
    unsound: u64,
    /// What is wrong with others.
    problems: Vec<String>,
}

/// Proves all catalogues, a part of them on each thread, and gives the parts in their order.
fn prove_side_by_side(listed: &[Listed]) -> Vec<Result<Part, NoMemory>> {
    thread::scope(|scope| {
        let parts = parts(listed, jobs(None));
        let proving: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(move || prove(part)))
            .collect();
        proving
            .into_iter()
            .map(|part| {
                part.join()
                    .unwrap_or_else(|problem| panic::resume_unwind(problem))
            })
            .collect()
    })
}

/// Cuts the catalogues into so many parts, each about as long to prove as the others.
fn parts(listed: &[Listed], count: usize) -> Vec<&[Listed]> {
    let cost = |found: &Listed| found.size.saturating_add(EACH);
    let all = listed.iter().map(cost).fold(0, u64::saturating_add);
    let share = all
        .div_ceil(u64::try_from(count).unwrap_or(u64::MAX).max(1))
        .max(1);
    let mut rest = listed;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let mut taken = 0_u64;
        let many = rest.iter().take_while(|found| {
            let more = taken < share;
            taken = taken.saturating_add(cost(found));
            more
        });
        let (part, others) = rest.split_at(many.count());
        parts.push(part);
        rest = others;
    }
    parts
}

/// Reads and proves catalogues.
fn prove(listed: &[Listed]) -> Result<Part, NoMemory> {
    let mut workspace = Workspace::try_new(0)?;
    let mut part = Part {
        builder: CatalogIndexBuilder::new(),
        unsound: 0,
        problems: Vec::new(),
    };
    for Listed { path, .. } in listed {
        let name = files::name(path);
        // A file that was listed with one size may have another by now.
        let bytes = match files::read_found(path, MAX_CATALOG) {
            Ok(bytes) => bytes,
            Err(problem) => {
                part.problems.push(problem.to_string());
                continue;
            }
        };
        let mut findings = Findings::new();
        match examine_catalog(&bytes, &mut workspace, &mut findings) {
            Ok(catalog) => match part.builder.add(&name, &catalog)? {
                Taken::Whole => {}
                Taken::Nothing => part.unsound = part.unsound.saturating_add(1),
                Taken::Partly => part.problems.push(format!(
                    "{name}: it has more than 16 signatures, or one with more than 64 KiB of names and certificates; \
                     those were left out, and files are not vouched for by them"
                )),
            },
            Err(problem) => part.problems.push(format!("{name}: {problem}")),
        }
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_catalogue_stands_in_one_part_and_no_part_is_much_larger_than_its_share() {
        let sizes = [1, 40 << 20, 5, 0, 2 << 20, 3 << 20, 0, 0, 1 << 20];
        let listed: Vec<Listed> = sizes
            .into_iter()
            .enumerate()
            .map(|(number, size)| Listed {
                path: PathBuf::from(number.to_string()),
                size,
            })
            .collect();
        for count in 1..12 {
            let parts = parts(&listed, count);
            assert!(parts.len() <= count, "{count}");
            let joined: Vec<&PathBuf> = parts
                .iter()
                .flat_map(|part| part.iter())
                .map(|found| &found.path)
                .collect();
            assert!(joined.into_iter().eq(listed.iter().map(|found| &found.path)));
        }
        assert!(parts(&[], 2).is_empty());
    }
}
