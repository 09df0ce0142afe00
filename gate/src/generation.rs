//! Policy generations: one pushed set, immutable, in force until the next one.

use crate::host::Host;
use crate::host::NoMemory;
use crate::memory::copied;
use crate::memory::wide;
use alloc::vec::Vec;
use policy::SetError;
use policy::SetFault;
use policy::ValidatedSet;
use policy::format::MAX_SET_BYTES;
use sha2::Digest;
use sha2::Sha256;

/// A compiled set that was validated.
pub struct Generation {
    /// SHA-256 of all bytes of the set.
    pub sha256: [u8; 32],
    /// The set.
    pub set: ValidatedSet<Vec<u8>>,
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

/// Why a pushed set did not become a generation.
#[derive(Clone, Copy, Debug)]
pub enum Rejected {
    /// The set is at fault.
    Set(#[doc = "What is wrong, and where."] SetError),
    /// There was no memory for it.
    NoMemory,
}

impl Rejected {
    /// The number told to the controller and recorded in the event.
    pub fn code(self) -> u32 {
        match self {
            Self::Set(error) => u32::from(error.fault.code()),
            Self::NoMemory => protocol::message::push_error::NO_MEMORY,
        }
    }

    /// Byte offset of the fault in the set.
    pub fn offset(self) -> u64 {
        match self {
            Self::Set(error) => error.offset,
            Self::NoMemory => 0,
        }
    }
}

impl From<NoMemory> for Rejected {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

/// A private, validated copy of pushed bytes.
pub fn accept(bytes: &[u8]) -> Result<Generation, Rejected> {
    // Sizes are checked before memory is asked for.
    if bytes.len() > MAX_SET_BYTES {
        return Err(Rejected::Set(SetError {
            fault: SetFault::TooLarge,
            offset: wide(MAX_SET_BYTES),
        }));
    }
    let copy = copied(bytes)?;
    let sha256 = Sha256::digest(&copy).into();
    let set = ValidatedSet::new(copy).map_err(Rejected::Set)?;
    Ok(Generation { sha256, set })
}
