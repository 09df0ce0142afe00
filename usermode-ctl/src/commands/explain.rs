//! `explain`: the evidence of one file, as a person wants to read it.

use std::borrow::Cow;
use std::fmt::Display;

use evidence::Options;
use policy::ValidatedSet;

use crate::args::Explain;
use crate::catalogs;
use crate::commands::Context;
use crate::commands::tried::Tried;
use crate::error::Error;
use crate::error::Outcome;
use crate::examination::examine_one;
use crate::files;
use crate::files::FileSource;
use crate::output::Output;
use crate::output::Table;
use crate::output::Tint;
use crate::output::printable;
use crate::policies;
use crate::records::CertificateRecord;
use crate::records::DigestsRecord;
use crate::records::EvidenceRecord;
use crate::records::EvidenceStatus;
use crate::records::SignatureRecord;
use crate::records::Stated;
use crate::records::now;

/// Examines the file and shows everything it proves and, with policies, what they make of it. The file is read once: it may be a pipe.
pub fn run(arguments: &Explain, context: &mut Context) -> Result<Outcome, Error> {
    let output = &mut context.output;
    let policies = &arguments.policy;
    let set = (!policies.is_empty()).then(|| policies::load(policies, output));
    let set = set.transpose()?;
    let set = set.as_ref().map(ValidatedSet::set);
    let catalogs = catalogs::read(&arguments.catalogs, output)?;
    let index = catalogs.index().or_else(|| set.as_ref()?.catalogs());
    let options = Options {
        flat: true,
        ..Options::default()
    };
    let name = files::name(&arguments.file);
    let opened = FileSource::open(&arguments.file).map_err(|problem| problem.to_string());
    let examined = opened.and_then(|source| {
        examine_one(source, &options, index.as_ref(), |size, examined| {
            let evidence = match examined {
                Ok(evidence) => evidence.at(now()),
                Err(error) => error.evidence().at(now()),
            };
            let record = EvidenceRecord::of_file(name.clone(), size, examined, index.as_ref());
            let tried = set.as_ref().map(|set| Tried::of(&name, set, &evidence));
            (record, tried)
        })
    });
    let (record, tried) = examined.unwrap_or_else(|why| (EvidenceRecord::unreadable(name, why), None));
    if record.is_unreadable() {
        let why = record.error.as_deref().unwrap_or_default();
        output.failure(format_args!("cannot read {}: {why}", record.path));
        return Ok(Outcome::Failed);
    }
    if output.is_json() {
        output.record(&record)?;
    } else {
        show(&record, output)?;
    }
    let outcome = match (tried, record.status) {
        (Some(_), EvidenceStatus::NotPe) => {
            output.note("policies are not asked about what is no image");
            Outcome::Done
        }
        (Some(tried), _) => tried.show(output)?,
        (None, _) => Outcome::Done,
    };
    match record.status {
        EvidenceStatus::Malformed => Err(Error::Malformed {
            path: arguments.file.clone(),
            problem: record.error.unwrap_or_default(),
        }),
        _ => Ok(outcome.max(catalogs.outcome())),
    }
}

fn show(record: &EvidenceRecord, output: &mut Output) -> Result<(), Error> {
    let mut facts = Facts::default();
    facts.add("file", &record.path);
    facts.add_some("size", record.size.map(|size| format!("{size} bytes")).as_ref());
    match (&record.error, &record.machine, &record.subsystem) {
        (Some(error), ..) => facts.tinted(Tint::Warn, "image", error),
        (None, Some(machine), Some(subsystem)) => {
            let conformance = match record.conformant {
                Some(false) => ", laid out in a way that makes flat hashes count",
                _ => "",
            };
            facts.add("image", &format!("{machine}, {subsystem}{conformance}"));
        }
        _ => {}
    }
    if let (Some(trust), Some(reason)) = (record.trust, &record.trust_reason) {
        let tint = if trust.0.meets_driver_policy() {
            Tint::Good
        } else {
            Tint::Bad
        };
        facts.tinted(tint, "trust", &format!("{}: {reason}", trust.0.name()));
    }
    if let Some(bytes) = record.extra_bytes {
        let text = format!(
            "{bytes} bytes beside the signatures, which nothing covers (with EnableCertPaddingCheck Windows refuses the signature)"
        );
        facts.tinted(Tint::Warn, "certificate table", &text);
    }
    match &record.version {
        Some(Stated::Something(version)) => {
            match &version.file_version {
                Some(Stated::Something(number)) => facts.add("version", number),
                Some(Stated::Nothing) => facts.add("version", "names alone"),
                None => facts.add("version", "unreadable"),
            }
            facts.add_some("original name", version.original_filename.as_ref());
            facts.add_some("internal name", version.internal_name.as_ref());
            facts.add_some("description", version.file_description.as_ref());
            facts.add_some("product", version.product_name.as_ref());
        }
        Some(Stated::Nothing) => facts.add("version", "none in the file"),
        None => {}
    }
    facts.digests("Authenticode", &record.authenticode);
    facts.digests("first page", &record.first_page);
    facts.digests("flat file", &record.flat);
    output.table(&facts.0)?;

    let signatures = record.signatures.as_deref().unwrap_or_default();
    for (signature, number) in signatures.iter().zip(1..) {
        output.line("")?;
        output.line(format_args!("signature {number} of {}", signatures.len()))?;
        output.table(&signature_facts(signature).0)?;
        for (certificate, depth) in signature.chain.iter().zip(0..) {
            show_certificate(certificate, depth, output)?;
        }
    }
    Ok(())
}

fn signature_facts(signature: &SignatureRecord) -> Facts {
    let mut facts = Facts::default();
    let pages = if signature.page_hashes {
        ", with page hashes"
    } else {
        ""
    };
    facts.add(
        "  kind",
        &format!("{}, {}{pages}", signature.source, signature.digest_algorithm),
    );
    facts.add_some("  catalogue", signature.catalog.as_ref());
    match signature.fault {
        None => facts.tinted(Tint::Good, "  holds", "yes"),
        Some(fault) => facts.tinted(Tint::Bad, "  holds", &format!("no: {fault}")),
    }
    facts.add_some("  OEM id", signature.oem_id.as_ref());
    facts.add_some("  more info", signature.more_info_url.as_ref());
    let time = signature.timestamp.as_ref();
    let time = time.and_then(|stamp| Some(format!("{} ({})", stamp.time.as_ref()?, stamp.kind)));
    facts.add("  signed at", time.as_deref().unwrap_or("no proven time"));
    let root = match (
        &signature.root.wellknown,
        signature.root.verified,
        signature.root.known,
    ) {
        (Some(id), ..) => format!("App Control's well-known root {id}"),
        (None, true, true) => "a known root, none of Microsoft's".to_owned(),
        (None, true, false) => "a certificate that signed itself, known to nobody".to_owned(),
        (None, false, _) => "not at hand".to_owned(),
    };
    facts.add("  root", &root);
    facts
}

fn show_certificate(certificate: &CertificateRecord, depth: usize, output: &mut Output) -> Result<(), Error> {
    let indent = "  ".repeat(depth.saturating_add(1));
    let name = |name: &Option<String>| {
        name.as_deref()
            .map_or("(no name)".into(), |name| printable(name).into_owned())
    };
    output.line(format_args!("{indent}{}", name(&certificate.subject_cn)))?;
    let mut line = |what: &str, value: &dyn Display| output.line(format_args!("{indent}    {what} {value}"));
    line("issued by", &name(&certificate.issuer_cn))?;
    if let Some(tbs) = &certificate.tbs {
        line("TBS", &format_args!("{} {}", tbs.algorithm, tbs.hash))?;
    }
    let date = |time: &Option<String>| {
        time.as_deref()
            .map_or("?".to_owned(), |time| time.chars().take(10).collect())
    };
    let validity = format!(
        "{} to {}",
        date(&certificate.not_before),
        date(&certificate.not_after)
    );
    line("valid", &format_args!("{validity}, {}", certificate.key))?;
    if !certificate.ekus.is_empty() {
        line("for", &certificate.ekus.join(", "))?;
    }
    Ok(())
}

/// Names and values.
struct Facts(Table);

impl Default for Facts {
    fn default() -> Self {
        Self(Table::bare())
    }
}

impl Facts {
    fn add(&mut self, name: &str, value: &str) {
        self.tinted(Tint::Plain, name, value);
    }

    fn add_some(&mut self, name: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn tinted(&mut self, tint: Tint, name: &str, value: &str) {
        self.0
            .row(tint, [Cow::Owned(name.to_owned()), Cow::Owned(value.to_owned())]);
    }

    fn digests(&mut self, what: &str, digests: &DigestsRecord) {
        let known = [
            ("SHA-1", &digests.sha1),
            ("SHA-256", &digests.sha256),
            ("SHA-384", &digests.sha384),
            ("SHA-512", &digests.sha512),
        ];
        for (algorithm, digest) in known {
            self.add_some(&format!("{what} {algorithm}"), digest.as_ref());
        }
    }
}
