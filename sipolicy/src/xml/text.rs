//! The text of a document: its encoding, and the lines and columns of what stands in it.

use crate::document::Position;
use std::borrow::Cow;

/// Whether a text that is no document would be one inside a root element: parts of a policy, or a policy with text after it.
pub(super) fn is_fragment(text: &str) -> bool {
    let declared = text.trim_start().strip_prefix("<?xml");
    let body = declared
        .and_then(|rest| Some(rest.split_once("?>")?.1))
        .unwrap_or(text);
    let wrapped = format!("<fragment>{body}</fragment>");
    body.trim_start().starts_with('<') && roxmltree::Document::parse(&wrapped).is_ok()
}

/// The text of a document in UTF-8, or in UTF-16 with a byte order mark, as PowerShell writes it.
pub(super) fn decode(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let wide = |convert: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().copied().map(convert);
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .ok()
            .map(Into::into)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(Into::into),
    }
}

/// Finds line and column of a byte without walking the text from its start each time.
pub(super) struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    pub(super) fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        // Documents written on one line would make this quadratic.
        let column = if before.len() > 4096 {
            before.len()
        } else {
            before.chars().count()
        };
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            column: number(column + 1),
        }
    }
}
