//! The conversation with the driver.
//!
//! * `client`: the requests of `protocol`, over a transport. `path`: the names under which the driver opens files.
//! * `device`: the transport on Windows, the control device.
//! * `loopback`: the transport of tests, the driver's own request dispatch in this process. `scripted`: answers that it gives only
//!   when something is wrong.

mod client;
#[cfg(test)]
mod client_tests;
#[cfg(windows)]
mod device;
#[cfg(test)]
pub mod loopback;
pub mod path;
#[cfg(test)]
pub mod scripted;
mod transport;

pub use client::Client;
pub use client::Report;
pub use transport::Access;
pub use transport::SystemError;
pub use transport::Transport;

use crate::error::Error;

/// How commands reach the driver. They say which command they are, to be named when it cannot be reached at all.
pub type Connect = Box<dyn Fn(&'static str, Access) -> Result<Client, Error>>;

/// Opens the control device and agrees on a protocol version.
#[cfg(windows)]
pub fn connect(_command: &'static str, access: Access) -> Result<Client, Error> {
    Client::over(Box::new(device::Device::open(access)?))
}

/// There is no driver to talk to on this system.
#[cfg(not(windows))]
pub fn connect(command: &'static str, _access: Access) -> Result<Client, Error> {
    Err(Error::NeedsWindows { command })
}
