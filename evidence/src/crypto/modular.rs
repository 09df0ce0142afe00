//! Numbers modulo a prime, of a length that is known when compiling: what curves are made of.

use super::montgomery;

/// Whether a number is zero.
pub(super) fn is_zero(limbs: &[u64]) -> bool {
    limbs.iter().all(|limb| *limb == 0)
}

/// The bits of a number from the top.
pub(super) fn bits<const N: usize>(limbs: &[u64; N]) -> impl Iterator<Item = bool> {
    limbs
        .iter()
        .rev()
        .flat_map(|limb| (0..64_u32).rev().map(|place| limb.unbounded_shr(place) & 1 == 1))
}

/// Numbers modulo a prime, in Montgomery form.
pub(super) struct Modular<'m, const N: usize> {
    modulus: &'m [u64; N],
    inverse: u64,
    pub(super) one: [u64; N],
    factor: [u64; N],
}

impl<'m, const N: usize> Modular<'m, N> {
    pub(super) fn new(modulus: &'m [u64; N]) -> Self {
        let inverse = montgomery::negative_inverse(modulus.first().copied().unwrap_or_default());
        let mut one = [0; N];
        montgomery::set_one(&mut one, modulus);
        let mut factor = one;
        montgomery::set_conversion_factor(&mut factor, &mut [0; N], modulus, inverse);
        Self {
            modulus,
            inverse,
            one,
            factor,
        }
    }

    /// The product without Montgomery's power; reduced even if `a` is not.
    pub(super) fn multiply(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut product = [0; N];
        montgomery::multiply(&mut product, a, b, self.modulus, self.inverse);
        product
    }

    /// Into Montgomery form.
    pub(super) fn enter(&self, a: &[u64; N]) -> [u64; N] {
        self.multiply(a, &self.factor)
    }

    pub(super) fn add(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut sum = *a;
        montgomery::add(&mut sum, b, self.modulus);
        sum
    }

    pub(super) fn subtract(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut difference = *a;
        montgomery::subtract_modulo(&mut difference, b, self.modulus);
        difference
    }

    pub(super) fn double(&self, a: &[u64; N]) -> [u64; N] {
        self.add(a, a)
    }

    /// `1 / a`, by Fermat: `a` to the power of the prime less 2.
    pub(super) fn invert(&self, a: &[u64; N]) -> [u64; N] {
        let mut exponent = *self.modulus;
        montgomery::subtract(&mut exponent, &[2]);
        // No borrow: both primes' lowest limbs are above 2.
        self.power(a, &exponent)
    }

    /// `a` to a power that is no secret.
    pub(super) fn power(&self, a: &[u64; N], exponent: &[u64; N]) -> [u64; N] {
        let mut power = self.one;
        for bit in bits(exponent) {
            power = self.multiply(&power, &power);
            if bit {
                power = self.multiply(&power, a);
            }
        }
        power
    }
}
