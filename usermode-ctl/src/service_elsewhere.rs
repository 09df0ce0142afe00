//! The service on systems that have none: every call says so.

use crate::args::Install;
use crate::error::Error;
use crate::records::ServiceRecord;

/// Cannot be done here.
pub fn install(_arguments: &Install) -> Result<ServiceRecord, Error> {
    Err(Error::NeedsWindows { command: "install" })
}

/// Cannot be done here.
pub fn uninstall() -> Result<ServiceRecord, Error> {
    Err(Error::NeedsWindows { command: "uninstall" })
}

/// Cannot be done here.
pub fn start() -> Result<ServiceRecord, Error> {
    Err(Error::NeedsWindows { command: "start" })
}

/// Cannot be done here.
pub fn stop() -> Result<ServiceRecord, Error> {
    Err(Error::NeedsWindows { command: "stop" })
}
