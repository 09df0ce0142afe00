//! Public-key signatures: verification only, on public data, so nothing here need hide its timing.

mod curves;
mod ecdsa;
mod ed25519;
#[cfg(test)]
mod ed25519_tests;
mod modular;
mod montgomery;
mod points;
mod rsa;

pub(crate) use curves::Curve;
pub(crate) use ecdsa::verify as verify_ecdsa;
pub use ed25519::is_key as is_ed25519_key;
pub use ed25519::verify as verify_ed25519;
pub(crate) use rsa::MAX_BITS as RSA_MAX_BITS;
pub(crate) use rsa::MIN_BITS as RSA_MIN_BITS;
pub(crate) use rsa::Padding;
pub(crate) use rsa::PublicKey as RsaKey;
pub(crate) use rsa::Scratch as RsaScratch;
pub(crate) use rsa::modulus_bits;
pub(crate) use rsa::verify as verify_rsa;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof_tests;
