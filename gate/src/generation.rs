//! Policy generations: one pushed set, immutable, in force until the next one.

use crate::host::Host;
use crate::host::NoMemory;
use crate::memory::copied;
use crate::memory::wide;
use crate::signed::Signer;
use crate::signed::open;
use alloc::vec::Vec;
use policy::SetError;
use policy::SetFault;
use policy::ValidatedSet;
use policy::format::MAX_SET_BYTES;
use protocol::envelope::Envelope;
use sha2::Digest;
use sha2::Sha256;

/// A compiled set that was validated.
pub struct Generation {
    /// SHA-256 of all bytes of the set.
    pub sha256: [u8; 32],
    /// The set.
    pub set: ValidatedSet<Vec<u8>>,
    /// The head it came with, if it was signed. Whether the signature was checked depends on the key then provisioned.
    pub envelope: Option<Envelope>,
    /// The sequence number that the key then provisioned newly vouched for: none up to it may be accepted from now on.
    pub taken: Option<u64>,
}

impl Generation {
    /// Sequence number of a signed set; 0 for an unsigned one.
    pub fn sequence(&self) -> u64 {
        self.envelope.map_or(0, |envelope| envelope.sequence.get())
    }
}

/// The generation in force.
pub struct InForce<H: Host> {
    /// 1 for the first since the driver started.
    pub number: u64,
    /// The set; whoever holds a clone keeps it alive.
    pub generation: H::Shared<Generation>,
}

impl<H: Host> Clone for InForce<H> {
    fn clone(&self) -> Self {
        Self {
            number: self.number,
            generation: self.generation.clone(),
        }
    }
}

/// Why a set did not become a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// The set is at fault.
    Set(#[doc = "What is wrong, and where."] SetError),
    /// Something else is: one of [`protocol::message::push_error`].
    Other(#[doc = "Which."] u32),
}

impl Rejected {
    /// The number told to the controller and recorded in the event.
    pub fn code(self) -> u32 {
        match self {
            Self::Set(error) => u32::from(error.fault.code()),
            Self::Other(code) => code,
        }
    }

    /// Byte offset of the fault in the set.
    pub fn offset(self) -> u64 {
        match self {
            Self::Set(error) => error.offset,
            Self::Other(_) => 0,
        }
    }
}

impl From<NoMemory> for Rejected {
    fn from(_: NoMemory) -> Self {
        Self::Other(protocol::message::push_error::NO_MEMORY)
    }
}

/// A private, validated copy of a set, bare or in an envelope, that `signer` lets in.
pub fn accept(bytes: &[u8], signer: &Signer) -> Result<Generation, Rejected> {
    let (envelope, set) = open(bytes)?;
    // Sizes are checked before memory is asked for.
    if set.len() > MAX_SET_BYTES {
        return Err(Rejected::Set(SetError {
            fault: SetFault::TooLarge,
            offset: wide(MAX_SET_BYTES),
        }));
    }
    let copy = copied(set)?;
    let sha256 = Sha256::digest(&copy).into();
    // Before the set is looked into: with a key, only its owner gets to show the validation anything.
    let taken = signer.admit(envelope.as_ref(), wide(copy.len()), &sha256)?;
    let set = ValidatedSet::new(copy).map_err(Rejected::Set)?;
    Ok(Generation {
        sha256,
        set,
        envelope,
        taken,
    })
}
