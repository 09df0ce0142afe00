//! One policy's part of the compiled set.

mod file_rules;
mod signers;

use super::CompileNote;
use super::error_at;
use crate::document::Document;
use crate::document::KERNEL_SCENARIO;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::error::CompileError;
use crate::semantics::minimum_digest;
use crate::write_set::SetWriter;
use policy::Action;
use policy::records::NONE;
use policy::records::PolicyRecord;
use std::collections::HashMap;

/// Writes one policy's rules to the tables of the set.
pub(super) struct PolicyTables<'d, 'w> {
    document: &'d Document,
    writer: &'w mut SetWriter,
    notes: &'w mut Vec<CompileNote>,
    policy: u16,
    base: u16,
    /// Where the file rules stand in the document by their ids; made when first needed.
    file_rules: Option<HashMap<&'d str, usize>>,
    /// Where the next file rule that is asked for most likely stands: after the last one.
    next_file_rule: usize,
    signers: HashMap<&'d str, usize>,
    /// Scenario 131 and those it inherits, in that order.
    scenarios: Vec<&'d Scenario>,
    /// Numbers of the file rules written so far, by index in the document.
    rule_numbers: Vec<Option<u32>>,
    /// Attribute records written so far, by index in the document.
    attributes: HashMap<usize, u32>,
    /// Signer records written so far, by index in the document.
    signer_records: HashMap<usize, u32>,
    hash_lengths: u32,
}

impl<'d, 'w> PolicyTables<'d, 'w> {
    pub(super) fn new(
        document: &'d Document,
        base: u16,
        writer: &'w mut SetWriter,
        notes: &'w mut Vec<CompileNote>,
    ) -> Result<Self, CompileError> {
        let policy = u16::try_from(writer.policies.len()).unwrap_or(u16::MAX);
        let signers = document.signers.iter().enumerate();
        let mut tables = Self {
            document,
            writer,
            notes,
            policy,
            base,
            file_rules: None,
            next_file_rule: 0,
            signers: signers.map(|(at, signer)| (signer.id.as_str(), at)).collect(),
            scenarios: Vec::new(),
            rule_numbers: vec![None; document.file_rules.len()],
            attributes: HashMap::new(),
            signer_records: HashMap::new(),
            hash_lengths: 0,
        };
        let kernel = document
            .scenarios
            .iter()
            .find(|scenario| scenario.value == KERNEL_SCENARIO);
        match kernel {
            Some(kernel) => tables.inherit(kernel, &mut Vec::new())?,
            None => tables.note(
                document.position,
                "there is no scenario of value 131, so that the policy allows no kernel image".to_owned(),
            ),
        }
        Ok(tables)
    }

    /// Collects a scenario and those it inherits.
    fn inherit(&mut self, scenario: &'d Scenario, path: &mut Vec<&'d str>) -> Result<(), CompileError> {
        if path.contains(&scenario.id.as_str()) {
            return Err(error_at(
                self.document,
                scenario.position,
                format!(
                    "scenario {} inherits itself through {}; remove one of the InheritedScenarios",
                    scenario.id,
                    path.join(", ")
                ),
            ));
        }
        if self.scenarios.iter().any(|other| other.id == scenario.id) {
            return Ok(());
        }
        self.scenarios.push(scenario);
        path.push(&scenario.id);
        for inherited in &scenario.inherited {
            let found = self
                .document
                .scenarios
                .iter()
                .find(|other| other.id == inherited.id);
            let Some(found) = found else {
                return Err(self.dangling("scenario", inherited, "InheritedScenarios"));
            };
            self.inherit(found, path)?;
        }
        path.pop();
        Ok(())
    }

    fn note(&mut self, position: Position, message: String) {
        self.notes.push(CompileNote {
            place: self.document.place(position),
            message,
        });
    }

    fn dangling(&self, what: &str, reference: &Reference, attribute: &str) -> CompileError {
        let message = format!(
            "no {what} has the ID {}; correct the {attribute} or add the {what}",
            reference.id
        );
        error_at(self.document, reference.position, message)
    }

    fn is_supplemental(&self) -> bool {
        self.document.kind == PolicyKind::Supplemental
    }

    pub(super) fn write(mut self) -> Result<(), CompileError> {
        let mut accepted = None;
        for scenario in self.scenarios.clone() {
            if scenario.test.is_some() || scenario.test_signing.is_some() {
                self.note(
                    scenario.position,
                    "TestSigners and TestSigningSigners count only where test signing is on; they were left out".to_owned(),
                );
            }
            let minimum = minimum_digest(scenario.minimum_hash_algorithm);
            if minimum.is_none() {
                self.note(
                    scenario.position,
                    "the MinimumHashAlgorithm is no hash algorithm; SHA-256 (32780) was assumed".to_owned(),
                );
            }
            accepted = accepted.or(minimum);
        }
        self.file_rules()?;
        self.signers()?;
        let document = self.document;
        let texts = self.writer.add_texts(&[document.name(), document.info_id()]);
        let flags = if self.is_supplemental() {
            PolicyRecord::SUPPLEMENTAL
        } else {
            0
        };
        self.writer.policies.push(PolicyRecord {
            id: document.id().0,
            base_id: document.base_id().0,
            version: document.version.0.into(),
            options: document.options.0.into(),
            texts: texts.into(),
            base: self.base.into(),
            flags: flags.into(),
            hash_lengths: self.hash_lengths.into(),
            minimum_digest: accepted.unwrap_or(3),
            reserved: [0; 3],
            // Known when all uses are sorted.
            any_file_signers: [NONE.into(); 2],
            file_signers: [NONE.into(); 2],
            named_files: [NONE.into(); 2],
        });
        Ok(())
    }
}

fn number_of(action: Action) -> u16 {
    match action {
        Action::Allow => 0,
        Action::Deny => 1,
    }
}
