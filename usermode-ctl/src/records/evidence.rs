//! The evidence record: what a file proves about itself.

mod of_event;

pub use of_event::meaning;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use evidence::CatalogIndex;
use evidence::Digests;
use evidence::ErrorKind;
use evidence::Evidence;
use evidence::ExamineError;
use evidence::Fact;
use evidence::Image;
use evidence::Text;
use evidence::Trust;
use evidence::TrustClass;
use evidence::Unreadable;
use evidence::Version;
use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Serialize;

use crate::output::hex;
use crate::records::SignatureRecord;
use crate::records::dotted;
use crate::records::signature::Reasons;
use crate::records::signature::reason_of;
use crate::records::signature::reasons;
use crate::records::signature::recorded_reasons;
use crate::records::values::time;

/// What a file proves about itself. A fact that the machine could not read is left out; one that the file does not state, or hides, is
/// `null`.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EvidenceRecord {
    pub schema: &'static str,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    pub status: Status,
    /// Why the status is not `ok`.
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conformant: Option<bool>,
    pub authenticode: DigestsRecord,
    pub first_page: DigestsRecord,
    pub flat: DigestsRecord,
    /// `None` when it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Stated<VersionRecord>>,
    /// `None` when they could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signatures: Option<Vec<SignatureRecord>>,
    /// Bytes in the certificate table that belong to no signature; left out if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra_bytes: Option<u64>,
    /// Facts that the file itself hides, and how: they grant nothing, and are taken for what is denied. `more_signatures` says that there
    /// may be signatures beside those that stand here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claimed: Reasons,
    /// Facts that the machine could not read, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: Reasons,
    /// When the file was weighed, for signatures that end with their certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weighed_at: Option<String>,
    /// What the driver policy of April 2026 makes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustRecord>,
    /// Why, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_reason: Option<String>,
    /// Which signature the trust class rests on.
    #[serde(skip)]
    best: Option<usize>,
}

/// A trust class by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrustRecord(pub TrustClass);

impl JsonSchema for TrustRecord {
    fn schema_name() -> Cow<'static, str> {
        "Trust".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": TrustClass::ALL.map(TrustClass::name) })
    }
}

impl Serialize for TrustRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

/// What a file that was read states about something.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Stated<T> {
    Something(T),
    /// `null` in JSON.
    Nothing,
}

/// Whether the evidence is whole.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Ok,
    NotPe,
    Malformed,
    Unreadable,
}

impl Status {
    /// The name in JSON and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotPe => "not-pe",
            Self::Malformed => "malformed",
            Self::Unreadable => "unreadable",
        }
    }

    const fn of(error: &ErrorKind) -> Self {
        match error {
            ErrorKind::NotPe(_) => Self::NotPe,
            ErrorKind::Malformed { .. } => Self::Malformed,
            _ => Self::Unreadable,
        }
    }

    /// From the code of an [`ErrorKind`], whose ranges are fixed.
    const fn of_code(code: u64) -> Self {
        match code {
            0..=9 => Self::Unreadable,
            10..=19 => Self::NotPe,
            _ => Self::Malformed,
        }
    }
}

/// Digests in hexadecimal; those that were not computed are left out.
#[derive(Clone, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
pub struct DigestsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha384: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

/// The version resource.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct VersionRecord {
    /// `null` where the resource has names alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_version: Option<Stated<String>>,
    pub original_filename: Option<String>,
    pub internal_name: Option<String>,
    pub file_description: Option<String>,
    pub product_name: Option<String>,
    /// What is `null` because it does not parse.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claimed: Reasons,
}

impl EvidenceRecord {
    fn new(path: String, status: Status) -> Self {
        Self {
            schema: "gatehouse.evidence/2",
            path,
            size: None,
            status,
            error: None,
            machine: None,
            subsystem: None,
            conformant: None,
            authenticode: DigestsRecord::default(),
            first_page: DigestsRecord::default(),
            flat: DigestsRecord::default(),
            version: None,
            signatures: None,
            extra_bytes: None,
            claimed: Reasons::new(),
            unknown: Reasons::new(),
            weighed_at: None,
            trust: None,
            trust_reason: None,
            best: None,
        }
    }

    /// What an examination of a file found. `catalogs` are those it was given, for their names.
    pub fn of_file(
        path: String,
        size: u64,
        examined: &Result<Evidence<'_>, ExamineError>,
        catalogs: Option<&CatalogIndex<'_>>,
    ) -> Self {
        let (status, error, evidence) = match examined {
            Ok(evidence) => (Status::Ok, None, *evidence),
            Err(error) => (Status::of(&error.kind), Some(error.to_string()), error.evidence()),
        };
        let mut record = Self::new(path, status);
        record.error = error;
        record.size = Some(size);
        if let Fact::Present(image) = evidence.image {
            record.image(&image);
        }
        if let Fact::Present(digests) = &evidence.digests {
            record.digests(digests);
        }
        let evidence = evidence.at(now());
        record.version = match evidence.version {
            Fact::Present(version) => Some(Stated::Something(VersionRecord::of(&version))),
            Fact::Unreadable(reason) if !reason.is_from_file() => None,
            Fact::Absent | Fact::Unreadable(_) => Some(Stated::Nothing),
        };
        record.reasons([
            ("image", reason_of(&evidence.image)),
            ("digests", reason_of(&evidence.digests)),
            ("version", reason_of(&evidence.version)),
            ("signatures", reason_of(&evidence.signatures)),
            ("more_signatures", evidence.more_signatures),
        ]);
        record.weighed_at = evidence.weighed_at.and_then(time);
        record.extra_bytes = Some(evidence.extra_bytes).filter(|bytes| *bytes > 0);
        // Of a file that is no image nothing is trusted, and nothing distrusted.
        if let (Fact::Present(_), Fact::Present(signatures)) = (evidence.image, evidence.signatures) {
            record.signatures = Some(
                signatures
                    .iter()
                    .map(|signature| SignatureRecord::of(signature, catalogs))
                    .collect(),
            );
            if let Fact::Present(trust) = Trust::of(&evidence) {
                record.trust = Some(TrustRecord(trust.class));
                record.trust_reason = Some(trust.to_string());
                record.best = trust.signature;
            }
        }
        record
    }

    /// A file that could not be opened or read.
    pub fn unreadable(path: String, why: String) -> Self {
        Self {
            error: Some(why),
            ..Self::new(path, Status::Unreadable)
        }
    }

    /// Takes note of the facts among these that could not be had.
    fn reasons<const N: usize>(&mut self, facts: [(&'static str, Option<Unreadable>); N]) {
        for (name, reason) in facts {
            match reason {
                Some(reason) if reason.is_from_file() => self.claimed.insert(name, reason.name()),
                Some(reason) => self.unknown.insert(name, reason.name()),
                None => None,
            };
        }
    }

    /// The signature that the trust class rests on: the first that holds best.
    pub fn best_signature(&self) -> Option<&SignatureRecord> {
        let signatures = self.signatures.as_ref()?;
        signatures.get(self.best?)
    }

    /// Whether it is of a kernel image, or does not say of what.
    pub fn may_be_kernel_image(&self) -> bool {
        self.subsystem
            .as_deref()
            .is_none_or(|subsystem| subsystem == "native")
    }

    /// Whether the file could not be opened or read.
    pub fn is_unreadable(&self) -> bool {
        self.status == Status::Unreadable
    }

    fn image(&mut self, image: &Image) {
        self.machine = Some(machine(image.machine));
        self.subsystem = Some(subsystem(image.subsystem));
        self.conformant = Some(image.conformant);
        self.size = Some(image.size);
    }

    fn digests(&mut self, digests: &Digests) {
        let text = |bytes: Option<&[u8]>| bytes.map(hex);
        self.authenticode = DigestsRecord {
            sha1: text(digests.sha1.as_ref().map(AsRef::as_ref)),
            sha256: text(digests.sha256.as_ref().map(AsRef::as_ref)),
            sha384: text(digests.sha384.as_ref().map(AsRef::as_ref)),
            sha512: text(digests.sha512.as_ref().map(AsRef::as_ref)),
        };
        self.first_page = DigestsRecord {
            sha1: text(digests.first_page_sha1.as_ref().map(AsRef::as_ref)),
            sha256: text(digests.first_page_sha256.as_ref().map(AsRef::as_ref)),
            ..DigestsRecord::default()
        };
        self.flat = DigestsRecord {
            sha1: text(digests.flat_sha1.as_ref().map(AsRef::as_ref)),
            sha256: text(digests.flat_sha256.as_ref().map(AsRef::as_ref)),
            ..DigestsRecord::default()
        };
    }
}

impl VersionRecord {
    fn of(version: &Version<'_>) -> Self {
        let text = |fact: Fact<Text<'_>>| fact.present().map(|text| text.chars().collect());
        Self {
            file_version: match version.file_version {
                Fact::Present(number) => Some(Stated::Something(dotted(number))),
                Fact::Absent | Fact::Unreadable(_) => Some(Stated::Nothing),
            },
            original_filename: text(version.original_filename),
            internal_name: text(version.internal_name),
            file_description: text(version.file_description),
            product_name: text(version.product_name),
            claimed: reasons([
                ("file_version", reason_of(&version.file_version)),
                ("original_filename", reason_of(&version.original_filename)),
                ("internal_name", reason_of(&version.internal_name)),
                ("file_description", reason_of(&version.file_description)),
                ("product_name", reason_of(&version.product_name)),
            ]),
        }
    }
}

/// The time, in seconds since 1970-01-01.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Name of an `IMAGE_FILE_MACHINE`. Source: Microsoft, "PE Format".
fn machine(machine: u16) -> Cow<'static, str> {
    match machine {
        0x014c => "i386".into(),
        0x01c0 => "arm".into(),
        0x01c4 => "armnt".into(),
        0x0200 => "ia64".into(),
        0x8664 => "amd64".into(),
        0xaa64 => "arm64".into(),
        other => format!("{other:#06x}").into(),
    }
}

/// Name of an `IMAGE_SUBSYSTEM`. Source: Microsoft, "PE Format".
fn subsystem(subsystem: u16) -> Cow<'static, str> {
    match subsystem {
        0 => "unknown".into(),
        1 => "native".into(),
        2 => "windows-gui".into(),
        3 => "windows-cui".into(),
        7 => "posix-cui".into(),
        8 => "native-windows".into(),
        9 => "windows-ce-gui".into(),
        10 => "efi-application".into(),
        11 => "efi-boot-service-driver".into(),
        12 => "efi-runtime-driver".into(),
        13 => "efi-rom".into(),
        14 => "xbox".into(),
        16 => "windows-boot-application".into(),
        other => other.to_string().into(),
    }
}
