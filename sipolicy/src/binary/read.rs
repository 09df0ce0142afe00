//! Reading the binary form.

mod blocks;
mod fields;

use super::ALWAYS_BIT;
use super::BODY;
use super::DEFAULT_MINIMUM_HASH;
use super::NEWEST_FORMAT;
use super::OLDEST_FORMAT;
use super::REMAPPING_SETTING;
use super::SUPPLEMENTAL_BIT;
use super::envelope;
use super::is_envelope;
use super::tagging;
use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::Document;
use crate::document::Eku;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Note;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::error::Place;
use crate::error::ReadError;
use crate::options::CERTIFICATE_REMAPPING;
use crate::options::unnamed_bits;
use crate::version::FileVersion;
use policy::Options;

/// Reads a binary policy, in its envelope or not.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Document, ReadError> {
    let opened;
    let mut bytes = bytes;
    let mut signature = None;
    if is_envelope(bytes) {
        let (policy, found) = envelope::open(bytes).map_err(|problem| ReadError {
            place: Place {
                file: file.into(),
                line: 0,
                column: 0,
            },
            message: problem.to_owned(),
        })?;
        opened = policy;
        bytes = &opened;
        signature = Some(found);
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        document: Document {
            file: file.into(),
            signature,
            ..Document::default()
        },
        minimums: Vec::new(),
    };
    reader.policy()?;
    Ok(reader.document)
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    document: Document,
    /// The stored minimum version of each file rule.
    minimums: Vec<u64>,
}

impl Reader<'_> {
    fn policy(&mut self) -> Result<(), ReadError> {
        let format = self.u32()?;
        if !(OLDEST_FORMAT..=NEWEST_FORMAT).contains(&format) {
            self.at = 0;
            return Err(self.error(format!(
                "format version {format} is not known; {OLDEST_FORMAT} to {NEWEST_FORMAT} are (is this a policy?)"
            )));
        }
        self.document.format_version = Some(format);
        self.document.policy_type_id = Some(self.guid()?);
        self.document.platform_id = Some(self.guid()?);
        let at = self.position();
        let flags = self.u32()?;
        self.flag_notes(flags, at);
        self.document.options = Options(flags & !(SUPPLEMENTAL_BIT | ALWAYS_BIT));
        if flags & SUPPLEMENTAL_BIT != 0 {
            self.document.kind = PolicyKind::Supplemental;
        }
        let [ekus, rules, signers, scenarios] = [self.u32()?, self.u32()?, self.u32()?, self.u32()?];
        self.document.version = FileVersion(self.u64()?);
        if self.u32()? != BODY {
            return Err(self.error("the body does not start where the header says; the policy is damaged"));
        }
        let counted = |count: u32, least: usize| self.check_count(count as usize, least, 0x28);
        let (ekus, rules) = (counted(ekus, 4)?, counted(rules, 24)?);
        let (signers, scenarios) = (counted(signers, 40)?, counted(scenarios, 48)?);
        for number in 1..=ekus {
            let position = self.position();
            let value = self.blob()?;
            self.document.ekus.push(Eku {
                position,
                id: format!("ID_EKU_E_{number}"),
                friendly_name: None,
                value: Some(value),
                oid: None,
            });
        }
        self.file_rules(rules)?;
        for number in 1..=signers {
            self.signer(number)?;
        }
        self.document.update_policy_signers = self.signer_references()?;
        self.document.ci_signers = self.signer_references()?;
        self.scenarios(scenarios)?;
        self.document.hvci_options = Some(self.u32()?);
        self.settings()?;
        tagging::recognise(&mut self.document);
        for at in 0..self.document.file_rules.len() {
            self.versions(at, 0);
        }
        for block in 3..=format {
            let tag = self.u32()?;
            if tag != block {
                self.at -= 4;
                return Err(self.error(format!(
                    "block {block} is missing (found {tag}); the policy is damaged"
                )));
            }
            self.block(block)?;
        }
        if self.at < self.bytes.len() {
            let tag = self.u32()?;
            if tag != format + 1 || self.at != self.bytes.len() {
                return Err(self.error("something follows the end of the policy; it is damaged"));
            }
        }
        self.document.notes.push(Note {
            position: Position::default(),
            message: "the binary form holds no ids, friendly names or signer names; ids were made up"
                .to_owned(),
        });
        Ok(())
    }

    /// Tells of flags that mean nothing known. They are kept.
    fn flag_notes(&mut self, flags: u32, position: Position) {
        let mut note = |message: String| self.document.notes.push(Note { position, message });
        for bit in unnamed_bits(Options(flags & !(SUPPLEMENTAL_BIT | ALWAYS_BIT))) {
            note(format!(
                "option bit {bit} is set, which has no name in the schema; what it does is not known here"
            ));
        }
        if flags & ALWAYS_BIT == 0 {
            note("flag bit 31 is not set, as it always is; written again it will be".to_owned());
        }
    }

    fn file_rules(&mut self, count: usize) -> Result<(), ReadError> {
        let mut numbers = [0; 3];
        for _ in 0..count {
            let position = self.position();
            let (kind, prefix) = match self.u32()? {
                0 => (FileRuleKind::Deny, "DENY_D"),
                1 => (FileRuleKind::Allow, "ALLOW_A"),
                2 => (FileRuleKind::Attribute, "FILEATTRIB_F"),
                other => {
                    return Err(self.error(format!("{other} is no type of file rule; the policy is damaged")));
                }
            };
            let number = &mut numbers[kind as usize];
            *number += 1;
            let id = format!("ID_{prefix}_{number}");
            let file_name = self.string()?;
            let minimum = self.u64()?;
            let hash = self.blob()?;
            self.minimums.push(minimum);
            self.document.file_rules.push(FileRule {
                position,
                kind,
                generic: false,
                id,
                friendly_name: None,
                hash,
                attributes: Some(Box::new(FileAttributes {
                    file_name,
                    ..FileAttributes::default()
                })),
            });
        }
        Ok(())
    }

    fn signer(&mut self, number: usize) -> Result<(), ReadError> {
        let position = self.position();
        let root = match self.u32()? {
            0 => CertRoot::Tbs(self.blob()?),
            1 => {
                let id = self.u32()?;
                let id = u8::try_from(id).map_err(|_| self.error(format!("{id} is no well-known root")))?;
                CertRoot::Wellknown(id)
            }
            other => {
                return Err(self.error(format!(
                    "{other} is no type of certificate root; the policy is damaged"
                )));
            }
        };
        let mut ekus = Vec::new();
        for _ in 0..self.count(4)? {
            ekus.push(CertEku {
                eku: self.eku_reference()?,
                except: false,
            });
        }
        let (issuer, publisher, oem_id) = (self.string()?, self.string()?, self.string()?);
        let file_attributes = self.rule_references()?;
        self.document.signers.push(Signer {
            position,
            id: format!("ID_SIGNER_S_{number}"),
            name: None,
            sign_time_after: None,
            root,
            ekus,
            issuer,
            publisher,
            oem_id,
            file_attributes,
            artifact_rules: Vec::new(),
        });
        Ok(())
    }

    fn eku_reference(&mut self) -> Result<Reference, ReadError> {
        let position = self.position();
        let at = self.index(self.document.ekus.len(), "EKU")?;
        let id = self.document.ekus[at].id.clone();
        Ok(Reference { position, id })
    }

    fn rule_references(&mut self) -> Result<Vec<Reference>, ReadError> {
        let mut found = Vec::new();
        for _ in 0..self.count(4)? {
            let position = self.position();
            let at = self.index(self.document.file_rules.len(), "file rule")?;
            let id = self.document.file_rules[at].id.clone();
            found.push(Reference { position, id });
        }
        Ok(found)
    }

    fn artifact_references(&mut self) -> Result<Vec<Reference>, ReadError> {
        let mut found = Vec::new();
        for _ in 0..self.count(4)? {
            let position = self.position();
            let at = self.index(self.document.artifact_rules.len(), "artifact rule")?;
            let id = self.document.artifact_rules[at].id.clone();
            found.push(Reference { position, id });
        }
        Ok(found)
    }

    fn signer_reference(&mut self) -> Result<Reference, ReadError> {
        let position = self.position();
        let at = self.index(self.document.signers.len(), "signer")?;
        let id = self.document.signers[at].id.clone();
        Ok(Reference { position, id })
    }

    fn signer_references(&mut self) -> Result<Vec<Reference>, ReadError> {
        let count = self.count(4)?;
        (0..count).map(|_| self.signer_reference()).collect()
    }

    fn scenarios(&mut self, count: usize) -> Result<(), ReadError> {
        let mut inherited = Vec::new();
        for number in 1..=count {
            let position = self.position();
            let value = self.u32()?;
            let value =
                u8::try_from(value).map_err(|_| self.error(format!("{value} is no signing scenario")))?;
            let mut indexes = Vec::new();
            for _ in 0..self.count(4)? {
                indexes.push(self.index(count, "scenario")?);
            }
            inherited.push(indexes);
            let minimum = self.u32()?;
            let minimum_hash_algorithm = match u16::try_from(minimum) {
                Ok(_) if minimum == DEFAULT_MINIMUM_HASH => None,
                Ok(minimum) => Some(minimum),
                Err(_) => {
                    return Err(self.error(format!("{minimum} is no hash algorithm; the policy is damaged")));
                }
            };
            let repeated = self.document.scenarios.iter().any(|other| other.value == value);
            let id = match value {
                _ if repeated => format!("ID_SIGNINGSCENARIO_S_{number}"),
                131 => "ID_SIGNINGSCENARIO_DRIVERS_1".to_owned(),
                12 => "ID_SIGNINGSCENARIO_WINDOWS".to_owned(),
                _ => format!("ID_SIGNINGSCENARIO_S_{number}"),
            };
            let (product, test, test_signing) = (self.group(false)?, self.group(false)?, self.group(false)?);
            let unless_empty = |group: SignerGroup| (group != SignerGroup::default()).then_some(group);
            self.document.scenarios.push(Scenario {
                position,
                id,
                value,
                minimum_hash_algorithm,
                product,
                test: unless_empty(test),
                test_signing: unless_empty(test_signing),
                ..Scenario::default()
            });
        }
        let ids: Vec<String> = self
            .document
            .scenarios
            .iter()
            .map(|scenario| scenario.id.clone())
            .collect();
        for (scenario, indexes) in self.document.scenarios.iter_mut().zip(inherited) {
            let position = scenario.position;
            scenario.inherited = indexes
                .into_iter()
                .map(|at| Reference {
                    position,
                    id: ids[at].clone(),
                })
                .collect();
        }
        Ok(())
    }

    fn group(&mut self, artifacts: bool) -> Result<SignerGroup, ReadError> {
        let references = |reader: &mut Self| {
            if artifacts {
                reader.artifact_references()
            } else {
                reader.rule_references()
            }
        };
        let uses = |reader: &mut Self| -> Result<Vec<SignerUse>, ReadError> {
            let mut found = Vec::new();
            for _ in 0..reader.count(8)? {
                let signer = reader.signer_reference()?;
                let exceptions = references(reader)?;
                found.push(SignerUse { signer, exceptions });
            }
            Ok(found)
        };
        Ok(SignerGroup {
            allowed: uses(self)?,
            denied: uses(self)?,
            rules: references(self)?,
        })
    }

    fn settings(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.count(32)? {
            let [provider, key, value_name] =
                [self.string()?, self.string()?, self.string()?].map(Option::unwrap_or_default);
            let value = match self.u32()? {
                0 => SettingValue::Boolean(self.u32()? != 0),
                1 => SettingValue::DWord(self.u32()?),
                2 => SettingValue::Binary(self.blob()?),
                3 => SettingValue::String(self.string()?.unwrap_or_default()),
                other => {
                    return Err(self.error(format!("{other} is no type of setting; the policy is damaged")));
                }
            };
            if [&*provider, &*key, &*value_name] == REMAPPING_SETTING && value == SettingValue::Boolean(true)
            {
                self.document.other_options.push(CERTIFICATE_REMAPPING.to_owned());
                continue;
            }
            self.document.settings.push(Setting {
                provider,
                key,
                value_name,
                value,
            });
        }
        Ok(())
    }
}
