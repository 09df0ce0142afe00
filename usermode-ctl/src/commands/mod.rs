//! One file for each command.

mod check;
mod compile;
mod completions;
mod doctor;
mod documents;
mod events;
mod explain;
mod generate;
mod key;
mod knowledge;
mod metrics;
mod mode;
mod pull;
mod push;
mod readiness;
mod rollback;
pub mod scan;
mod schema;
mod service;
mod simulate;
mod status;
#[cfg(test)]
mod tests;
mod tried;

use crate::args::Command;
use crate::args::Key;
use crate::args::KeyFile;
use crate::args::Policy;
use crate::driver::Access;
use crate::driver::Client;
use crate::driver::Connect;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Output;

/// What every command works with.
pub struct Context {
    /// Where results and talk go.
    pub output: Output,
    /// How the driver is reached.
    pub connect: Connect,
}

impl Context {
    /// A connection to the driver, for the command named.
    fn driver(&self, command: &'static str, access: Access) -> Result<Client, Error> {
        (self.connect)(command, access)
    }
}

/// Runs a command.
pub fn run(command: &Command, context: &mut Context) -> Result<Outcome, Error> {
    match command {
        Command::Scan(arguments) => scan::run(arguments, context),
        Command::Explain(arguments) => explain::run(arguments, context),
        Command::Policy(Policy::Compile(arguments)) => compile::run(arguments, context),
        Command::Policy(Policy::New(arguments)) => generate::run(arguments, context),
        Command::Policy(Policy::Show(arguments)) => documents::show(arguments, context),
        Command::Policy(Policy::Lint(arguments)) => documents::lint(arguments, context),
        Command::Policy(Policy::Merge(arguments)) => documents::merge(arguments, context),
        Command::Policy(Policy::Diff(arguments)) => documents::diff(arguments, context),
        Command::Policy(Policy::Convert(arguments)) => documents::convert(arguments, context),
        Command::Policy(Policy::Import(arguments)) => documents::import(arguments, context),
        Command::Policy(Policy::Knowledge(arguments)) => knowledge::run(arguments, context),
        Command::Policy(Policy::Key(KeyFile::New(arguments))) => key::new(arguments, context),
        Command::Policy(Policy::Sign(arguments)) => key::sign(arguments, context),
        Command::Simulate(arguments) => simulate::run(arguments, context),
        Command::Install(arguments) => service::install(arguments, context),
        Command::Uninstall(_) => service::uninstall(context),
        Command::Start(_) => service::start(context),
        Command::Stop(_) => service::stop(context),
        Command::Status(_) => status::run(context),
        Command::Push(arguments) => push::run(arguments, context),
        Command::Pull(arguments) => pull::run(arguments, context),
        Command::Check(arguments) => check::run(arguments, context),
        Command::Events(arguments) => events::run(arguments, context),
        Command::Mode(arguments) => mode::run(arguments, context),
        Command::Rollback(_) => rollback::run(context),
        Command::Key(Key::Provision(arguments)) => key::provision(arguments, context),
        Command::Key(Key::Remove(arguments)) => key::remove(arguments, context),
        Command::Readiness(arguments) => readiness::run(arguments, context),
        Command::Doctor(_) => doctor::run(context),
        Command::Metrics(_) => metrics::run(context),
        Command::Schema(arguments) => schema::run(arguments, context),
        Command::Completions(arguments) => completions::run(arguments, context),
    }
}
