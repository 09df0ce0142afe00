//! The signature of a signed policy: by whom, and what it proves.

use evidence::Fact;
use evidence::Signature;
use evidence::SignatureFault;
use evidence::Text;
use std::fmt;

/// What the signature of a policy proves of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureState {
    /// The signer's certificate signed exactly this, and each certificate above it the one below.
    Holds,
    /// The signer's certificate signed exactly this; whether its chain is what it says is not proven, for this reason.
    ChainUnproven(SignatureFault),
    /// It could not be verified, for this reason: it proves nothing.
    Unverified(SignatureFault),
    /// It is not over this: the policy was changed after signing, or the signature is another's.
    Broken(SignatureFault),
}

/// Where the proven chain of a signature ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainEnd {
    /// In a root that is known, such as one of Microsoft's.
    KnownRoot,
    /// In a certificate that signed itself.
    OwnRoot,
    /// Before a root: the certificate that would come next is not at hand.
    Nowhere,
}

/// The signature of a signed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySignature {
    /// Common names from the signer's certificate up to the last one proven; empty without the signer's certificate. A certificate
    /// without a common name has an empty one.
    pub signers: Vec<String>,
    /// Where the chain ends.
    pub root: ChainEnd,
    /// What it proves.
    pub state: SignatureState,
}

impl PolicySignature {
    /// The signature of an envelope: the first, for those nested in it are nobody's business here.
    pub(crate) fn of(signatures: &[Signature<'_>]) -> Self {
        let Some(signature) = signatures.first() else {
            return Self {
                signers: Vec::new(),
                root: ChainEnd::Nowhere,
                state: SignatureState::Unverified(SignatureFault::NoSigner),
            };
        };
        let name = |name: Fact<Text<'_>>| name.present().map_or_else(String::new, |name| name.to_string());
        Self {
            signers: signature
                .chain
                .iter()
                .map(|certificate| name(certificate.subject_cn))
                .collect(),
            root: match (signature.root.verified, signature.root.known) {
                (true, true) => ChainEnd::KnownRoot,
                (true, false) => ChainEnd::OwnRoot,
                (false, _) => ChainEnd::Nowhere,
            },
            state: match signature.fault {
                None => SignatureState::Holds,
                Some(
                    fault @ (SignatureFault::ChainSignature
                    | SignatureFault::NotAuthority
                    | SignatureFault::NotCodeSigning
                    | SignatureFault::LifetimeEnded),
                ) => SignatureState::ChainUnproven(fault),
                Some(
                    fault @ (SignatureFault::SignedAttributes
                    | SignatureFault::SignerSignature
                    | SignatureFault::Malformed
                    | SignatureFault::ImageDigest),
                ) => SignatureState::Broken(fault),
                Some(fault) => SignatureState::Unverified(fault),
            },
        }
    }
}

impl fmt::Display for PolicySignature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signers.split_first() {
            None => formatter.write_str("signed by somebody whose certificate is not in it")?,
            Some((signer, chain)) => {
                write!(formatter, "signed by \"{signer}\"")?;
                if !chain.is_empty() {
                    write!(formatter, " (under \"{}\")", chain.join("\", \""))?;
                }
            }
        }
        match self.state {
            SignatureState::Holds => formatter.write_str(match self.root {
                ChainEnd::KnownRoot => "; the signature holds, and its chain ends in a known root",
                ChainEnd::OwnRoot => "; the signature holds, and its chain ends in a root that is not known here",
                ChainEnd::Nowhere => {
                    "; the signature holds by the signer's certificate, and its chain is not proven up to a root"
                }
            }),
            SignatureState::ChainUnproven(fault) => {
                write!(formatter, "; the signature is over this policy, but its chain is not proven: {fault}")
            }
            SignatureState::Unverified(fault) => {
                write!(formatter, "; the signature cannot be verified and proves nothing: {fault}")
            }
            SignatureState::Broken(fault) => write!(
                formatter,
                "; THE SIGNATURE DOES NOT HOLD: {fault}; the policy was changed after it was signed, or the signature is \
                 another's"
            ),
        }
    }
}
