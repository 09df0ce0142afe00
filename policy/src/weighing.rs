//! The rules of a set that hold for one file, found by the file's hashes, names and signatures and handed to the policies they stand in.

use crate::bounds::step;
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
use crate::records::NONE;
use crate::records::PolicyRecord;
use crate::records::SHAPE_OEM;
use crate::records::SHAPE_PUBLISHER;
use crate::records::SignerUse;
use crate::rules::Anchor;
use crate::rules::Rules;
use crate::rules::action_of;
use crate::rules::certificates;
use crate::rules::is_open;
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
use evidence::Identity;
use evidence::Signature;
use evidence::Unreadable;

/// Places of the signatures whose open chains are looked up among all signers.
const MAX_OPEN: u8 = 3;

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
            if hit.grants_nothing.is_some() && !hit.denies {
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
        if self.rules.keys.missing.is_none() {
            for key in self.rules.keys.iter() {
                self.attribute_uses(self.set.attribute_uses(key));
            }
        } else if let Some(reason) = self.rules.keys.missing {
            self.any_name(reason);
        }
    }

    pub(crate) fn attribute_uses(&mut self, uses: &[AttributeUse]) {
        for attribute_use in uses {
            if !self.concerns(attribute_use.policy.get()) {
                continue;
            }
            let Some(record) = self.set.attributes().get(as_index(attribute_use.attribute.get())) else {
                continue;
            };
            let action = action_of(attribute_use.action.get());
            let truth = self.rules.attribute(record, action);
            if truth == Truth::No {
                continue;
            }
            let level = if attribute_use.key.get() == 0 {
                Level::AnyFile
            } else {
                Level::FileName
            };
            let found = Match {
                action,
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
        // Why a signature may be anybody's: by the file's doing, and by the machine's.
        let mut hidden = None;
        let mut unknown = None;
        let mut note = |reason: Option<Unreadable>| match reason {
            Some(reason) if reason.is_from_file() => hidden = hidden.or(Some(reason)),
            Some(reason) => unknown = unknown.or(Some(reason)),
            None => {}
        };
        match self.evidence.signatures {
            Fact::Present(signatures) => {
                for (index, signature) in signatures.iter().enumerate() {
                    let index = u8::try_from(index).unwrap_or(NO_SIGNATURE);
                    note(self.signature(index, signature, all));
                    note((signature.identity == Identity::Unproven).then_some(Unreadable::Unproven));
                }
            }
            Fact::Absent => {}
            Fact::Unreadable(reason) => note(Some(reason)),
        }
        note(self.evidence.more_signatures);
        for reason in [hidden, unknown].into_iter().flatten() {
            self.anybody(reason);
        }
    }

    /// Weighs the signers that a signature is looked up by; why it may be anybody's, if so much of it is missing that it cannot be.
    fn signature(
        &mut self,
        index: u8,
        signature: &'e Signature<'e>,
        all: &[SignerUse],
    ) -> Option<Unreadable> {
        let weighed = Weighed {
            index,
            signature,
            is_usable: is_usable(signature, self.evidence),
        };
        let tbs = certificates(signature, Action::Deny).find_map(|certificate| match certificate.tbs {
            Fact::Unreadable(reason) => Some(reason),
            Fact::Present(_) | Fact::Absent => None,
        });
        let names = SignatureKeys::of(signature, self.set.signer_shapes());
        let open = if is_open(signature) && !self.offer_open(&weighed, all) {
            Some(Unreadable::Unproven)
        } else {
            None
        };
        // Any signer that goes by a TBS hash, or by a name, may be meant.
        let missing = tbs.or(names.missing).or(open);
        if missing.is_some() && self.set.few.signer_uses {
            for signer_use in all {
                self.signer_use(&weighed, signer_use);
            }
            return None;
        }
        for (place, certificate) in certificates(signature, Action::Deny).enumerate() {
            let Fact::Present(tbs) = &certificate.tbs else {
                continue;
            };
            // The same certificate may stand in a chain twice.
            let mut earlier = certificates(signature, Action::Deny).take(place);
            if !earlier.any(|other| other.tbs == certificate.tbs) {
                self.root(&weighed, tbs_key(tbs.as_bytes()), &names);
            }
        }
        let proven = signature
            .root
            .wellknown
            .map_or(0, |id| 1_u32.checked_shl(u32::from(id)).unwrap_or(0));
        let roots = proven | signature.claimed_roots;
        for wellknown in
            (0..32_u8).filter(|id| *id == 0 || roots.checked_shr(u32::from(*id)).unwrap_or(0) & 1 != 0)
        {
            self.root(&weighed, wellknown_key(wellknown), &names);
        }
        missing
    }

    /// Weighs the signers of this root and the signature's names.
    fn root(&mut self, weighed: &Weighed<'e>, root: u64, names: &SignatureKeys) {
        for (publisher, oem) in names.combinations() {
            for signer_use in self.set.signer_uses(signer_key(root, publisher, oem)) {
                self.signer_use(weighed, signer_use);
            }
        }
    }

    /// Offers the denied signers that an open chain may be under; says whether it did. A file has one or two signatures: of more, any may
    /// be anybody's. In a set with very many signers an open chain is under what it names alone: to take it for anybody's there
    /// would deny what has nothing to do with any of them.
    fn offer_open(&mut self, weighed: &Weighed<'_>, all: &[SignerUse]) -> bool {
        if weighed.index > MAX_OPEN {
            return false;
        }
        if !self.set.few.signer_uses {
            return true;
        }
        for signer_use in all {
            if action_of(signer_use.action.get()) == Action::Allow || !self.concerns(signer_use.policy.get())
            {
                continue;
            }
            let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
                continue;
            };
            let mut truth = self.rules.could_be(signer, weighed.signature);
            if truth != Truth::No {
                truth = truth.and(self.rules.not_excepted(signer_use));
            }
            let found = Match {
                action: Action::Deny,
                kind: RuleKind::Signer,
                level: level_of(signer, Anchor::Above),
                rule: signer.rule.get(),
                signature: NO_SIGNATURE,
            };
            self.offer(signer_use.policy.get(), found, truth);
        }
        true
    }

    fn signer_use(&mut self, weighed: &Weighed<'_>, signer_use: &SignerUse) {
        if !self.concerns(signer_use.policy.get()) {
            return;
        }
        let signature = weighed.signature;
        let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
            return;
        };
        let action = action_of(signer_use.action.get());
        let grants = || weighed.is_usable && self.rules.may_grant(signature, signer_use.policy.get());
        if action == Action::Allow && !grants() {
            return;
        }
        let (mut truth, anchor) = self.rules.signer(signer, signature, action);
        if truth != Truth::No && signer_use.except_count.get() != 0 {
            truth = truth.and(self.rules.not_excepted(signer_use));
        }
        let found = Match {
            action,
            kind: RuleKind::Signer,
            level: level_of(signer, anchor),
            rule: signer.rule.get(),
            signature: weighed.index,
        };
        self.offer(signer_use.policy.get(), found, truth);
    }

    /// Whether rules of a policy say something about a base policy of this part: others are not tried.
    pub(crate) fn concerns(&mut self, policy: u16) -> bool {
        step();
        let record = self.set.policy_records().get(usize::from(policy));
        record.is_some_and(|record| self.outcome(record).is_some())
    }

    /// Gives a match to the base policy that the rule's policy belongs to.
    pub(crate) fn offer(&mut self, policy: u16, found: Match, truth: Truth) {
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
            (Truth::Yes, _) => outcome.offer(found),
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

    /// Notes the policies whose hash rules go by digests that could not be had. Digests that the file itself hides allow nothing, and
    /// may be those that are denied.
    pub(crate) fn unknown_hashes(&mut self) {
        let missing = Missing::of(self.evidence);
        if missing.deny == 0 {
            return;
        }
        let hidden = missing.reason.is_from_file();
        for record in self.set.policy_records() {
            step();
            let Some(outcome) = self.outcome(record) else {
                continue;
            };
            let lengths = record.hash_lengths.get();
            if lengths & missing.grant != 0 && !hidden {
                outcome.unknown_allow = outcome.unknown_allow.or(Some(missing.reason));
            }
            if record.is_supplemental() || (lengths >> 16) & missing.deny == 0 {
                continue;
            }
            if hidden {
                outcome.offer(Match {
                    action: Action::Deny,
                    kind: RuleKind::Hash,
                    level: Level::Hash,
                    rule: NONE,
                    signature: NO_SIGNATURE,
                });
            } else {
                outcome.unknown_deny = outcome.unknown_deny.or(Some(missing.reason));
            }
        }
    }
}

/// A signature on its way through the signers.
struct Weighed<'e> {
    index: u8,
    signature: &'e Signature<'e>,
    /// Whether it may satisfy what grants.
    is_usable: bool,
}

/// The keys of a signature's names, as signers are looked up by them.
struct SignatureKeys {
    publisher: u64,
    oem: u64,
    /// Shapes of signers that occur in the set and that the names allow; bit `1 << shape`.
    shapes: u32,
    /// Why a name that some signer goes by could not be had.
    missing: Option<Unreadable>,
}

impl SignatureKeys {
    /// The keys of those names that some signer of the set goes by.
    fn of(signature: &Signature<'_>, shapes: u32) -> Self {
        const BY_PUBLISHER: u32 = 0b1010;
        const BY_OEM: u32 = 0b1100;
        let mut keys = Self {
            publisher: 0,
            oem: 0,
            shapes,
            missing: None,
        };
        let names = [
            (
                BY_PUBLISHER,
                signature.chain.first().map_or(Fact::Absent, publisher),
            ),
            (BY_OEM, signature.oem_id),
        ];
        for ((by, name), key) in names.into_iter().zip([&mut keys.publisher, &mut keys.oem]) {
            if shapes & by == 0 {
                continue;
            }
            match name {
                Fact::Present(name) => *key = text_key(name),
                Fact::Absent => keys.shapes &= !by,
                Fact::Unreadable(reason) => {
                    keys.shapes &= !by;
                    keys.missing = keys.missing.or(Some(reason));
                }
            }
        }
        keys
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
