//! `pull`: the compiled set in force, out of the driver.

use crate::args::Pull;
use crate::commands::Context;
use crate::commands::compile::report;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::policies;
use crate::records::SetRecord;

/// Fetches, validates and writes the set.
pub fn run(arguments: &Pull, context: &mut Context) -> Result<Outcome, Error> {
    let Some((generation, set)) = context.driver("pull", Access::Read)?.pull()? else {
        return Err(Error::NoPolicy);
    };
    let to_output = files::is_standard_output(&arguments.output);
    let path = files::name(&arguments.output);
    let view = policies::validate(&arguments.output, &set)?;
    let record = SetRecord::new(path, &set, &view);
    files::write_result(&mut context.output, &arguments.output, &set)?;
    context
        .output
        .note(format_args!("fetched generation {generation}"));
    if !to_output {
        report(&mut context.output, &record)?;
    }
    Ok(Outcome::Done)
}
