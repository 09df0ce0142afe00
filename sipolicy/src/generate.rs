//! Rules from evidence: a policy that allows what a scan found.

mod facts;
mod level;
mod rules;

pub use level::RuleLevel;

use crate::document::Document;
use crate::document::Eku;
use crate::document::FileAttributes;
use crate::document::KERNEL_SCENARIO;
use crate::document::PLATFORM;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Scenario;
use crate::guid::Guid;
use crate::version::FileVersion;
use evidence::Evidence;
use facts::file_name;
use facts::leaf;
use facts::pca;
use facts::plain;
use facts::tbs;
use facts::usable;
use facts::version;
use policy::EKU_WHQL;
use policy::Options;
use policy::fold;
use rules::Rules;
use sha2::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;

/// Collects rules for files and makes a policy of them: deterministic, one signer for each distinct signer, no rule twice.
#[derive(Clone, Debug)]
pub struct Generator {
    levels: Vec<RuleLevel>,
    hashes: BTreeMap<Vec<u8>, String>,
    names: BTreeMap<String, String>,
    signers: BTreeMap<SignerKey, Files>,
}

/// What distinguishes one generated signer from another; names folded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SignerKey {
    tbs: Vec<u8>,
    whql: bool,
    publisher: Option<String>,
    oem: Option<String>,
}

/// How a signer's names are spelled, and the files that it is restricted to.
#[derive(Clone, Debug, Default)]
struct Files {
    publisher: Option<String>,
    oem: Option<String>,
    /// Some file is allowed whatever it is called: there is no restriction.
    any: bool,
    /// Kind of name and folded name; the name itself and the lowest version seen.
    named: BTreeMap<(usize, String), (String, u64)>,
}

impl Files {
    /// Takes in the files of another signer with the same key.
    fn absorb(&mut self, other: Self) {
        for (known, name) in [(&mut self.publisher, other.publisher), (&mut self.oem, other.oem)] {
            if let Some(name) = name {
                keep_least(known.get_or_insert_default(), name);
            }
        }
        self.any |= other.any;
        for (key, (name, version)) in other.named {
            let (spelling, lowest) = self.named.entry(key).or_insert((String::new(), version));
            keep_least(spelling, name);
            *lowest = version.min(*lowest);
        }
    }
}

impl Generator {
    /// Starts with a level and, for files that it does not suit, others to try in order.
    pub fn new(level: RuleLevel, fallback: &[RuleLevel]) -> Self {
        Self {
            levels: std::iter::once(level).chain(fallback.iter().copied()).collect(),
            hashes: BTreeMap::new(),
            names: BTreeMap::new(),
            signers: BTreeMap::new(),
        }
    }

    /// Adds rules that allow a file and says at which level.
    ///
    /// # Errors
    /// Why none of the levels suits the file.
    pub fn add(&mut self, name: &str, evidence: &Evidence<'_>) -> Result<RuleLevel, String> {
        let mut reasons = Vec::new();
        for level in self.levels.clone() {
            match self.add_at(level, name, evidence) {
                Ok(()) => return Ok(level),
                Err(reason) => reasons.push(format!("{level}: {reason}")),
            }
        }
        Err(reasons.join("; "))
    }

    /// Takes in the rules that another generator collected. What is made does not depend on who collected what.
    pub fn absorb(&mut self, other: Self) {
        for (hash, friendly) in other.hashes {
            keep_least(self.hashes.entry(hash).or_default(), friendly);
        }
        for (folded, name) in other.names {
            keep_least(self.names.entry(folded).or_default(), name);
        }
        for (key, files) in other.signers {
            self.signers.entry(key).or_default().absorb(files);
        }
    }

    fn add_at(&mut self, level: RuleLevel, name: &str, evidence: &Evidence<'_>) -> Result<(), &'static str> {
        match level {
            RuleLevel::Hash => self.add_hashes(name, evidence),
            RuleLevel::FileName => {
                let (kind, text, _) = file_name(evidence)?;
                if kind != 0 {
                    return Err("the version resource has no original file name");
                }
                keep_least(self.names.entry(folded(&text)).or_default(), text);
                Ok(())
            }
            RuleLevel::LeafCertificate => {
                let leaf = leaf(usable(evidence, false)?)?;
                self.add_signer(tbs(leaf)?, false, None, None, None);
                Ok(())
            }
            RuleLevel::PcaCertificate => {
                let tbs = pca(usable(evidence, false)?)?;
                self.add_signer(tbs, false, None, None, None);
                Ok(())
            }
            RuleLevel::Publisher | RuleLevel::FilePublisher | RuleLevel::SignedVersion => {
                let signature = usable(evidence, false)?;
                let publisher = plain(leaf(signature)?.subject_cn);
                let publisher = publisher.ok_or("the signer's certificate has no common name")?;
                let file = match level {
                    RuleLevel::FilePublisher => Some(file_name(evidence)?),
                    RuleLevel::SignedVersion => Some((0, "*".to_owned(), version(evidence)?)),
                    _ => None,
                };
                self.add_signer(pca(signature)?, false, Some(publisher), None, file);
                Ok(())
            }
            RuleLevel::Whql | RuleLevel::WhqlPublisher | RuleLevel::WhqlFilePublisher => {
                let signature = usable(evidence, true)?;
                let oem = if level == RuleLevel::Whql {
                    None
                } else {
                    Some(plain(signature.oem_id).ok_or("the WHQL signature names no hardware vendor")?)
                };
                let file = match level {
                    RuleLevel::WhqlFilePublisher => Some(file_name(evidence)?),
                    _ => None,
                };
                self.add_signer(pca(signature)?, true, None, oem, file);
                Ok(())
            }
        }
    }

    fn add_hashes(&mut self, name: &str, evidence: &Evidence<'_>) -> Result<(), &'static str> {
        let digests = evidence
            .digests
            .present()
            .ok_or("the file's hashes are not known")?;
        // An image that is not conformant is allowed by its flat hashes alone.
        let authenticode = policy::grants_by_authenticode(evidence);
        let of_image = |hash: Option<Vec<u8>>| hash.filter(|_| authenticode);
        let of_file = |hash: Option<Vec<u8>>| hash.filter(|_| !authenticode);
        let all: [(&str, Option<Vec<u8>>); 6] = [
            ("Sha1", of_image(digests.sha1.map(|hash| hash.to_vec()))),
            ("Sha256", of_image(digests.sha256.map(|hash| hash.to_vec()))),
            (
                "Page Sha1",
                of_image(digests.first_page_sha1.map(|hash| hash.to_vec())),
            ),
            (
                "Page Sha256",
                of_image(digests.first_page_sha256.map(|hash| hash.to_vec())),
            ),
            ("Flat Sha1", of_file(digests.flat_sha1.map(|hash| hash.to_vec()))),
            (
                "Flat Sha256",
                of_file(digests.flat_sha256.map(|hash| hash.to_vec())),
            ),
        ];
        let known: Vec<_> = all
            .into_iter()
            .filter_map(|(what, hash)| Some((what, hash?)))
            .collect();
        let allows = |what: &str| !what.starts_with("Page");
        if !known.iter().any(|(what, _)| allows(what)) {
            return Err("the file's hashes are not known");
        }
        for (what, hash) in known {
            let friendly = format!("{name} Hash {what}");
            keep_least(self.hashes.entry(hash).or_default(), friendly);
        }
        Ok(())
    }

    fn add_signer(
        &mut self,
        tbs: Vec<u8>,
        whql: bool,
        publisher: Option<String>,
        oem: Option<String>,
        file: Option<(usize, String, u64)>,
    ) {
        let key = SignerKey {
            tbs,
            whql,
            publisher: publisher.as_deref().map(folded),
            oem: oem.as_deref().map(folded),
        };
        let mut files = Files {
            publisher,
            oem,
            any: file.is_none(),
            named: BTreeMap::new(),
        };
        if let Some((kind, name, version)) = file {
            files.named.insert((kind, folded(&name)), (name, version));
        }
        self.signers.entry(key).or_default().absorb(files);
    }

    /// The policy: a base policy in audit mode, with an id made from its rules, so that the same scan makes the same policy.
    pub fn finish(self, name: &str) -> Document {
        let mut rules = Rules::default();
        for (at, (hash, friendly)) in self.hashes.into_iter().enumerate() {
            rules.allow(format!("ID_ALLOW_A_{}", at + 1), Some(friendly), hash, None);
        }
        for (at, (_, file_name)) in self.names.into_iter().enumerate() {
            let attributes = FileAttributes {
                file_name: Some(file_name),
                ..FileAttributes::default()
            };
            rules.allow(
                format!("ID_ALLOW_N_{}", at + 1),
                None,
                Vec::new(),
                Some(attributes),
            );
        }
        let whql = self.signers.keys().any(|key| key.whql);
        for (at, (key, files)) in self.signers.into_iter().enumerate() {
            rules.signer(at + 1, key, files);
        }
        let mut document = Document {
            file: "generated".into(),
            kind: PolicyKind::Base,
            friendly_name: Some(name.to_owned()),
            version: FileVersion(1 << 48),
            platform_id: PLATFORM.parse().ok(),
            options: Options::AUDIT_MODE.with(Options::UNSIGNED_POLICY),
            file_rules: rules.files,
            signers: rules.signers,
            scenarios: vec![Scenario {
                id: "ID_SIGNINGSCENARIO_DRIVERS_1".to_owned(),
                friendly_name: Some("Kernel drivers".to_owned()),
                value: KERNEL_SCENARIO,
                product: rules.group,
                ..Scenario::default()
            }],
            hvci_options: Some(0),
            ..Document::default()
        };
        if whql {
            let encoded = [&[1, 10][..], EKU_WHQL].concat();
            document.ekus.push(Eku {
                position: Position::default(),
                id: "ID_EKU_WHQL".to_owned(),
                friendly_name: Some("Windows Hardware Driver Verification".to_owned()),
                value: Some(encoded),
                oid: None,
            });
        }
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(document.to_xml())[..16]);
        // A GUID made from data, as RFC 9562 marks it: version 8.
        id[7] = id[7] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        document.policy_id = Some(Guid(id));
        document.base_policy_id = Some(Guid(id));
        document
    }
}

/// Keeps the lesser of two spellings, so that the order of the scan does not matter; an empty one is none.
fn keep_least(known: &mut String, spelling: String) {
    if known.is_empty() || spelling < *known {
        *known = spelling;
    }
}

fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}
