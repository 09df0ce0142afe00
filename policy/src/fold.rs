//! Comparing names as App Control does: ordinal, ignoring case.

use core::ops::ControlFlow;
use evidence::Text;

/// The upper case of a character, as an ordinal comparison that ignores case sees it.
///
/// Windows' ordinal upper-case table maps one character to one; characters whose Unicode upper case is several, or is an ASCII
/// letter (`ı`, `ſ`), stay as they are. Taken from Unicode rather than from Windows' table; where the two differ for a name
/// in a real rule, this is the function to correct.
pub fn fold(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) if !only.is_ascii() => only,
        _ => character,
    }
}

/// Visits the folded characters of a text; ends early, with `false`, when the visitor breaks.
fn visit(text: Text<'_>, mut visitor: impl FnMut(char) -> ControlFlow<()>) -> bool {
    // The common encodings, when all is ASCII, without a decoder.
    match text {
        Text::Utf8(text) if text.is_ascii() => text
            .bytes()
            .try_for_each(|byte| visitor(char::from(byte.to_ascii_uppercase()))),
        Text::Utf16Le(bytes) if is_ascii_utf16(bytes) => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .try_for_each(|[low, _]| visitor(char::from(low.to_ascii_uppercase()))),
        _ => text.chars().try_for_each(|character| visitor(fold(character))),
    }
    .is_continue()
}

fn is_ascii_utf16(bytes: &[u8]) -> bool {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .all(|[low, high]| *high == 0 && *low < 0x80)
}

/// Whether a text folds to this already folded one.
pub(crate) fn folds_to(text: Text<'_>, folded: &str) -> bool {
    let mut rest = folded.chars();
    let same = visit(text, |character| {
        if rest.next() == Some(character) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    same && rest.next().is_none()
}

const START: u32 = 0x811c_9dc5;

fn feed(key: u32, value: u32) -> u32 {
    // FNV-1a by character: short, and keys need no strength because every match is compared in full.
    (key ^ value).wrapping_mul(0x0100_0193)
}

fn feed_text(key: u32, text: Text<'_>) -> u32 {
    let mut key = key;
    visit(text, |character| {
        key = feed(key, u32::from(character));
        ControlFlow::Continue(())
    });
    key
}

/// The key under which rules that go by this name are found; never 0, which is the key of rules that go by no name.
pub fn name_key(kind: usize, text: Text<'_>) -> u32 {
    let kind = u32::try_from(kind).unwrap_or(u32::MAX);
    spread(feed_text(feed(START, kind), text)).max(1)
}

/// The key under which signers with this publisher and OEM id are found; 0 for a signer that asks for neither.
pub fn names_key(publisher: Option<Text<'_>>, oem: Option<Text<'_>>) -> u32 {
    let mut key = START;
    match (publisher, oem) {
        (None, None) => return 0,
        (Some(publisher), None) => key = feed_text(feed(key, 1), publisher),
        (None, Some(oem)) => key = feed_text(feed(key, 2), oem),
        (Some(publisher), Some(oem)) => {
            key = feed_text(feed(key, 3), publisher);
            // No character is this large, so that no two pairs run together.
            key = feed_text(feed(key, u32::MAX), oem);
        }
    }
    spread(key).max(1)
}

/// Spreads a key over the high bits, by which buckets go.
fn spread(key: u32) -> u32 {
    let mixed = (key ^ (key >> 15)).wrapping_mul(0x2c1b_3c6d);
    mixed ^ (mixed >> 12)
}

#[cfg(test)]
mod tests {
    use super::fold;
    use super::folds_to;
    use super::name_key;
    use super::names_key;
    use evidence::Text;

    #[test]
    fn case_is_ignored_in_every_encoding_but_letters_never_turn_ascii() {
        assert!(folds_to(Text::Utf16Le(b"n\0V\0i\0"), "NVI"));
        assert!(folds_to(Text::Utf16Be(b"\0n\0v\0i"), "NVI"));
        assert!(folds_to(Text::Utf8("stra\u{df}e \u{e4}"), "STRA\u{df}E \u{c4}"));
        assert!(!folds_to(Text::Utf8("NVIDIA"), "NVI"));
        assert!(!folds_to(Text::Utf8("NV"), "NVI"));
        assert_eq!(fold('\u{131}'), '\u{131}');
        assert_eq!(fold('\u{17f}'), '\u{17f}');
        assert!(!folds_to(Text::Utf8("ntkrnlmp.e\u{17f}e"), "NTKRNLMP.ESE"));
    }

    #[test]
    fn keys_depend_on_the_text_and_its_kind_not_on_encoding_or_case() {
        let wide = Text::Utf16Le(b"a\0.\0s\0y\0s\0");
        assert_eq!(name_key(0, wide), name_key(0, Text::Utf8("A.SYS")));
        assert_ne!(name_key(0, wide), name_key(1, wide));
        assert_eq!(names_key(None, None), 0);
        let (a, b) = (Text::Utf8("a"), Text::Utf8("b"));
        assert_ne!(names_key(Some(a), Some(b)), names_key(Some(b), Some(a)));
        assert_ne!(names_key(Some(a), None), names_key(None, Some(a)));
    }
}
