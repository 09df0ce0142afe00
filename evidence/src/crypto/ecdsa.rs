//! ECDSA over named curves (FIPS 186-5, SEC 1).

use core::cmp::Ordering;

use super::curves;
use super::curves::Curve;
use super::curves::LIMBS;
use super::curves::Number;
use super::curves::Parameters;
use super::modular::Modular;
use super::modular::is_zero;
use super::montgomery;
use super::points::Group;
use crate::der::Element;
use crate::der::INTEGER;
use crate::der::Reader;
use crate::der::SEQUENCE;

/// Whether `signature`, a DER sequence of two integers, is the key's over `digest`. The key is an uncompressed point.
pub(crate) fn verify(curve: Curve, point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let outcome = match curve {
        Curve::P256 => check(&curves::P256, point, digest, signature),
        Curve::P384 => check(&curves::P384, point, digest, signature),
        Curve::P521 => check(&curves::P521, point, digest, signature),
        Curve::Secp256k1 => check(&curves::SECP256K1, point, digest, signature),
    };
    outcome.is_some()
}

#[inline(never)]
fn check(curve: &Parameters, point: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
    let group = Group::new(curve);
    let key = group.decode(point)?;
    let (r, s) = decode_signature(&curve.order, signature)?;

    // The digest's leftmost bits as a number: the orders are a whole number of bytes long, or longer than every digest.
    let mut e = [0; LIMBS];
    montgomery::from_be_bytes(&mut e, digest.get(..curve.length).unwrap_or(digest));
    if montgomery::compare(&e, &curve.order) != Ordering::Less {
        montgomery::subtract(&mut e, &curve.order);
    }
    let (for_generator, for_key) = multipliers(&curve.order, &e, &r, &s);
    let sum = group.multiply_two(&for_generator, &group.generator(), &for_key, &key);
    group.has_x(&sum, &r).then_some(())
}

/// `e / s` and `r / s` modulo the order.
#[inline(never)]
fn multipliers(order: &Number, e: &Number, r: &Number, s: &Number) -> (Number, Number) {
    let scalars = Modular::new(order);
    let inverse = scalars.invert(&scalars.enter(s));
    // Leaving one factor out of Montgomery form takes the product out of it.
    (scalars.multiply(e, &inverse), scalars.multiply(r, &inverse))
}

/// Both numbers of a signature, each from 1 to the order less 1, as DER writes them: whatever else could be read as the same numbers is
/// another signature, which nobody made.
fn decode_signature(order: &Number, signature: &[u8]) -> Option<(Number, Number)> {
    let mut outer = Reader::new(signature);
    let mut numbers = outer.read(SEQUENCE).filter(is_short_form)?.reader();
    let mut number = || {
        let bytes = numbers.read(INTEGER).filter(is_short_form)?.content;
        let mut limbs = [0; LIMBS];
        let minimal = match bytes {
            [] | [0x80..=0xff, ..] => false,
            [0, second, ..] => *second >= 0x80,
            _ => true,
        };
        let fits = minimal && montgomery::from_be_bytes(&mut limbs, bytes);
        (fits && !is_zero(&limbs) && montgomery::compare(&limbs, order) == Ordering::Less).then_some(limbs)
    };
    let pair = (number()?, number()?);
    (numbers.is_empty() && outer.is_empty()).then_some(pair)
}

/// Whether the length stands in the shortest form. No signature is longer than a byte can say.
fn is_short_form(element: &Element<'_>) -> bool {
    let length = element.content.len();
    let head = element.raw.len().saturating_sub(length);
    match length {
        ..0x80 => head == 2,
        0x80..0x100 => head == 3,
        _ => false,
    }
}
