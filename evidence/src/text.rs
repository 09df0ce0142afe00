//! Text as files hold it: a borrowed string in one of the encodings that certificates and version resources use.

use core::char::{REPLACEMENT_CHARACTER, decode_utf16};

/// A borrowed string, decoded on the way out.
#[derive(Clone, Copy, Debug)]
pub enum Text<'a> {
    /// UTF-8 (also ASCII, IA5String, PrintableString).
    Utf8(&'a str),
    /// UTF-16, little-endian, as in version resources. A trailing odd byte is ignored.
    Utf16Le(&'a [u8]),
    /// UTF-16, big-endian, as in BMPString. A trailing odd byte is ignored.
    Utf16Be(&'a [u8]),
    /// One byte a character (TeletexString read as Latin-1, as Windows does).
    Latin1(&'a [u8]),
    /// UTF-32, big-endian, as in UniversalString. Trailing bytes are ignored.
    Utf32Be(&'a [u8]),
}

impl<'a> Text<'a> {
    /// The characters; an unpaired surrogate, or what is no character, becomes U+FFFD.
    pub fn chars(self) -> impl Iterator<Item = char> + 'a {
        let (utf8, bytes) = match self {
            Self::Utf8(text) => (text, &[][..]),
            Self::Utf16Le(bytes) | Self::Utf16Be(bytes) | Self::Latin1(bytes) | Self::Utf32Be(bytes) => {
                ("", bytes)
            }
        };
        let wide = |on: bool, decode: fn([u8; 2]) -> u16| {
            let (pairs, _) = if on {
                bytes.as_chunks::<2>()
            } else {
                (&[][..], &[][..])
            };
            decode_utf16(pairs.iter().copied().map(decode)).map(|unit| unit.unwrap_or(REPLACEMENT_CHARACTER))
        };
        let latin1 = if matches!(self, Self::Latin1(_)) {
            bytes
        } else {
            &[]
        };
        let (widest, _) = if matches!(self, Self::Utf32Be(_)) {
            bytes.as_chunks::<4>()
        } else {
            (&[][..], &[][..])
        };
        utf8.chars()
            .chain(wide(matches!(self, Self::Utf16Le(_)), u16::from_le_bytes))
            .chain(wide(matches!(self, Self::Utf16Be(_)), u16::from_be_bytes))
            .chain(latin1.iter().copied().map(char::from))
            .chain(
                widest
                    .iter()
                    .map(|unit| char::from_u32(u32::from_be_bytes(*unit)).unwrap_or(REPLACEMENT_CHARACTER)),
            )
    }
}

impl PartialEq for Text<'_> {
    /// Equal characters, whatever the encoding.
    fn eq(&self, other: &Self) -> bool {
        self.chars().eq(other.chars())
    }
}

impl Eq for Text<'_> {}

impl core::fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write;
        self.chars()
            .try_for_each(|character| formatter.write_char(character))
    }
}

#[cfg(test)]
mod tests {
    use super::Text;
    extern crate std;
    use std::string::ToString;

    #[test]
    fn encodings_of_the_same_text_are_equal() {
        let little = Text::Utf16Le(b"N\0V\0I\0D\0I\0A\0");
        let big = Text::Utf16Be(b"\0N\0V\0I\0D\0I\0A");
        assert_eq!(little, Text::Utf8("NVIDIA"));
        assert_eq!(big, Text::Latin1(b"NVIDIA"));
        let widest = Text::Utf32Be(b"\0\0\0N\0\0\0V\0\x01\xf6\0\0\x11\0\0");
        assert_eq!(widest.to_string(), "NV\u{1f600}\u{fffd}");
        assert_ne!(little, Text::Utf8("NVIDIB"));
        assert_eq!(Text::Utf16Le(&[0x00, 0xd8]).to_string(), "\u{fffd}");
    }
}
