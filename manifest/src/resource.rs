//! A `.res` file: what rc.exe makes, and linkers take (`RESOURCEHEADER`).

use crate::blob::Blob;
use crate::blob::length;
use crate::blob::terminated;

/// English (United States).
pub const LANGUAGE: u16 = 0x0409;
/// `MOVEABLE | PURE`, which is of no meaning any more; rc.exe writes it.
const FLAGS: u16 = 0x0030;

/// How a type of resources is named.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// By a number.
    Number(u16),
    /// By a text.
    Text(&'a str),
}

/// The file.
pub struct File(Blob);

impl File {
    /// A file without resources: it begins with an empty one.
    pub fn new() -> Self {
        let mut file = Self(Blob::default());
        file.put(Name::Number(0), 0, 0, 0, &[]);
        file
    }

    /// Adds the resource number 1 of a type.
    pub fn add(&mut self, kind: Name<'_>, data: &[u8]) {
        self.put(kind, 1, FLAGS, LANGUAGE, data);
    }

    fn put(&mut self, kind: Name<'_>, number: u16, flags: u16, language: u16, data: &[u8]) {
        let file = &mut self.0;
        let from = file.offset();
        file.dword(length(data.len()));
        file.sized(from, |file| {
            for name in [kind, Name::Number(number)] {
                match name {
                    Name::Number(number) => file.units([0xffff, number]),
                    Name::Text(text) => file.units(terminated(text)),
                }
            }
            file.align(4);
            // The version of the data: none.
            file.dword(0);
            file.word(flags);
            file.word(language);
            // A version and characteristics of the resource's own.
            file.dword(0);
            file.dword(0);
        });
        file.bytes(data);
        file.align(4);
    }

    /// The file's bytes.
    pub fn finish(self) -> Vec<u8> {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::File;
    use super::Name;

    #[test]
    fn a_file_begins_with_an_empty_resource() {
        let empty = [
            &[0, 0, 0, 0, 32, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0][..],
            &[0; 16],
        ]
        .concat();
        assert_eq!(File::new().finish(), empty);
        let mut file = File::new();
        file.add(Name::Text("AB"), b"xyz");
        let expected = [
            &empty[..],
            b"\x03\0\0\0\x24\0\0\0A\0B\0\0\0\xff\xff\x01\0\0\0\0\0\0\0\x30\0\x09\x04",
            &[0; 8],
            b"xyz\0",
        ]
        .concat();
        assert_eq!(file.finish(), expected);
    }
}
