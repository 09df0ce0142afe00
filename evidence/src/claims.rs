//! What a signature claims, proven or not: the certificates that it names, and the roots that those name.

use crate::chain::Chain;
use crate::pool::MAX_CERTIFICATES;
use crate::roots::wellknown_roots_named;
use crate::x509::X509;

/// The certificates that are named from a leaf on, by issuer names, in a pool. Others in the pool are no claim: a set holds the
/// certificates of timestamps too, and whatever else somebody put there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims {
    /// Places in the pool, but for those of the chain: bit `1 << place`.
    places: u64,
    /// App Control's roots that are named as issuers: bit `1 << id`.
    pub(crate) roots: u32,
}

impl Claims {
    /// None.
    pub(crate) const NONE: Self = Self { places: 0, roots: 0 };

    /// The claims of a leaf, beside what its chain holds.
    #[inline(never)]
    pub(crate) fn of(pool: &[X509<'_>], leaf: usize, chain: Option<&Chain>) -> Self {
        let pool = pool.get(..MAX_CERTIFICATES.min(pool.len())).unwrap_or_default();
        let mut found = bit(leaf);
        let mut done = 0_u64;
        let mut roots = 0_u32;
        // Each certificate is gone on from once.
        while let Some((place, certificate)) = next(pool, found & !done) {
            done |= bit(place);
            for (above, issuer) in pool.iter().enumerate() {
                if issuer.subject == certificate.issuer {
                    found |= bit(above);
                }
            }
            for id in wellknown_roots_named(&certificate.issuer) {
                roots |= 1_u32.checked_shl(u32::from(id)).unwrap_or(0);
            }
        }
        let proven = chain
            .iter()
            .flat_map(|chain| chain.places())
            .fold(0, |places, place| places | bit(place));
        Self {
            places: found & !proven,
            roots,
        }
    }

    /// The certificates beside the chain.
    pub(crate) fn certificates<'p, 'c>(&self, pool: &'p [X509<'c>]) -> impl Iterator<Item = &'p X509<'c>> {
        let places = self.places;
        pool.iter()
            .enumerate()
            .filter(move |(place, _)| places & bit(*place) != 0)
            .map(|(_, certificate)| certificate)
    }
}

/// The first of some places.
fn next<'p, 'c>(pool: &'p [X509<'c>], places: u64) -> Option<(usize, &'p X509<'c>)> {
    let place = usize::try_from(places.trailing_zeros()).ok()?;
    Some((place, pool.get(place)?))
}

fn bit(place: usize) -> u64 {
    u32::try_from(place)
        .ok()
        .and_then(|place| 1_u64.checked_shl(place))
        .unwrap_or(0)
}
