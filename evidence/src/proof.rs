//! What one SignedData proves, whatever it signs: who signed it, when, and that nothing was changed since.

extern crate alloc;

use alloc::vec::Vec;

use crate::chain::Chain;
use crate::chain::Prover;
use crate::chain::may_serve;
use crate::error::NoMemory;
use crate::facts::Fact;
use crate::facts::SignatureFault;
use crate::facts::Timestamp;
use crate::oid;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::pkcs7::content_digest;
use crate::spc::OpusInfo;
use crate::timestamp::prove_time;
use crate::x509::X509;
use crate::x509::push_certificates;

/// What one SignedData proves, whatever it signs.
pub(crate) struct Proof<'a> {
    /// The proven chain; `None` without a signer's certificate.
    pub(crate) chain: Option<Chain>,
    pub(crate) fault: Option<SignatureFault>,
    pub(crate) timestamp: Fact<Timestamp>,
    pub(crate) opus: OpusInfo<'a>,
}

/// Proves the signature of `message`, whose certificates it leaves in `pool`.
pub(crate) fn prove<'a>(
    message: &SignedData<'a>,
    pool: &mut Vec<X509<'a>>,
    prover: &mut Prover<'_>,
) -> Result<(Proof<'a>, Option<SignerInfo<'a>>), NoMemory> {
    pool.clear();
    let complete = push_certificates(pool, message.certificates.clone())?;
    let mut proof = Proof {
        chain: None,
        fault: None,
        timestamp: Fact::Absent,
        opus: OpusInfo::read(None),
    };
    let (Some(signer), Some(content)) = (message.signer(), message.content) else {
        proof.fault = Some(SignatureFault::Malformed);
        return Ok((proof, None));
    };
    proof.opus = OpusInfo::read(signer.signed_attribute(oid::SPC_OPUS_INFO));
    let Some(place) = signer.find_certificate(pool) else {
        let reason = if complete {
            SignatureFault::NoSigner
        } else {
            SignatureFault::CapReached
        };
        proof.fault = Some(reason);
        return Ok((proof, Some(signer)));
    };
    proof.timestamp = prove_time(&signer, pool, prover)?;
    let chain = prover.build(pool, place);
    proof.chain = Some(chain);
    let outcome = pool.get(place).map_or(Err(SignatureFault::NoSigner), |leaf| {
        let digest = content_digest(signer.digest_algorithm()?, &content);
        if !prover.spend() {
            return Err(SignatureFault::CapReached);
        }
        signer.verify(Some(message.content_type), &digest, leaf, prover.scratch)?;
        chain.fault.map_or(Ok(()), Err)?;
        if !may_serve(leaf, oid::EKU_CODE_SIGNING) || !chain.allows(pool, oid::EKU_CODE_SIGNING) {
            return Err(SignatureFault::NotCodeSigning);
        }
        Ok(())
    });
    proof.fault = outcome.err();
    Ok((proof, Some(signer)))
}
