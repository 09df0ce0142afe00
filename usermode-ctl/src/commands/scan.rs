//! `scan`: inventory of driver images.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use evidence::Options;

use crate::args::Scan;
use crate::catalogs;
use crate::commands::Context;
use crate::error::Error;
use crate::error::Outcome;
use crate::examination::Candidate;
use crate::examination::Examination;
use crate::examination::Examined;
use crate::examination::PassedOver;
use crate::examination::candidates;
use crate::examination::jobs;
use crate::files;
use crate::inventory::Count;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::records::DigestsRecord;
use crate::records::EvidenceRecord;
use crate::records::EvidenceStatus;
use crate::records::SignatureRecord;
use crate::records::TrustRecord;

/// Examines everything named and reports it in the order named, folders sorted.
pub fn run(arguments: &Scan, context: &mut Context) -> Result<Outcome, Error> {
    let catalogs = catalogs::read(&arguments.catalogs, &mut context.output)?;
    let index = catalogs.index();
    let options = Options {
        flat: arguments.flat,
        ..Options::default()
    };
    let output = &mut context.output;
    let mut report = Report::new(output);
    let mut no_images = 0_u64;
    let passed_over = PassedOver::default();
    let mut count = Count::default();
    let mut malformed = 0_u64;
    let mut done = 0_usize;
    let examination = Examination {
        catalogs: index.as_ref(),
        jobs: jobs(arguments.jobs),
        options: |candidate: &Candidate| Options {
            flat_of_others: candidate.named,
            ..options
        },
        tell: |candidate: &Candidate, examined: &Examined<'_>| {
            let name = files::name(&candidate.path);
            match examined {
                Ok((size, evidence)) => EvidenceRecord::of_file(name, *size, evidence, index.as_ref()),
                Err(problem) => EvidenceRecord::unreadable(name, problem.clone()),
            }
        },
    };
    examination.all(candidates(&arguments.paths, &passed_over), |found| {
        let (candidate, record) = match found {
            Ok(read) => read,
            Err(failure) => {
                output.failure(failure);
                count.add_unreadable();
                return Ok(());
            }
        };
        done = done.saturating_add(1);
        output.progress(done);
        match record.status {
            EvidenceStatus::NotPe if !candidate.named => {
                no_images = no_images.saturating_add(1);
                return Ok(());
            }
            EvidenceStatus::NotPe => {}
            EvidenceStatus::Unreadable => {
                let why = record.error.as_deref().unwrap_or_default();
                output.failure(format_args!("cannot read {}: {why}", record.path));
                count.add_unreadable();
            }
            EvidenceStatus::Malformed => {
                malformed = malformed.saturating_add(1);
                count.add(record.may_be_kernel_image());
            }
            EvidenceStatus::Ok => count.add(record.may_be_kernel_image()),
        }
        report.add(output, record)
    })?;
    output.progress_done();
    report.finish(output)?;
    if no_images > 0 {
        output.note(format_args!(
            "passed over {no_images} files that are no PE images"
        ));
    }
    passed_over.tell(output);
    let unknown = malformed.saturating_add(count.unreadable);
    if unknown > 0 {
        output.note(format_args!(
            "{unknown} unknown: {malformed} malformed, {} that could not be read",
            count.unreadable
        ));
    }
    let outcome = count.outcome(catalogs.outcome(), output);
    Ok(if arguments.strict && unknown > 0 {
        Outcome::Refused
    } else {
        outcome
    })
}

/// JSON goes out as it comes; a table is shown when it is whole.
struct Report {
    table: Option<Table>,
    summary: Summary,
}

impl Report {
    fn new(output: &Output) -> Self {
        let headed = || {
            let mut table = Table::headed(&[
                "STATUS",
                "TRUST",
                "PUBLISHER",
                "MACHINE",
                "SUBSYSTEM",
                "SIZE",
                "SHA256",
                "PATH",
            ]);
            table.align_right(5);
            table
        };
        Self {
            table: (!output.is_json()).then(headed),
            summary: Summary::default(),
        }
    }

    fn add(&mut self, output: &mut Output, record: EvidenceRecord) -> Result<(), Error> {
        self.summary.add(&record);
        let Some(table) = &mut self.table else {
            return output.record(&record);
        };
        let trust = record.trust.map(|trust| Cow::Borrowed(trust.0.name()));
        let publisher = record.best_signature().and_then(SignatureRecord::publisher);
        let publisher = publisher.map(|name| Cow::Owned(name.to_owned()));
        let or_dash = |text: Option<Cow<'static, str>>| text.unwrap_or("-".into());
        let EvidenceRecord {
            authenticode: DigestsRecord { sha256, .. },
            ..
        } = record;
        table.row(
            match record.status {
                EvidenceStatus::Ok => Tint::Plain,
                EvidenceStatus::NotPe | EvidenceStatus::Malformed => Tint::Warn,
                EvidenceStatus::Unreadable => Tint::Bad,
            },
            [
                record.status.name().into(),
                or_dash(trust),
                or_dash(publisher),
                or_dash(record.machine),
                or_dash(record.subsystem),
                or_dash(record.size.map(|size| size.to_string().into())),
                or_dash(sha256.map(Cow::Owned)),
                Cow::Owned(record.path),
            ],
        );
        Ok(())
    }

    fn finish(self, output: &mut Output) -> Result<(), Error> {
        let Some(table) = self.table.filter(|table| !table.is_empty()) else {
            return Ok(());
        };
        output.table(&table)?;
        output.flush()?;
        self.summary.tell(output);
        Ok(())
    }
}

/// How many images there are of each trust class, and whose drivers the driver policy would refuse.
#[derive(Default)]
struct Summary {
    classes: BTreeMap<TrustRecord, u64>,
    refused: BTreeMap<String, u64>,
}

impl Summary {
    fn add(&mut self, record: &EvidenceRecord) {
        let Some(trust) = record.trust else {
            return;
        };
        add_one(self.classes.entry(trust).or_default());
        let is_driver = record.subsystem.as_deref() == Some("native");
        if is_driver && !trust.0.meets_driver_policy() {
            let signature = record.best_signature();
            let publisher = signature.and_then(SignatureRecord::publisher).unwrap_or("nobody");
            let entry = format!("{publisher} ({})", trust.0.name());
            add_one(self.refused.entry(entry).or_default());
        }
    }

    fn tell(&self, output: &mut Output) {
        if self.classes.is_empty() {
            return;
        }
        let classes: Vec<String> = self
            .classes
            .iter()
            .map(|(trust, count)| format!("{count} {}", trust.0.name()))
            .collect();
        output.note(classes.join(", "));
        let refused: u64 = self.refused.values().sum();
        if refused > 0 {
            let mut publishers: Vec<(&String, &u64)> = self.refused.iter().collect();
            publishers.sort_by_key(|(_, count)| Reverse(**count));
            let named: Vec<String> = publishers
                .iter()
                .map(|(publisher, count)| format!("{count} by {publisher}"))
                .collect();
            let drivers = if refused == 1 { "driver" } else { "drivers" };
            output.note(format_args!(
                "{refused} {drivers} would be refused by the driver policy unless its list of exceptions names them: {}",
                named.join(", ")
            ));
        }
    }
}

fn add_one(count: &mut u64) {
    *count = count.saturating_add(1);
}
