//! The complete validation of a set.

use crate::error::SetError;
use crate::error::SetFault;
use crate::fold::name_key;
use crate::fold::text_key;
use crate::format::AttributeRecord;
use crate::format::AttributeRef;
use crate::format::AttributeUse;
use crate::format::Bucket;
use crate::format::Directory;
use crate::format::FORMAT_VERSION;
use crate::format::HashRecord;
use crate::format::Header;
use crate::format::MAGIC;
use crate::format::MAX_POLICIES;
use crate::format::MAX_SET_BYTES;
use crate::format::NO_BASE;
use crate::format::NONE;
use crate::format::PolicyRecord;
use crate::format::RULE_NAME_BLOCK;
use crate::format::SHAPE_OEM;
use crate::format::SHAPE_PUBLISHER;
use crate::format::SignerUse;
use crate::format::TABLE_ALIGNMENT;
use crate::format::Table;
use crate::format::TableEntry;
use crate::format::bucket_bits;
use crate::format::bucket_of;
use crate::format::hash_key;
use crate::format::marks;
use crate::format::signer_key;
use crate::format::tbs_key;
use crate::format::wellknown_key;
use crate::format::wide_key;
use crate::set::PolicySet;
use crate::set::as_index;
use crate::set::take_text;
use crate::verdict::Level;
use evidence::Text;
use sha2::Digest;
use sha2::Sha256;
use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

/// Proves the bytes to be a set and gives the number of base policies.
pub(crate) fn validate(bytes: &[u8]) -> Result<u16, SetError> {
    let rule_count = header(bytes)?;
    directory(bytes)?;
    let checks = Checks {
        set: PolicySet { bytes, base_count: 0 },
        rule_count,
    };
    let base_count = checks.policies()?;
    checks.hashes::<20>(Table::Hashes20, Table::Buckets20)?;
    checks.hashes::<32>(Table::Hashes32, Table::Buckets32)?;
    checks.hashes::<48>(Table::Hashes48, Table::Buckets48)?;
    checks.hashes::<64>(Table::Hashes64, Table::Buckets64)?;
    checks.attributes()?;
    checks.attribute_uses()?;
    checks.attribute_refs()?;
    checks.exceptions()?;
    checks.ekus()?;
    checks.signers()?;
    checks.signer_uses()?;
    checks.rule_names()?;
    checks.catalogs()?;
    Ok(base_count)
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
    let kinds = directory.name_kinds.get().checked_shr(4).unwrap_or(0);
    let shapes = directory.signer_shapes.get().checked_shr(4).unwrap_or(0);
    if kinds != 0 || shapes != 0 {
        return Err(fault(SetFault::Value, size_of::<Header>().saturating_add(8)));
    }
    Ok(directory.rule_count.get())
}

/// Checks the directory's entries and the placement of the tables.
fn directory(bytes: &[u8]) -> Result<(), SetError> {
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

struct Checks<'a> {
    set: PolicySet<'a>,
    rule_count: u32,
}

impl Checks<'_> {
    /// Where entry `index` of a table stands.
    fn at(&self, table: Table, index: usize) -> usize {
        self.set.span(table).map_or(0, |(start, _)| {
            start.saturating_add(index.saturating_mul(table.stride()))
        })
    }

    /// Passes if a condition holds of an entry.
    fn check(&self, holds: bool, what: SetFault, table: Table, index: usize) -> Result<(), SetError> {
        if holds {
            Ok(())
        } else {
            Err(fault(what, self.at(table, index)))
        }
    }

    /// Whether an offset is [`NONE`] or that of a pooled text.
    fn is_text_or_none(&self, offset: u32) -> bool {
        let is_text = |value: &[u8]| core::str::from_utf8(value).is_ok();
        offset == NONE || self.set.pool_at(offset).is_some_and(|(value, _)| is_text(value))
    }

    /// Whether an offset is [`NONE`] or that of a pooled value.
    fn is_value_or_none(&self, offset: u32) -> bool {
        offset == NONE || self.set.pool_at(offset).is_some()
    }

    /// Whether `first` and `count` lie in a table of `length` entries.
    fn lies_in(first: u32, count: u32, length: usize) -> bool {
        first
            .checked_add(count)
            .is_some_and(|end| as_index(end) <= length)
    }

    /// Checks the policies and gives the number of base policies.
    fn policies(&self) -> Result<u16, SetError> {
        let records = self.set.policy_records();
        if records.len() > MAX_POLICIES {
            return Err(fault(SetFault::Count, self.at(Table::Policies, MAX_POLICIES)));
        }
        let is_base = |record: &&PolicyRecord| record.flags.get() & PolicyRecord::SUPPLEMENTAL == 0;
        let bases = records.iter().take_while(is_base).count();
        for (index, record) in records.iter().enumerate() {
            let at = self.at(Table::Policies, index);
            if record.flags.get() & !PolicyRecord::KNOWN_FLAGS != 0 || record.reserved != [0; 7] {
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
                .pool_at(record.texts.get())
                .filter(|(name, _)| core::str::from_utf8(name).is_ok())
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
        let policies = self.set.policy_records().len();
        let mut scan = BucketScan::new(&self.set, buckets, records.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(buckets, 0)))?;
        let mut previous: Option<(u64, &HashRecord<N>)> = None;
        for (number, record) in (0_u32..).zip(records) {
            let wrong = |what: SetFault| Err(fault(what, self.at(entries, as_index(number))));
            let key = hash_key(&record.hash);
            let ordered = previous.is_none_or(|(previous_key, previous)| {
                previous_key < key
                    || (previous_key == key
                        && (&previous.hash, previous.rule.get()) < (&record.hash, record.rule.get()))
            });
            if !ordered {
                return wrong(SetFault::Order);
            }
            if usize::from(record.policy()) >= policies || record.rule.get() >= self.rule_count {
                return wrong(SetFault::Reference);
            }
            if !scan.step(number, key) {
                return wrong(SetFault::Buckets);
            }
            previous = Some((key, record));
        }
        self.check(scan.finish(), SetFault::Buckets, buckets, 0)
    }

    /// Checks the file attributes.
    fn attributes(&self) -> Result<(), SetError> {
        for (index, record) in self.set.attributes().iter().enumerate() {
            let check = |holds, what| self.check(holds, what, Table::Attributes, index);
            let texts = record.names.iter().all(|name| self.is_text_or_none(name.get()));
            check(texts, SetFault::Text)?;
            check(self.is_value_or_none(record.hash.get()), SetFault::Reference)?;
            check(record.rule.get() < self.rule_count, SetFault::Reference)?;
            let known = record.flags.get() & !AttributeRecord::KNOWN_FLAGS == 0;
            check(known && record.reserved == [0; 4], SetFault::Reserved)?;
        }
        Ok(())
    }

    /// The key that uses of an attribute must stand under, and the kind of name it is made of.
    fn attribute_key(&self, attribute: u32) -> Option<(u32, Option<usize>)> {
        let record = self.set.attributes().get(as_index(attribute))?;
        let named = record
            .names
            .iter()
            .enumerate()
            .find(|(_, name)| name.get() != NONE);
        Some(match named {
            Some((kind, name)) => (name_key(kind, Text::Utf8(self.set.text(name.get()))), Some(kind)),
            None => (0, None),
        })
    }

    /// Whether a key is the right one for an attribute and its kind of name is listed in the directory.
    fn attribute_key_is(&self, attribute: u32, key: u32) -> bool {
        self.attribute_key(attribute).is_some_and(|(wanted, kind)| {
            let listed = kind.is_none_or(|kind| {
                u32::try_from(kind)
                    .is_ok_and(|kind| self.set.name_kinds().checked_shr(kind).unwrap_or(0) & 1 != 0)
            });
            wanted == key && listed
        })
    }

    fn attribute_uses(&self) -> Result<(), SetError> {
        let uses: &[AttributeUse] = self.set.table(Table::AttributeUses);
        let policies = self.set.policy_records().len();
        let mut scan = BucketScan::new(&self.set, Table::AttributeBuckets, uses.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(Table::AttributeBuckets, 0)))?;
        let mut previous = None;
        for (number, record) in (0_u32..).zip(uses) {
            let check = |holds, what| self.check(holds, what, Table::AttributeUses, as_index(number));
            let place = (record.key.get(), record.attribute.get(), record.policy.get());
            check(previous.is_none_or(|previous| previous < place), SetFault::Order)?;
            check(usize::from(record.policy.get()) < policies, SetFault::Reference)?;
            check(
                self.attribute_key_is(record.attribute.get(), record.key.get()),
                SetFault::Reference,
            )?;
            check(record.action.get() <= 1, SetFault::Value)?;
            check(scan.step(number, wide_key(record.key.get())), SetFault::Buckets)?;
            previous = Some(place);
        }
        self.check(scan.finish(), SetFault::Buckets, Table::AttributeBuckets, 0)
    }

    fn attribute_refs(&self) -> Result<(), SetError> {
        let refs: &[AttributeRef] = self.set.table(Table::AttributeRefs);
        for (index, record) in refs.iter().enumerate() {
            let right = self.attribute_key_is(record.attribute.get(), record.key.get());
            self.check(right, SetFault::Reference, Table::AttributeRefs, index)?;
        }
        Ok(())
    }

    fn exceptions(&self) -> Result<(), SetError> {
        let exceptions: &[U32] = self.set.table(Table::Exceptions);
        let attributes = self.set.attributes().len();
        for (index, attribute) in exceptions.iter().enumerate() {
            let there = as_index(attribute.get()) < attributes;
            self.check(there, SetFault::Reference, Table::Exceptions, index)?;
        }
        Ok(())
    }

    fn ekus(&self) -> Result<(), SetError> {
        let ekus: &[U32] = self.set.table(Table::Ekus);
        for (index, offset) in ekus.iter().enumerate() {
            let there = self.set.pool_at(offset.get()).is_some();
            self.check(there, SetFault::Reference, Table::Ekus, index)?;
        }
        Ok(())
    }

    fn signers(&self) -> Result<(), SetError> {
        let refs: &[AttributeRef] = self.set.table(Table::AttributeRefs);
        let ekus: &[U32] = self.set.table(Table::Ekus);
        for (index, record) in self.set.signers().iter().enumerate() {
            let check = |holds, what| self.check(holds, what, Table::Signers, index);
            for text in [record.publisher, record.issuer, record.oem] {
                check(self.is_text_or_none(text.get()), SetFault::Text)?;
            }
            check(self.is_value_or_none(record.tbs.get()), SetFault::Reference)?;
            check(record.rule.get() < self.rule_count, SetFault::Reference)?;
            let eku_count =
                u32::from(record.eku_count.get()).saturating_add(record.except_eku_count.get().into());
            check(
                Self::lies_in(record.eku_first.get(), eku_count, ekus.len()),
                SetFault::Reference,
            )?;
            let (first, count) = (record.attribute_first.get(), record.attribute_count.get());
            check(Self::lies_in(first, count, refs.len()), SetFault::Reference)?;
            let own = refs
                .get(as_index(first)..as_index(first.saturating_add(count)))
                .unwrap_or_default();
            check(
                own.is_sorted_by_key(|reference| reference.key.get()),
                SetFault::Order,
            )?;
            check(Level::from_number(record.level.into()).is_some(), SetFault::Value)?;
            check(record.reserved == [0; 2], SetFault::Reserved)?;
        }
        Ok(())
    }

    fn signer_uses(&self) -> Result<(), SetError> {
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let exceptions: &[U32] = self.set.table(Table::Exceptions);
        let policies = self.set.policy_records().len();
        let mut scan = BucketScan::new(&self.set, Table::SignerBuckets, uses.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(Table::SignerBuckets, 0)))?;
        let mut previous = None;
        for (number, record) in (0_u32..).zip(uses) {
            let check = |holds, what| self.check(holds, what, Table::SignerUses, as_index(number));
            let place = (record.key.get(), record.signer.get());
            check(previous.is_none_or(|previous| previous <= place), SetFault::Order)?;
            check(usize::from(record.policy.get()) < policies, SetFault::Reference)?;
            check(self.signer_key_is_right(record), SetFault::Reference)?;
            check(
                Self::lies_in(
                    record.except_first.get(),
                    record.except_count.get(),
                    exceptions.len(),
                ),
                SetFault::Reference,
            )?;
            check(record.action.get() <= 1, SetFault::Value)?;
            check(scan.step(number, wide_key(record.key.get())), SetFault::Buckets)?;
            previous = Some(place);
        }
        self.check(scan.finish(), SetFault::Buckets, Table::SignerBuckets, 0)
    }

    fn signer_key_is_right(&self, record: &SignerUse) -> bool {
        let Some(signer) = self.set.signers().get(as_index(record.signer.get())) else {
            return false;
        };
        let root = if signer.tbs.get() == NONE {
            wellknown_key(signer.wellknown)
        } else {
            tbs_key(self.set.pooled(signer.tbs.get()))
        };
        let key = |offset: U32| match offset.get() {
            NONE => 0,
            offset => text_key(Text::Utf8(self.set.text(offset))),
        };
        let (publisher, oem) = (key(signer.publisher), key(signer.oem));
        let by_publisher = if publisher == 0 { 0 } else { SHAPE_PUBLISHER };
        let by_oem = if oem == 0 { 0 } else { SHAPE_OEM };
        let shape = u32::from(by_publisher | by_oem);
        let listed = self.set.signer_shapes().checked_shr(shape).unwrap_or(0) & 1 != 0;
        listed && signer_key(root, publisher, oem) == record.key.get()
    }

    fn catalogs(&self) -> Result<(), SetError> {
        let bytes: &[u8] = self.set.table(Table::Catalogs);
        let sound = bytes.is_empty() || self.set.catalogs().is_some();
        self.check(sound, SetFault::Catalogs, Table::Catalogs, 0)
    }

    /// Checks that every rule has an id and a name and that the block offsets are right.
    fn rule_names(&self) -> Result<(), SetError> {
        let names: &[u8] = self.set.table(Table::RuleNames);
        let blocks: &[U32] = self.set.table(Table::RuleNameBlocks);
        let rules = self.rule_count;
        if Ok(blocks.len()) != usize::try_from(rules.div_ceil(RULE_NAME_BLOCK)) {
            return Err(fault(SetFault::Count, self.at(Table::RuleNameBlocks, 0)));
        }
        // Nearly always so, and then every part of it is text.
        let all_ascii = names.is_ascii();
        let is_text = |text: &[u8]| all_ascii || core::str::from_utf8(text).is_ok();
        let mut blocks = blocks.iter();
        let mut rest = names;
        for rule in 0..rules {
            let at = names.len().saturating_sub(rest.len());
            if rule.checked_rem(RULE_NAME_BLOCK) == Some(0)
                && blocks.next().and_then(|block| usize::try_from(block.get()).ok()) != Some(at)
            {
                return Err(fault(SetFault::Reference, self.at(Table::RuleNames, at)));
            }
            let both = take_text(rest)
                .filter(|(id, _)| is_text(id))
                .and_then(|(_, rest)| take_text(rest))
                .filter(|(name, _)| is_text(name));
            let Some((_, tail)) = both else {
                return Err(fault(SetFault::Text, self.at(Table::RuleNames, at)));
            };
            rest = tail;
        }
        if rest.is_empty() {
            Ok(())
        } else {
            let at = names.len().saturating_sub(rest.len());
            Err(fault(SetFault::Count, self.at(Table::RuleNames, at)))
        }
    }
}

/// Checks a bucket index along a scan of the table it indexes.
struct BucketScan<'a> {
    /// The buckets after the next one.
    rest: core::slice::Iter<'a, Bucket>,
    count: u32,
    bits: u32,
    /// The bucket that the scan stands in, its marks, those seen, and the next bucket.
    bucket: u32,
    marks: u32,
    seen: u32,
    next: Option<&'a Bucket>,
}

impl<'a> BucketScan<'a> {
    /// Starts; `None` if the index has the wrong size or start.
    fn new(set: &PolicySet<'a>, buckets: Table, length: usize) -> Option<Self> {
        let index: &'a [Bucket] = set.table(buckets);
        let count = u32::try_from(length).ok()?;
        let bits = bucket_bits(count);
        let wanted = if count == 0 {
            0
        } else {
            1_usize.checked_shl(bits)?.checked_add(1)?
        };
        if index.len() != wanted {
            return None;
        }
        let mut rest = index.iter();
        let first = rest.next().copied().unwrap_or_default();
        if first.first.get() != 0 {
            return None;
        }
        Some(Self {
            next: rest.next(),
            rest,
            count,
            bits,
            bucket: 0,
            marks: first.marks.get(),
            seen: 0,
        })
    }

    /// Passes entry `number` with this key; says whether the index puts it there.
    #[inline]
    fn step(&mut self, number: u32, key: u64) -> bool {
        let here = bucket_of(key, self.bits);
        while self.bucket < here {
            if !self.leave(number) {
                return false;
            }
        }
        self.seen |= marks(key);
        true
    }

    /// Goes on to the next bucket, which must start at entry `number`; says whether this one had the marks of its keys.
    fn leave(&mut self, number: u32) -> bool {
        let Some(next) = self.next else {
            return false;
        };
        let right = next.first.get() == number && self.seen == self.marks;
        self.bucket = self.bucket.saturating_add(1);
        self.marks = next.marks.get();
        self.seen = 0;
        self.next = self.rest.next();
        right
    }

    /// Whether the rest of the index, the last bucket used and the empty ones after it, ends where the table does.
    fn finish(mut self) -> bool {
        while self.next.is_some() {
            if !self.leave(self.count) {
                return false;
            }
        }
        self.marks == 0
    }
}
