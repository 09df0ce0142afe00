//! When a file was signed, if somebody proves it.
//!
//! A countersignature proves a time only if the authority that made it chains to a known root by itself: files exist whose timestamp was
//! made by the vendor's own authority, to bring an expired certificate back to life.

extern crate alloc;

use alloc::vec::Vec;

use crate::chain::Prover;
use crate::chain::Purpose;
use crate::chain::is_for_timestamps;
use crate::der;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::OCTET_STRING;
use crate::der::OID;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::digest::Algorithm;
use crate::error::NoMemory;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Timestamp;
use crate::facts::Unreadable;
use crate::oid;
use crate::oid::AlgorithmId;
use crate::pkcs7::Role;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::pkcs7::content_digest;
use crate::pool::push_certificates;
use crate::x509::X509;

/// Timestamps looked at for one signature, of each kind.
const MAX_TIMESTAMPS: usize = 4;
/// The longest signature that a time is proven for, in bytes: each timestamp has it hashed. The longest in use has 50 KB, and the longest
/// that is verified here one.
const MAX_SIGNATURE: usize = 64 << 10;

/// The time that an unsigned attribute of `signer` proves. `pool` holds the certificates beside the signer's, and does again
/// afterwards.
pub(crate) fn prove_time<'a>(
    signer: &SignerInfo<'a>,
    pool: &mut Vec<X509<'a>>,
    prover: &mut Prover<'_>,
) -> Result<Fact<Timestamp>, NoMemory> {
    let mut claimed = false;
    let own = pool.len();
    let most = if signer.signature.len() > MAX_SIGNATURE {
        claimed = [oid::RFC3161_TOKEN, oid::COUNTERSIGNATURE]
            .iter()
            .any(|kind| signer.unsigned_attribute(kind).next().is_some());
        0
    } else {
        MAX_TIMESTAMPS
    };
    for token in signer.unsigned_attribute(oid::RFC3161_TOKEN).take(most) {
        claimed = true;
        let time = prove_token(&token, signer, pool, prover);
        pool.truncate(own);
        if let Some(time) = time? {
            return Ok(Fact::Present(Timestamp { rfc3161: true, time }));
        }
    }
    for counter in signer.unsigned_attribute(oid::COUNTERSIGNATURE).take(most) {
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
    push_certificates(pool, message.certificates.clone())?;
    Ok(prove_signed_token(&message, signer, pool, prover))
}

fn prove_signed_token(
    message: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    pool: &[X509<'_>],
    prover: &mut Prover<'_>,
) -> Option<i64> {
    let content = message
        .content
        .filter(|_| message.content_type == oid::TST_INFO)?;
    let (imprint, time) = read_token_info(content.octets()?)?;
    let (algorithm, digest) = imprint;
    let imprint_algorithm = algorithm
        .digest()
        .filter(|algorithm| *algorithm != Algorithm::Md5)?;
    if imprint_algorithm.digest(&[signer.signature]).as_bytes() != digest {
        return None;
    }
    let authority = message.signer()?;
    let digest = content_digest(authority.digest_algorithm().ok()?, &content);
    prove_authority(&authority, Role::Content, &digest, time, pool, prover)
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
    prove_authority(&authority, Role::Countersignature, &digest, time, pool, prover)
}

/// `time`, if an authority that has a certificate in `pool` signed this digest, is one for timestamps, and chains to a known root by
/// certificates that were all valid at that time. MD5 proves none: others of the same digest can be made.
fn prove_authority(
    authority: &SignerInfo<'_>,
    role: Role,
    digest: &Hash,
    time: i64,
    pool: &[X509<'_>],
    prover: &mut Prover<'_>,
) -> Option<i64> {
    if authority.is_weak() {
        return None;
    }
    let signed = authority.signed(role, digest).ok()?;
    // Issuer and serial number may be those of several certificates: the key tells.
    pool.iter().enumerate().find_map(|(place, certificate)| {
        if !authority.names(certificate) || !is_for_timestamps(certificate) {
            return None;
        }
        prover.work.spend(&certificate.key, 0)?;
        authority.verify(&signed, certificate, prover.scratch).ok()?;
        let purpose = Purpose::TimeStamping(time);
        prover
            .build(pool, place, purpose)
            .serves(pool, purpose)
            .then_some(time)
    })
}
