//! Names of files as text, so that two names never look the same.
//!
//! A name that is text is shown as it is. What is no text has its own form, which no name that is text has, and from which the name can be
//! had back. On Unix a byte that is no UTF-8 is `\x` and two digits; in such a name each backslash is doubled, and so it is in a name that
//! holds what looks like such a byte. On Windows half of a surrogate pair is four digits in angle brackets, which names there cannot hold.

use std::fmt::Write;
use std::path::Path;

/// The name of a file for records, tables and messages.
#[cfg(unix)]
pub fn name(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    of_bytes(path.as_os_str().as_bytes())
}

/// The name of a file for records, tables and messages.
#[cfg(windows)]
pub fn name(path: &Path) -> String {
    use std::os::windows::ffi::OsStrExt;
    name_of_units(path.as_os_str().encode_wide())
}

#[cfg(any(unix, test))]
fn of_bytes(name: &[u8]) -> String {
    match str::from_utf8(name) {
        Ok(text) if !holds_escape(text) => return text.to_owned(),
        _ => {}
    }
    let mut shown = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        shown.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(shown, r"\x{byte:02x}");
        }
    }
    shown
}

/// Whether there is a backslash, an `x` and two digits as [`of_bytes`] writes them.
#[cfg(any(unix, test))]
fn holds_escape(text: &str) -> bool {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.as_bytes()
        .windows(4)
        .any(|found| found.starts_with(br"\x") && found.iter().skip(2).all(is_digit))
}

/// The name of a file as Windows has it, for records, tables and messages.
pub fn name_of_units(name: impl Iterator<Item = u16>) -> String {
    let mut shown = String::new();
    for found in char::decode_utf16(name) {
        match found {
            Ok(character) => shown.push(character),
            // Writing to a string does not fail.
            Err(half) => _ = write!(shown, "<{:04X}>", half.unpaired_surrogate()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_that_are_text_are_left_as_they_are() {
        for name in ["a.sys", "Zürich/ß.sys", r"C:\Windows\x.sys", r"\xg0 \X41", ""] {
            assert_eq!(of_bytes(name.as_bytes()), name);
            assert_eq!(name_of_units(name.encode_utf16()), name);
        }
        assert_eq!(of_bytes(b"bad\xff\xfe.sys"), r"bad\xff\xfe.sys");
        assert_eq!(of_bytes(br"bad\xff\xfe.sys"), r"bad\\xff\\xfe.sys");
        assert_eq!(name_of_units([0x61, 0xd83d, 0x62].into_iter()), "a<D83D>b");
    }

    /// As `docs/files.md` says how to get a name back.
    fn name_of_shown(shown: &str) -> Vec<u8> {
        if !holds_escape(shown) {
            return shown.as_bytes().to_vec();
        }
        let mut name = Vec::new();
        let mut rest = shown.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let digits = after
                .strip_prefix(b"x")
                .and_then(|digits| digits.split_at_checked(2));
            rest = match (first, after.strip_prefix(b"\\"), digits) {
                (b'\\', Some(after), _) => {
                    name.push(b'\\');
                    after
                }
                (b'\\', None, Some((digits, after))) => {
                    let digits = str::from_utf8(digits).expect("digits");
                    name.push(u8::from_str_radix(digits, 16).expect("digits"));
                    after
                }
                _ => {
                    name.push(*first);
                    after
                }
            };
        }
        name
    }

    /// All names of a few parts that meet each other in the worst ways.
    #[test]
    fn no_two_names_look_the_same_and_each_can_be_had_back() {
        let parts: [&[u8]; 8] = [b"\\", b"x", b"ff", b"\xff", b"\xc3", b"\xbc", b"\\xff", b"a"];
        let mut shown = HashMap::new();
        for choice in 0..8_usize.pow(5) {
            let digits = (0..5).map(|place| choice / 8_usize.pow(place) % 8);
            let name: Vec<u8> = digits.flat_map(|digit| parts[digit]).copied().collect();
            let other = shown.entry(of_bytes(&name)).or_insert_with(|| name.clone());
            assert_eq!(*other, name, "{}", of_bytes(&name));
            assert_eq!(name_of_shown(&of_bytes(&name)), name, "{}", of_bytes(&name));
        }
    }
}
