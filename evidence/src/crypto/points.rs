//! Points of a curve: adding, doubling, and multiples of two of them at once.
//!
//! What makes points is never inlined: the temporaries of one step are off the stack before the next.

use core::cmp::Ordering;

use super::curves::A;
use super::curves::LIMBS;
use super::curves::Number;
use super::curves::Parameters;
use super::modular::Modular;
use super::modular::bits;
use super::modular::is_zero;
use super::modular::low;
use super::montgomery;

/// The points of a curve.
pub(super) struct Group<'c> {
    curve: &'c Parameters,
    pub(super) field: Modular<'c, LIMBS>,
}

/// A point in Jacobian coordinates, in Montgomery form; infinity has `z` zero.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: Number,
    pub(super) y: Number,
    pub(super) z: Number,
}

impl<'c> Group<'c> {
    #[inline(never)]
    pub(super) fn new(curve: &'c Parameters) -> Self {
        Self {
            field: Modular::new(&curve.prime),
            curve,
        }
    }

    pub(super) fn generator(&self) -> Point {
        let (x, y) = &self.curve.generator;
        Point {
            x: self.field.enter(x),
            y: self.field.enter(y),
            z: self.field.one,
        }
    }

    /// An uncompressed point that lies on the curve.
    #[inline(never)]
    pub(super) fn decode(&self, bytes: &[u8]) -> Option<Point> {
        let Self { curve, field } = self;
        let (x_bytes, y_bytes) = bytes.strip_prefix(&[0x04])?.split_at_checked(curve.length)?;
        if y_bytes.len() != x_bytes.len() {
            return None;
        }
        let coordinate = |bytes| {
            let mut limbs = [0; LIMBS];
            montgomery::from_be_bytes(&mut limbs, bytes);
            (montgomery::compare(&limbs, &curve.prime) == Ordering::Less).then(|| field.enter(&limbs))
        };
        let (x, y) = (coordinate(x_bytes)?, coordinate(y_bytes)?);
        let mut right = field.multiply(&field.multiply(&x, &x), &x);
        if curve.a == A::MinusThree {
            let three_x = field.add(&field.double(&x), &x);
            right = field.subtract(&right, &three_x);
        }
        right = field.add(&right, &field.enter(&curve.b));
        (field.multiply(&y, &y) == right).then_some(Point { x, y, z: field.one })
    }

    /// `a * p + b * q`, a bit of both at a time.
    #[inline(never)]
    pub(super) fn multiply_two(&self, a: &Number, p: &Point, b: &Number, q: &Point) -> Point {
        let mut both = *p;
        self.add(&mut both, q);
        let mut sum = self.infinity();
        let [a, b] = [a, b].map(|scalar| bits(low(scalar, self.field.limbs)));
        for (of_p, of_q) in a.zip(b) {
            self.double(&mut sum);
            match (of_p, of_q) {
                (true, true) => self.add(&mut sum, &both),
                (true, false) => self.add(&mut sum, p),
                (false, true) => self.add(&mut sum, q),
                (false, false) => {}
            }
        }
        sum
    }

    const fn infinity(&self) -> Point {
        Point {
            x: self.field.one,
            y: self.field.one,
            z: [0; LIMBS],
        }
    }

    /// Whether `x`, which is below the order, is the point's first coordinate modulo the order.
    #[inline(never)]
    pub(super) fn has_x(&self, point: &Point, x: &Number) -> bool {
        let field = &self.field;
        if is_zero(&point.z) {
            return false;
        }
        // Instead of dividing by z^2, multiply x, and x + order if that is still in the field.
        let z2 = field.multiply(&point.z, &point.z);
        if field.multiply(&field.enter(x), &z2) == point.x {
            return true;
        }
        let mut larger = *x;
        let mut carry = false;
        for (limb, add) in larger.iter_mut().zip(&self.curve.order) {
            (*limb, carry) = limb.carrying_add(*add, carry);
        }
        let in_field = !carry && montgomery::compare(&larger, &self.curve.prime) == Ordering::Less;
        in_field && field.multiply(&field.enter(&larger), &z2) == point.x
    }

    #[inline(never)]
    fn double(&self, p: &mut Point) {
        // dbl-2001-b of the Explicit-Formulas Database; doubling infinity gives z = 0 again.
        let field = &self.field;
        let delta = field.multiply(&p.z, &p.z);
        let gamma = field.multiply(&p.y, &p.y);
        let beta = field.multiply(&p.x, &gamma);
        // A third of the tangent's slope: x^2 + az^4 / 3.
        let product = match self.curve.a {
            A::MinusThree => field.multiply(&field.subtract(&p.x, &delta), &field.add(&p.x, &delta)),
            A::Zero => field.multiply(&p.x, &p.x),
        };
        let alpha = field.add(&field.double(&product), &product);
        let beta4 = field.double(&field.double(&beta));
        let x = field.subtract(&field.multiply(&alpha, &alpha), &field.double(&beta4));
        let sum = field.add(&p.y, &p.z);
        let z = field.subtract(&field.subtract(&field.multiply(&sum, &sum), &gamma), &delta);
        let gamma8 = field.double(&field.double(&field.double(&field.multiply(&gamma, &gamma))));
        let y = field.subtract(&field.multiply(&alpha, &field.subtract(&beta4, &x)), &gamma8);
        *p = Point { x, y, z };
    }

    fn add(&self, p: &mut Point, q: &Point) {
        // Doubling does not stand on top of adding: a kernel stack has little room.
        if !self.add_different(p, q) {
            self.double(p);
        }
    }

    /// Adds to a point; `false`, with the point as it was, if both are the same.
    #[expect(
        clippy::many_single_char_names,
        reason = "the names of the published formulas"
    )]
    #[inline(never)]
    fn add_different(&self, p: &mut Point, q: &Point) -> bool {
        let field = &self.field;
        if is_zero(&p.z) {
            *p = *q;
            return true;
        }
        if is_zero(&q.z) {
            return true;
        }
        let (z1, z2) = (field.multiply(&p.z, &p.z), field.multiply(&q.z, &q.z));
        let (u1, u2) = (field.multiply(&p.x, &z2), field.multiply(&q.x, &z1));
        let s1 = field.multiply(&p.y, &field.multiply(&q.z, &z2));
        let s2 = field.multiply(&q.y, &field.multiply(&p.z, &z1));
        let (h, r) = (field.subtract(&u2, &u1), field.subtract(&s2, &s1));
        if is_zero(&h) {
            let opposite = !is_zero(&r);
            if opposite {
                *p = self.infinity();
            }
            return opposite;
        }
        let h2 = field.multiply(&h, &h);
        let h3 = field.multiply(&h, &h2);
        let v = field.multiply(&u1, &h2);
        let x = field.subtract(&field.subtract(&field.multiply(&r, &r), &h3), &field.double(&v));
        let y = field.subtract(
            &field.multiply(&r, &field.subtract(&v, &x)),
            &field.multiply(&s1, &h3),
        );
        let z = field.multiply(&h, &field.multiply(&p.z, &q.z));
        *p = Point { x, y, z };
        true
    }
}
