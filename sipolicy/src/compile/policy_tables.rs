//! One policy's part of the compiled set.

use super::CompileNote;
use super::error_at;
use crate::CompileError;
use crate::Document;
use crate::PolicyKind;
use crate::document::CertRoot;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Signer;
use crate::document::SignerUse;
use crate::hex;
use crate::semantics::groups_in_force;
use crate::semantics::is_wildcard;
use crate::semantics::minimum_digest;
use crate::semantics::version_range;
use crate::write_set::SetWriter;
use crate::write_set::u32_of;
use evidence::Text;
use policy::Action;
use policy::EKU_WHQL;
use policy::Level;
use policy::bucket_index;
use policy::fold;
use policy::name_key;
use policy::records;
use policy::records::AttributeRecord;
use policy::records::AttributeRef;
use policy::records::AttributeUse;
use policy::records::HASH_DENIES;
use policy::records::HashRecord;
use policy::records::NONE;
use policy::records::PolicyRecord;
use policy::records::SignerRecord;
use policy::text_key;
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

    /// Where the file rule with this id stands in the document. References mostly follow the order of the rules.
    fn file_rule_at(&mut self, id: &str) -> Option<usize> {
        let rules = &self.document.file_rules;
        let guess = self.next_file_rule;
        let at = if rules.get(guess).is_some_and(|rule| rule.id == id) {
            guess
        } else {
            let by_id = self.file_rules.get_or_insert_with(|| {
                let numbered = rules.iter().enumerate();
                numbered.map(|(at, rule)| (rule.id.as_str(), at)).collect()
            });
            *by_id.get(id)?
        };
        self.next_file_rule = at + 1;
        Some(at)
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
            reserved: [0; 7],
        });
        Ok(())
    }

    /// Writes the file rules that the scenarios refer to by themselves.
    fn file_rules(&mut self) -> Result<(), CompileError> {
        let mut wanted = Vec::new();
        let mut seen = vec![false; self.document.file_rules.len()];
        for group in self.scenarios.clone().into_iter().flat_map(groups_in_force) {
            for reference in &group.rules {
                let Some(at) = self.file_rule_at(&reference.id) else {
                    return Err(self.dangling("file rule", reference, "RuleID"));
                };
                if std::mem::replace(&mut seen[at], true) {
                    let message = format!("{} is referred to twice; once is enough", reference.id);
                    self.note(reference.position, message);
                } else {
                    wanted.push(at);
                }
            }
        }
        // Numbers go by document order, so that of two equal rules the first in the document is reported.
        wanted.sort_unstable();
        for at in wanted {
            self.file_rule(at)?;
        }
        Ok(())
    }

    fn file_rule(&mut self, at: usize) -> Result<(), CompileError> {
        let rule: &'d FileRule = &self.document.file_rules[at];
        let action = match rule.kind {
            FileRuleKind::Allow => Action::Allow,
            FileRuleKind::Deny => Action::Deny,
            FileRuleKind::Attribute => {
                let message = format!("{} is a file attribute; it has effect only in a signer", rule.id);
                self.note(rule.position, message);
                return Ok(());
            }
        };
        if self.is_supplemental() && action == Action::Deny {
            let message = format!("{} denies in a supplemental policy, which is ignored", rule.id);
            self.note(rule.position, message);
            return Ok(());
        }
        if rule.attributes().is_user_mode_only() {
            let message = format!(
                "{} goes by a file path, package or application, which only user-mode files have; it was left out",
                rule.id
            );
            self.note(rule.position, message);
            return Ok(());
        }
        if rule.hash.is_empty() {
            let (attribute, key) = self.attribute(at);
            self.writer.attribute_uses.push(AttributeUse {
                key: key.into(),
                attribute: attribute.into(),
                policy: self.policy.into(),
                action: number_of(action).into(),
            });
            return Ok(());
        }
        let number = self.rule_number(at);
        let use_in = match action {
            Action::Allow => self.policy,
            Action::Deny => self.policy | HASH_DENIES,
        };
        let writer = &mut *self.writer;
        let added = add_hash(&mut writer.hashes32, rule, number, use_in)
            || add_hash(&mut writer.hashes20, rule, number, use_in)
            || add_hash(&mut writer.hashes48, rule, number, use_in)
            || add_hash(&mut writer.hashes64, rule, number, use_in);
        if !added {
            return Err(error_at(
                self.document,
                rule.position,
                format!(
                    "the Hash of {} has {} bytes; a hash rule has 20, 32, 48 or 64",
                    rule.id,
                    rule.hash.len()
                ),
            ));
        }
        let length = match rule.hash.len() {
            20 => 1_u32,
            32 => 2,
            48 => 4,
            _ => 8,
        };
        self.hash_lengths |= length << (16 * u32::from(number_of(action)));
        Ok(())
    }

    fn rule_number(&mut self, at: usize) -> u32 {
        if let Some(number) = self.rule_numbers[at] {
            return number;
        }
        let rule = &self.document.file_rules[at];
        let number = self
            .writer
            .add_rule(&rule.id, rule.friendly_name.as_deref().unwrap_or_default());
        self.rule_numbers[at] = Some(number);
        number
    }

    /// Writes the attributes of a file rule and gives the index of their record and its key.
    fn attribute(&mut self, at: usize) -> (u32, u32) {
        let rule: &'d FileRule = &self.document.file_rules[at];
        let asked = rule
            .attributes()
            .names()
            .map(|name| name.filter(|name| !is_wildcard(name)));
        let key = match asked
            .iter()
            .enumerate()
            .find_map(|(kind, name)| Some((kind, (*name)?)))
        {
            Some((kind, name)) => {
                self.writer.name_kinds |= 1 << kind;
                name_key(kind, Text::Utf8(name))
            }
            None => 0,
        };
        if let Some(&written) = self.attributes.get(&at) {
            return (written, key);
        }
        let names = asked.map(|name| name.map_or(NONE, |name| self.folded(name)).into());
        let range = version_range(rule.kind, rule.attributes());
        let (min, max) = range.unwrap_or((0, u64::MAX));
        let mut flags = 0;
        if range.is_some() {
            flags |= AttributeRecord::BOUNDED;
        }
        if rule.attributes().is_user_mode_only() {
            flags |= AttributeRecord::NEVER;
        }
        if rule.kind == FileRuleKind::Deny {
            flags |= AttributeRecord::DENIES;
        }
        let hash = if rule.hash.is_empty() {
            NONE
        } else {
            self.writer.pool(&rule.hash)
        };
        let record = AttributeRecord {
            names,
            min: min.into(),
            max: max.into(),
            hash: hash.into(),
            rule: self.rule_number(at).into(),
            flags: flags.into(),
            reserved: [0; 4],
        };
        let written = u32_of(self.writer.attributes.len());
        self.writer.attributes.push(record);
        self.attributes.insert(at, written);
        (written, key)
    }

    fn folded(&mut self, text: &str) -> u32 {
        let folded: String = text.chars().map(fold).collect();
        self.writer.pool(folded.as_bytes())
    }

    /// Writes the signers that the scenarios allow and deny.
    fn signers(&mut self) -> Result<(), CompileError> {
        let mut wanted: Vec<(usize, Action, &'d SignerUse)> = Vec::new();
        for group in self.scenarios.clone().into_iter().flat_map(groups_in_force) {
            let allowed = group.allowed.iter().map(|found| (Action::Allow, found));
            let denied = group.denied.iter().map(|found| (Action::Deny, found));
            for (action, found) in allowed.chain(denied) {
                let Some(&at) = self.signers.get(found.signer.id.as_str()) else {
                    if action == Action::Allow {
                        return Err(self.dangling("signer", &found.signer, "SignerId"));
                    }
                    // Microsoft's own blocklist has one, so that it is no reason to refuse the whole.
                    let message = format!(
                        "no signer has the ID {}, so that nothing is denied here",
                        found.signer.id
                    );
                    self.note(found.signer.position, message);
                    continue;
                };
                if self.is_supplemental() && action == Action::Deny {
                    let message = format!(
                        "{} is denied in a supplemental policy, which is ignored",
                        found.signer.id
                    );
                    self.note(found.signer.position, message);
                    continue;
                }
                wanted.push((at, action, found));
            }
        }
        wanted.sort_by_key(|(at, ..)| *at);
        for (at, action, found) in wanted {
            self.signer_use(at, action, found)?;
        }
        Ok(())
    }

    fn signer_use(&mut self, at: usize, action: Action, found: &'d SignerUse) -> Result<(), CompileError> {
        let record = self.signer(at)?;
        let signer: &'d Signer = &self.document.signers[at];
        let except_first = u32_of(self.writer.exceptions.len());
        for exception in &found.exceptions {
            let Some(rule) = self.file_rule_at(&exception.id) else {
                return Err(self.dangling("file rule", exception, "RuleID of the exception"));
            };
            let (attribute, _) = self.attribute(rule);
            self.writer.exceptions.push(attribute.into());
        }
        let key = |name: &Option<String>| name.as_deref().map_or(0, |name| text_key(Text::Utf8(name)));
        let (publisher, oem) = (key(&signer.publisher), key(&signer.oem_id));
        let by_publisher = signer.publisher.as_ref().map_or(0, |_| records::SHAPE_PUBLISHER);
        let by_oem = signer.oem_id.as_ref().map_or(0, |_| records::SHAPE_OEM);
        self.writer.signer_shapes |= 1 << (by_publisher | by_oem);
        let root = match &signer.root {
            CertRoot::Tbs(tbs) => bucket_index::tbs_key(tbs),
            CertRoot::Wellknown(id) => bucket_index::wellknown_key(*id),
        };
        self.writer.signer_uses.push(records::SignerUse {
            key: bucket_index::signer_key(root, publisher, oem).into(),
            signer: record.into(),
            except_first: except_first.into(),
            except_count: u32_of(found.exceptions.len()).into(),
            policy: self.policy.into(),
            action: number_of(action).into(),
        });
        Ok(())
    }

    /// Writes a signer and gives the index of its record.
    fn signer(&mut self, at: usize) -> Result<u32, CompileError> {
        if let Some(&written) = self.signer_records.get(&at) {
            return Ok(written);
        }
        let signer: &'d Signer = &self.document.signers[at];
        let (eku_first, eku_count, except_eku_count, whql) = self.signer_ekus(signer)?;
        let mut refs = Vec::new();
        for reference in &signer.file_attributes {
            let Some(rule) = self.file_rule_at(&reference.id) else {
                return Err(self.dangling("file rule", reference, "RuleID"));
            };
            let (attribute, key) = self.attribute(rule);
            refs.push(AttributeRef {
                key: key.into(),
                attribute: attribute.into(),
            });
        }
        refs.sort_by_key(|reference| reference.key.get());
        let named = refs.iter().any(|reference| reference.key.get() != 0);
        let attribute_first = u32_of(self.writer.attribute_refs.len());
        let attribute_count = u32_of(refs.len());
        self.writer.attribute_refs.extend(refs);
        let (tbs, wellknown) = match &signer.root {
            CertRoot::Tbs(tbs) => (self.writer.pool(tbs), 0),
            CertRoot::Wellknown(id) => (NONE, *id),
        };
        let mut text = |name: &'d Option<String>| name.as_deref().map_or(NONE, |name| self.folded(name));
        let record = SignerRecord {
            tbs: tbs.into(),
            publisher: text(&signer.publisher).into(),
            issuer: text(&signer.issuer).into(),
            oem: text(&signer.oem_id).into(),
            sign_after: signer
                .sign_time_after
                .and_then(|time| u64::try_from(time).ok())
                .unwrap_or(0)
                .into(),
            eku_first: eku_first.into(),
            eku_count: eku_count.into(),
            except_eku_count: except_eku_count.into(),
            attribute_first: attribute_first.into(),
            attribute_count: attribute_count.into(),
            rule: self
                .writer
                .add_rule(&signer.id, signer.name.as_deref().unwrap_or_default())
                .into(),
            wellknown,
            level: level_of(signer, whql, attribute_count != 0, named).number(),
            reserved: [0; 2],
        };
        let written = u32_of(self.writer.signers.len());
        self.writer.signers.push(record);
        self.signer_records.insert(at, written);
        Ok(written)
    }

    /// Writes the key usages of a signer; gives the first, how many are asked for, how many are excepted and whether WHQL is
    /// among those asked for.
    fn signer_ekus(&mut self, signer: &'d Signer) -> Result<(u32, u16, u16, bool), CompileError> {
        let first = u32_of(self.writer.ekus.len());
        let mut counts = [0_u16; 2];
        let mut whql = false;
        for except in [false, true] {
            for cert_eku in signer.ekus.iter().filter(|eku| eku.except == except) {
                let found = self.document.eku(&cert_eku.eku.id);
                let Some(eku) = found else {
                    return Err(self.dangling("EKU", &cert_eku.eku, "ID of the CertEKU"));
                };
                let value = eku.encoded().ok_or_else(|| {
                    let message = format!("the OID of {} is not one; write it dotted, as in 1.3.6.1", eku.id);
                    error_at(self.document, eku.position, message)
                })?;
                // What is not encoded as policies are never matches; lint says so.
                let content = hex::oid_content(&value).unwrap_or(&value);
                whql |= !except && content == EKU_WHQL;
                let offset = self.writer.pool(content);
                self.writer.ekus.push(offset.into());
                counts[usize::from(except)] += 1;
            }
        }
        Ok((first, counts[0], counts[1], whql))
    }
}

fn number_of(action: Action) -> u16 {
    match action {
        Action::Allow => 0,
        Action::Deny => 1,
    }
}

/// The file rule level that a signer amounts to.
pub(crate) fn level_of(signer: &Signer, whql: bool, attributed: bool, named: bool) -> Level {
    let vendor = signer.publisher.is_some() || signer.oem_id.is_some();
    match (whql, attributed, vendor) {
        (true, true, _) => Level::WhqlFilePublisher,
        (true, false, true) => Level::WhqlPublisher,
        (true, false, false) => Level::Whql,
        (false, true, _) if named => Level::FilePublisher,
        (false, true, _) => Level::SignedVersion,
        (false, false, true) => Level::Publisher,
        (false, false, false) => match signer.root {
            CertRoot::Tbs(_) => Level::PcaCertificate,
            CertRoot::Wellknown(_) => Level::RootCertificate,
        },
    }
}

/// Adds the rule to the table of hashes of `N` bytes if its hash has that length.
fn add_hash<const N: usize>(
    table: &mut Vec<HashRecord<N>>,
    rule: &FileRule,
    number: u32,
    use_in: u16,
) -> bool {
    let Ok(hash) = rule.hash.as_slice().try_into() else {
        return false;
    };
    table.push(HashRecord {
        hash,
        rule: number.into(),
        use_in: use_in.into(),
    });
    true
}
