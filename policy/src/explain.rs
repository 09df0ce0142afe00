//! Why a verdict is what it is: the rules that were tried.

use crate::Options;
use crate::PolicySet;
use crate::PolicyView;
use crate::decide::action_of;
use crate::decide::level_of;
use crate::facts::flat_counts;
use crate::facts::is_usable;
use crate::facts::may_grant;
use crate::format::AttributeUse;
use crate::format::HashRecord;
use crate::format::SignerRecord;
use crate::format::SignerUse;
use crate::format::Table;
use crate::rules::Rules;
use crate::set::as_index;
use crate::truth::Truth;
use crate::verdict::Action;
use crate::verdict::Level;
use crate::verdict::RuleKind;
use crate::verdict::RuleView;
use evidence::Evidence;
use evidence::Fact;
use evidence::Signature;

/// A rule that was tried on a file.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// The policy it stands in; possibly a supplemental one.
    pub policy: PolicyView<'a>,
    /// The rule.
    pub rule: RuleView<'a>,
    /// Whether it holds.
    pub truth: Truth,
    /// Index of the signature it was tried on, if it goes by one.
    pub signature: Option<u8>,
    /// The first part of it that does not hold, in words; `None` if it holds.
    pub missed: Option<&'static str>,
}

/// Tries every rule of the set on a file, one by one, and hands on those that hold or come near: hash rules that name the
/// file, rules by its names, signers whose root the file's signatures have. Gives the number of all rules tried.
///
/// Slow beside [`decide`](crate::decide), which says what comes of it.
pub fn explain<'a>(set: &PolicySet<'a>, evidence: &Evidence<'_>, visit: &mut dyn FnMut(Tried<'a>)) -> u32 {
    let explaining = Explaining {
        set: *set,
        rules: Rules::new(*set, evidence),
        evidence,
    };
    explaining.hashes(visit);
    let uses: &[AttributeUse] = set.table(Table::AttributeUses);
    for attribute_use in uses {
        explaining.attribute(attribute_use, visit);
    }
    let uses: &[SignerUse] = set.table(Table::SignerUses);
    if let Fact::Present(signatures) = evidence.signatures {
        for signer_use in uses {
            for (index, signature) in (0_u8..=u8::MAX).zip(signatures) {
                explaining.signer(signer_use, index, signature, visit);
            }
        }
    }
    set.rule_count()
}

struct Explaining<'a, 'e> {
    set: PolicySet<'a>,
    rules: Rules<'a, 'e>,
    evidence: &'e Evidence<'e>,
}

impl<'a> Explaining<'a, '_> {
    fn tried(&self, policy: u16, rule: u32, view: (RuleKind, Level, u16), truth: Truth) -> Option<Tried<'a>> {
        let (kind, level, action) = view;
        let (id, name) = self.set.rule_name(rule)?;
        Some(Tried {
            policy: self.set.policy(policy)?,
            rule: RuleView {
                kind,
                level,
                id,
                name,
                action: action_of(action),
            },
            truth,
            signature: None,
            missed: None,
        })
    }

    fn hashes(&self, visit: &mut dyn FnMut(Tried<'a>)) {
        let Fact::Present(digests) = &self.evidence.digests else {
            return;
        };
        let flat = flat_counts(self.evidence);
        let long = [
            (digests.sha256, false),
            (digests.flat_sha256.filter(|_| flat), false),
            (digests.first_page_sha256, true),
        ];
        for (hash, first_page) in long {
            if let Some(hash) = hash {
                let records = self.set.hash_records(Table::Hashes32, Table::Buckets32, &hash);
                self.hash(records, first_page, visit);
            }
        }
        let short = [
            (digests.sha1, false),
            (digests.flat_sha1.filter(|_| flat), false),
            (digests.first_page_sha1, true),
        ];
        for (hash, first_page) in short {
            if let Some(hash) = hash {
                let records = self.set.hash_records(Table::Hashes20, Table::Buckets20, &hash);
                self.hash(records, first_page, visit);
            }
        }
        if let Some(hash) = &digests.sha384 {
            let records = self.set.hash_records(Table::Hashes48, Table::Buckets48, hash);
            self.hash(records, false, visit);
        }
        if let Some(hash) = &digests.sha512 {
            let records = self.set.hash_records(Table::Hashes64, Table::Buckets64, hash);
            self.hash(records, false, visit);
        }
    }

    fn hash<const N: usize>(
        &self,
        records: &[HashRecord<N>],
        first_page: bool,
        visit: &mut dyn FnMut(Tried<'a>),
    ) {
        for record in records {
            let view = (RuleKind::Hash, Level::Hash, u16::from(record.denies()));
            let only_page = first_page && !record.denies();
            let truth = Truth::from(!only_page);
            if let Some(mut tried) = self.tried(record.policy(), record.rule.get(), view, truth) {
                tried.missed = only_page.then_some("it is the hash of the first page, which allows nothing");
                visit(tried);
            }
        }
    }

    fn attribute(&self, attribute_use: &AttributeUse, visit: &mut dyn FnMut(Tried<'a>)) {
        let attributes = self.set.attributes();
        let Some(record) = attributes.get(as_index(attribute_use.attribute.get())) else {
            return;
        };
        let key = attribute_use.key.get();
        let truth = self.rules.attribute(record);
        let near = self.rules.keys.iter().any(|own| own == key);
        if truth == Truth::No && !near {
            return;
        }
        let level = if key == 0 { Level::AnyFile } else { Level::FileName };
        let view = (RuleKind::FileAttributes, level, attribute_use.action.get());
        if let Some(mut tried) = self.tried(attribute_use.policy.get(), record.rule.get(), view, truth) {
            tried.missed =
                (truth == Truth::No).then_some("its other names or its versions are not the file's");
            visit(tried);
        }
    }

    fn signer(
        &self,
        signer_use: &SignerUse,
        index: u8,
        signature: &Signature<'_>,
        visit: &mut dyn FnMut(Tried<'a>),
    ) {
        let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
            return;
        };
        let (root, anchor) = self.rules.root(signer, signature);
        if root == Truth::No {
            return;
        }
        let usable = is_usable(signature);
        let (whole, _) = self.rules.signer(signer, signature);
        let not_excepted = self.rules.not_excepted(signer_use);
        let grants =
            action_of(signer_use.action.get()) == Action::Deny || self.may_grant(signer_use, signature);
        let truth = usable.and(grants.into()).and(whole).and(not_excepted);
        let level = level_of(signer, anchor);
        let view = (RuleKind::Signer, level, signer_use.action.get());
        if let Some(mut tried) = self.tried(signer_use.policy.get(), signer.rule.get(), view, truth) {
            tried.signature = Some(index);
            if truth == Truth::No {
                tried.missed = Some(if usable == Truth::No {
                    "the signature does not hold, or is not RSA"
                } else if !grants {
                    "the signature's digest is too weak for the policy, or its root is the flight root"
                } else {
                    self.missed(signer, signature, not_excepted)
                });
            }
            visit(tried);
        }
    }

    /// The first part of a signer, beside its root, that does not hold.
    fn missed(&self, signer: &SignerRecord, signature: &Signature<'_>, not_excepted: Truth) -> &'static str {
        let Some(leaf) = signature.chain.first() else {
            return "the signature has no certificate";
        };
        if self.rules.signer_names(signer, signature) == Truth::No {
            "publisher, issuer or OEM id are others"
        } else if !self.rules.ekus(signer, leaf) {
            "the leaf's key usages are others"
        } else if not_excepted == Truth::No {
            "an exception holds"
        } else if self.rules.attributes_of(signer) == Truth::No {
            "the file's names or version are none of those it is restricted to"
        } else {
            "it was not signed after the time the signer asks for"
        }
    }

    fn may_grant(&self, signer_use: &SignerUse, signature: &Signature<'_>) -> bool {
        let records = self.set.policy_records();
        let Some(record) = records.get(usize::from(signer_use.policy.get())) else {
            return false;
        };
        let Some(base) = records.get(usize::from(record.base.get())) else {
            return false;
        };
        let flight_disabled = Options(base.options.get()).contains(Options::DISABLED_FLIGHT_SIGNING);
        may_grant(signature, record.minimum_digest, flight_disabled)
    }
}
