//! From a certificate to a root, by signatures and never by names alone.

use crate::crypto::RsaScratch;
use crate::digest::Algorithm;
use crate::facts::Ekus;
use crate::facts::Root;
use crate::facts::SignatureFault;
use crate::oid;
use crate::roots::known_roots;
use crate::x509::PublicKey;
use crate::x509::X509;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// The longest chain, root included. Real ones have three to six certificates.
pub(crate) const MAX_CHAIN: usize = 10;
/// Signatures verified for one file before giving up.
pub(crate) const BUDGET: u32 = 96;
/// Links looked at for one file, proven before or not: authorities that signed each other in every direction have more ways
/// through them than there is time.
pub(crate) const STEPS: u32 = 1024;
const ANY_EKU: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
const PROVEN: usize = 256;

/// Links between certificates proven before, so that a folder of files from one publisher proves each link once.
///
/// An entry is the SHA-256 of issuer key and certificate: finding it again proves the same link again. Only proven links are
/// kept.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct ProvenLinks([[u8; 32]; PROVEN]);

/// Verifies signatures within a budget.
pub(crate) struct Prover<'s> {
    pub(crate) scratch: &'s mut RsaScratch,
    pub(crate) links: &'s mut ProvenLinks,
    pub(crate) budget: u32,
    pub(crate) steps: u32,
}

impl Prover<'_> {
    /// Takes one from the budget; `false` if it is spent.
    pub(crate) const fn spend(&mut self) -> bool {
        match self.budget.checked_sub(1) {
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }

    /// Whether `key` signed `certificate`; `None` if a budget is spent.
    #[inline(never)]
    fn is_signed_by(&mut self, certificate: &X509<'_>, key: &PublicKey<'_>) -> Option<bool> {
        self.steps = self.steps.checked_sub(1)?;
        let id = link_id(certificate, key)?;
        let [place, ..] = id;
        let entry = self.links.0.get_mut(usize::from(place))?;
        if *entry == id {
            return Some(true);
        }
        if !self.spend() {
            return None;
        }
        let entry = self.links.0.get_mut(usize::from(place))?;
        let signed = certificate.is_signed_by(key, self.scratch);
        if signed {
            *entry = id;
        }
        Some(signed)
    }

    /// The best chain from `leaf`, all of whose links are proven: to one of App Control's roots, else to another known root, else
    /// to a self-signed certificate, else as far as the certificates reach.
    pub(crate) fn build(&mut self, pool: &[X509<'_>], leaf: usize) -> Chain {
        let mut search = Search {
            prover: self,
            pool,
            best: Chain::of(leaf),
            problem: None,
            stopped: false,
        };
        let start = search.best;
        search.extend(&start);
        let mut best = search.best;
        // A problem on the way explains a chain that ends nowhere; one that found its root stands.
        if best.end == End::Nowhere {
            best.fault = search.problem;
        }
        best
    }
}

/// What stands for a certificate and the key that may have signed it. Not inlined: proving stands on top of its caller's stack.
#[inline(never)]
fn link_id(certificate: &X509<'_>, key: &PublicKey<'_>) -> Option<[u8; 32]> {
    let hash = Algorithm::Sha256.digest(&[key.raw, certificate.raw]);
    hash.as_bytes().try_into().ok()
}

/// Where a chain ends, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// Its topmost issuer is not at hand.
    Nowhere,
    /// In a self-signed certificate that nobody knows.
    SelfSigned,
    /// In a known root.
    Known,
    /// In a root that App Control numbers.
    Wellknown,
}

/// Places in the pool, from the leaf up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    /// Small numbers, because a search holds a copy for each step: pools have [`crate::x509::MAX_CERTIFICATES`] at most.
    places: [u8; MAX_CHAIN],
    length: u8,
    pub(crate) end: End,
    pub(crate) root: Root,
    pub(crate) fault: Option<SignatureFault>,
}

impl Chain {
    fn of(leaf: usize) -> Self {
        let root = Root {
            wellknown: None,
            verified: false,
            known: false,
        };
        let start = Self {
            places: [0; MAX_CHAIN],
            length: 0,
            end: End::Nowhere,
            root,
            fault: None,
        };
        start.with(leaf).unwrap_or(start)
    }

    /// Places in the pool, from the leaf up.
    pub(crate) fn places(&self) -> impl Iterator<Item = usize> {
        self.places
            .iter()
            .copied()
            .map(usize::from)
            .take(usize::from(self.length))
    }

    /// The certificates themselves.
    pub(crate) fn certificates<'p, 'c>(&self, pool: &'p [X509<'c>]) -> impl Iterator<Item = &'p X509<'c>> {
        self.places().filter_map(|place| pool.get(place))
    }

    fn with(mut self, place: usize) -> Option<Self> {
        *self.places.get_mut(usize::from(self.length))? = u8::try_from(place).ok()?;
        self.length = self.length.checked_add(1)?;
        Some(self)
    }

    const fn ending(mut self, end: End, wellknown: Option<u8>) -> Self {
        self.end = end;
        self.root = Root {
            wellknown,
            verified: true,
            known: !matches!(end, End::SelfSigned),
        };
        self
    }

    /// Whether every certificate above the leaf lets the leaf serve `purpose`.
    pub(crate) fn allows(&self, pool: &[X509<'_>], purpose: &[u8]) -> bool {
        self.certificates(pool)
            .all(|certificate| certificate.ekus.is_none_or(|ekus| serves(ekus, purpose)))
    }
}

fn serves(ekus: Ekus<'_>, purpose: &[u8]) -> bool {
    ekus.contains(purpose) || ekus.contains(ANY_EKU)
}

/// A depth-first search over the pool.
struct Search<'p, 's, 'c> {
    prover: &'p mut Prover<'s>,
    pool: &'p [X509<'c>],
    best: Chain,
    problem: Option<SignatureFault>,
    /// The best there can be was found, or the budget is spent.
    stopped: bool,
}

impl Search<'_, '_, '_> {
    fn offer(&mut self, chain: Chain) {
        let better =
            chain.end > self.best.end || (chain.end == self.best.end && chain.length > self.best.length);
        if better {
            self.best = chain;
        }
        if chain.end == End::Wellknown {
            self.stopped = true;
        }
    }

    fn note(&mut self, problem: SignatureFault) {
        self.problem.get_or_insert(problem);
    }

    fn is_signed_by(&mut self, certificate: &X509<'_>, key: &PublicKey<'_>) -> bool {
        self.prover.is_signed_by(certificate, key).unwrap_or_else(|| {
            self.stopped = true;
            self.problem = Some(SignatureFault::CapReached);
            false
        })
    }

    /// Explores every way on from the top of `chain`. Recursion is bounded by [`MAX_CHAIN`], its breadth by the budget; what needs
    /// more than a few words of stack is done in functions of its own, which have returned before the next step is taken.
    fn extend(&mut self, chain: &Chain) {
        let pool = self.pool;
        let Some(top) = chain.certificates(pool).last() else {
            return;
        };
        self.offer(*chain);
        if self.ends_in_itself(chain, top) {
            return;
        }
        self.try_known_roots(chain, top);
        let mut named = false;
        let mut proven = false;
        for (place, issuer) in pool.iter().enumerate() {
            if self.stopped {
                return;
            }
            if issuer.subject != top.issuer || self.is_repeated(chain, place, issuer) {
                continue;
            }
            named = true;
            if !self.issued(issuer, top, chain, &mut proven) {
                continue;
            }
            match chain.with(place) {
                Some(longer) => self.extend(&longer),
                None => self.note(SignatureFault::CapReached),
            }
        }
        if named && !proven {
            self.note(SignatureFault::ChainSignature);
        }
    }

    /// Takes a certificate that signed itself for the end of the chain.
    #[inline(never)]
    fn ends_in_itself(&mut self, chain: &Chain, top: &X509<'_>) -> bool {
        if !top.is_self_issued() || !self.is_signed_by(top, &top.key) {
            return false;
        }
        let known = known_roots().find(|root| root.has_key(top.key.raw));
        self.offer(match known {
            Some(root) if root.wellknown.is_some() => chain.ending(End::Wellknown, root.wellknown),
            Some(_) => chain.ending(End::Known, None),
            None => chain.ending(End::SelfSigned, None),
        });
        true
    }

    /// Offers every known root that signed the top of the chain.
    #[inline(never)]
    fn try_known_roots(&mut self, chain: &Chain, top: &X509<'_>) {
        for root in known_roots() {
            if self.stopped {
                return;
            }
            if !root.is_named(&top.issuer) || !root.key().is_some_and(|key| self.is_signed_by(top, &key)) {
                continue;
            }
            let end = if root.wellknown.is_some() {
                End::Wellknown
            } else {
                End::Known
            };
            let mut pool = self.pool.iter();
            let embedded = pool.position(|other| other.is_self_issued() && root.has_key(other.key.raw));
            let chain = embedded.and_then(|place| chain.with(place)).unwrap_or(*chain);
            self.offer(chain.ending(end, root.wellknown));
        }
    }

    /// Whether the certificate stands in the chain already, or earlier in the pool: the same one may be in a set twice.
    fn is_repeated(&self, chain: &Chain, place: usize, certificate: &X509<'_>) -> bool {
        let earlier = self.pool.iter().take(place);
        chain
            .certificates(self.pool)
            .chain(earlier)
            .any(|seen| seen.raw == certificate.raw)
    }

    /// Whether `issuer` signed `top` and was allowed to. `proven` says that the first part holds for one at least.
    #[inline(never)]
    fn issued(&mut self, issuer: &X509<'_>, top: &X509<'_>, chain: &Chain, proven: &mut bool) -> bool {
        if !issuer.key.is_supported() {
            self.note(SignatureFault::UnsupportedKey);
            return false;
        }
        if !self.is_signed_by(top, &issuer.key) {
            return false;
        }
        *proven = true;
        // The path length counts the authorities between an authority and the leaf.
        let between = chain.length.saturating_sub(1);
        let allowed = issuer.may_issue() && issuer.path_length.is_none_or(|most| most >= between);
        if !allowed {
            self.note(SignatureFault::NotAuthority);
        }
        allowed
    }
}

/// Whether a certificate may sign for `purpose` by its own key usages; without any it may.
pub(crate) fn may_serve(certificate: &X509<'_>, purpose: &[u8]) -> bool {
    certificate.ekus.is_none_or(|ekus| serves(ekus, purpose))
}

/// Whether a certificate is one for timestamps. Unlike code signing this must be said.
pub(crate) fn is_for_timestamps(certificate: &X509<'_>) -> bool {
    certificate
        .ekus
        .is_some_and(|ekus| ekus.contains(oid::EKU_TIME_STAMPING))
}
