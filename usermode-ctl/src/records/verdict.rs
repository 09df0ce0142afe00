//! The verdict record: what the policies make of a file.

use std::borrow::Cow;

use evidence::Evidence;
use policy::Action;
use policy::Decision;
use policy::Level;
use policy::PolicySet;
use policy::Reason;
use policy::RuleKind;
use policy::Verdict;
use policy::decide_parts;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use schemars::JsonSchema;
use serde::Serialize;
use sipolicy::Guid;

/// What the policies make of a file.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct VerdictRecord {
    pub schema: &'static str,
    pub path: String,
    pub decision: Name,
    pub reason: ReasonRecord,
    pub policies: Vec<PolicyRecord>,
    #[serde(skip)]
    pub refuses: bool,
}

/// A name out of `policy`, or a number that a newer driver knows the name of.
pub type Name = Cow<'static, str>;

/// Why.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct ReasonRecord {
    pub code: u64,
    pub name: Name,
}

/// What one base policy decided.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct PolicyRecord {
    pub policy_id: String,
    pub name: String,
    pub decision: Name,
    pub rule: Option<RuleRecord>,
    pub signature: Option<u64>,
}

/// The rule that decided.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct RuleRecord {
    pub kind: Name,
    pub level: Name,
    pub id: String,
    pub name: String,
    pub action: Name,
}

impl VerdictRecord {
    /// The verdict in an event record, of which `group` holds the fields.
    pub fn of_event(path: String, group: &Fields<'_>) -> Self {
        let decision = number(group, tag::DECISION);
        let reason = number(group, tag::REASON);
        Self {
            schema: "gatehouse.verdict/1",
            path,
            decision: name(decision, Decision::from_number, Decision::name),
            reason: ReasonRecord {
                code: reason,
                name: name(reason, reason_of, Reason::name),
            },
            policies: groups(group, tag::POLICY)
                .map(|policy| PolicyRecord::of(&policy))
                .collect(),
            refuses: decision != u64::from(Decision::Allow.number()),
        }
    }

    /// The verdict of a set on a file that was weighed here, with what each policy says.
    pub fn of(path: String, verdict: &Verdict<'_>, set: &PolicySet<'_>, evidence: &Evidence<'_>) -> Self {
        let outcomes = decide_parts(set, evidence).flat_map(|part| part.policies());
        let policies = outcomes.map(|outcome| PolicyRecord {
            policy_id: Guid(outcome.policy.id()).to_string(),
            name: outcome.policy.name().to_owned(),
            decision: outcome.decision.name().into(),
            rule: outcome.rule.map(|rule| RuleRecord {
                kind: rule.kind.name().into(),
                level: rule.level.name().into(),
                id: rule.id.to_owned(),
                name: rule.name.to_owned(),
                action: rule.action.name().into(),
            }),
            signature: outcome.signature.map(u64::from),
        });
        Self {
            schema: "gatehouse.verdict/1",
            path,
            decision: verdict.decision.name().into(),
            reason: ReasonRecord {
                code: verdict.reason.code().into(),
                name: verdict.reason.name().into(),
            },
            policies: policies.collect(),
            refuses: verdict.decision != Decision::Allow,
        }
    }

    /// The first rule that decided as the whole was decided.
    pub fn deciding_rule(&self) -> Option<&RuleRecord> {
        self.policies
            .iter()
            .filter(|policy| policy.decision == self.decision)
            .find_map(|policy| policy.rule.as_ref())
    }
}

impl PolicyRecord {
    pub(super) fn of(group: &Fields<'_>) -> Self {
        Self {
            policy_id: guid(group, tag::POLICY_ID),
            name: text(group, tag::POLICY_NAME),
            decision: name(
                number(group, tag::DECISION),
                Decision::from_number,
                Decision::name,
            ),
            rule: group.find(tag::RULE).map(|rule| RuleRecord::of(&rule.fields())),
            signature: group.find(tag::SIGNATURE).and_then(Field::number),
        }
    }
}

impl RuleRecord {
    fn of(group: &Fields<'_>) -> Self {
        Self {
            kind: name(
                number(group, tag::RULE_KIND),
                RuleKind::from_number,
                RuleKind::name,
            ),
            level: name(number(group, tag::RULE_LEVEL), Level::from_number, Level::name),
            id: text(group, tag::RULE_ID),
            name: text(group, tag::RULE_NAME),
            action: name(number(group, tag::RULE_ACTION), Action::from_number, Action::name),
        }
    }
}

/// The name of the thing with this number.
pub(super) fn name<T>(number: u64, find: fn(u64) -> Option<T>, name: fn(T) -> &'static str) -> Name {
    find(number).map_or_else(|| format!("unknown-{number}").into(), |known| name(known).into())
}

pub(super) fn reason_of(code: u64) -> Option<Reason> {
    Reason::from_code(u16::try_from(code).ok()?)
}

/// A number; one that is missing is as unknown as one that no build knows.
pub(super) fn number(fields: &Fields<'_>, tag: u16) -> u64 {
    fields.find(tag).and_then(Field::number).unwrap_or(u64::MAX)
}

pub(super) fn text(fields: &Fields<'_>, tag: u16) -> String {
    fields
        .find(tag)
        .map(|field| String::from_utf8_lossy(field.bytes).into_owned())
        .unwrap_or_default()
}

/// A GUID in braces, as documents write it.
pub(super) fn guid(fields: &Fields<'_>, tag: u16) -> String {
    let bytes = fields.find(tag).and_then(|field| field.bytes.try_into().ok());
    bytes.map_or_else(String::new, |bytes| Guid(bytes).to_string())
}

pub(super) fn groups<'a>(fields: &Fields<'a>, tag: u16) -> impl Iterator<Item = Fields<'a>> {
    fields
        .clone()
        .filter_map(Result::ok)
        .filter(move |field| field.tag == tag)
        .map(Field::fields)
}
