//! From a certificate to a root, by signatures and never by names alone.

use crate::crypto::RsaScratch;
use crate::digest::Algorithm;
use crate::facts::Ekus;
use crate::facts::Root;
use crate::facts::SignatureFault;
use crate::oid;
use crate::public_key::PublicKey;
use crate::roots::KnownRoot;
use crate::roots::known_roots;
use crate::work::Work;
use crate::x509::X509;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;

/// The longest chain, root included. Real ones have three to six certificates.
pub(crate) const MAX_CHAIN: usize = 10;
/// Links looked at for one signature: authorities that signed each other in every direction have more ways through them than
/// there is time.
const STEPS: u32 = 512;
const ANY_EKU: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
const PROVEN: usize = 256;

/// Links between certificates proven before, so that a folder of files from one publisher proves each link once.
///
/// An entry is the SHA-256 of issuer key and certificate: finding it again proves the same link again. Only proven links are
/// kept. One that is found here is charged like any other, so that what is found in a file does not depend on the files before.
#[derive(Clone, Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub(crate) struct ProvenLinks([[u8; 32]; PROVEN]);

/// Verifies signatures as far as the work allowed for a file goes.
pub(crate) struct Prover<'s> {
    pub(crate) scratch: &'s mut RsaScratch,
    links: &'s mut ProvenLinks,
    pub(crate) work: Work,
}

impl<'s> Prover<'s> {
    /// A prover with the work of one file before it.
    pub(crate) fn new(scratch: &'s mut RsaScratch, links: &'s mut ProvenLinks) -> Self {
        Self {
            scratch,
            links,
            work: Work::of_file(),
        }
    }

    /// Whether `key` signed `certificate`; `None` if the work is spent.
    #[inline(never)]
    fn is_signed_by(&mut self, certificate: &X509<'_>, key: &PublicKey<'_>) -> Option<bool> {
        self.work.spend(key, certificate.tbs.len())?;
        let id = link_id(certificate, key)?;
        let [place, ..] = id;
        let entry = self.links.0.get_mut(usize::from(place))?;
        if *entry == id {
            return Some(true);
        }
        let signed = certificate.is_signed_by(key, self.scratch);
        if signed {
            *entry = id;
        }
        Some(signed)
    }

    /// The best chain from `leaf`, all of whose links are proven: one that serves the purpose before any other, then one to one of
    /// App Control's roots, to another known root, to a self-signed certificate, and else as far as the certificates reach.
    pub(crate) fn build(&mut self, pool: &[X509<'_>], leaf: usize, purpose: Purpose) -> Chain {
        let mut search = Search {
            prover: self,
            pool,
            purpose,
            best: Chain::of(leaf),
            best_serves: Chain::of(leaf).serves(pool, purpose),
            problem: None,
            steps: STEPS,
            stopped: false,
        };
        search.run(leaf);
        let mut best = search.best;
        // A problem on the way explains a chain that ends nowhere; one that found its root stands.
        if best.end == End::Nowhere {
            best.fault = search.problem;
            best.is_doubtful = has_stray_root(pool)
                || best
                    .certificates(pool)
                    .last()
                    .is_some_and(|top| names_a_key(top, pool));
        }
        best
    }
}

/// What stands for a certificate and the key that may have signed it. Not inlined: proving stands on top of its caller's stack.
#[inline(never)]
fn link_id(certificate: &X509<'_>, key: &PublicKey<'_>) -> Option<[u8; 32]> {
    let hash = Algorithm::Sha256.digest(&[&certificate.id, key.raw]);
    hash.as_bytes().try_into().ok()
}

/// Whether a pool holds a root under which nothing stands: what did was taken out.
fn has_stray_root(pool: &[X509<'_>]) -> bool {
    pool.iter().any(|root| {
        let mut others = pool.iter().filter(|other| other.id != root.id);
        root.is_self_issued() && !others.any(|other| other.issuer == root.subject)
    })
}

/// Whether a certificate says that it was signed with a key that is at hand, under a name that is not: one of the two was changed.
fn names_a_key(certificate: &X509<'_>, pool: &[X509<'_>]) -> bool {
    certificate.issuer_key_id.is_some_and(|id| {
        certificate.key_id != Some(id)
            && (pool.iter().any(|other| other.key_id == Some(id))
                || known_roots().any(|root| root.key().is_some_and(|key| key.has_id(id))))
    })
}

/// What a chain is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The leaf signed code. When does not matter: Windows takes drivers whose certificates ended long ago.
    CodeSigning,
    /// The leaf vouched for this time, in seconds since 1970-01-01.
    TimeStamping(i64),
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
    /// Small numbers, because a search holds copies: pools have twice [`crate::pool::MAX_CERTIFICATES`] at most.
    places: [u8; MAX_CHAIN],
    length: u8,
    /// Whether the last place is the file's copy of a known root, whose power is the table's to say and not the file's.
    ends_in_copy: bool,
    /// Whether it ends nowhere although the key that its top names is at hand, or beside a root for which nothing else stands.
    pub(crate) is_doubtful: bool,
    pub(crate) end: End,
    pub(crate) root: Root,
    pub(crate) fault: Option<SignatureFault>,
}

impl Chain {
    fn of(leaf: usize) -> Self {
        let start = Self {
            places: [0; MAX_CHAIN],
            length: 0,
            ends_in_copy: false,
            is_doubtful: false,
            end: End::Nowhere,
            root: Root {
                wellknown: None,
                verified: false,
                known: false,
            },
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

    fn without_last(&mut self) {
        self.length = self.length.saturating_sub(1);
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

    /// Whether every certificate of it, a known root aside, lets the leaf serve `usage`.
    fn allows(&self, pool: &[X509<'_>], usage: &[u8]) -> bool {
        let own = usize::from(self.length).saturating_sub(usize::from(self.ends_in_copy));
        self.certificates(pool)
            .take(own)
            .all(|certificate| certificate.ekus.is_none_or(|ekus| serves(ekus, usage)))
    }

    /// Whether it serves a purpose.
    pub(crate) fn serves(&self, pool: &[X509<'_>], purpose: Purpose) -> bool {
        match purpose {
            Purpose::CodeSigning => self.allows(pool, oid::EKU_CODE_SIGNING),
            Purpose::TimeStamping(time) => {
                let mut dated = self
                    .certificates(pool)
                    .filter(|certificate| !certificate.is_self_issued());
                self.end >= End::Known
                    && self.allows(pool, oid::EKU_TIME_STAMPING)
                    && dated
                        .all(|certificate| (certificate.not_before..=certificate.not_after).contains(&time))
            }
        }
    }
}

fn serves(ekus: Ekus<'_>, usage: &[u8]) -> bool {
    ekus.contains(usage) || ekus.contains(ANY_EKU)
}

/// A depth-first search over the pool.
struct Search<'p, 's, 'c> {
    prover: &'p mut Prover<'s>,
    pool: &'p [X509<'c>],
    purpose: Purpose,
    best: Chain,
    best_serves: bool,
    problem: Option<SignatureFault>,
    steps: u32,
    /// The best there can be was found, or the work is spent.
    stopped: bool,
}

/// How far the issuers of one certificate were tried.
#[derive(Clone, Copy, Default)]
struct Tried {
    /// The next place to look at: first of those whose key is the one named, then of the others.
    next: u8,
    /// Whether a certificate has the issuer's name.
    named: bool,
    /// Whether one of them made the signature.
    proven: bool,
}

impl Search<'_, '_, '_> {
    /// Explores every way up from the leaf.
    fn run(&mut self, leaf: usize) {
        let mut path = Chain::of(leaf);
        let mut tried = [Tried::default(); MAX_CHAIN];
        self.arrive(&path, &mut tried);
        while !self.stopped {
            let depth = usize::from(path.length.saturating_sub(1));
            let Some(level) = tried.get_mut(depth).filter(|_| path.length > 0) else {
                return;
            };
            if let Some(place) = self.next_issuer(&path, level) {
                match path.with(place) {
                    Some(longer) => {
                        path = longer;
                        self.arrive(&path, &mut tried);
                    }
                    None => self.note(SignatureFault::CapReached),
                }
                continue;
            }
            if level.named && !level.proven {
                self.note(SignatureFault::ChainSignature);
            }
            path.without_last();
        }
    }

    /// Takes note of a chain that was just made longer, and of where it may end.
    fn arrive(&mut self, path: &Chain, tried: &mut [Tried; MAX_CHAIN]) {
        let Some(level) = tried.get_mut(usize::from(path.length.saturating_sub(1))) else {
            return;
        };
        *level = Tried::default();
        let Some(top) = path.certificates(self.pool).last() else {
            return;
        };
        self.offer(*path);
        if self.ends_in_itself(path, top) {
            level.next = u8::MAX;
        } else {
            self.try_known_roots(path, top, level);
        }
    }

    fn offer(&mut self, chain: Chain) {
        let serves = chain.serves(self.pool, self.purpose);
        // A chain that ends nowhere serves by what it leaves out: the longest says most.
        let rank = |serves: bool, chain: &Chain| {
            let is_anchored = chain.end > End::Nowhere;
            (serves && is_anchored, chain.end, chain.length, serves)
        };
        if rank(serves, &chain) > rank(self.best_serves, &self.best) {
            (self.best, self.best_serves) = (chain, serves);
        }
        let is_final = match self.purpose {
            Purpose::CodeSigning => chain.end == End::Wellknown,
            Purpose::TimeStamping(_) => true,
        };
        self.stopped |= serves && is_final && chain.end > End::Nowhere;
    }

    fn note(&mut self, problem: SignatureFault) {
        self.problem.get_or_insert(problem);
    }

    fn is_signed_by(&mut self, certificate: &X509<'_>, key: &PublicKey<'_>) -> bool {
        let signed = match self.steps.checked_sub(1) {
            Some(left) => {
                self.steps = left;
                self.prover.is_signed_by(certificate, key)
            }
            None => None,
        };
        signed.unwrap_or_else(|| {
            self.stopped = true;
            self.problem = Some(SignatureFault::CapReached);
            false
        })
    }

    /// The next certificate that issued the top of the path.
    fn next_issuer(&mut self, path: &Chain, level: &mut Tried) -> Option<usize> {
        let pool = self.pool;
        let top = path.certificates(pool).last()?;
        let count = u8::try_from(pool.len()).unwrap_or(u8::MAX >> 1);
        while level.next < count.saturating_mul(2) && !self.stopped {
            let (place, others) = match level.next.checked_sub(count) {
                None => (usize::from(level.next), false),
                Some(place) => (usize::from(place), true),
            };
            level.next = level.next.saturating_add(1);
            let Some(issuer) = pool.get(place).filter(|issuer| issuer.subject == top.issuer) else {
                continue;
            };
            // Keys may lie about their names: one that is not named may be right all the same.
            let is_key_named = top.issuer_key_id.is_some() && top.issuer_key_id == issuer.key_id;
            if is_key_named == others || path.places().any(|seen| seen == place) {
                continue;
            }
            level.named = true;
            if self.issued(issuer, top, path, level) {
                return Some(place);
            }
        }
        None
    }

    /// Takes a certificate that signed itself for the end of the chain.
    #[inline(never)]
    fn ends_in_itself(&mut self, chain: &Chain, top: &X509<'_>) -> bool {
        if !top.is_self_issued() || !self.is_signed_by(top, &top.key) {
            return false;
        }
        let known = known_roots()
            .find(|root| root.is_named(&top.subject) && root.has_key(top.key.raw))
            .filter(|root| self.is_served_by(root, chain));
        let mut chain = *chain;
        chain.ends_in_copy = known.is_some() && chain.length > 1;
        self.offer(match known {
            Some(root) if root.wellknown.is_some() => chain.ending(End::Wellknown, root.wellknown),
            Some(_) => chain.ending(End::Known, None),
            None => chain.ending(End::SelfSigned, None),
        });
        true
    }

    /// Whether a root vouches for the leaf of this chain, for the purpose at hand. One that does not is like any other certificate that
    /// signed itself.
    fn is_served_by(&self, root: &KnownRoot, chain: &Chain) -> bool {
        let leaf = chain.certificates(self.pool).next();
        leaf.is_some_and(|leaf| root.serves(self.purpose, leaf.not_before))
    }

    /// Offers every known root that signed the top of the chain.
    #[inline(never)]
    fn try_known_roots(&mut self, chain: &Chain, top: &X509<'_>, level: &mut Tried) {
        for root in known_roots() {
            if self.stopped {
                return;
            }
            if !root.is_named(&top.issuer) {
                continue;
            }
            level.named = true;
            if !root.key().is_some_and(|key| self.is_signed_by(top, &key)) {
                continue;
            }
            level.proven = true;
            if !self.is_served_by(&root, chain) {
                continue;
            }
            let end = if root.wellknown.is_some() {
                End::Wellknown
            } else {
                End::Known
            };
            // The file's own copy, if it is one: the same name and key, and a signature of its own that holds.
            let is_copy = |other: &&X509<'_>| {
                other.subject == top.issuer && other.is_self_issued() && root.has_key(other.key.raw)
            };
            let copy = self.pool.iter().position(|other| is_copy(&other));
            let with_copy = copy.and_then(|place| {
                let certificate = self.pool.get(place)?;
                let longer = chain.with(place)?;
                self.is_signed_by(certificate, &certificate.key).then_some(Chain {
                    ends_in_copy: true,
                    ..longer
                })
            });
            self.offer(with_copy.unwrap_or(*chain).ending(end, root.wellknown));
        }
    }

    /// Whether `issuer` signed `top` and was allowed to.
    #[inline(never)]
    fn issued(&mut self, issuer: &X509<'_>, top: &X509<'_>, chain: &Chain, level: &mut Tried) -> bool {
        if !issuer.key.is_supported() {
            self.note(SignatureFault::UnsupportedKey);
            return false;
        }
        if !self.is_signed_by(top, &issuer.key) {
            return false;
        }
        level.proven = true;
        // The path length counts the authorities between an authority and the leaf.
        let between = chain.length.saturating_sub(1);
        let allowed = issuer.may_issue() && issuer.path_length.is_none_or(|most| most >= between);
        if !allowed {
            self.note(SignatureFault::NotAuthority);
        }
        allowed
    }
}

/// Whether a certificate is one for timestamps. Unlike code signing this must be said.
pub(crate) fn is_for_timestamps(certificate: &X509<'_>) -> bool {
    certificate
        .ekus
        .is_some_and(|ekus| ekus.contains(oid::EKU_TIME_STAMPING))
}
