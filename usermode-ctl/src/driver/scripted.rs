//! A transport that gives one prepared answer to one kind of request, and leaves the others to a driver: for answers that a driver
//! gives only when something is wrong with the machine.

use std::time::Duration;

use crate::driver::Client;
use crate::driver::Connect;
use crate::driver::SystemError;
use crate::driver::Transport;
use crate::driver::loopback::Loopback;

/// What is answered.
#[derive(Clone)]
pub struct Scripted {
    /// Code of the request.
    pub code: u32,
    /// The answer.
    pub answer: Vec<u8>,
}

impl Scripted {
    /// How commands reach it.
    pub fn connect(&self, driver: &Loopback) -> Connect {
        let (script, driver) = (self.clone(), driver.clone());
        Box::new(move |_, _| {
            Client::over(Box::new(Connection {
                script: script.clone(),
                driver: driver.clone(),
            }))
        })
    }
}

struct Connection {
    script: Scripted,
    driver: Loopback,
}

impl Transport for Connection {
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError> {
        if code != self.script.code {
            return self.driver.request(code, input, output);
        }
        let answer = &self.script.answer;
        output[..answer.len()].copy_from_slice(answer);
        Ok(answer.len())
    }

    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        patience: Duration,
    ) -> Result<Option<usize>, SystemError> {
        self.driver.wait(code, input, output, patience)
    }
}
