//! Whole blocks of a stream that its digests still have to take in: at once, or together with those of other streams.

use crate::compress::compress;

/// The whole blocks of what a [`crate::Pair`] was given with [`crate::Pair::update_later`].
///
/// They are taken in by `compress_all`, or else when this is dropped.
#[must_use = "several of these are taken in faster together"]
pub struct Pending<'p> {
    pub(crate) sha1: &'p mut [u32; 5],
    pub(crate) sha256: &'p mut [u32; 8],
    pub(crate) blocks: &'p [[u8; 64]],
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        compress(self.sha1, self.sha256, self.blocks);
    }
}
