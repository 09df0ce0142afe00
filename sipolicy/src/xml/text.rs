//! The text of a document, and the lines and columns of what stands in it.

use crate::document::Position;

/// Whether a text that is no document would be one inside a root element: parts of a policy, or a policy with text after it.
pub(super) fn is_fragment(text: &str) -> bool {
    let declared = text.trim_start().strip_prefix("<?xml");
    let body = declared
        .and_then(|rest| Some(rest.split_once("?>")?.1))
        .unwrap_or(text);
    let wrapped = format!("<fragment>{body}</fragment>");
    body.trim_start().starts_with('<') && roxmltree::Document::parse(&wrapped).is_ok()
}

/// The encoding that a document says it is in, if its bytes cannot be told from UTF-8 and mean something else.
pub(super) fn foreign_encoding(text: &str) -> Option<&str> {
    let declaration = text.strip_prefix("<?xml")?.split_once("?>")?.0;
    let quoted = declaration
        .split_once("encoding")?
        .1
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let quote = quoted
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))?;
    let name = quoted.get(1..)?.split(quote).next()?;
    let known = [
        "utf-8", "utf8", "utf-16", "utf-16le", "utf-16be", "us-ascii", "unicode",
    ];
    let known = known.iter().any(|known| name.eq_ignore_ascii_case(known));
    (!known && !text.is_ascii()).then_some(name)
}

/// As many attributes an element may have, and so deep elements may stand in one another: policies have 17 and 8 at most.
pub(super) const MAX_CROWD: usize = 64;

/// Where a document has more attributes in one element, or elements deeper in one another, than [`MAX_CROWD`]: the parser would
/// compare each with each. Of a document that is not well-formed the parser tells.
pub(super) fn crowd(text: &str) -> Option<usize> {
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(start) = text.get(at..)?.find('<').map(|found| at + found) {
        let rest = text.get(start..)?;
        let aside = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")];
        if let Some((opening, closing)) = aside.into_iter().find(|(opening, _)| rest.starts_with(opening)) {
            at = start + opening.len() + rest.get(opening.len()..)?.find(closing)? + closing.len();
            continue;
        }
        let mut quote = None;
        let mut attributes = 0;
        let end = rest.bytes().position(|byte| match (quote, byte) {
            (Some(open), _) => {
                quote = Some(open).filter(|open| *open != byte);
                false
            }
            (None, b'"' | b'\'') => {
                quote = Some(byte);
                attributes += 1;
                attributes > MAX_CROWD
            }
            _ => byte == b'>',
        })?;
        let tag = rest.get(..end)?;
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with('/') {
            depth += 1;
        }
        if attributes > MAX_CROWD || depth > MAX_CROWD {
            return Some(start);
        }
        at = start + end;
    }
    None
}

/// So many bytes are counted anew for a place.
const BLOCK: usize = 1024;

/// Finds line and column of a byte without walking the text, or a line of it, from its start each time.
pub(super) struct LineIndex<'t> {
    text: &'t [u8],
    starts: Vec<usize>,
    /// Characters before each block.
    characters: Vec<usize>,
}

/// How many characters start in these bytes of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl<'t> LineIndex<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let text = text.as_bytes();
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        let counts = text.chunks(BLOCK).scan(0, |before, block| {
            let so_far = *before;
            *before += characters(block);
            Some(so_far)
        });
        Self {
            text,
            starts,
            characters: counts.collect(),
        }
    }

    fn characters_before(&self, at: usize) -> usize {
        let block = at / BLOCK;
        let rest = self.text.get(block * BLOCK..at).unwrap_or_default();
        self.characters.get(block).copied().unwrap_or_default() + characters(rest)
    }

    pub(super) fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.characters_before(at) - self.characters_before(start);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            column: number(column + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LineIndex;
    use super::crowd;
    use super::foreign_encoding;

    #[test]
    fn lines_and_columns_are_counted_in_characters_however_long_a_line_is() {
        let text = format!("a\n{}x\n\u{e9}y", "\u{e9}\u{1f600}-".repeat(3000));
        let lines = LineIndex::new(&text);
        let mut wanted = (1, 1);
        for (at, character) in text.char_indices() {
            let found = lines.position(at);
            assert_eq!((found.line, found.column), wanted, "{at}");
            wanted = if character == '\n' {
                (wanted.0 + 1, 1)
            } else {
                (wanted.0, wanted.1 + 1)
            };
        }
        assert_eq!(wanted, (3, 3));
    }

    #[test]
    fn many_attributes_and_deep_elements_are_found_before_they_are_parsed() {
        let attributes = |number: usize| {
            let attributes: Vec<String> = (0..number).map(|at| format!("a{at}='>' ")).collect();
            format!(
                "<?x a='1'?><!-- <b> --><a><![CDATA[<c>]]><b/><b {}/></a>",
                attributes.concat()
            )
        };
        assert_eq!(crowd(&attributes(64)), None);
        assert_eq!(crowd(&attributes(65)), attributes(65).find("<b a0"));
        let deep = |number: usize| "<a>".repeat(number) + "<b/>" + &"</a>".repeat(number);
        assert_eq!(crowd(&deep(64)), None);
        assert_eq!(crowd(&deep(65)), Some(64 * 3));
        assert_eq!(crowd(&"<a></a><b/>".repeat(1000)), None);
        for broken in ["<", "<a", "<a b='", "<!--", "a", ""] {
            assert_eq!(crowd(broken), None, "{broken}");
        }
    }

    #[test]
    fn an_encoding_that_is_not_read_is_told_only_where_it_matters() {
        let with = |encoding: &str, rest: &str| format!("<?xml version=\"1.0\" encoding={encoding}?>{rest}");
        for (encoding, rest, foreign) in [
            ("'windows-1252'", "<a>\u{e9}</a>", Some("windows-1252")),
            ("\"iso-8859-1\"", "<a>\u{e9}</a>", Some("iso-8859-1")),
            ("\"iso-8859-1\"", "<a>e</a>", None),
            ("\"UTF-8\"", "<a>\u{e9}</a>", None),
            ("\"utf-16\"", "<a>\u{e9}</a>", None),
        ] {
            assert_eq!(foreign_encoding(&with(encoding, rest)), foreign, "{encoding}");
        }
        assert_eq!(foreign_encoding("<a encoding=\"x\">\u{e9}</a>"), None);
    }
}
