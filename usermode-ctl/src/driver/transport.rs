//! What carries requests to the driver and answers back.

use std::fmt;
use std::io;
use std::time::Duration;

/// What a controller wants to do with the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Ask.
    Read,
    /// Ask and change.
    Write,
}

/// A Win32 error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemError(pub u32);

impl SystemError {
    /// `ERROR_INVALID_FUNCTION`: the driver knows no such request.
    pub const INVALID_FUNCTION: Self = Self(1);
    /// `ERROR_ACCESS_DENIED`.
    pub const ACCESS_DENIED: Self = Self(5);
    /// `ERROR_DEV_NOT_EXIST`: the device went away.
    pub const DEVICE_GONE: Self = Self(55);
    /// `ERROR_NO_SUCH_DEVICE`: the driver is being unloaded.
    pub const NO_SUCH_DEVICE: Self = Self(433);
    /// `ERROR_OPERATION_ABORTED`: the request was taken back, or the driver gave it up because it is stopping.
    pub const OPERATION_ABORTED: Self = Self(995);
    /// `ERROR_REVISION_MISMATCH`: the driver speaks another protocol version.
    pub const REVISION_MISMATCH: Self = Self(1306);
}

impl fmt::Display for SystemError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0.cast_signed()).fmt(formatter)
    }
}

/// A connection to a driver.
pub trait Transport {
    /// Sends one request; the answer is in `output`, its length is returned.
    ///
    /// # Errors
    /// The system's error code.
    fn request(&mut self, code: u32, input: &[u8], output: &mut [u8]) -> Result<usize, SystemError>;

    /// As [`Transport::request`], for one that the driver may leave pending: after `patience` it is taken back, and there is no
    /// answer.
    ///
    /// # Errors
    /// The system's error code.
    fn wait(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
        patience: Duration,
    ) -> Result<Option<usize>, SystemError>;
}
