//! The complete validation of a set.

mod layout;
mod signers;
mod summaries;

use crate::bounds::ATTRIBUTE_STEPS;
use crate::bounds::KeySteps;
use crate::bounds::MAX_BASE_POLICIES;
use crate::bounds::MAX_RULES_OF_HASH;
use crate::bounds::MAX_VALIDATED_NAME_BYTES;
use crate::bounds::MAX_VALUE_BYTES;
use crate::bucket_index::BucketScan;
use crate::bucket_index::hash_key;
use crate::bucket_index::wide_key;
use crate::error::SetError;
use crate::error::SetFault;
use crate::fold::name_key;
use crate::format::MAX_POLICIES;
use crate::format::RULE_NAME_BLOCK;
use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::AttributeUse;
use crate::records::HashRecord;
use crate::records::NO_BASE;
use crate::records::NONE;
use crate::records::PolicyRecord;
use crate::set::Few;
use crate::set::PolicySet;
use crate::set::take_text;
use core::cell::Cell;
use evidence::CatalogIndex;
use evidence::IndexFault;
use evidence::Text;
use zerocopy::little_endian::U32;

impl<'a> PolicySet<'a> {
    /// Proves the bytes to be a policy set: magic, format version, length, SHA-256 of the body, every offset, order,
    /// count and text.
    ///
    /// # Errors
    /// [`SetError`] with the first fault found and the byte it was found at.
    pub fn validate(bytes: &'a [u8]) -> Result<Self, SetError> {
        let (base_count, few) = validate(bytes)?;
        Ok(Self {
            bytes,
            base_count,
            few,
        })
    }
}

/// A set together with the bytes it lies in: validated once, viewed for ever after.
#[derive(Debug)]
pub struct ValidatedSet<B> {
    bytes: B,
    base_count: u16,
    few: Few,
}

impl<B: AsRef<[u8]>> ValidatedSet<B> {
    /// Validates as [`PolicySet::validate`] does and keeps the bytes.
    ///
    /// # Errors
    /// [`SetError`]; the bytes are dropped.
    pub fn new(bytes: B) -> Result<Self, SetError> {
        let (base_count, few) = validate(bytes.as_ref())?;
        Ok(Self {
            bytes,
            base_count,
            few,
        })
    }

    /// The set. Costs nothing to speak of and cannot fail.
    pub fn set(&self) -> PolicySet<'_> {
        PolicySet {
            bytes: self.bytes.as_ref(),
            base_count: self.base_count,
            few: self.few,
        }
    }

    /// The bytes as they were given.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Gives the bytes back.
    pub fn into_inner(self) -> B {
        self.bytes
    }
}

/// Proves the bytes to be a set and gives the number of base policies and which tables are short.
fn validate(bytes: &[u8]) -> Result<(u16, Few), SetError> {
    let rule_count = layout::header(bytes)?;
    layout::directory(bytes)?;
    let checks = Checks {
        set: PolicySet {
            bytes,
            base_count: 0,
            few: Few::default(),
        },
        rule_count,
        names_left: Cell::new(MAX_VALIDATED_NAME_BYTES),
    };
    let base_count = checks.policies()?;
    checks.hashes::<20>(Table::Hashes20, Table::Buckets20)?;
    checks.hashes::<32>(Table::Hashes32, Table::Buckets32)?;
    checks.hashes::<48>(Table::Hashes48, Table::Buckets48)?;
    checks.hashes::<64>(Table::Hashes64, Table::Buckets64)?;
    checks.attributes()?;
    let attribute_uses = checks.attribute_uses()?;
    checks.attribute_refs()?;
    checks.exceptions()?;
    checks.ekus()?;
    checks.signers()?;
    let signer_uses = checks.signer_uses()?;
    let file_signers = checks.summaries()?;
    checks.rule_names()?;
    checks.catalogs()?;
    let few = Few {
        attribute_uses,
        signer_uses,
        file_signers,
    };
    Ok((base_count, few))
}

const fn fault(fault: SetFault, offset: usize) -> SetError {
    // A set has at most MAX_SET_BYTES bytes, so the offset always fits.
    #[expect(clippy::as_conversions, reason = "usize to u64 in const context")]
    let offset = offset as u64;
    SetError { fault, offset }
}

struct Checks<'a> {
    set: PolicySet<'a>,
    rule_count: u32,
    /// Bytes of names that may still be read: many records may refer to one of them.
    names_left: Cell<usize>,
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

    /// What is wrong with an offset that should be [`NONE`] or that of a pooled text.
    fn text_or_none(&self, offset: U32) -> Result<(), SetFault> {
        let text = self.value_or_none(offset).map_err(|wrong| match wrong {
            SetFault::Reference => SetFault::Text,
            other => other,
        })?;
        core::str::from_utf8(text).map_or(Err(SetFault::Text), |_| Ok(()))
    }

    /// The pooled value at an offset, empty for [`NONE`], or what is wrong with it.
    fn value_or_none(&self, offset: U32) -> Result<&[u8], SetFault> {
        if offset.get() == NONE {
            return Ok(&[]);
        }
        let (value, _) = self.set.pool_at(offset.get()).ok_or(SetFault::Reference)?;
        let left = self.names_left.get().checked_sub(value.len());
        self.names_left.set(left.unwrap_or(0));
        if value.len() > MAX_VALUE_BYTES || left.is_none() {
            return Err(SetFault::LongValue);
        }
        Ok(value)
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
                SetFault::BasePolicies,
                self.at(Table::Policies, MAX_BASE_POLICIES),
            ));
        }
        for (index, record) in records.iter().enumerate() {
            let at = self.at(Table::Policies, index);
            if record.flags.get() & !PolicyRecord::KNOWN_FLAGS != 0 || record.reserved != [0; 3] {
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
        let mut scan = BucketScan::new(self.set.table(buckets), records.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(buckets, 0)))?;
        let mut previous: Option<(u64, &HashRecord<N>)> = None;
        let mut equal = 0_u32;
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
            equal = match previous {
                Some((_, previous)) if previous.hash == record.hash => equal.saturating_add(1),
                _ => 1,
            };
            if equal > MAX_RULES_OF_HASH {
                return wrong(SetFault::RulesOfHash);
            }
            previous = Some((key, record));
        }
        self.check(scan.finish(), SetFault::Buckets, buckets, 0)
    }

    /// Checks the file attributes.
    fn attributes(&self) -> Result<(), SetError> {
        for (index, record) in self.set.attributes().iter().enumerate() {
            let check = |holds, what| self.check(holds, what, Table::Attributes, index);
            let values = record
                .names
                .into_iter()
                .try_for_each(|name| self.text_or_none(name))
                .and_then(|()| self.value_or_none(record.hash).map(|_| ()));
            values.map_err(|wrong| fault(wrong, self.at(Table::Attributes, index)))?;
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
            Some((kind, name)) => {
                let name = self.value_or_none(*name).ok()?;
                let name = core::str::from_utf8(name).ok()?;
                (name_key(kind, Text::Utf8(name)), Some(kind))
            }
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

    /// Checks the uses of file rules and says whether they are few.
    fn attribute_uses(&self) -> Result<bool, SetError> {
        let uses: &[AttributeUse] = self.set.table(Table::AttributeUses);
        let policies = self.set.policy_records().len();
        let mut scan = BucketScan::new(self.set.table(Table::AttributeBuckets), uses.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(Table::AttributeBuckets, 0)))?;
        let mut steps = KeySteps::new(SetFault::RulesOfName);
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
            steps
                .add(record.key.get(), ATTRIBUTE_STEPS)
                .map_err(|wrong| fault(wrong, self.at(Table::AttributeUses, as_index(number))))?;
            previous = Some(place);
        }
        self.check(scan.finish(), SetFault::Buckets, Table::AttributeBuckets, 0)?;
        Ok(steps.are_few())
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

    fn catalogs(&self) -> Result<(), SetError> {
        let bytes: &[u8] = self.set.table(Table::Catalogs);
        if bytes.is_empty() {
            return Ok(());
        }
        let checked = CatalogIndex::validate(bytes).map_err(|wrong| match wrong {
            IndexFault::Signers => SetFault::CatalogSigners,
            IndexFault::Signer | IndexFault::LongSigner => SetFault::CatalogSigner,
            IndexFault::Form | IndexFault::Members | IndexFault::Order => SetFault::Catalogs,
        });
        checked
            .map(|_| ())
            .map_err(|wrong| fault(wrong, self.at(Table::Catalogs, 0)))
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
