//! The event record: what the driver saw, with evidence and verdict.

use std::borrow::Cow;
use std::fmt;

use policy::SetError;
use policy::SetFault;
use protocol::event::Kind;
use protocol::event::Record;
use protocol::event::flag;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use protocol::message::push_error;
use protocol::report::StoredFile;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::hex;
use crate::records::EvidenceRecord;
use crate::records::VerdictRecord;
use crate::records::status::hold_names;
use crate::records::status::mode_name;
use crate::records::time;

const SCHEMA: &str = "gatehouse.event/1";

/// One event.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct EventRecord {
    pub schema: &'static str,
    pub sequence: u64,
    /// RFC 3339, UTC.
    pub time: Option<String>,
    pub kind: Cow<'static, str>,
    /// Whether fields were left out because the record would have been too large.
    pub cut: bool,
    pub mode: Option<Cow<'static, str>>,
    pub generation: Option<u64>,
    pub set_sha256: Option<String>,
    #[serde(flatten)]
    pub image: ImageFields,
    #[serde(flatten)]
    pub state: StateFields,
    /// How many: dropped loads, bytes of a pushed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// What was wrong with a rejected set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<FaultRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceRecord>,
}

/// What only events about images have.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct ImageFields {
    /// As the kernel gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_base: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_properties: Option<String>,
    /// Whether the file that was read was proved to be the file that was loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same_file: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_us: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_us: Option<f64>,
}

/// What only events about the driver's own state have.
#[derive(Clone, Debug, Default, JsonSchema, Serialize)]
pub struct StateFields {
    /// What keeps enforcement from taking effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<Vec<Cow<'static, str>>>,
    /// When the mode ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Which of the driver's own files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_file: Option<Cow<'static, str>>,
    /// Sequence number of a signed set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_sequence: Option<u64>,
    /// NTSTATUS of a failed system call, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_time: Option<String>,
    /// Whether the verdict was found in the cache, and the file not read again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
}

impl StateFields {
    fn of(fields: &Fields<'_>) -> Self {
        let number = |tag| fields.find(tag).and_then(Field::number);
        let moment = |tag| number(tag).and_then(|filetime| time(i64::try_from(filetime).ok()?));
        Self {
            holds: number(tag::HOLDS).map(hold_names),
            until: moment(tag::UNTIL),
            stored_file: number(tag::STORED_FILE).map(stored_file),
            set_sequence: number(tag::SET_SEQUENCE),
            status: number(tag::STATUS).map(|status| format!("{status:#010x}")),
            times: number(tag::TIMES),
            first_time: moment(tag::FIRST_TIME),
            last_time: moment(tag::LAST_TIME),
            cached: number(tag::CACHED).map(|cached| cached != 0),
        }
    }
}

fn stored_file(number: u64) -> Cow<'static, str> {
    StoredFile::ALL
        .into_iter()
        .find(|file| u64::from(file.number()) == number)
        .map_or_else(|| format!("unknown-{number}").into(), |file| file.name().into())
}

/// A fault of a compiled set.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct FaultRecord {
    pub code: u64,
    pub name: Cow<'static, str>,
    pub offset: u64,
}

/// Events that were overwritten before they could be read.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct DroppedRecord {
    schema: &'static str,
    kind: &'static str,
    pub first: u64,
    pub last: u64,
    pub count: u64,
}

impl DroppedRecord {
    /// `count` events that followed the one with sequence number `after`.
    pub fn new(after: u64, count: u64) -> Self {
        Self {
            schema: SCHEMA,
            kind: "dropped",
            first: after.saturating_add(1),
            last: after.saturating_add(count),
            count,
        }
    }
}

impl EventRecord {
    /// What an event record says.
    pub fn of(record: &Record<'_>) -> Self {
        let fields = &record.fields;
        let number = |tag| fields.find(tag).and_then(Field::number);
        let kind = Kind::from_number(record.head.kind.get());
        let path = fields.find(tag::PATH).map(|field| utf16(field.bytes));
        let named = || path.clone().unwrap_or_default();
        let image = ImageFields {
            path: path.clone(),
            process_id: number(tag::PROCESS_ID),
            image_base: number(tag::IMAGE_BASE).map(|base| format!("{base:#x}")),
            image_size: number(tag::IMAGE_SIZE),
            image_properties: number(tag::IMAGE_PROPERTIES).map(|bits| format!("{bits:#x}")),
            same_file: number(tag::SAME_FILE).map(|same| same != 0),
            queued_us: number(tag::QUEUED).map(microseconds),
            read_us: number(tag::READ).map(microseconds),
            decided_us: number(tag::DECIDED).map(microseconds),
        };
        let verdict = fields.find(tag::VERDICT);
        Self {
            schema: SCHEMA,
            sequence: record.head.sequence.get(),
            time: time(record.head.time.get()),
            kind: kind.map_or_else(
                || format!("unknown-{}", record.head.kind.get()).into(),
                |kind| kind.name().into(),
            ),
            cut: record.head.flags.get() & flag::CUT != 0,
            mode: number(tag::MODE).map(mode_name),
            generation: number(tag::GENERATION),
            set_sha256: fields.find(tag::SET_SHA256).map(|field| hex(field.bytes)),
            image,
            state: StateFields::of(fields),
            count: number(tag::COUNT),
            error: number(tag::ERROR)
                .filter(|_| verdict.is_none())
                .map(|code| FaultRecord::new(code, number(tag::OFFSET).unwrap_or(0))),
            evidence: verdict.map(|_| EvidenceRecord::of_event(named(), record)),
            verdict: verdict.map(|group| VerdictRecord::of_event(named(), &group.fields())),
        }
    }
}

impl FaultRecord {
    /// The fault with this code, found at this byte of the set.
    pub fn new(code: u64, offset: u64) -> Self {
        let fault = u16::try_from(code).ok().and_then(SetFault::from_code);
        let refusal = || refusal(code).map(|(name, _)| name);
        let name = match fault.map(SetFault::name).or_else(refusal) {
            Some(name) => name.into(),
            None => format!("unknown-{code}").into(),
        };
        Self { code, name, offset }
    }
}

/// Name of a push error that is not the set's own fault, and what to do about it.
fn refusal(code: u64) -> Option<(&'static str, &'static str)> {
    Some(match u32::try_from(code).ok()? {
        push_error::NO_MEMORY => (
            "no-memory",
            "the driver could not get memory for the set; free some, or make the set smaller, and push again",
        ),
        push_error::UNSIGNED => (
            "unsigned",
            "a key is provisioned and the set is not signed; sign it with `gatehouse policy sign` and push what that writes",
        ),
        push_error::ENVELOPE => (
            "envelope",
            "the head of the signed set is damaged, or of another version; sign the set again with `gatehouse policy sign`",
        ),
        push_error::SIGNATURE => (
            "signature",
            "the signature is not by the provisioned key; `gatehouse status` shows that key's fingerprint, sign with its private part",
        ),
        push_error::SEQUENCE => (
            "sequence",
            "the sequence number is not above the highest one accepted under the key, which `gatehouse status` shows; sign again with a \
             higher --sequence",
        ),
        push_error::STEP => (
            "sequence-step",
            "the sequence number is more than 2^32 above the highest one accepted under the key, which `gatehouse status` shows; sign \
             again with a lower --sequence",
        ),
        push_error::NOTHING_BEFORE => (
            "nothing-before",
            "there is no earlier generation to go back to; push the set that is wanted",
        ),
        push_error::NOT_KEPT => (
            "not-kept",
            "the signed set could not be kept on disk, so its sequence number would not outlive a restart; make room and check the \
             rights on the driver's folder, then push again",
        ),
        _ => return None,
    })
}

impl fmt::Display for FaultRecord {
    /// What is wrong, where, and what to do, in the words of `policy` where it is the set's own fault.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset;
        if let Some(fault) = u16::try_from(self.code).ok().and_then(SetFault::from_code) {
            return SetError { fault, offset }.fmt(formatter);
        }
        match refusal(self.code) {
            Some((name, advice)) => write!(formatter, "{advice} ({name})"),
            None => write!(formatter, "{} (code {}, at byte {offset})", self.name, self.code),
        }
    }
}

/// The name of a file in UTF-16LE, so that two names never look the same.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().copied();
    crate::files::name_of_units(units.map(u16::from_le_bytes))
}

/// 100 ns units as microseconds.
#[expect(clippy::cast_precision_loss, reason = "exact up to 28 years")]
fn microseconds(ticks: u64) -> f64 {
    ticks as f64 / 10.0
}
