//! RSA signatures: PKCS#1 v1.5 and PSS (RFC 8017).

use core::cmp::Ordering;

use super::montgomery;
use crate::digest::Algorithm;
use crate::digest::Hasher;
use crate::facts::Hash;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// The longest modulus, in bits. The bound keeps the work and the memory fixed. App Control matches no signer by keys of more than 4096,
/// but an authority may have one.
pub(crate) const MAX_BITS: usize = 8192;
/// The longest modulus that may come with an exponent of more than 32 bits, which nobody needs and which makes for the most work.
const MAX_BITS_FOR_ANY_EXPONENT: usize = 4096;
/// The shortest modulus, in bits: shorter keys can be factored at home.
pub(crate) const MIN_BITS: usize = 1024;
const LIMBS: usize = MAX_BITS / 64;
const BYTES: usize = MAX_BITS / 8;

/// An RSA public key: two big-endian numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicKey<'a> {
    pub(crate) modulus: &'a [u8],
    pub(crate) exponent: &'a [u8],
}

/// How the digest was padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// RSASSA-PKCS1-v1_5.
    Pkcs1,
    /// The same, or its padding around the bare digest, without a `DigestInfo`. Only countersignatures may be made so: those of
    /// VeriSign's and Symantec's time stamping services are, and Windows takes them.
    Pkcs1OrBareDigest,
    /// RSASSA-PSS with this digest in the mask generation function, and this length of salt in bytes.
    Pss {
        /// The digest of MGF1.
        mask: Algorithm,
        /// Salt length in bytes.
        salt: usize,
    },
}

/// Memory for one verification; too much for a kernel stack.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct Scratch {
    modulus: [u64; LIMBS],
    base: [u64; LIMBS],
    factor: [u64; LIMBS],
    power: [u64; LIMBS],
    spare: [u64; LIMBS],
    message: [u8; BYTES],
}

/// The length of a modulus in bits.
pub(crate) fn modulus_bits(modulus: &[u8]) -> usize {
    let significant = without_zeros(modulus);
    let unused = significant.first().map_or(0, |byte| {
        usize::try_from(byte.leading_zeros()).unwrap_or_default()
    });
    significant.len().saturating_mul(8).saturating_sub(unused)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// Whether `signature` is the key's signature over the digest `hash`.
///
/// `false` too for a key that is never used: an even modulus, one outside [`MIN_BITS`] to [`MAX_BITS`], an exponent that is even,
/// below 3 or over 64 bits (32 bits for a modulus over 4096). The signature must be as long as the modulus.
pub(crate) fn verify(
    key: &PublicKey<'_>,
    padding: Padding,
    hash: &Hash,
    algorithm: Algorithm,
    signature: &[u8],
    scratch: &mut Scratch,
) -> bool {
    let bits = modulus_bits(key.modulus);
    let Some(message) = recover(key, bits, signature, scratch) else {
        return false;
    };
    match padding {
        Padding::Pkcs1 => is_pkcs1(message, hash.as_bytes(), algorithm),
        Padding::Pkcs1OrBareDigest => {
            is_pkcs1(message, hash.as_bytes(), algorithm) || is_padded(message, hash.as_bytes(), &[])
        }
        Padding::Pss { mask, salt } => is_pss(message, bits, hash.as_bytes(), algorithm, mask, salt),
    }
}

/// `signature ^ exponent mod modulus` as bytes of the modulus' length.
pub(super) fn recover<'s>(
    key: &PublicKey<'_>,
    bits: usize,
    signature: &[u8],
    scratch: &'s mut Scratch,
) -> Option<&'s mut [u8]> {
    let exponent = exponent(key.exponent)?;
    let most = if u32::try_from(exponent).is_ok() {
        MAX_BITS
    } else {
        MAX_BITS_FOR_ANY_EXPONENT
    };
    if !(MIN_BITS..=most).contains(&bits) {
        return None;
    }
    let limbs = bits.div_ceil(64);
    let length = bits.div_ceil(8);
    let Scratch {
        modulus,
        base,
        factor,
        power,
        spare,
        message,
    } = scratch;
    let modulus = modulus.get_mut(..limbs)?;
    let base = base.get_mut(..limbs)?;
    let mut power = power.get_mut(..limbs)?;
    let mut spare = spare.get_mut(..limbs)?;
    montgomery::from_be_bytes(modulus, key.modulus);
    let modulus = &*modulus;
    let lowest = *modulus.first()?;
    if lowest & 1 == 0
        || signature.len() != length
        || !montgomery::from_be_bytes(base, signature)
        || montgomery::compare(base, modulus) != Ordering::Less
    {
        return None;
    }
    let inverse = montgomery::negative_inverse(lowest);

    // `factor` becomes the base in Montgomery form.
    let factor = factor.get_mut(..limbs)?;
    montgomery::copy(factor, base);
    if !montgomery::enter(factor, modulus) {
        montgomery::set_one(power, modulus);
        montgomery::set_conversion_factor(power, spare, modulus, inverse);
        montgomery::multiply(factor, power, base, modulus, inverse);
    }
    // Square and multiply; the exponent is odd, so its last multiplication can be by the plain base, which takes the result out of
    // Montgomery form.
    montgomery::copy(power, factor);
    let steps = exponent.ilog2();
    for step in (0..steps).rev() {
        montgomery::multiply(spare, power, power, modulus, inverse);
        core::mem::swap(&mut power, &mut spare);
        if exponent.unbounded_shr(step) & 1 == 1 {
            let multiplier = if step == 0 { &*base } else { &*factor };
            montgomery::multiply(spare, power, multiplier, modulus, inverse);
            core::mem::swap(&mut power, &mut spare);
        }
    }
    let message = message.get_mut(..length)?;
    montgomery::to_be_bytes(message, power);
    Some(message)
}

fn exponent(bytes: &[u8]) -> Option<u64> {
    let bytes = without_zeros(bytes);
    if bytes.len() > 8 {
        return None;
    }
    let exponent = bytes
        .iter()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    (exponent >= 3 && exponent & 1 == 1).then_some(exponent)
}

/// Whether the message is `00 01 FF.. 00 DigestInfo`, with the digest algorithm's parameters NULL or left out.
fn is_pkcs1(message: &[u8], digest: &[u8], algorithm: Algorithm) -> bool {
    digest_info_heads(algorithm)
        .iter()
        .any(|head| is_padded(message, digest, head))
}

/// Whether the message is `00 01 FF.. 00`, `head` and the digest, and nothing else.
fn is_padded(message: &[u8], digest: &[u8], head: &[u8]) -> bool {
    message
        .strip_suffix(digest)
        .and_then(|rest| rest.strip_suffix(head))
        .and_then(|rest| rest.strip_prefix(&[0x00, 0x01]))
        .and_then(|rest| rest.strip_suffix(&[0x00]))
        .is_some_and(|fill| fill.len() >= 8 && fill.iter().all(|byte| *byte == 0xff))
}

/// What precedes the digest in a `DigestInfo`: with parameters NULL, and without parameters.
const fn digest_info_heads(algorithm: Algorithm) -> [&'static [u8]; 2] {
    match algorithm {
        Algorithm::Md5 => [
            b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
            b"\x30\x1e\x30\x0a\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x04\x10",
        ],
        Algorithm::Sha1 => [
            b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            b"\x30\x1f\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a\x04\x14",
        ],
        Algorithm::Sha256 => [
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            b"\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20",
        ],
        Algorithm::Sha384 => [
            b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            b"\x30\x3f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x04\x30",
        ],
        Algorithm::Sha512 => [
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            b"\x30\x4f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x04\x40",
        ],
    }
}

/// EMSA-PSS-VERIFY.
#[inline(never)]
fn is_pss(
    message: &mut [u8],
    modulus_bits: usize,
    digest: &[u8],
    algorithm: Algorithm,
    mask: Algorithm,
    salt: usize,
) -> bool {
    // The encoded message is a bit shorter than the modulus, and a byte if that leaves none in the first.
    let bits = modulus_bits.saturating_sub(1);
    let length = bits.div_ceil(8);
    let Some(skipped) = message.len().checked_sub(length) else {
        return false;
    };
    let (lead, message) = message.split_at_mut_checked(skipped).unwrap_or_default();
    let Some((body, [0xbc])) = message
        .split_at_mut_checked(length.saturating_sub(1))
        .map(|(body, end)| (body, &*end))
    else {
        return false;
    };
    let Some(seed_at) = body.len().checked_sub(algorithm.length()) else {
        return false;
    };
    let Some((masked, seed)) = body.split_at_mut_checked(seed_at) else {
        return false;
    };
    let unused_bits = u32::try_from(length.saturating_mul(8).saturating_sub(bits)).unwrap_or_default();
    let allowed = 0xff_u8.unbounded_shr(unused_bits);
    if lead.iter().any(|byte| *byte != 0) || masked.first().is_none_or(|byte| byte & !allowed != 0) {
        return false;
    }
    unmask(masked, seed, mask);
    if let Some(first) = masked.first_mut() {
        *first &= allowed;
    }
    let Some(salt_at) = masked.len().checked_sub(salt) else {
        return false;
    };
    let Some((fill, salt)) = masked.split_at_checked(salt_at) else {
        return false;
    };
    let Some(([0x01], zeros)) = fill.split_last().map(|(last, zeros)| ([*last], zeros)) else {
        return false;
    };
    zeros.iter().all(|byte| *byte == 0) && algorithm.digest(&[&[0; 8], digest, salt]).as_bytes() == seed
}

/// Takes the MGF1 mask of `seed` off `masked`.
fn unmask(masked: &mut [u8], seed: &[u8], mask: Algorithm) {
    for (block, counter) in masked.chunks_mut(mask.length()).zip(0_u32..) {
        let mut hasher = Hasher::new(mask);
        hasher.update(seed);
        hasher.update(&counter.to_be_bytes());
        let mask = hasher.finish();
        for (byte, mask) in block.iter_mut().zip(mask.as_bytes()) {
            *byte ^= mask;
        }
    }
}
