//! How much work a look-up in a set may take. A set that would make more of it does not validate.
//!
//! A step is about as much as looking at one record and one short name: some nanoseconds. The work of a decision is then bounded by what
//! the file is looked up by: five name keys, nine hashes, and for each signature four keys for each certificate and root.

use crate::error::SetFault;
use crate::records::SignerRecord;
use crate::records::SignerUse;

/// Longest name, hash or object identifier that a record may ask for, in bytes. Names of files and certificates have far fewer.
pub const MAX_VALUE_BYTES: usize = 1024;
/// Most base policies of a set: each thirty-two look the file up once more. Windows itself took 32 policies until 2024.
pub const MAX_BASE_POLICIES: usize = 128;
/// Most rules that name one hash.
pub const MAX_RULES_OF_HASH: u32 = 1024;
/// Most key usages that a signer asks for and excepts.
pub const MAX_EKUS_OF_SIGNER: u32 = 64;
/// Most steps under one key: the file rules of one name, or of none; the signers of one root, publisher and OEM id.
pub const MAX_STEPS: u32 = 16_384;
/// A key with more steps than this is crowded.
pub const CROWDED_STEPS: u32 = 256;
/// Most steps under all crowded keys of one table together.
pub const MAX_CROWDED_STEPS: u32 = 32_768;
/// A table of up to so many steps is walked whole where a fact is missing that it is looked up by; a larger one is asked for its first uses.
pub const MAX_WALK_STEPS: u32 = 16_384;
/// Most bytes of names that validation reads.
pub(crate) const MAX_VALIDATED_NAME_BYTES: usize = 256 << 20;

/// Comparing a file with the names and versions of one rule.
pub(crate) const ATTRIBUTE_STEPS: u32 = 4;
/// Comparing a signature with the certificate and the names of a signer.
const SIGNER_STEPS: u32 = 16;
/// Looking for a key usage among those of a leaf.
const EKU_STEPS: u32 = 16;
/// Of a signer's file attributes, so many are tried where the names of a file are not known.
pub const MAX_TRIED_ATTRIBUTES: usize = 16;

/// Trying the exceptions of a signer use.
pub(crate) const fn exception_steps(signer_use: &SignerUse) -> u32 {
    signer_use.except_count.get().saturating_mul(ATTRIBUTE_STEPS)
}

/// Trying a signer use, if its signer's attributes take so many steps.
pub(crate) fn signer_steps(signer: &SignerRecord, attribute_steps: u32, signer_use: &SignerUse) -> u32 {
    let ekus = u32::from(signer.eku_count.get()).saturating_add(signer.except_eku_count.get().into());
    SIGNER_STEPS
        .saturating_add(ekus.saturating_mul(EKU_STEPS))
        .saturating_add(attribute_steps)
        .saturating_add(exception_steps(signer_use))
}

/// Counts the steps under each key of a sorted table while it is validated.
pub(crate) struct KeySteps {
    key: Option<u32>,
    under_key: u32,
    crowded: u32,
    total: u32,
    too_many: SetFault,
}

impl KeySteps {
    /// Starts; `too_many` is what a key with too many steps is refused as.
    pub(crate) const fn new(too_many: SetFault) -> Self {
        Self {
            key: None,
            under_key: 0,
            crowded: 0,
            total: 0,
            too_many,
        }
    }

    /// Counts the steps of the next record.
    pub(crate) fn add(&mut self, key: u32, steps: u32) -> Result<(), SetFault> {
        if self.key != Some(key) {
            self.key = Some(key);
            self.under_key = 0;
        }
        let before = self.under_key;
        self.under_key = before.saturating_add(steps);
        self.count(steps);
        if self.under_key > MAX_STEPS {
            return Err(self.too_many);
        }
        if self.under_key > CROWDED_STEPS {
            let more = if before > CROWDED_STEPS {
                steps
            } else {
                self.under_key
            };
            self.crowded = self.crowded.saturating_add(more);
        }
        if self.crowded > MAX_CROWDED_STEPS {
            return Err(SetFault::Crowded);
        }
        Ok(())
    }

    /// Counts the steps of a record that no key is looked up for.
    pub(crate) const fn count(&mut self, steps: u32) {
        self.total = self.total.saturating_add(steps);
    }

    /// Whether the table is so short that it may be walked whole.
    pub(crate) const fn are_few(&self) -> bool {
        self.total <= MAX_WALK_STEPS
    }
}

/// Takes a step: one look-up, or one rule or part of a rule that is tried.
#[inline]
pub(crate) fn step() {
    #[cfg(test)]
    counted::step();
}

/// Counts the steps of a decision, for tests of the bounds.
#[cfg(test)]
pub(crate) mod counted {
    extern crate std;

    use core::cell::Cell;

    std::thread_local! {
        static STEPS: Cell<u32> = const { Cell::new(0) };
    }

    pub(crate) fn step() {
        STEPS.set(STEPS.get().saturating_add(1));
    }

    /// The steps that something takes.
    pub(crate) fn steps(run: impl FnOnce()) -> u32 {
        let before = STEPS.get();
        run();
        STEPS.get().saturating_sub(before)
    }
}
