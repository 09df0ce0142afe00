//! `completions`: what a shell needs to complete commands.

use clap::CommandFactory;

use crate::args::Arguments;
use crate::args::Completions;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;

/// Prints it.
pub fn run(arguments: &Completions, context: &mut Context) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "gatehouse",
        &mut script,
    );
    context.output.bytes(&script)?;
    Ok(Outcome::Done)
}
