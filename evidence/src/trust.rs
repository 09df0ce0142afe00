//! What the Windows driver policy of April 2026 makes of a file, for an inventory to sort by.
//!
//! A verdict does not come from here: policies decide those.

use core::fmt;

use crate::facts::Evidence;
use crate::facts::Fact;
use crate::facts::Signature;
use crate::facts::SignatureFault;

/// Identifiers of key usages that Microsoft's authorities give to drivers, as DER content octets.
pub mod usage {
    /// 1.3.6.1.4.1.311.10.3.5: Windows hardware quality labs.
    pub const WHQL: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x05];
    /// 1.3.6.1.4.1.311.10.3.5.1: attested by the vendor, beside [`WHQL`].
    pub const ATTESTED: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x05, 0x01];
    /// 1.3.6.1.4.1.311.10.3.6: part of Windows.
    pub const WINDOWS: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x06];
    /// 1.3.6.1.4.1.311.61.4.1: early launch anti-malware.
    pub const EARLY_LAUNCH: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3d, 0x04, 0x01];
    /// 1.3.6.1.4.1.311.61.5.1: HAL extension.
    pub const HAL_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x3d, 0x05, 0x01];
    /// 1.3.6.1.4.1.311.10.3.13: signatures end with the certificate; a timestamp does not keep them alive.
    pub const LIFETIME_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x0d];
}

/// The trust class of a file, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustClass {
    /// Signed as a part of Windows.
    Windows,
    /// Passed the hardware compatibility tests, or signed by Microsoft for its vendor as early launch anti-malware or HAL extension.
    Whql,
    /// Attested by its vendor, and signed by Microsoft on that word.
    Attested,
    /// Signed under a Microsoft root, as neither of these.
    Microsoft,
    /// Signed by a vendor whose authority Microsoft cross-signed: what the driver policy ends.
    CrossSigned,
    /// Signed under another root, or under one that is not known.
    OtherRoot,
    /// Signed with a certificate that vouches for itself.
    SelfSigned,
    /// Signed, and no signature holds.
    Invalid,
    /// Not signed.
    Unsigned,
}

impl TrustClass {
    /// All classes, best first.
    pub const ALL: [Self; 9] = [
        Self::Windows,
        Self::Whql,
        Self::Attested,
        Self::Microsoft,
        Self::CrossSigned,
        Self::OtherRoot,
        Self::SelfSigned,
        Self::Invalid,
        Self::Unsigned,
    ];

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Whql => "whql",
            Self::Attested => "attested",
            Self::Microsoft => "microsoft",
            Self::CrossSigned => "cross-signed",
            Self::OtherRoot => "other-root",
            Self::SelfSigned => "self-signed",
            Self::Invalid => "invalid",
            Self::Unsigned => "unsigned",
        }
    }

    /// The stable number in event records.
    pub const fn number(self) -> u8 {
        match self {
            Self::Windows => 1,
            Self::Whql => 2,
            Self::Attested => 3,
            Self::Microsoft => 4,
            Self::CrossSigned => 5,
            Self::OtherRoot => 6,
            Self::SelfSigned => 7,
            Self::Invalid => 8,
            Self::Unsigned => 9,
        }
    }

    /// The class with this number, if there is one.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|class| u64::from(class.number()) == number)
    }

    /// Whether the driver policy loads it without looking at its list of exceptions.
    pub const fn meets_driver_policy(self) -> bool {
        matches!(self, Self::Windows | Self::Whql | Self::Attested)
    }

    /// The class of one signature.
    pub fn of(signature: &Signature<'_>) -> Self {
        if signature.fault.is_some() || !signature.digest_valid || !signature.signature_valid {
            return Self::Invalid;
        }
        let Some(leaf) = signature.chain.first() else {
            return Self::Invalid;
        };
        let has = |usage| leaf.ekus.contains(usage);
        match signature.root.wellknown {
            Some(0x04..=0x07) if has(usage::WINDOWS) => Self::Windows,
            // Microsoft signs these for vendors: they are not parts of Windows.
            Some(0x04..=0x07) if has(usage::EARLY_LAUNCH) || has(usage::HAL_EXTENSION) => Self::Whql,
            Some(0x04..=0x07) if has(usage::WHQL) => {
                if has(usage::ATTESTED) {
                    Self::Attested
                } else {
                    Self::Whql
                }
            }
            Some(0x04..=0x07 | 0x12) => Self::Microsoft,
            Some(0x08) => Self::CrossSigned,
            None if signature.root.verified && signature.chain.len() == 1 && !signature.root.known => {
                Self::SelfSigned
            }
            _ => Self::OtherRoot,
        }
    }
}

/// The trust class of a file, and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The class of the best signature.
    pub class: TrustClass,
    /// Which signature that is; `None` for a file without any.
    pub signature: Option<usize>,
    /// Why the first signature does not hold, for a file of which none does.
    pub fault: Option<SignatureFault>,
}

impl Trust {
    /// The trust class of the file at the time that it is weighed at; unreadable if its signatures are.
    ///
    /// The end of a certificate alone is no fault: Windows takes drivers whose certificates ended long ago. It is one of those with
    /// the usage [`usage::LIFETIME_SIGNING`].
    pub fn of(evidence: &Evidence<'_>) -> Fact<Self> {
        let now = evidence.weighed_at;
        evidence.signatures.map(|signatures| {
            let classes = signatures.iter().map(|signature| {
                if has_ended(signature, now) {
                    TrustClass::Invalid
                } else {
                    TrustClass::of(signature)
                }
            });
            match classes.zip(0_usize..).min() {
                None => Self {
                    class: TrustClass::Unsigned,
                    signature: None,
                    fault: None,
                },
                Some((class, place)) => {
                    let best = signatures.get(place);
                    let ended = best.is_some_and(|signature| has_ended(signature, now));
                    let fault = best.and_then(|signature| signature.fault);
                    Self {
                        class,
                        signature: Some(place),
                        fault: fault.or(ended.then_some(SignatureFault::LifetimeEnded)),
                    }
                }
            }
        })
    }
}

/// Whether the signer's certificate has ended, and its signatures with it, at a time in seconds since 1970-01-01.
pub fn has_ended(signature: &Signature<'_>, now: Option<i64>) -> bool {
    let leaf = signature.chain.first();
    leaf.zip(now)
        .is_some_and(|(leaf, now)| leaf.ekus.contains(usage::LIFETIME_SIGNING) && leaf.not_after < now)
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.class, self.fault) {
            (TrustClass::Windows, _) => f.write_str("signed by Microsoft as a part of Windows"),
            (TrustClass::Whql, _) => {
                f.write_str("signed by Microsoft after the hardware compatibility tests (WHQL)")
            }
            (TrustClass::Attested, _) => f.write_str("signed by Microsoft on its vendor's attestation"),
            (TrustClass::Microsoft, _) => {
                f.write_str("chains to a Microsoft root without a driver's key usage")
            }
            (TrustClass::CrossSigned, _) => {
                f.write_str("its vendor's authority is cross-signed by Microsoft")
            }
            (TrustClass::OtherRoot, _) => f.write_str("chains to no Microsoft root"),
            (TrustClass::SelfSigned, _) => f.write_str("its certificate vouches for itself"),
            (TrustClass::Invalid, Some(fault)) => write!(f, "no signature holds: {fault}"),
            (TrustClass::Invalid, None) => f.write_str("no signature holds"),
            (TrustClass::Unsigned, _) => f.write_str("carries no signature, and no catalogue lists it"),
        }
    }
}

impl SignatureFault {
    /// The stable number.
    pub const fn code(self) -> u16 {
        #[expect(
            clippy::as_conversions,
            reason = "the discriminant of a fieldless repr(u16) enum"
        )]
        {
            self as u16
        }
    }

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::ImageDigest => "image-digest",
            Self::WeakAlgorithm => "weak-algorithm",
            Self::UnknownAlgorithm => "unknown-algorithm",
            Self::NoSigner => "no-signer",
            Self::SignedAttributes => "signed-attributes",
            Self::SignerSignature => "signer-signature",
            Self::UnsupportedKey => "unsupported-key",
            Self::ChainSignature => "chain-signature",
            Self::NotAuthority => "not-authority",
            Self::NotCodeSigning => "not-code-signing",
            Self::PageHashes => "page-hashes",
            Self::CapReached => "cap-reached",
            Self::LifetimeEnded => "lifetime-ended",
            Self::NotConformant => "not-conformant",
        }
    }
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the signature does not parse",
            Self::ImageDigest => "the file is not the one that was signed",
            Self::WeakAlgorithm => "it is made with a digest that proves nothing (MD5)",
            Self::UnknownAlgorithm => "it is made with an unknown algorithm",
            Self::NoSigner => "the signer's certificate is missing",
            Self::SignedAttributes => "its attributes are those of other content",
            Self::SignerSignature => "it was not made with the signer's key",
            Self::UnsupportedKey => {
                "it needs a key that is never used (explicit curve parameters, another kind, RSA outside 1024 to 8192 bits)"
            }
            Self::ChainSignature => "a certificate in its chain is not signed by the issuer it names",
            Self::NotAuthority => "a certificate in its chain may not sign certificates",
            Self::NotCodeSigning => "its certificate is not for code signing",
            Self::PageHashes => "its page hashes are not the file's",
            Self::CapReached => "it asks for more work than a signature may",
            Self::LifetimeEnded => {
                "its certificate has ended, and is one whose signatures end with it, timestamp or not"
            }
            Self::NotConformant => "its digest does not cover all that Windows would map of the image",
        })
    }
}
