//! The parts of a document by their ids, for those who follow its references.

use crate::document::Document;
use crate::document::Eku;
use crate::document::FileRule;
use crate::document::Signer;
use std::collections::HashMap;

/// Key usages, file rules and signers of a document by id.
pub(crate) struct ById<'d> {
    ekus: HashMap<&'d str, &'d Eku>,
    rules: HashMap<&'d str, &'d FileRule>,
    signers: HashMap<&'d str, &'d Signer>,
}

impl<'d> ById<'d> {
    pub(crate) fn of(document: &'d Document) -> Self {
        let rules = document.file_rules.iter();
        let signers = document.signers.iter();
        let ekus = document.ekus.iter();
        Self {
            ekus: ekus.map(|eku| (eku.id.as_str(), eku)).collect(),
            rules: rules.map(|rule| (rule.id.as_str(), rule)).collect(),
            signers: signers.map(|signer| (signer.id.as_str(), signer)).collect(),
        }
    }

    pub(crate) fn eku(&self, id: &str) -> Option<&'d Eku> {
        self.ekus.get(id).copied()
    }

    pub(crate) fn rule(&self, id: &str) -> Option<&'d FileRule> {
        self.rules.get(id).copied()
    }

    pub(crate) fn signer(&self, id: &str) -> Option<&'d Signer> {
        self.signers.get(id).copied()
    }
}
