//! Comparing names as App Control does: ordinal, ignoring case.

use evidence::Text;

/// The upper case of a character, as Windows' ordinal comparison that ignores case (`RtlUpcaseUnicodeString`) sees it.
///
/// Windows maps each UTF-16 unit by itself to one other: no character becomes several (`ß` stays), none outside the
/// basic plane has a case, and no other letter becomes an ASCII one (`ı`, `ſ` stay; the Kelvin sign is an upper case letter of
/// its own, so that `k` is not it). The map is Unicode's simple one, with the differences that Microsoft's published
/// table has (the recommended up-case table of the exFAT specification, which covers Unicode 5.0). Letters that Unicode gave a
/// case to later are mapped here and not by that table; whether a given Windows does is the one thing left open.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    match character {
        // Letters that are a form of another one, and title-case digraphs: left alone by the table.
        '\u{b5}'
        | '\u{1c5}'
        | '\u{1c8}'
        | '\u{1cb}'
        | '\u{1f2}'
        | '\u{345}'
        | '\u{3d0}'
        | '\u{3d1}'
        | '\u{3d5}'
        | '\u{3d6}'
        | '\u{3f0}'
        | '\u{3f1}'
        | '\u{3f5}'
        | '\u{1e9b}'
        | '\u{1fbe}'
        | '\u{10000}'.. => character,
        // Greek vowels with iota subscript: paired with their title case.
        '\u{1f80}'..='\u{1faf}' => moved(character, u32::from(character) | 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => moved(character, u32::from(character).saturating_add(9)),
        _ => {
            let mut upper = character.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(only), None) if !only.is_ascii() => only,
                _ => character,
            }
        }
    }
}

fn moved(character: char, to: u32) -> char {
    char::from_u32(to).unwrap_or(character)
}

/// Hands on the [`blocks`] of a text that is all ASCII; says whether it is, which does not depend on its case.
#[inline]
fn ascii_blocks(text: Text<'_>, mut visitor: impl FnMut(u64)) -> bool {
    let bytes = match text {
        Text::Utf8(text) => text.as_bytes(),
        Text::Latin1(bytes) => bytes,
        Text::Utf16Le(bytes) => return wide_blocks(bytes, |[low, high]| (low, high), visitor),
        Text::Utf16Be(bytes) => return wide_blocks(bytes, |[high, low]| (low, high), visitor),
        Text::Utf32Be(bytes) => {
            let (units, _) = bytes.as_chunks::<4>();
            let is_ascii = units.iter().all(|unit| u32::from_be_bytes(*unit) < 0x80);
            if is_ascii {
                blocks(units, |[.., last]| last, &mut visitor);
            }
            return is_ascii;
        }
    };
    if !bytes.is_ascii() {
        return false;
    }
    blocks(bytes, |byte| byte, &mut visitor);
    true
}

/// As [`ascii_blocks`], of UTF-16 whose units `split` takes apart into low and high byte.
#[inline]
fn wide_blocks(bytes: &[u8], split: impl Fn([u8; 2]) -> (u8, u8), mut visitor: impl FnMut(u64)) -> bool {
    let (units, _) = bytes.as_chunks::<2>();
    let other = units.iter().fold(0, |other, unit| {
        let (low, high) = split(*unit);
        other | high | (low & 0x80)
    });
    if other != 0 {
        return false;
    }
    blocks(units, |unit| split(unit).0, &mut visitor);
    true
}

/// Hands on ASCII characters eight at a time, in upper case: the last eight once more if there are some left over, or
/// the fewer than eight there are followed by zeros.
#[inline]
fn blocks<T: Copy>(characters: &[T], byte: impl Fn(T) -> u8, visitor: &mut impl FnMut(u64)) {
    let (whole, rest) = characters.as_chunks::<8>();
    for block in whole {
        visitor(upper_block(block.map(&byte)));
    }
    if rest.is_empty() {
        return;
    }
    if let Some(last) = characters.last_chunk::<8>() {
        visitor(upper_block(last.map(&byte)));
    } else {
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = byte(*from);
        }
        visitor(upper_block(last));
    }
}

/// Eight ASCII characters in upper case.
#[inline]
fn upper_block(block: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let block = u64::from_le_bytes(block);
    // The top bit of each byte: whether it is `a` or more, and whether it is more than `z`. No byte carries into the next.
    let from_a = block.wrapping_add(ONES.wrapping_mul(0x80 - 0x61));
    let after_z = block.wrapping_add(ONES.wrapping_mul(0x80 - 0x7b));
    let lower = from_a & !after_z & ONES.wrapping_mul(0x80);
    block ^ (lower >> 2)
}

/// Whether a text folds to this already folded one.
pub(crate) fn folds_to(text: Text<'_>, folded: &str) -> bool {
    let bytes = match text {
        Text::Utf8(text) => text.as_bytes(),
        Text::Latin1(bytes) => bytes,
        Text::Utf16Le(bytes) => return wide_folds_to(text, bytes, |[low, high]| (low, high), folded),
        Text::Utf16Be(bytes) => return wide_folds_to(text, bytes, |[high, low]| (low, high), folded),
        Text::Utf32Be(_) => return text.chars().map(fold).eq(folded.chars()),
    };
    // What folds to ASCII is ASCII. The file's text may be long: no more of it is looked at than the rule's is long.
    if folded.is_ascii() {
        return bytes.eq_ignore_ascii_case(folded.as_bytes());
    }
    text.chars().map(fold).eq(folded.chars())
}

/// As [`folds_to`], of UTF-16 whose units `split` takes apart into low and high byte.
#[inline]
fn wide_folds_to(text: Text<'_>, bytes: &[u8], split: impl Fn([u8; 2]) -> (u8, u8), folded: &str) -> bool {
    let (units, _) = bytes.as_chunks::<2>();
    if !folded.is_ascii() {
        return text.chars().map(fold).eq(folded.chars());
    }
    // What folds to ASCII is ASCII.
    units.len() == folded.len()
        && units.iter().zip(folded.bytes()).all(|(unit, wanted)| {
            let (low, high) = split(*unit);
            high == 0 && low.to_ascii_uppercase() == wanted
        })
}

const START: u64 = 0xcbf2_9ce4_8422_2325;
const MIX: u64 = 0xd6e8_feb8_6659_fd93;

#[inline]
fn feed(key: u64, value: u64) -> u64 {
    // One multiplication for eight bytes: keys need no strength, because every match is compared in full.
    let mixed = (key ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 32)
}

#[inline]
fn feed_text(key: u64, text: Text<'_>) -> u64 {
    let mut fed = key;
    if ascii_blocks(text, |block| fed = feed(fed, block)) {
        return fed;
    }
    text.chars().fold(key, |key, character| {
        feed(key, u64::from(u32::from(fold(character))))
    })
}

/// The key under which rules that go by this name are found; never 0, which is the key of rules that go by no name.
pub fn name_key(kind: usize, text: Text<'_>) -> u32 {
    let kind = u64::try_from(kind).unwrap_or(u64::MAX);
    let mixed = feed_text(feed(START, kind), text).wrapping_mul(MIX) >> 32;
    u32::try_from(mixed).unwrap_or(u32::MAX).max(1)
}

/// The part of a [`signer_key`](crate::bucket_index::signer_key) that stands for a name; never 0.
pub fn text_key(text: Text<'_>) -> u64 {
    feed_text(START, text).wrapping_mul(MIX).max(1)
}

#[cfg(test)]
mod tests {
    use super::fold;
    use super::folds_to;
    use super::name_key;
    use super::text_key;
    use crate::bucket_index::signer_key;
    use evidence::Text;
    extern crate std;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn case_is_ignored_in_every_encoding_but_letters_never_turn_ascii() {
        assert!(folds_to(Text::Utf16Le(b"n\0V\0i\0"), "NVI"));
        assert!(folds_to(Text::Utf16Be(b"\0n\0v\0i"), "NVI"));
        assert!(folds_to(Text::Latin1(b"\xe9t\xe9"), "\u{c9}T\u{c9}"));
        assert!(folds_to(Text::Utf8("stra\u{df}e \u{e4}"), "STRA\u{df}E \u{c4}"));
        assert!(!folds_to(Text::Utf8("NVIDIA"), "NVI"));
        assert!(!folds_to(Text::Utf8("NV"), "NVI"));
        assert!(!folds_to(Text::Utf16Le(b"N\0V\0I\x01"), "NVI"));
        assert!(!folds_to(Text::Utf8("ntkrnlmp.e\u{17f}e"), "NTKRNLMP.ESE"));
    }

    /// Whether two names are the same to Windows' ordinal comparison.
    fn same(one: &str, other: &str) -> bool {
        let folded: String = other.chars().map(fold).collect();
        folds_to(Text::Utf8(one), &folded)
    }

    #[test]
    fn letters_are_mapped_one_by_one_as_windows_does() {
        // One letter never becomes two, nor a letter of another alphabet.
        assert!(!same("stra\u{df}e.sys", "strasse.sys"));
        assert!(!same("stra\u{df}e.sys", "stra\u{1e9e}e.sys"));
        assert!(!same("\u{131}.sys", "i.sys"));
        assert!(!same("\u{130}.sys", "i.sys"));
        assert!(!same("\u{212a}.sys", "k.sys"));
        assert!(!same("\u{fb01}.sys", "fi.sys"));
        assert!(!same("\u{b5}.sys", "\u{3bc}.sys"));
        // Both small sigmas have the one capital; so Windows takes them for the same.
        assert!(same("\u{3c2}.sys", "\u{3c3}.sys"));
        assert!(same("\u{3c2}.sys", "\u{3a3}.SYS"));
        assert!(same("\u{1f80}", "\u{1f88}") && same("\u{1fc3}", "\u{1fcc}"));
        assert!(same("\u{444}\u{438}\u{43b}", "\u{424}\u{418}\u{41b}"));
        // A letter that takes two units has no case.
        assert!(!same("\u{10428}", "\u{10400}"));
    }

    #[test]
    fn folding_twice_is_folding_once_and_ascii_stays_apart() {
        for character in '\0'..=char::MAX {
            let folded = fold(character);
            assert_eq!(fold(folded), folded, "{character:?}");
            assert_eq!(folded.is_ascii(), character.is_ascii(), "{character:?}");
        }
    }

    #[test]
    fn keys_depend_on_the_text_and_its_kind_not_on_encoding_or_case() {
        for name in [
            "a.sys",
            "exactly8",
            "a longer name.sys",
            "gr\u{f6}\u{df}e.sys",
            "",
        ] {
            let little: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = name.encode_utf16().flat_map(u16::to_be_bytes).collect();
            let upper: String = name.chars().map(fold).collect();
            let key = name_key(0, Text::Utf8(&upper));
            let widest: Vec<u8> = name
                .chars()
                .flat_map(|character| u32::from(character).to_be_bytes())
                .collect();
            let all = [
                Text::Utf8(name),
                Text::Utf16Le(&little),
                Text::Utf16Be(&big),
                Text::Utf32Be(&widest),
            ];
            for text in all {
                assert_eq!(name_key(0, text), key, "{name}");
                assert_ne!(name_key(1, text), key, "{name}");
                assert!(folds_to(text, &upper), "{name}");
            }
        }
        assert_eq!(
            name_key(0, Text::Latin1(b"\xe9")),
            name_key(0, Text::Utf8("\u{c9}"))
        );
        let (a, b) = (text_key(Text::Utf8("a")), text_key(Text::Utf8("b")));
        let keys = [(a, b), (b, a), (a, 0), (0, a), (0, 0)].map(|(one, two)| signer_key(9, one, two));
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{keys:?}");
        }
    }
}
