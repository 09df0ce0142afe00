//! Files as sources of evidence.

use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;

use evidence::Options;
use evidence::Source;
use evidence::SourceError;
use tempfile::SpooledTempFile;

use super::is_standard_stream;
use super::kind;
use super::name;
use super::standard_input;

/// From this size on, what came through a pipe is kept in a file without a name.
const IN_MEMORY: usize = 1 << 20;

/// A file as a source of evidence.
pub struct FileSource {
    content: Content,
    size: u64,
}

enum Content {
    /// Read where it lies.
    File(File),
    /// What has no size, or can be read only once, and was read to its end.
    Spooled(SpooledTempFile),
}

impl FileSource {
    /// Opens a file that the user named. What is no regular file is read to its end, as is standard input for `-`: to at most the size that
    /// evidence takes of any file.
    pub fn open(path: &Path) -> io::Result<Self> {
        if is_standard_stream(path) {
            return Self::spool(standard_input()?);
        }
        let file = File::open(path)?;
        if kind::has_its_size(&file)? {
            Self::of(file)
        } else {
            Self::spool(file)
        }
    }

    /// Opens a file that was met in a folder: a regular one, or not at all.
    pub fn open_found(path: &Path) -> io::Result<Self> {
        Self::of(kind::open_regular(path)?)
    }

    fn of(file: File) -> io::Result<Self> {
        Ok(Self {
            size: file.metadata()?.len(),
            content: Content::File(file),
        })
    }

    fn spool(from: impl Read) -> io::Result<Self> {
        let limit = Options::default().max_size;
        let mut spool = Spool(SpooledTempFile::new(IN_MEMORY));
        let size = io::copy(&mut from.take(limit.saturating_add(1)), &mut spool)?;
        if size > limit {
            return Err(io::Error::other(format!(
                "it has not ended after {limit} bytes, the most that is read"
            )));
        }
        Ok(Self {
            content: Content::Spooled(spool.0),
            size,
        })
    }
}

/// Where what is read is kept; its failures are told from those of reading.
struct Spool(SpooledTempFile);

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| {
            let folder = name(&std::env::temp_dir());
            io::Error::other(format!("what was read cannot be kept in {folder}: {error}"))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let failed = |error: io::Error| SourceError {
            status: error.raw_os_error().unwrap_or(-1),
            offset,
        };
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
            let read = match &mut self.content {
                Content::File(file) => read_some(file, room, at),
                Content::Spooled(spool) => spool.seek(SeekFrom::Start(at)).and_then(|_| spool.read(room)),
            };
            match read {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(filled)
    }
}

#[cfg(unix)]
fn read_some(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, room, offset)
}

#[cfg(windows)]
fn read_some(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spooled_is_read_as_a_file_is() {
        let content: Vec<u8> = (0..3_u32 << 18).flat_map(u32::to_le_bytes).collect();
        for length in [0, 100, content.len()] {
            let content = &content[..length];
            let mut spooled = FileSource::spool(content).expect("memory");
            assert_eq!(usize::try_from(spooled.size()).expect("small"), length);
            for at in [length / 2, 0, length.saturating_sub(3), length + 5] {
                let mut buffer = [0; 64];
                let count = spooled
                    .read_at(at.try_into().expect("small"), &mut buffer)
                    .expect("read");
                let rest = content.get(at..).unwrap_or_default();
                assert_eq!(buffer[..count], rest[..rest.len().min(64)], "from {at} on");
            }
        }
    }
}
