//! Evidence records read back: what `scan --json` or an event wrote, as the facts that rules are weighed against.
//!
//! A field that a record leaves out is unknown, `null` is absent, unless the record says under `claimed` that the file hides it. What a
//! record of `gatehouse.evidence/1`, as earlier builds wrote, says is read in the sense it had: it tells nothing of what is claimed.

use evidence::Certificate;
use evidence::Digests;
use evidence::Ekus;
use evidence::Evidence;
use evidence::Fact;
use evidence::Hash;
use evidence::Identity;
use evidence::Image;
use evidence::Key;
use evidence::Root;
use evidence::Signature;
use evidence::SignatureFault;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Timestamp;
use evidence::Unreadable;
use evidence::Version;
use serde_json::Value;

use crate::records::values::octets;
use crate::records::values::seconds;
use crate::records::values::unhex;

/// One record.
pub struct Record(Value);

impl Record {
    /// The evidence in a value of JSON; `None` for a record of ours that carries none.
    ///
    /// # Errors
    /// What it is, when it is no record of ours.
    pub fn of(value: Value) -> Result<Option<Self>, String> {
        let Some(fields) = value.as_object() else {
            return Err(format!("this is {}, no record", kind(&value)));
        };
        let schema = fields.get("schema").and_then(Value::as_str).unwrap_or_default();
        if schema.starts_with("gatehouse.evidence/") {
            must_be_known(schema)?;
            return Ok(Some(Self(value)));
        }
        let Some(evidence) = fields.get("evidence") else {
            if schema.starts_with("gatehouse.") || fields.is_empty() {
                return Ok(None);
            }
            let names: Vec<&str> = fields.keys().take(4).map(String::as_str).collect();
            return Err(format!(
                "this is JSON of another kind, with the fields {}",
                names.join(", ")
            ));
        };
        let mut evidence = evidence.clone();
        if evidence.get("path").is_none()
            && let (Some(fields), Some(path)) = (evidence.as_object_mut(), value.get("path"))
        {
            fields.insert("path".to_owned(), path.clone());
        }
        // Of a record that was cut, signatures may be missing: not a word about them is better than half of it.
        if value.get("cut").and_then(Value::as_bool) == Some(true)
            && let Some(fields) = evidence.as_object_mut()
        {
            fields.remove("signatures");
        }
        match &evidence {
            Value::Null => return Ok(None),
            Value::Object(fields) => {
                if let Some(schema) = fields.get("schema").and_then(Value::as_str) {
                    must_be_known(schema)?;
                }
            }
            other => return Err(format!("its evidence is {}, no record", kind(other))),
        }
        Ok(Some(Self(evidence)))
    }

    /// Whether it is of a kernel image, or does not say of what.
    pub fn may_be_kernel_image(&self) -> bool {
        self.0
            .get("subsystem")
            .is_none_or(|subsystem| subsystem.as_str() == Some("native"))
    }

    /// Hands the facts on with the file's name.
    pub fn with_evidence<R>(&self, weigh: impl FnOnce(&str, &Evidence<'_>) -> R) -> R {
        let record = &self.0;
        let name = record.get("path").and_then(Value::as_str).unwrap_or("(no path)");
        // Events do not say which version wrote their evidence.
        let schema = record.get("schema").and_then(Value::as_str);
        let is_first_version = schema != Some("gatehouse.evidence/2");
        let made: Option<Vec<MadeSignature<'_>>> = record
            .get("signatures")
            .and_then(Value::as_array)
            .filter(|signatures| {
                signatures
                    .iter()
                    .all(|signature| is_whole(signature, is_first_version))
            })
            .map(|signatures| signatures.iter().map(MadeSignature::of).collect());
        let chains: Vec<Vec<Certificate<'_>>> = made
            .iter()
            .flatten()
            .map(|signature| {
                signature
                    .certificates
                    .iter()
                    .map(MadeCertificate::facts)
                    .collect()
            })
            .collect();
        let signatures: Vec<Signature<'_>> = made
            .iter()
            .flatten()
            .zip(&chains)
            .map(|(signature, chain)| signature.facts(chain))
            .collect();
        let evidence = Evidence {
            image: image(record),
            digests: digests(record),
            version: version(record),
            signatures: match (&made, hidden(record, "signatures")) {
                (Some(_), _) => Fact::Present(&signatures),
                (None, Some(reason)) => Fact::Unreadable(reason),
                // What is no image carries none.
                (None, None) if is_no_image(record) => Fact::Present(&[]),
                (None, None) => Fact::Unreadable(Unreadable::NotRecorded),
            },
            more_signatures: hidden(record, "more_signatures"),
            extra_bytes: record.get("extra_bytes").and_then(Value::as_u64).unwrap_or(0),
            weighed_at: record.get("weighed_at").and_then(Value::as_str).and_then(seconds),
        };
        weigh(name, &evidence)
    }
}

/// What a record of another schema says may have another sense.
fn must_be_known(schema: &str) -> Result<(), String> {
    match schema {
        "gatehouse.evidence/1" | "gatehouse.evidence/2" => Ok(()),
        other => Err(format!(
            "this is a record of {other}, which this release of gatehouse does not know"
        )),
    }
}

/// What a value that is no object is.
const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a Boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text in quotes",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Why a fact of a record could not be had, if the record says so.
fn hidden(record: &Value, field: &str) -> Option<Unreadable> {
    let reason = ["claimed", "unknown"]
        .into_iter()
        .find_map(|group| record.get(group)?.get(field)?.as_str())?;
    let known = Unreadable::ALL.into_iter().find(|known| known.name() == reason);
    // A reason of a later version.
    Some(known.unwrap_or(Unreadable::NotRecorded))
}

/// A field: left out is unknown, and so is what makes no sense; `null` is absent unless the record says why there is nothing.
fn fact<'v, T>(record: &'v Value, field: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Fact<T> {
    if let Some(reason) = hidden(record, field) {
        return Fact::Unreadable(reason);
    }
    match record.get(field) {
        None => Fact::Unreadable(Unreadable::NotRecorded),
        Some(Value::Null) => Fact::Absent,
        Some(value) => read(value).map_or(Fact::Unreadable(Unreadable::NotRecorded), Fact::Present),
    }
}

fn text<'v>(record: &'v Value, field: &str) -> Fact<Text<'v>> {
    fact(record, field, |value| value.as_str().map(Text::Utf8))
}

fn flag(record: &Value, field: &str) -> bool {
    record.get(field).and_then(Value::as_bool).unwrap_or(false)
}

fn digest<const N: usize>(record: &Value, group: &str, algorithm: &str) -> Option<[u8; N]> {
    let text = record.get(group)?.get(algorithm)?.as_str()?;
    unhex(text)?.try_into().ok()
}

fn digests(record: &Value) -> Fact<Digests> {
    let digests = Digests {
        sha1: digest(record, "authenticode", "sha1"),
        sha256: digest(record, "authenticode", "sha256"),
        sha384: digest(record, "authenticode", "sha384"),
        sha512: digest(record, "authenticode", "sha512"),
        first_page_sha1: digest(record, "first_page", "sha1"),
        first_page_sha256: digest(record, "first_page", "sha256"),
        flat_sha1: digest(record, "flat", "sha1"),
        flat_sha256: digest(record, "flat", "sha256"),
    };
    if digests == Digests::default() {
        Fact::Unreadable(hidden(record, "digests").unwrap_or(Unreadable::NotRecorded))
    } else {
        Fact::Present(digests)
    }
}

fn is_no_image(record: &Value) -> bool {
    record.get("status").and_then(Value::as_str) == Some("not-pe")
}

/// The layout facts; machine and subsystem decide nothing and are not read back.
fn image(record: &Value) -> Fact<Image> {
    if let Some(reason) = hidden(record, "image") {
        return Fact::Unreadable(reason);
    }
    if is_no_image(record) {
        return Fact::Absent;
    }
    fact(record, "conformant", |conformant| {
        Some(Image {
            machine: 0,
            subsystem: 0,
            characteristics: 0,
            conformant: conformant.as_bool()?,
            size: record.get("size").and_then(Value::as_u64).unwrap_or(0),
        })
    })
}

fn version(record: &Value) -> Fact<Version<'_>> {
    fact(record, "version", |version| {
        let number = fact(version, "file_version", |number| {
            number.as_str()?.split('.').try_fold(0_u64, |number, part| {
                Some(number << 16 | u64::from(part.parse::<u16>().ok()?))
            })
        });
        Some(Version {
            file_version: number,
            original_filename: text(version, "original_filename"),
            internal_name: text(version, "internal_name"),
            file_description: text(version, "file_description"),
            product_name: text(version, "product_name"),
        })
    })
}

/// A signature and what its facts borrow.
struct MadeSignature<'v> {
    record: &'v Value,
    /// Those of the chain, and then those that are claimed beside it.
    certificates: Vec<MadeCertificate<'v>>,
    /// How many of them the chain has.
    chain: usize,
}

impl<'v> MadeSignature<'v> {
    fn of(record: &'v Value) -> Self {
        let certificates = |record: &'v Value| {
            let list = record.get("chain").and_then(Value::as_array);
            list.into_iter().flatten().map(MadeCertificate::of)
        };
        let mut found: Vec<_> = certificates(record).collect();
        let chain = found.len();
        found.extend(record.get("claimed").into_iter().flat_map(certificates));
        Self {
            record,
            certificates: found,
            chain,
        }
    }

    /// `certificates` are the facts of its own.
    fn facts<'f>(&'f self, certificates: &'f [Certificate<'f>]) -> Signature<'f> {
        let record = self.record;
        let (chain, claimed) = certificates.split_at_checked(self.chain).unwrap_or_default();
        let name = |field: &str| record.get(field).and_then(Value::as_str);
        let root = record.get("root");
        let root_flag = |field: &str| root.is_some_and(|root| flag(root, field));
        let wellknown = root.and_then(|root| root.get("wellknown")?.as_str());
        let fault = name("fault").map(|name| {
            let known = SignatureFault::ALL.into_iter().find(|fault| fault.name() == name);
            // A fault of a later version is one all the same.
            known.unwrap_or(SignatureFault::Malformed)
        });
        let holds = flag(record, "digest_valid") && flag(record, "signature_valid");
        let identity = match name("identity") {
            Some("proven") => Identity::Proven,
            Some("claimed") => Identity::Claimed,
            Some(_) => Identity::Unproven,
            // Of the first version, in which a signature that held was its signer's, and no other counted.
            None if holds => Identity::Proven,
            None if fault == Some(SignatureFault::CapReached) => Identity::Unproven,
            None => Identity::Claimed,
        };
        let roots = record
            .get("claimed")
            .and_then(|claimed| claimed.get("roots")?.as_array());
        let claimed_roots = roots
            .into_iter()
            .flatten()
            .filter_map(|id| u32::from_str_radix(id.as_str()?, 16).ok())
            .fold(0, |bits, id| bits | 1_u32.checked_shl(id).unwrap_or(0));
        Signature {
            source: match name("source") {
                Some("nested") => SignatureSource::Nested,
                Some("catalog") => SignatureSource::Catalog,
                _ => SignatureSource::Embedded,
            },
            // Only the algorithm counts once it is known whether the digest is the image's.
            signed_digest: match name("digest_algorithm") {
                Some("sha1") => Hash::Sha1([0; 20]),
                Some("sha256") => Hash::Sha256([0; 32]),
                Some("sha384") => Hash::Sha384([0; 48]),
                Some("sha512") => Hash::Sha512([0; 64]),
                _ => Hash::Md([0; 16]),
            },
            digest_valid: flag(record, "digest_valid"),
            signature_valid: flag(record, "signature_valid"),
            page_hashes: flag(record, "page_hashes"),
            chain,
            identity,
            claimed,
            claimed_roots,
            root: Root {
                wellknown: wellknown.and_then(|id| u8::from_str_radix(id, 16).ok()),
                verified: root_flag("verified"),
                known: root_flag("known"),
            },
            oem_id: text(record, "oem_id"),
            more_info_url: text(record, "more_info_url"),
            timestamp: fact(record, "timestamp", |timestamp| {
                let time = seconds(timestamp.get("time")?.as_str()?)?;
                let rfc3161 = timestamp.get("kind").and_then(Value::as_str) == Some("rfc3161");
                Some(Timestamp { rfc3161, time })
            }),
            fault,
            catalog: None,
        }
    }
}

/// Whether a record holds all of a signature that something is decided by. Of one that does not, nothing is known.
fn is_whole(signature: &Value, is_first_version: bool) -> bool {
    let has = |record: &Value, fields: &[&str]| fields.iter().all(|field| record.get(field).is_some());
    let certificates = |record: Option<&Value>| {
        let list = record
            .and_then(|record| record.get("chain"))
            .and_then(Value::as_array);
        list.into_iter().flatten().all(|certificate| {
            let ekus = certificate.get("ekus").and_then(Value::as_array);
            let mut identifiers = ekus.into_iter().flatten();
            ekus.is_some()
                && identifiers.all(|identifier| identifier.as_str().and_then(octets).is_some())
                && has(
                    certificate,
                    &["subject_cn", "issuer_cn", "tbs", "not_before", "not_after", "key"],
                )
        })
    };
    let fields = [
        "digest_algorithm",
        "digest_valid",
        "signature_valid",
        "fault",
        "chain",
        "oem_id",
        "timestamp",
    ];
    let root = signature.get("root");
    has(signature, &fields)
        && signature.get("chain").is_some_and(Value::is_array)
        && root.is_some_and(|root| has(root, &["wellknown", "verified", "known"]))
        && (is_first_version || signature.get("identity").is_some_and(Value::is_string))
        && certificates(Some(signature))
        && certificates(signature.get("claimed"))
}

/// An object identifier with its tag and length.
fn encoded(content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let head: &[u8] = match (high, low) {
        (0, 0..0x80) => &[6, low],
        (0, _) => &[6, 0x81, low],
        _ => &[6, 0x82, high, low],
    };
    Some([head, content].concat())
}

/// A certificate and what its facts borrow.
struct MadeCertificate<'v> {
    record: &'v Value,
    ekus: Vec<u8>,
}

impl<'v> MadeCertificate<'v> {
    fn of(record: &'v Value) -> Self {
        let identifiers = record.get("ekus").and_then(Value::as_array);
        let ekus = identifiers
            .into_iter()
            .flatten()
            .filter_map(|identifier| encoded(&octets(identifier.as_str()?)?))
            .flatten()
            .collect();
        Self { record, ekus }
    }

    fn facts(&self) -> Certificate<'_> {
        let record = self.record;
        let time = |field: &str| record.get(field).and_then(Value::as_str).and_then(seconds);
        let key = record.get("key").and_then(Value::as_str).unwrap_or_default();
        let bits = |kind: &str| key.strip_prefix(kind).and_then(|bits| bits.parse().ok());
        let thumbprint = record
            .get("thumbprint_sha1")
            .and_then(Value::as_str)
            .and_then(unhex);
        Certificate {
            subject_cn: text(record, "subject_cn"),
            issuer_cn: text(record, "issuer_cn"),
            serial: &[],
            thumbprint_sha1: thumbprint
                .and_then(|bytes| bytes.try_into().ok())
                .unwrap_or_default(),
            tbs: fact(record, "tbs", |tbs| {
                Hash::from_bytes(&unhex(tbs.get("hash")?.as_str()?)?)
            }),
            ekus: Ekus(&self.ekus),
            not_before: time("not_before").unwrap_or(i64::MIN),
            not_after: time("not_after").unwrap_or(i64::MAX),
            key: match (bits("rsa"), bits("ecdsa-p")) {
                (Some(bits), _) => Key::Rsa(bits),
                (None, Some(bits)) => Key::Ecdsa(bits),
                (None, None) => Key::Unsupported,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signatures(line: &str) -> Fact<usize> {
        let value = serde_json::from_str(line).expect("JSON");
        let record = Record::of(value).expect("a record").expect("with evidence");
        record.with_evidence(|_, evidence| evidence.signatures.map(<[_]>::len))
    }

    #[test]
    fn a_version_resource_may_have_names_alone() {
        let version = |number: &str| {
            let line = format!(
                r#"{{"schema":"gatehouse.evidence/1","path":"a.sys","status":"ok","version":{{{number}"original_filename":"b.sys"}}}}"#
            );
            let value = serde_json::from_str(&line).expect("JSON");
            let record = Record::of(value).expect("a record").expect("with evidence");
            record.with_evidence(|_, evidence| {
                let version = evidence.version.present().expect("a version");
                let name = version.original_filename.present().expect("a name").to_string();
                assert_eq!(name, "b.sys");
                version.file_version
            })
        };
        let known = Fact::Present(0x0001_0002_0003_0004);
        assert_eq!(version(r#""file_version":"1.2.3.4","#), known);
        assert_eq!(version(r#""file_version":null,"#), Fact::Absent);
        assert_eq!(version(""), Fact::Unreadable(Unreadable::NotRecorded));
        assert_eq!(
            version(r#""file_version":null,"claimed":{"file_version":"malformed"},"#),
            Fact::Unreadable(Unreadable::Malformed)
        );
    }

    #[test]
    fn signatures_of_a_record_that_was_cut_are_not_known() {
        let event = |cut: bool| {
            format!(
                r#"{{"schema":"gatehouse.event/1","path":"a.sys","cut":{cut},"evidence":{{"status":"ok","signatures":[]}}}}"#
            )
        };
        assert!(matches!(signatures(&event(false)), Fact::Present(0)));
        assert!(matches!(
            signatures(&event(true)),
            Fact::Unreadable(Unreadable::NotRecorded)
        ));
    }
}
