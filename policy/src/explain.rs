//! Why a verdict is what it is: the rules that were tried.

use crate::facts::is_usable;
use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeUse;
use crate::records::SignerRecord;
use crate::records::SignerUse;
use crate::rules::Anchor;
use crate::rules::GrantsNothing;
use crate::rules::Rules;
use crate::rules::action_of;
use crate::rules::level_of;
use crate::set::PolicySet;
use crate::set::PolicyView;
use crate::truth::Truth;
use crate::verdict::Action;
use crate::verdict::Level;
use crate::verdict::RuleKind;
use crate::verdict::RuleView;
use evidence::Evidence;
use evidence::Fact;
use evidence::Identity;
use evidence::Signature;
use evidence::Unreadable;

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
    // Signatures that the file hides may be anybody's.
    let hidden = match evidence.signatures {
        Fact::Unreadable(reason) => Some(reason),
        Fact::Present(_) | Fact::Absent => evidence.more_signatures,
    };
    if hidden.is_some_and(Unreadable::is_from_file) {
        for signer_use in uses
            .iter()
            .filter(|found| action_of(found.action.get()) == Action::Deny)
        {
            explaining.anybody(signer_use, visit);
        }
    }
    set.rule_count()
}

struct Explaining<'a, 'e> {
    set: PolicySet<'a>,
    rules: Rules<'a, 'e>,
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
        self.rules.hash_rules(|hit| {
            let view = (RuleKind::Hash, Level::Hash, u16::from(hit.denies));
            let nothing = hit.grants_nothing.filter(|_| !hit.denies);
            let truth = Truth::from(nothing.is_none());
            if let Some(mut tried) = self.tried(hit.policy, hit.rule, view, truth) {
                tried.missed = nothing.map(|why| match why {
                    GrantsNothing::FirstPage => "it is the hash of the first page, which allows nothing",
                    GrantsNothing::NotConformant => {
                        "the image is not conformant: only the hash of the whole file allows it"
                    }
                });
                visit(tried);
            }
        });
    }

    fn attribute(&self, attribute_use: &AttributeUse, visit: &mut dyn FnMut(Tried<'a>)) {
        let attributes = self.set.attributes();
        let Some(record) = attributes.get(as_index(attribute_use.attribute.get())) else {
            return;
        };
        let key = attribute_use.key.get();
        let truth = self
            .rules
            .attribute(record, action_of(attribute_use.action.get()));
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
        let action = action_of(signer_use.action.get());
        let (root, anchor) = self.rules.root(signer, signature, action);
        // A signer that nobody proved may be anybody.
        let could_be = action == Action::Deny && signature.identity == Identity::Unproven;
        let open = match action {
            Action::Deny => self.rules.could_be(signer, signature),
            Action::Allow => Truth::No,
        };
        if root == Truth::No && !could_be && open == Truth::No {
            return;
        }
        let usable = action == Action::Deny || is_usable(signature, self.rules.evidence);
        let grants = action == Action::Deny || self.rules.may_grant(signature, signer_use.policy.get());
        let not_excepted = self.rules.not_excepted(signer_use);
        let (whole, _) = self.rules.signer(signer, signature, action);
        let whole = if could_be {
            whole.or(self.rules.attributes_of(signer, action))
        } else {
            whole.or(open)
        };
        let truth = Truth::from(usable && grants).and(whole).and(not_excepted);
        let level = level_of(signer, anchor);
        let view = (RuleKind::Signer, level, signer_use.action.get());
        if let Some(mut tried) = self.tried(signer_use.policy.get(), signer.rule.get(), view, truth) {
            tried.signature = Some(index);
            if truth == Truth::No {
                tried.missed = Some(if !usable {
                    "the signature does not hold, is not RSA, or has ended with its certificate"
                } else if !grants {
                    "its root is the flight root"
                } else {
                    self.missed(signer, signature, action, not_excepted)
                });
            }
            visit(tried);
        }
    }

    /// A denied signer, for a signature that may be anybody's.
    fn anybody(&self, signer_use: &SignerUse, visit: &mut dyn FnMut(Tried<'a>)) {
        let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
            return;
        };
        let truth = self
            .rules
            .attributes_of(signer, Action::Deny)
            .and(self.rules.not_excepted(signer_use));
        let view = (
            RuleKind::Signer,
            level_of(signer, Anchor::Above),
            signer_use.action.get(),
        );
        if truth != Truth::No
            && let Some(tried) = self.tried(signer_use.policy.get(), signer.rule.get(), view, truth)
        {
            visit(tried);
        }
    }

    /// The first part of a signer, beside its root, that does not hold.
    fn missed(
        &self,
        signer: &SignerRecord,
        signature: &Signature<'_>,
        action: Action,
        not_excepted: Truth,
    ) -> &'static str {
        let Some(leaf) = signature.chain.first() else {
            return "the signature has no certificate";
        };
        if self.rules.signer_names(signer, signature, action) == Truth::No {
            "publisher, issuer or OEM id are others"
        } else if !self.rules.ekus(signer, leaf) {
            "the leaf's key usages are others"
        } else if not_excepted == Truth::No {
            "an exception holds"
        } else if self.rules.attributes_of(signer, action) == Truth::No {
            "the file's names or version are none of those it is restricted to"
        } else {
            "it was not signed after the time the signer asks for"
        }
    }
}
