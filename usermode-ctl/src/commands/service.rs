//! `install`, `uninstall`, `start`, `stop`: the driver's service.

use crate::args::Install;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::records::ServiceRecord;
use crate::service;

/// Copies the driver's file and registers the service.
pub fn install(arguments: &Install, context: &mut Context) -> Result<Outcome, Error> {
    report(&service::install(arguments)?, context)
}

/// Removes what install made.
pub fn uninstall(context: &mut Context) -> Result<Outcome, Error> {
    report(&service::uninstall()?, context)
}

/// Starts the driver.
pub fn start(context: &mut Context) -> Result<Outcome, Error> {
    report(&service::start()?, context)
}

/// Stops the driver.
pub fn stop(context: &mut Context) -> Result<Outcome, Error> {
    report(&service::stop()?, context)
}

fn report(record: &ServiceRecord, context: &mut Context) -> Result<Outcome, Error> {
    if context.output.is_json() {
        context.output.record(record)?;
        return Ok(Outcome::Done);
    }
    let what = match (record.action, record.changed) {
        ("install", _) => "the driver is installed; start it with `gatehouse start`",
        ("uninstall", true) => "the driver is uninstalled",
        ("uninstall", false) => "the driver was not installed",
        ("start", true) => "the driver is running",
        ("start", false) => "the driver was running already",
        (_, true) => "the driver is stopped",
        (_, false) => "the driver was not running",
    };
    context.output.note(what);
    Ok(Outcome::Done)
}
