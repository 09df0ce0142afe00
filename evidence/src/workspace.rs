//! The memory of an examination: buffers used for one file after the other, and room for what is found in one.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::Large;
use crate::bytes::filled;
use crate::chain::ProvenLinks;
use crate::chain::Prover;
use crate::crypto::RsaScratch;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Signature;
use crate::pe::Section;
use crate::pe::USUAL_SECTIONS;
use crate::pe::USUAL_VERSION;

/// The buffers of an examination, to be used for one file after the other.
#[derive(Debug)]
pub struct Workspace {
    pub(crate) file: FileBuffers,
    pub(crate) tools: Tools,
}

/// What is kept of a file while its bytes go by.
#[derive(Debug)]
pub(crate) struct FileBuffers {
    pub(crate) chunk: Vec<u8>,
    /// The certificate table.
    pub(crate) table: Vec<u8>,
    pub(crate) sections: Vec<Section>,
}

/// What is known of an image before its bytes go by.
#[derive(Clone, Copy)]
pub(crate) struct Known<'f> {
    /// The certificate table.
    pub(crate) table: &'f [u8],
    /// In file order.
    pub(crate) sections: &'f [Section],
}

/// What is needed once they have: whatever number of files goes by at the same time, one of each is enough.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) version: Vec<u8>,
    pub(crate) scratch: Large<RsaScratch>,
    pub(crate) links: Large<ProvenLinks>,
}

impl Workspace {
    /// Bytes read at a time where nothing speaks for another number.
    pub const DEFAULT_CHUNK: usize = 64 << 10;

    /// Buffers for reading `chunk` bytes at a time (4096 at least), and less than 64 KiB beside them.
    ///
    /// A file with a certificate table, with more than 96 sections or with a version resource of more than 16 KiB takes memory of its
    /// own for those: as much as [`crate::Options::max_table`] says, 1 MiB and 256 KiB at most.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing is kept then.
    pub fn try_new(chunk: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            file: FileBuffers::try_new(chunk)?,
            tools: Tools::try_new()?,
        })
    }
}

impl FileBuffers {
    /// Buffers for reading `chunk` bytes at a time, 4096 at least.
    pub(crate) fn try_new(chunk: usize) -> Result<Self, NoMemory> {
        let mut sections = Vec::new();
        sections.try_reserve_exact(USUAL_SECTIONS).map_err(|_| NoMemory)?;
        Ok(Self {
            chunk: filled(chunk.max(4096), 0)?,
            table: Vec::new(),
            sections,
        })
    }

    /// The chunk to read into, and what is known of the file.
    pub(crate) fn split(&mut self) -> (&mut [u8], Known<'_>) {
        let Self {
            chunk,
            table,
            sections,
        } = self;
        (chunk, Known { table, sections })
    }
}

impl Tools {
    pub(crate) fn try_new() -> Result<Self, NoMemory> {
        Ok(Self {
            version: filled(USUAL_VERSION, 0)?,
            scratch: Large::try_new()?,
            links: Large::try_new()?,
        })
    }

    /// A prover with the budget of one file, and the buffer for its version resource.
    pub(crate) fn prover(&mut self) -> Option<(Prover<'_>, &mut Vec<u8>)> {
        let Self {
            version,
            scratch,
            links,
        } = self;
        Some((Prover::new(scratch.get()?, links.get()?), version))
    }
}

/// Room for the signatures and certificates found in one file. It borrows from the [`Workspace`] that its file was examined
/// with, so each file takes a new one; an unsigned file allocates nothing in it.
#[derive(Debug, Default)]
pub struct Findings<'w> {
    /// Every chain, one after the other.
    pub(crate) certificates: Vec<Certificate<'w>>,
    pub(crate) signatures: Vec<Signature<'w>>,
    /// The bytes of the certificates, for those who pass them on.
    pub(crate) raw: Vec<&'w [u8]>,
}

impl Findings<'_> {
    /// Empty; allocates nothing.
    pub const fn new() -> Self {
        Self {
            certificates: Vec::new(),
            signatures: Vec::new(),
            raw: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProvenLinks;
    use super::RsaScratch;
    use super::Section;
    use super::USUAL_SECTIONS;
    use super::USUAL_VERSION;

    /// What a workspace keeps beside its chunk and the table of the file at hand.
    #[test]
    fn the_fixed_buffers_stay_below_64_kib() {
        let sections = size_of::<[Section; USUAL_SECTIONS]>();
        let fixed = USUAL_VERSION + sections + size_of::<RsaScratch>() + size_of::<ProvenLinks>();
        assert!(fixed < 64 << 10, "{fixed} bytes");
    }
}
