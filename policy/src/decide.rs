//! The one decision.

use crate::facts::is_whql;
use crate::options::Options;
use crate::reason::Reason;
use crate::records::NONE;
use crate::records::PolicyRecord;
use crate::rules::Rules;
use crate::set::PolicySet;
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
use crate::weighing::Weighing;
use evidence::Evidence;
use evidence::Fact;

/// Weighs one file against every policy of the set.
///
/// Each base policy with its supplementals gives an outcome, and the whole is the severest of them. Inside one policy any
/// deny rule that matches refuses, whatever allows; then `Required:WHQL`, where it is set, refuses what is not WHQL-signed;
/// then a file that no rule allows is refused. Of several rules that match, the most specific is reported. A policy in audit mode
/// only ever says [`Decision::WouldRefuse`]. A set without policies, [`PolicySet::empty`] included, allows with
/// [`Reason::NoPolicy`].
///
/// A rule that needs a fact which the machine could not read neither matches nor fails to match. Where such a rule could change the
/// answer, the answer is [`Decision::Allow`] with the reason why the fact is unreadable: unknown is not untrusted. Of a file
/// whose image could not be read at all, nothing but a matching deny rule refuses.
///
/// What the file itself does not prove or does not let be read is absent to an allow rule, and any to a deny rule. A deny rule goes
/// by what the file claims, whether it is proven or not.
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
    let mut whql = None;
    for (index, (record, outcome)) in bases.iter().zip(outcomes).enumerate() {
        conclude(evidence, record, outcome, &mut whql);
        let this = (outcome.decision, outcome.reason);
        if index == 0 || outranks(this, (verdict.decision, verdict.reason)) {
            (verdict.decision, verdict.reason) = this;
        }
    }
}

/// Turns what matched in one base policy into its decision. `is_signed` is kept from one to the next: whether the file is WHQL-signed.
fn conclude(
    evidence: &Evidence<'_>,
    record: &PolicyRecord,
    outcome: &mut Outcome,
    is_signed: &mut Option<Truth>,
) {
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
        *is_signed.get_or_insert_with(|| is_whql(evidence))
    } else {
        Truth::Yes
    };
    let not_denied = outcome.unknown_deny.map_or(Truth::Yes, Truth::Unknown);
    let unread = match evidence.image {
        Fact::Unreadable(reason) if !reason.is_from_file() => Some(reason),
        Fact::Unreadable(_) | Fact::Present(_) | Fact::Absent => None,
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
