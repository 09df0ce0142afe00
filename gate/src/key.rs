//! Who may sign sets: provisioning, replacing and removing the key.

use crate::gate::Gate;
use crate::host::Host;
use crate::host::Lock;
use crate::host::NtStatus;
use crate::memory::wide;
use crate::signed::is_signed_by;
use protocol::control::KeyOutcome;
use protocol::control::KeyRequest;
use protocol::control::key_error;
use protocol::control::key_statement;
use protocol::event::Kind;

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
        KeyOutcome {
            error: error.into(),
            persisted: persisted.into(),
            key: self.state().key.unwrap_or_default(),
        }
    }

    fn take_key(&self, request: &KeyRequest) -> Result<(), Refused> {
        let new = (request.key != [0; 32]).then_some(request.key);
        self.changing.with(|disk| {
            if let Some(old) = self.state().key {
                let statement = key_statement(&old, &request.key);
                if !evidence::verify_ed25519(&old, &statement, &request.signature) {
                    return Err(Refused::Error(key_error::SIGNATURE));
                }
            }
            if new.is_some_and(|key| !evidence::is_ed25519_key(&key)) {
                return Err(Refused::Error(key_error::WEAK_KEY));
            }
            // From now on nothing older than what is in force comes in, if that is the new key's.
            let in_force = self.in_force();
            let signed = in_force.as_ref().and_then(|in_force| {
                let generation = &in_force.generation;
                let length = wide(generation.set.bytes().len());
                let envelope = generation.envelope.as_ref()?;
                is_signed_by(&new?, envelope, length, &generation.sha256).then_some(generation.sequence())
            });
            self.save_first(disk, |state| {
                state.key = new;
                state.sequence = state.sequence.max(signed.unwrap_or(0));
            })
            .map_err(Refused::NotKept)
        })
    }
}
