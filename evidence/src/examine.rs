//! The front door: one file in, its evidence out.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::Large;
use crate::bytes::fill;
use crate::bytes::filled;
use crate::bytes::to_usize;
use crate::catalog_index::CatalogIndex;
use crate::chain::BUDGET;
use crate::chain::ProvenLinks;
use crate::chain::Prover;
use crate::chain::STEPS;
use crate::crypto::RsaScratch;
use crate::error::ErrorKind;
use crate::error::ExamineError;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Evidence;
use crate::facts::Fact;
use crate::facts::Signature;
use crate::facts::Unreadable;
use crate::image_digest::Extras;
use crate::image_digest::digest_flat;
use crate::image_digest::digest_image;
use crate::pages::PageVerifier;
use crate::pe;
use crate::pe::CertificateTable;
use crate::pe::Headers;
use crate::pe::MAX_SECTIONS;
use crate::pe::MAX_VERSION;
use crate::pe::Section;
use crate::signatures::Computed;
use crate::signatures::Demands;
use crate::signatures::collect;
use crate::source::Source;

/// What to find out about a file.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Compute the flat digests of every file; otherwise only of files that are not conformant PE images.
    pub flat: bool,
    /// Compute the flat digests of a file that is no image at all too. Without, nothing but its first bytes is read.
    pub flat_of_others: bool,
    /// Of files larger than this many bytes only the headers are read, to tell whether they are images.
    pub max_size: u64,
    /// Signatures in a certificate table larger than this many bytes are not read. Page hashes make tables large: 36 bytes
    /// for each 4096 of the image.
    pub max_table: u64,
}

impl Default for Options {
    /// No flat digests of images without need, files up to 256 MiB, certificate tables up to 4 MiB.
    fn default() -> Self {
        Self {
            flat: false,
            flat_of_others: true,
            max_size: 256 << 20,
            max_table: 4 << 20,
        }
    }
}

/// The buffers of an examination, to be used for one file after the other.
#[derive(Debug)]
pub struct Workspace {
    chunk: Vec<u8>,
    version: Vec<u8>,
    table: Vec<u8>,
    /// One of each, kept off the stack.
    sections: Large<[Section; MAX_SECTIONS]>,
    scratch: Large<RsaScratch>,
    links: Large<ProvenLinks>,
}

impl Workspace {
    /// Bytes read at a time where nothing speaks for another number.
    pub const DEFAULT_CHUNK: usize = 64 << 10;

    /// Buffers for reading `chunk` bytes at a time (4096 at least), and less than 64 KiB beside them.
    ///
    /// # Errors
    /// [`NoMemory`]; nothing is kept then.
    pub fn try_new(chunk: usize) -> Result<Self, NoMemory> {
        Ok(Self {
            chunk: filled(chunk.max(4096), 0)?,
            version: filled(MAX_VERSION, 0)?,
            table: Vec::new(),
            sections: Large::try_new()?,
            scratch: Large::try_new()?,
            links: Large::try_new()?,
        })
    }

    /// A prover with the budget of one file.
    pub(crate) fn prover(&mut self) -> Option<Prover<'_>> {
        let Self { scratch, links, .. } = self;
        Some(Prover {
            scratch: scratch.get()?,
            links: links.get()?,
            budget: BUDGET,
            steps: STEPS,
        })
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

/// Reads a file once and says what it proves.
///
/// ```
/// use evidence::{Findings, Options, Workspace, examine};
/// let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK).expect("memory");
/// for file in [&b"MZ"[..], b"text"] {
///     let mut source = file;
///     let mut findings = Findings::new();
///     let error = examine(&mut source, &Options::default(), &mut workspace, &mut findings).expect_err("not an image");
///     assert!(error.evidence().digests.present().expect("flat digests").flat_sha256.is_some());
/// }
/// ```
///
/// # Errors
/// [`ExamineError`]: the file could not be read, or is not an image that Windows would load. In the second case the error carries
/// the flat digests, and [`ExamineError::evidence`] what can be weighed all the same.
pub fn examine<'w, S: Source + ?Sized>(
    source: &mut S,
    options: &Options,
    workspace: &'w mut Workspace,
    findings: &'w mut Findings<'w>,
) -> Result<Evidence<'w>, ExamineError> {
    examine_with_catalogs(source, options, None, workspace, findings)
}

/// [`examine`], with the catalogues that may vouch for the file: their signatures come after its own.
///
/// # Errors
/// As [`examine`].
pub fn examine_with_catalogs<'w, S: Source + ?Sized>(
    source: &mut S,
    options: &Options,
    catalogs: Option<&CatalogIndex<'w>>,
    workspace: &'w mut Workspace,
    findings: &'w mut Findings<'w>,
) -> Result<Evidence<'w>, ExamineError> {
    let size = source.size();
    let Workspace {
        chunk,
        version,
        table,
        sections,
        scratch,
        links,
    } = workspace;
    let (Some(sections), Some(scratch), Some(links)) = (sections.get(), scratch.get(), links.get()) else {
        return Err(ErrorKind::NoMemory.into());
    };
    if size > options.max_size {
        // Whether it is an image at all shows in its first bytes; a folder may hold large files of any kind.
        let kind = match pe::read_headers(source, sections) {
            Err(kind @ ErrorKind::NotPe(_)) => kind,
            Ok(_) | Err(_) => ErrorKind::TooLarge {
                size,
                limit: options.max_size,
            },
        };
        return Err(kind.into());
    }
    let (headers, count) = match pe::read_headers(source, sections) {
        Ok(read) => read,
        Err(kind @ ErrorKind::NotPe(_)) if !options.flat_of_others => return Err(kind.into()),
        Err(kind @ (ErrorKind::NotPe(_) | ErrorKind::Malformed { .. })) => {
            let flat = digest_flat(source, chunk)?;
            return Err(ExamineError {
                kind,
                flat: Some(flat),
            });
        }
        Err(kind) => return Err(kind.into()),
    };
    let sections = sections.get(..count).unwrap_or_default();
    let table_state = read_table(source, &headers, options, table)?;
    let table: &'w [u8] = table;
    let demands = Demands::of(table);

    let computed = compute(source, &headers, sections, &demands, options, chunk)?;
    let version = pe::read_version(source, &headers, sections, version)?;
    let prover = Prover {
        scratch,
        links,
        budget: BUDGET,
        steps: STEPS,
    };
    let digests = computed.digests;
    let collected = collect(table, catalogs, &computed, prover, findings).map_err(ErrorKind::from)?;
    let signatures = match table_state {
        Fact::Unreadable(reason) => Fact::Unreadable(reason),
        Fact::Absent | Fact::Present(()) => Fact::Present(collected),
    };
    Ok(Evidence {
        image: Fact::Present(headers.image),
        digests: Fact::Present(digests),
        version,
        signatures,
    })
}

/// Reads the whole file and computes what its signatures ask for. Not inlined, so that its stack does not stand under theirs.
#[inline(never)]
fn compute<'w, S: Source + ?Sized>(
    source: &mut S,
    headers: &Headers,
    sections: &'w [Section],
    demands: &Demands<'w>,
    options: &Options,
    chunk: &mut [u8],
) -> Result<Computed<'w>, ErrorKind> {
    let mut pages = demands
        .pages
        .map(|table| table.map(|table| PageVerifier::new(table, sections)));
    let mut extras = Extras {
        flat: options.flat || !headers.image.conformant,
        sha384: demands.sha384,
        sha512: demands.sha512,
        pages: &mut pages,
    };
    let digests = digest_image(source, headers, &mut extras, chunk)?;
    let pages = pages.map(|pages| pages.map(|pages| (pages.table(), pages.finish(&digests))));
    Ok(Computed { digests, pages })
}

/// Reads the certificate table into `table`, or leaves it empty and says why.
fn read_table<S: Source + ?Sized>(
    source: &mut S,
    headers: &Headers,
    options: &Options,
    table: &mut Vec<u8>,
) -> Result<Fact<()>, ErrorKind> {
    table.clear();
    let (offset, size) = match headers.table {
        CertificateTable::NoEntry | CertificateTable::Empty => return Ok(Fact::Absent),
        CertificateTable::Misplaced => return Ok(Fact::Unreadable(Unreadable::Malformed)),
        CertificateTable::Present { offset, size } => (offset, size),
    };
    if size > options.max_table {
        return Ok(Fact::Unreadable(Unreadable::CapReached));
    }
    *table = filled(to_usize(size), 0)?;
    fill(source, offset, table)?;
    Ok(Fact::Present(()))
}

#[cfg(test)]
mod tests {
    use super::MAX_SECTIONS;
    use super::MAX_VERSION;
    use super::ProvenLinks;
    use super::RsaScratch;
    use super::Section;

    /// What a workspace keeps beside its chunk and the table of the file at hand.
    #[test]
    fn the_fixed_buffers_stay_below_64_kib() {
        let sections = size_of::<[Section; MAX_SECTIONS]>();
        let fixed = MAX_VERSION + sections + size_of::<RsaScratch>() + size_of::<ProvenLinks>();
        assert!(fixed < 64 << 10, "{fixed} bytes");
    }
}
