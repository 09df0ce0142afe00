//! Text of files, in the encodings that people's tools write.

use std::path::Path;

use super::read;
use crate::error::Error;

/// The text of a file of at most `limit` bytes that the user named: UTF-8, with a byte order mark or without, or UTF-16, as Windows
/// PowerShell writes it.
///
/// # Errors
/// As [`read`]; [`Error::Malformed`] for what is no text, with the place.
pub fn read_text(path: &Path, limit: usize) -> Result<String, Error> {
    decode(read(path, limit)?).map_err(|problem| Error::Malformed {
        path: path.to_owned(),
        problem,
    })
}

fn decode(bytes: Vec<u8>) -> Result<String, String> {
    match bytes.as_slice() {
        // UTF-32 has the mark of UTF-16, then a zero; text begins with none.
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            Err("this is UTF-32; write it anew in UTF-8".to_owned())
        }
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        // Without a mark: text begins with something that UTF-16 has a zero beside.
        [first, 0, ..] if *first != 0 => wide(&bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => wide(&bytes, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => narrow(rest.to_vec()),
        _ => narrow(bytes),
    }
}

fn narrow(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("this is no text: at byte {at} it is not UTF-8; write it anew in UTF-8 or UTF-16")
    })
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("this is UTF-16 that ends within a character; it was cut, or is no text".to_owned());
    }
    let mut text = String::with_capacity(pairs.len());
    for (found, at) in char::decode_utf16(pairs.iter().copied().map(unit)).zip(0_u64..) {
        text.push(
            found.map_err(|_| {
                format!("this is UTF-16 with half of a pair as character {at}; write it anew")
            })?,
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_gives_the_same_text() {
        let text = "{\"a\": \"Zürich 😀\"}\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            [b"\xff\xfe", little.as_slice()].concat(),
            [b"\xfe\xff", big.as_slice()].concat(),
            little,
            big,
        ] {
            assert_eq!(decode(bytes).as_deref(), Ok(text));
        }
        assert_eq!(decode(Vec::new()).as_deref(), Ok(""));
    }

    #[test]
    fn what_is_no_text_is_named() {
        for (bytes, problem) in [
            (&b"\xff\xfe\0\0{\0\0\0"[..], "UTF-32"),
            (b"\xff\xfea\0b", "ends within"),
            (b"\xff\xfe\x3d\xd8a\0", "half of a pair as character 0"),
            (b"ab\xff", "at byte 2"),
        ] {
            let told = decode(bytes.to_vec()).expect_err("no text");
            assert!(told.contains(problem), "{told}");
        }
    }
}
