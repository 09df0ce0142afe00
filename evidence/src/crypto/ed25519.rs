//! Ed25519 (RFC 8032), verification only, as strict as it can be: one encoding for every key and signature, and no key or nonce of
//! small order, which would verify anything.
//!
//! A curve of its own shape, over the same arithmetic as the NIST curves. Of the libraries looked at, none could be linked into the
//! driver: each left reachable panics in the image, and the tables that make them fast took more room than the rest of it.

use core::cmp::Ordering;

use super::modular::Modular;
use super::modular::bits;
use super::modular::is_zero;
use super::montgomery;
use crate::sha512::SHA512_START;
use crate::sha512::compress;

/// A number of 256 bits: little-endian limbs.
type Number = [u64; 4];

/// The field: 2^255 - 19.
const PRIME: Number = [
    0xffff_ffff_ffff_ffed,
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
    0x7fff_ffff_ffff_ffff,
];

/// The order of the base point: 2^252 + 27742317777372353535851937790883648493.
const ORDER: Number = [
    0x5812_631a_5cf5_d3ed,
    0x14de_f9de_a2f7_9cd6,
    0x0000_0000_0000_0000,
    0x1000_0000_0000_0000,
];

/// The curve's d: -121665 / 121666.
const D: Number = [
    0x75eb_4dca_1359_78a3,
    0x0070_0a4d_4141_d8ab,
    0x8cc7_4079_7779_e898,
    0x5203_6cee_2b6f_fe73,
];

/// A square root of -1: 2^((p - 1) / 4).
const ROOT_OF_MINUS_ONE: Number = [
    0xc4ee_1b27_4a0e_a0b0,
    0x2f43_1806_ad2f_e478,
    0x2b4d_0099_3dfb_d7a7,
    0x2b83_2480_4fc1_df0b,
];

/// (p - 5) / 8.
const ROOT_EXPONENT: Number = [
    0xffff_ffff_ffff_fffd,
    0xffff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
    0x0fff_ffff_ffff_ffff,
];

/// The base point: y is 4/5, and x even.
const BASE: [u8; 32] = [
    0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
];

/// Longest message: nonce, key and message are hashed in one go from a buffer of whole blocks.
const MAX_MESSAGE: usize = BLOCKS * 128 - 64 - 17;
const BLOCKS: usize = 2;

/// Whether `signature` is the key's Ed25519 signature over `message`, which is at most 175 bytes long: what is signed here are short
/// statements.
#[inline(never)]
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    check(key, message, signature).is_some()
}

/// Whether these bytes are a key: a point of the curve, in its one encoding, and not of small order.
#[inline(never)]
pub fn is_key(key: &[u8; 32]) -> bool {
    let curve = Curve::new();
    curve.decode(key).is_some_and(|point| !curve.is_small(&point))
}

fn check(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Option<()> {
    let (nonce, scalar) = signature.split_first_chunk::<32>()?;
    let scalar = number(scalar.first_chunk()?);
    if montgomery::compare(&scalar, &ORDER) != Ordering::Less {
        return None;
    }
    let curve = Curve::new();
    let point = curve.decode(key).filter(|point| !curve.is_small(point))?;
    let commitment = curve.decode(nonce).filter(|point| !curve.is_small(point))?;
    let challenge = challenge(nonce, key, message)?;
    let base = curve.decode(&BASE)?;
    // S * B - k * A = R, compared as points.
    let found = curve.multiply_two(&scalar, &base, &challenge, &curve.negate(&point));
    curve.is_equal(&found, &commitment).then_some(())
}

/// SHA-512 of nonce, key and message, modulo the order.
#[inline(never)]
fn challenge(nonce: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Option<Number> {
    let length = message.len().checked_add(64)?;
    if message.len() > MAX_MESSAGE {
        return None;
    }
    let mut blocks = [[0_u8; 128]; BLOCKS];
    let hashed = nonce.iter().chain(key).chain(message);
    // The padding: one bit, zeros, and the length in bits in the last 16 bytes of the last block.
    let padded = hashed.chain(core::iter::once(&0x80));
    for (slot, byte) in blocks.as_flattened_mut().iter_mut().zip(padded) {
        *slot = *byte;
    }
    let count = length.checked_add(17)?.div_ceil(128);
    let blocks = blocks.get_mut(..count)?;
    let bits = u64::try_from(length).ok()?.checked_mul(8)?;
    *blocks.last_mut()?.last_chunk_mut::<8>()? = bits.to_be_bytes();
    let mut state = SHA512_START;
    compress(&mut state, blocks);
    let mut bytes = [0; 64];
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(state) {
        *chunk = word.to_be_bytes();
    }
    let (low, high) = bytes.split_first_chunk::<32>()?;
    let order = Modular::new(&ORDER);
    // high * 2^256 + low: multiplying by Montgomery's factor is just that power, and then some to take out again.
    let one = [1, 0, 0, 0];
    let high = order.enter(&order.enter(&number(high.first_chunk()?)));
    let low = order.enter(&number(low));
    Some(order.multiply(&order.add(&high, &low), &one))
}

/// A little-endian number.
fn number(bytes: &[u8; 32]) -> Number {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *limb = u64::from_le_bytes(*chunk);
    }
    limbs
}

/// A point in extended coordinates, in Montgomery form: x = X / Z, y = Y / Z, x * y = T / Z.
#[derive(Clone, Copy)]
struct Point {
    x: Number,
    y: Number,
    z: Number,
    t: Number,
}

/// The curve -x^2 + y^2 = 1 + d * x^2 * y^2.
struct Curve {
    field: Modular<'static, 4>,
    d: Number,
}

impl Curve {
    fn new() -> Self {
        let field = Modular::new(&PRIME);
        let d = field.enter(&D);
        Self { field, d }
    }

    /// The neutral point, (0, 1).
    fn zero(&self) -> Point {
        Point {
            x: [0; 4],
            y: self.field.one,
            z: self.field.one,
            t: [0; 4],
        }
    }

    /// The point of this encoding; RFC 8032, section 5.1.3. `None` for a y that is not reduced, for an x that is zero and said to
    /// be odd, and for a y that no point has.
    #[inline(never)]
    fn decode(&self, bytes: &[u8; 32]) -> Option<Point> {
        let field = &self.field;
        let mut y = number(bytes);
        let top = y.last_mut()?;
        let is_odd = *top >> 63 == 1;
        *top &= !(1 << 63);
        if montgomery::compare(&y, &PRIME) != Ordering::Less {
            return None;
        }
        let y = field.enter(&y);
        let square = field.multiply(&y, &y);
        let u = field.subtract(&square, &field.one);
        let v = field.add(&field.multiply(&self.d, &square), &field.one);
        // x^2 = u / v: a candidate is u * v^3 * (u * v^7)^((p - 5) / 8), and if that squares to -u / v, times the root of -1.
        let v3 = field.multiply(&field.multiply(&v, &v), &v);
        let v7 = field.multiply(&field.multiply(&v3, &v3), &v);
        let power = field.power(&field.multiply(&u, &v7), &ROOT_EXPONENT);
        let mut x = field.multiply(&field.multiply(&u, &v3), &power);
        let product = field.multiply(&v, &field.multiply(&x, &x));
        if product != u {
            if product != field.subtract(&[0; 4], &u) {
                return None;
            }
            x = field.multiply(&x, &field.enter(&ROOT_OF_MINUS_ONE));
        }
        if is_zero(&x) && is_odd {
            return None;
        }
        let plain = field.multiply(&x, &[1, 0, 0, 0]);
        if (plain.first()? & 1 == 1) != is_odd {
            x = field.subtract(&[0; 4], &x);
        }
        Some(Point {
            x,
            y,
            z: field.one,
            t: field.multiply(&x, &y),
        })
    }

    fn negate(&self, p: &Point) -> Point {
        Point {
            x: self.field.subtract(&[0; 4], &p.x),
            t: self.field.subtract(&[0; 4], &p.t),
            ..*p
        }
    }

    /// Whether eight times the point is the neutral one.
    fn is_small(&self, p: &Point) -> bool {
        let eight = self.double(&self.double(&self.double(p)));
        is_zero(&eight.x) && eight.y == eight.z
    }

    fn is_equal(&self, p: &Point, q: &Point) -> bool {
        let field = &self.field;
        field.multiply(&p.x, &q.z) == field.multiply(&q.x, &p.z)
            && field.multiply(&p.y, &q.z) == field.multiply(&q.y, &p.z)
    }

    fn double(&self, p: &Point) -> Point {
        // The addition below is complete: it doubles as well.
        self.add(p, p)
    }

    /// The sum of any two points; RFC 8032, section 5.1.4.
    #[inline(never)]
    #[expect(clippy::many_single_char_names, reason = "the names of the standard")]
    fn add(&self, p: &Point, q: &Point) -> Point {
        let field = &self.field;
        let a = field.multiply(&field.subtract(&p.y, &p.x), &field.subtract(&q.y, &q.x));
        let b = field.multiply(&field.add(&p.y, &p.x), &field.add(&q.y, &q.x));
        let c = field.double(&field.multiply(&field.multiply(&p.t, &self.d), &q.t));
        let d = field.double(&field.multiply(&p.z, &q.z));
        let (e, f) = (field.subtract(&b, &a), field.subtract(&d, &c));
        let (g, h) = (field.add(&d, &c), field.add(&b, &a));
        Point {
            x: field.multiply(&e, &f),
            y: field.multiply(&g, &h),
            z: field.multiply(&f, &g),
            t: field.multiply(&e, &h),
        }
    }

    /// `a * p + b * q`, a bit of both at a time.
    fn multiply_two(&self, a: &Number, p: &Point, b: &Number, q: &Point) -> Point {
        let both = self.add(p, q);
        let mut sum = self.zero();
        for (of_p, of_q) in bits(a).zip(bits(b)) {
            sum = self.double(&sum);
            sum = match (of_p, of_q) {
                (true, true) => self.add(&sum, &both),
                (true, false) => self.add(&sum, p),
                (false, true) => self.add(&sum, q),
                (false, false) => sum,
            };
        }
        sum
    }
}
