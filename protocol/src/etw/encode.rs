//! From a record to the events that tell of it.

use crate::etw::EVENTS;
use crate::etw::Event;
use crate::etw::Field;
use crate::etw::MAX_TEXT;
use crate::etw::PROVIDER;
use crate::etw::Place;
use crate::etw::Type;
use crate::etw::id;
use crate::event::Kind;
use crate::event::Record;
use crate::event::tag;
use crate::field;
use crate::field::Fields;

/// `policy::Decision` numbers.
mod decision {
    pub const ALLOW: u64 = 0;
}

/// The events that tell of a record, each with the number of the signature that it is about.
pub fn events(record: &Record<'_>) -> impl Iterator<Item = (&'static Event, u32)> {
    let main = main_event(record);
    let of_image = main.is_some_and(|event| matches!(event.id, id::WOULD_REFUSE | id::REFUSED | id::ALLOWED));
    let signatures = if of_image { count(record) } else { 0 };
    let signature = EVENTS.iter().find(|event| event.id == id::SIGNATURE);
    let each = (0..signatures).filter_map(move |number| Some((signature?, number)));
    main.map(|event| (event, 0)).into_iter().chain(each)
}

fn main_event(record: &Record<'_>) -> Option<&'static Event> {
    let kind = Kind::from_number(record.head.kind.get())?;
    let wanted = match kind {
        Kind::ImageRefused => id::REFUSED,
        Kind::ImageLoad | Kind::Baseline | Kind::Check => {
            let verdict = record.fields.find(tag::VERDICT)?.fields();
            match verdict.find(tag::DECISION).and_then(field::Field::number)? {
                decision::ALLOW => id::ALLOWED,
                // A policy that is enforced refuses; unless the section was refused, the load went on.
                _ => id::WOULD_REFUSE,
            }
        }
        Kind::PolicyActivated => id::POLICY_ACTIVATED,
        Kind::PolicyRejected => id::POLICY_REJECTED,
        Kind::Started => id::STARTED,
        Kind::LoadsDropped => id::LOADS_DROPPED,
        Kind::ModeChanged => id::MODE_CHANGED,
        Kind::PolicyRestored => id::POLICY_RESTORED,
        Kind::RestoreFailed => id::RESTORE_FAILED,
        Kind::PersistFailed => id::PERSIST_FAILED,
        Kind::KeyChanged => id::KEY_CHANGED,
        Kind::EvaluationReset => id::EVALUATION_RESET,
        Kind::StateNotKept => id::STATE_NOT_KEPT,
    };
    EVENTS.iter().find(|event| event.id == wanted)
}

/// The activity that ties the events of one record together: a GUID made of the provider's and the sequence number.
pub fn activity(record: &Record<'_>) -> [u8; 16] {
    let mut activity = PROVIDER;
    let sequence = record.head.sequence.get().to_le_bytes();
    for (byte, more) in activity.iter_mut().rev().zip(sequence) {
        *byte ^= more;
    }
    activity
}

/// The fields of an event as ETW carries them, one after the other; the number of bytes, or `None` when the buffer is too small.
/// [`MAX_PAYLOAD`](crate::etw::MAX_PAYLOAD) is always enough.
pub fn encode(event: &Event, record: &Record<'_>, signature: u32, buffer: &mut [u8]) -> Option<usize> {
    let source = Source::new(record, signature);
    let mut payload = Payload { buffer, used: 0 };
    let fields = event.template.fields;
    for (number, field) in fields.iter().enumerate() {
        let following = number.checked_add(1).and_then(|next| fields.get(next));
        payload.field(field, following, &source)?;
    }
    Some(payload.used)
}

fn count(record: &Record<'_>) -> u32 {
    let signatures = record
        .fields
        .clone()
        .filter(|field| field.is_ok_and(|field| field.tag == tag::SIGNATURE_FACTS));
    u32::try_from(signatures.count()).unwrap_or(u32::MAX)
}

/// The groups of a record that fields are taken from.
struct Source<'a> {
    record: &'a Record<'a>,
    evidence: Fields<'a>,
    verdict: Fields<'a>,
    policy: Fields<'a>,
    rule: Fields<'a>,
    signature: Fields<'a>,
    leaf: Fields<'a>,
    issuer: Fields<'a>,
    index: u32,
}

impl<'a> Source<'a> {
    fn new(record: &'a Record<'a>, index: u32) -> Self {
        let verdict = nth(&record.fields, tag::VERDICT, 0);
        let decision = verdict.find(tag::DECISION).and_then(field::Field::number);
        let deciding = groups(&verdict, tag::POLICY)
            .find(|policy| policy.find(tag::DECISION).and_then(field::Field::number) == decision);
        let policy = deciding.unwrap_or(Fields::new(&[]));
        let signature = nth(&record.fields, tag::SIGNATURE_FACTS, index);
        Self {
            evidence: nth(&record.fields, tag::EVIDENCE, 0),
            rule: nth(&policy, tag::RULE, 0),
            leaf: nth(&signature, tag::CERTIFICATE, 0),
            issuer: nth(&signature, tag::CERTIFICATE, 1),
            record,
            verdict,
            policy,
            signature,
            index,
        }
    }

    fn find(&self, place: Place) -> Option<field::Field<'a>> {
        match place {
            Place::Record(tag) => self.record.fields.find(tag),
            Place::Evidence(tag) => self.evidence.find(tag),
            Place::Verdict(tag) => self.verdict.find(tag),
            Place::Policy(tag) => self.policy.find(tag),
            Place::Rule(tag) => self.rule.find(tag),
            Place::Signature(tag) => self.signature.find(tag),
            Place::Leaf(tag) => self.leaf.find(tag),
            Place::Issuer(tag) => self.issuer.find(tag),
            Place::Sequence
            | Place::Kind
            | Place::Fixed(_)
            | Place::Following
            | Place::Signatures
            | Place::Index
            | Place::SignatureType
            | Place::VerificationError => None,
        }
    }

    /// A number; 0 where the record says nothing.
    fn number(&self, place: Place) -> u64 {
        let signature = |tag| self.signature.find(tag).and_then(field::Field::number);
        match place {
            Place::Sequence => self.record.head.sequence.get(),
            Place::Kind => u64::from(self.record.head.kind.get()),
            Place::Fixed(number) => u64::from(number),
            Place::Signatures => u64::from(count(self.record)),
            Place::Index => u64::from(self.index),
            // Source of both: Microsoft, "Understanding App Control event tags".
            Place::SignatureType => match signature(tag::SOURCE) {
                Some(3) => 3,
                Some(_) => 1,
                None => 0,
            },
            Place::VerificationError => match signature(tag::FAULT) {
                None => 0,
                Some(2) => 1,
                Some(3) => 6,
                Some(9 | 10) => 27,
                Some(12) => 11,
                Some(_) => 8,
            },
            _ => self.find(place).and_then(field::Field::number).unwrap_or(0),
        }
    }

    fn bytes(&self, place: Place) -> &'a [u8] {
        self.find(place).map_or(&[], |field| field.bytes)
    }

    /// The units of a text, at most [`MAX_TEXT`].
    fn units(&self, field: &Field) -> impl Iterator<Item = u16> + use<'a> {
        let bytes = self.bytes(field.place);
        let is_path = field.kind == Type::Path;
        let (utf16, utf8) = if is_path {
            (bytes, &[][..])
        } else {
            (&[][..], bytes)
        };
        let (pairs, _) = utf16.as_chunks::<2>();
        let text = core::str::from_utf8(utf8).unwrap_or_default();
        let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
        units.chain(text.encode_utf16()).take(MAX_TEXT)
    }
}

fn groups<'a>(fields: &Fields<'a>, tag: u16) -> impl Iterator<Item = Fields<'a>> {
    fields
        .clone()
        .filter_map(Result::ok)
        .filter(move |field| field.tag == tag)
        .map(field::Field::fields)
}

fn nth<'a>(fields: &Fields<'a>, tag: u16, number: u32) -> Fields<'a> {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    groups(fields, tag).nth(number).unwrap_or(Fields::new(&[]))
}

struct Payload<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl Payload<'_> {
    fn field(&mut self, field: &Field, following: Option<&Field>, source: &Source<'_>) -> Option<()> {
        let number = source.number(field.place);
        match field.kind {
            Type::Number | Type::Bits => {
                let narrow = u32::try_from(number).unwrap_or(u32::MAX);
                self.put(&narrow.to_le_bytes())
            }
            Type::Long | Type::Time => self.put(&number.to_le_bytes()),
            Type::Seconds => self.put(&filetime(number.cast_signed()).to_le_bytes()),
            Type::Guid => {
                let bytes: [u8; 16] = source.bytes(field.place).try_into().unwrap_or_default();
                self.put(&bytes)
            }
            Type::TextLength => {
                let units = following.map_or(0, |text| source.units(text).count());
                self.put(&u16::try_from(units).unwrap_or(0).to_le_bytes())
            }
            Type::Text | Type::Path => source
                .units(field)
                .try_for_each(|unit| self.put(&unit.to_le_bytes())),
            Type::Size => {
                let bytes = following.map_or(0, |bytes| source.bytes(bytes.place).len());
                self.put(&u32::try_from(bytes).unwrap_or(0).to_le_bytes())
            }
            Type::Bytes => self.put(source.bytes(field.place)),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.used.checked_add(bytes.len())?;
        self.buffer.get_mut(self.used..end)?.copy_from_slice(bytes);
        self.used = end;
        Some(())
    }
}

/// FILETIME of seconds since 1970; 0 for none, and for what no FILETIME can say.
fn filetime(seconds: i64) -> i64 {
    /// Seconds from 1601-01-01 to 1970-01-01.
    const UNIX_EPOCH: i64 = 11_644_473_600;
    if seconds == 0 {
        return 0;
    }
    let since = seconds.checked_add(UNIX_EPOCH).filter(|since| *since > 0);
    since.and_then(|since| since.checked_mul(10_000_000)).unwrap_or(0)
}
