//! A transport that ends in this process: the driver's own request dispatch, with gate's own test host beneath it.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use gate::Answer;
use gate::Gate;
use gate::host::NtStatus;
use gate::process::Content;
use gate::process::Process;

use crate::driver::Client;
use crate::driver::Connect;
use crate::driver::SystemError;
use crate::driver::Transport;

/// A driver in this process; clones are connections to the same one.
#[derive(Clone)]
pub struct Loopback {
    pub gate: Arc<Gate<Process>>,
}

impl Loopback {
    /// A driver that was just started.
    pub fn start() -> Self {
        Self {
            gate: Arc::new(Gate::try_new(Process::default()).unwrap_or_else(|_| panic!("no memory"))),
        }
    }

    /// Puts a file at an NT path.
    pub fn put(&self, path: &str, bytes: Vec<u8>) {
        let content = Content {
            bytes,
            ..Content::default()
        };
        self.gate.host().put(path, content);
    }

    /// How commands reach it.
    pub fn connect(&self) -> Connect {
        let this = self.clone();
        Box::new(move |_, _| Client::over(Box::new(this.clone())))
    }

    /// A connection to it.
    pub fn client(&self) -> Client {
        Client::over(Box::new(self.clone())).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Transport for Loopback {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        let answered = self.wait(code, input, output, Duration::MAX)?;
        Ok(answered.expect("nobody waits forever"))
    }

    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        patience: Duration,
    ) -> Result<Option<usize>, SystemError> {
        // As METHOD_BUFFERED does it: one buffer, as long as the longer side.
        let mut buffer = vec![0; input.len().max(output.len())];
        buffer[..input.len()].copy_from_slice(input);
        let begun = Instant::now();
        let completion = loop {
            match self.gate.dispatch(code, &mut buffer, input.len(), output.len()) {
                Answer::Complete(completion) => break completion,
                // As the driver does it, but by looking again and again.
                Answer::Wait(after) => {
                    while !self.gate.has_events(after) {
                        if begun.elapsed() > patience {
                            return Ok(None);
                        }
                        std::thread::yield_now();
                    }
                }
            }
        };
        if completion.status != NtStatus::SUCCESS {
            return Err(win32(completion.status));
        }
        output[..completion.information].copy_from_slice(&buffer[..completion.information]);
        Ok(Some(completion.information))
    }
}

/// What `RtlNtStatusToDosError` makes of the statuses that requests end with.
fn win32(status: NtStatus) -> SystemError {
    SystemError(match status {
        NtStatus::INVALID_DEVICE_REQUEST => 1,
        NtStatus::INVALID_PARAMETER => 87,
        NtStatus::BUFFER_TOO_SMALL => 122,
        NtStatus::OBJECT_NAME_INVALID => 123,
        NtStatus::NAME_TOO_LONG => 206,
        NtStatus::FILE_TOO_LARGE => 223,
        NtStatus::REVISION_MISMATCH => return SystemError::REVISION_MISMATCH,
        NtStatus::INSUFFICIENT_RESOURCES => 1450,
        other => panic!("status {:#x} is new here", other.bits()),
    })
}
