//! The one sequential pass over an image: Authenticode, first-page and flat digests.

use core::mem::take;

use digest::Pair;
use digest::Pending;

use crate::bytes::fill;
use crate::bytes::to_u64;
use crate::bytes::to_usize;
use crate::certificate_table::Computed;
use crate::certificate_table::Demands;
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
use crate::workspace::Known;

const ZEROS: [u8; 64] = [0; 64];

/// File ranges left out of the Authenticode digest, in file order; empty ranges leave out nothing.
struct Holes([(u64, u64); 3]);

impl Holes {
    /// Left out are `CheckSum`, the security directory entry and the certificate table, and nothing else: no sorting by
    /// section, no special case for data behind the last one.
    fn of(headers: &Headers) -> Self {
        let entry = headers.security_entry.unwrap_or((0, 0));
        Self([headers.checksum, entry, headers.table_left_out])
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
        CertificateTable::Present { .. } | CertificateTable::Misplaced { .. } => 0,
    }
}

/// An image on its way: what was computed of the bytes that went by. They come in file order, and all of them.
pub(crate) struct ImagePass {
    holes: Holes,
    /// Where the next bytes stand in the file.
    offset: u64,
    first_page_end: u64,
    padding: usize,
    image: Pair,
    first_page: Pair,
    whole: Option<Pair>,
    sha384: Option<Hasher>,
    sha512: Option<Hasher>,
    pages: [Option<PageVerifier>; 2],
}

impl ImagePass {
    /// Computes what every image needs, what its signatures ask for, and on request the flat digests.
    #[inline(never)]
    pub(crate) fn new(headers: &Headers, flat: bool, file: Known<'_>) -> Self {
        // Of an image that is not conformant no signature proves anything.
        let demands = if headers.image.conformant {
            Demands::of(file.table, headers.image.size)
        } else {
            Demands::default()
        };
        let long = |algorithm| (demands.long == Some(algorithm)).then(|| Hasher::new(algorithm));
        let mut pass = Self {
            holes: Holes::of(headers),
            offset: 0,
            first_page_end: u64::from(headers.declared_size).min(PAGE).min(headers.image.size),
            padding: padding(headers),
            image: Pair::new(),
            first_page: Pair::new(),
            whole: flat.then(Pair::new),
            sha384: long(Algorithm::Sha384),
            sha512: long(Algorithm::Sha512),
            pages: [None, None],
        };
        // One after the other in its place: a kernel's stack has no room for several on their way.
        for (place, pages) in pass.pages.iter_mut().zip(demands.pages) {
            *place = pages.and_then(|pages| PageVerifier::new(pages, file));
        }
        pass
    }

    /// Where the next bytes stand in the file.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the next bytes of the file, but for what the digests of the image and the flat ones leave to be compressed later.
    /// `file` is always the same.
    pub(crate) fn feed<'p>(&'p mut self, bytes: &'p [u8], file: Known<'_>) -> [Option<Pending<'p>>; 2] {
        let Self {
            holes,
            offset,
            first_page_end,
            image,
            first_page,
            whole,
            sha384,
            sha512,
            pages,
            ..
        } = self;
        if *offset < *first_page_end {
            let inside = to_usize(first_page_end.saturating_sub(*offset)).min(bytes.len());
            let head = bytes.get(..inside).unwrap_or_default();
            holes.outside(*offset, head, |piece| first_page.update(piece));
        }
        // Only the last piece can be left for later: the others come before it in the digest.
        let mut last: &[u8] = &[];
        holes.outside(*offset, bytes, |piece| {
            sha384
                .iter_mut()
                .chain(&mut *sha512)
                .for_each(|hasher| hasher.update(piece));
            if !piece.is_empty() {
                image.update(last);
                last = piece;
            }
        });
        pages
            .iter_mut()
            .flatten()
            .for_each(|pages| pages.feed(*offset, bytes, file));
        *offset = offset.saturating_add(to_u64(bytes.len()));
        [
            Some(image.update_later(last)),
            whole.as_mut().map(|whole| whole.update_later(bytes)),
        ]
    }

    /// The digests, once the whole file went by, and of each page-hash table whether it is the file's. Nothing can be fed then.
    #[inline(never)]
    pub(crate) fn finish<'f>(&mut self, file: Known<'f>) -> Computed<'f> {
        let padding = ZEROS.get(..self.padding).unwrap_or_default();
        self.image.update(padding);
        self.sha384
            .iter_mut()
            .chain(&mut self.sha512)
            .for_each(|hasher| hasher.update(padding));
        let mut missing = to_usize(PAGE.saturating_sub(self.first_page_end));
        while missing > 0 {
            let zeros = ZEROS.get(..missing.min(ZEROS.len())).unwrap_or_default();
            self.first_page.update(zeros);
            missing = missing.saturating_sub(zeros.len());
        }
        let (sha1, sha256) = take(&mut self.image).finish();
        let (first_page_sha1, first_page_sha256) = take(&mut self.first_page).finish();
        let whole = self.whole.take().map(Pair::finish);
        let finished = |hasher: &mut Option<Hasher>| hasher.take().map(Hasher::finish);
        let digests = Digests {
            sha1: Some(sha1),
            sha256: Some(sha256),
            sha384: finished(&mut self.sha384).and_then(|hash| hash.as_bytes().try_into().ok()),
            sha512: finished(&mut self.sha512).and_then(|hash| hash.as_bytes().try_into().ok()),
            first_page_sha1: Some(first_page_sha1),
            first_page_sha256: Some(first_page_sha256),
            flat_sha1: whole.map(|(sha1, _)| sha1),
            flat_sha256: whole.map(|(_, sha256)| sha256),
        };
        let pages = self.pages.each_mut().map(|pages| {
            let pages = pages.as_mut()?;
            Some((pages.table(file), pages.finish(&digests, file)))
        });
        Computed { digests, pages }
    }
}

/// Reads the next bytes of a file from `offset` on, into as much of `chunk` as they fill: none at the end of the file.
///
/// # Errors
/// [`ErrorKind::Io`], [`ErrorKind::Changed`] if the file is shorter than it was, or [`ErrorKind::NoMemory`] if there is no chunk.
pub(crate) fn read_next<'c, S: Source + ?Sized>(
    source: &mut S,
    offset: u64,
    chunk: &'c mut [u8],
) -> Result<&'c [u8], ErrorKind> {
    let left = source.size().saturating_sub(offset);
    let length = to_usize(left).min(chunk.len());
    let bytes = chunk.get_mut(..length).unwrap_or_default();
    if bytes.is_empty() && left > 0 {
        return Err(ErrorKind::NoMemory);
    }
    fill(source, offset, bytes)?;
    Ok(bytes)
}

/// The flat digests of a file that is no image, read in one pass.
///
/// # Errors
/// As [`read_next`].
#[inline(never)]
pub(crate) fn digest_flat<S: Source + ?Sized>(
    source: &mut S,
    chunk: &mut [u8],
) -> Result<FlatDigests, ErrorKind> {
    let mut whole = Pair::new();
    let mut offset = 0_u64;
    loop {
        let bytes = read_next(source, offset, chunk)?;
        if bytes.is_empty() {
            break;
        }
        whole.update(bytes);
        offset = offset.saturating_add(to_u64(bytes.len()));
    }
    let (sha1, sha256) = whole.finish();
    Ok(FlatDigests { sha1, sha256 })
}
