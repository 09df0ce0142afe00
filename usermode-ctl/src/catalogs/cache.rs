//! Indices of catalogues, kept in the user's cache folder: proving thousands of catalogues takes seconds, reading the result does not.
//!
//! There is one file for each choice of folders. It counts only while every catalogue has the name, size and time of change that it had,
//! and this program is the one that wrote it; in all other cases, and when a byte of it is not what was written, it is ignored and
//! written anew. Nobody but the user may write into that folder: whoever can, can run programs as the user.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use evidence::CatalogIndex;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use super::list::Listed;
use crate::files;

const MAGIC: &[u8; 8] = b"GHCATCCH";
/// Fewer catalogues are read as quickly as the cache is.
const WORTH_KEEPING: usize = 16;
/// A file changed less than this before it was listed may be changed again without its time telling.
const SETTLED: Duration = Duration::from_secs(2);
/// Windows' own catalogues make an index of about 20 MB.
const MAX_FILE: usize = 1 << 30;

/// What reading the catalogues came to.
pub struct Kept {
    /// How many of them vouch for nothing.
    pub unsound: u64,
    /// What is wrong with others, to be told each time.
    pub problems: Vec<String>,
    /// The index.
    pub index: Vec<u8>,
}

/// The part of [`Kept`] that stands before the index.
#[derive(Serialize, Deserialize)]
struct Head {
    unsound: u64,
    problems: Vec<String>,
}

/// The place for the index of some catalogues.
pub struct Cache {
    file: PathBuf,
    /// Digest of everything that the index depends on.
    key: [u8; 32],
}

impl Cache {
    /// The place for the catalogues listed under these paths; `None` where keeping them is not worth it, not safe or not possible.
    pub fn of(paths: &[PathBuf], listed: &[Listed]) -> Option<Self> {
        if listed.len() < WORTH_KEEPING {
            return None;
        }
        let latest = SystemTime::now().checked_sub(SETTLED)?;
        let mut key = Sha256::new();
        key.update(identity_of_this_program()?);
        add(&mut key, env::current_dir().ok()?.as_os_str());
        for Listed { path, size, modified } in listed {
            if *modified > latest {
                return None;
            }
            add(&mut key, path.as_os_str());
            key.update(size.to_le_bytes());
            key.update(stamp(*modified));
        }
        let mut place = Sha256::new();
        add(&mut place, env::current_dir().ok()?.as_os_str());
        for path in paths {
            add(&mut place, path.as_os_str());
        }
        let place = place.finalize();
        let name = place.iter().take(8).map(|byte| format!("{byte:02x}"));
        let name: String = name.collect();
        Some(Self {
            file: folder()?.join(format!("catalogs-{name}.idx")),
            key: key.finalize().into(),
        })
    }

    /// What was kept, if it is whole and of these catalogues.
    pub fn read(&self) -> Option<Kept> {
        let bytes = files::read_found(&self.file, MAX_FILE).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(&self.key)?;
        let (digest, body) = rest.split_first_chunk::<32>()?;
        if Sha256::digest(body).as_slice() != digest {
            return None;
        }
        let (length, body) = body.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (head, index) = body.split_at_checked(length)?;
        let Head { unsound, problems } = serde_json::from_slice(head).ok()?;
        CatalogIndex::read(index)?;
        Some(Kept {
            unsound,
            problems,
            index: index.to_vec(),
        })
    }

    /// Keeps it. What cannot be kept is read again next time, and nothing else.
    pub fn write(&self, kept: &Kept) {
        let head = Head {
            unsound: kept.unsound,
            problems: kept.problems.clone(),
        };
        let Ok(head) = serde_json::to_vec(&head) else {
            return;
        };
        let length = u64::try_from(head.len()).unwrap_or(u64::MAX);
        let body = [&length.to_le_bytes(), head.as_slice(), &kept.index].concat();
        let digest = Sha256::digest(&body);
        let bytes = [MAGIC.as_slice(), &self.key, digest.as_slice(), &body].concat();
        if bytes.len() <= MAX_FILE
            && let Some(folder) = self.file.parent()
            && fs::create_dir_all(folder).is_ok()
        {
            let _ = files::replace(&self.file, &bytes);
        }
    }
}

/// Adds a name, so that it cannot run into its neighbours.
fn add(key: &mut Sha256, name: &OsStr) {
    let bytes = name.as_encoded_bytes();
    key.update(bytes.len().to_le_bytes());
    key.update(bytes);
}

/// A time by its distance from 1970.
fn stamp(time: SystemTime) -> [u8; 17] {
    let (before, distance) = match time.duration_since(UNIX_EPOCH) {
        Ok(distance) => (0, distance),
        Err(error) => (1, error.duration()),
    };
    let mut bytes = [before; 17];
    let (_, rest) = bytes.split_at_mut(1);
    rest.copy_from_slice(&distance.as_nanos().to_le_bytes());
    bytes
}

/// Another build may know other roots, or write another form.
fn identity_of_this_program() -> Option<[u8; 25]> {
    let program = fs::metadata(env::current_exe().ok()?).ok()?;
    let mut identity = [0; 25];
    let (size, time) = identity.split_at_mut(8);
    size.copy_from_slice(&program.len().to_le_bytes());
    time.copy_from_slice(&stamp(program.modified().ok()?));
    Some(identity)
}

/// The user's cache folder.
fn folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let base = if cfg!(windows) {
        PathBuf::from(set("LOCALAPPDATA")?)
    } else {
        match set("XDG_CACHE_HOME") {
            Some(base) => PathBuf::from(base),
            None => Path::new(&set("HOME")?).join(".cache"),
        }
    };
    base.is_absolute().then(|| base.join("gatehouse"))
}
