//! The certificates of one signature, each once and up to a cap.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::der::Reader;
use crate::der::SEQUENCE;
use crate::digest::Algorithm;
use crate::error::NoMemory;
use crate::x509::X509;

/// Certificates kept of one signature, and again of each timestamp.
pub(crate) const MAX_CERTIFICATES: usize = 64;
/// The largest certificate that is read, in bytes. Those with the largest signatures in use have less than a tenth.
const MAX_CERTIFICATE: usize = 64 << 10;
/// The longest name, in bytes: names are compared with each other.
const MAX_NAME: usize = 4 << 10;
/// The longest list of key usages, in bytes: rules look for theirs in it. Real ones have a tenth.
const MAX_EKUS: usize = 1 << 10;
/// Elements of a set that are looked at, repeated certificates included.
const MAX_ELEMENTS: usize = 256;

/// Whether a pool holds all certificates of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Completeness {
    /// All.
    Whole,
    /// But for what does not parse as a certificate.
    Unparsed,
    /// A cap was reached.
    Capped,
}

/// Appends the certificates of a set to those of a pool that has `MAX_CERTIFICATES` more places, each once. Attribute certificates
/// are passed over: they are no part of a chain.
pub(crate) fn push_certificates<'a>(
    pool: &mut Vec<X509<'a>>,
    set: Reader<'a>,
) -> Result<Completeness, NoMemory> {
    let most = pool.len().saturating_add(MAX_CERTIFICATES);
    let mut found = Completeness::Whole;
    let mut rest = set;
    for (count, element) in rest.by_ref().enumerate() {
        if count >= MAX_ELEMENTS {
            return Ok(Completeness::Capped);
        }
        if element.tag != SEQUENCE {
            continue;
        }
        if element.raw.len() > MAX_CERTIFICATE {
            found = found.max(Completeness::Capped);
            continue;
        }
        let Some(mut certificate) = X509::read(&element) else {
            found = found.max(Completeness::Unparsed);
            continue;
        };
        if !is_short(&certificate) {
            found = found.max(Completeness::Capped);
            continue;
        }
        if let Ok(id) = Algorithm::Sha256.digest(&[certificate.raw]).as_bytes().try_into() {
            certificate.id = id;
        }
        if pool.iter().any(|other| other.id == certificate.id) {
            continue;
        }
        if pool.len() >= most {
            return Ok(Completeness::Capped);
        }
        push(pool, certificate)?;
    }
    if !rest.is_empty() {
        found = found.max(Completeness::Unparsed);
    }
    Ok(found)
}

/// Whether its names and key usages have lengths that they can be compared at.
pub(crate) fn is_short(certificate: &X509<'_>) -> bool {
    let names = certificate.issuer.0.len().max(certificate.subject.0.len());
    names <= MAX_NAME && certificate.ekus.is_none_or(|ekus| ekus.0.len() <= MAX_EKUS)
}
