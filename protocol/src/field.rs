//! Tagged fields: `u16` tag, `u16` zero, `u32` length, then that many bytes. A field may hold fields.
//!
//! A reader skips tags it does not know, so a driver can say more than an older controller understands.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::byteorder::little_endian::U32;

#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Head {
    tag: U16,
    zero: U16,
    length: U32,
}

const HEAD: usize = size_of::<Head>();

/// Writes fields into a fixed buffer. Once something did not fit, nothing more is written and [`Writer::finish`] says so.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut [u8],
    used: usize,
    full: bool,
}

impl<'b> Writer<'b> {
    /// A writer over all of `buffer`.
    pub fn new(buffer: &'b mut [u8]) -> Self {
        Self {
            buffer,
            used: 0,
            full: false,
        }
    }

    /// Bytes that are no field: a record's fixed head.
    pub fn raw(&mut self, bytes: &[u8]) {
        let free = self.buffer.get_mut(self.used..).unwrap_or_default();
        match free.get_mut(..bytes.len()) {
            Some(room) if !self.full => {
                room.copy_from_slice(bytes);
                self.used = self.used.saturating_add(bytes.len());
            }
            _ => self.full = true,
        }
    }

    /// A field holding these bytes.
    pub fn bytes(&mut self, tag: u16, bytes: &[u8]) {
        let Ok(length) = u32::try_from(bytes.len()) else {
            self.full = true;
            return;
        };
        if self.room() < HEAD.saturating_add(bytes.len()) {
            self.full = true;
            return;
        }
        self.raw(&head(tag, length));
        self.raw(bytes);
    }

    /// A field holding a number; readers accept any width up to 8 bytes.
    pub fn number(&mut self, tag: u16, value: u64) {
        self.bytes(tag, &value.to_le_bytes());
    }

    /// A field holding these characters as UTF-8.
    pub fn text(&mut self, tag: u16, characters: impl Iterator<Item = char>) {
        self.group(tag, |writer| {
            for character in characters {
                let mut utf8 = [0; 4];
                writer.raw(character.encode_utf8(&mut utf8).as_bytes());
            }
        });
    }

    /// A field holding whatever `fill` writes. When it does not fit whole, none of it is written.
    pub fn group(&mut self, tag: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.used;
        self.raw(&head(tag, 0));
        fill(self);
        if self.full {
            self.used = start;
            return;
        }
        let length = self.used.saturating_sub(start).saturating_sub(HEAD);
        let room = self
            .buffer
            .get_mut(start..)
            .and_then(|group| group.first_chunk_mut::<HEAD>());
        match (u32::try_from(length), room) {
            (Ok(length), Some(room)) => *room = head(tag, length),
            _ => self.full = true,
        }
    }

    /// Forgets that something did not fit, so that smaller things can still follow; says whether it was so.
    pub fn recover(&mut self) -> bool {
        core::mem::take(&mut self.full)
    }

    /// Bytes still free.
    pub fn room(&self) -> usize {
        self.buffer.len().saturating_sub(self.used)
    }

    /// The number of bytes written, or `None` when something did not fit.
    pub fn finish(self) -> Option<usize> {
        (!self.full).then_some(self.used)
    }
}

fn head(tag: u16, length: u32) -> [u8; HEAD] {
    zerocopy::transmute!(Head {
        tag: tag.into(),
        zero: U16::ZERO,
        length: length.into()
    })
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What it means; see [`crate::event::tag`].
    pub tag: u16,
    /// What it holds.
    pub bytes: &'a [u8],
}

impl<'a> Field<'a> {
    /// The number it holds: up to 8 bytes, little-endian. `None` for anything longer.
    pub fn number(self) -> Option<u64> {
        let mut wide = [0; 8];
        wide.get_mut(..self.bytes.len())?.copy_from_slice(self.bytes);
        Some(u64::from_le_bytes(wide))
    }

    /// The text it holds, if it is UTF-8.
    pub fn text(self) -> Option<&'a str> {
        core::str::from_utf8(self.bytes).ok()
    }

    /// The fields it holds.
    pub fn fields(self) -> Fields<'a> {
        Fields::new(self.bytes)
    }
}

/// The fields in a run of bytes, in order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Reads the fields in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The first field with this tag.
    pub fn find(&self, tag: u16) -> Option<Field<'a>> {
        self.clone()
            .find_map(|field| field.ok().filter(|field| field.tag == tag))
    }
}

/// A field that runs past the end of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Truncated>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = Head::read_from_prefix(self.rest).ok().and_then(|(head, tail)| {
            let (bytes, rest) = tail.split_at_checked(usize::try_from(head.length.get()).ok()?)?;
            Some((
                Field {
                    tag: head.tag.get(),
                    bytes,
                },
                rest,
            ))
        });
        if let Some((field, rest)) = field {
            self.rest = rest;
            Some(Ok(field))
        } else {
            self.rest = &[];
            Some(Err(Truncated))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_as_written() {
        let mut buffer = [0; 128];
        let mut writer = Writer::new(&mut buffer);
        writer.number(1, 0x1234);
        writer.group(2, |inner| {
            inner.text(3, "Zürich".chars());
            inner.bytes(4, b"");
        });
        let used = writer.finish().expect("it fits");
        let mut fields = Fields::new(&buffer[..used]);
        assert_eq!(fields.find(1).and_then(Field::number), Some(0x1234));
        let group = fields.find(2).expect("group").fields();
        assert_eq!(group.find(3).and_then(Field::text), Some("Zürich"));
        assert_eq!(group.find(4).map(|field| field.bytes.len()), Some(0));
        assert!(fields.all(|field| field.is_ok()));
    }

    #[test]
    fn a_group_that_does_not_fit_leaves_no_trace() {
        let mut buffer = [0; 40];
        let mut writer = Writer::new(&mut buffer);
        writer.number(1, 7);
        writer.group(2, |inner| {
            inner.number(3, 1);
            inner.number(3, 2);
        });
        assert!(writer.recover());
        writer.number(9, 9);
        let used = writer.finish().expect("the rest fits");
        let tags: std::vec::Vec<_> = Fields::new(&buffer[..used])
            .map(|field| field.expect("whole").tag)
            .collect();
        assert_eq!(tags, [1, 9]);
    }

    #[test]
    fn a_cut_record_is_noticed_at_every_length() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        writer.bytes(1, b"abc");
        writer.bytes(2, b"defg");
        let used = writer.finish().expect("it fits");
        for cut in 1..used {
            let whole = Fields::new(&buffer[..cut]).all(|field| field.is_ok());
            assert_eq!(whole, cut == HEAD + 3, "cut at {cut}");
        }
    }

    extern crate std;
}
