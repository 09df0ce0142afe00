//! What attributes and texts hold, by the types of the schema, and in those that it leaves open by what the policy compiler reads.

use crate::hex;
use crate::options::OPTIONS;
use crate::options::OTHER_OPTIONS;
use crate::time;
use crate::version::FileVersion;

/// A kind of value.
#[derive(Clone, Copy)]
pub(super) enum Value {
    /// Any text.
    Any,
    /// Pairs of hexadecimal digits, for so many bytes if it says so.
    Hex(Option<usize>),
    /// Four numbers up to 65535. The schema's own pattern takes any character for a point.
    Version,
    /// A GUID in braces.
    Guid,
    /// `true`, `false`, `1` or `0`.
    Boolean,
    /// A number up to this.
    Number(u64),
    /// A date and time that the binary form can hold.
    Time,
    /// The name of something, as web addresses are written.
    Uri,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The name of a policy option.
    Option,
    /// An id that starts so, and has so many characters at least.
    Id(&'static [&'static str], usize),
    /// Ids of scenarios, a comma after each.
    ScenarioIds,
    /// The id of a macro.
    MacroId,
    /// What a macro stands for.
    MacroText,
    /// Macros, or the name of an application.
    AppIds,
}

impl Value {
    /// What to write instead of a text that this kind of value does not take.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        let wanted = |holds: bool, wanted: &str| {
            if holds {
                Ok(())
            } else {
                Err(format!("write {wanted}"))
            }
        };
        match self {
            Self::Any => Ok(()),
            Self::Hex(None) => wanted(hex::decode(trim(text)).is_some(), "pairs of hexadecimal digits"),
            Self::Hex(Some(bytes)) => match hex::decode(trim(text)) {
                Some(found) if found.len() == bytes => Ok(()),
                _ => Err(format!("write {} hexadecimal digits", 2 * bytes)),
            },
            Self::Version => wanted(
                text.parse::<FileVersion>().is_ok(),
                "four numbers up to 65535, as in 10.0.0.0, and nothing around them",
            ),
            Self::Guid => wanted(
                is_guid(text),
                "a GUID in braces, as in {12345678-1234-1234-1234-123456789012}",
            ),
            Self::Boolean => wanted(boolean(text).is_some(), "true or false"),
            Self::Number(most) => match number(text) {
                Some(number) if number <= most => Ok(()),
                _ => Err(format!("write a number from 0 to {most}")),
            },
            Self::Time => wanted(
                time::parse(text).is_some(),
                "a time from 1601 to 9999 such as 2024-01-31T00:00:00Z",
            ),
            Self::Uri => wanted(is_uri(trim(text)), "a name as in a web address"),
            Self::OneOf([one]) => wanted(*one == text, &format!("\"{one}\", or leave it out")),
            Self::OneOf(words) => wanted(
                words.contains(&text),
                &format!("one of \"{}\"", words.join("\", \"")),
            ),
            Self::Option => option(text),
            Self::Id(prefixes, least) => {
                let holds = is_id(text, prefixes) && text.len() >= least;
                let length = if least > 0 {
                    format!(", {least} characters at least")
                } else {
                    String::new()
                };
                let form = format!(
                    "{}, then a capital letter, then capital letters, digits and _{length}",
                    prefixes.join(" or ")
                );
                wanted(holds, &form)
            }
            Self::ScenarioIds => wanted(
                scenario_ids(text),
                "ids that start with ID_SIGNINGSCENARIO_, a comma between them and no blank",
            ),
            Self::MacroId => wanted(
                is_macro_id(text),
                "a letter or _, then letters, digits, _ and points",
            ),
            Self::MacroText => wanted(
                text.chars().all(is_macro_text),
                "letters, digits, blanks and the signs -_!@#%&^.,;:=+~`'{}()[]$\\",
            ),
            Self::AppIds => wanted(
                is_app_ids(text),
                "macros as in $(One)$(Two), or a name that does not start with $",
            ),
        }
    }
}

/// A text without the blanks around it that XML takes away from numbers and the like.
pub(in crate::xml) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

/// A truth value.
pub(in crate::xml) fn boolean(text: &str) -> Option<bool> {
    match trim(text) {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A number that is not negative. A sign is allowed, as XML's types have it.
pub(in crate::xml) fn number(text: &str) -> Option<u64> {
    let text = trim(text);
    let (digits, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    // A second sign would be taken by the parser.
    let number = Some(digits).filter(|digits| digits.starts_with(|first: char| first.is_ascii_digit()));
    let number = number?.parse().ok()?;
    (!negative || number == 0).then_some(number)
}

fn is_guid(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let Some(inner) = inner else {
        return false;
    };
    let lengths = inner.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    lengths && inner.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// Whether a text is an id: one of these, a capital letter, and capital letters, digits and `_`.
fn is_id(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        let Some(rest) = text.strip_prefix(prefix) else {
            return false;
        };
        rest.starts_with(|first: char| first.is_ascii_uppercase())
            && rest
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit())
    })
}

fn scenario_ids(text: &str) -> bool {
    let ids = text.strip_suffix(',').unwrap_or(text);
    !ids.is_empty() && ids.split(',').all(|id| is_id(id, &["ID_SIGNINGSCENARIO_"]))
}

fn is_macro_id(text: &str) -> bool {
    text.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'_' | b'.') || byte.is_ascii_alphanumeric())
}

fn is_macro_text(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_!@#%&^.,;:=+~`'{}()[]$ \\".contains(character)
}

fn is_app_ids(text: &str) -> bool {
    if !text.starts_with('$') {
        let mut characters = text.chars();
        return characters.next().is_some() && characters.all(is_macro_text);
    }
    let mut rest = text;
    while let Some((id, after)) = rest.strip_prefix("$(").and_then(|inner| inner.split_once(')')) {
        if !is_macro_id(id) {
            return false;
        }
        rest = after;
    }
    rest.is_empty()
}

/// Whether a text could be an address: its scheme, escapes, fragment and bracketed host are as addresses have them.
fn is_uri(text: &str) -> bool {
    let escaped = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(escaped) {
        return false;
    }
    let mut parts = text.splitn(2, '#');
    let (address, fragment) = (parts.next().unwrap_or_default(), parts.next());
    if fragment.is_some_and(|fragment| fragment.contains('#')) {
        return false;
    }
    let first = address.split(['/', '?']).next().unwrap_or_default();
    let Some((scheme, _)) = first.split_once(':') else {
        return true;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn option(text: &str) -> Result<(), String> {
    let mut known = OPTIONS.iter().map(|option| option.name).chain(OTHER_OPTIONS);
    if known.clone().any(|name| name == text) {
        return Ok(());
    }
    let near = known.find(|name| squeeze(name) == squeeze(text));
    let hint = near.unwrap_or("one of the names of the SiPolicy schema");
    Err(format!("that is no policy option; write {hint}"))
}

/// A name without blanks and case, to find the one that was meant.
fn squeeze(text: &str) -> String {
    let kept = text.chars().filter(|character| !character.is_whitespace());
    kept.map(|character| character.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::Value;
    use super::number;

    #[test]
    fn numbers_are_read_as_the_types_of_xml_have_them() {
        for (text, wanted) in [
            ("0", Some(0)),
            (" +2\n", Some(2)),
            ("-0", Some(0)),
            ("000131", Some(131)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("+-1", None),
            ("++1", None),
            ("+", None),
            ("", None),
            ("1 2", None),
            ("\u{a0}1", None),
            ("0x1", None),
        ] {
            assert_eq!(number(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn values_are_taken_by_their_kinds() {
        let cases: [(Value, &[&str], &[&str]); 10] = [
            (
                Value::Version,
                &["1.0.0.0", "01.002.0.65535"],
                &[
                    " 1.0.0.0",
                    "1.0.0.0 ",
                    "+1.0.0.0",
                    "1.0.0",
                    "1.0.0.65536",
                    "1.0.0.0.0",
                    "1..0.0",
                    "\u{661}.0.0.0",
                ],
            ),
            (
                Value::Guid,
                &["{12345678-1234-1234-1234-1234567890aB}"],
                &[
                    "12345678-1234-1234-1234-123456789012",
                    "{12345678-1234-1234-1234-123456789012",
                    "(12345678-1234-1234-1234-123456789012)",
                    "{1234567-81234-1234-1234-123456789012}",
                    " {12345678-1234-1234-1234-123456789012}",
                    "{12345678-1234-1234-1234-12345678901G}",
                ],
            ),
            (
                Value::Boolean,
                &["true", "false", "1", "0", " true "],
                &["True", "yes", "", "TRUE"],
            ),
            (
                Value::Hex(None),
                &["", "0aF0", " 00\n"],
                &["0", "0g", "00 00", "\u{a0}00"],
            ),
            (
                Value::Id(&["ID_FILE_", "ID_FILEATTRIB_"], 10),
                &["ID_FILE_AB", "ID_FILEATTRIB_A"],
                &[
                    "ID_FILE_A",
                    "ID_FILE_",
                    "ID_FILE_1B",
                    "ID_FILE_aB",
                    "id_file_AB",
                    "ID_FILE_A-B",
                    "ID_DENY_AB",
                    " ID_FILE_AB",
                ],
            ),
            (
                Value::ScenarioIds,
                &[
                    "ID_SIGNINGSCENARIO_A",
                    "ID_SIGNINGSCENARIO_A,ID_SIGNINGSCENARIO_B,",
                ],
                &[
                    "",
                    ",",
                    "ID_SIGNINGSCENARIO_A, ID_SIGNINGSCENARIO_B",
                    ",ID_SIGNINGSCENARIO_A",
                    "ID_SIGNINGSCENARIO_A,,",
                ],
            ),
            (
                Value::MacroId,
                &["_", "a.b_1"],
                &["", "1a", ".a", "a b", "\u{e9}"],
            ),
            (
                Value::MacroText,
                &["", "a b\\c"],
                &["a/b", "\u{e9}", "a\"b", "a\nb"],
            ),
            (
                Value::AppIds,
                &["$(One)$(Two)", "name", "\u{e9}x"],
                &["", "$x", "$(One)x", "$()", "$(One", "n/x"],
            ),
            (
                Value::Uri,
                &["", "m", "a:b", "a\\b", "x%20y", "a#b", "a/b:c"],
                &["%zz", "a%2", "#a#b", ":", "1:x", "%"],
            ),
        ];
        for (value, right, wrong) in cases {
            for text in right {
                assert_eq!(value.check(text), Ok(()), "{text:?}");
            }
            for text in wrong {
                assert!(value.check(text).is_err(), "{text:?}");
            }
        }
    }
}
