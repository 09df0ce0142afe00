//! The reference model: the specification, read rule by rule, with `None` for what cannot be told.

pub mod files;
mod holds;
pub mod policies;
mod xml;

use evidence::Evidence;
use evidence::Fact;
use holds::Maybe;
use holds::all;
use holds::any;
use holds::file_rule;
use holds::has_hash;
use holds::is_whql;
use holds::signer_holds;
use holds::signer_level;
use policies::Kind;
use policies::Policy;
use policy::Decision;

/// A small, fast generator whose every run is the same.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// What the model says of one base policy: its decision, its reason (101 for any unreadable fact) and the rule.
pub type Outcome = (Decision, u16, Option<(&'static str, &'static str, String)>);

pub struct Judgement {
    pub decision: Decision,
    pub policies: Vec<Outcome>,
}

/// How a rule is reported of which nothing more is known than that it could be meant: any of those does.
pub const COULD_BE: (&str, &str, &str) = ("deny", "could be", "");

/// Rank and place of a rule that holds: whether it could only be meant, its level, its policy, whether it is a signer, its number.
type Place = (bool, u8, usize, bool, usize);

/// A rule that holds: its place, and how it is reported.
type Hit = (Place, (&'static str, &'static str, String));

/// Everything that one policy says of a file: allow and deny, each with whether it holds and the best rule.
fn weigh(policy: &Policy, base: &Policy, evidence: &Evidence<'_>) -> [(Maybe, Option<Hit>); 2] {
    [false, true].map(|deny| {
        if deny && policy.extends.is_some() {
            return (Some(false), None);
        }
        let action = if deny { "deny" } else { "allow" };
        let mut holds = Vec::new();
        let mut best: Option<Hit> = None;
        let mut hit = |place: Place, level: &'static str, id: &str| {
            if best.as_ref().is_none_or(|(other, _)| place < *other) {
                let (action, level, id) = if place.0 { COULD_BE } else { (action, level, id) };
                best = Some((place, (action, level, id.to_owned())));
            }
        };
        for at in &policy.direct {
            let rule = &policy.rules[*at];
            if rule.kind != (if deny { Kind::Deny } else { Kind::Allow }) {
                continue;
            }
            let truth = file_rule(rule, evidence, deny);
            let could_be = rule
                .hash
                .as_ref()
                .is_some_and(|hash| has_hash(evidence, hash, deny).1);
            holds.push(truth);
            if truth == Some(true) {
                let named = rule.names.iter().flatten().any(|name| *name != "*");
                let (level, rank) = match (&rule.hash, named) {
                    (Some(_), _) => ("Hash", 1),
                    (None, true) => ("FileName", 2),
                    (None, false) => ("AnyFile", 12),
                };
                hit((could_be, rank, policy.order, false, *at), level, &rule.id);
            }
        }
        for signer_use in policy.uses.iter().filter(|signer_use| signer_use.deny == deny) {
            let signer = &policy.signers[signer_use.signer];
            let found = signer_holds(policy, base, signer, deny, &signer_use.exceptions, evidence);
            holds.push(found.holds);
            if found.holds == Some(true) {
                let (level, rank) = signer_level(signer, policy, found.leaf);
                let place = (found.could_be, rank, policy.order, true, signer_use.signer);
                hit(place, level, &signer.id);
            }
        }
        (any(holds), best)
    })
}

pub fn judge(policies: &[Policy], evidence: &Evidence<'_>) -> Judgement {
    let mut outcomes = Vec::new();
    for base in policies.iter().filter(|policy| policy.extends.is_none()) {
        let refuse = if base.audit {
            Decision::WouldRefuse
        } else {
            Decision::Refuse
        };
        let [(mut allow, mut best), (deny, denier)] = weigh(base, base, evidence);
        for other in policies {
            if base.allows_supplementals && other.extends == Some(base.number) {
                let [(more, hit), _] = weigh(other, base, evidence);
                allow = any([allow, more]);
                best = match (best, hit) {
                    (Some(best), Some(hit)) => Some(if hit.0 < best.0 { hit } else { best }),
                    (best, hit) => best.or(hit),
                };
            }
        }
        let rule = best.map(|(_, rule)| rule);
        if deny == Some(true) {
            outcomes.push((refuse, 26, denier.map(|(_, rule)| rule)));
            continue;
        }
        let whql = if base.requires_whql {
            is_whql(evidence)
        } else {
            Some(true)
        };
        // Of a file that the machine could not read nothing is refused for want of a rule.
        let unread =
            matches!(evidence.image, Fact::Unreadable(reason) if holds::unread(reason, false).is_none());
        let not_denied = deny.map(|deny| !deny);
        let outcome = if whql == Some(false) && !unread {
            let option = ("deny", "Option", "Required:WHQL".to_owned());
            (refuse, 15, Some(option))
        } else if allow == Some(false) && !unread {
            (refuse, 21, rule)
        } else if all([whql, allow, not_denied]) == Some(true) {
            (Decision::Allow, 0, rule)
        } else {
            (Decision::Allow, 101, rule)
        };
        outcomes.push(outcome);
    }
    Judgement {
        decision: outcomes
            .iter()
            .map(|outcome| outcome.0)
            .max()
            .unwrap_or(Decision::Allow),
        policies: outcomes,
    }
}
