//! The text of a document file, in the encodings that Windows writes.

use std::borrow::Cow;

/// The text of a file in UTF-8, or in UTF-16 of either byte order as PowerShell writes it, without a byte order mark.
///
/// # Errors
/// What is wrong, and what to do.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        // Documents start with an ASCII character, half of which is nought in UTF-16.
        [1..=0x7f, 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, 1..=0x7f, ..] => wide(bytes, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => narrow(rest),
        _ => narrow(bytes),
    }
}

fn narrow(bytes: &[u8]) -> Result<Cow<'_, str>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the document is not UTF-8; save it as UTF-8")?;
    Ok(text.into())
}

fn wide(bytes: &[u8], convert: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, &'static str> {
    const WRONG: &str =
        "the document is cut short or not UTF-16, as its first bytes say it is; save it as UTF-8";
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(WRONG);
    }
    let characters = char::decode_utf16(units.iter().copied().map(convert));
    let text: String = characters.collect::<Result<_, _>>().map_err(|_| WRONG)?;
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn a_text_is_read_in_each_encoding_with_and_without_a_mark() {
        for text in ["<a>\u{e9}\u{1f600}</a>", "{\"a\": \"\u{e9}\"}", "[]", "", "x"] {
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let forms = [
                text.as_bytes().to_vec(),
                [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(),
                [&[0xff, 0xfe], little.as_slice()].concat(),
                [&[0xfe, 0xff], big.as_slice()].concat(),
                little,
                big,
            ];
            for form in forms {
                assert_eq!(decode(&form).as_deref(), Ok(text), "{form:x?}");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for wrong in [
            // Latin-1.
            b"<a>\xe9</a>".as_slice(),
            // Half a character, half a surrogate pair.
            b"\xff\xfe<\0a",
            b"\xff\xfe<\0\x3d\xd8",
            b"<\0a",
        ] {
            assert!(decode(wrong).is_err(), "{wrong:x?}");
        }
    }
}
