//! Rules from evidence: a policy that allows what a scan found.

use crate::Document;
use crate::FileVersion;
use crate::Guid;
use crate::PolicyKind;
use crate::document::CertEku;
use crate::document::CertRoot;
use crate::document::Eku;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::PLATFORM;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::document::Signer;
use crate::document::SignerGroup;
use crate::document::SignerUse;
use evidence::Certificate;
use evidence::Evidence;
use evidence::Fact;
use evidence::Key;
use evidence::Signature;
use evidence::Text;
use policy::EKU_WHQL;
use policy::Options;
use policy::fold;
use sha2::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::str::FromStr;

/// How precisely generated rules name a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleLevel {
    /// The file's hashes.
    Hash,
    /// Its original file name.
    FileName,
    /// Certificate, publisher and at least this version.
    SignedVersion,
    /// Certificate and publisher.
    Publisher,
    /// Certificate, publisher, file name and at least this version.
    FilePublisher,
    /// The signer's own certificate.
    LeafCertificate,
    /// The certificate highest in the file's chain.
    PcaCertificate,
    /// The WHQL key usage.
    Whql,
    /// The WHQL key usage and the hardware vendor.
    WhqlPublisher,
    /// The WHQL key usage, the hardware vendor, file name and at least this version.
    WhqlFilePublisher,
}

impl RuleLevel {
    /// Every level.
    pub const ALL: [Self; 10] = [
        Self::Hash,
        Self::FileName,
        Self::SignedVersion,
        Self::Publisher,
        Self::FilePublisher,
        Self::LeafCertificate,
        Self::PcaCertificate,
        Self::Whql,
        Self::WhqlPublisher,
        Self::WhqlFilePublisher,
    ];

    /// The name, as App Control's tools write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "Hash",
            Self::FileName => "FileName",
            Self::SignedVersion => "SignedVersion",
            Self::Publisher => "Publisher",
            Self::FilePublisher => "FilePublisher",
            Self::LeafCertificate => "LeafCertificate",
            Self::PcaCertificate => "PcaCertificate",
            Self::Whql => "WHQL",
            Self::WhqlPublisher => "WHQLPublisher",
            Self::WhqlFilePublisher => "WHQLFilePublisher",
        }
    }
}

impl FromStr for RuleLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|level| level.name()).collect();
                format!("\"{text}\" is no rule level; write one of {}", names.join(", "))
            })
    }
}

impl fmt::Display for RuleLevel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

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
        let conformant = evidence.image.present().is_none_or(|image| image.conformant);
        let all: [(&str, Option<Vec<u8>>); 6] = [
            ("Sha1", digests.sha1.map(|hash| hash.to_vec())),
            ("Sha256", digests.sha256.map(|hash| hash.to_vec())),
            ("Page Sha1", digests.first_page_sha1.map(|hash| hash.to_vec())),
            ("Page Sha256", digests.first_page_sha256.map(|hash| hash.to_vec())),
            (
                "Flat Sha1",
                digests
                    .flat_sha1
                    .filter(|_| !conformant)
                    .map(|hash| hash.to_vec()),
            ),
            (
                "Flat Sha256",
                digests
                    .flat_sha256
                    .filter(|_| !conformant)
                    .map(|hash| hash.to_vec()),
            ),
        ];
        let known: Vec<_> = all
            .into_iter()
            .filter_map(|(what, hash)| Some((what, hash?)))
            .collect();
        if known.is_empty() {
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

#[derive(Default)]
struct Rules {
    files: Vec<FileRule>,
    signers: Vec<Signer>,
    group: SignerGroup,
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
    fn allow(
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

    fn signer(&mut self, number: usize, key: SignerKey, mut files: Files) {
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

/// Keeps the lesser of two spellings, so that the order of the scan does not matter; an empty one is none.
fn keep_least(known: &mut String, spelling: String) {
    if known.is_empty() || spelling < *known {
        *known = spelling;
    }
}

fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

/// The first signature that signer rules can go by; for the WHQL levels, the first WHQL one.
fn usable<'e>(evidence: &Evidence<'e>, whql: bool) -> Result<&'e Signature<'e>, &'static str> {
    let signatures = evidence
        .signatures
        .present()
        .ok_or("the file's signatures are not known")?;
    if signatures.is_empty() {
        return Err("the file is not signed");
    }
    let weighed = |signature: &&Signature<'_>| {
        let leaf = signature.chain.first();
        let strong = signature.signed_digest.as_bytes().len() >= 32;
        let rsa = leaf.is_some_and(|leaf| matches!(leaf.key, Key::Rsa(..=4096)));
        signature.digest_valid && signature.signature_valid && rsa && strong
    };
    let has_whql = |signature: &&Signature<'_>| {
        let leaf = signature.chain.first();
        leaf.is_some_and(|leaf| leaf.ekus.contains(EKU_WHQL))
            && signature.root.verified
            && matches!(signature.root.wellknown, Some(4..=6))
    };
    let mut candidates = signatures.iter().filter(weighed).peekable();
    if candidates.peek().is_none() {
        return Err("no signature holds that is RSA and at least SHA-256");
    }
    if whql {
        candidates.find(has_whql).ok_or("no signature is a WHQL one")
    } else {
        candidates.next().ok_or("no signature holds")
    }
}

fn leaf<'e>(signature: &Signature<'e>) -> Result<&'e Certificate<'e>, &'static str> {
    signature.chain.first().ok_or("the signature has no certificate")
}

fn tbs(certificate: &Certificate<'_>) -> Result<Vec<u8>, &'static str> {
    let hash = certificate
        .tbs
        .present()
        .ok_or("a certificate's TBS hash is not known")?;
    Ok(hash.as_bytes().to_vec())
}

/// The TBS hash of the highest certificate in the chain that is no root.
fn pca(signature: &Signature<'_>) -> Result<Vec<u8>, &'static str> {
    let is_root = |certificate: &Certificate<'_>| match (certificate.subject_cn, certificate.issuer_cn) {
        (Fact::Present(subject), Fact::Present(issuer)) => subject == issuer,
        _ => false,
    };
    let highest = match signature.chain {
        [] => return Err("the signature has no certificate"),
        [.., below, top] if is_root(top) => below,
        [.., top] => top,
    };
    tbs(highest)
}

fn version(evidence: &Evidence<'_>) -> Result<u64, &'static str> {
    let version = evidence
        .version
        .present()
        .ok_or("the file has no version resource")?;
    Ok(version.file_version)
}

/// The name that rules can go by, of the first kind the file has, and its version.
fn file_name(evidence: &Evidence<'_>) -> Result<(usize, String, u64), &'static str> {
    let version = evidence
        .version
        .present()
        .ok_or("the file has no version resource")?;
    let names: [Fact<Text<'_>>; 4] = [
        version.original_filename,
        version.internal_name,
        version.file_description,
        version.product_name,
    ];
    let found = names.into_iter().enumerate().find_map(|(kind, name)| {
        // "*" would be any name.
        let name = plain(name).filter(|name| name != "*")?;
        Some((kind, name))
    });
    let (kind, name) = found.ok_or("the version resource has no name")?;
    Ok((kind, name, version.file_version))
}

/// A name that XML can hold as it is.
fn plain(name: Fact<Text<'_>>) -> Option<String> {
    let name = name.present()?.to_string();
    let odd = |character: char| character.is_control() || matches!(character, '\u{fffe}' | '\u{ffff}');
    (!name.trim().is_empty() && !name.chars().any(odd)).then_some(name)
}
