//! Whether a rule of the model holds for a file; `None` where that cannot be told.

use super::policies;
use super::policies::Kind;
use super::policies::Policy;
use super::policies::Root;
use super::policies::Rule;
use super::policies::Signer;
use evidence::Evidence;
use evidence::Fact;
use evidence::Identity;
use evidence::Key;
use evidence::Signature;
use evidence::Text;
use evidence::Unreadable;

pub type Maybe = Option<bool>;

pub fn all(parts: impl IntoIterator<Item = Maybe>) -> Maybe {
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

pub fn any(parts: impl IntoIterator<Item = Maybe>) -> Maybe {
    all(parts.into_iter().map(|part| part.map(|holds| !holds))).map(|none| !none)
}

/// A fact that could not be had: unknown if that is the machine's doing; if it is the file's, it allows nothing and is taken for what is
/// denied.
pub fn unread(reason: Unreadable, denies: bool) -> Maybe {
    match reason {
        Unreadable::TooLarge | Unreadable::Malformed | Unreadable::CapReached | Unreadable::Unproven => {
            Some(denies)
        }
        _ => None,
    }
}

pub fn fact<T>(fact: Fact<T>, denies: bool, holds: impl FnOnce(T) -> bool) -> Maybe {
    match fact {
        Fact::Present(value) => Some(holds(value)),
        Fact::Absent => Some(false),
        Fact::Unreadable(reason) => unread(reason, denies),
    }
}

/// Whether two names are the same, unit by unit, each in its own upper case if that is one unit and does not cross over
/// to ASCII. (The few letters in which Windows' table differs from Unicode's are not generated.)
pub fn same(text: Text<'_>, wanted: &str) -> bool {
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

/// Whether a hash is one of the file's. That of the first page counts for deny rules alone, and so do the Authenticode hashes of an
/// image that is not conformant. With it whether it could only be so, as the file hides its hashes.
pub fn has_hash(evidence: &Evidence<'_>, hash: &[u8], denies: bool) -> (Maybe, bool) {
    let digests = match evidence.digests {
        Fact::Present(digests) => digests,
        Fact::Absent => return (Some(false), false),
        Fact::Unreadable(reason) => {
            let holds = unread(reason, denies);
            return (holds, holds == Some(true));
        }
    };
    // What is no image has flat hashes and no others.
    let no_image = matches!(evidence.image, Fact::Absent);
    let (conformant, missing) = match evidence.image {
        Fact::Present(image) => (image.conformant, Unreadable::NotRecorded),
        Fact::Absent => (false, Unreadable::NotRecorded),
        Fact::Unreadable(reason) => (unread(reason, true).is_none(), reason),
    };
    let authenticode = conformant || denies;
    let mut have: Vec<Option<Vec<u8>>> = Vec::new();
    let mut of_image = |own: Option<Vec<u8>>, counts: bool| {
        // What is no image has none that could be missing; one that is not known is not known, whether it would count or not.
        let own = if no_image {
            Some(own.unwrap_or_default())
        } else {
            own
        };
        have.push(own.map(|own| if counts { own } else { Vec::new() }));
    };
    match hash.len() {
        20 => of_image(digests.sha1.map(|hash| hash.to_vec()), authenticode),
        32 => of_image(digests.sha256.map(|hash| hash.to_vec()), authenticode),
        48 => of_image(
            Some(digests.sha384.map_or(vec![], |hash| hash.to_vec())),
            authenticode,
        ),
        _ => of_image(
            Some(digests.sha512.map_or(vec![], |hash| hash.to_vec())),
            authenticode,
        ),
    }
    if denies && hash.len() == 20 {
        of_image(digests.first_page_sha1.map(|hash| hash.to_vec()), true);
    }
    if denies && hash.len() == 32 {
        of_image(digests.first_page_sha256.map(|hash| hash.to_vec()), true);
    }
    let flat = |own: Option<Vec<u8>>| (!conformant).then_some(own);
    match hash.len() {
        20 => have.extend(flat(digests.flat_sha1.map(|hash| hash.to_vec()))),
        32 => have.extend(flat(digests.flat_sha256.map(|hash| hash.to_vec()))),
        _ => {}
    }
    let known = any(have.into_iter().map(|own| own.map(|own| own == hash)));
    match known {
        None => {
            let holds = unread(missing, denies);
            (holds, holds == Some(true))
        }
        known => (known, false),
    }
}

/// Whether the file is what a file rule describes.
pub fn file_rule(rule: &Rule, evidence: &Evidence<'_>, denies: bool) -> Maybe {
    if rule.path {
        return Some(false);
    }
    if let Some(hash) = &rule.hash {
        return has_hash(evidence, hash, denies).0;
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
                fact(name, denies, |text| same(text, wanted))
            }
            Fact::Absent => Some(false),
            Fact::Unreadable(reason) => unread(reason, denies),
        });
    }
    let max = rule.max.filter(|max| *max != 0);
    let version = |holds: &dyn Fn(u64) -> bool| match evidence.version {
        Fact::Present(version) => fact(version.file_version, denies, holds),
        Fact::Absent => Some(false),
        Fact::Unreadable(reason) => unread(reason, denies),
    };
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

/// Whether one signature is what a signer describes; its attributes and exceptions apart. What allows asks for a signature that holds;
/// what denies, for one that claims to be the one.
pub fn signature_is(signer: &Signer, signature: &Signature<'_>, denies: bool) -> Maybe {
    let Some(leaf) = signature.chain.first() else {
        return Some(false);
    };
    let holds = signature.fault.is_none()
        && signature.digest_valid
        && signature.signature_valid
        && matches!(leaf.key, Key::Rsa(..=4096));
    if !denies && !holds {
        return Some(false);
    }
    let claimed = if denies { signature.claimed } else { &[] };
    let root = match &signer.root {
        Root::Tbs(tbs) => any(signature
            .chain
            .iter()
            .chain(claimed)
            .map(|certificate| fact(certificate.tbs, denies, |own| own.as_bytes() == tbs.as_slice()))),
        Root::Wellknown(0) => Some(true),
        Root::Wellknown(id) => {
            let proven = signature.root.verified && signature.root.wellknown == Some(*id);
            Some(proven || (denies && signature.claimed_roots >> id & 1 != 0))
        }
    };
    let mut parts = vec![root];
    if let Some(wanted) = signer.publisher {
        parts.push(fact(leaf.subject_cn, denies, |text| same(text, wanted)));
    }
    if let Some(wanted) = signer.issuer {
        parts.push(fact(leaf.issuer_cn, denies, |text| same(text, wanted)));
    }
    if let Some(wanted) = signer.oem {
        parts.push(fact(signature.oem_id, denies, |text| same(text, wanted)));
    }
    let has = |eku: &usize| leaf.ekus.contains(&policies::EKUS[*eku].1[2..]);
    if !signer.ekus.is_empty() {
        parts.push(Some(signer.ekus.iter().any(has)));
    }
    parts.push(Some(!signer.except_ekus.iter().any(has)));
    if let Some(after) = signer.signed_after {
        parts.push(match signature.timestamp {
            Fact::Absent => Some(denies),
            timestamp => fact(timestamp, denies, |timestamp| timestamp.time > after),
        });
    }
    all(parts)
}

/// Whether a signature could be a denied signer's, as its chain ends where nobody knows, so that anybody may be above it: if the
/// signer asks for more than a root and a version, and the signature has all of that.
fn could_be(policy: &Policy, signer: &Signer, signature: &Signature<'_>) -> Maybe {
    let is_named = |at: &usize| {
        let mut names = policy.rules[*at].names.iter().flatten();
        names.any(|name| *name != "*")
    };
    let asks_more = signer.publisher.is_some()
        || signer.issuer.is_some()
        || signer.oem.is_some()
        || (!signer.attributes.is_empty() && signer.attributes.iter().all(is_named));
    let is_known = signature.root.verified && signature.root.known;
    let is_open = signature.identity != Identity::Unproven && !is_known;
    if asks_more && is_open {
        let anywhere = Signer {
            root: Root::Wellknown(0),
            ..signer.clone()
        };
        signature_is(&anywhere, signature, true)
    } else {
        Some(false)
    }
}

/// How a signer use holds for a file.
pub struct SignerHolds {
    pub holds: Maybe,
    /// Whether a signature that makes it hold has the root in its leaf.
    pub leaf: bool,
    /// Whether it holds only because a signature could be anybody's.
    pub could_be: bool,
}

/// A signer use against the file.
pub fn signer_holds(
    policy: &Policy,
    options: &Policy,
    signer: &Signer,
    denies: bool,
    exceptions: &[usize],
    evidence: &Evidence<'_>,
) -> SignerHolds {
    let attributes = if signer.attributes.is_empty() {
        Some(true)
    } else {
        any(signer
            .attributes
            .iter()
            .map(|at| file_rule(&policy.rules[*at], evidence, denies)))
    };
    // An exception to what denies allows, and the other way round.
    let excepted = any(exceptions
        .iter()
        .map(|at| file_rule(&policy.rules[*at], evidence, !denies)));
    let file = all([attributes, excepted.map(|excepted| !excepted)]);
    let (signatures, mut hidden) = match evidence.signatures {
        Fact::Present(signatures) => (signatures, vec![]),
        Fact::Absent => (&[][..], vec![]),
        Fact::Unreadable(reason) => (&[][..], vec![reason]),
    };
    hidden.extend(evidence.more_signatures);
    let mut leaf = false;
    let mut each: Vec<Maybe> = signatures
        .iter()
        .map(|signature| {
            if signature.identity == Identity::Unproven {
                hidden.push(Unreadable::Unproven);
            }
            let flight = options.flight_disabled && signature.root.wellknown == Some(0x0e);
            if !denies && flight {
                return Some(false);
            }
            let holds = all([signature_is(signer, signature, denies), file]);
            if let Root::Tbs(tbs) = &signer.root {
                leaf |= holds == Some(true)
                    && fact(signature.chain[0].tbs, false, |own| {
                        own.as_bytes() == tbs.as_slice()
                    }) == Some(true);
            }
            holds
        })
        .collect();
    let exact = any(each.iter().copied());
    if denies {
        let open = signatures
            .iter()
            .map(|signature| all([could_be(policy, signer, signature), file]));
        each.extend(open);
    }
    each.extend(
        hidden
            .into_iter()
            .map(|reason| all([unread(reason, denies), file])),
    );
    let holds = any(each);
    SignerHolds {
        holds,
        leaf,
        could_be: holds == Some(true) && exact != Some(true),
    }
}

/// The level of a signer, as the articles order them: its name and its rank.
pub fn signer_level(signer: &Signer, policy: &Policy, leaf: bool) -> (&'static str, u8) {
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

/// Whether the file has a WHQL signature as `Required:WHQL` demands.
pub fn is_whql(evidence: &Evidence<'_>) -> Maybe {
    let (signatures, more) = match evidence.signatures {
        Fact::Present(signatures) => (signatures, evidence.more_signatures),
        Fact::Absent => (&[][..], evidence.more_signatures),
        Fact::Unreadable(reason) => (&[][..], Some(reason)),
    };
    let each = signatures.iter().map(|signature| {
        let ekus = signature.chain.first().map(|leaf| leaf.ekus).unwrap_or_default();
        Some(
            signature.fault.is_none()
                && signature.digest_valid
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
    });
    any(each.chain(more.map(|reason| unread(reason, false))))
}
