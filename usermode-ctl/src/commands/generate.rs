//! `policy new`: a policy from a scan.

use std::collections::BTreeMap;

use evidence::Evidence;
use sipolicy::Generator;

use crate::args::NewPolicy;
use crate::catalogs;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::files;
use crate::inventory::Inventory;
use crate::policies;

/// Makes rules for every file and writes the policy; files that no level suits are named and fail the command.
pub fn run(arguments: &NewPolicy, context: &mut Context) -> Result<Outcome, Error> {
    let given = [&arguments.paths, &arguments.evidence, &arguments.catalogs];
    policies::keep_inputs(&arguments.output, given.into_iter().flatten())?;
    let output = &mut context.output;
    let catalogs = catalogs::read(&arguments.catalogs, output)?;
    let inventory = Inventory {
        paths: &arguments.paths,
        records: &arguments.evidence,
        catalogs: catalogs.index(),
    };
    let empty = Generator::new(arguments.level, &arguments.fallback);
    let mut generator = empty.clone();
    let mut levels = BTreeMap::<_, u64>::new();
    let mut left_out = Outcome::Done;
    let rules = |name: &str, evidence: &Evidence<'_>| {
        // Rules do not name folders: the last part of either kind of path.
        let short = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let mut own = empty.clone();
        let level = own.add(short, evidence);
        (own, level)
    };
    let read = inventory.each(output, rules, |output, name, (own, level)| {
        generator.absorb(own);
        match level {
            Ok(level) => {
                let count = levels.entry(level).or_default();
                *count = count.saturating_add(1);
            }
            Err(reasons) => {
                output.failure(format_args!(
                    "no rule for {name}: {reasons}; give another level with --fallback"
                ));
                left_out = Outcome::Failed;
            }
        }
        Ok(())
    })?;
    if read.images == 0 && read.unreadable == 0 {
        return Err(Error::Declined {
            what: "no policy was made",
            problem: "no image was found to make rules for".to_owned(),
        });
    }
    let document = generator.finish(&arguments.name);
    files::write_document(output, &arguments.output, &document)?;
    let levels: Vec<String> = levels
        .iter()
        .map(|(level, count)| format!("{count} by {level}"))
        .collect();
    output.note(format_args!(
        "{} rules and signers for {} (audit mode; enforce it only once `gatehouse simulate` refuses nothing)",
        document.file_rules.len().saturating_add(document.signers.len()),
        if levels.is_empty() {
            "no file".to_owned()
        } else {
            format!("files: {}", levels.join(", "))
        }
    ));
    let read = if read.unreadable > 0 {
        Outcome::Failed
    } else {
        Outcome::Done
    };
    Ok(read.max(left_out).max(catalogs.outcome()))
}
