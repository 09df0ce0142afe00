//! Files: read as far as a bound, read as evidence, written so that nobody ever sees half of one.
//!
//! What the user names may be a pipe or a device, and `-` is standard input: it is read as a file of that content, to a bound. What is
//! only met in a folder is read if it is a regular file, and never waited for.

mod kind;
mod names;
mod source;
mod text;
mod writing;

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

pub use self::kind::kind_of;
pub use self::names::name;
pub use self::names::name_of_units;
pub use self::source::FileSource;
pub use self::text::read_text;
pub use self::writing::create;
pub use self::writing::is_standard_output;
pub use self::writing::replace;
pub use self::writing::write_document;
pub use self::writing::write_result;

use self::kind::open_regular;
use crate::error::Error;

/// Whether a path on the command line stands for standard input or standard output.
pub fn is_standard_stream(path: &Path) -> bool {
    path == Path::new("-")
}

/// The bytes of a file of at most `limit` bytes that the user named; `-` is standard input.
///
/// # Errors
/// [`Error::Read`] with what the system said; [`Error::Malformed`] for a file that is larger, whatever its folder says of its size.
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    if is_standard_stream(path) {
        return read_bounded(path, standard_input().map_err(failed)?, limit);
    }
    read_bounded(path, File::open(path).map_err(failed)?, limit)
}

/// The bytes of a file of at most `limit` bytes that was met in a folder, where anything may lie under its name. Links are followed.
///
/// # Errors
/// As [`read`]; also for everything but regular files, which is neither read nor waited for.
pub fn read_found(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let file = open_regular(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    read_bounded(path, file, limit)
}

fn read_bounded(path: &Path, from: impl Read, limit: usize) -> Result<Vec<u8>, Error> {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more tells a file that is too large from one that just fits.
    from.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(Error::Malformed {
            path: path.to_owned(),
            problem: format!("it is larger than the {limit} bytes that are allowed"),
        });
    }
    Ok(bytes)
}

/// Standard input, for whoever asks first: what was read from it is gone for everybody else.
fn standard_input() -> io::Result<io::StdinLock<'static>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::other(
            "standard input was read already; give `-` only once",
        ));
    }
    Ok(io::stdin().lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_larger_than_allowed_is_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345").expect("written");
        for read in [read, read_found] {
            assert_eq!(read(&path, 5).expect("fits"), b"12345");
            assert_eq!(read(&path, 4).expect_err("too large").exit_code(), 3);
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_has_no_end_is_read_to_the_bound_if_named_and_not_at_all_if_met() {
        let folder = tempfile::tempdir().expect("folder");
        let link = folder.path().join("zero.cat");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("linked");
        assert_eq!(read(&link, 4096).expect_err("no end").exit_code(), 3);
        let refused = read_found(&link, 4096).expect_err("no regular file");
        assert!(refused.to_string().contains("a device"), "{refused}");
    }
}
