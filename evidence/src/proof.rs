//! What one SignedData proves, whatever it signs: who signed it, when, and that nothing was changed since; and what it claims beyond
//! that.

extern crate alloc;

use alloc::vec::Vec;

use crate::chain::Chain;
use crate::chain::End;
use crate::chain::Prover;
use crate::chain::Purpose;
use crate::claims::Claims;
use crate::error::NoMemory;
use crate::facts::Fact;
use crate::facts::Identity;
use crate::facts::SignatureFault;
use crate::facts::Timestamp;
use crate::oid;
use crate::pkcs7::Role;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::pkcs7::content_digest;
use crate::pool::Completeness;
use crate::spc::OpusInfo;
use crate::timestamp::prove_time;
use crate::work::Account;
use crate::x509::X509;

/// What one signer of a SignedData proves, whatever was signed.
pub(crate) struct Proof<'a> {
    /// The proven chain; `None` without a signer's certificate.
    pub(crate) chain: Option<Chain>,
    pub(crate) fault: Option<SignatureFault>,
    pub(crate) identity: Identity,
    pub(crate) claims: Claims,
    pub(crate) timestamp: Fact<Timestamp>,
    pub(crate) opus: OpusInfo<'a>,
}

/// Proves the signature of `signer` in `message`, whose certificates stand in `pool`, as `completeness` says.
pub(crate) fn prove<'a>(
    message: &SignedData<'a>,
    signer: &SignerInfo<'a>,
    pool: &mut Vec<X509<'a>>,
    completeness: Completeness,
    prover: &mut Prover<'_>,
) -> Result<Proof<'a>, NoMemory> {
    prover.work.begin(Account::Signers);
    let (place, verified) = find_signer(message, signer, pool, prover);
    let chain = place.map(|place| prover.build(pool, place, Purpose::CodeSigning));
    let claims = place.map_or(Claims::NONE, |place| Claims::of(pool, place, chain.as_ref()));
    let is_of_unknown_kind = place.is_some_and(|place| is_of_unknown_kind(signer, pool.get(place)));
    let identity = match &chain {
        _ if is_ambiguous(signer, pool, place) => Identity::Unproven,
        Some(chain) if verified.is_ok() && completeness == Completeness::Whole => identity(chain),
        Some(chain) if is_of_unknown_kind && !is_contradicted(chain) => Identity::Claimed,
        _ => Identity::Unproven,
    };
    let outcome = if signer.is_weak() {
        Err(SignatureFault::WeakAlgorithm)
    } else if completeness == Completeness::Capped {
        Err(SignatureFault::CapReached)
    } else {
        verified.and(chain.map_or(Err(SignatureFault::NoSigner), |chain| {
            chain.fault.map_or(Ok(()), Err)?;
            if chain.serves(pool, Purpose::CodeSigning) {
                Ok(())
            } else {
                Err(SignatureFault::NotCodeSigning)
            }
        }))
    };
    // When it was signed comes last, and on an account of its own: nothing in it can keep back who did.
    prover.work.begin(Account::Timestamps);
    Ok(Proof {
        chain,
        fault: outcome.err(),
        identity,
        claims,
        timestamp: prove_time(signer, pool, prover)?,
        opus: OpusInfo::read(signer.signed_attribute(oid::SPC_OPUS_INFO)),
    })
}

/// How far it is proven that the leaf of a chain, whose key made the signature, is who it says.
///
/// A leaf whose issuer is not in the file says nothing: the key may have been put into any certificate. One with an authority over
/// it that ends nowhere is what most private authorities issue, whose roots are in no file.
fn identity(chain: &Chain) -> Identity {
    if chain.end > End::Nowhere {
        Identity::Proven
    } else if chain.fault.is_none() && !chain.is_doubtful && chain.places().count() > 1 {
        Identity::Claimed
    } else {
        Identity::Unproven
    }
}

/// Whether something in a chain speaks against the leaf being what it says, where its own key cannot be asked: an authority at hand,
/// of a kind that is known, did not issue it, or its authority goes by another name. No authority at hand at all says nothing for it
/// either: a key of an unknown kind may have been put into any certificate.
fn is_contradicted(chain: &Chain) -> bool {
    if chain.is_doubtful {
        return true;
    }
    match chain.fault {
        None => chain.end == End::Nowhere && chain.places().count() == 1,
        Some(fault) => fault != SignatureFault::UnsupportedKey,
    }
}

/// The place of the signer's certificate, and whether its key made the signature. Several may bear the name: the one whose key did is
/// the one, and without any the first is what the signer claims.
#[inline(never)]
fn find_signer(
    message: &SignedData<'_>,
    signer: &SignerInfo<'_>,
    pool: &[X509<'_>],
    prover: &mut Prover<'_>,
) -> (Option<usize>, Result<(), SignatureFault>) {
    let mut first = None;
    let mut outcome = Err(SignatureFault::NoSigner);
    let what = signer.digest_algorithm().and_then(|algorithm| {
        let content = message.content.ok_or(SignatureFault::Malformed)?;
        signer.signed(Role::Content, &content_digest(algorithm, &content))
    });
    for (place, certificate) in pool.iter().enumerate() {
        if !signer.names(certificate) {
            continue;
        }
        let is_first = first.is_none();
        first.get_or_insert(place);
        let verified = what.and_then(|what| {
            prover
                .work
                .spend(&certificate.key, 0)
                .ok_or(SignatureFault::CapReached)?;
            signer.verify(&what, certificate, prover.scratch)
        });
        match verified {
            Ok(()) => return (Some(place), Ok(())),
            Err(fault) if is_first || fault == SignatureFault::CapReached => outcome = Err(fault),
            Err(_) => {}
        }
    }
    (first, outcome)
}

/// Whether a pool holds several certificates that may be the signer's. Neither which one the signer names nor which one comes first is
/// under the signature: beside the one that an authority issued, anybody may put his own for the same key, with other names in it.
fn is_ambiguous(signer: &SignerInfo<'_>, pool: &[X509<'_>], place: Option<usize>) -> bool {
    let leaf = place.and_then(|place| pool.get(place));
    pool.iter()
        .filter(|other| signer.names(other) || leaf.is_some_and(|leaf| leaf.key.is_same(&other.key)))
        .nth(1)
        .is_some()
}

/// Whether neither the signature nor the leaf's key is of a kind that this reader knows: made for readers to come, as signatures
/// nested beside older ones are. Where only one of them is unknown, they do not belong together.
fn is_of_unknown_kind(signer: &SignerInfo<'_>, leaf: Option<&X509<'_>>) -> bool {
    signer.scheme().is_none() && leaf.is_some_and(|leaf| leaf.key.is_of_unknown_kind())
}
