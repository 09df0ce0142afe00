//! Signed sets: the envelope, and who may put a set into force.

use crate::generation::Rejected;
use crate::memory::wide;
use crate::state::State;
use protocol::envelope::Envelope;
use protocol::envelope::MAGIC;
use protocol::envelope::Statement;
use protocol::envelope::VERSION;
use protocol::message::push_error;
use protocol::rising::Step;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

/// Splits what was pushed or stored into envelope and set; a bare set has no envelope.
pub fn open(bytes: &[u8]) -> Result<(Option<Envelope>, &[u8]), Rejected> {
    if !bytes.starts_with(&MAGIC) {
        return Ok((None, bytes));
    }
    let malformed = Rejected::Other(push_error::ENVELOPE);
    let (envelope, set) = Envelope::read_from_prefix(bytes).map_err(|_| malformed)?;
    let known = envelope.version.get() == VERSION && envelope.reserved == [0; 2];
    if !known || envelope.length.get() != wide(set.len()) {
        return Err(malformed);
    }
    Ok((Some(envelope), set))
}

/// Whether a set of this length and SHA-256 carries the key's signature.
pub fn is_signed_by(key: &[u8; 32], envelope: &Envelope, length: u64, sha256: &[u8; 32]) -> bool {
    let statement = Statement::new(envelope.sequence.get(), length, *sha256);
    evidence::verify_ed25519(key, statement.as_bytes(), &envelope.signature)
}

/// Whether a set comes new or was accepted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It is pushed.
    Push,
    /// It comes back from the disk at start.
    Start,
    /// It comes back because somebody asks for the set before the one in force.
    Rollback,
}

/// Whose sets are let in.
pub struct Signer {
    key: Option<[u8; 32]>,
    sequence: u64,
    returnable: [u8; 32],
    set: [u8; 32],
    occasion: Occasion,
}

impl Signer {
    /// What the state asks of a set on this occasion.
    pub fn of(state: &State, occasion: Occasion) -> Self {
        Self {
            key: state.key,
            sequence: state.sequence(),
            returnable: state.returnable,
            set: state.set,
            occasion,
        }
    }

    /// Whether sets must be signed.
    pub const fn is_strict(&self) -> bool {
        self.key.is_some()
    }

    /// Whether a set of this length and SHA-256 may come into force with this envelope. Where it is one that the key was not used for
    /// before, its sequence number is given back: none up to it may come from now on.
    ///
    /// # Errors
    /// [`Rejected::Other`] with the [`push_error`].
    pub fn admit(
        &self,
        envelope: Option<&Envelope>,
        length: u64,
        sha256: &[u8; 32],
    ) -> Result<Option<u64>, Rejected> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        // It was let in once. A key that came since has nothing to say against it: with no set in force, nothing would be refused.
        if self.occasion == Occasion::Start && *sha256 == self.set {
            return Ok(None);
        }
        let envelope = envelope.ok_or(Rejected::Other(push_error::UNSIGNED))?;
        if !is_signed_by(key, envelope, length, sha256) {
            return Err(Rejected::Other(push_error::SIGNATURE));
        }
        let sequence = envelope.sequence.get();
        match Step::from(self.sequence, sequence) {
            Step::Follows => Ok(Some(sequence)),
            _ if self.occasion != Occasion::Push && *sha256 == self.returnable => Ok(None),
            Step::NotAbove => Err(Rejected::Other(push_error::SEQUENCE)),
            Step::TooFar => Err(Rejected::Other(push_error::STEP)),
        }
    }
}
