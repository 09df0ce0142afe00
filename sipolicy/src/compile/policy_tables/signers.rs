//! The signers of one policy, to records.

use super::PolicyTables;
use super::number_of;
use crate::compile::error_at;
use crate::document::CertRoot;
use crate::document::Signer;
use crate::document::SignerUse;
use crate::error::CompileError;
use crate::hex;
use crate::semantics::groups_in_force;
use crate::write_set::u32_of;
use evidence::Text;
use policy::Action;
use policy::EKU_WHQL;
use policy::Level;
use policy::bounds::MAX_EKUS_OF_SIGNER;
use policy::bucket_index;
use policy::records;
use policy::records::AttributeRef;
use policy::records::NONE;
use policy::records::SignerRecord;
use policy::text_key;
use zerocopy::little_endian::U32;

impl<'d> PolicyTables<'d, '_> {
    /// Writes the signers that the scenarios allow and deny.
    pub(super) fn signers(&mut self) -> Result<(), CompileError> {
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
        let mut exceptions = Vec::new();
        for exception in &found.exceptions {
            let Some(rule) = self.file_rule_at(&exception.id) else {
                return Err(self.dangling("file rule", exception, "RuleID of the exception"));
            };
            let (attribute, _) = self.attribute(rule)?;
            exceptions.push(attribute);
        }
        // Said twice is said once.
        exceptions.sort_unstable();
        exceptions.dedup();
        let except_first = u32_of(self.writer.exceptions.len());
        let except_count = u32_of(exceptions.len());
        self.writer
            .exceptions
            .extend(exceptions.into_iter().map(U32::new));
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
            except_count: except_count.into(),
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
            let (attribute, key) = self.attribute(rule)?;
            refs.push(AttributeRef {
                key: key.into(),
                attribute: attribute.into(),
            });
        }
        refs.sort_by_key(|reference| (reference.key.get(), reference.attribute.get()));
        refs.dedup_by_key(|reference| reference.attribute.get());
        let named = refs.iter().any(|reference| reference.key.get() != 0);
        let attribute_first = u32_of(self.writer.attribute_refs.len());
        let attribute_count = u32_of(refs.len());
        self.writer.attribute_refs.extend(refs);
        let (tbs, wellknown) = match &signer.root {
            CertRoot::Tbs(tbs) => (self.pooled(tbs, &signer.id, signer.position)?, 0),
            CertRoot::Wellknown(id) => (NONE, *id),
        };
        let mut text = |name: &'d Option<String>| match name.as_deref() {
            Some(name) => self.folded(name, &signer.id, signer.position),
            None => Ok(NONE),
        };
        let [publisher, issuer, oem] = [&signer.publisher, &signer.issuer, &signer.oem_id].map(&mut text);
        let record = SignerRecord {
            tbs: tbs.into(),
            publisher: publisher?.into(),
            issuer: issuer?.into(),
            oem: oem?.into(),
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
        if signer.ekus.len() > MAX_EKUS_OF_SIGNER as usize {
            let message = format!(
                "{} has {} CertEKUs; a signer may have {MAX_EKUS_OF_SIGNER}: split it into several signers",
                signer.id,
                signer.ekus.len()
            );
            return Err(error_at(self.document, signer.position, message));
        }
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
                let offset = self.pooled(content, &eku.id, eku.position)?;
                self.writer.ekus.push(offset.into());
                counts[usize::from(except)] += 1;
            }
        }
        Ok((first, counts[0], counts[1], whql))
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
