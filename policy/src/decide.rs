//! The one decision.

use crate::Options;
use crate::PolicySet;
use crate::Reason;
use crate::facts::Missing;
use crate::facts::flat_counts;
use crate::facts::is_usable;
use crate::facts::is_whql;
use crate::facts::may_grant;
use crate::facts::publisher;
use crate::fold::text_key;
use crate::format::AttributeUse;
use crate::format::HashRecord;
use crate::format::NONE;
use crate::format::PolicyRecord;
use crate::format::SHAPE_OEM;
use crate::format::SHAPE_PUBLISHER;
use crate::format::SignerRecord;
use crate::format::SignerUse;
use crate::format::Table;
use crate::format::signer_key;
use crate::format::tbs_key;
use crate::format::wellknown_key;
use crate::rules::Anchor;
use crate::rules::Rules;
use crate::set::as_index;
use crate::truth::Truth;
use crate::verdict::Action;
use crate::verdict::Decision;
use crate::verdict::Level;
use crate::verdict::Match;
use crate::verdict::NO_SIGNATURE;
use crate::verdict::Outcome;
use crate::verdict::RuleKind;
use crate::verdict::VERDICT_POLICIES;
use crate::verdict::Verdict;
use evidence::Evidence;
use evidence::Fact;
use evidence::Signature;
use evidence::Unreadable;

/// Weighs one file against every policy of the set.
///
/// Each base policy with its supplementals gives an outcome, and the whole is the severest of them. Inside one policy any
/// deny rule that matches refuses, whatever allows; then `Required:WHQL`, where it is set, refuses what is not WHQL-signed;
/// then a file that no rule allows is refused. Of several rules that match, the most specific is reported. A policy in audit mode
/// only ever says [`Decision::WouldRefuse`]. A set without policies, [`PolicySet::empty`] included, allows with
/// [`Reason::NoPolicy`].
///
/// A rule that needs a fact which is unreadable neither matches nor fails to match. Where such a rule could change the
/// answer, the answer is [`Decision::Allow`] with the reason why the fact is unreadable: unknown is not untrusted. Of a file
/// whose image could not be read at all, nothing but a matching deny rule refuses.
pub fn decide<'a>(set: &PolicySet<'a>, evidence: &Evidence<'_>) -> Verdict<'a> {
    let mut whole = Verdict::undecided(*set, 0);
    weigh(evidence, &mut whole);
    if usize::from(set.base_count) > VERDICT_POLICIES {
        later_parts(evidence, &mut whole);
    }
    whole
}

/// The verdict of [`decide`] in parts of [`VERDICT_POLICIES`] base policies each, decision and reason those of the part:
/// every base policy's outcome, whatever their number. A set without policies has one part without outcomes.
///
/// Rules are weighed once for each part.
pub fn decide_parts<'a>(set: &PolicySet<'a>, evidence: &Evidence<'_>) -> impl Iterator<Item = Verdict<'a>> {
    (0..set.base_count.max(1)).step_by(VERDICT_POLICIES).map(|first| {
        let mut part = Verdict::undecided(*set, first);
        weigh(evidence, &mut part);
        part
    })
}

/// Replaces the first part by the one that decides the whole.
#[cold]
#[inline(never)]
fn later_parts(evidence: &Evidence<'_>, whole: &mut Verdict<'_>) {
    let set = whole.set;
    for part in decide_parts(&set, evidence).skip(1) {
        if outranks((part.decision, part.reason), (whole.decision, whole.reason)) {
            *whole = part;
        }
    }
}

/// Whether the decision and reason of a policy decide the whole rather than those of the policies before it: the severer
/// one does, and of two that allow the one that does so for a lack of knowledge.
fn outranks(this: (Decision, Reason), before: (Decision, Reason)) -> bool {
    this.0 > before.0 || (this.0 == before.0 && before.1 == Reason::Allowed && this.1 != Reason::Allowed)
}

/// Weighs the file for the base policies whose outcomes a verdict holds.
fn weigh(evidence: &Evidence<'_>, verdict: &mut Verdict<'_>) {
    let (set, first) = (verdict.set, verdict.first);
    let count = usize::from(set.base_count.saturating_sub(first)).min(VERDICT_POLICIES);
    let Some(outcomes) = verdict.outcomes.get_mut(..count) else {
        return;
    };
    let mut weighing = Weighing {
        set,
        rules: Rules::new(set, evidence),
        evidence,
        first,
        outcomes,
    };
    weighing.hashes();
    weighing.attributes();
    weighing.signers();
    weighing.unknown_hashes();
    let bases = set.policy_records().get(usize::from(first)..).unwrap_or_default();
    for (index, (record, outcome)) in bases.iter().zip(outcomes).enumerate() {
        conclude(evidence, record, outcome);
        let this = (outcome.decision, outcome.reason);
        if index == 0 || outranks(this, (verdict.decision, verdict.reason)) {
            (verdict.decision, verdict.reason) = this;
        }
    }
}

struct Weighing<'a, 'e, 'o> {
    set: PolicySet<'a>,
    rules: Rules<'a, 'e>,
    evidence: &'e Evidence<'e>,
    /// Index of the base policy that has the first outcome.
    first: u16,
    /// Of the base policies of this part.
    outcomes: &'o mut [Outcome],
}

impl<'e> Weighing<'_, 'e, '_> {
    /// Offers every hash rule that names this file.
    fn hashes(&mut self) {
        let Fact::Present(digests) = &self.evidence.digests else {
            return;
        };
        let flat = flat_counts(self.evidence);
        let whole = [
            digests.sha256.as_ref(),
            digests.flat_sha256.as_ref().filter(|_| flat),
        ];
        for hash in whole.into_iter().flatten() {
            self.hash_rules(
                self.set.hash_records(Table::Hashes32, Table::Buckets32, hash),
                false,
            );
        }
        let whole = [digests.sha1.as_ref(), digests.flat_sha1.as_ref().filter(|_| flat)];
        for hash in whole.into_iter().flatten() {
            self.hash_rules(
                self.set.hash_records(Table::Hashes20, Table::Buckets20, hash),
                false,
            );
        }
        if let Some(hash) = &digests.first_page_sha256 {
            self.hash_rules(
                self.set.hash_records(Table::Hashes32, Table::Buckets32, hash),
                true,
            );
        }
        if let Some(hash) = &digests.first_page_sha1 {
            self.hash_rules(
                self.set.hash_records(Table::Hashes20, Table::Buckets20, hash),
                true,
            );
        }
        if let Some(hash) = &digests.sha384 {
            self.hash_rules(
                self.set.hash_records(Table::Hashes48, Table::Buckets48, hash),
                false,
            );
        }
        if let Some(hash) = &digests.sha512 {
            self.hash_rules(
                self.set.hash_records(Table::Hashes64, Table::Buckets64, hash),
                false,
            );
        }
    }

    /// `first_page`: the hash is that of the first page, by which nothing is allowed; see [`has_hash`](crate::facts::has_hash).
    fn hash_rules<const N: usize>(&mut self, records: &[HashRecord<N>], first_page: bool) {
        for record in records {
            if first_page && !record.denies() {
                continue;
            }
            let found = Match {
                action: action_of(record.denies().into()),
                kind: RuleKind::Hash,
                level: Level::Hash,
                rule: record.rule.get(),
                signature: NO_SIGNATURE,
            };
            self.offer(record.policy(), found, Truth::Yes);
        }
    }

    /// Weighs the file rules that go by names and version.
    fn attributes(&mut self) {
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
    fn signers(&mut self) {
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
        if action == Action::Allow && !self.may_grant(signature, signer_use.policy.get()) {
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

    /// Whether a signature may satisfy allow rules of a policy, under the options of its base.
    fn may_grant(&self, signature: &Signature<'_>, policy: u16) -> bool {
        let records = self.set.policy_records();
        let Some(record) = records.get(usize::from(policy)) else {
            return false;
        };
        let Some(base) = records.get(usize::from(record.base.get())) else {
            return false;
        };
        let flight_disabled = Options(base.options.get()).contains(Options::DISABLED_FLIGHT_SIGNING);
        may_grant(signature, record.minimum_digest, flight_disabled)
    }

    /// Gives a match to the base policy that the rule's policy belongs to.
    fn offer(&mut self, policy: u16, found: Match, truth: Truth) {
        let Some(record) = self.set.policy_records().get(usize::from(policy)) else {
            return;
        };
        // A supplemental only ever adds grants.
        if is_supplemental(record) && found.action == Action::Deny {
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
    fn unknown_hashes(&mut self) {
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
            if !is_supplemental(record) && (lengths >> 16) & missing.deny != 0 {
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

pub(crate) fn action_of(action: u16) -> Action {
    if action == 0 { Action::Allow } else { Action::Deny }
}

/// The level that a signer amounts to where it matched.
pub(crate) fn level_of(signer: &SignerRecord, anchor: Anchor) -> Level {
    match Level::from_number(signer.level.into()).unwrap_or(Level::PcaCertificate) {
        Level::PcaCertificate if anchor == Anchor::Leaf => Level::LeafCertificate,
        level => level,
    }
}

fn is_supplemental(record: &PolicyRecord) -> bool {
    record.flags.get() & PolicyRecord::SUPPLEMENTAL != 0
}

/// Turns what matched in one base policy into its decision.
fn conclude(evidence: &Evidence<'_>, record: &PolicyRecord, outcome: &mut Outcome) {
    let options = Options(record.options.get());
    let refused = if options.contains(Options::AUDIT_MODE) {
        Decision::WouldRefuse
    } else {
        Decision::Refuse
    };
    let granted = match outcome.best.map(|best| best.action) {
        Some(Action::Deny) => {
            outcome.decision = refused;
            outcome.reason = Reason::ExplicitlyDenied;
            return;
        }
        Some(Action::Allow) => Truth::Yes,
        None => outcome.unknown_allow.map_or(Truth::No, Truth::Unknown),
    };
    let whql = if options.contains(Options::REQUIRED_WHQL) {
        is_whql(evidence)
    } else {
        Truth::Yes
    };
    let not_denied = outcome.unknown_deny.map_or(Truth::Yes, Truth::Unknown);
    let unread = match evidence.image {
        Fact::Unreadable(reason) => Some(reason),
        Fact::Present(_) | Fact::Absent => None,
    };
    (outcome.decision, outcome.reason) = match (unread, whql, granted.and(not_denied)) {
        (None, Truth::No, _) => {
            outcome.best = Some(Match {
                action: Action::Deny,
                kind: RuleKind::Option,
                level: Level::Option,
                rule: NONE,
                signature: NO_SIGNATURE,
            });
            (refused, Reason::WhqlRequired)
        }
        (None, _, Truth::No) => (refused, Reason::FailsPolicy),
        (_, Truth::Yes, Truth::Yes) => (Decision::Allow, Reason::Allowed),
        (Some(reason), ..)
        | (None, Truth::Unknown(reason), _)
        | (None, Truth::Yes, Truth::Unknown(reason)) => (Decision::Allow, Reason::from(reason)),
    };
}
