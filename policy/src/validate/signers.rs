//! Validation of the signers: what each asks for, and the policies that use them.

use super::Checks;
use super::fault;
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
use crate::records::NONE;
use crate::records::SHAPE_OEM;
use crate::records::SHAPE_PUBLISHER;
use crate::records::SignerUse;
use crate::verdict::Level;
use evidence::Text;
use zerocopy::little_endian::U32;

impl Checks<'_> {
    pub(super) fn ekus(&self) -> Result<(), SetError> {
        let ekus: &[U32] = self.set.table(Table::Ekus);
        for (index, offset) in ekus.iter().enumerate() {
            let there = self.set.pool_at(offset.get()).is_some();
            self.check(there, SetFault::Reference, Table::Ekus, index)?;
        }
        Ok(())
    }

    pub(super) fn signers(&self) -> Result<(), SetError> {
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

    pub(super) fn signer_uses(&self) -> Result<(), SetError> {
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let exceptions: &[U32] = self.set.table(Table::Exceptions);
        let policies = self.set.policy_records().len();
        let mut scan = BucketScan::new(self.set.table(Table::SignerBuckets), uses.len())
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
}
