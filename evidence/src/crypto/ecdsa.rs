//! ECDSA over P-256 and P-384 (FIPS 186-5). Named curves only: explicit parameters let a forger choose the generator.

use core::cmp::Ordering;

use super::modular::Modular;
use super::modular::bits;
use super::modular::is_zero;
use super::montgomery;
use crate::der::INTEGER;
use crate::der::Reader;
use crate::der::SEQUENCE;

/// A named curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    /// NIST P-256, secp256r1.
    P256,
    /// NIST P-384, secp384r1.
    P384,
}

impl Curve {
    /// Field length in bits.
    pub(crate) const fn bits(self) -> u16 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
        }
    }
}

/// Whether `signature`, a DER sequence of two integers, is the key's over `digest`. The key is an uncompressed point.
pub(crate) fn verify(curve: Curve, point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    let outcome = match curve {
        Curve::P256 => check(&P256, point, digest, signature),
        Curve::P384 => check(&P384, point, digest, signature),
    };
    outcome.is_some()
}

/// A curve `y^2 = x^3 - 3x + b` of prime order; little-endian limbs.
struct Parameters<const N: usize> {
    prime: [u64; N],
    order: [u64; N],
    b: [u64; N],
    generator: ([u64; N], [u64; N]),
}

const P256: Parameters<4> = Parameters {
    prime: [
        0xffff_ffff_ffff_ffff,
        0x0000_0000_ffff_ffff,
        0x0000_0000_0000_0000,
        0xffff_ffff_0000_0001,
    ],
    order: [
        0xf3b9_cac2_fc63_2551,
        0xbce6_faad_a717_9e84,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_0000_0000,
    ],
    b: [
        0x3bce_3c3e_27d2_604b,
        0x651d_06b0_cc53_b0f6,
        0xb3eb_bd55_7698_86bc,
        0x5ac6_35d8_aa3a_93e7,
    ],
    generator: (
        [
            0xf4a1_3945_d898_c296,
            0x7703_7d81_2deb_33a0,
            0xf8bc_e6e5_63a4_40f2,
            0x6b17_d1f2_e12c_4247,
        ],
        [
            0xcbb6_4068_37bf_51f5,
            0x2bce_3357_6b31_5ece,
            0x8ee7_eb4a_7c0f_9e16,
            0x4fe3_42e2_fe1a_7f9b,
        ],
    ),
};

const P384: Parameters<6> = Parameters {
    prime: [
        0x0000_0000_ffff_ffff,
        0xffff_ffff_0000_0000,
        0xffff_ffff_ffff_fffe,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
    ],
    order: [
        0xecec_196a_ccc5_2973,
        0x581a_0db2_48b0_a77a,
        0xc763_4d81_f437_2ddf,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
        0xffff_ffff_ffff_ffff,
    ],
    b: [
        0x2a85_c8ed_d3ec_2aef,
        0xc656_398d_8a2e_d19d,
        0x0314_088f_5013_875a,
        0x181d_9c6e_fe81_4112,
        0x988e_056b_e3f8_2d19,
        0xb331_2fa7_e23e_e7e4,
    ],
    generator: (
        [
            0x3a54_5e38_7276_0ab7,
            0x5502_f25d_bf55_296c,
            0x59f7_41e0_8254_2a38,
            0x6e1d_3b62_8ba7_9b98,
            0x8eb1_c71e_f320_ad74,
            0xaa87_ca22_be8b_0537,
        ],
        [
            0x7a43_1d7c_90ea_0e5f,
            0x0a60_b1ce_1d7e_819d,
            0xe9da_3113_b5f0_b8c0,
            0xf8f4_1dbd_289a_147c,
            0x5d9e_98bf_9292_dc29,
            0x3617_de4a_9626_2c6f,
        ],
    ),
};

#[inline(never)]
fn check<const N: usize>(curve: &Parameters<N>, point: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
    let field = Modular::new(&curve.prime);
    let scalars = Modular::new(&curve.order);
    let key = Point::decode(curve, &field, point)?;
    let (r, s) = decode_signature(&curve.order, signature)?;

    // The digest's leftmost bits as a number; both orders are as long as a whole number of bytes.
    let mut e = [0; N];
    montgomery::from_be_bytes(&mut e, digest.get(..N.saturating_mul(8)).unwrap_or(digest));
    if montgomery::compare(&e, &curve.order) != Ordering::Less {
        montgomery::subtract(&mut e, &curve.order);
    }
    // Leaving one factor out of Montgomery form takes the product out of it.
    let inverse = scalars.invert(&scalars.enter(&s));
    let for_generator = scalars.multiply(&e, &inverse);
    let for_key = scalars.multiply(&r, &inverse);
    let generator = Point {
        x: field.enter(&curve.generator.0),
        y: field.enter(&curve.generator.1),
        z: field.one,
    };
    let sum = field.multiply_two(&for_generator, &generator, &for_key, &key);
    if is_zero(&sum.z) {
        return None;
    }
    // Instead of dividing x by z^2, multiply r, and r + order if that is still in the field.
    let z2 = field.multiply(&sum.z, &sum.z);
    if field.multiply(&field.enter(&r), &z2) == sum.x {
        return Some(());
    }
    let mut larger = r;
    let mut carry = false;
    for (limb, add) in larger.iter_mut().zip(&curve.order) {
        (*limb, carry) = limb.carrying_add(*add, carry);
    }
    let in_field = !carry && montgomery::compare(&larger, &curve.prime) == Ordering::Less;
    (in_field && field.multiply(&field.enter(&larger), &z2) == sum.x).then_some(())
}

/// Both numbers of a signature, each from 1 to the order less 1.
fn decode_signature<const N: usize>(order: &[u64; N], signature: &[u8]) -> Option<([u64; N], [u64; N])> {
    let mut outer = Reader::new(signature);
    let mut numbers = outer.read(SEQUENCE)?.reader();
    let mut number = || {
        let bytes = numbers.read(INTEGER)?.content;
        let mut limbs = [0; N];
        let fits = bytes.first()? & 0x80 == 0 && montgomery::from_be_bytes(&mut limbs, bytes);
        (fits && !is_zero(&limbs) && montgomery::compare(&limbs, order) == Ordering::Less).then_some(limbs)
    };
    let pair = (number()?, number()?);
    (numbers.is_empty() && outer.is_empty()).then_some(pair)
}

impl<const N: usize> Modular<'_, N> {
    /// `a * p + b * q`, a bit of both at a time.
    fn multiply_two(&self, a: &[u64; N], p: &Point<N>, b: &[u64; N], q: &Point<N>) -> Point<N> {
        let both = self.add_points(p, q);
        let mut sum = Point {
            x: self.one,
            y: self.one,
            z: [0; N],
        };
        for (of_p, of_q) in bits(a).zip(bits(b)) {
            sum = self.double_point(&sum);
            sum = match (of_p, of_q) {
                (true, true) => self.add_points(&sum, &both),
                (true, false) => self.add_points(&sum, p),
                (false, true) => self.add_points(&sum, q),
                (false, false) => sum,
            };
        }
        sum
    }

    fn double_point(&self, p: &Point<N>) -> Point<N> {
        // dbl-2001-b of the Explicit-Formulas Database; doubling infinity gives z = 0 again.
        let delta = self.multiply(&p.z, &p.z);
        let gamma = self.multiply(&p.y, &p.y);
        let beta = self.multiply(&p.x, &gamma);
        let product = self.multiply(&self.subtract(&p.x, &delta), &self.add(&p.x, &delta));
        let alpha = self.add(&self.double(&product), &product);
        let beta4 = self.double(&self.double(&beta));
        let x = self.subtract(&self.multiply(&alpha, &alpha), &self.double(&beta4));
        let sum = self.add(&p.y, &p.z);
        let z = self.subtract(&self.subtract(&self.multiply(&sum, &sum), &gamma), &delta);
        let gamma8 = self.double(&self.double(&self.double(&self.multiply(&gamma, &gamma))));
        let y = self.subtract(&self.multiply(&alpha, &self.subtract(&beta4, &x)), &gamma8);
        Point { x, y, z }
    }

    #[expect(
        clippy::many_single_char_names,
        reason = "the names of the published formulas"
    )]
    fn add_points(&self, p: &Point<N>, q: &Point<N>) -> Point<N> {
        if is_zero(&p.z) {
            return *q;
        }
        if is_zero(&q.z) {
            return *p;
        }
        let (z1, z2) = (self.multiply(&p.z, &p.z), self.multiply(&q.z, &q.z));
        let (u1, u2) = (self.multiply(&p.x, &z2), self.multiply(&q.x, &z1));
        let s1 = self.multiply(&p.y, &self.multiply(&q.z, &z2));
        let s2 = self.multiply(&q.y, &self.multiply(&p.z, &z1));
        let (h, r) = (self.subtract(&u2, &u1), self.subtract(&s2, &s1));
        if is_zero(&h) {
            if is_zero(&r) {
                return self.double_point(p);
            }
            return Point {
                x: self.one,
                y: self.one,
                z: [0; N],
            };
        }
        let h2 = self.multiply(&h, &h);
        let h3 = self.multiply(&h, &h2);
        let v = self.multiply(&u1, &h2);
        let x = self.subtract(&self.subtract(&self.multiply(&r, &r), &h3), &self.double(&v));
        let y = self.subtract(
            &self.multiply(&r, &self.subtract(&v, &x)),
            &self.multiply(&s1, &h3),
        );
        let z = self.multiply(&h, &self.multiply(&p.z, &q.z));
        Point { x, y, z }
    }
}

/// A point in Jacobian coordinates, in Montgomery form; infinity has `z` zero.
#[derive(Clone, Copy)]
struct Point<const N: usize> {
    x: [u64; N],
    y: [u64; N],
    z: [u64; N],
}

impl<const N: usize> Point<N> {
    /// An uncompressed point that lies on the curve.
    fn decode(curve: &Parameters<N>, field: &Modular<'_, N>, bytes: &[u8]) -> Option<Self> {
        let (x_bytes, y_bytes) = bytes.strip_prefix(&[0x04])?.split_at_checked(N.checked_mul(8)?)?;
        if y_bytes.len() != x_bytes.len() {
            return None;
        }
        let coordinate = |bytes| {
            let mut limbs = [0; N];
            montgomery::from_be_bytes(&mut limbs, bytes);
            (montgomery::compare(&limbs, &curve.prime) == Ordering::Less).then(|| field.enter(&limbs))
        };
        let (x, y) = (coordinate(x_bytes)?, coordinate(y_bytes)?);
        let cube = field.multiply(&field.multiply(&x, &x), &x);
        let three_x = field.add(&field.double(&x), &x);
        let right = field.add(&field.subtract(&cube, &three_x), &field.enter(&curve.b));
        (field.multiply(&y, &y) == right).then_some(Self { x, y, z: field.one })
    }
}
