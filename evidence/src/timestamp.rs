//! When a file was signed, if somebody proves it.
//!
//! A countersignature proves a time only if the authority that made it chains to a known root by itself: files exist whose timestamp was
//! made by the vendor's own authority, to bring an expired certificate back to life.

extern crate alloc;

use alloc::vec::Vec;

use crate::chain::End;
use crate::chain::Prover;
use crate::chain::is_for_timestamps;
use crate::der;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::error::NoMemory;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Timestamp;
use crate::facts::Unreadable;
use crate::oid;
use crate::oid::AlgorithmId;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::pkcs7::content_digest;
use crate::x509::X509;
use crate::x509::push_certificates;

/// Timestamps looked at for one signature.
const MAX_TIMESTAMPS: usize = 4;

/// The time that an unsigned attribute of `signer` proves. `pool` holds the certificates beside the signer's, and does again
/// afterwards.
pub(crate) fn prove_time<'a>(
    signer: &SignerInfo<'a>,
    pool: &mut Vec<X509<'a>>,
    prover: &mut Prover<'_>,
) -> Result<Fact<Timestamp>, NoMemory> {
    let mut claimed = false;
    let own = pool.len();
    for token in signer.unsigned_attribute(oid::RFC3161_TOKEN).take(MAX_TIMESTAMPS) {
        claimed = true;
        let time = prove_token(&token, signer, pool, prover);
        pool.truncate(own);
        if let Some(time) = time? {
            return Ok(Fact::Present(Timestamp { rfc3161: true, time }));
        }
    }
    for counter in signer
        .unsigned_attribute(oid::COUNTERSIGNATURE)
        .take(MAX_TIMESTAMPS)
    {
        claimed = true;
        if let Some(time) = prove_countersignature(&counter, signer, pool, prover) {
            return Ok(Fact::Present(Timestamp { rfc3161: false, time }));
        }
    }
    Ok(if claimed {
        Fact::Unreadable(Unreadable::Unproven)
    } else {
        Fact::Absent
    })
}

/// The time of an RFC 3161 token over the signer's signature.
fn prove_token<'a>(
    token: &Element<'a>,
    signer: &SignerInfo<'a>,
    pool: &mut Vec<X509<'a>>,
    prover: &mut Prover<'_>,
) -> Result<Option<i64>, NoMemory> {
    let Some(message) = SignedData::read(token.raw) else {
        return Ok(None);
    };
    let own = pool.len();
    push_certificates(pool, message.certificates.clone())?;
    Ok(prove_signed_token(&message, signer, pool, own, prover))
}

fn prove_signed_token(
    message: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    pool: &[X509<'_>],
    own: usize,
    prover: &mut Prover<'_>,
) -> Option<i64> {
    let content = message
        .content
        .filter(|_| message.content_type == oid::TST_INFO)?;
    let (imprint, time) = read_token_info(content.octets()?)?;
    let (algorithm, digest) = imprint;
    let imprint_algorithm = algorithm.digest()?;
    if imprint_algorithm.digest(&[signer.signature]).as_bytes() != digest {
        return None;
    }
    let authority = message.signer()?;
    let digest = content_digest(authority.digest_algorithm().ok()?, &content);
    // Issuer and serial number may be those of a certificate beside the token; the token's own is the one meant.
    let place = pool
        .get(own..)
        .and_then(|tail| authority.find_certificate(tail))
        .map_or_else(
            || authority.find_certificate(pool),
            |place| place.checked_add(own),
        )?;
    prove_authority(
        &authority,
        Some(oid::TST_INFO),
        &digest,
        time,
        pool,
        place,
        prover,
    )
}

/// Message imprint and time of a TSTInfo.
fn read_token_info(bytes: &[u8]) -> Option<((AlgorithmId<'_>, &[u8]), i64)> {
    let mut fields = Reader::new(bytes).read(SEQUENCE)?.reader();
    let _version = fields.read(INTEGER)?;
    let _policy = fields.read(OID)?;
    let mut imprint = fields.read(SEQUENCE)?.reader();
    let algorithm = AlgorithmId::read(&imprint.any()?)?;
    let digest = imprint.read(OCTET_STRING)?.content;
    let _serial = fields.read(INTEGER)?;
    let time = der::time(&fields.any()?)?;
    Some(((algorithm, digest), time))
}

/// The time of a PKCS#9 countersignature over the signer's signature.
fn prove_countersignature(
    value: &Element<'_>,
    signer: &SignerInfo<'_>,
    pool: &[X509<'_>],
    prover: &mut Prover<'_>,
) -> Option<i64> {
    let authority = SignerInfo::read(value)?;
    let time = der::time(&authority.signed_attribute(oid::SIGNING_TIME)?)?;
    let digest = authority.digest_algorithm().ok()?.digest(&[signer.signature]);
    let place = authority.find_certificate(pool)?;
    prove_authority(&authority, None, &digest, time, pool, place, prover)
}

/// `time`, if the authority, whose certificate is at `place`, signed this digest, is one for timestamps, chains to a known root, and every certificate up to it was
/// valid at that time.
fn prove_authority(
    authority: &SignerInfo<'_>,
    content_type: Option<&[u8]>,
    digest: &Hash,
    time: i64,
    pool: &[X509<'_>],
    place: usize,
    prover: &mut Prover<'_>,
) -> Option<i64> {
    let certificate = pool.get(place)?;
    if !is_for_timestamps(certificate) || !prover.spend() {
        return None;
    }
    authority
        .verify(content_type, digest, certificate, prover.scratch)
        .ok()?;
    let chain = prover.build(pool, place);
    let timely = chain
        .certificates(pool)
        .filter(|certificate| !certificate.is_self_issued())
        .all(|certificate| (certificate.not_before..=certificate.not_after).contains(&time));
    let trusted = chain.end >= End::Known && chain.allows(pool, oid::EKU_TIME_STAMPING);
    (trusted && timely).then_some(time)
}
