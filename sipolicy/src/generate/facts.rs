//! What of a file rules can go by: its signature, certificates, names and version.

use evidence::Certificate;
use evidence::Evidence;
use evidence::Fact;
use evidence::Signature;
use evidence::Text;
use policy::EKU_WHQL;

/// The first signature that signer rules can go by; for the WHQL levels, the first WHQL one.
pub(super) fn usable<'e>(evidence: &Evidence<'e>, whql: bool) -> Result<&'e Signature<'e>, &'static str> {
    let signatures = evidence
        .signatures
        .present()
        .ok_or("the file's signatures are not known")?;
    if signatures.is_empty() {
        return Err("the file is not signed");
    }
    let weighed = |signature: &&Signature<'_>| {
        let strong = signature.signed_digest.as_bytes().len() >= 32;
        policy::is_usable(signature, evidence) && strong
    };
    let has_whql = |signature: &&Signature<'_>| {
        let leaf = signature.chain.first();
        leaf.is_some_and(|leaf| leaf.ekus.contains(EKU_WHQL))
            && signature.root.verified
            && matches!(signature.root.wellknown, Some(4..=6))
    };
    let mut candidates = signatures.iter().filter(weighed).peekable();
    if candidates.peek().is_none() {
        return Err("no signature holds that is RSA and at least SHA-256");
    }
    if whql {
        candidates.find(has_whql).ok_or("no signature is a WHQL one")
    } else {
        candidates.next().ok_or("no signature holds")
    }
}

pub(super) fn leaf<'e>(signature: &Signature<'e>) -> Result<&'e Certificate<'e>, &'static str> {
    signature.chain.first().ok_or("the signature has no certificate")
}

pub(super) fn tbs(certificate: &Certificate<'_>) -> Result<Vec<u8>, &'static str> {
    let hash = certificate
        .tbs
        .present()
        .ok_or("a certificate's TBS hash is not known")?;
    Ok(hash.as_bytes().to_vec())
}

/// The TBS hash of the highest certificate in the chain that is no root.
pub(super) fn pca(signature: &Signature<'_>) -> Result<Vec<u8>, &'static str> {
    let is_root = |certificate: &Certificate<'_>| match (certificate.subject_cn, certificate.issuer_cn) {
        (Fact::Present(subject), Fact::Present(issuer)) => subject == issuer,
        _ => false,
    };
    let highest = match signature.chain {
        [] => return Err("the signature has no certificate"),
        [.., below, top] if is_root(top) => below,
        [.., top] => top,
    };
    tbs(highest)
}

pub(super) fn version(evidence: &Evidence<'_>) -> Result<u64, &'static str> {
    let version = evidence
        .version
        .present()
        .ok_or("the file has no version resource")?;
    version
        .file_version
        .present()
        .ok_or("the version resource has no version")
}

/// The name that rules can go by, of the first kind the file has, and its version.
pub(super) fn file_name(evidence: &Evidence<'_>) -> Result<(usize, String, u64), &'static str> {
    let version = evidence
        .version
        .present()
        .ok_or("the file has no version resource")?;
    let names: [Fact<Text<'_>>; 4] = [
        version.original_filename,
        version.internal_name,
        version.file_description,
        version.product_name,
    ];
    let found = names.into_iter().enumerate().find_map(|(kind, name)| {
        // "*" would be any name.
        let name = plain(name).filter(|name| name != "*")?;
        Some((kind, name))
    });
    let (kind, name) = found.ok_or("the version resource has no name")?;
    // A rule asks for this version or a later one; for any, where the file has none.
    Ok((kind, name, version.file_version.present().unwrap_or(0)))
}

/// A name that XML can hold as it is.
pub(super) fn plain(name: Fact<Text<'_>>) -> Option<String> {
    let name = name.present()?.to_string();
    let odd = |character: char| character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}');
    (!name.trim().is_empty() && !name.chars().any(odd)).then_some(name)
}
