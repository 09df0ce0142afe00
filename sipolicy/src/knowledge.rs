//! Facts about the world outside the documents, as data with origin and date: the Windows driver policy, well-known roots, the
//! authorities of WHQL. Built in, and replaced by a newer file of the same form.

use crate::error::ReadError;
use crate::guid::Guid;
use crate::hex;
use crate::json;
use crate::version::FileVersion;
use serde_json::Value;

const BUILT_IN: &str = include_str!("../data/knowledge.json");

/// What is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// When it was put together, `YYYY-MM-DD`.
    pub date: String,
    /// Windows' own policies about drivers: what each is for, its id and its name.
    pub policies: Vec<KnownPolicy>,
    /// When evaluation ends and enforcement starts, as each source states it.
    pub thresholds: Vec<Thresholds>,
    /// Certificates known by name.
    pub certificates: Vec<KnownCertificate>,
    /// Where each part comes from.
    pub origins: Vec<String>,
}

/// A policy of Windows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPolicy {
    /// `audit`, `enforced` or `blocklist`.
    pub role: &'static str,
    /// `PolicyID`.
    pub id: Guid,
    /// Its name.
    pub name: String,
    /// The newest version known; only of the blocklist.
    pub version: Option<FileVersion>,
}

/// Thresholds of the Windows driver policy's evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Who states them.
    pub source: String,
    /// Hours of uptime.
    pub uptime_hours: u32,
    /// Boot sessions of a client.
    pub boot_sessions: u32,
    /// Boot sessions of a server.
    pub server_boot_sessions: u32,
    /// Violations at most.
    pub violations: u32,
}

/// A certificate that policies refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCertificate {
    /// Well-known root id, if it has one.
    pub wellknown: Option<u8>,
    /// Its name.
    pub name: String,
    /// Its TBS hash; empty if not known.
    pub tbs: Vec<u8>,
}

impl Knowledge {
    /// What this build knows.
    pub fn built_in() -> Self {
        // The data is part of the build and read by its tests; an empty answer cannot come of it.
        Self::read("built-in knowledge", BUILT_IN.as_bytes()).unwrap_or_else(|_| Self {
            date: String::new(),
            policies: Vec::new(),
            thresholds: Vec::new(),
            certificates: Vec::new(),
            origins: Vec::new(),
        })
    }

    /// Reads knowledge from a file.
    ///
    /// # Errors
    /// [`ReadError`] with what is missing or malformed.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, ReadError> {
        let value = json::read(file, bytes)?;
        if value.get("schema").and_then(Value::as_str) != Some("gatehouse.knowledge/1") {
            let message =
                "this is no knowledge file; its schema must be \"gatehouse.knowledge/1\"".to_owned();
            return Err(json::error(file, message));
        }
        parse(&value).map_err(|missing| {
            let message = format!("{missing} is missing or malformed; correct the file");
            json::error(file, message)
        })
    }

    /// The name of a well-known root.
    pub fn root(&self, id: u8) -> Option<&str> {
        let mut known = self.certificates.iter();
        known
            .find(|known| known.wellknown == Some(id))
            .map(|known| known.name.as_str())
    }
}

fn text<'v>(value: &'v Value, path: &'static str) -> Result<&'v str, &'static str> {
    let pointer = format!("/{}", path.replace('.', "/"));
    value.pointer(&pointer).and_then(Value::as_str).ok_or(path)
}

fn list<'v>(value: &'v Value, path: &'static str) -> Result<&'v [Value], &'static str> {
    let pointer = format!("/{}", path.replace('.', "/"));
    let array = value.pointer(&pointer).and_then(Value::as_array);
    array.map(Vec::as_slice).ok_or(path)
}

fn number(value: &Value, name: &'static str) -> Result<u32, &'static str> {
    let found = value.get(name).and_then(Value::as_u64);
    found.and_then(|found| u32::try_from(found).ok()).ok_or(name)
}

fn parse(value: &Value) -> Result<Knowledge, &'static str> {
    let mut policies = Vec::new();
    for (role, id, name, version) in [
        (
            "audit",
            "windows_driver_policy.audit.id",
            "windows_driver_policy.audit.name",
            "windows_driver_policy.audit.version",
        ),
        (
            "enforced",
            "windows_driver_policy.enforced.id",
            "windows_driver_policy.enforced.name",
            "windows_driver_policy.enforced.version",
        ),
        (
            "blocklist",
            "windows_driver_policy.blocklist.id",
            "windows_driver_policy.blocklist.name",
            "windows_driver_policy.blocklist.version",
        ),
    ] {
        policies.push(KnownPolicy {
            role,
            id: text(value, id)?.parse().map_err(|()| id)?,
            name: text(value, name)?.to_owned(),
            version: match text(value, version) {
                Ok(text) => Some(text.parse().map_err(|()| version)?),
                Err(_) => None,
            },
        });
    }
    let mut thresholds = Vec::new();
    for found in list(value, "windows_driver_policy.thresholds")? {
        thresholds.push(Thresholds {
            source: text(found, "source")?.to_owned(),
            uptime_hours: number(found, "uptime_hours")?,
            boot_sessions: number(found, "boot_sessions")?,
            server_boot_sessions: number(found, "server_boot_sessions")?,
            violations: number(found, "violations")?,
        });
    }
    let mut certificates = Vec::new();
    for (path, with_id) in [("wellknown_roots.roots", true), ("whql_cas.cas", false)] {
        for found in list(value, path)? {
            let tbs = match found.get("tbs") {
                Some(Value::String(tbs)) => hex::decode(tbs).ok_or("tbs")?,
                Some(Value::Null) => Vec::new(),
                _ => return Err("tbs"),
            };
            let wellknown = if with_id {
                Some(u8::from_str_radix(text(found, "id")?, 16).map_err(|_| "id")?)
            } else {
                None
            };
            certificates.push(KnownCertificate {
                wellknown,
                name: text(found, "name")?.to_owned(),
                tbs,
            });
        }
    }
    let date = text(value, "date")?;
    let digits = date.split('-').map(str::len);
    if !digits.eq([4, 2, 2]) || !date.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        return Err("date");
    }
    Ok(Knowledge {
        date: date.to_owned(),
        policies,
        thresholds,
        certificates,
        origins: [
            "windows_driver_policy.origin",
            "wellknown_roots.origin",
            "whql_cas.origin",
        ]
        .into_iter()
        .map(|path| text(value, path).map(str::to_owned))
        .collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::BUILT_IN;
    use super::Knowledge;

    #[test]
    fn what_is_built_in_can_be_read_and_names_what_policies_refer_to() {
        let known = Knowledge::read("built in", BUILT_IN.as_bytes()).unwrap();
        assert_eq!(known, Knowledge::built_in());
        assert_eq!(known.root(8), Some("Microsoft Code Verification Root"));
        assert_eq!(known.root(0x77), None);
        assert_eq!(
            known.policies[0].id.to_string(),
            "{784C4414-79F4-4C32-A6A5-F0FB42A51D0D}"
        );
        assert_eq!(
            known
                .thresholds
                .iter()
                .map(|found| found.uptime_hours)
                .collect::<Vec<_>>(),
            [100, 250]
        );
        for certificate in &known.certificates {
            assert!(
                matches!(certificate.tbs.len(), 0 | 16 | 20 | 32),
                "{}",
                certificate.name
            );
        }
    }

    #[test]
    fn a_file_that_is_incomplete_is_refused_by_name_of_what_is_missing() {
        for (cut, named) in [
            ("\"uptime_hours\": 250,", "uptime_hours"),
            ("\"date\": \"2026-11-21\",", "date"),
            ("\"schema\": \"gatehouse.knowledge/1\",", "schema"),
        ] {
            let error = Knowledge::read("my.json", BUILT_IN.replace(cut, "").as_bytes()).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        assert!(
            Knowledge::read("my.json", b"{")
                .unwrap_err()
                .to_string()
                .contains("my.json:1:1")
        );
    }
}
