//! The version resource: the fixed version and the strings that rules use.

use super::layout::Headers;
use super::sections::Section;
use crate::bytes::fill;
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

/// The longest version resource read, in bytes. Real ones have one or two thousand.
pub(crate) const MAX_VERSION: usize = 16 << 10;
/// Directory entries looked at in one directory. Real directories of types and languages have a dozen.
const MAX_ENTRIES: u32 = 256;
const RT_VERSION: u32 = 16;
const SUBDIRECTORY: u32 = 0x8000_0000;
const FIXED_SIGNATURE: u32 = 0xfeef_04bd;

/// Reads the version resource into `buffer`.
///
/// # Errors
/// Only those of the source. A malformed resource is an unreadable fact: the loader does not look at it.
#[inline(never)]
pub(crate) fn read_version<'w, S: Source + ?Sized>(
    source: &mut S,
    headers: &Headers,
    sections: &[Section],
    buffer: &'w mut [u8],
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
    let Some(bytes) = buffer.get_mut(..to_usize(size)) else {
        return Ok(Fact::Unreadable(Unreadable::CapReached));
    };
    if u64::from(size) > available {
        return Ok(Fact::Unreadable(Unreadable::Malformed));
    }
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
struct Node<'a> {
    key: Text<'a>,
    value: &'a [u8],
    children: &'a [u8],
}

impl<'a> Node<'a> {
    /// The node at the start of `bytes`, and what follows it.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(u16_at(bytes, 0)?);
        let value_length = usize::from(u16_at(bytes, 2)?);
        let is_text = u16_at(bytes, 4)? == 1;
        // Some compilers leave the last node's padding out, and some count it: the end of the data ends the node.
        let (node, _) = bytes.split_at_checked(length.min(bytes.len()))?;
        let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let key = until_nul(node.get(6..)?);
        let value_at = key.len().saturating_add(8).next_multiple_of(4);
        let value_size = if is_text {
            value_length.saturating_mul(2)
        } else {
            value_length
        };
        let tail = node.get(value_at..).unwrap_or_default();
        let (value, _) = tail.split_at_checked(value_size.min(tail.len()))?;
        let children = tail.get(value_size.next_multiple_of(4)..).unwrap_or_default();
        (length > 0).then_some((
            Self {
                key: Text::Utf16Le(key),
                value,
                children,
            },
            rest,
        ))
    }

    fn is(&self, key: &str) -> bool {
        self.key
            .chars()
            .map(|c| c.to_ascii_lowercase())
            .eq(key.chars().map(|c| c.to_ascii_lowercase()))
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

fn nodes(bytes: &[u8]) -> impl Iterator<Item = Node<'_>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (node, tail) = Node::read(rest)?;
        rest = tail;
        Some(node)
    })
}

fn parse(bytes: &[u8]) -> Option<Version<'_>> {
    let (root, _) = Node::read(bytes)?;
    if !root.is("VS_VERSION_INFO") || u32_at(root.value, 0)? != FIXED_SIGNATURE {
        return None;
    }
    let high = u64::from(u32_at(root.value, 8)?);
    let low = u64::from(u32_at(root.value, 12)?);
    let strings = string_table(root.children);
    let string = |key: &str| {
        strings
            .and_then(|strings| nodes(strings).find(|node| node.is(key)))
            .map_or(Fact::Absent, |node| {
                Fact::Present(Text::Utf16Le(until_nul(node.value)))
            })
    };
    Some(Version {
        file_version: high << 32 | low,
        original_filename: string("OriginalFilename"),
        internal_name: string("InternalName"),
        file_description: string("FileDescription"),
        product_name: string("ProductName"),
    })
}

/// The strings of the table that counts: the one that the translation names first, else a language-neutral one, else the first.
///
/// Open point: which table code integrity takes where there are several.
fn string_table(children: &[u8]) -> Option<&[u8]> {
    let translation = nodes(children)
        .filter(|node| node.is("VarFileInfo"))
        .flat_map(|node| nodes(node.children))
        .find(|node| node.is("Translation"))
        .and_then(|node| Some((u16_at(node.value, 0)?, u16_at(node.value, 2)?)));
    let tables = || {
        nodes(children)
            .filter(|node| node.is("StringFileInfo"))
            .flat_map(|node| nodes(node.children))
    };
    let language = |node: &Node<'_>| {
        node.key
            .chars()
            .try_fold(0_u32, |value, digit| Some(value << 4 | digit.to_digit(16)?))
    };
    let translated =
        translation.map(|(language, code_page)| u32::from(language) << 16 | u32::from(code_page));
    tables()
        .find(|node| translated.is_some() && language(node) == translated)
        .or_else(|| tables().find(|node| language(node).is_some_and(|value| value >> 16 == 0)))
        .or_else(|| tables().next())
        .map(|node| node.children)
}
