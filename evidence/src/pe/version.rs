//! The version resource: the fixed version and the strings that rules use.

extern crate alloc;

use alloc::vec::Vec;

use super::layout::Headers;
use super::sections::Section;
use crate::bytes::fill;
use crate::bytes::filled;
use crate::bytes::to_u64;
use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::error::ErrorKind;
use crate::facts::Fact;
use crate::facts::Unreadable;
use crate::facts::Version;
use crate::source::Source;
use crate::text::Text;

/// Room that is kept for a version resource from one file to the next. Real ones have one or two thousand bytes; a longer one
/// takes a buffer of its own.
pub(crate) const USUAL_VERSION: usize = 16 << 10;
/// The most that is read of a version resource, in bytes. Lengths in it have 16 bits, and no more than four nodes stand in each other,
/// so that none begins behind this.
const MAX_VERSION: usize = 256 << 10;
/// Directory entries looked at in one directory. Real directories of types and languages have a dozen.
const MAX_ENTRIES: u32 = 256;
const RT_VERSION: u32 = 16;
const SUBDIRECTORY: u32 = 0x8000_0000;
const FIXED_SIGNATURE: u32 = 0xfeef_04bd;
/// Offset of the key in a node: its length, the value's length and the value's type stand before it.
const KEY: usize = 6;

/// Reads the version resource into `buffer`.
///
/// # Errors
/// Only those of the source. A malformed resource is an unreadable fact: the loader does not look at it.
#[inline(never)]
pub(crate) fn read_version<'w, S: Source + ?Sized>(
    source: &mut S,
    headers: &Headers,
    sections: &[Section],
    buffer: &'w mut Vec<u8>,
) -> Result<Fact<Version<'w>>, ErrorKind> {
    let Some(rva) = headers.resources else {
        return Ok(Fact::Absent);
    };
    let Some((offset, length)) = headers.file_offset(sections, rva) else {
        return Ok(Fact::Unreadable(Unreadable::Malformed));
    };
    let tree = Tree { offset, length };
    let (rva, size) = match find(source, &tree)? {
        Fact::Present(found) => found,
        Fact::Absent => return Ok(Fact::Absent),
        Fact::Unreadable(reason) => return Ok(Fact::Unreadable(reason)),
    };
    let Some((offset, available)) = headers.file_offset(sections, rva) else {
        return Ok(Fact::Unreadable(Unreadable::Malformed));
    };
    // What lies behind the data in the file is zeros in memory, and ends a text all the same.
    let length = to_usize(available).min(to_usize(size)).min(MAX_VERSION);
    if buffer.len() < length || buffer.len() > USUAL_VERSION {
        *buffer = filled(length.max(USUAL_VERSION), 0)?;
    }
    let bytes = buffer.get_mut(..length).unwrap_or_default();
    fill(source, offset, bytes)?;
    Ok(parse(bytes).map_or(Fact::Unreadable(Unreadable::Malformed), Fact::Present))
}

/// Where the resource tree lies in the file.
struct Tree {
    offset: u64,
    length: u64,
}

impl Tree {
    /// Fills `buffer` from `at` bytes into the tree; `false` if the tree ends before.
    fn read<S: Source + ?Sized>(
        &self,
        source: &mut S,
        at: u32,
        buffer: &mut [u8],
    ) -> Result<bool, ErrorKind> {
        let at = u64::from(at);
        if at.saturating_add(to_u64(buffer.len())) > self.length {
            return Ok(false);
        }
        fill(source, self.offset.saturating_add(at), buffer).map(|()| true)
    }

    /// The entry of the directory `at` whose id comes first in `wanted`, else, if `any`, the first entry.
    fn entry<S: Source + ?Sized>(
        &self,
        source: &mut S,
        at: u32,
        wanted: &[u32],
        any: bool,
    ) -> Result<Fact<u32>, ErrorKind> {
        let mut header = [0; 16];
        if !self.read(source, at, &mut header)? {
            return Ok(Fact::Unreadable(Unreadable::Malformed));
        }
        let count = |offset| u32::from(u16_at(&header, offset).unwrap_or_default());
        let count = count(12).saturating_add(count(14));
        let mut best: Option<(usize, u32)> = None;
        for index in 0..count.min(MAX_ENTRIES) {
            let mut entry = [0; 8];
            let entry_at = at.saturating_add(16).saturating_add(index.saturating_mul(8));
            if !self.read(source, entry_at, &mut entry)? {
                return Ok(Fact::Unreadable(Unreadable::Malformed));
            }
            let (Some(id), Some(target)) = (u32_at(&entry, 0), u32_at(&entry, 4)) else {
                return Ok(Fact::Unreadable(Unreadable::Malformed));
            };
            let rank = wanted
                .iter()
                .position(|wanted| *wanted == id)
                .or(any.then_some(wanted.len()));
            if let Some(rank) = rank
                && best.is_none_or(|(so_far, _)| rank < so_far)
            {
                best = Some((rank, target));
            }
        }
        Ok(match best {
            Some((_, target)) => Fact::Present(target),
            None if count > MAX_ENTRIES => Fact::Unreadable(Unreadable::CapReached),
            None => Fact::Absent,
        })
    }
}

/// Address and size of the version resource the kernel reads: type 16, id 1 (or the first), language-neutral if there is one,
/// then US English, then the first.
fn find<S: Source + ?Sized>(source: &mut S, tree: &Tree) -> Result<Fact<(u32, u32)>, ErrorKind> {
    let mut at = 0;
    for (wanted, any) in [(&[RT_VERSION][..], false), (&[1], true), (&[0, 0x0409], true)] {
        let target = match tree.entry(source, at, wanted, any)? {
            Fact::Present(target) => target,
            Fact::Absent => return Ok(Fact::Absent),
            Fact::Unreadable(reason) => return Ok(Fact::Unreadable(reason)),
        };
        let deeper = target & SUBDIRECTORY != 0;
        at = target & !SUBDIRECTORY;
        // The first two levels are directories, the third is data.
        if deeper != (wanted != [0, 0x0409]) {
            return Ok(Fact::Unreadable(Unreadable::Malformed));
        }
    }
    let mut data = [0; 16];
    if !tree.read(source, at, &mut data)? {
        return Ok(Fact::Unreadable(Unreadable::Malformed));
    }
    Ok(match (u32_at(&data, 0), u32_at(&data, 4)) {
        (Some(rva), Some(size)) => Fact::Present((rva, size)),
        _ => Fact::Unreadable(Unreadable::Malformed),
    })
}

/// One node of the version structure: a key, a value and children behind it.
///
/// Read as `VerQueryValue` does, by Wine's source and pefile's: a node begins before the end that its parent states and may reach
/// beyond it, and a text ends at its NUL wherever the lengths say. Whoever writes false lengths has the names that others see.
#[derive(Clone, Copy)]
struct Node<'a> {
    /// From the start of the node to the end of the resource.
    bytes: &'a [u8],
    length: usize,
    /// Size of the value in bytes, as stated.
    value_size: usize,
}

impl<'a> Node<'a> {
    /// The node at the start of `bytes`.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let value_length = usize::from(u16_at(bytes, 2)?);
        let is_text = u16_at(bytes, 4)? != 0;
        Some(Self {
            bytes,
            length: usize::from(u16_at(bytes, 0)?),
            value_size: value_length.saturating_mul(if is_text { 2 } else { 1 }),
        })
    }

    fn key(&self) -> &'a [u8] {
        self.bytes.get(KEY..).unwrap_or_default()
    }

    /// Whether this is its key, but for case.
    fn is(&self, key: &str) -> bool {
        // No further than the key asked for: a key without end would be walked once for each node.
        let mut units = self.key().as_chunks::<2>().0.iter();
        let same = key.chars().all(|wanted| {
            let unit = units
                .next()
                .and_then(|unit| char::from_u32(u16::from_le_bytes(*unit).into()));
            unit.is_some_and(|unit| unit.eq_ignore_ascii_case(&wanted))
        });
        same && units.next().is_none_or(|unit| *unit == [0, 0])
    }

    /// Language and code page of a table of strings: its key, eight hexadecimal digits.
    fn language(&self) -> Option<u32> {
        let (digits, rest) = self.key().as_chunks::<2>().0.split_first_chunk::<8>()?;
        if rest.first().is_some_and(|unit| *unit != [0, 0]) {
            return None;
        }
        digits.iter().try_fold(0_u32, |value, digit| {
            let digit = char::from_u32(u16::from_le_bytes(*digit).into())?;
            Some(value << 4 | digit.to_digit(16)?)
        })
    }

    fn value_at(&self) -> usize {
        let key = until_nul(self.key()).len();
        KEY.saturating_add(key)
            .saturating_add(2)
            .checked_next_multiple_of(4)
            .unwrap_or(usize::MAX)
    }

    /// The value and all that follows it.
    fn value(&self) -> &'a [u8] {
        self.bytes.get(self.value_at()..).unwrap_or_default()
    }

    /// The value as text; empty if none is stated, whatever stands there.
    fn text(&self) -> Text<'a> {
        Text::Utf16Le(match self.value_size {
            0 => &[],
            _ => until_nul(self.value()),
        })
    }

    /// The nodes in it. A node without length is the last.
    fn children(&self) -> impl Iterator<Item = Self> + use<'a> {
        let Self { bytes, length, .. } = *self;
        let padded = |size: usize| size.checked_next_multiple_of(4).unwrap_or(usize::MAX);
        let mut at = Some(self.value_at().saturating_add(padded(self.value_size)));
        core::iter::from_fn(move || {
            let start = at.filter(|start| *start < length)?;
            let child = Self::read(bytes.get(start..)?)?;
            at = (child.length > 0).then(|| start.saturating_add(padded(child.length)));
            Some(child)
        })
    }
}

/// The UTF-16 text up to its NUL, or all of it.
fn until_nul(bytes: &[u8]) -> &[u8] {
    let (units, _) = bytes.as_chunks::<2>();
    let count = units
        .iter()
        .position(|unit| *unit == [0, 0])
        .unwrap_or(units.len());
    bytes.get(..count.saturating_mul(2)).unwrap_or_default()
}

/// What the resource says; `None` for bytes that look like none.
fn parse(bytes: &[u8]) -> Option<Version<'_>> {
    let root = Node::read(bytes)?;
    let strings = string_table(&root);
    let string = |key: &str| {
        strings
            .and_then(|strings| strings.children().find(|node| node.is(key)))
            .map_or(Fact::Absent, |node| Fact::Present(node.text()))
    };
    let version = Version {
        file_version: fixed_version(&root),
        original_filename: string("OriginalFilename"),
        internal_name: string("InternalName"),
        file_description: string("FileDescription"),
        product_name: string("ProductName"),
    };
    let says_something = strings.is_some() || version.file_version.present().is_some();
    (says_something || root.is("VS_VERSION_INFO")).then_some(version)
}

/// The version of `VS_FIXEDFILEINFO`, which its signature tells. Absent if there is no value, and unreadable if it is another.
fn fixed_version(root: &Node<'_>) -> Fact<u64> {
    let value = root.value();
    let number = |offset| u32_at(value, offset).map(u64::from);
    match (u32_at(value, 0), number(8), number(12)) {
        (Some(FIXED_SIGNATURE), Some(high), Some(low)) => Fact::Present(high << 32 | low),
        _ if root.value_size == 0 => Fact::Absent,
        _ => Fact::Unreadable(Unreadable::Malformed),
    }
}

/// The strings of the table that counts: the one that the translation names first, else a language-neutral one, else the first.
///
/// Open point: which table code integrity takes where there are several.
fn string_table<'a>(root: &Node<'a>) -> Option<Node<'a>> {
    let translation = root
        .children()
        .filter(|node| node.is("VarFileInfo"))
        .flat_map(|node| node.children())
        .find(|node| node.is("Translation"))
        .and_then(|node| Some((u16_at(node.value(), 0)?, u16_at(node.value(), 2)?)))
        .map(|(language, code_page)| u32::from(language) << 16 | u32::from(code_page));
    let tables = || {
        root.children()
            .filter(|node| node.is("StringFileInfo"))
            .flat_map(|node| node.children())
    };
    tables()
        .find(|node| translation.is_some() && node.language() == translation)
        .or_else(|| tables().find(|node| node.language().is_some_and(|value| value >> 16 == 0)))
        .or_else(|| tables().next())
}
