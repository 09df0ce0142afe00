//! Validation of the signers: what each asks for, and the policies that use them.

use super::Checks;
use super::fault;
use crate::bounds::ATTRIBUTE_STEPS;
use crate::bounds::KeySteps;
use crate::bounds::MAX_EKUS_OF_SIGNER;
use crate::bounds::MAX_TRIED_ATTRIBUTES;
use crate::bounds::signer_steps;
use crate::bucket_index::BucketScan;
use crate::bucket_index::signer_key;
use crate::bucket_index::tbs_key;
use crate::bucket_index::wellknown_key;
use crate::bucket_index::wide_key;
use crate::error::SetError;
use crate::error::SetFault;
use crate::fold::text_key;
use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeRef;
use crate::records::NAME_KINDS;
use crate::records::NONE;
use crate::records::SHAPE_OEM;
use crate::records::SHAPE_PUBLISHER;
use crate::records::SignerUse;
use crate::verdict::Level;
use evidence::Text;
use zerocopy::little_endian::U32;

/// The parts of a table that records of another one refer to: each begins where the one before ended, so that none is shared.
#[derive(Default)]
struct Parts {
    end: u32,
}

impl Parts {
    /// Whether a part begins where the last one ended.
    fn take(&mut self, first: U32, count: u32) -> bool {
        let begins = first.get() == self.end;
        self.end = self.end.saturating_add(count);
        begins
    }

    /// Whether the parts make up a table of this length.
    fn end_at(&self, length: usize) -> bool {
        as_index(self.end) == length
    }
}

impl Checks<'_> {
    pub(super) fn ekus(&self) -> Result<(), SetError> {
        let ekus: &[U32] = self.set.table(Table::Ekus);
        for (index, offset) in ekus.iter().enumerate() {
            let there = self.set.pool_at(offset.get()).is_some();
            self.check(there, SetFault::Reference, Table::Ekus, index)?;
            self.value_or_none(*offset)
                .map_err(|wrong| fault(wrong, self.at(Table::Ekus, index)))?;
        }
        Ok(())
    }

    pub(super) fn signers(&self) -> Result<(), SetError> {
        let refs: &[AttributeRef] = self.set.table(Table::AttributeRefs);
        let ekus: &[U32] = self.set.table(Table::Ekus);
        let (mut ref_parts, mut eku_parts) = (Parts::default(), Parts::default());
        for (index, record) in self.set.signers().iter().enumerate() {
            let check = |holds, what| self.check(holds, what, Table::Signers, index);
            let texts = [record.publisher, record.issuer, record.oem].into_iter();
            texts
                .map(|text| self.text_or_none(text))
                .chain([self.value_or_none(record.tbs).map(|_| ())])
                .collect::<Result<(), _>>()
                .map_err(|wrong| fault(wrong, self.at(Table::Signers, index)))?;
            check(record.rule.get() < self.rule_count, SetFault::Reference)?;
            let eku_count =
                u32::from(record.eku_count.get()).saturating_add(record.except_eku_count.get().into());
            check(eku_count <= MAX_EKUS_OF_SIGNER, SetFault::EkusOfSigner)?;
            check(eku_parts.take(record.eku_first, eku_count), SetFault::Reference)?;
            check(
                ref_parts.take(record.attribute_first, record.attribute_count.get()),
                SetFault::Reference,
            )?;
            let place = |reference: &AttributeRef| (reference.key.get(), reference.attribute.get());
            let ascending = self
                .set
                .attribute_refs(record)
                .is_sorted_by(|one, next| place(one) < place(next));
            check(ascending, SetFault::Order)?;
            check(Level::from_number(record.level.into()).is_some(), SetFault::Value)?;
            check(record.reserved == [0; 2], SetFault::Reserved)?;
        }
        self.check(
            ref_parts.end_at(refs.len()),
            SetFault::Count,
            Table::AttributeRefs,
            0,
        )?;
        self.check(eku_parts.end_at(ekus.len()), SetFault::Count, Table::Ekus, 0)
    }

    /// Checks the uses of signers and says whether they are few.
    pub(super) fn signer_uses(&self) -> Result<bool, SetError> {
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let exceptions: &[U32] = self.set.table(Table::Exceptions);
        let policies = self.set.policy_records().len();
        let mut scan = BucketScan::new(self.set.table(Table::SignerBuckets), uses.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(Table::SignerBuckets, 0)))?;
        let mut previous = None;
        let mut parts = Parts::default();
        let mut steps = KeySteps::new(SetFault::SignersOfRoot);
        // The uses of a signer stand together.
        let mut last = None;
        for (number, record) in (0_u32..).zip(uses) {
            let check = |holds, what| self.check(holds, what, Table::SignerUses, as_index(number));
            let place = (
                record.key.get(),
                record.signer.get(),
                record.policy.get(),
                record.action.get(),
                record.except_first.get(),
            );
            check(previous.is_none_or(|previous| previous < place), SetFault::Order)?;
            check(usize::from(record.policy.get()) < policies, SetFault::Reference)?;
            let same = last.is_some_and(|(signer, key, _)| signer == record.signer && key == record.key);
            check(same || self.signer_key_is_right(record), SetFault::Reference)?;
            check(
                parts.take(record.except_first, record.except_count.get()),
                SetFault::Reference,
            )?;
            check(record.action.get() <= 1, SetFault::Value)?;
            check(scan.step(number, wide_key(record.key.get())), SetFault::Buckets)?;
            let attributes = match last {
                Some((_, _, steps)) if same => steps,
                _ => self.attribute_steps(record.signer.get()),
            };
            last = Some((record.signer, record.key, attributes));
            let signer = self.set.signers().get(as_index(record.signer.get()));
            let own = signer.map_or(0, |signer| signer_steps(signer, attributes, record));
            steps
                .add(record.key.get(), own)
                .map_err(|wrong| fault(wrong, self.at(Table::SignerUses, as_index(number))))?;
            previous = Some(place);
        }
        self.check(
            parts.end_at(exceptions.len()),
            SetFault::Count,
            Table::Exceptions,
            0,
        )?;
        self.check(scan.finish(), SetFault::Buckets, Table::SignerBuckets, 0)?;
        Ok(steps.are_few())
    }

    /// How many steps finding a file among the attributes of a signer takes: those of the longest run of one name for each kind of name,
    /// those without a name, and the first ones where names are not known.
    fn attribute_steps(&self, signer: u32) -> u32 {
        let Some(signer) = self.set.signers().get(as_index(signer)) else {
            return 0;
        };
        let refs = self.set.attribute_refs(signer);
        let (mut nameless, mut longest) = (0_usize, 0_usize);
        let mut run: Option<(U32, usize)> = None;
        for reference in refs {
            let length = match run {
                Some((key, length)) if key == reference.key => length.saturating_add(1),
                _ => 1,
            };
            run = Some((reference.key, length));
            if reference.key.get() == 0 {
                nameless = length;
            } else {
                longest = longest.max(length);
            }
        }
        let tried = longest
            .saturating_mul(NAME_KINDS)
            .saturating_add(nameless)
            .max(refs.len().min(MAX_TRIED_ATTRIBUTES));
        u32::try_from(tried)
            .unwrap_or(u32::MAX)
            .saturating_mul(ATTRIBUTE_STEPS)
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
        // The names were checked with the signers; where there is no more room to read them, the key is not right.
        let key = |offset: U32| match self.value_or_none(offset).map(core::str::from_utf8) {
            Ok(Ok(_)) if offset.get() == NONE => 0,
            Ok(Ok(name)) => text_key(Text::Utf8(name)),
            Ok(Err(_)) | Err(_) => u64::MAX,
        };
        let (publisher, oem) = (key(signer.publisher), key(signer.oem));
        let by_publisher = if publisher == 0 { 0 } else { SHAPE_PUBLISHER };
        let by_oem = if oem == 0 { 0 } else { SHAPE_OEM };
        let shape = u32::from(by_publisher | by_oem);
        let listed = self.set.signer_shapes().checked_shr(shape).unwrap_or(0) & 1 != 0;
        listed && signer_key(root, publisher, oem) == record.key.get()
    }
}
