//! Results: written whole or not at all where they are files, and never in place of what is none.
//!
//! A regular file is written beside the old one and renamed over it, so it has the rights of a new file. A link is followed to what it
//! leads to, and stays. A device or a pipe is opened and written.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use sipolicy::Document;

use super::is_standard_stream;
use super::name;
use crate::error::Error;
use crate::keys;
use crate::output::Output;
use crate::output::printable_xml;

/// Bytes at the beginning of a file by which it is told what it is.
const BEGINNING: u64 = 512;
/// As many links as Linux follows.
const MAX_LINKS: usize = 40;
/// How many names are tried for the file that is renamed: a program that was ended may have left one.
const MAX_NAMES: usize = 100;

/// Where bytes go that are to be found under a name.
enum Target {
    /// A regular file, or none yet.
    Replaced(PathBuf),
    /// A device, a pipe, or a file that somebody holds open and names by its descriptor.
    Stream(PathBuf),
}

/// What is in a file that no result may take the place of, whatever command was mistyped: nobody could make it again from the result.
fn is_precious(bytes: &[u8]) -> Option<&'static str> {
    /// The object identifier of certificate trust lists, 1.3.6.1.4.1.311.10.1.
    const CATALOGUE: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x01];
    if bytes.starts_with(b"MZ") {
        Some("an image")
    } else if bytes.starts_with(keys::PRIVATE.as_bytes()) {
        Some("a private key")
    } else if bytes.windows(CATALOGUE.len()).any(|found| found == CATALOGUE) {
        Some("a catalogue")
    } else {
        None
    }
}

/// Refuses to put a result in place of what is [precious](is_precious).
fn keep_precious(path: &Path) -> Result<(), Error> {
    let Ok(Target::Replaced(place)) = target(path) else {
        return Ok(());
    };
    let mut beginning = Vec::new();
    // What is not there, or cannot be read, is not known to be anything; writing says the rest.
    let read = File::open(place).and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning));
    match read.ok().and_then(|_| is_precious(&beginning)) {
        Some(what) => Err(Error::Usage(format!(
            "{} is {what}, which would be lost; give the result another name",
            name(path)
        ))),
        None => Ok(()),
    }
}

/// Writes a result file whole or not at all; `-` is standard output. It takes the place of no image, private key or catalogue.
pub fn write_result(output: &mut Output, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if is_standard_output(path) {
        return output.bytes(bytes);
    }
    keep_precious(path)?;
    // What was said so far may be on its way to the same place.
    output.flush()?;
    replace(path, bytes).map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// Writes a policy document as XML, in which characters that steer a terminal are escaped as XML has it.
pub fn write_document(output: &mut Output, path: &Path, document: &Document) -> Result<(), Error> {
    write_result(output, path, printable_xml(&document.to_xml()).as_bytes())
}

/// Whether this names standard output: `-`, or on Unix a name of the very thing, as `/dev/stdout`.
pub fn is_standard_output(path: &Path) -> bool {
    is_standard_stream(path)
        || matches!(target(path), Ok(Target::Stream(place)) if is_open_as_standard_output(&place))
}

#[cfg(unix)]
fn is_open_as_standard_output(path: &Path) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let own = io::stdout().as_fd().try_clone_to_owned();
    let own = own.and_then(|descriptor| File::from(descriptor).metadata());
    match (own, fs::metadata(path)) {
        (Ok(own), Ok(named)) => (own.dev(), own.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
const fn is_open_as_standard_output(_: &Path) -> bool {
    false
}

/// Puts a file in place of the regular one that is there, if any: written beside it, flushed, renamed. What is no regular file is written to.
///
/// # Errors
/// The system's, and for a folder. What was there is as it was then, unless it is no regular file.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match target(path)? {
        Target::Replaced(place) => put_in_place(&place, bytes),
        Target::Stream(place) => {
            let mut stream = File::options()
                .write(true)
                // Of a file that is open already, what is in it stays.
                .append(cfg!(unix))
                .open(place)?;
            stream.write_all(bytes)?;
            stream.flush()
        }
    }
}

/// Writes a file that is not there yet.
///
/// # Errors
/// The system's; also when something is there already, even a link that leads nowhere.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::create_new(path)?;
    fill(file, path, bytes)
}

fn target(path: &Path) -> io::Result<Target> {
    // The system has its own mind about which links may be followed, in folders that everybody may write to.
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    let mut place = path.to_owned();
    for _ in 0..MAX_LINKS {
        let found = match fs::symlink_metadata(&place) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Target::Replaced(place)),
            // The names of devices have no metadata there.
            Err(_) if cfg!(windows) => return Ok(Target::Stream(place)),
            Err(error) => return Err(error),
        };
        if found.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if found.is_file() {
            return Ok(Target::Replaced(place));
        }
        if !found.is_symlink() || is_descriptor(&place) {
            return Ok(Target::Stream(place));
        }
        let leads_to = fs::read_link(&place)?;
        place = folder(&place).join(leads_to);
    }
    Err(io::Error::other("it is a link to a link without end"))
}

/// Whether a link stands for what a process has open: its text is no name then.
fn is_descriptor(link: &Path) -> bool {
    cfg!(target_os = "linux")
        && folder(link)
            .canonicalize()
            .is_ok_and(|folder| folder.starts_with("/proc"))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn put_in_place(place: &Path, bytes: &[u8]) -> io::Result<()> {
    if place.file_name().is_none() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let (beside, file) = create_beside(place)?;
    let written = fill(file, &beside, bytes);
    let renamed = written.and_then(|()| fs::rename(&beside, place));
    if renamed.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    renamed
}

/// A new file in the same folder. Its name does not grow with that of the other one, which may be as long as a name can be.
fn create_beside(place: &Path) -> io::Result<(PathBuf, File)> {
    let mut result = Err(io::ErrorKind::AlreadyExists.into());
    for number in 0..MAX_NAMES {
        let name = OsString::from(format!(".gatehouse-{}-{number}.new", std::process::id()));
        let beside = folder(place).join(name);
        result = File::create_new(&beside).map(|file| (beside, file));
        if !matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists) {
            break;
        }
    }
    result
}

/// Writes a new file, and takes it away again if that fails.
fn fill(mut file: File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    if written.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(path);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.ghp");
        fs::write(&path, b"old").expect("written");
        replace(&path, b"new").expect("replaced");
        assert_eq!(fs::read(&path).expect("read"), b"new");
        let target = folder.path().join("taken");
        fs::create_dir_all(target.join("full")).expect("folder");
        assert!(replace(&target, b"x").is_err(), "a folder is not replaced");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2);
    }

    #[test]
    fn a_name_as_long_as_can_be_and_leftovers_are_no_hindrance() {
        let folder = tempfile::tempdir().expect("folder");
        let left = format!(".gatehouse-{}-0.new", std::process::id());
        fs::write(folder.path().join(left), b"left").expect("written");
        let path = folder.path().join("n".repeat(250));
        replace(&path, b"new").expect("written");
        assert_eq!(fs::read(&path).expect("read"), b"new");
    }

    #[test]
    fn a_new_file_takes_no_place_that_is_taken() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("k.pub");
        create(&path, b"first").expect("written");
        let failed = create(&path, b"second").expect_err("taken");
        assert_eq!(failed.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), b"first");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).expect("folder");
        symlink("deep/one", at("link")).expect("linked");
        symlink("../link", at("deep/two")).expect("linked");
        for content in ["not there yet", "there"] {
            replace(&at("deep/two"), content.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(at("deep/one")).expect("read"), content);
        }
        for link in ["link", "deep/two"] {
            assert!(fs::symlink_metadata(at(link)).expect("there").is_symlink());
        }
        symlink("round", at("round")).expect("linked");
        assert!(replace(&at("round"), b"x").is_err());
        assert_eq!(fs::read_dir(at("deep")).expect("listed").count(), 2);
    }
}
