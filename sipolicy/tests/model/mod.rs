//! The reference model: the specification, read rule by rule, with `None` for what cannot be told.

pub mod files;
pub mod policies;

use evidence::Evidence;
use evidence::Fact;
use evidence::Key;
use evidence::Signature;
use evidence::SignatureFault;
use evidence::Text;
use policies::Kind;
use policies::Policy;
use policies::Root;
use policies::Rule;
use policies::Signer;
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

type Maybe = Option<bool>;

fn all(parts: impl IntoIterator<Item = Maybe>) -> Maybe {
    let mut result = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

fn any(parts: impl IntoIterator<Item = Maybe>) -> Maybe {
    all(parts.into_iter().map(|part| part.map(|holds| !holds))).map(|none| !none)
}

fn fact<T>(fact: Fact<T>, holds: impl FnOnce(T) -> bool) -> Maybe {
    match fact {
        Fact::Present(value) => Some(holds(value)),
        Fact::Absent => Some(false),
        Fact::Unreadable(_) => None,
    }
}

/// Whether two names are the same, unit by unit, each in its own upper case if that is one unit and does not cross over
/// to ASCII. (The few letters in which Windows' table differs from Unicode's are not generated.)
fn same(text: Text<'_>, wanted: &str) -> bool {
    let upper = |unit: u16| {
        let Some(character) = char::from_u32(u32::from(unit)) else {
            return unit;
        };
        let mapped: Vec<u16> = character
            .to_uppercase()
            .collect::<String>()
            .encode_utf16()
            .collect();
        match mapped.as_slice() {
            [only] if (*only < 0x80) == (unit < 0x80) => *only,
            _ => unit,
        }
    };
    let text = text.to_string();
    text.encode_utf16()
        .map(upper)
        .eq(wanted.encode_utf16().map(upper))
}

/// Whether a hash is one of the file's; that of the first page counts for deny rules alone.
fn has_hash(evidence: &Evidence<'_>, hash: &[u8], denies: bool) -> Maybe {
    let digests = match evidence.digests {
        Fact::Present(digests) => digests,
        Fact::Absent => return Some(false),
        Fact::Unreadable(_) => return None,
    };
    // What is no image has flat hashes and no others.
    let no_image = matches!(evidence.image, Fact::Absent);
    let flat = no_image || evidence.image.present().is_some_and(|image| !image.conformant);
    let of_image = |own: Option<Vec<u8>>| {
        if no_image {
            Some(own.unwrap_or_default())
        } else {
            own
        }
    };
    let mut have: Vec<Option<Vec<u8>>> = match hash.len() {
        20 => vec![of_image(digests.sha1.map(|hash| hash.to_vec()))],
        32 => vec![of_image(digests.sha256.map(|hash| hash.to_vec()))],
        48 => vec![Some(digests.sha384.map_or(vec![], |hash| hash.to_vec()))],
        _ => vec![Some(digests.sha512.map_or(vec![], |hash| hash.to_vec()))],
    };
    if denies && hash.len() == 20 {
        have.push(of_image(digests.first_page_sha1.map(|hash| hash.to_vec())));
    }
    if denies && hash.len() == 32 {
        have.push(of_image(digests.first_page_sha256.map(|hash| hash.to_vec())));
    }
    if flat && hash.len() == 20 {
        have.push(digests.flat_sha1.map(|hash| hash.to_vec()));
    }
    if flat && hash.len() == 32 {
        have.push(digests.flat_sha256.map(|hash| hash.to_vec()));
    }
    any(have.into_iter().map(|own| own.map(|own| own == hash)))
}

/// Whether the file is what a file rule describes.
fn file_rule(rule: &Rule, evidence: &Evidence<'_>) -> Maybe {
    if rule.path {
        return Some(false);
    }
    if let Some(hash) = &rule.hash {
        return has_hash(evidence, hash, rule.kind == Kind::Deny);
    }
    let mut parts = Vec::new();
    for (at, wanted) in rule.names.iter().enumerate() {
        let Some(wanted) = wanted.filter(|name| *name != "*") else {
            continue;
        };
        parts.push(match evidence.version {
            Fact::Present(version) => {
                let name = [
                    version.original_filename,
                    version.internal_name,
                    version.file_description,
                    version.product_name,
                ][at];
                fact(name, |text| same(text, wanted))
            }
            Fact::Absent => Some(false),
            Fact::Unreadable(_) => None,
        });
    }
    let max = rule.max.filter(|max| *max != 0);
    let version = |holds: &dyn Fn(u64) -> bool| fact(evidence.version, |version| holds(version.file_version));
    match (rule.kind, rule.min, max) {
        (_, None, None) => {}
        (Kind::Deny, Some(min), None) => {
            if min != u64::MAX {
                parts.push(version(&|own| own <= min));
            }
        }
        (_, min, max) => {
            let (min, max) = (min.unwrap_or(0), max.unwrap_or(u64::MAX));
            if (min, max) != (0, u64::MAX) {
                parts.push(version(&|own| min <= own && own <= max));
            }
        }
    }
    all(parts)
}

/// Whether one signature is what a signer describes; its attributes and exceptions apart.
fn signature_is(signer: &Signer, signature: &Signature<'_>) -> Maybe {
    if signature.fault == Some(SignatureFault::CapReached) {
        return None;
    }
    let Some(leaf) = signature.chain.first() else {
        return Some(false);
    };
    if !signature.digest_valid || !signature.signature_valid || !matches!(leaf.key, Key::Rsa(..=4096)) {
        return Some(false);
    }
    let root = match &signer.root {
        Root::Tbs(tbs) => any(signature
            .chain
            .iter()
            .map(|certificate| fact(certificate.tbs, |own| own.as_bytes() == tbs.as_slice()))),
        Root::Wellknown(0) => Some(true),
        Root::Wellknown(id) => Some(signature.root.verified && signature.root.wellknown == Some(*id)),
    };
    let mut parts = vec![root];
    if let Some(wanted) = signer.publisher {
        parts.push(fact(leaf.subject_cn, |text| same(text, wanted)));
    }
    if let Some(wanted) = signer.issuer {
        parts.push(fact(leaf.issuer_cn, |text| same(text, wanted)));
    }
    if let Some(wanted) = signer.oem {
        parts.push(fact(signature.oem_id, |text| same(text, wanted)));
    }
    let has = |eku: &usize| leaf.ekus.contains(&policies::EKUS[*eku].1[2..]);
    if !signer.ekus.is_empty() {
        parts.push(Some(signer.ekus.iter().any(has)));
    }
    parts.push(Some(!signer.except_ekus.iter().any(has)));
    if let Some(after) = signer.signed_after {
        parts.push(fact(signature.timestamp, |timestamp| timestamp.time > after));
    }
    all(parts)
}

/// A signer use against the file: whether it holds, and for each signature that makes it hold where the root was found.
fn signer_holds(
    policy: &Policy,
    options: &Policy,
    signer: &Signer,
    deny: bool,
    exceptions: &[usize],
    evidence: &Evidence<'_>,
) -> (Maybe, bool) {
    let attributes = if signer.attributes.is_empty() {
        Some(true)
    } else {
        any(signer
            .attributes
            .iter()
            .map(|at| file_rule(&policy.rules[*at], evidence)))
    };
    let excepted = any(exceptions
        .iter()
        .map(|at| file_rule(&policy.rules[*at], evidence)));
    let file = all([attributes, excepted.map(|excepted| !excepted)]);
    let signatures = match evidence.signatures {
        Fact::Present(signatures) => signatures,
        Fact::Absent => return (Some(false), false),
        Fact::Unreadable(_) => return (all([None, file]), false),
    };
    let mut leaf = false;
    let each: Vec<Maybe> = signatures
        .iter()
        .map(|signature| {
            let strength = signature.signed_digest.as_bytes().len();
            let flight = options.flight_disabled && signature.root.wellknown == Some(0x0e);
            if signature.fault != Some(SignatureFault::CapReached)
                && !deny
                && (strength < policy.minimum_digest_bytes() || flight)
            {
                return Some(false);
            }
            let holds = all([signature_is(signer, signature), file]);
            if let Root::Tbs(tbs) = &signer.root {
                leaf |= holds == Some(true)
                    && fact(signature.chain[0].tbs, |own| own.as_bytes() == tbs.as_slice()) == Some(true);
            }
            holds
        })
        .collect();
    (any(each), leaf)
}

/// The level of a signer, as the articles order them: its name and its rank.
fn signer_level(signer: &Signer, policy: &Policy, leaf: bool) -> (&'static str, u8) {
    let whql = signer.ekus.contains(&0);
    let vendor = signer.publisher.is_some() || signer.oem.is_some();
    let named = signer.attributes.iter().any(|at| {
        let rule = &policy.rules[*at];
        rule.names.iter().flatten().any(|name| *name != "*")
    });
    match (whql, !signer.attributes.is_empty(), vendor) {
        (true, true, _) => ("WHQLFilePublisher", 3),
        (false, true, _) if named => ("FilePublisher", 4),
        (false, true, _) => ("SignedVersion", 5),
        (true, false, true) => ("WHQLPublisher", 6),
        (false, false, true) => ("Publisher", 7),
        (true, false, false) => ("WHQL", 8),
        (false, false, false) => match signer.root {
            Root::Tbs(_) if leaf => ("LeafCertificate", 9),
            Root::Tbs(_) => ("PcaCertificate", 10),
            Root::Wellknown(_) => ("RootCertificate", 11),
        },
    }
}

/// A rule that holds: rank, place in the set, and how it is reported.
type Hit = ((u8, usize, bool, usize), (&'static str, &'static str, String));

/// Everything that one policy says of a file: allow and deny, each with whether it holds and the best rule.
fn weigh(policy: &Policy, base: &Policy, evidence: &Evidence<'_>) -> [(Maybe, Option<Hit>); 2] {
    [false, true].map(|deny| {
        if deny && policy.extends.is_some() {
            return (Some(false), None);
        }
        let action = if deny { "deny" } else { "allow" };
        let mut holds = Vec::new();
        let mut best: Option<Hit> = None;
        let mut hit = |place: (u8, usize, bool, usize), level: &'static str, id: &str| {
            if best.as_ref().is_none_or(|(other, _)| place < *other) {
                best = Some((place, (action, level, id.to_owned())));
            }
        };
        for at in &policy.direct {
            let rule = &policy.rules[*at];
            if rule.kind != (if deny { Kind::Deny } else { Kind::Allow }) {
                continue;
            }
            let truth = file_rule(rule, evidence);
            holds.push(truth);
            if truth == Some(true) {
                let named = rule.names.iter().flatten().any(|name| *name != "*");
                let (level, rank) = match (&rule.hash, named) {
                    (Some(_), _) => ("Hash", 1),
                    (None, true) => ("FileName", 2),
                    (None, false) => ("AnyFile", 12),
                };
                hit((rank, policy.order, false, *at), level, &rule.id);
            }
        }
        for signer_use in policy.uses.iter().filter(|signer_use| signer_use.deny == deny) {
            let signer = &policy.signers[signer_use.signer];
            let (truth, leaf) = signer_holds(policy, base, signer, deny, &signer_use.exceptions, evidence);
            holds.push(truth);
            if truth == Some(true) {
                let (level, rank) = signer_level(signer, policy, leaf);
                hit((rank, policy.order, true, signer_use.signer), level, &signer.id);
            }
        }
        (any(holds), best)
    })
}

/// Whether the file has a WHQL signature as `Required:WHQL` demands.
fn is_whql(evidence: &Evidence<'_>) -> Maybe {
    let signatures = match evidence.signatures {
        Fact::Present(signatures) => signatures,
        Fact::Absent => return Some(false),
        Fact::Unreadable(_) => return None,
    };
    any(signatures.iter().map(|signature| {
        if signature.fault == Some(SignatureFault::CapReached) {
            return None;
        }
        let ekus = signature.chain.first().map(|leaf| leaf.ekus).unwrap_or_default();
        Some(
            signature.digest_valid
                && signature.signature_valid
                && matches!(
                    signature.chain.first().map(|leaf| leaf.key),
                    Some(Key::Rsa(..=4096))
                )
                && signature.root.verified
                && matches!(signature.root.wellknown, Some(4..=6))
                // WHQL and Windows; the other two that would do are not generated.
                && [0, 1].iter().any(|eku| ekus.contains(&policies::EKUS[*eku].1[2..])),
        )
    }))
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
        let unread = matches!(evidence.image, Fact::Unreadable(_));
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
