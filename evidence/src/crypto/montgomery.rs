//! Arithmetic modulo an odd number, on little-endian slices of 64-bit limbs of equal length.
//!
//! What curves are made of is never inlined: for each of three lengths it would be unrolled in dozens of places, for a driver of limited
//! size.

use core::cmp::Ordering;

/// `-1 / n` modulo 2^64, for odd `n`.
pub(super) fn negative_inverse(n: u64) -> u64 {
    // Newton's iteration doubles the correct bits; an odd number is its own inverse modulo 8.
    let inverse = (0..5).fold(n, |inverse, _| {
        inverse.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(inverse)))
    });
    inverse.wrapping_neg()
}

/// `out = a * b / 2^(64 * limbs) mod n`, fully reduced if `a` and `b` are.
///
/// `n_inverse` is [`negative_inverse`] of the lowest limb of `n`.
#[inline(never)]
pub(super) fn multiply(out: &mut [u64], a: &[u64], b: &[u64], n: &[u64], n_inverse: u64) {
    let (Some((&a_first, a_rest)), Some((&n_first, n_rest))) = (a.split_first(), n.split_first()) else {
        return;
    };
    out.fill(0);
    let mut top = 0_u64;
    for &factor in b {
        // Adds `a * factor`, then the multiple of `n` that makes the lowest limb zero, and moves down by a limb: `slot` runs
        // one behind the limb that is read.
        let mut limbs = out.iter_mut();
        let Some(mut slot) = limbs.next() else {
            return;
        };
        let (low, mut carry) = a_first.carrying_mul_add(factor, *slot, 0);
        let quotient = low.wrapping_mul(n_inverse);
        let (_, mut reduction_carry) = n_first.carrying_mul_add(quotient, low, 0);
        for ((limb, &a_limb), &n_limb) in limbs.zip(a_rest).zip(n_rest) {
            let (low, high) = a_limb.carrying_mul_add(factor, *limb, carry);
            carry = high;
            let (low, high) = n_limb.carrying_mul_add(quotient, low, reduction_carry);
            reduction_carry = high;
            *slot = low;
            slot = limb;
        }
        let (sum, first) = top.overflowing_add(carry);
        let (sum, second) = sum.overflowing_add(reduction_carry);
        *slot = sum;
        top = u64::from(first).wrapping_add(u64::from(second));
    }
    if top != 0 || compare(out, n) != Ordering::Less {
        subtract(out, n);
    }
}

/// `x = 2 * x mod n`, for `x` below `n`.
#[inline(never)]
pub(super) fn double(x: &mut [u64], n: &[u64]) {
    let mut carry = 0;
    for limb in x.iter_mut() {
        let high = *limb >> 63;
        *limb = *limb << 1 | carry;
        carry = high;
    }
    if carry != 0 || compare(x, n) != Ordering::Less {
        subtract(x, n);
    }
}

/// `x = x + y mod n`, for both below `n`.
#[inline(never)]
pub(super) fn add(x: &mut [u64], y: &[u64], n: &[u64]) {
    let mut carry = false;
    for (limb, add) in x.iter_mut().zip(y) {
        (*limb, carry) = limb.carrying_add(*add, carry);
    }
    if carry || compare(x, n) != Ordering::Less {
        subtract(x, n);
    }
}

/// `x = x - y mod n`, for both below `n`.
#[inline(never)]
pub(super) fn subtract_modulo(x: &mut [u64], y: &[u64], n: &[u64]) {
    if subtract(x, y) {
        let mut carry = false;
        for (limb, add) in x.iter_mut().zip(n) {
            (*limb, carry) = limb.carrying_add(*add, carry);
        }
    }
}

/// `x = x - y`, and whether that wrapped.
pub(super) fn subtract(x: &mut [u64], y: &[u64]) -> bool {
    let mut borrow = false;
    for (limb, take) in x.iter_mut().zip(y) {
        (*limb, borrow) = limb.borrowing_sub(*take, borrow);
    }
    borrow
}

/// `x = y`.
pub(super) fn copy(x: &mut [u64], y: &[u64]) {
    for (to, from) in x.iter_mut().zip(y) {
        *to = *from;
    }
}

/// Compares numbers of equal length.
pub(super) fn compare(x: &[u64], y: &[u64]) -> Ordering {
    x.iter().rev().cmp(y.iter().rev())
}

/// Fills `limbs` with a big-endian number; `false` if it does not fit.
pub(super) fn from_be_bytes(limbs: &mut [u64], bytes: &[u8]) -> bool {
    let mut rest = bytes;
    for limb in limbs {
        *limb = 0;
        let (head, tail) = rest
            .split_at_checked(rest.len().saturating_sub(8))
            .unwrap_or((&[], rest));
        for byte in tail {
            *limb = *limb << 8 | u64::from(*byte);
        }
        rest = head;
    }
    rest.iter().all(|byte| *byte == 0)
}

/// Fills `bytes` with the big-endian number; the bytes it lacks room for are dropped from the top.
pub(super) fn to_be_bytes(bytes: &mut [u8], limbs: &[u64]) {
    for (chunk, limb) in bytes.rchunks_mut(8).zip(limbs) {
        for (to, from) in chunk.iter_mut().rev().zip(limb.to_le_bytes()) {
            *to = from;
        }
    }
}

/// Sets `x` to 2^(64 * limbs) modulo `n`: Montgomery's one. The top limb of `n` must not be zero.
pub(super) fn set_one(x: &mut [u64], n: &[u64]) {
    let Some(top) = n.last() else {
        return;
    };
    // 2^(bits - 1) is below `n`; double it up from there.
    x.fill(0);
    let spare = top.leading_zeros();
    if let Some(limb) = x.last_mut() {
        *limb = 1_u64.unbounded_shl(63_u32.saturating_sub(spare));
    }
    for _ in 0..=spare {
        double(x, n);
    }
}

/// Turns Montgomery's one in `x` into Montgomery's conversion factor, 2^(128 * limbs) modulo `n`; uses `spare`.
pub(super) fn set_conversion_factor(x: &mut [u64], spare: &mut [u64], n: &[u64], n_inverse: u64) {
    // With 2^j in Montgomery form, doubling adds 1 to j and squaring doubles it; j must become 64 * limbs. Squaring takes as
    // long as a hundred doublings.
    const SQUARINGS: usize = 5;
    let doublings = n.len().saturating_mul(64 >> SQUARINGS);
    for _ in 0..doublings {
        double(x, n);
    }
    for _ in 0..SQUARINGS {
        multiply(spare, x, x, n, n_inverse);
        copy(x, spare);
    }
}

/// `x = x * 2^(64 * limbs) mod n`: into Montgomery form, for a twelfth of what the way over the conversion factor costs.
///
/// `false`, with `x` as it was, if the top bit of `n` is not set. `x` must be below `n`.
pub(super) fn enter(x: &mut [u64], n: &[u64]) -> bool {
    let Some(divisor) = n.last().and_then(|top| Divisor::new(*top)) else {
        return false;
    };
    for _ in n {
        shift_up(x, n, &divisor);
    }
    true
}

/// `x = x * 2^64 mod n`: a step of long division, whose quotient is guessed from the top limbs. Knuth's algorithm D, The Art of
/// Computer Programming 2, section 4.3.1: the guess is at most two too high.
fn shift_up(x: &mut [u64], n: &[u64], divisor: &Divisor) {
    let mut from_top = x.iter().rev();
    let high = from_top.next().copied().unwrap_or_default();
    let low = from_top.next().copied().unwrap_or_default();
    let guess = divisor.quotient(high, low);
    let mut below = 0_u64;
    let mut borrow = 0_u64;
    for (limb, n_limb) in x.iter_mut().zip(n) {
        let (product, carry) = n_limb.carrying_mul_add(guess, borrow, 0);
        let (difference, wrapped) = below.overflowing_sub(product);
        below = core::mem::replace(limb, difference);
        borrow = carry.wrapping_add(u64::from(wrapped));
    }
    let mut missing = borrow.wrapping_sub(below);
    while missing > 0 {
        let mut carry = false;
        for (limb, add) in x.iter_mut().zip(n) {
            (*limb, carry) = limb.carrying_add(*add, carry);
        }
        missing = missing.saturating_sub(u64::from(carry));
    }
}

/// Divides by a limb with the top bit set, by multiplication. Möller and Granlund, Improved division by invariant integers, 2011.
struct Divisor {
    divisor: u64,
    reciprocal: u64,
}

impl Divisor {
    fn new(divisor: u64) -> Option<Self> {
        let rest = u128::from(!divisor) << 64 | u128::from(u64::MAX);
        let reciprocal = rest.checked_div(u128::from(divisor))?;
        // Does not fit for a divisor without its top bit.
        let reciprocal = u64::try_from(reciprocal).ok()?;
        Some(Self { divisor, reciprocal })
    }

    /// `(high * 2^64 + low) / divisor`, or the largest limb if that is less. `high` must not be above the divisor.
    fn quotient(&self, high: u64, low: u64) -> u64 {
        if high >= self.divisor {
            return u64::MAX;
        }
        let (fraction, quotient) = high.carrying_mul_add(self.reciprocal, low, 0);
        let quotient = quotient.wrapping_add(high).wrapping_add(1);
        let rest = low.wrapping_sub(quotient.wrapping_mul(self.divisor));
        if rest > fraction {
            let rest = rest.wrapping_add(self.divisor);
            // The second correction is rare, but it exists.
            return quotient
                .wrapping_sub(1)
                .wrapping_add(u64::from(rest >= self.divisor));
        }
        quotient.wrapping_add(u64::from(rest >= self.divisor))
    }
}
