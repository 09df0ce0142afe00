//! The front door: one file in, its evidence out.

extern crate alloc;

use alloc::vec::Vec;

use crate::error::ErrorKind;
use crate::error::ExamineError;
use crate::error::NoMemory;
use crate::facts::Evidence;
use crate::facts::Fact;
use crate::facts::Signature;
use crate::facts::Unreadable;
use crate::image_digest::digest_flat;
use crate::image_digest::digest_image;
use crate::pe;
use crate::pe::CertificateTable;
use crate::pe::MAX_SECTIONS;
use crate::pe::MAX_VERSION;
use crate::pe::Section;
use crate::source::Source;

/// What to find out about a file.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Compute the flat digests of every file; otherwise only of files that are not conformant PE images.
    pub flat: bool,
    /// Files larger than this many bytes are not read.
    pub max_size: u64,
}

impl Default for Options {
    /// No flat digests without need, files up to 256 MiB.
    fn default() -> Self {
        Self {
            flat: false,
            max_size: 256 << 20,
        }
    }
}

/// The buffers of an examination, to be used for one file after the other.
#[derive(Debug)]
pub struct Workspace {
    chunk: Vec<u8>,
    version: Vec<u8>,
    sections: Vec<[Section; MAX_SECTIONS]>,
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
            sections: filled(1, [Section::default(); MAX_SECTIONS])?,
        })
    }
}

/// A vector of `count` copies of `value`, or no memory.
fn filled<T: Clone>(count: usize, value: T) -> Result<Vec<T>, NoMemory> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(count).map_err(|_| NoMemory)?;
    // Within the capacity just reserved; the optimiser sees that and leaves no path to the allocation error handler.
    buffer.resize(count, value);
    Ok(buffer)
}

/// Room for the signatures and certificates found in one file. It borrows from the [`Workspace`] that its file was examined
/// with, so each file takes a new one; an unsigned file allocates nothing in it.
#[derive(Debug, Default)]
pub struct Findings<'w> {
    pub(crate) signatures: Vec<Signature<'w>>,
}

impl Findings<'_> {
    /// Empty; allocates nothing.
    pub const fn new() -> Self {
        Self {
            signatures: Vec::new(),
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
    let size = source.size();
    if size > options.max_size {
        return Err(ErrorKind::TooLarge {
            size,
            limit: options.max_size,
        }
        .into());
    }
    let Workspace {
        chunk,
        version,
        sections,
    } = workspace;
    let Some(sections) = sections.first_mut() else {
        return Err(ErrorKind::NoMemory.into());
    };
    let (headers, count) = match pe::read_headers(source, sections) {
        Ok(read) => read,
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
    let flat = options.flat || !headers.image.conformant;
    let digests = digest_image(source, &headers, flat, chunk)?;
    let version = pe::read_version(source, &headers, sections, version)?;
    let signatures = match headers.table {
        CertificateTable::NoEntry | CertificateTable::Empty => Fact::Present(&*findings.signatures),
        CertificateTable::Misplaced => Fact::Unreadable(Unreadable::Malformed),
        CertificateTable::Present { .. } => Fact::Unreadable(Unreadable::NotRecorded),
    };
    Ok(Evidence {
        image: Fact::Present(headers.image),
        digests: Fact::Present(digests),
        version,
        signatures,
    })
}
