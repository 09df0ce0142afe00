//! Validation of what is kept for files and signatures that cannot be read: the policies' first uses, and the signer uses by file names.

use super::Checks;
use super::fault;
use crate::bounds::ATTRIBUTE_STEPS;
use crate::bounds::KeySteps;
use crate::bounds::exception_steps;
use crate::bucket_index::BucketScan;
use crate::bucket_index::wide_key;
use crate::error::SetError;
use crate::error::SetFault;
use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::AttributeUse;
use crate::records::FileSigner;
use crate::records::NONE;
use crate::records::PolicyRecord;
use crate::records::SignerUse;
use zerocopy::little_endian::U32;

/// What a signer use goes by beside the signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Files {
    /// Nothing.
    Any,
    /// The file too.
    Some,
    /// Attributes that no kernel image has.
    None,
}

impl Checks<'_> {
    /// Checks the first uses that the policies name, and [`Table::FileSigners`]; says whether the latter are few. The tables that they refer to
    /// have been checked.
    pub(super) fn summaries(&self) -> Result<bool, SetError> {
        self.firsts_are_of_their_kind()?;
        let named: &[AttributeUse] = self.set.table(Table::AttributeUses);
        for (number, found) in (0_u32..).zip(named) {
            let firsts = self
                .record_of(found.policy.get())
                .map(|record| record.named_files);
            let earlier = !self.is_named(found) || first_of(firsts, found.action.get()) <= number;
            self.check(
                earlier,
                SetFault::Reference,
                Table::AttributeUses,
                as_index(number),
            )?;
        }
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let mut wanted = 0_usize;
        // The uses of a signer stand together.
        let mut of_signer = None;
        for (number, found) in (0_u32..).zip(uses) {
            let signer = found.signer.get();
            let attributes = match of_signer {
                Some((last, count)) if last == signer => count,
                _ => self.kernel_attributes(signer),
            };
            of_signer = Some((signer, attributes));
            let record = self.record_of(found.policy.get());
            let any_file = first_of(record.map(|record| record.any_file_signers), found.action.get());
            let first = match files_of(found, attributes) {
                Files::Any => any_file,
                Files::Some => first_of(record.map(|record| record.file_signers), found.action.get()),
                Files::None => 0,
            };
            self.check(
                first <= number,
                SetFault::Reference,
                Table::SignerUses,
                as_index(number),
            )?;
            if any_file == NONE {
                wanted = wanted.saturating_add(attributes.unwrap_or(1));
            }
        }
        self.file_signers(wanted)
    }

    /// Checks that each first use of a policy is one of that policy, action and kind.
    fn firsts_are_of_their_kind(&self) -> Result<(), SetError> {
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let named: &[AttributeUse] = self.set.table(Table::AttributeUses);
        for (policy, record) in self.set.policy_records().iter().enumerate() {
            let signer_use = |index: u32, action: u16, kind: Files| {
                index == NONE
                    || uses.get(as_index(index)).is_some_and(|found| {
                        let attributes = self.kernel_attributes(found.signer.get());
                        usize::from(found.policy.get()) == policy
                            && found.action.get() == action
                            && files_of(found, attributes) == kind
                    })
            };
            let name_use = |index: u32, action: u16| {
                index == NONE
                    || named.get(as_index(index)).is_some_and(|found| {
                        usize::from(found.policy.get()) == policy
                            && found.action.get() == action
                            && self.is_named(found)
                    })
            };
            for action in 0..=1 {
                let right = signer_use(
                    first_of(Some(record.any_file_signers), action),
                    action,
                    Files::Any,
                ) && signer_use(first_of(Some(record.file_signers), action), action, Files::Some)
                    && name_use(first_of(Some(record.named_files), action), action);
                self.check(right, SetFault::Reference, Table::Policies, policy)?;
            }
        }
        Ok(())
    }

    fn record_of(&self, policy: u16) -> Option<&PolicyRecord> {
        self.set.policy_records().get(usize::from(policy))
    }

    fn is_never(&self, attribute: u32) -> bool {
        self.set
            .attributes()
            .get(as_index(attribute))
            .is_none_or(|record| record.flags.get() & AttributeRecord::NEVER != 0)
    }

    /// Whether a use of a file rule goes by a name that a kernel image can have.
    fn is_named(&self, found: &AttributeUse) -> bool {
        found.key.get() != 0 && !self.is_never(found.attribute.get())
    }

    /// How many of a signer's file attributes a kernel image can have; `None` if it asks for none at all.
    fn kernel_attributes(&self, signer: u32) -> Option<usize> {
        let signer = self.set.signers().get(as_index(signer))?;
        let refs = self.set.attribute_refs(signer);
        (!refs.is_empty()).then(|| {
            refs.iter()
                .filter(|found| !self.is_never(found.attribute.get()))
                .count()
        })
    }

    /// Checks the signer uses by file names: each is right and none is missing, because there are as many as there should be.
    fn file_signers(&self, wanted: usize) -> Result<bool, SetError> {
        let records: &[FileSigner] = self.set.table(Table::FileSigners);
        self.check(records.len() == wanted, SetFault::Count, Table::FileSigners, 0)?;
        let mut scan = BucketScan::new(self.set.table(Table::FileSignerBuckets), records.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(Table::FileSignerBuckets, 0)))?;
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let mut steps = KeySteps::new(SetFault::SignersOfFile);
        let mut previous = None;
        for (number, record) in (0_u32..).zip(records) {
            let check = |holds, what| self.check(holds, what, Table::FileSigners, as_index(number));
            let place = (record.key.get(), record.signer_use.get(), record.attribute.get());
            check(previous.is_none_or(|previous| previous < place), SetFault::Order)?;
            check(self.file_signer_is_right(record), SetFault::Reference)?;
            check(scan.step(number, wide_key(record.key.get())), SetFault::Buckets)?;
            let exceptions = uses
                .get(as_index(record.signer_use.get()))
                .map_or(0, exception_steps);
            steps
                .add(record.key.get(), ATTRIBUTE_STEPS.saturating_add(exceptions))
                .map_err(|wrong| fault(wrong, self.at(Table::FileSigners, as_index(number))))?;
            previous = Some(place);
        }
        self.check(scan.finish(), SetFault::Buckets, Table::FileSignerBuckets, 0)?;
        Ok(steps.are_few())
    }

    fn file_signer_is_right(&self, record: &FileSigner) -> bool {
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let Some(found) = uses.get(as_index(record.signer_use.get())) else {
            return false;
        };
        let Some(signer) = self.set.signers().get(as_index(found.signer.get())) else {
            return false;
        };
        let firsts = self
            .record_of(found.policy.get())
            .map(|record| record.any_file_signers);
        let refs = self.set.attribute_refs(signer);
        let (key, attribute) = (record.key.get(), record.attribute.get());
        let is_there = if attribute == NONE {
            refs.is_empty() && key == 0
        } else {
            let place = |other: &AttributeRef| (other.key.get(), other.attribute.get());
            refs.binary_search_by_key(&(key, attribute), place).is_ok() && !self.is_never(attribute)
        };
        is_there && first_of(firsts, found.action.get()) == NONE
    }
}

/// The first use for an action among those a policy names.
fn first_of(firsts: Option<[U32; 2]>, action: u16) -> u32 {
    let [allow, deny] = firsts.unwrap_or_default();
    if action == 0 { allow.get() } else { deny.get() }
}

/// What a signer use goes by, if its signer has so many file attributes that a kernel image can have.
const fn files_of(found: &SignerUse, attributes: Option<usize>) -> Files {
    match attributes {
        None if found.except_count.get() == 0 => Files::Any,
        Some(0) => Files::None,
        None | Some(_) => Files::Some,
    }
}
