//! The front door: one file in, its evidence out.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::fill;
use crate::bytes::filled;
use crate::bytes::to_usize;
use crate::catalog_index::CatalogIndex;
use crate::catalog_index::Listing;
use crate::certificate_table::Computed;
use crate::certificate_table::extra_bytes;
use crate::error::ErrorKind;
use crate::error::ExamineError;
use crate::facts::Evidence;
use crate::facts::Fact;
use crate::facts::SignatureFault;
use crate::image_digest::ImagePass;
use crate::image_digest::digest_flat;
use crate::image_digest::read_next;
use crate::pe;
use crate::pe::CertificateTable;
use crate::pe::Headers;
use crate::signatures::Table;
use crate::signatures::collect;
use crate::source::Source;
use crate::workspace::FileBuffers;
use crate::workspace::Findings;
use crate::workspace::Known;
use crate::workspace::Tools;
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
    /// Of a certificate table larger than this many bytes no more are read, and no signature in it proves anything. Page hashes
    /// make tables large: 36 bytes for each 4096 of the image.
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
    let Workspace { file, tools } = workspace;
    let begun = begin(source, options, file)?;
    let (chunk, known) = file.split();
    let computed = compute(source, &begun, chunk, known)?;
    begun.conclude(source, &computed, known, catalogs, tools, findings)
}

/// An image whose bytes are still to go by.
pub(crate) struct Begun {
    headers: Headers,
    /// Whether the headers list a certificate table.
    has_table: bool,
    /// Why no signature in it proves anything.
    table_fault: Option<SignatureFault>,
    flat: bool,
}

/// Reads headers and certificate table. A file that is no image is done with here.
#[inline(never)]
pub(crate) fn begin<S: Source + ?Sized>(
    source: &mut S,
    options: &Options,
    file: &mut FileBuffers,
) -> Result<Begun, ExamineError> {
    let FileBuffers {
        chunk,
        table,
        sections,
    } = file;
    let size = source.size();
    if size > options.max_size {
        // Whether it is an image at all shows in its first bytes; a folder may hold large files of any kind.
        let kind = match pe::read_headers(source, chunk, sections) {
            Err(kind @ ErrorKind::NotPe(_)) => kind,
            Ok(_) | Err(_) => ErrorKind::TooLarge {
                size,
                limit: options.max_size,
            },
        };
        return Err(kind.into());
    }
    let headers = match pe::read_headers(source, chunk, sections) {
        Ok(headers) => headers,
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
    let table_fault = read_table(source, &headers, options, table)?;
    Ok(Begun {
        flat: options.flat || !headers.image.conformant,
        has_table: !matches!(headers.table, CertificateTable::NoEntry | CertificateTable::Empty),
        headers,
        table_fault,
    })
}

impl Begun {
    /// What is to be computed of the bytes.
    pub(crate) fn pass(&self, known: Known<'_>) -> ImagePass {
        ImagePass::new(&self.headers, self.flat, known)
    }

    /// Everything the image proves, once its bytes went by.
    pub(crate) fn conclude<'w, S: Source + ?Sized>(
        &self,
        source: &mut S,
        computed: &Computed<'w>,
        known: Known<'w>,
        catalogs: Option<&CatalogIndex<'w>>,
        tools: &'w mut Tools,
        findings: &'w mut Findings<'w>,
    ) -> Result<Evidence<'w>, ExamineError> {
        let (prover, version) = tools.prover().ok_or(ErrorKind::NoMemory)?;
        let version = pe::read_version(source, &self.headers, known.sections, version)?;
        let table = Table {
            bytes: known.table,
            is_listed: self.has_table,
            fault: self.table_fault,
        };
        let listing = Listing::of_image(&computed.digests, self.headers.image.conformant);
        let catalogs = catalogs.map(|catalogs| (catalogs, listing));
        let collected = collect(table, catalogs, computed, prover, findings).map_err(ErrorKind::from)?;
        Ok(Evidence {
            image: Fact::Present(self.headers.image),
            digests: Fact::Present(computed.digests),
            version,
            signatures: Fact::Present(collected.signatures),
            more_signatures: collected.more,
            extra_bytes: extra_bytes(known.table),
            weighed_at: None,
        })
    }
}

/// Reads the whole file and computes what is asked for. Not inlined, so that its stack does not stand under that of the signatures.
#[inline(never)]
fn compute<'w, S: Source + ?Sized>(
    source: &mut S,
    begun: &Begun,
    chunk: &mut [u8],
    known: Known<'w>,
) -> Result<Computed<'w>, ErrorKind> {
    let mut pass = begun.pass(known);
    loop {
        let bytes = read_next(source, pass.offset(), chunk)?;
        if bytes.is_empty() {
            return Ok(pass.finish(known));
        }
        drop(pass.feed(bytes, known));
    }
}

/// Reads the certificate table into `table`, as far as it lies in the file and under the cap; why nothing in it proves anything.
fn read_table<S: Source + ?Sized>(
    source: &mut S,
    headers: &Headers,
    options: &Options,
    table: &mut Vec<u8>,
) -> Result<Option<SignatureFault>, ErrorKind> {
    table.clear();
    let conformance = (!headers.image.conformant).then_some(SignatureFault::NotConformant);
    let (offset, size, fault) = match headers.table {
        CertificateTable::NoEntry | CertificateTable::Empty => return Ok(None),
        CertificateTable::Misplaced { offset, size } => (offset, size, Some(SignatureFault::Malformed)),
        CertificateTable::Present { offset, size } => (offset, size, conformance),
    };
    let in_file = size.min(source.size().saturating_sub(offset));
    let fault = if in_file > options.max_table {
        Some(SignatureFault::CapReached)
    } else {
        fault
    };
    *table = filled(to_usize(in_file.min(options.max_table)), 0)?;
    fill(source, offset, table)?;
    Ok(fault)
}
