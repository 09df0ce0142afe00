//! The complete validation of a set.

use crate::error::SetError;
use crate::error::SetFault;
use crate::format::Directory;
use crate::format::FORMAT_VERSION;
use crate::format::HashRecord;
use crate::format::Header;
use crate::format::MAGIC;
use crate::format::MAX_BASE_POLICIES;
use crate::format::MAX_POLICIES;
use crate::format::MAX_SET_BYTES;
use crate::format::NO_BASE;
use crate::format::PolicyRecord;
use crate::format::RULE_NAME_BLOCK;
use crate::format::TABLE_ALIGNMENT;
use crate::format::Table;
use crate::format::TableEntry;
use crate::format::bucket_bits;
use crate::format::bucket_of;
use crate::set::Layout;
use crate::set::PolicySet;
use crate::set::Span;
use crate::set::take_text;
use sha2::Digest;
use sha2::Sha256;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// Proves the bytes to be a set and says where its tables lie.
pub(crate) fn validate(bytes: &[u8]) -> Result<Layout, SetError> {
    let rule_count = header(bytes)?;
    let tables = directory(bytes)?;
    let mut layout = Layout {
        tables,
        rule_count,
        base_count: 0,
    };
    let checks = Checks {
        set: PolicySet { bytes, layout },
    };
    layout.base_count = checks.policies()?;
    checks.hashes::<20>(Table::Hashes20, Table::Buckets20)?;
    checks.hashes::<32>(Table::Hashes32, Table::Buckets32)?;
    checks.hashes::<48>(Table::Hashes48, Table::Buckets48)?;
    checks.hashes::<64>(Table::Hashes64, Table::Buckets64)?;
    checks.rule_names()?;
    Ok(layout)
}

const fn fault(fault: SetFault, offset: usize) -> SetError {
    // A set has at most MAX_SET_BYTES bytes, so the offset always fits.
    #[expect(clippy::as_conversions, reason = "usize to u64 in const context")]
    let offset = offset as u64;
    SetError { fault, offset }
}

/// Checks everything before the directory's entries and gives the number of rules.
fn header(bytes: &[u8]) -> Result<u32, SetError> {
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
    if directory.reserved != [0; 8] {
        return Err(fault(SetFault::Reserved, size_of::<Header>().saturating_add(8)));
    }
    Ok(directory.rule_count.get())
}

/// Checks the directory's entries and the placement of the tables.
fn directory(bytes: &[u8]) -> Result<[Span; Table::COUNT], SetError> {
    let start = size_of::<Header>().saturating_add(size_of::<Directory>());
    let entries = bytes
        .get(start..)
        .and_then(|bytes| <[TableEntry]>::ref_from_prefix_with_elems(bytes, Table::COUNT).ok());
    let Some((entries, _)) = entries else {
        return Err(fault(SetFault::Truncated, bytes.len()));
    };
    let mut spans = [Span::default(); Table::COUNT];
    let mut previous_end = start.saturating_add(size_of_val(entries));
    for (number, ((entry, table), span)) in entries.iter().zip(Table::ALL).zip(&mut spans).enumerate() {
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
        *span = Span { start: begin, end };
        previous_end = end;
    }
    if previous_end != bytes.len() {
        return Err(fault(SetFault::Placement, previous_end));
    }
    Ok(spans)
}

struct Checks<'a> {
    set: PolicySet<'a>,
}

impl Checks<'_> {
    /// Where entry `index` of a table stands.
    fn at(&self, table: Table, index: usize) -> usize {
        self.set
            .layout
            .tables
            .get(usize::from(table.number()))
            .map_or(0, |span| {
                span.start.saturating_add(index.saturating_mul(table.stride()))
            })
    }

    /// Checks the policies and gives the number of base policies.
    fn policies(&self) -> Result<u16, SetError> {
        let records = self.set.policy_records();
        if records.len() > MAX_POLICIES {
            return Err(fault(SetFault::Count, self.at(Table::Policies, MAX_POLICIES)));
        }
        let is_base = |record: &&PolicyRecord| record.flags.get() & PolicyRecord::SUPPLEMENTAL == 0;
        let bases = records.iter().take_while(is_base).count();
        if bases > MAX_BASE_POLICIES {
            return Err(fault(
                SetFault::Count,
                self.at(Table::Policies, MAX_BASE_POLICIES),
            ));
        }
        for (index, record) in records.iter().enumerate() {
            let at = self.at(Table::Policies, index);
            if record.flags.get() & !PolicyRecord::KNOWN_FLAGS != 0 || record.reserved != [0; 8] {
                return Err(fault(SetFault::Reserved, at));
            }
            if is_base(&record) != (index < bases) {
                return Err(fault(SetFault::Order, at));
            }
            let base = record.base.get();
            let refers = if is_base(&record) {
                usize::from(base) == index
            } else {
                base == NO_BASE || usize::from(base) < bases
            };
            if !refers {
                return Err(fault(SetFault::Reference, at));
            }
            let texts = self
                .set
                .text(record.texts.get())
                .and_then(|(_, rest)| take_text(rest))
                .and_then(|(id, _)| core::str::from_utf8(id).ok());
            if texts.is_none() {
                return Err(fault(SetFault::Text, at));
            }
        }
        u16::try_from(bases).map_err(|_| fault(SetFault::Count, 0))
    }

    /// Checks one table of hashes and its bucket index.
    fn hashes<const N: usize>(&self, entries: Table, buckets: Table) -> Result<(), SetError> {
        let records: &[HashRecord<N>] = self.set.table(entries);
        let index: &[U32] = self.set.table(buckets);
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let bits = bucket_bits(count);
        let wanted = if records.is_empty() {
            Some(0)
        } else {
            1_usize
                .checked_shl(bits)
                .and_then(|buckets| buckets.checked_add(1))
        };
        if wanted != Some(index.len()) {
            return Err(fault(SetFault::Buckets, self.at(buckets, 0)));
        }
        let policies = self.set.policy_records().len();
        let mut previous: Option<&HashRecord<N>> = None;
        // The bucket that the scan stands in, and where the index says that it ends.
        let mut bucket = 0_u32;
        let mut bounds = index.iter().map(|bound| bound.get());
        if bounds.next().is_some_and(|first| first != 0) {
            return Err(fault(SetFault::Buckets, self.at(buckets, 0)));
        }
        let mut end = bounds.next();
        for (number, record) in (0_u32..).zip(records) {
            let at = || self.at(entries, usize::try_from(number).unwrap_or(usize::MAX));
            if let Some(previous) = previous {
                let ordered = match previous.hash.cmp(&record.hash) {
                    core::cmp::Ordering::Less => true,
                    core::cmp::Ordering::Equal => previous.rule.get() < record.rule.get(),
                    core::cmp::Ordering::Greater => false,
                };
                if !ordered {
                    return Err(fault(SetFault::Order, at()));
                }
            }
            if usize::from(record.policy.get()) >= policies || record.rule.get() >= self.set.layout.rule_count
            {
                return Err(fault(SetFault::Reference, at()));
            }
            if record.action.get() > 1 {
                return Err(fault(SetFault::Value, at()));
            }
            let here = bucket_of(&record.hash, bits);
            while bucket < here {
                if end != Some(number) {
                    return Err(fault(SetFault::Buckets, at()));
                }
                bucket = bucket.saturating_add(1);
                end = bounds.next();
            }
            previous = Some(record);
        }
        // What is left of the index: the last bucket used and the empty ones after it.
        if !records.is_empty() && (end != Some(count) || bounds.any(|bound| bound != count)) {
            return Err(fault(SetFault::Buckets, self.at(buckets, 0)));
        }
        Ok(())
    }

    /// Checks that every rule has an id and a name and that the block offsets are right.
    fn rule_names(&self) -> Result<(), SetError> {
        let names: &[u8] = self.set.table(Table::RuleNames);
        let blocks: &[U32] = self.set.table(Table::RuleNameBlocks);
        let rules = self.set.layout.rule_count;
        if Ok(blocks.len()) != usize::try_from(rules.div_ceil(RULE_NAME_BLOCK)) {
            return Err(fault(SetFault::Count, self.at(Table::RuleNameBlocks, 0)));
        }
        let mut blocks = blocks.iter();
        let mut rest = names;
        for rule in 0..rules {
            let at = names.len().saturating_sub(rest.len());
            if rule.checked_rem(RULE_NAME_BLOCK) == Some(0)
                && blocks.next().and_then(|block| usize::try_from(block.get()).ok()) != Some(at)
            {
                return Err(fault(SetFault::Reference, self.at(Table::RuleNames, at)));
            }
            for _ in 0..2 {
                let text = take_text(rest).filter(|(text, _)| core::str::from_utf8(text).is_ok());
                let Some((_, tail)) = text else {
                    return Err(fault(SetFault::Text, self.at(Table::RuleNames, at)));
                };
                rest = tail;
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            let at = names.len().saturating_sub(rest.len());
            Err(fault(SetFault::Count, self.at(Table::RuleNames, at)))
        }
    }
}
