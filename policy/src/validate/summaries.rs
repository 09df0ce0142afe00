//! Validation of what is kept for files and signatures that cannot be read: the policies' first uses, and the signer uses by file names.

use super::Checks;
use super::fault;
use crate::bounds::ATTRIBUTE_STEPS;
use crate::bounds::KeySteps;
use crate::bounds::MAX_STEPS;
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
use crate::set::FewFileSigners;
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
    /// Checks the first uses that the policies name, and [`Table::FileSigners`]; says which of the latter are few. The tables that they refer to have been checked.
    pub(super) fn summaries(&self) -> Result<FewFileSigners, SetError> {
        let mut confirmed = 0_usize;
        let named: &[AttributeUse] = self.set.table(Table::AttributeUses);
        for (number, found) in (0_u32..).zip(named) {
            if self.is_named(found) {
                let firsts = self
                    .record_of(found.policy.get())
                    .map(|record| record.named_files);
                let first = first_of(firsts, found.action.get());
                self.confirm(first, number, Table::AttributeUses, &mut confirmed)?;
            }
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
                Files::Any => Some(any_file),
                Files::Some => Some(first_of(
                    record.map(|record| record.file_signers),
                    found.action.get(),
                )),
                Files::None => None,
            };
            if let Some(first) = first {
                self.confirm(first, number, Table::SignerUses, &mut confirmed)?;
            }
            if any_file == NONE {
                wanted = wanted.saturating_add(attributes.unwrap_or(1));
            }
        }
        // Each first use was met as one of its policy, action and kind.
        let firsts = self.set.policy_records().iter().flat_map(|record| {
            [record.any_file_signers, record.file_signers, record.named_files]
                .into_iter()
                .flatten()
        });
        let named = firsts.filter(|first| first.get() != NONE).count();
        self.check(named == confirmed, SetFault::Reference, Table::Policies, 0)?;
        self.file_signers(wanted)
    }

    /// Checks that a use is not before the first one that its policy names for its action and kind, and counts it if it is that.
    fn confirm(&self, first: u32, number: u32, table: Table, confirmed: &mut usize) -> Result<(), SetError> {
        if first == number {
            *confirmed = confirmed.saturating_add(1);
        }
        self.check(first <= number, SetFault::Reference, table, as_index(number))
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
    fn file_signers(&self, wanted: usize) -> Result<FewFileSigners, SetError> {
        let records: &[FileSigner] = self.set.table(Table::FileSigners);
        self.check(records.len() == wanted, SetFault::Count, Table::FileSigners, 0)?;
        let mut scan = BucketScan::new(self.set.table(Table::FileSignerBuckets), records.len())
            .ok_or_else(|| fault(SetFault::Buckets, self.at(Table::FileSignerBuckets, 0)))?;
        let uses: &[SignerUse] = self.set.table(Table::SignerUses);
        let mut steps = KeySteps::new(SetFault::SignersOfFile);
        let mut nameless = 0_u32;
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
            let own = ATTRIBUTE_STEPS.saturating_add(exceptions);
            let wrong = |wrong| fault(wrong, self.at(Table::FileSigners, as_index(number)));
            // Any number of signers may be restricted to versions alone.
            match record.key.get() {
                0 => {
                    nameless = nameless.saturating_add(own);
                    steps.count(own);
                }
                key => steps.add(key, own).map_err(wrong)?,
            }
            previous = Some(place);
        }
        self.check(scan.finish(), SetFault::Buckets, Table::FileSignerBuckets, 0)?;
        Ok(if steps.are_few() {
            FewFileSigners::All
        } else if nameless <= MAX_STEPS {
            FewFileSigners::Nameless
        } else {
            FewFileSigners::Neither
        })
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
