//! `rollback`: back to the generation before the one in force.

use crate::commands::Context;
use crate::commands::push;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;

/// Asks and reports, as a push does.
pub fn run(context: &mut Context) -> Result<Outcome, Error> {
    let outcome = context.driver("rollback", Access::Write)?.rollback()?;
    push::report(&outcome, None, context)
}
