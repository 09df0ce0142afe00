//! The fields that the binary form is made of: numbers, counts, blobs, strings and indexes.

use super::Reader;
use crate::document::Position;
use crate::error::ReadError;
use crate::guid::Guid;

impl<'b> Reader<'b> {
    pub(super) fn position(&self) -> Position {
        Position {
            line: 0,
            column: u32::try_from(self.at).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ReadError {
        ReadError {
            place: self.document.place(self.position()),
            message: message.into(),
        }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'b [u8], ReadError> {
        let taken = self
            .at
            .checked_add(length)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| self.error("the binary policy ends here; it was cut off or is not a policy"))?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| self.error("the binary policy ends here"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn guid(&mut self) -> Result<Guid, ReadError> {
        Ok(Guid(self.array()?))
    }

    /// A count of entries of at least `least` bytes each, which must have room in what is left.
    pub(super) fn count(&mut self, least: usize) -> Result<usize, ReadError> {
        let start = self.at;
        let count = self.u32()? as usize;
        self.check_count(count, least, start)
    }

    pub(super) fn check_count(&self, count: usize, least: usize, at: usize) -> Result<usize, ReadError> {
        let room = self.bytes.len().saturating_sub(self.at);
        if count.checked_mul(least).is_none_or(|length| length > room) {
            return Err(ReadError {
                place: self.document.place(Position {
                    line: 0,
                    column: u32::try_from(at).unwrap_or(u32::MAX),
                }),
                message: format!("a count of {count} has no room in the rest of the policy; it is damaged"),
            });
        }
        Ok(count)
    }

    pub(super) fn blob(&mut self) -> Result<Vec<u8>, ReadError> {
        let length = self.u32()? as usize;
        let blob = self.take(length)?.to_vec();
        let padding = length.next_multiple_of(4) - length;
        if self.take(padding)?.iter().any(|byte| *byte != 0) {
            return Err(self.error("padding is not zero; the policy is damaged"));
        }
        Ok(blob)
    }

    /// A string; `None` if empty.
    pub(super) fn string(&mut self) -> Result<Option<String>, ReadError> {
        let start = self.position();
        let blob = self.blob()?;
        if self.u32()? != 0 {
            return Err(self.error("a string is not closed by zero; the policy is damaged"));
        }
        let (pairs, rest) = blob.as_chunks::<2>();
        let text =
            char::decode_utf16(pairs.iter().copied().map(u16::from_le_bytes)).collect::<Result<String, _>>();
        // What XML cannot hold no tool has written; leaving it out would change what a rule says.
        let odd = |text: &str| {
            text.chars()
                .any(|found| matches!(found, '\0'..'\t' | '\u{b}' | '\u{c}' | '\u{e}'..' ' | '\u{fffe}' | '\u{ffff}'))
        };
        match text {
            Ok(text) if odd(&text) => Err(ReadError {
                place: self.document.place(start),
                message: "a string holds control characters; the policy is damaged".to_owned(),
            }),
            Ok(text) if rest.is_empty() => Ok((!text.is_empty()).then_some(text)),
            _ => Err(ReadError {
                place: self.document.place(start),
                message: "a string is not UTF-16; the policy is damaged".to_owned(),
            }),
        }
    }

    pub(super) fn index(&mut self, below: usize, what: &str) -> Result<usize, ReadError> {
        let position = self.position();
        let index = self.u32()? as usize;
        if index < below {
            Ok(index)
        } else {
            Err(ReadError {
                place: self.document.place(position),
                message: format!("there is no {what} number {index}; the policy is damaged"),
            })
        }
    }
}
