//! Whether a rule of the model holds for a file; `None` where that cannot be told.

use super::policies;
use super::policies::Kind;
use super::policies::Policy;
use super::policies::Root;
use super::policies::Rule;
use super::policies::Signer;
use evidence::Evidence;
use evidence::Fact;
use evidence::Key;
use evidence::Signature;
use evidence::SignatureFault;
use evidence::Text;

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

pub fn fact<T>(fact: Fact<T>, holds: impl FnOnce(T) -> bool) -> Maybe {
    match fact {
        Fact::Present(value) => Some(holds(value)),
        Fact::Absent => Some(false),
        Fact::Unreadable(_) => None,
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

/// Whether a hash is one of the file's; that of the first page counts for deny rules alone.
pub fn has_hash(evidence: &Evidence<'_>, hash: &[u8], denies: bool) -> Maybe {
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
pub fn file_rule(rule: &Rule, evidence: &Evidence<'_>) -> Maybe {
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
    let version = |holds: &dyn Fn(u64) -> bool| match evidence.version {
        Fact::Present(version) => fact(version.file_version, holds),
        Fact::Absent => Some(false),
        Fact::Unreadable(_) => None,
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

/// Whether one signature is what a signer describes; its attributes and exceptions apart.
pub fn signature_is(signer: &Signer, signature: &Signature<'_>) -> Maybe {
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
pub fn signer_holds(
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
