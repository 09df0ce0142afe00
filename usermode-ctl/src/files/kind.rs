//! What kind of file lies under a name, found out without waiting for it.

use std::fs;
use std::fs::File;
use std::fs::FileType;
use std::io;
use std::path::Path;

/// What a file is, in a word.
#[cfg(unix)]
pub fn kind_of(found: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else if found.is_block_device() || found.is_char_device() {
        "a device"
    } else {
        common_kind_of(found)
    }
}

/// What a file is, in a word.
#[cfg(not(unix))]
pub fn kind_of(found: FileType) -> &'static str {
    common_kind_of(found)
}

fn common_kind_of(found: FileType) -> &'static str {
    if found.is_file() {
        "a file"
    } else if found.is_dir() {
        "a folder"
    } else if found.is_symlink() {
        "a link"
    } else {
        "a device"
    }
}

/// Opens a regular file, whose reads never wait for somebody to write. Links are followed.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    // Opening alone makes some devices do things, and waits at a pipe.
    must_be_regular(&fs::metadata(path)?)?;
    let file = open_at_once(path)?;
    // Another file may have taken its place meanwhile.
    must_be_regular(&file.metadata()?)?;
    if is_on_disk(&file) {
        Ok(file)
    } else {
        Err(no_regular_file("a device"))
    }
}

/// Whether this is a regular file with a size of its own. Those that the system makes up as they are read say that they are empty.
pub(super) fn has_its_size(file: &File) -> io::Result<bool> {
    let found = file.metadata()?;
    Ok(found.is_file() && found.len() > 0 && is_on_disk(file))
}

fn must_be_regular(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    Err(no_regular_file(kind_of(found.file_type())))
}

fn no_regular_file(kind: &str) -> io::Error {
    io::Error::other(format!("it is no regular file but {kind}"))
}

#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Metadata tell files from everything else.
#[cfg(not(windows))]
const fn is_on_disk(_: &File) -> bool {
    true
}

/// Metadata know only files and folders; the handle tells pipes and devices.
#[cfg(windows)]
#[expect(unsafe_code, reason = "the Windows file API is foreign code")]
fn is_on_disk(file: &File) -> bool {
    use std::os::windows::io::AsRawHandle;
    use windows_sys::Win32::Storage::FileSystem::FILE_TYPE_DISK;
    use windows_sys::Win32::Storage::FileSystem::GetFileType;
    // SAFETY: the handle is open as long as the file is.
    unsafe { GetFileType(file.as_raw_handle()) == FILE_TYPE_DISK }
}
