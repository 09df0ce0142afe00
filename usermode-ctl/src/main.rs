//! The `gatehouse` command: takes inventory of driver images, compiles policies, and drives the running driver.
//!
//! It decides nothing itself: what a file proves comes from `evidence`, what becomes of it from `policy` or from the driver.
//!
//! * `args`: the command line. `commands`: one file for each command.
//! * `examination`: what files prove, many at a time.
//! * `driver`: the conversation with the driver. `service`: installing, starting and stopping it.
//! * `records`: what is reported, as JSON has it. `output`: how it is shown.

mod args;
mod catalogs;
mod commands;
mod doctor;
mod driver;
mod error;
mod examination;
mod files;
mod inventory;
mod keys;
mod output;
mod policies;
mod private_file;
mod recorded;
mod records;
#[cfg_attr(not(windows), path = "service_elsewhere.rs")]
mod service;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Arguments;
use crate::commands::Context;
use crate::error::Outcome;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            output::usage(&told);
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2));
        }
    };
    let mut context = Context {
        output: Output::standard(arguments.common),
        connect: Box::new(driver::connect),
    };
    let done = commands::run(&arguments.command, &mut context);
    let done = done.and_then(|outcome| context.output.finish().map(|()| outcome));
    match done {
        Ok(outcome) => outcome.into(),
        Err(error) if error.is_broken_pipe() => Outcome::Done.into(),
        Err(error) => {
            context.output.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
