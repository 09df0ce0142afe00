//! The user's cache folder: things that take long to make and are the same for every checkout.
//!
//! Each entry is a folder whose name carries a digest of what it is made from, so an entry is never updated: a change of its
//! ingredients makes another. An entry is built beside its place and renamed into it, under a lock, so that a run that is
//! interrupted leaves nothing half made and two runs at once make it only once.

use std::env;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use sha2::Digest;
use sha2::Sha256;

/// The lab's cache folder, made if missing: `$XDG_CACHE_HOME/gatehouse-lab`, or `~/.cache/gatehouse-lab`.
pub fn folder() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => match env::var_os("HOME").filter(|value| !value.is_empty()) {
            Some(home) => Path::new(&home).join(".cache"),
            None => bail!("neither XDG_CACHE_HOME nor HOME is set: the lab has nowhere to keep its cache"),
        },
    };
    let folder = base.join("gatehouse-lab");
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the cache folder {}", folder.display()))?;
    Ok(folder)
}

/// A short digest of everything an entry is made from.
#[derive(Clone, Default)]
pub struct Key(Sha256);

impl Key {
    /// Adds one ingredient; its length goes in too, so that two neighbours cannot be told apart wrongly.
    #[must_use]
    pub fn with(mut self, ingredient: impl AsRef<[u8]>) -> Self {
        let bytes = ingredient.as_ref();
        self.0.update(bytes.len().to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Sixteen hexadecimal digits.
    pub fn digits(&self) -> String {
        let digest = self.0.clone().finalize();
        let leading = digest
            .iter()
            .take(8)
            .fold(0_u64, |number, &byte| (number << 8) | u64::from(byte));
        format!("{leading:016x}")
    }
}

/// The cache entry `name` made from `key`'s ingredients; `make` fills an empty folder when the entry does not exist yet.
pub fn entry(name: &str, key: &Key, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let base = folder()?;
    let place = base.join(format!("{name}-{}", key.digits()));
    if place.is_dir() {
        return Ok(place);
    }
    let _lock = lock(&base.join(format!("{name}.lock")))?;
    if place.is_dir() {
        return Ok(place);
    }
    let draft = base.join(format!("{name}-{}.making", key.digits()));
    crate::command::remove_tree(&draft)?;
    fs::create_dir(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
    make(&draft).with_context(|| format!("cannot make the cache entry {}", place.display()))?;
    fs::rename(&draft, &place).with_context(|| format!("cannot move {} into place", draft.display()))?;
    Ok(place)
}

/// Waits for the lock file `path` and holds it until the returned file is dropped.
pub fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot open the lock file {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn the_key_depends_on_where_one_ingredient_ends_and_the_next_begins() {
        let joined = Key::default().with("ab").with("c").digits();
        assert_ne!(joined, Key::default().with("a").with("bc").digits());
        assert_eq!(joined, Key::default().with("ab").with("c").digits());
        assert_eq!(joined.len(), 16);
    }
}
