//! A stream cut into the blocks that a hash takes.

use core::slice;

/// Gathers a stream into blocks of `N` bytes and pads its end.
#[derive(Clone)]
pub struct Blocks<const N: usize> {
    buffer: [u8; N],
    filled: usize,
    length: u64,
}

impl<const N: usize> Blocks<N> {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Self {
            buffer: [0; N],
            filled: 0,
            length: 0,
        }
    }

    /// Takes `bytes` and hands on every block they fill.
    pub fn update(&mut self, bytes: &[u8], mut compress: impl FnMut(&[[u8; N]])) {
        let blocks = self.cut(bytes, &mut compress);
        if !blocks.is_empty() {
            compress(blocks);
        }
    }

    /// Takes `bytes`: hands on the block that was begun before, if they fill it, and returns the whole ones behind it, which come
    /// next in the stream. What is left begins the block after those.
    pub fn cut<'b>(&mut self, bytes: &'b [u8], mut compress: impl FnMut(&[[u8; N]])) -> &'b [[u8; N]] {
        self.length = self
            .length
            .wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let mut bytes = bytes;
        if self.filled > 0 {
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let take = room.len().min(bytes.len());
            let (head, tail) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
            copy(room, head);
            bytes = tail;
            self.filled = self.filled.saturating_add(take);
            if self.filled < N {
                return &[];
            }
            compress(slice::from_ref(&self.buffer));
            self.filled = 0;
        }
        let (blocks, tail) = bytes.as_chunks::<N>();
        copy(&mut self.buffer, tail);
        self.filled = tail.len();
        blocks
    }

    /// Ends the stream: a 1 bit, zeros, and `length` in the last bytes of a block that leaves `reserve` bytes for it.
    pub fn finish(&mut self, reserve: usize, length: [u8; 8], mut compress: impl FnMut(&[[u8; N]])) {
        let mut used = self.filled;
        if let Some(mark) = self.buffer.get_mut(used) {
            *mark = 0x80;
        }
        used = used.saturating_add(1);
        if used.saturating_add(reserve) > N {
            self.buffer.get_mut(used..).unwrap_or_default().fill(0);
            compress(slice::from_ref(&self.buffer));
            used = 0;
        }
        self.buffer.get_mut(used..).unwrap_or_default().fill(0);
        copy(
            self.buffer.get_mut(N.saturating_sub(8)..).unwrap_or_default(),
            &length,
        );
        compress(slice::from_ref(&self.buffer));
    }

    /// The length taken, in bits, as SHA writes it at the end.
    pub const fn bits_be(&self) -> [u8; 8] {
        self.length.wrapping_mul(8).to_be_bytes()
    }
}

impl<const N: usize> Default for Blocks<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies as much of `from` as fits into `to`.
fn copy(to: &mut [u8], from: &[u8]) {
    let count = to.len().min(from.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
}
