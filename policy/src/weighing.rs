//! The rules of a set that hold for one file, found by the file's hashes, names and signatures and handed to the policies they stand in.

use crate::bucket_index::signer_key;
use crate::bucket_index::tbs_key;
use crate::bucket_index::wellknown_key;
use crate::facts::Missing;
use crate::facts::is_usable;
use crate::facts::publisher;
use crate::fold::text_key;
use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeUse;
use crate::records::PolicyRecord;
use crate::records::SHAPE_OEM;
use crate::records::SHAPE_PUBLISHER;
use crate::records::SignerUse;
use crate::rules::Anchor;
use crate::rules::Rules;
use crate::rules::action_of;
use crate::rules::level_of;
use crate::set::PolicySet;
use crate::truth::Truth;
use crate::verdict::Action;
use crate::verdict::Level;
use crate::verdict::Match;
use crate::verdict::NO_SIGNATURE;
use crate::verdict::Outcome;
use crate::verdict::RuleKind;
use evidence::Evidence;
use evidence::Fact;
use evidence::Signature;
use evidence::Unreadable;

/// One file on its way through the rules that a part of the base policies has.
pub(crate) struct Weighing<'a, 'e, 'o> {
    pub(crate) set: PolicySet<'a>,
    pub(crate) rules: Rules<'a, 'e>,
    pub(crate) evidence: &'e Evidence<'e>,
    /// Index of the base policy that has the first outcome.
    pub(crate) first: u16,
    /// Of the base policies of this part.
    pub(crate) outcomes: &'o mut [Outcome],
}

impl<'e> Weighing<'_, 'e, '_> {
    /// Offers every hash rule that names this file.
    pub(crate) fn hashes(&mut self) {
        let rules = self.rules;
        rules.hash_rules(|hit| {
            if hit.first_page && !hit.denies {
                return;
            }
            let found = Match {
                action: action_of(hit.denies.into()),
                kind: RuleKind::Hash,
                level: Level::Hash,
                rule: hit.rule,
                signature: NO_SIGNATURE,
            };
            self.offer(hit.policy, found, Truth::Yes);
        });
    }

    /// Weighs the file rules that go by names and version.
    pub(crate) fn attributes(&mut self) {
        if self.rules.keys.known {
            for key in self.rules.keys.iter() {
                self.attribute_uses(self.set.attribute_uses(key));
            }
        } else {
            self.attribute_uses(self.set.table(Table::AttributeUses));
        }
    }

    fn attribute_uses(&mut self, uses: &[AttributeUse]) {
        for attribute_use in uses {
            let Some(record) = self.set.attributes().get(as_index(attribute_use.attribute.get())) else {
                continue;
            };
            let truth = self.rules.attribute(record);
            if truth == Truth::No {
                continue;
            }
            let level = if attribute_use.key.get() == 0 {
                Level::AnyFile
            } else {
                Level::FileName
            };
            let found = Match {
                action: action_of(attribute_use.action.get()),
                kind: RuleKind::FileAttributes,
                level,
                rule: record.rule.get(),
                signature: NO_SIGNATURE,
            };
            self.offer(attribute_use.policy.get(), found, truth);
        }
    }

    /// Weighs the signers, by every signature of the file.
    pub(crate) fn signers(&mut self) {
        let all: &[SignerUse] = self.set.table(Table::SignerUses);
        if all.is_empty() {
            return;
        }
        match self.evidence.signatures {
            Fact::Present(signatures) => {
                for (index, signature) in signatures.iter().enumerate() {
                    match is_usable(signature) {
                        Truth::Yes => {
                            let index = u8::try_from(index).unwrap_or(NO_SIGNATURE);
                            self.signature(index, signature, all);
                        }
                        Truth::No => {}
                        Truth::Unknown(reason) => self.unread_signature(all, reason),
                    }
                }
            }
            Fact::Absent => {}
            Fact::Unreadable(reason) => self.unread_signature(all, reason),
        }
    }

    fn signature(&mut self, index: u8, signature: &'e Signature<'e>, all: &[SignerUse]) {
        let unreadable = signature
            .chain
            .iter()
            .any(|certificate| matches!(certificate.tbs, Fact::Unreadable(_)));
        if unreadable {
            // Any signer that goes by a TBS hash may be meant.
            for signer_use in all {
                self.signer_use(index, signature, signer_use);
            }
            return;
        }
        let Some(names) = SignatureKeys::of(signature, self.set.signer_shapes()) else {
            // Any signer that goes by a name may be meant.
            for signer_use in all {
                self.signer_use(index, signature, signer_use);
            }
            return;
        };
        for (depth, certificate) in signature.chain.iter().enumerate() {
            let Fact::Present(tbs) = &certificate.tbs else {
                continue;
            };
            // The same certificate may stand in a chain twice.
            let earlier = signature.chain.get(..depth).unwrap_or_default();
            if !earlier.iter().any(|other| other.tbs == certificate.tbs) {
                self.root(index, signature, tbs_key(tbs.as_bytes()), &names);
            }
        }
        if let Some(wellknown) = signature.root.wellknown.filter(|id| *id != 0) {
            self.root(index, signature, wellknown_key(wellknown), &names);
        }
        self.root(index, signature, wellknown_key(0), &names);
    }

    /// Weighs the signers of this root and the signature's names.
    fn root(&mut self, index: u8, signature: &'e Signature<'e>, root: u64, names: &SignatureKeys) {
        for (publisher, oem) in names.combinations() {
            for signer_use in self.set.signer_uses(signer_key(root, publisher, oem)) {
                self.signer_use(index, signature, signer_use);
            }
        }
    }

    fn signer_use(&mut self, index: u8, signature: &Signature<'_>, signer_use: &SignerUse) {
        let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
            return;
        };
        let action = action_of(signer_use.action.get());
        if action == Action::Allow && !self.rules.may_grant(signature, signer_use.policy.get()) {
            return;
        }
        let (mut truth, anchor) = self.rules.signer(signer, signature);
        if truth != Truth::No && signer_use.except_count.get() != 0 {
            truth = truth.and(self.rules.not_excepted(signer_use));
        }
        let found = Match {
            action,
            kind: RuleKind::Signer,
            level: level_of(signer, anchor),
            rule: signer.rule.get(),
            signature: index,
        };
        self.offer(signer_use.policy.get(), found, truth);
    }

    /// A signature that could not be read: every signer is unknown, unless the file's attributes settle it.
    fn unread_signature(&mut self, all: &[SignerUse], reason: Unreadable) {
        for signer_use in all {
            let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
                continue;
            };
            let truth = Truth::Unknown(reason)
                .and(self.rules.attributes_of(signer))
                .and(self.rules.not_excepted(signer_use));
            let found = Match {
                action: action_of(signer_use.action.get()),
                kind: RuleKind::Signer,
                level: level_of(signer, Anchor::Above),
                rule: signer.rule.get(),
                signature: NO_SIGNATURE,
            };
            self.offer(signer_use.policy.get(), found, truth);
        }
    }

    /// Gives a match to the base policy that the rule's policy belongs to.
    fn offer(&mut self, policy: u16, found: Match, truth: Truth) {
        let Some(record) = self.set.policy_records().get(usize::from(policy)) else {
            return;
        };
        // A supplemental only ever adds grants.
        if record.is_supplemental() && found.action == Action::Deny {
            return;
        }
        let Some(outcome) = self.outcome(record) else {
            return;
        };
        match (truth, found.action) {
            (Truth::Yes, _) => {
                if outcome.best.is_none_or(|best| found.precedes(best)) {
                    outcome.best = Some(found);
                }
            }
            (Truth::No, _) => {}
            (Truth::Unknown(reason), Action::Allow) => {
                outcome.unknown_allow = outcome.unknown_allow.or(Some(reason));
            }
            (Truth::Unknown(reason), Action::Deny) => {
                outcome.unknown_deny = outcome.unknown_deny.or(Some(reason));
            }
        }
    }

    /// The outcome of the base policy that a policy belongs to, if it is one of this part.
    fn outcome(&mut self, record: &PolicyRecord) -> Option<&mut Outcome> {
        let at = record.base.get().checked_sub(self.first)?;
        self.outcomes.get_mut(usize::from(at))
    }

    /// Notes the policies whose hash rules go by digests that could not be had.
    pub(crate) fn unknown_hashes(&mut self) {
        let missing = Missing::of(self.evidence);
        if missing.deny == 0 {
            return;
        }
        for record in self.set.policy_records() {
            let Some(outcome) = self.outcome(record) else {
                continue;
            };
            let lengths = record.hash_lengths.get();
            if lengths & missing.grant != 0 {
                outcome.unknown_allow = outcome.unknown_allow.or(Some(missing.reason));
            }
            if !record.is_supplemental() && (lengths >> 16) & missing.deny != 0 {
                outcome.unknown_deny = outcome.unknown_deny.or(Some(missing.reason));
            }
        }
    }
}

/// The keys of a signature's names, as signers are looked up by them.
struct SignatureKeys {
    publisher: u64,
    oem: u64,
    /// Shapes of signers that occur in the set and that the names allow; bit `1 << shape`.
    shapes: u32,
}

impl SignatureKeys {
    /// The keys of those names that some signer of the set goes by; `None` if such a name could not be had.
    fn of(signature: &Signature<'_>, shapes: u32) -> Option<Self> {
        const BY_PUBLISHER: u32 = 0b1010;
        const BY_OEM: u32 = 0b1100;
        let mut keys = Self {
            publisher: 0,
            oem: 0,
            shapes,
        };
        if shapes & BY_PUBLISHER != 0 {
            match signature.chain.first().map_or(Fact::Absent, publisher) {
                Fact::Present(name) => keys.publisher = text_key(name),
                Fact::Absent => keys.shapes &= !BY_PUBLISHER,
                Fact::Unreadable(_) => return None,
            }
        }
        if shapes & BY_OEM != 0 {
            match signature.oem_id {
                Fact::Present(name) => keys.oem = text_key(name),
                Fact::Absent => keys.shapes &= !BY_OEM,
                Fact::Unreadable(_) => return None,
            }
        }
        Some(keys)
    }

    /// The keys of publisher and OEM id for each shape of signer.
    fn combinations(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let asked = |shape: u8, bit: u8, key: u64| if shape & bit == 0 { 0 } else { key };
        (0..4_u8)
            .filter(|shape| self.shapes.checked_shr(u32::from(*shape)).unwrap_or(0) & 1 != 0)
            .map(move |shape| {
                (
                    asked(shape, SHAPE_PUBLISHER, self.publisher),
                    asked(shape, SHAPE_OEM, self.oem),
                )
            })
    }
}
