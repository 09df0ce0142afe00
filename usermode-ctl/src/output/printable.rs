//! Text without characters that steer how a terminal shows what follows, or that are not seen at all.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with such characters as `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, is_unprintable, |shown, character| {
        shown.extend(character.escape_unicode());
    })
}

/// As [`printable`], for text of several lines.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    let is_in_line = |character| is_unprintable(character) && character != '\n';
    escaped(text, is_in_line, |shown, character| {
        shown.extend(character.escape_unicode());
    })
}

/// XML with such characters as `&#x85;`, which a reader takes for the characters. Those that XML's own layout is made of stay.
pub fn printable_xml(text: &str) -> Cow<'_, str> {
    let is_text = |character| is_unprintable(character) && !matches!(character, '\t' | '\n' | '\r');
    escaped(text, is_text, |shown, character| {
        // Writing to a string does not fail.
        let _ = write!(shown, "&#x{:X};", u32::from(character));
    })
}

/// JSON with everything but printable ASCII as `\u001b`, which a reader takes for the characters. So it also comes whole through Windows
/// PowerShell, which reads what programs write in whatever code page the console has.
pub fn ascii_json(text: &str) -> Cow<'_, str> {
    let is_not_ascii = |character| !matches!(character, ' '..='~');
    escaped(text, is_not_ascii, |shown, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

fn escaped(text: &str, must_be: impl Fn(char) -> bool, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.chars().any(&must_be) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if must_be(character) {
            escape(&mut shown, character);
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character is a control, separates lines, orders text from right to left, stands for what could not be read, or is not to
/// be seen at all.
///
/// Source: Unicode 17, categories Cc, Zl and Zp, the properties `Bidi_Control` and `Default_Ignorable_Code_Point`, and the specials of
/// U+FFF0 and on.
fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{ffff}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_drive_the_terminal() {
        assert_eq!(printable("plain Zürich 鍵"), "plain Zürich 鍵");
        assert_eq!(printable("a\u{1b}[2Jb\n"), r"a\u{1b}[2Jb\u{a}");
        assert_eq!(printable("gnp\u{202e}sys"), r"gnp\u{202e}sys");
        assert_eq!(printable_lines("a\u{7f}\nb"), "a\\u{7f}\nb");
        assert_eq!(
            printable_xml("<a b=\"\u{9b}&amp;\"/>\n"),
            "<a b=\"&#x9B;&amp;\"/>\n"
        );
    }

    /// Every character there is, through every way out.
    #[test]
    fn nothing_that_steers_is_left_and_nothing_is_lost() {
        let named = |character: char| {
            matches!(character, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
        };
        for character in '\0'..=char::MAX {
            let text = String::from(character);
            let shown = printable(&text);
            assert!(!shown.contains(named), "{:x}", u32::from(character));
            assert_eq!(printable(&shown), shown, "what is printable stays");
            if !matches!(character, '\t' | '\n' | '\r') {
                assert!(
                    !printable_xml(&text).contains(named),
                    "{:x}",
                    u32::from(character)
                );
            }
            let json = serde_json::to_string(&text).expect("text");
            let json = ascii_json(&json);
            assert!(json.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(text));
        }
    }
}
