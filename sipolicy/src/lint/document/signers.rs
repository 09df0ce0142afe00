//! Faults of key usages and signers.

use super::Linter;
use super::asks_whql;
use super::has_key;
use crate::document::CertRoot;
use crate::document::Signer;
use crate::hex;
use crate::lint::Code;

/// Vendors of drivers as their certificates spell them: to find names that were cut short.
const VENDORS: [&str; 12] = [
    "NVIDIA Corporation",
    "Intel Corporation",
    "Realtek Semiconductor Corp.",
    "Advanced Micro Devices, Inc.",
    "Advanced Micro Devices Inc.",
    "Dell Inc.",
    "Dell Technologies Inc.",
    "HP Inc.",
    "Lenovo",
    "Broadcom Inc.",
    "Qualcomm Atheros",
    "VMware, Inc.",
];

impl Linter<'_, '_> {
    pub(super) fn ekus(&mut self) {
        for eku in &self.document.ekus {
            let id = &eku.id;
            let from_oid = eku.oid.as_deref().map(hex::encode_oid);
            if let (Some(value), Some(from_oid)) = (&eku.value, &from_oid)
                && from_oid.as_ref() != Some(value)
            {
                let message = format!(
                    "{id} has the Value {} and the OID {}, which is {}",
                    hex::encode(value),
                    eku.oid.as_deref().unwrap_or_default(),
                    from_oid
                        .as_deref()
                        .map_or("no object identifier".to_owned(), hex::encode)
                );
                self.find(Code::EkuTwice, eku.position, message);
            }
            let valid = eku.encoded().is_some_and(|value| hex::is_encoded_oid(&value));
            if !valid {
                let value = eku.value.as_deref().map(hex::encode).or(eku.oid.clone());
                let value = value.unwrap_or_default();
                let message = format!("{id} has the value {value}, which is no encoded object identifier");
                self.find(Code::EkuEncoding, eku.position, message);
            }
        }
    }

    pub(super) fn signers(&mut self) {
        let document = self.document;
        for signer in &document.signers {
            let id = &signer.id;
            for cert_eku in &signer.ekus {
                let there = self.by_id.eku(&cert_eku.eku.id).is_some();
                self.refer(&cert_eku.eku, there, "EKU");
            }
            for reference in &signer.file_attributes {
                let there = self.by_id.rule(&reference.id).is_some();
                self.refer(reference, there, "file rule");
            }
            self.duplicates(&signer.file_attributes);
            match &signer.root {
                CertRoot::Tbs(tbs) if !matches!(tbs.len(), 16 | 20 | 32 | 48 | 64) => self.find(
                    Code::BadTbs,
                    signer.position,
                    format!("{id} goes by a TBS hash of {} bytes", tbs.len()),
                ),
                CertRoot::Wellknown(root) if !has_key(*root) => {
                    let name = self.knowledge.root(*root);
                    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
                    let message = format!("{id} goes by well-known root {root:02X}{name}");
                    self.find(Code::UnknownRoot, signer.position, message);
                }
                _ => {}
            }
            if let Some(publisher) = &signer.publisher {
                let whql_leaf = publisher.starts_with("Microsoft Windows Hardware");
                if asks_whql(&self.by_id, signer) && !whql_leaf {
                    self.find(
                        Code::WhqlByCommonName,
                        signer.position,
                        format!("{id} asks for the WHQL EKU and CertPublisher \"{publisher}\""),
                    );
                }
            }
            for name in signer.publisher.iter().chain(&signer.oem_id) {
                self.vendor_name(signer, name);
            }
        }
    }

    fn vendor_name(&mut self, signer: &Signer, name: &str) {
        let lower = name.to_lowercase();
        let begins = VENDORS.iter().find(|vendor| {
            let vendor = vendor.to_lowercase();
            vendor.len() > lower.len() && vendor.starts_with(&lower)
        });
        let whole = VENDORS.iter().any(|vendor| vendor.eq_ignore_ascii_case(name));
        if let Some(vendor) = begins.filter(|_| !whole && name.len() >= 3) {
            self.find(
                Code::PublisherPrefix,
                signer.position,
                format!(
                    "{} names \"{name}\"; the certificate says \"{vendor}\"",
                    signer.id
                ),
            );
        }
    }
}
