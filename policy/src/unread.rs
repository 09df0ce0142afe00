//! Files of which those facts are missing that rules are looked up by. What may then be meant is found without walking all rules of a set.

use crate::bounds::step;
use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeUse;
use crate::records::FileSigner;
use crate::records::SignerUse;
use crate::rules::Anchor;
use crate::rules::action_of;
use crate::rules::level_of;
use crate::set::FewFileSigners;
use crate::truth::Truth;
use crate::verdict::Action;
use crate::verdict::Level;
use crate::verdict::Match;
use crate::verdict::NO_SIGNATURE;
use crate::verdict::RuleKind;
use crate::weighing::Weighing;
use evidence::Unreadable;

const ACTIONS: [Action; 2] = [Action::Allow, Action::Deny];

impl Weighing<'_, '_, '_> {
    /// A signature that may be anybody's: every signer may be meant, unless the file's attributes settle it. Whatever the number of
    /// such signatures is, one says it all.
    ///
    /// Such a signature grants nothing, and what the file itself hides is taken for what is denied: see [`Truth::unread`].
    ///
    /// Where names of the file are missing too and the set restricts very many signers to files, or very many to no names but versions, all
    /// of those may be meant.
    pub(crate) fn anybody(&mut self, reason: Unreadable) {
        for policy in self.set.policy_records() {
            step();
            for action in ACTIONS {
                if let Some(signer_use) = self.set.any_file_signer(policy, action) {
                    self.anybody_by(signer_use, Truth::unread(reason, action));
                }
            }
        }
        let few = self.set.few.file_signers;
        if self.rules.keys.missing.is_none() {
            let nameless = few != FewFileSigners::Neither;
            for key in self.rules.keys.iter().filter(|key| *key != 0 || nameless) {
                self.anybody_for(self.set.file_signers(key), reason);
            }
            if nameless {
                return;
            }
        } else if few == FewFileSigners::All {
            self.anybody_for(self.set.table(Table::FileSigners), reason);
            return;
        }
        for policy in self.set.policy_records() {
            step();
            for action in ACTIONS {
                if let Some(signer_use) = self.set.file_signer(policy, action) {
                    self.anybody_by(signer_use, Truth::unread(reason, action));
                }
            }
        }
    }

    /// Offers the signers that are restricted to files, where this file is one of them.
    fn anybody_for(&mut self, signers: &[FileSigner], reason: Unreadable) {
        for record in signers {
            let Some(signer_use) = self.set.signer_use(record.signer_use.get()) else {
                continue;
            };
            if !self.concerns(signer_use.policy.get()) {
                continue;
            }
            let action = action_of(signer_use.action.get());
            let of_this_file = match self.set.attributes().get(as_index(record.attribute.get())) {
                Some(attribute) => self.rules.attribute(attribute, action),
                None => Truth::Yes,
            };
            if of_this_file == Truth::No {
                continue;
            }
            let truth = Truth::unread(reason, action)
                .and(of_this_file)
                .and(self.rules.not_excepted(signer_use));
            self.anybody_by(signer_use, truth);
        }
    }

    fn anybody_by(&mut self, signer_use: &SignerUse, truth: Truth) {
        let Some(signer) = self.set.signers().get(as_index(signer_use.signer.get())) else {
            return;
        };
        let found = Match {
            action: action_of(signer_use.action.get()),
            kind: RuleKind::Signer,
            level: level_of(signer, Anchor::Above),
            rule: signer.rule.get(),
            signature: NO_SIGNATURE,
        };
        self.offer(signer_use.policy.get(), found, truth);
    }

    /// File rules by name, for a file of whose names some are missing. Of very many, all may be meant.
    pub(crate) fn any_name(&mut self, reason: Unreadable) {
        let uses: &[AttributeUse] = self.set.table(Table::AttributeUses);
        if self.set.few.attribute_uses {
            self.attribute_uses(uses);
            return;
        }
        for key in self.rules.keys.iter() {
            self.attribute_uses(self.set.attribute_uses(key));
        }
        for policy in self.set.policy_records() {
            step();
            for action in ACTIONS {
                let Some(named) = self.set.named_file(policy, action) else {
                    continue;
                };
                let Some(record) = self.set.attributes().get(as_index(named.attribute.get())) else {
                    continue;
                };
                let found = Match {
                    action,
                    kind: RuleKind::FileAttributes,
                    level: Level::FileName,
                    rule: record.rule.get(),
                    signature: NO_SIGNATURE,
                };
                self.offer(named.policy.get(), found, Truth::unread(reason, action));
            }
        }
    }
}
