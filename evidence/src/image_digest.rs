//! The one sequential pass over an image: Authenticode, first-page and flat digests.

use digest::Pair;

use crate::bytes::fill;
use crate::bytes::to_u64;
use crate::bytes::to_usize;
use crate::digest::Algorithm;
use crate::digest::Hasher;
use crate::error::ErrorKind;
use crate::error::FlatDigests;
use crate::facts::Digests;
use crate::pages::PAGE;
use crate::pages::PageVerifier;
use crate::pe::CertificateTable;
use crate::pe::Headers;
use crate::source::Source;

const ZEROS: [u8; 64] = [0; 64];

/// File ranges left out of the Authenticode digest, in file order; empty ranges leave out nothing.
struct Holes([(u64, u64); 3]);

impl Holes {
    /// Left out are `CheckSum`, the security directory entry and the certificate table, and nothing else: no sorting by
    /// section, no special case for data behind the last one.
    fn of(headers: &Headers) -> Self {
        let checksum = (headers.checksum, headers.checksum.saturating_add(4));
        let entry = headers
            .security_entry
            .map_or((0, 0), |at| (at, at.saturating_add(8)));
        let table = match headers.table {
            CertificateTable::Present { offset, size } => (offset, offset.saturating_add(size)),
            CertificateTable::NoEntry | CertificateTable::Empty | CertificateTable::Misplaced => (0, 0),
        };
        Self([checksum, entry, table])
    }

    /// Calls `take` with what of `bytes`, which lie at `offset` in the file, is outside every hole.
    fn outside<'b>(&self, offset: u64, bytes: &'b [u8], mut take: impl FnMut(&'b [u8])) {
        let mut at = offset;
        let mut rest = bytes;
        for (start, end) in self.0 {
            let before = to_usize(start.saturating_sub(at)).min(rest.len());
            let (head, tail) = rest.split_at_checked(before).unwrap_or((rest, &[]));
            if start >= at {
                take(head);
                rest = tail;
                at = at.saturating_add(to_u64(before));
            }
            let skip = to_usize(end.saturating_sub(at)).min(rest.len());
            if start <= at && end > at {
                rest = rest.get(skip..).unwrap_or_default();
                at = at.saturating_add(to_u64(skip));
            }
        }
        take(rest);
    }
}

/// Zero bytes that are hashed behind the file's own.
///
/// Signing tools pad a file to 8 bytes before they append the certificate table, so the padding of a signed file is in the file.
/// An unsigned file of another size is hashed by Windows as if it were padded (reported with file and hash in System
/// Informer's issue 3073 and AuthHashCalc's issue 6), although many tools leave that out.
fn padding(headers: &Headers) -> usize {
    match headers.table {
        CertificateTable::NoEntry | CertificateTable::Empty => to_usize(
            headers
                .image
                .size
                .next_multiple_of(8)
                .saturating_sub(headers.image.size),
        ),
        CertificateTable::Present { .. } | CertificateTable::Misplaced => 0,
    }
}

/// What to compute beside SHA-1 and SHA-256 of image and first page.
pub(crate) struct Extras<'p, 'a> {
    pub(crate) flat: bool,
    pub(crate) sha384: bool,
    pub(crate) sha512: bool,
    pub(crate) pages: &'p mut [Option<PageVerifier<'a>>],
}

/// Reads the whole file once, `chunk` by `chunk`.
///
/// # Errors
/// [`ErrorKind::Io`], or [`ErrorKind::Changed`] if the file is shorter than it was.
#[inline(never)]
pub(crate) fn digest_image<S: Source + ?Sized>(
    source: &mut S,
    headers: &Headers,
    extras: &mut Extras<'_, '_>,
    chunk: &mut [u8],
) -> Result<Digests, ErrorKind> {
    let holes = Holes::of(headers);
    let first_page_end = u64::from(headers.declared_size).min(PAGE).min(headers.image.size);
    let mut image = Pair::new();
    let mut first_page = Pair::new();
    let mut whole = extras.flat.then(Pair::new);
    let mut sha384 = extras.sha384.then(|| Hasher::new(Algorithm::Sha384));
    let mut sha512 = extras.sha512.then(|| Hasher::new(Algorithm::Sha512));
    read_all(source, chunk, |offset, bytes| {
        if offset < first_page_end {
            let inside = to_usize(first_page_end.saturating_sub(offset)).min(bytes.len());
            let head = bytes.get(..inside).unwrap_or_default();
            holes.outside(offset, head, |piece| first_page.update(piece));
        }
        holes.outside(offset, bytes, |piece| {
            image.update(piece);
            sha384
                .iter_mut()
                .chain(&mut sha512)
                .for_each(|hasher| hasher.update(piece));
        });
        extras
            .pages
            .iter_mut()
            .flatten()
            .for_each(|pages| pages.feed(offset, bytes));
        if let Some(whole) = &mut whole {
            whole.update(bytes);
        }
    })?;
    let padding = ZEROS.get(..padding(headers)).unwrap_or_default();
    image.update(padding);
    sha384
        .iter_mut()
        .chain(&mut sha512)
        .for_each(|hasher| hasher.update(padding));
    let mut missing = to_usize(PAGE.saturating_sub(first_page_end));
    while missing > 0 {
        let zeros = ZEROS.get(..missing.min(ZEROS.len())).unwrap_or_default();
        first_page.update(zeros);
        missing = missing.saturating_sub(zeros.len());
    }

    let (sha1, sha256) = image.finish();
    let (first_page_sha1, first_page_sha256) = first_page.finish();
    let whole = whole.map(Pair::finish);
    Ok(Digests {
        sha1: Some(sha1),
        sha256: Some(sha256),
        sha384: sha384.and_then(|hasher| hasher.finish().as_bytes().try_into().ok()),
        sha512: sha512.and_then(|hasher| hasher.finish().as_bytes().try_into().ok()),
        first_page_sha1: Some(first_page_sha1),
        first_page_sha256: Some(first_page_sha256),
        flat_sha1: whole.map(|(sha1, _)| sha1),
        flat_sha256: whole.map(|(_, sha256)| sha256),
    })
}

/// The flat digests of a file that is no image, read in one pass.
///
/// # Errors
/// As [`digest_image`].
#[inline(never)]
pub(crate) fn digest_flat<S: Source + ?Sized>(
    source: &mut S,
    chunk: &mut [u8],
) -> Result<FlatDigests, ErrorKind> {
    let mut whole = Pair::new();
    read_all(source, chunk, |_, bytes| whole.update(bytes))?;
    let (sha1, sha256) = whole.finish();
    Ok(FlatDigests { sha1, sha256 })
}

fn read_all<S: Source + ?Sized>(
    source: &mut S,
    chunk: &mut [u8],
    mut take: impl FnMut(u64, &[u8]),
) -> Result<(), ErrorKind> {
    let size = source.size();
    let mut offset = 0;
    while offset < size {
        let length = to_usize(size.saturating_sub(offset)).min(chunk.len());
        let bytes = chunk.get_mut(..length).unwrap_or_default();
        if bytes.is_empty() {
            return Err(ErrorKind::NoMemory);
        }
        fill(source, offset, bytes)?;
        take(offset, bytes);
        offset = offset.saturating_add(to_u64(length));
    }
    Ok(())
}
