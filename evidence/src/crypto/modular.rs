//! Numbers modulo a prime, in room for the longest of them: what curves are made of.

use super::montgomery;

/// Whether a number is zero.
pub(super) fn is_zero(limbs: &[u64]) -> bool {
    limbs.iter().all(|limb| *limb == 0)
}

/// The bits of a number from the top.
pub(super) fn bits(limbs: &[u64]) -> impl Iterator<Item = bool> {
    limbs
        .iter()
        .rev()
        .flat_map(|limb| (0..64_u32).rev().map(|place| limb.unbounded_shr(place) & 1 == 1))
}

/// Numbers modulo a prime, in Montgomery form. What makes one is never inlined, so that it is made where it is wanted and not copied
/// there: points have a dozen of them on the stack at a time.
pub(super) struct Modular<'m, const N: usize> {
    modulus: &'m [u64; N],
    /// How many limbs of the modulus are in use; those above are zero in every number.
    pub(super) limbs: usize,
    inverse: u64,
    pub(super) one: [u64; N],
    factor: [u64; N],
}

/// The limbs in use.
pub(super) fn low(number: &[u64], limbs: usize) -> &[u64] {
    number.get(..limbs).unwrap_or(number)
}

fn low_mut(number: &mut [u64], limbs: usize) -> &mut [u64] {
    number.get_mut(..limbs).unwrap_or_default()
}

impl<'m, const N: usize> Modular<'m, N> {
    #[inline(never)]
    pub(super) fn new(modulus: &'m [u64; N]) -> Self {
        let unused = modulus.iter().rev().take_while(|limb| **limb == 0).count();
        let limbs = N.saturating_sub(unused);
        let n = low(modulus, limbs);
        let inverse = montgomery::negative_inverse(modulus.first().copied().unwrap_or_default());
        let mut one = [0; N];
        montgomery::set_one(low_mut(&mut one, limbs), n);
        let (mut factor, mut spare) = (one, [0; N]);
        montgomery::set_conversion_factor(
            low_mut(&mut factor, limbs),
            low_mut(&mut spare, limbs),
            n,
            inverse,
        );
        Self {
            modulus,
            limbs,
            inverse,
            one,
            factor,
        }
    }

    fn modulus(&self) -> &[u64] {
        low(self.modulus, self.limbs)
    }

    /// The product without Montgomery's power; reduced even if `a` is not.
    #[inline(never)]
    pub(super) fn multiply(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut product = [0; N];
        let out = low_mut(&mut product, self.limbs);
        let (a, b) = (low(a, self.limbs), low(b, self.limbs));
        montgomery::multiply(out, a, b, self.modulus(), self.inverse);
        product
    }

    /// Into Montgomery form.
    pub(super) fn enter(&self, a: &[u64; N]) -> [u64; N] {
        self.multiply(a, &self.factor)
    }

    #[inline(never)]
    pub(super) fn add(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut sum = *a;
        montgomery::add(low_mut(&mut sum, self.limbs), b, self.modulus());
        sum
    }

    #[inline(never)]
    pub(super) fn subtract(&self, a: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut difference = *a;
        montgomery::subtract_modulo(low_mut(&mut difference, self.limbs), b, self.modulus());
        difference
    }

    pub(super) fn double(&self, a: &[u64; N]) -> [u64; N] {
        self.add(a, a)
    }

    /// `1 / a`, by Fermat: `a` to the power of the prime less 2.
    pub(super) fn invert(&self, a: &[u64; N]) -> [u64; N] {
        let mut exponent = *self.modulus;
        montgomery::subtract(&mut exponent, &[2]);
        // No borrow: the primes' lowest limbs are above 2.
        self.power(a, &exponent)
    }

    /// `a` to a power that is no secret.
    pub(super) fn power(&self, a: &[u64; N], exponent: &[u64; N]) -> [u64; N] {
        let mut power = self.one;
        for bit in bits(low(exponent, self.limbs)) {
            power = self.multiply(&power, &power);
            if bit {
                power = self.multiply(&power, a);
            }
        }
        power
    }
}
