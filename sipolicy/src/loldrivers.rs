//! Importing the LOLDrivers list: a policy that denies what it lists, by Authenticode hash.
//!
//! Two forms are read: the one that the project publishes (`KnownVulnerableSamples`, `Authentihash`) and the condensed one with
//! lower-case names (`samples`, `authentihash`).

use crate::document::Document;
use crate::document::FileAttributes;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::KERNEL_SCENARIO;
use crate::document::PLATFORM;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::Scenario;
use crate::error::ReadError;
use crate::guid::Guid;
use crate::hex;
use crate::json;
use crate::version::FileVersion;
use policy::Options;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;

/// What importing made, and what it had to leave out.
#[derive(Clone, Debug)]
pub struct Imported {
    /// A blocklist policy in audit mode: deny rules, and one rule that allows everything else.
    pub document: Document,
    /// Samples that have no Authenticode hash, by name.
    pub without_hash: Vec<String>,
}

/// Makes a blocklist policy of a LOLDrivers list.
///
/// # Errors
/// [`ReadError`] with the place where the JSON is malformed or is no such list.
pub fn import_loldrivers(file: &str, bytes: &[u8]) -> Result<Imported, ReadError> {
    let list = json::read(file, bytes)?;
    let Some(entries) = list.as_array() else {
        let message = "a LOLDrivers list is an array of drivers; give the project's drivers.json".to_owned();
        return Err(json::error(file, message));
    };
    let mut hashes = BTreeMap::<Vec<u8>, String>::new();
    let mut without_hash = Vec::new();
    let mut samples_seen = 0_usize;
    for entry in entries {
        let samples = field(entry, &["KnownVulnerableSamples", "samples"]).and_then(Value::as_array);
        for sample in samples.into_iter().flatten() {
            samples_seen += 1;
            let name = sample_name(entry, sample);
            let digests = field(sample, &["Authentihash", "authentihash"]);
            let mut found = false;
            for (algorithm, length) in [("SHA1", 20), ("SHA256", 32)] {
                let text = digests.and_then(|digests| digests.get(algorithm)?.as_str());
                let hash = text.and_then(hex::decode).filter(|hash| hash.len() == length);
                if let Some(hash) = hash {
                    found = true;
                    hashes
                        .entry(hash)
                        .or_insert_with(|| format!("{name} Hash {algorithm}"));
                }
            }
            if !found {
                without_hash.push(name);
            }
        }
    }
    if samples_seen == 0 {
        let message = "no entry has KnownVulnerableSamples; give the project's drivers.json".to_owned();
        return Err(json::error(file, message));
    }
    Ok(Imported {
        document: blocklist(hashes),
        without_hash,
    })
}

fn field<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| value.get(name))
}

fn sample_name(entry: &Value, sample: &Value) -> String {
    let of = |value: &Value, names: &[&str]| {
        let text = field(value, names)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    let tag = || Some(field(entry, &["Tags", "tags"])?.get(0)?.as_str()?.to_owned());
    of(sample, &["Filename", "filename"])
        .or_else(|| of(sample, &["OriginalFilename", "original"]))
        .or_else(tag)
        .unwrap_or_else(|| "unnamed driver".to_owned())
}

fn blocklist(hashes: BTreeMap<Vec<u8>, String>) -> Document {
    let mut digest = Sha256::new();
    let mut scenario = Scenario {
        id: "ID_SIGNINGSCENARIO_DRIVERS_1".to_owned(),
        friendly_name: Some("Kernel drivers".to_owned()),
        value: KERNEL_SCENARIO,
        ..Scenario::default()
    };
    let rule = |kind, id: &str, friendly_name: String, hash: Vec<u8>, attributes| FileRule {
        position: Position::default(),
        kind,
        generic: false,
        id: id.to_owned(),
        friendly_name: Some(friendly_name),
        hash,
        attributes,
    };
    let mut refer = |id: &str| {
        scenario.product.rules.push(Reference {
            position: Position::default(),
            id: id.to_owned(),
        });
    };
    let everything = FileAttributes {
        file_name: Some("*".to_owned()),
        ..FileAttributes::default()
    };
    refer("ID_ALLOW_ALL");
    let everything = Some(Box::new(everything));
    let name = "Everything that is not denied".to_owned();
    let mut rules = vec![rule(
        FileRuleKind::Allow,
        "ID_ALLOW_ALL",
        name,
        Vec::new(),
        everything,
    )];
    for (number, (hash, name)) in (1..).zip(hashes) {
        let id = format!("ID_DENY_L_{number}");
        refer(&id);
        digest.update(&hash);
        rules.push(rule(FileRuleKind::Deny, &id, name, hash, None));
    }
    let mut id = [0; 16];
    id.copy_from_slice(&digest.finalize()[..16]);
    // A GUID made from data, as RFC 9562 marks it: version 8.
    id[7] = id[7] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    Document {
        file: "imported".into(),
        kind: PolicyKind::Base,
        friendly_name: Some("Vulnerable drivers listed by LOLDrivers".to_owned()),
        version: FileVersion(1 << 48),
        platform_id: PLATFORM.parse().ok(),
        policy_id: Some(Guid(id)),
        base_policy_id: Some(Guid(id)),
        options: Options::AUDIT_MODE.with(Options::UNSIGNED_POLICY),
        file_rules: rules,
        scenarios: vec![scenario],
        hvci_options: Some(0),
        ..Document::default()
    }
}
