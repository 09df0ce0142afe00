//! Bytes that grow, in little-endian order, with places that are filled in later.

/// The bytes.
#[derive(Default)]
pub struct Blob(Vec<u8>);

/// A length as files have it.
pub fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a manifest is smaller than 4 GiB")
}

/// The UTF-16 of a text, ended by a null.
pub fn terminated(text: &str) -> impl Iterator<Item = u16> {
    text.encode_utf16().chain([0])
}

impl Blob {
    /// Where the next byte goes.
    pub fn offset(&self) -> u32 {
        length(self.0.len())
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Adds a number.
    pub fn byte(&mut self, number: u8) {
        self.0.push(number);
    }

    /// Adds a number.
    pub fn word(&mut self, number: u16) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds a number.
    pub fn dword(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds a number.
    pub fn qword(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds units of text.
    pub fn units(&mut self, units: impl IntoIterator<Item = u16>) {
        for unit in units {
            self.word(unit);
        }
    }

    /// Adds zeros up to a multiple of `alignment`.
    pub fn align(&mut self, alignment: usize) {
        self.0.resize(self.0.len().next_multiple_of(alignment), 0);
    }

    /// Adds a number that [`Blob::set`] says later; where it stands.
    pub fn later(&mut self) -> u32 {
        let place = self.offset();
        self.dword(0);
        place
    }

    /// Says a number that was left open.
    pub fn set(&mut self, place: u32, number: u32) {
        let place = place as usize;
        self.0[place..place + 4].copy_from_slice(&number.to_le_bytes());
    }

    /// As [`Blob::set`], for a number of two bytes.
    pub fn set_word(&mut self, place: u32, number: u16) {
        let place = place as usize;
        self.0[place..place + 2].copy_from_slice(&number.to_le_bytes());
    }

    /// Adds a number that counts the bytes from `from`, itself among them, to the end of what `fill` adds.
    pub fn sized(&mut self, from: u32, fill: impl FnOnce(&mut Self)) {
        let place = self.later();
        fill(self);
        self.set(place, self.offset() - from);
    }

    /// Adds a name as definitions have it: its size, this number and the padding among it, and its terminated text.
    pub fn name(&mut self, text: &str) {
        let from = self.offset();
        self.sized(from, |blob| {
            blob.units(terminated(text));
            blob.align(4);
        });
    }

    /// All of it.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes that [`Blob::name`] adds, where it begins at a multiple of four.
pub fn name_size(text: &str) -> u32 {
    length((4 + 2 * terminated(text).count()).next_multiple_of(4))
}
