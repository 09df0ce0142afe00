//! The one decision.

use crate::Options;
use crate::PolicySet;
use crate::Reason;
use crate::format::HashRecord;
use crate::format::MAX_BASE_POLICIES;
use crate::format::PolicyRecord;
use crate::format::Table;
use crate::verdict::Action;
use crate::verdict::Decision;
use crate::verdict::Level;
use crate::verdict::Match;
use crate::verdict::NO_SIGNATURE;
use crate::verdict::Outcome;
use crate::verdict::RuleKind;
use crate::verdict::Verdict;
use evidence::Digests;
use evidence::Evidence;
use evidence::Fact;
use evidence::Unreadable;

/// Weighs one file against every policy of the set.
///
/// Each base policy with its supplementals gives an outcome, and the whole is the severest of them. Inside one policy any
/// deny rule that matches refuses, whatever allows; a file that no rule allows is refused. A policy in audit mode only ever
/// says [`Decision::WouldRefuse`]. A set without policies, [`PolicySet::empty`] included, allows with
/// [`Reason::NoPolicy`].
///
/// A rule that needs a fact which is unreadable neither matches nor fails to match. Where such a rule could change the
/// answer, the answer is [`Decision::Allow`] with the reason why the fact is unreadable: unknown is not untrusted. Of a file
/// whose image could not be read at all, nothing but a matching deny rule refuses.
pub fn decide<'a>(set: &PolicySet<'a>, evidence: &Evidence<'_>) -> Verdict<'a> {
    let mut verdict = Verdict {
        decision: Decision::Allow,
        reason: Reason::NoPolicy,
        set: *set,
        outcomes: [Outcome::UNDECIDED; MAX_BASE_POLICIES],
    };
    weigh_hashes(set, evidence, &mut verdict.outcomes);
    let records = set.policy_records();
    let bases = usize::from(set.layout.base_count);
    for (index, (record, outcome)) in records.iter().take(bases).zip(&mut verdict.outcomes).enumerate() {
        conclude(set, evidence, index, record, outcome);
        if index == 0 || outcome.decision > verdict.decision {
            verdict.decision = outcome.decision;
            verdict.reason = outcome.reason;
        } else if outcome.decision == verdict.decision && verdict.reason == Reason::Allowed {
            verdict.reason = outcome.reason;
        }
    }
    verdict
}

/// Offers every hash rule that names this file to the policy it belongs to.
fn weigh_hashes(set: &PolicySet<'_>, evidence: &Evidence<'_>, outcomes: &mut [Outcome]) {
    let Fact::Present(digests) = evidence.digests else {
        return;
    };
    let flat = flat_counts(evidence);
    let flat_sha1 = digests.flat_sha1.filter(|_| flat);
    let flat_sha256 = digests.flat_sha256.filter(|_| flat);
    for hash in [digests.sha256, digests.first_page_sha256, flat_sha256]
        .iter()
        .flatten()
    {
        offer_hash(
            set,
            set.hash_records(Table::Hashes32, Table::Buckets32, hash),
            outcomes,
        );
    }
    for hash in [digests.sha1, digests.first_page_sha1, flat_sha1]
        .iter()
        .flatten()
    {
        offer_hash(
            set,
            set.hash_records(Table::Hashes20, Table::Buckets20, hash),
            outcomes,
        );
    }
    if let Some(hash) = &digests.sha384 {
        offer_hash(
            set,
            set.hash_records(Table::Hashes48, Table::Buckets48, hash),
            outcomes,
        );
    }
    if let Some(hash) = &digests.sha512 {
        offer_hash(
            set,
            set.hash_records(Table::Hashes64, Table::Buckets64, hash),
            outcomes,
        );
    }
}

/// Whether flat file hashes count: only for an image that code integrity cannot page-hash.
fn flat_counts(evidence: &Evidence<'_>) -> bool {
    matches!(evidence.image, Fact::Present(image) if !image.conformant)
}

fn offer_hash<const N: usize>(set: &PolicySet<'_>, records: &[HashRecord<N>], outcomes: &mut [Outcome]) {
    for record in records {
        let action = if record.action.get() == 0 {
            Action::Allow
        } else {
            Action::Deny
        };
        let found = Match {
            action,
            kind: RuleKind::Hash,
            level: Level::Hash,
            rule: record.rule.get(),
            signature: NO_SIGNATURE,
        };
        offer(set, record.policy.get(), found, outcomes);
    }
}

/// Gives a match to the base policy that the rule's policy belongs to.
fn offer(set: &PolicySet<'_>, policy: u16, found: Match, outcomes: &mut [Outcome]) {
    let Some(record) = set.policy_records().get(usize::from(policy)) else {
        return;
    };
    // A supplemental only ever adds grants.
    if record.flags.get() & PolicyRecord::SUPPLEMENTAL != 0 && found.action == Action::Deny {
        return;
    }
    let Some(outcome) = outcomes.get_mut(usize::from(record.base.get())) else {
        return;
    };
    if outcome.best.is_none_or(|best| found.precedes(best)) {
        outcome.best = Some(found);
    }
}

/// Turns what matched in one base policy into its decision.
fn conclude(
    set: &PolicySet<'_>,
    evidence: &Evidence<'_>,
    index: usize,
    record: &PolicyRecord,
    outcome: &mut Outcome,
) {
    let refused = if Options(record.options.get()).contains(Options::AUDIT_MODE) {
        Decision::WouldRefuse
    } else {
        Decision::Refuse
    };
    let unknown = unknown_hashes(set, evidence, index);
    (outcome.decision, outcome.reason) = match (outcome.best.map(|best| best.action), unknown) {
        (Some(Action::Deny), _) => (refused, Reason::ExplicitlyDenied),
        (Some(Action::Allow), Unknown { deny: None, .. }) => (Decision::Allow, Reason::Allowed),
        (
            Some(Action::Allow),
            Unknown {
                deny: Some(reason), ..
            },
        )
        | (
            None,
            Unknown {
                allow: Some(reason), ..
            },
        ) => (Decision::Allow, Reason::from(reason)),
        (None, Unknown { allow: None, .. }) => (refused, Reason::FailsPolicy),
    };
}

/// Why rules of a policy could be neither matched nor ruled out.
#[derive(Clone, Copy, Default)]
struct Unknown {
    allow: Option<Unreadable>,
    deny: Option<Unreadable>,
}

/// Whether hash rules of this base policy or its supplementals go by digests that could not be had.
fn unknown_hashes(set: &PolicySet<'_>, evidence: &Evidence<'_>, base: usize) -> Unknown {
    let mut unknown = Unknown::default();
    if let Fact::Unreadable(reason) = evidence.image {
        unknown.allow = Some(reason);
    }
    let (missing, reason) = missing_lengths(evidence);
    if missing == 0 {
        return unknown;
    }
    for record in set.policy_records() {
        if usize::from(record.base.get()) != base {
            continue;
        }
        let lengths = record.hash_lengths.get();
        if lengths & missing != 0 {
            unknown.allow = unknown.allow.or(Some(reason));
        }
        let supplemental = record.flags.get() & PolicyRecord::SUPPLEMENTAL != 0;
        if !supplemental && (lengths >> 16) & missing != 0 {
            unknown.deny = unknown.deny.or(Some(reason));
        }
    }
    unknown
}

/// The lengths of hashes of which this file's are not known, as in [`PolicyRecord::hash_lengths`], and why.
///
/// SHA-384 and SHA-512 are computed only for signatures that use them, so that their absence says nothing about the file;
/// rules by them are never unknown.
fn missing_lengths(evidence: &Evidence<'_>) -> (u32, Unreadable) {
    let flat = flat_counts(evidence);
    match evidence.digests {
        Fact::Absent => (0, Unreadable::NotRecorded),
        Fact::Unreadable(reason) => (0b1111, reason),
        Fact::Present(Digests {
            sha1,
            sha256,
            first_page_sha1,
            first_page_sha256,
            flat_sha1,
            flat_sha256,
            ..
        }) => {
            let short = sha1.is_none() || first_page_sha1.is_none() || (flat && flat_sha1.is_none());
            let long = sha256.is_none() || first_page_sha256.is_none() || (flat && flat_sha256.is_none());
            (u32::from(short) | (u32::from(long) << 1), Unreadable::NotRecorded)
        }
    }
}
