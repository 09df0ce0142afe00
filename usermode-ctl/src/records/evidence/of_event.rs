//! The evidence in an event record.

use evidence::ErrorKind;
use evidence::TrustClass;
use evidence::Unreadable;
use protocol::event::Record as Event;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;

use super::DigestsRecord;
use super::EvidenceRecord;
use super::Reasons;
use super::Stated;
use super::Status;
use super::TrustRecord;
use super::VersionRecord;
use super::machine;
use super::recorded_reasons;
use super::subsystem;
use crate::output::hex;
use crate::records::SignatureRecord;
use crate::records::dotted;
use crate::records::values::time;
use crate::records::verdict::groups;

impl EvidenceRecord {
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
        self.trust = number(tag::TRUST)
            .and_then(TrustClass::from_number)
            .map(TrustRecord);
        self.weighed_at = number(tag::WEIGHED_AT).and_then(|seconds| time(seconds.cast_signed()));
        let unreadable = recorded_reasons(
            fields,
            &[
                (tag::CONFORMANT, "image"),
                (tag::SHA256, "digests"),
                (tag::FILE_VERSION, "version"),
                (tag::SIGNATURE_FACTS, "signatures"),
            ],
        );
        let more = number(tag::MORE_SIGNATURES).and_then(Unreadable::from_number);
        let reason = |name| Unreadable::ALL.into_iter().find(|reason| reason.name() == name);
        self.reasons([("more_signatures", more)]);
        let has_version = fields.find(tag::FILE_VERSION).is_some();
        for (name, why) in unreadable {
            if name == "version" && has_version {
                continue;
            }
            self.reasons([(name, reason(why))]);
        }
        let names = recorded_reasons(
            fields,
            &[
                // Where the field is there, it is the number alone that does not parse.
                (tag::FILE_VERSION, "file_version"),
                (tag::ORIGINAL_FILENAME, "original_filename"),
                (tag::INTERNAL_NAME, "internal_name"),
                (tag::FILE_DESCRIPTION, "file_description"),
                (tag::PRODUCT_NAME, "product_name"),
            ],
        );
        self.version = if self.claimed.contains_key("version") {
            Some(Stated::Nothing)
        } else {
            version_of(fields, names)
        };
    }
}

/// The version resource in the fields of an event. The number is empty where the file has none, and left out where it could not be read;
/// with names behind it that is said of the number alone.
fn version_of(fields: &Fields<'_>, claimed: Reasons) -> Option<Stated<VersionRecord>> {
    let field = fields.find(tag::FILE_VERSION);
    let number = match field {
        Some(field) if field.bytes.is_empty() => Some(Stated::Nothing),
        other => other
            .and_then(Field::number)
            .map(|number| Stated::Something(dotted(number))),
    };
    let names = [
        tag::ORIGINAL_FILENAME,
        tag::INTERNAL_NAME,
        tag::FILE_DESCRIPTION,
        tag::PRODUCT_NAME,
    ]
    .map(|tag| {
        fields
            .find(tag)
            .map(|field| String::from_utf8_lossy(field.bytes).into_owned())
    });
    let says_one = names.iter().any(Option::is_some) || !claimed.is_empty();
    let [original_filename, internal_name, file_description, product_name] = names;
    match number {
        Some(Stated::Nothing) if !says_one => Some(Stated::Nothing),
        None if !says_one => None,
        file_version => Some(Stated::Something(VersionRecord {
            file_version,
            original_filename,
            internal_name,
            file_description,
            product_name,
            claimed,
        })),
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

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::field::Writer;

    /// What a record says of the version in an event with this number (empty for none) and this name, and with a word that something
    /// does not parse.
    fn version(number: Option<&[u8]>, name: Option<&str>, spoilt: bool) -> serde_json::Value {
        let mut buffer = [0; 128];
        let mut writer = Writer::new(&mut buffer);
        if let Some(number) = number {
            writer.bytes(tag::FILE_VERSION, number);
        }
        if let Some(name) = name {
            writer.text(tag::ORIGINAL_FILENAME, name.chars());
        }
        if spoilt {
            writer.group(tag::UNREADABLE, |writer| {
                writer.raw(&tag::FILE_VERSION.to_le_bytes());
                writer.raw(&Unreadable::Malformed.number().to_le_bytes());
            });
        }
        let length = writer.finish().expect("room");
        let mut record = EvidenceRecord::new("a.sys".into(), Status::Ok);
        record.fields(&Fields::new(&buffer[..length]));
        let mut record = serde_json::to_value(record).expect("JSON");
        record["version"].take()
    }

    #[test]
    fn a_version_is_told_apart_from_names_alone_and_from_what_could_not_be_read() {
        let number = 0x0001_0002_0003_0004_u64.to_le_bytes();
        let full = version(Some(&number), Some("b.sys"), false);
        assert_eq!(full["file_version"], "1.2.3.4");
        let named = version(Some(&[]), Some("b.sys"), false);
        assert_eq!(named["original_filename"], "b.sys");
        assert!(named.get("file_version").is_some_and(serde_json::Value::is_null));
        assert_eq!(named.get("claimed"), None);
        let spoilt = version(Some(&[]), Some("b.sys"), true);
        assert!(spoilt["file_version"].is_null());
        assert_eq!(spoilt["claimed"]["file_version"], "malformed");
        assert!(version(Some(&[]), None, false).is_null());
        assert!(version(None, None, true).is_null(), "the resource as a whole");
    }
}
