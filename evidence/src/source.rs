//! Where the bytes of a file come from.

/// Random access to the bytes of one file.
///
/// Implemented by the driver over a kernel file handle, by the controller over a file, by tests over memory.
pub trait Source {
    /// File size in bytes, as it was when the file was opened.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset` on and says how many bytes it filled: fewer than asked only at the end of the file.
    ///
    /// # Errors
    /// [`SourceError`] with the system's own status code.
    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError>;
}

/// A read failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceError {
    /// The system's status: an NTSTATUS in the kernel, an errno elsewhere.
    pub status: i32,
    /// File offset of the failed read, in bytes.
    pub offset: u64,
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        u64::try_from(self.len()).unwrap_or(u64::MAX)
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let tail = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..))
            .unwrap_or_default();
        let count = tail.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), tail.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}
