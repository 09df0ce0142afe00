//! The rules of a generated policy, each made once.

use super::Files;
use super::SignerKey;
use super::folded;
use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use crate::version::FileVersion;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

#[derive(Default)]
pub(super) struct Rules {
    pub(super) files: Vec<FileRule>,
    pub(super) signers: Vec<Signer>,
    pub(super) group: SignerGroup,
    /// Ids of the file attributes made so far, by kind, folded name and version.
    attributes: BTreeMap<(usize, String, u64), String>,
}

fn reference(id: &str) -> Reference {
    Reference {
        position: Position::default(),
        id: id.to_owned(),
    }
}

impl Rules {
    pub(super) fn allow(
        &mut self,
        id: String,
        friendly_name: Option<String>,
        hash: Vec<u8>,
        attributes: Option<FileAttributes>,
    ) {
        self.group.rules.push(reference(&id));
        self.files.push(FileRule {
            position: Position::default(),
            kind: FileRuleKind::Allow,
            generic: false,
            id,
            friendly_name,
            hash,
            attributes: attributes.map(Box::new),
        });
    }

    pub(super) fn signer(&mut self, number: usize, key: SignerKey, mut files: Files) {
        let mut file_attributes = Vec::new();
        if !files.any {
            for ((kind, _), (name, version)) in std::mem::take(&mut files.named) {
                file_attributes.push(reference(&self.attribute(kind, name, version)));
            }
        }
        let vendor = files.oem.as_deref().or(files.publisher.as_deref());
        let name = match (key.whql, vendor) {
            (true, Some(vendor)) => format!("WHQL, {vendor}"),
            (true, None) => "WHQL".to_owned(),
            (false, Some(vendor)) => vendor.to_owned(),
            (false, None) => "certificate".to_owned(),
        };
        let id = format!("ID_SIGNER_S_{number}");
        self.group.allowed.push(SignerUse {
            signer: reference(&id),
            exceptions: Vec::new(),
        });
        let ekus = key.whql.then(|| CertEku {
            eku: reference("ID_EKU_WHQL"),
            except: false,
        });
        self.signers.push(Signer {
            position: Position::default(),
            id,
            name: Some(name),
            sign_time_after: None,
            root: CertRoot::Tbs(key.tbs),
            ekus: ekus.into_iter().collect(),
            issuer: None,
            publisher: files.publisher,
            oem_id: files.oem,
            file_attributes,
            artifact_rules: Vec::new(),
        });
    }

    /// The id of a file attribute, made when it is first asked for.
    fn attribute(&mut self, kind: usize, name: String, version: u64) -> String {
        let number = self.attributes.len() + 1;
        let id = match self.attributes.entry((kind, folded(&name), version)) {
            Entry::Occupied(known) => return known.get().clone(),
            Entry::Vacant(free) => free.insert(format!("ID_FILEATTRIB_F_{number}")).clone(),
        };
        let mut attributes = FileAttributes {
            minimum_version: Some(FileVersion(version)),
            ..FileAttributes::default()
        };
        let friendly_name = Some(format!("{name} from version {}", FileVersion(version)));
        match kind {
            0 => attributes.file_name = Some(name),
            1 => attributes.internal_name = Some(name),
            2 => attributes.file_description = Some(name),
            _ => attributes.product_name = Some(name),
        }
        self.files.push(FileRule {
            position: Position::default(),
            kind: FileRuleKind::Attribute,
            generic: false,
            id: id.clone(),
            friendly_name,
            hash: Vec::new(),
            attributes: Some(Box::new(attributes)),
        });
        id
    }
}
