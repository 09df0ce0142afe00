//! A driver that violates a policy, or stands in the way of enforcement.

use evidence::TrustClass;
use policy::Decision;
use policy::Reason;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::hex;
use crate::records::event::utf16;
use crate::records::time;
use crate::records::verdict::Name;
use crate::records::verdict::PolicyRecord;
use crate::records::verdict::ReasonRecord;
use crate::records::verdict::groups;
use crate::records::verdict::name;
use crate::records::verdict::reason_of;

/// A driver that violates a policy, or stands in the way of enforcement; what the driver does not know of it is left out.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct DriverRecord {
    pub schema: &'static str,
    /// As the kernel gave it.
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    pub policies: Vec<PolicyRecord>,
    /// What can be done about it, best first.
    pub advice: Vec<String>,
    #[serde(skip)]
    pub class: Option<TrustClass>,
}

impl DriverRecord {
    /// The drivers among these fields.
    pub fn all(fields: &Fields<'_>) -> Vec<Self> {
        groups(fields, tag::DRIVER)
            .map(|group| Self::of(&group))
            .collect()
    }

    fn of(group: &Fields<'_>) -> Self {
        // What weighing the driver gave may lie in groups of its own, as in an event.
        let nested = [tag::VERDICT, tag::EVIDENCE].map(|tag| group.find(tag).map(Field::fields));
        let field = |tag| {
            let nested = || nested.iter().flatten().find_map(|fields| fields.find(tag));
            group.find(tag).or_else(nested)
        };
        let number = |tag| field(tag).and_then(Field::number);
        let moment = |tag| number(tag).and_then(|filetime| time(i64::try_from(filetime).ok()?));
        let trust = number(tag::TRUST);
        let reason = number(tag::REASON);
        let [verdict, _] = &nested;
        let policies = groups(group, tag::POLICY)
            .chain(verdict.iter().flat_map(|fields| groups(fields, tag::POLICY)))
            .map(|policy| PolicyRecord::of(&policy))
            .collect();
        let mut record = Self {
            schema: "gatehouse.driver/1",
            path: field(tag::PATH)
                .map(|field| utf16(field.bytes))
                .unwrap_or_default(),
            sha256: field(tag::SHA256).map(|field| hex(field.bytes)),
            trust: trust.map(|number| name(number, TrustClass::from_number, TrustClass::name)),
            decision: number(tag::DECISION).map(|number| name(number, Decision::from_number, Decision::name)),
            reason: reason.map(|code| ReasonRecord {
                code,
                name: name(code, reason_of, Reason::name),
            }),
            times: number(tag::TIMES),
            first_time: moment(tag::FIRST_TIME),
            last_time: moment(tag::LAST_TIME),
            policies,
            advice: Vec::new(),
            class: trust.and_then(TrustClass::from_number),
        };
        record.advice = record.advise(reason.and_then(reason_of));
        record
    }

    /// The rule that refuses it, if one does by name.
    pub fn rule(&self) -> Option<&str> {
        let rules = self.policies.iter().filter_map(|policy| policy.rule.as_ref());
        rules
            .filter(|rule| rule.action == "deny")
            .map(|rule| rule.id.as_str())
            .next()
    }

    /// What can be done, by what refuses it and by whom it is signed.
    fn advise(&self, reason: Option<Reason>) -> Vec<String> {
        let Some(reason) = reason else {
            return vec!["weigh it again with `gatehouse check` to learn why it would be refused".to_owned()];
        };
        let remove = "or remove the program or device that brought it".to_owned();
        match reason {
            Reason::ExplicitlyDenied => {
                let rule = self.rule().map_or("a deny rule".to_owned(), |id| format!("deny rule {id}"));
                vec![
                    format!("install a newer version from its vendor: {rule} names this one, as a rule because it is vulnerable"),
                    remove,
                    format!("no allow rule can outweigh it; only if {rule} is wrong, take it out of the policy"),
                ]
            }
            Reason::WhqlRequired => vec![
                "install a WHQL-signed version from its vendor or from Windows Update: the policy has Required:WHQL, and an allow \
                 rule cannot outweigh that"
                    .to_owned(),
                remove,
            ],
            Reason::FailsPolicy => self.advise_unlisted(remove),
            _ => vec![
                "find out why it could not be weighed: `gatehouse check` on it says more".to_owned(),
                remove,
            ],
        }
    }

    /// For a driver that no rule allows.
    fn advise_unlisted(&self, remove: String) -> Vec<String> {
        let update = "install a version that Microsoft signed (WHQL or attested) from its vendor or from Windows Update";
        let rule = |level: &str| {
            format!(
                "if it is needed, allow it by rule: gatehouse policy new --level {level} \"{}\" -o allow.xml, then push allow.xml \
                 together with the policies in force",
                win32(&self.path)
            )
        };
        match self.class {
            Some(TrustClass::Windows | TrustClass::Whql | TrustClass::Attested | TrustClass::Microsoft) => {
                vec![rule("WHQLFilePublisher --fallback FilePublisher,Hash"), remove]
            }
            Some(TrustClass::CrossSigned) => vec![
                format!("{update}: Windows' own driver policy, too, ends trust in cross-signed drivers"),
                rule("FilePublisher --fallback Hash"),
                remove,
            ],
            Some(TrustClass::Invalid) => vec![
                "restore it from its vendor: it is signed, and no signature holds; it may have been altered"
                    .to_owned(),
                remove,
            ],
            Some(TrustClass::OtherRoot | TrustClass::SelfSigned | TrustClass::Unsigned) | None => {
                vec![update.to_owned(), rule("Hash"), remove]
            }
        }
    }
}

/// A name for the file that Win32 programs understand. Source of the forms: Microsoft, "File path formats on Windows systems".
pub fn win32(path: &str) -> String {
    let starts = |start: &str| {
        let head = path.get(..start.len())?;
        head.eq_ignore_ascii_case(start)
            .then(|| path.get(start.len()..).unwrap_or_default())
    };
    if let Some(tail) = starts(r"\??\UNC\") {
        return format!(r"\\{tail}");
    }
    if let Some(tail) = starts(r"\??\") {
        return tail.to_owned();
    }
    if let Some(tail) = starts(r"\SystemRoot\") {
        return format!(r"%SystemRoot%\{tail}");
    }
    match starts(r"\Device\") {
        Some(_) => format!(r"\\?\GLOBALROOT{path}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::field::Writer;

    fn record(trust: u8, reason: u16, rule: Option<&str>) -> DriverRecord {
        let mut buffer = [0; 1024];
        let mut writer = Writer::new(&mut buffer);
        writer.group(tag::DRIVER, |writer| {
            writer.group(tag::PATH, |writer| {
                for unit in r"\??\C:\drivers\old.sys".encode_utf16() {
                    writer.raw(&unit.to_le_bytes());
                }
            });
            writer.number(tag::TRUST, trust.into());
            writer.number(tag::REASON, reason.into());
            writer.number(tag::TIMES, 3);
            if let Some(rule) = rule {
                writer.group(tag::POLICY, |writer| {
                    writer.group(tag::RULE, |writer| {
                        writer.text(tag::RULE_ID, rule.chars());
                        writer.number(tag::RULE_ACTION, 1);
                    });
                });
            }
        });
        let used = writer.finish().expect("it fits");
        let mut all = DriverRecord::all(&Fields::new(&buffer[..used]));
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn advice_suits_what_refuses_and_who_signed() {
        let cross_signed = record(5, 21, None);
        assert_eq!(cross_signed.trust.as_deref(), Some("cross-signed"));
        assert!(
            cross_signed.advice[0].contains("WHQL or attested"),
            "{:?}",
            cross_signed.advice
        );
        assert!(
            cross_signed.advice[1]
                .contains(r#"policy new --level FilePublisher --fallback Hash "C:\drivers\old.sys" -o"#),
            "{:?}",
            cross_signed.advice
        );
        let denied = record(2, 26, Some("ID_DENY_OLD"));
        assert!(denied.advice[0].contains("ID_DENY_OLD"), "{:?}", denied.advice);
        assert!(
            denied.advice.iter().all(|advice| !advice.contains("policy new")),
            "an allow rule would do nothing: {:?}",
            denied.advice
        );
        let altered = record(8, 21, None);
        assert!(altered.advice.iter().all(|advice| !advice.contains("policy new")));
        let whql = record(2, 21, None);
        assert!(whql.advice[0].contains("WHQLFilePublisher"));
    }

    #[test]
    fn names_suit_win32_programs() {
        for (nt, win32_name) in [
            (r"\??\C:\a.sys", r"C:\a.sys"),
            (r"\??\UNC\server\share\a.sys", r"\\server\share\a.sys"),
            (
                r"\SystemRoot\system32\drivers\a.sys",
                r"%SystemRoot%\system32\drivers\a.sys",
            ),
            (
                r"\Device\HarddiskVolume3\a.sys",
                r"\\?\GLOBALROOT\Device\HarddiskVolume3\a.sys",
            ),
            (r"C:\a.sys", r"C:\a.sys"),
            ("ä", "ä"),
        ] {
            assert_eq!(win32(nt), win32_name);
        }
    }
}
