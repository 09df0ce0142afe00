//! The front door: one file in, its evidence out.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::fill;
use crate::bytes::filled;
use crate::bytes::to_usize;
use crate::catalog_index::CatalogIndex;
use crate::certificate_table::Computed;
use crate::certificate_table::Demands;
use crate::chain::BUDGET;
use crate::chain::Prover;
use crate::chain::STEPS;
use crate::error::ErrorKind;
use crate::error::ExamineError;
use crate::facts::Evidence;
use crate::facts::Fact;
use crate::facts::Unreadable;
use crate::image_digest::Extras;
use crate::image_digest::digest_flat;
use crate::image_digest::digest_image;
use crate::pages::PageVerifier;
use crate::pe;
use crate::pe::CertificateTable;
use crate::pe::Headers;
use crate::pe::Section;
use crate::signatures::collect;
use crate::source::Source;
use crate::workspace::Findings;
use crate::workspace::Workspace;

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
