//! The frame of a set: its header, its directory, and where the tables lie.

use super::fault;
use crate::error::SetError;
use crate::error::SetFault;
use crate::format::Directory;
use crate::format::FORMAT_VERSION;
use crate::format::Header;
use crate::format::MAGIC;
use crate::format::MAX_SET_BYTES;
use crate::format::TABLE_ALIGNMENT;
use crate::format::Table;
use crate::format::TableEntry;
use sha2::Digest;
use sha2::Sha256;
use zerocopy::FromBytes;

/// Checks everything before the directory's entries and gives the number of rules.
pub(super) fn header(bytes: &[u8]) -> Result<u32, SetError> {
    if bytes.len() > MAX_SET_BYTES {
        return Err(fault(SetFault::TooLarge, MAX_SET_BYTES));
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(fault(SetFault::Magic, 0));
    }
    let Ok((header, body)) = Header::ref_from_prefix(bytes) else {
        return Err(fault(SetFault::Truncated, bytes.len()));
    };
    if header.format.get() != FORMAT_VERSION {
        return Err(fault(SetFault::FormatVersion, 4));
    }
    if Ok(header.length.get()) != u64::try_from(bytes.len()) {
        return Err(fault(SetFault::Length, 8));
    }
    if Sha256::digest(body).as_slice() != header.body_sha256 {
        return Err(fault(SetFault::Digest, 16));
    }
    let Ok((directory, _)) = Directory::ref_from_prefix(body) else {
        return Err(fault(SetFault::Truncated, bytes.len()));
    };
    if usize::try_from(directory.table_count.get()) != Ok(Table::COUNT) {
        return Err(fault(SetFault::Tables, size_of::<Header>()));
    }
    let kinds = directory.name_kinds.get().checked_shr(4).unwrap_or(0);
    let shapes = directory.signer_shapes.get().checked_shr(4).unwrap_or(0);
    if kinds != 0 || shapes != 0 {
        return Err(fault(SetFault::Value, size_of::<Header>().saturating_add(8)));
    }
    Ok(directory.rule_count.get())
}

/// Checks the directory's entries and the placement of the tables.
pub(super) fn directory(bytes: &[u8]) -> Result<(), SetError> {
    let start = size_of::<Header>().saturating_add(size_of::<Directory>());
    let entries = bytes
        .get(start..)
        .and_then(|bytes| <[TableEntry]>::ref_from_prefix_with_elems(bytes, Table::COUNT).ok());
    let Some((entries, _)) = entries else {
        return Err(fault(SetFault::Truncated, bytes.len()));
    };
    let mut previous_end = start.saturating_add(size_of_val(entries));
    for (number, (entry, table)) in entries.iter().zip(Table::ALL).enumerate() {
        let at = start.saturating_add(number.saturating_mul(size_of::<TableEntry>()));
        if entry.kind.get() != table.number() {
            return Err(fault(SetFault::Tables, at));
        }
        if usize::from(entry.stride.get()) != table.stride() {
            return Err(fault(SetFault::Stride, at.saturating_add(2)));
        }
        if entry.reserved.get() != 0 {
            return Err(fault(SetFault::Reserved, at.saturating_add(12)));
        }
        let placed = usize::try_from(entry.offset.get())
            .ok()
            .filter(|begin| Some(*begin) == previous_end.checked_next_multiple_of(TABLE_ALIGNMENT));
        let Some(begin) = placed else {
            return Err(fault(SetFault::Placement, at.saturating_add(4)));
        };
        let end = usize::try_from(entry.count.get())
            .ok()
            .and_then(|count| count.checked_mul(table.stride()))
            .and_then(|length| begin.checked_add(length));
        let (Some(end), Some(gap)) = (end, bytes.get(previous_end..begin)) else {
            return Err(fault(SetFault::Truncated, at.saturating_add(4)));
        };
        if end > bytes.len() {
            return Err(fault(SetFault::Truncated, at.saturating_add(8)));
        }
        if gap.iter().any(|byte| *byte != 0) {
            return Err(fault(SetFault::Reserved, previous_end));
        }
        previous_end = end;
    }
    if previous_end != bytes.len() {
        return Err(fault(SetFault::Placement, previous_end));
    }
    Ok(())
}
