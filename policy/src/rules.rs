//! Whether one rule holds for one file.

use crate::bounds::MAX_TRIED_ATTRIBUTES;
use crate::bounds::step;
use crate::facts::NameKeys;
use crate::facts::ends_in;
use crate::facts::flat_counts;
use crate::facts::grants_by_authenticode;
use crate::facts::has_hash;
use crate::facts::issuer;
use crate::facts::may_grant;
use crate::facts::name_is;
use crate::facts::names;
use crate::facts::publisher;
use crate::facts::signed_after;
use crate::facts::version_within;
use crate::format::Table;
use crate::format::as_index;
use crate::options::Options;
use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::NONE;
use crate::records::SignerRecord;
use crate::records::SignerUse;
use crate::set::PolicySet;
use crate::truth::Truth;
use crate::verdict::Action;
use crate::verdict::Level;
use evidence::Certificate;
use evidence::Evidence;
use evidence::Fact;
use evidence::Identity;
use evidence::Signature;
use evidence::Text;
use zerocopy::little_endian::U32;

/// Where in its chain a signature satisfies a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The leaf itself.
    Leaf,
    /// A certificate above it, or a well-known root.
    Above,
}

/// A hash rule that names the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashRule {
    /// Index of the policy.
    pub(crate) policy: u16,
    /// Rule number.
    pub(crate) rule: u32,
    pub(crate) denies: bool,
    /// Why nothing is allowed by this hash of the file; see [`has_hash`].
    pub(crate) grants_nothing: Option<GrantsNothing>,
}

/// Why a hash of a file allows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantsNothing {
    /// It is that of the first page.
    FirstPage,
    /// The image is not conformant: its Authenticode digests do not cover all of it.
    NotConformant,
}

/// Weighs the file against rules of one set.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'s, 'e> {
    pub(crate) set: PolicySet<'s>,
    pub(crate) evidence: &'e Evidence<'e>,
    pub(crate) keys: NameKeys,
}

impl<'s, 'e> Rules<'s, 'e> {
    pub(crate) fn new(set: PolicySet<'s>, evidence: &'e Evidence<'e>) -> Self {
        Self {
            set,
            evidence,
            keys: NameKeys::of(evidence, set.name_kinds()),
        }
    }

    /// Hands on every hash rule that names the file.
    #[inline]
    pub(crate) fn hash_rules(&self, mut found: impl FnMut(HashRule)) {
        let Fact::Present(digests) = &self.evidence.digests else {
            return;
        };
        let flat = flat_counts(self.evidence);
        let image = (!grants_by_authenticode(self.evidence)).then_some(GrantsNothing::NotConformant);
        let page = Some(GrantsNothing::FirstPage);
        let (hashes32, hashes20) = (
            (Table::Hashes32, Table::Buckets32),
            (Table::Hashes20, Table::Buckets20),
        );
        self.rules_of_hash(hashes32, digests.sha256.as_ref(), image, &mut found);
        let flat_sha256 = digests.flat_sha256.as_ref().filter(|_| flat);
        self.rules_of_hash(hashes32, flat_sha256, None, &mut found);
        self.rules_of_hash(hashes32, digests.first_page_sha256.as_ref(), page, &mut found);
        self.rules_of_hash(hashes20, digests.sha1.as_ref(), image, &mut found);
        let flat_sha1 = digests.flat_sha1.as_ref().filter(|_| flat);
        self.rules_of_hash(hashes20, flat_sha1, None, &mut found);
        self.rules_of_hash(hashes20, digests.first_page_sha1.as_ref(), page, &mut found);
        let (hashes48, hashes64) = (
            (Table::Hashes48, Table::Buckets48),
            (Table::Hashes64, Table::Buckets64),
        );
        self.rules_of_hash(hashes48, digests.sha384.as_ref(), image, &mut found);
        self.rules_of_hash(hashes64, digests.sha512.as_ref(), image, &mut found);
    }

    #[inline]
    fn rules_of_hash<const N: usize>(
        &self,
        (entries, buckets): (Table, Table),
        hash: Option<&[u8; N]>,
        grants_nothing: Option<GrantsNothing>,
        found: &mut impl FnMut(HashRule),
    ) {
        let Some(hash) = hash else {
            return;
        };
        for record in self.set.hash_records(entries, buckets, hash) {
            step();
            found(HashRule {
                policy: record.policy(),
                rule: record.rule.get(),
                denies: record.denies(),
                grants_nothing,
            });
        }
    }

    /// Whether the file has all that an attribute rule asks for, for something of this action.
    pub(crate) fn attribute(&self, record: &AttributeRecord, action: Action) -> Truth {
        step();
        let flags = record.flags.get();
        if flags & AttributeRecord::NEVER != 0 {
            return Truth::No;
        }
        let mut truth = Truth::Yes;
        for (offset, name) in record.names.iter().zip(names(self.evidence)) {
            if offset.get() != NONE {
                truth = truth.and(name_is(name, self.set.text(offset.get()), action));
            }
        }
        if flags & AttributeRecord::BOUNDED != 0 {
            let within = version_within(self.evidence, record.min.get(), record.max.get(), action);
            truth = truth.and(within);
        }
        if record.hash.get() != NONE {
            truth = truth.and(has_hash(
                self.evidence,
                self.set.pooled(record.hash.get()),
                action,
            ));
        }
        truth
    }

    fn attribute_at(&self, index: u32, action: Action) -> Truth {
        self.set
            .attributes()
            .get(as_index(index))
            .map_or(Truth::No, |record| self.attribute(record, action))
    }

    /// Whether the file has one of the file attributes of a signer that is used for this action, or the signer asks for none.
    pub(crate) fn attributes_of(&self, signer: &SignerRecord, action: Action) -> Truth {
        if signer.attribute_count.get() == 0 {
            return Truth::Yes;
        }
        let refs = self.set.attribute_refs(signer);
        let any = |refs: &[AttributeRef]| {
            let mut truth = Truth::No;
            for reference in refs {
                truth = truth.or(self.attribute_at(reference.attribute.get(), action));
                if truth == Truth::Yes {
                    break;
                }
            }
            truth
        };
        // A name that cannot be had is looked for only where it may be any.
        if let Some(reason) = self.keys.missing
            && Truth::unread(reason, action) != Truth::No
        {
            // Of very many, one of the rest may be meant.
            let tried = refs.get(..MAX_TRIED_ATTRIBUTES).unwrap_or(refs);
            let rest = refs.get(MAX_TRIED_ATTRIBUTES..).unwrap_or_default();
            return match any(tried) {
                Truth::No if !rest.is_empty() => Truth::unread(reason, action),
                truth => truth,
            };
        }
        let mut truth = Truth::No;
        for key in self.keys.iter() {
            let from = refs.partition_point(|reference| reference.key.get() < key);
            let run = refs.get(from..).unwrap_or_default();
            let length = run.partition_point(|reference| reference.key.get() == key);
            truth = truth.or(any(run.get(..length).unwrap_or_default()));
            if truth == Truth::Yes {
                break;
            }
        }
        truth
    }

    /// Whether none of the exceptions of a signer's use holds. An exception to a denial is a grant, and one to a grant a denial.
    pub(crate) fn not_excepted(&self, signer_use: &SignerUse) -> Truth {
        let all: &[U32] = self.set.table(Table::Exceptions);
        let first = as_index(signer_use.except_first.get());
        let count = as_index(signer_use.except_count.get());
        let action = match action_of(signer_use.action.get()) {
            Action::Allow => Action::Deny,
            Action::Deny => Action::Allow,
        };
        let mut truth = Truth::No;
        for index in all.get(first..first.saturating_add(count)).unwrap_or_default() {
            truth = truth.or(self.attribute_at(index.get(), action));
            if truth == Truth::Yes {
                break;
            }
        }
        truth.not()
    }

    /// Whether a signature has the root that a signer used for this action asks for, and where. For an allow rule the chain counts,
    /// for a deny rule every certificate that is claimed.
    pub(crate) fn root(
        &self,
        signer: &SignerRecord,
        signature: &Signature<'_>,
        action: Action,
    ) -> (Truth, Anchor) {
        if signer.tbs.get() == NONE {
            return (ends_in(signature, signer.wellknown, action).into(), Anchor::Above);
        }
        let wanted = self.set.pooled(signer.tbs.get());
        let mut truth = Truth::No;
        for (depth, certificate) in certificates(signature, action).enumerate() {
            match &certificate.tbs {
                Fact::Present(hash) if hash.as_bytes() == wanted => {
                    let anchor = if depth == 0 { Anchor::Leaf } else { Anchor::Above };
                    return (Truth::Yes, anchor);
                }
                Fact::Present(_) | Fact::Absent => {}
                Fact::Unreadable(reason) => truth = truth.or(Truth::unread(*reason, action)),
            }
        }
        (truth, Anchor::Above)
    }

    /// Whether the leaf and the signature have the names that a signer used for this action asks for.
    pub(crate) fn signer_names(
        &self,
        signer: &SignerRecord,
        signature: &Signature<'_>,
        action: Action,
    ) -> Truth {
        let Some(leaf) = signature.chain.first() else {
            return Truth::No;
        };
        let asks = |offset: U32, name: Fact<Text<'_>>| {
            if offset.get() == NONE {
                Truth::Yes
            } else {
                name_is(name, self.set.text(offset.get()), action)
            }
        };
        asks(signer.publisher, publisher(leaf))
            .and(asks(signer.oem, signature.oem_id))
            .and(asks(signer.issuer, issuer(leaf)))
    }

    /// Whether the leaf has one of the key usages that a signer asks for, and none that it excepts.
    pub(crate) fn ekus(&self, signer: &SignerRecord, leaf: &Certificate<'_>) -> bool {
        let all: &[U32] = self.set.table(Table::Ekus);
        let first = as_index(signer.eku_first.get());
        let wanted = usize::from(signer.eku_count.get());
        let excepted = usize::from(signer.except_eku_count.get());
        let middle = first.saturating_add(wanted);
        let has = |offset: &U32| leaf.ekus.contains(self.set.pooled(offset.get()));
        let any = all.get(first..middle).unwrap_or_default().iter().any(has);
        let none = !all
            .get(middle..middle.saturating_add(excepted))
            .unwrap_or_default()
            .iter()
            .any(has);
        (wanted == 0 || any) && none
    }

    /// Whether a signature satisfies a signer used for this action, its file attributes included.
    pub(crate) fn signer(
        &self,
        signer: &SignerRecord,
        signature: &Signature<'_>,
        action: Action,
    ) -> (Truth, Anchor) {
        step();
        let (root, anchor) = self.root(signer, signature, action);
        if root == Truth::No {
            return (root, anchor);
        }
        (root.and(self.beside_root(signer, signature, action)), anchor)
    }

    /// Whether a signature satisfies all that a signer used for this action asks for, but for its root.
    fn beside_root(&self, signer: &SignerRecord, signature: &Signature<'_>, action: Action) -> Truth {
        let Some(leaf) = signature.chain.first() else {
            return Truth::No;
        };
        let mut truth = self.signer_names(signer, signature, action);
        if truth == Truth::No || !self.ekus(signer, leaf) {
            return Truth::No;
        }
        if signer.sign_after.get() != 0 {
            truth = truth.and(signed_after(signature, signer.sign_after.get(), action));
        }
        truth.and(self.attributes_of(signer, action))
    }

    /// Whether a signature could be a denied signer's although no certificate of it is the one asked for: its chain ends
    /// where nobody knows, so that the one asked for may have been left out or issued anew, and all else that the signer asks for is there. A signer that asks for nothing else, or for a version alone, is no reason: every private authority would be under it.
    pub(crate) fn could_be(&self, signer: &SignerRecord, signature: &Signature<'_>) -> Truth {
        let names = [signer.publisher, signer.issuer, signer.oem];
        // Files of any name come first.
        let attributes = self.set.attribute_refs(signer).first();
        let asks_more = attributes.is_some_and(|reference| reference.key.get() != 0)
            || names.iter().any(|name| name.get() != NONE);
        if is_open(signature) && asks_more {
            self.beside_root(signer, signature, Action::Deny)
        } else {
            Truth::No
        }
    }

    /// Whether a usable signature may satisfy allow rules of a policy, under the options of its base.
    pub(crate) fn may_grant(&self, signature: &Signature<'_>, policy: u16) -> bool {
        let records = self.set.policy_records();
        let Some(record) = records.get(usize::from(policy)) else {
            return false;
        };
        let Some(base) = records.get(usize::from(record.base.get())) else {
            return false;
        };
        let flight_disabled = Options(base.options.get()).contains(Options::DISABLED_FLIGHT_SIGNING);
        may_grant(signature, flight_disabled)
    }
}

/// Whether the chain of a signature ends where nobody knows: in an authority whose issuer is not at hand, or in a root that signed
/// itself. Anybody may issue an authority's key anew, under a root of his own, in the part of a file that no signature covers.
pub(crate) fn is_open(signature: &Signature<'_>) -> bool {
    signature.identity != Identity::Unproven && !(signature.root.verified && signature.root.known)
}

/// The certificates by which a signature is weighed for an action, leaf first.
pub(crate) fn certificates<'e>(
    signature: &Signature<'e>,
    action: Action,
) -> impl Iterator<Item = &'e Certificate<'e>> {
    let claimed = match action {
        Action::Allow => &[],
        Action::Deny => signature.claimed,
    };
    signature.chain.iter().chain(claimed)
}

/// What the number of an action in a record means.
pub(crate) fn action_of(action: u16) -> Action {
    if action == 0 { Action::Allow } else { Action::Deny }
}

/// The level that a signer amounts to where it matched.
pub(crate) fn level_of(signer: &SignerRecord, anchor: Anchor) -> Level {
    match Level::from_number(signer.level.into()).unwrap_or(Level::PcaCertificate) {
        Level::PcaCertificate if anchor == Anchor::Leaf => Level::LeafCertificate,
        level => level,
    }
}
