//! Who may sign sets: provisioning, replacing and removing the key.

use crate::gate::Gate;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::memory::wide;
use crate::signed::is_signed_by;
use crate::state::State;
use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::KeyStatement;
use protocol::control::key_error;
use protocol::event::Kind;
use protocol::rising::Step;
use zerocopy::IntoBytes;

/// Why a key was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// One of [`key_error`].
    Error(u32),
    /// It could not be written.
    NotKept(NtStatus),
}

impl<H: Host> Gate<H> {
    /// Takes a key, or says why not and leaves the old one.
    pub(crate) fn ask_key(&self, request: &KeyRequest) -> KeyOutcome {
        let outcome = self.take_key(request);
        if outcome.is_ok() {
            self.emit(&mut [0; 192], Kind::KeyChanged, self.host.now(), |_| ());
        }
        let (error, persisted) = match outcome {
            Ok(()) => (0, 0),
            Err(Refused::Error(error)) => (error, 0),
            Err(Refused::NotKept(status)) => (key_error::NOT_KEPT, status.bits()),
        };
        let state = self.state();
        KeyOutcome {
            error: error.into(),
            persisted: persisted.into(),
            key: state.key.unwrap_or_default(),
            number: state.key_number.into(),
        }
    }

    fn take_key(&self, request: &KeyRequest) -> Result<(), Refused> {
        let new = (request.key != [0; 32]).then_some(request.key);
        self.changing.with(|disk| {
            let state = self.state();
            let number = may_change(&state, request).map_err(Refused::Error)?;
            if new.is_some_and(|key| !evidence::is_ed25519_key(&key)) {
                return Err(Refused::Error(key_error::WEAK_KEY));
            }
            let sequence = new.map_or(0, |key| self.in_force_under(&state, &key));
            self.save_first(disk, |state| {
                state.key_number = number;
                state.key = new;
                if let Some(key) = new {
                    state.numbers.take(&key, sequence);
                }
            })
            .map_err(Refused::NotKept)
        })
    }

    /// Sequence number of the set in force, if that is the new key's: from now on nothing older comes in. 0 if it is not, or if the key
    /// could not have brought it in with that number.
    fn in_force_under(&self, state: &State, key: &[u8; 32]) -> u64 {
        let Some(in_force) = self.in_force() else {
            return 0;
        };
        let generation = &in_force.generation;
        let length = wide(generation.set.bytes().len());
        let sequence = generation.sequence();
        let is_its = generation
            .envelope
            .as_ref()
            .is_some_and(|envelope| is_signed_by(key, envelope, length, &generation.sha256));
        if is_its && Step::from(state.numbers.of(key), sequence) == Step::Follows {
            sequence
        } else {
            0
        }
    }
}

/// The highest number of a change of the key after this one; or why it may not be, one of [`key_error`].
fn may_change(state: &State, request: &KeyRequest) -> Result<u64, u32> {
    let number = request.number.get();
    match state.key {
        // Nobody is there to sign. A number given all the same ends what the new key has signed up to it, here or elsewhere.
        None if number == 0 => return Ok(state.key_number),
        None => {}
        Some(old) => {
            let statement = KeyStatement::new(number, old, request.key);
            if !evidence::verify_ed25519(&old, statement.as_bytes(), &request.signature) {
                return Err(key_error::SIGNATURE);
            }
        }
    }
    match Step::from(state.key_number, number) {
        Step::Follows => Ok(number),
        Step::NotAbove => Err(key_error::NUMBER),
        Step::TooFar => Err(key_error::STEP),
    }
}
