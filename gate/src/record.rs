//! Event records: what was found, as the fields of `protocol::event`.

use crate::facts;
use crate::generation::InForce;
use crate::host::Host;
use crate::host::NtStatus;
use crate::weigh::Weighed;
use evidence::ErrorKind;
use policy::PolicyOutcome;
use policy::Verdict;
use protocol::event::Head;
use protocol::event::Kind;
use protocol::event::flag;
use protocol::event::tag;
use protocol::field::Writer;
use protocol::message::Mode;
use zerocopy::IntoBytes;

/// A record under construction in a caller's buffer.
pub struct Builder<'b> {
    writer: Writer<'b>,
    kind: Kind,
    time: i64,
    cut: bool,
}

impl<'b> Builder<'b> {
    /// A record of this kind at this time (FILETIME).
    pub fn new(buffer: &'b mut [u8], kind: Kind, time: i64) -> Self {
        let mut record = Self {
            writer: Writer::new(buffer),
            kind,
            time,
            cut: false,
        };
        record.writer.raw(&[0; size_of::<Head>()]);
        record
    }

    /// Fields that [`encode`] wrote.
    pub fn encoded(&mut self, fields: &[u8], cut: bool) {
        self.add(|writer| writer.raw(fields));
        self.cut |= cut;
    }

    /// A number.
    pub fn number(&mut self, tag: u16, value: u64) {
        self.add(|writer| writer.number(tag, value));
    }

    /// Raw bytes.
    pub fn bytes(&mut self, tag: u16, bytes: &[u8]) {
        self.add(|writer| writer.bytes(tag, bytes));
    }

    /// UTF-16 units, little-endian.
    pub fn units(&mut self, tag: u16, units: &[u16]) {
        self.add(|writer| {
            writer.group(tag, |writer| {
                for unit in units {
                    writer.raw(&unit.to_le_bytes());
                }
            });
        });
    }

    /// The generation in force and the mode.
    pub fn context<H: Host>(&mut self, in_force: Option<&InForce<H>>, mode: Mode) {
        self.number(tag::MODE, mode_number(mode));
        self.number(tag::GENERATION, in_force.map_or(0, |in_force| in_force.number));
        if let Some(in_force) = in_force {
            self.bytes(tag::SET_SHA256, &in_force.generation.sha256);
        }
    }

    /// Evidence, verdict and the times they took. What must not be cut comes first, and each signature is cut by itself.
    fn weighed(&mut self, weighed: &Weighed<'_, '_>) {
        self.add(|writer| writer.group(tag::VERDICT, |writer| verdict(writer, &weighed.verdict)));
        self.add(|writer| {
            writer.group(tag::EVIDENCE, |writer| {
                facts::evidence(writer, &weighed.evidence);
            });
        });
        self.number(tag::READ, weighed.read);
        self.number(tag::DECIDED, weighed.decided);
        if let Some(error) = &weighed.error {
            self.number(tag::ERROR, u64::from(error.kind.code()));
            match error.kind {
                ErrorKind::Io(failed) => {
                    self.number(tag::OFFSET, failed.offset);
                    self.number(tag::STATUS, u64::from(NtStatus(failed.status).bits()));
                }
                ErrorKind::Changed { offset } | ErrorKind::Malformed { offset, .. } => {
                    self.number(tag::OFFSET, offset);
                }
                _ => {}
            }
        }
        let signatures = weighed.evidence.signatures.present().unwrap_or_default();
        for signature in signatures {
            self.add(|writer| {
                writer.group(tag::SIGNATURE_FACTS, |writer| {
                    facts::signature(writer, signature, weighed.catalogs.as_ref());
                });
            });
        }
    }

    /// Finishes the head; the number of bytes used, or `None` when not even the head fitted.
    pub fn finish(self) -> Option<FinishedRecord> {
        let size = self.writer.finish()?;
        let head = Head {
            size: u32::try_from(size).ok()?.into(),
            kind: self.kind.number().into(),
            flags: if self.cut { flag::CUT } else { 0 }.into(),
            sequence: 0.into(),
            time: self.time.into(),
        };
        Some(FinishedRecord { head, size })
    }

    fn add(&mut self, write: impl FnOnce(&mut Writer<'b>)) {
        write(&mut self.writer);
        self.cut |= self.writer.recover();
    }
}

/// Fields without a head.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoded {
    /// Bytes written.
    pub bytes: usize,
    /// Whether some were left out because they did not fit.
    pub cut: bool,
}

/// Writes what weighing gave as fields, to be put into records with [`Builder::encoded`].
pub fn encode(buffer: &mut [u8], weighed: &Weighed<'_, '_>) -> Encoded {
    let mut record = Builder {
        writer: Writer::new(buffer),
        kind: Kind::Check,
        // Only a head has one.
        time: 0,
        cut: false,
    };
    record.weighed(weighed);
    let cut = record.cut;
    Encoded {
        bytes: record.writer.finish().unwrap_or(0),
        cut,
    }
}

/// A record whose head has still to be put in front of its fields.
pub struct FinishedRecord {
    head: Head,
    size: usize,
}

impl FinishedRecord {
    /// Puts the head in place and gives the whole record.
    pub fn seal(self, buffer: &mut [u8]) -> Option<&mut [u8]> {
        let record = buffer.get_mut(..self.size)?;
        self.head.write_to_prefix(record).ok()?;
        Some(record)
    }
}

/// The number of a mode on the wire.
pub const fn mode_number(mode: Mode) -> u64 {
    match mode {
        Mode::Evaluate => 1,
        Mode::Enforce => 2,
    }
}

fn verdict(writer: &mut Writer<'_>, verdict: &Verdict<'_>) {
    writer.number(tag::DECISION, u64::from(verdict.decision.number()));
    writer.number(tag::REASON, u64::from(verdict.reason.code()));
    for policy in verdict.policies() {
        writer.group(tag::POLICY, |writer| outcome(writer, &policy));
    }
}

fn outcome(writer: &mut Writer<'_>, outcome: &PolicyOutcome<'_>) {
    writer.bytes(tag::POLICY_ID, &outcome.policy.id());
    writer.text(tag::POLICY_NAME, outcome.policy.name().chars());
    writer.number(tag::DECISION, u64::from(outcome.decision.number()));
    writer.number(tag::REASON, u64::from(outcome.reason.code()));
    if let Some(rule) = &outcome.rule {
        writer.group(tag::RULE, |writer| {
            writer.number(tag::RULE_KIND, u64::from(rule.kind.number()));
            writer.number(tag::RULE_LEVEL, u64::from(rule.level.number()));
            writer.text(tag::RULE_ID, rule.id.chars());
            writer.text(tag::RULE_NAME, rule.name.chars());
            writer.number(tag::RULE_ACTION, u64::from(rule.action.number()));
        });
    }
    if let Some(signature) = outcome.signature {
        writer.number(tag::SIGNATURE, u64::from(signature));
    }
}
