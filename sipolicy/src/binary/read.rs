//! Reading the binary form.

use super::ALWAYS_BIT;
use super::BODY;
use super::DEFAULT_MINIMUM_HASH;
use super::NEWEST_FORMAT;
use super::OLDEST_FORMAT;
use super::REMAPPING_SETTING;
use super::SUPPLEMENTAL_BIT;
use super::envelope;
use super::is_envelope;
use crate::Document;
use crate::FileVersion;
use crate::Guid;
use crate::PolicyKind;
use crate::ReadError;
use crate::document::ArtifactRule;
use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::Eku;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Note;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::error::Place;
use crate::options::CERTIFICATE_REMAPPING;
use policy::Options;

/// Reads a binary policy, in its envelope or not.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Document, ReadError> {
    let opened;
    let mut bytes = bytes;
    if is_envelope(bytes) {
        opened = envelope::open(bytes).ok_or_else(|| ReadError {
            place: Place {
                file: file.into(),
                line: 0,
                column: 0,
            },
            message: "the PKCS #7 envelope is malformed or holds no policy (content type 1.3.6.1.4.1.311.79.1); give the \
                      policy's own .cip or .p7b file"
                .to_owned(),
        })?;
        bytes = &opened;
    }
    let mut reader = Reader {
        bytes,
        at: 0,
        document: Document {
            file: file.into(),
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

impl<'b> Reader<'b> {
    fn position(&self) -> Position {
        Position {
            line: 0,
            column: u32::try_from(self.at).unwrap_or(u32::MAX),
        }
    }

    fn error(&self, message: impl Into<String>) -> ReadError {
        ReadError {
            place: self.document.place(self.position()),
            message: message.into(),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], ReadError> {
        let taken = self
            .at
            .checked_add(length)
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| self.error("the binary policy ends here; it was cut off or is not a policy"))?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let taken = self.take(N)?;
        taken
            .try_into()
            .map_err(|_| self.error("the binary policy ends here"))
    }

    fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn guid(&mut self) -> Result<Guid, ReadError> {
        Ok(Guid(self.array()?))
    }

    /// A count of entries of at least `least` bytes each, which must have room in what is left.
    fn count(&mut self, least: usize) -> Result<usize, ReadError> {
        let start = self.at;
        let count = self.u32()? as usize;
        self.check_count(count, least, start)
    }

    fn check_count(&self, count: usize, least: usize, at: usize) -> Result<usize, ReadError> {
        let room = self.bytes.len().saturating_sub(self.at);
        if count.checked_mul(least).is_none_or(|length| length > room) {
            return Err(ReadError {
                place: self.document.place(Position {
                    line: 0,
                    column: u32::try_from(at).unwrap_or(u32::MAX),
                }),
                message: format!("a count of {count} has no room in the rest of the policy; it is damaged"),
            });
        }
        Ok(count)
    }

    fn blob(&mut self) -> Result<Vec<u8>, ReadError> {
        let length = self.u32()? as usize;
        let blob = self.take(length)?.to_vec();
        let padding = length.next_multiple_of(4) - length;
        if self.take(padding)?.iter().any(|byte| *byte != 0) {
            return Err(self.error("padding is not zero; the policy is damaged"));
        }
        Ok(blob)
    }

    /// A string; `None` if empty.
    fn string(&mut self) -> Result<Option<String>, ReadError> {
        let start = self.position();
        let blob = self.blob()?;
        if self.u32()? != 0 {
            return Err(self.error("a string is not closed by zero; the policy is damaged"));
        }
        let (pairs, rest) = blob.as_chunks::<2>();
        let text =
            char::decode_utf16(pairs.iter().copied().map(u16::from_le_bytes)).collect::<Result<String, _>>();
        // What XML cannot hold no tool has written; leaving it out would change what a rule says.
        let odd = |text: &str| {
            text.chars()
                .any(|found| matches!(found, '\0'..'\t' | '\u{b}' | '\u{c}' | '\u{e}'..' ' | '\u{fffe}' | '\u{ffff}'))
        };
        match text {
            Ok(text) if odd(&text) => Err(ReadError {
                place: self.document.place(start),
                message: "a string holds control characters; the policy is damaged".to_owned(),
            }),
            Ok(text) if rest.is_empty() => Ok((!text.is_empty()).then_some(text)),
            _ => Err(ReadError {
                place: self.document.place(start),
                message: "a string is not UTF-16; the policy is damaged".to_owned(),
            }),
        }
    }

    fn index(&mut self, below: usize, what: &str) -> Result<usize, ReadError> {
        let position = self.position();
        let index = self.u32()? as usize;
        if index < below {
            Ok(index)
        } else {
            Err(ReadError {
                place: self.document.place(position),
                message: format!("there is no {what} number {index}; the policy is damaged"),
            })
        }
    }

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
        let flags = self.u32()?;
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
            let id = match value {
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

    /// One of the blocks that later format versions added.
    fn block(&mut self, block: u32) -> Result<(), ReadError> {
        match block {
            3 => {
                for at in 0..self.document.file_rules.len() {
                    self.versions_and_applications(at)?;
                }
                for at in 0..self.document.signers.len() {
                    let time = i64::from_le_bytes(self.array()?);
                    self.document.signers[at].sign_time_after = (time != 0).then_some(time);
                }
            }
            4 => {
                for at in 0..self.document.file_rules.len() {
                    let [internal, description, product] = [self.string()?, self.string()?, self.string()?];
                    let attributes = self.attributes(at);
                    attributes.internal_name = internal;
                    attributes.file_description = description;
                    attributes.product_name = product;
                }
            }
            5 => {
                for at in 0..self.document.file_rules.len() {
                    let (family, version) = (self.string()?, self.u64()?);
                    let attributes = self.attributes(at);
                    attributes.package_family_name = family;
                    attributes.package_version = (version != 0).then_some(FileVersion(version));
                }
            }
            6 => {
                self.document.policy_id = Some(self.guid()?);
                self.document.base_policy_id = Some(self.guid()?);
                // In this form the header repeats the base policy's id in place of the type.
                if self.document.policy_type_id == self.document.base_policy_id {
                    self.document.policy_type_id = None;
                }
                self.document.supplemental_policy_signers = self.signer_references()?;
            }
            7 => {
                for at in 0..self.document.file_rules.len() {
                    let path = self.string()?;
                    self.attributes(at).file_path = path;
                }
            }
            8 => {
                let count = self.u32()?;
                if count != 0 {
                    return Err(self.error("application settings in a binary policy cannot be read"));
                }
            }
            9 => self.hotpatches()?,
            10 => self.artifacts()?,
            _ => {
                for _ in 0..self.count(8)? {
                    let at = self.index(self.document.signers.len(), "signer")?;
                    for _ in 0..self.count(4)? {
                        let eku = self.eku_reference()?;
                        self.document.signers[at].ekus.push(CertEku { eku, except: true });
                    }
                }
            }
        }
        Ok(())
    }

    fn attributes(&mut self, at: usize) -> &mut FileAttributes {
        self.document.file_rules[at].attributes.get_or_insert_default()
    }

    fn versions(&mut self, at: usize, maximum: u64) {
        let (kind, minimum) = (self.document.file_rules[at].kind, self.minimums[at]);
        let attributes = self.attributes(at);
        attributes.maximum_version = (maximum != 0).then_some(FileVersion(maximum));
        attributes.minimum_version = match kind {
            // A deny rule for any version is stored with the highest minimum.
            FileRuleKind::Deny if minimum == u64::MAX && maximum == 0 => None,
            FileRuleKind::Deny => Some(FileVersion(minimum)),
            FileRuleKind::Allow | FileRuleKind::Attribute => (minimum != 0).then_some(FileVersion(minimum)),
        };
    }

    fn versions_and_applications(&mut self, at: usize) -> Result<(), ReadError> {
        let maximum = self.u64()?;
        self.versions(at, maximum);
        let count = self.count(8)?;
        let mut applications = Vec::new();
        for _ in 0..count {
            applications.push(self.string()?.unwrap_or_default());
        }
        if let [only] = applications.as_slice() {
            self.attributes(at).app_ids = Some(only.clone());
        } else if !applications.is_empty() {
            let mut names = String::new();
            for application in applications {
                let id = format!("App{}", self.document.macros.len() + 1);
                names.extend(["$(", &id, ")"]);
                self.document.macros.push((id, application));
            }
            self.attributes(at).app_ids = Some(names);
        }
        Ok(())
    }

    fn hotpatches(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.count(16)? {
            let rules = self.document.file_rules.len();
            let (base, target) = (self.index(rules, "file rule")?, self.index(rules, "file rule")?);
            let (minimum, maximum) = (self.u32()?, self.u32()?);
            let id = self.document.file_rules[target].id.clone();
            self.attributes(base).require_hotpatch_id = Some(id);
            let attributes = self.attributes(target);
            attributes.minimum_hotpatch_sequence = Some(minimum);
            attributes.maximum_hotpatch_sequence = Some(maximum);
        }
        Ok(())
    }

    fn artifacts(&mut self) -> Result<(), ReadError> {
        for number in 1..=self.count(44)? {
            let position = self.position();
            let artifact_type = if self.u32()? == 0 { "CIM" } else { "Catalog" };
            let action = if self.u32()? == 0 { "Deny" } else { "Allow" };
            let (name, description) = (self.string()?, self.string()?);
            let (minimum, maximum) = (self.u64()?, self.u64()?);
            let hash = self.blob()?;
            self.document.artifact_rules.push(ArtifactRule {
                position,
                id: format!("ID_ARTIFACT_A_{number}"),
                artifact_type: artifact_type.to_owned(),
                action: action.to_owned(),
                friendly_name: None,
                name,
                description,
                minimum_version: (minimum != 0).then_some(FileVersion(minimum)),
                maximum_version: (maximum != u64::MAX).then_some(FileVersion(maximum)),
                hash,
            });
        }
        for _ in 0..self.count(8)? {
            let at = self.index(self.document.signers.len(), "signer")?;
            self.document.signers[at].artifact_rules = self.artifact_references()?;
        }
        for at in 0..self.document.scenarios.len() {
            let group = self.group(true)?;
            self.document.scenarios[at].artifact = (group != SignerGroup::default()).then_some(group);
        }
        Ok(())
    }
}
