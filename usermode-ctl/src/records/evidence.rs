//! The evidence record: what a file proves about itself.

use std::borrow::Cow;
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
use evidence::Version;
use protocol::event::Record as Event;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Serialize;

use crate::output::hex;
use crate::records::SignatureRecord;
use crate::records::dotted;
use crate::records::verdict::groups;

/// What a file proves about itself. A fact that could not be established is left out; one that the file does not state is
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
    pub file_version: String,
    pub original_filename: Option<String>,
    pub internal_name: Option<String>,
    pub file_description: Option<String>,
    pub product_name: Option<String>,
}

impl EvidenceRecord {
    fn new(path: String, status: Status) -> Self {
        Self {
            schema: "gatehouse.evidence/1",
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
        record.version = match evidence.version {
            Fact::Present(version) => Some(Stated::Something(VersionRecord::of(&version))),
            Fact::Absent => Some(Stated::Nothing),
            Fact::Unreadable(_) => None,
        };
        // Of a file that is no image nothing is trusted, and nothing distrusted.
        if let (Fact::Present(_), Fact::Present(signatures)) = (evidence.image, evidence.signatures) {
            record.signatures = Some(
                signatures
                    .iter()
                    .map(|signature| SignatureRecord::of(signature, catalogs))
                    .collect(),
            );
            if let Fact::Present(trust) = Trust::at(&evidence, now()) {
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

    /// The evidence in an event record.
    pub fn of_event(path: String, event: &Event<'_>) -> Self {
        let fields = &event.fields;
        let number = |tag| fields.find(tag).and_then(Field::number);
        let error = number(tag::ERROR);
        let system = number(tag::STATUS);
        let status = match (error, system) {
            (Some(code), _) => Status::of_code(code),
            (None, Some(_)) => Status::Unreadable,
            (None, None) => Status::Ok,
        };
        let mut record = Self::new(path, status);
        record.error = describe(error, number(tag::OFFSET), system);
        if let Some(group) = fields.find(tag::EVIDENCE) {
            record.fields(&group.fields());
        }
        // The trust class tells that the signatures were read, even when there are none.
        if record.trust.is_some() {
            let signatures = groups(fields, tag::SIGNATURE_FACTS);
            record.signatures = Some(
                signatures
                    .map(|group| SignatureRecord::of_event(&group))
                    .collect(),
            );
        }
        record
    }

    /// The signature that the trust class rests on: the first that holds best.
    pub fn best_signature(&self) -> Option<&SignatureRecord> {
        let signatures = self.signatures.as_ref()?;
        signatures.get(self.best?)
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

    fn fields(&mut self, fields: &Fields<'_>) {
        let number = |tag| fields.find(tag).and_then(Field::number);
        let bytes = |tag| fields.find(tag).map(|field| hex(field.bytes));
        let narrow = |tag| number(tag).and_then(|number| u16::try_from(number).ok());
        self.machine = narrow(tag::MACHINE).map(machine);
        self.subsystem = narrow(tag::SUBSYSTEM).map(subsystem);
        self.conformant = number(tag::CONFORMANT).map(|number| number != 0);
        self.size = number(tag::FILE_SIZE);
        self.authenticode = DigestsRecord {
            sha1: bytes(tag::SHA1),
            sha256: bytes(tag::SHA256),
            sha384: bytes(tag::SHA384),
            sha512: bytes(tag::SHA512),
        };
        self.first_page = DigestsRecord {
            sha1: bytes(tag::FIRST_PAGE_SHA1),
            sha256: bytes(tag::FIRST_PAGE_SHA256),
            ..DigestsRecord::default()
        };
        self.flat = DigestsRecord {
            sha1: bytes(tag::FLAT_SHA1),
            sha256: bytes(tag::FLAT_SHA256),
            ..DigestsRecord::default()
        };
        let text = |tag| {
            fields
                .find(tag)
                .map(|field| String::from_utf8_lossy(field.bytes).into_owned())
        };
        self.trust = number(tag::TRUST)
            .and_then(TrustClass::from_number)
            .map(TrustRecord);
        let version = fields.find(tag::FILE_VERSION);
        // Empty where the file has none, left out where it could not be read.
        if version.is_some_and(|field| field.bytes.is_empty()) {
            self.version = Some(Stated::Nothing);
            return;
        }
        self.version = version.and_then(Field::number).map(|version| {
            Stated::Something(VersionRecord {
                file_version: dotted(version),
                original_filename: text(tag::ORIGINAL_FILENAME),
                internal_name: text(tag::INTERNAL_NAME),
                file_description: text(tag::FILE_DESCRIPTION),
                product_name: text(tag::PRODUCT_NAME),
            })
        });
    }
}

impl VersionRecord {
    fn of(version: &Version<'_>) -> Self {
        let text = |fact: Fact<Text<'_>>| fact.present().map(|text| text.chars().collect());
        Self {
            file_version: dotted(version.file_version),
            original_filename: text(version.original_filename),
            internal_name: text(version.internal_name),
            file_description: text(version.file_description),
            product_name: text(version.product_name),
        }
    }
}

/// What an event says about evidence that is missing.
fn describe(error: Option<u64>, offset: Option<u64>, system: Option<u64>) -> Option<String> {
    let system = system.map(|status| {
        let meaning = meaning(status).map_or_else(String::new, |meaning| format!("{meaning}: "));
        format!("{meaning}the system call ended with status {status:#010x}")
    });
    let error = error.map(|code| examine_error(code, offset.unwrap_or(0)));
    match (error, system) {
        (Some(error), Some(system)) => Some(format!("{error}: {system}")),
        (error, system) => error.or(system),
    }
}

/// The words of `evidence` for the error with this code.
fn examine_error(code: u64, offset: u64) -> String {
    let known = u16::try_from(code).ok();
    match known.and_then(|code| ErrorKind::from_code(code, offset)) {
        Some(kind) => kind.to_string(),
        None => format!("examining the file failed with code {code} at file offset {offset:#x}"),
    }
}

/// Seconds since 1970-01-01.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What a status means, for those that users meet. Source of the values: Microsoft, \[MS-ERREF\] section 2.3.1.
pub const fn meaning(status: u64) -> Option<&'static str> {
    Some(match status {
        0xc000_007f => "the disk is full",
        0xc000_00a2 => "the disk is write-protected",
        0xc000_0022 => "access is denied",
        0xc000_0033 => "this is no file name",
        0xc000_0034 => "there is no such file",
        0xc000_003a => "there is no such folder",
        0xc000_0043 => "another program has the file open",
        0xc000_00ba => "this is a folder",
        0xc000_0106 => "the name is too long",
        0xc000_0120 => "the driver was stopping",
        _ => return None,
    })
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
