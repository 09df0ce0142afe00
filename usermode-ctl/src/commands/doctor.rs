//! `doctor`: what may keep the driver from doing its work.

use std::borrow::Cow;

use crate::commands::Context;
use crate::commands::knowledge;
use crate::doctor;
use crate::doctor::Check;
use crate::doctor::State;
use crate::driver::Access;
use crate::error::Error;
use crate::error::Outcome;
use crate::output::Table;
use crate::output::Tint;

/// Gathers facts, checks and reports. Where there is no Windows, everything is not known, and that is told by the exit code too.
pub fn run(context: &mut Context) -> Result<Outcome, Error> {
    let asked = context.driver("doctor", Access::Read).and_then(|mut driver| {
        let status = driver.status()?;
        Ok((status, doctor::policy_age(&mut driver)?))
    });
    let (driver, age, elsewhere) = match asked {
        Ok((status, age)) => (Ok(status), age, None),
        Err(error) => {
            let why = error.to_string();
            #[cfg(windows)]
            let elsewhere = None::<Error>;
            #[cfg(not(windows))]
            let elsewhere = Some(error);
            (Err(why.clone()), Err(why), elsewhere)
        }
    };
    let facts = doctor::gather(driver, age);
    let checks = doctor::all(&facts, &knowledge::load()?);
    if context.output.is_json() {
        for check in &checks {
            context.output.record(check)?;
        }
    } else {
        report(&checks, context)?;
    }
    if let Some(error) = elsewhere {
        return Err(error);
    }
    Ok(if checks.iter().any(|check| check.state == State::Finding) {
        Outcome::Failed
    } else {
        Outcome::Done
    })
}

fn report(checks: &[Check], context: &mut Context) -> Result<(), Error> {
    let mut table = Table::headed(&["STATE", "CHECK", "SAYS"]);
    for check in checks {
        let tint = match check.state {
            State::Fine => Tint::Good,
            State::Note => Tint::Plain,
            State::Finding => Tint::Bad,
            State::NotKnown => Tint::Warn,
        };
        let cells: [Cow<'_, str>; 3] = [
            check.state.name().into(),
            check.name.into(),
            check.says.as_str().into(),
        ];
        table.row(tint, cells);
    }
    context.output.table(&table)?;
    for check in checks {
        if let Some(advice) = &check.advice {
            context.output.line("")?;
            context.output.line(format_args!("{}: {advice}", check.name))?;
        }
    }
    Ok(())
}
