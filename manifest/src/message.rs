//! Messages: their numbers, and the table that `FormatMessage` reads (`MESSAGE_RESOURCE_DATA`).

use std::collections::BTreeMap;

use crate::blob::Blob;
use crate::blob::length;
use crate::blob::terminated;

/// In place of a number: there is no message.
pub const NONE: u32 = u32::MAX;
/// `MESSAGE_RESOURCE_UNICODE`.
const UNICODE: u16 = 1;

/// What messages are about; mc.exe numbers them so.
#[derive(Clone, Copy, Debug)]
pub enum About {
    /// The keyword of this bit, from 0.
    Keyword(u32),
    /// The level of this number.
    Level(u8),
    /// The task of this number.
    Task(u16),
    /// The provider.
    Provider,
    /// The event of this number and version.
    Event(u16, u8),
}

impl About {
    fn number(self) -> u32 {
        match self {
            Self::Keyword(bit) => 0x1000_0001 + bit,
            Self::Level(value) => 0x5000_0000 | u32::from(value),
            Self::Task(value) => 0x7000_0000 | u32::from(value),
            Self::Provider => 0x9000_0001,
            Self::Event(id, version) => 0xb000_0000 | u32::from(version) << 16 | u32::from(id),
        }
    }
}

/// Messages by number.
#[derive(Default)]
pub struct Messages(BTreeMap<u32, String>);

impl Messages {
    /// Adds a message, if there is one; its number, or [`NONE`].
    pub fn add(&mut self, about: About, text: Option<&str>) -> u32 {
        let Some(text) = text else { return NONE };
        let number = about.number();
        self.0.insert(number, text.to_owned());
        number
    }

    /// The table: blocks of messages whose numbers follow each other, then the texts.
    pub fn table(&self) -> Vec<u8> {
        let mut blocks: Vec<(u32, u32)> = Vec::new();
        for number in self.0.keys().copied() {
            match blocks.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
                _ => blocks.push((number, number)),
            }
        }
        let mut table = Blob::default();
        table.dword(length(blocks.len()));
        let mut texts = 4 + 12 * length(blocks.len());
        for (first, last) in blocks {
            table.dword(first);
            table.dword(last);
            table.dword(texts);
            let block = self.0.range(first..=last);
            texts += block.map(|(_, text)| length(entry(text).len())).sum::<u32>();
        }
        for text in self.0.values() {
            table.bytes(&entry(text));
        }
        table.finish()
    }
}

/// A text as it stands in the table: its length, its kind, and the line, ended by a null and padded.
fn entry(text: &str) -> Vec<u8> {
    let units: Vec<u16> = terminated(&format!("{text}\r\n")).collect();
    let size = (4 + 2 * units.len()).next_multiple_of(4);
    let mut entry = Blob::default();
    entry.word(u16::try_from(size).expect("document.rs limits texts"));
    entry.word(UNICODE);
    entry.units(units);
    entry.align(4);
    entry.finish()
}

#[cfg(test)]
mod tests {
    use super::About;
    use super::Messages;

    #[test]
    fn numbers_that_follow_each_other_share_a_block() {
        let mut messages = Messages::default();
        assert_eq!(messages.add(About::Event(0x0c05, 1), Some("ab")), 0xb001_0c05);
        assert_eq!(messages.add(About::Keyword(1), Some("two")), 0x1000_0002);
        assert_eq!(messages.add(About::Keyword(0), Some("one")), 0x1000_0001);
        assert_eq!(messages.add(About::Task(3), None), u32::MAX);
        let table = messages.table();
        let number = |at: usize| u32::from_le_bytes(table[at..at + 4].try_into().expect("four bytes"));
        let head: Vec<u32> = (0..7).map(|index| number(4 * index)).collect();
        assert_eq!(
            head,
            [2, 0x1000_0001, 0x1000_0002, 28, 0xb001_0c05, 0xb001_0c05, 60]
        );
        assert_eq!(
            table[28..44],
            *b"\x10\0\x01\0o\0n\0e\0\r\0\n\0\0\0",
            "one, its line end, a null"
        );
        assert_eq!(table[60..], *b"\x10\0\x01\0a\0b\0\r\0\n\0\0\0\0\0", "padded");
    }
}
