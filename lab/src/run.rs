//! A run of the main job: the generations it pushes, what is in force and was seen so far, and how a subject is loaded, asked about and weighed.

use std::collections::BTreeMap;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

use crate::events::EventLog;
use crate::lab::Lab;
use crate::lab::PACKAGE_FOLDER;
use crate::policy_document::HashRule;
use crate::policy_document::Stance;
use crate::policy_document::base_policy;
use crate::report::How;
use crate::report::Row;
use crate::report::Verdict;
use crate::subjects::Entry;
use crate::subjects::SUBJECTS;
use crate::subjects::Subject;

/// The first generation's allow rules.
pub(crate) const ALLOWED: [&str; 9] = [
    "fltmgr.sys",
    "http.sys",
    "ksecdd.sys",
    "mountmgr.sys",
    "netio.sys",
    "nsiproxy.sys",
    "scsiport.sys",
    "winehid.sys",
    "WinDivert64.sys",
];

/// The first generation's deny rules.
pub(crate) const DENIED: [&str; 2] = ["usbd.sys", "ViGEmBus.sys"];

/// What only the second generation allows, and what it denies beyond the first.
pub(crate) const ALLOWED_LATER: &str = "tdi.sys";

pub(crate) const DENIED_LATER: &str = "WinDivert64.sys";

/// The rules of a generation: file, id, whether it allows.
fn rules_of(generation: u64) -> Vec<(String, (String, bool))> {
    let mut allowed = ALLOWED.to_vec();
    let mut denied = DENIED.to_vec();
    if generation == 2 {
        allowed.retain(|&file| file != DENIED_LATER);
        allowed.push(ALLOWED_LATER);
        denied.push(DENIED_LATER);
    }
    let rule = |file: &str, allow: bool| {
        let kind = if allow { "ALLOW" } else { "DENY" };
        let stem: String = file.chars().filter(char::is_ascii_alphanumeric).collect();
        (
            file.to_owned(),
            (format!("ID_{kind}_{}", stem.to_ascii_uppercase()), allow),
        )
    };
    let allowed = allowed.into_iter().map(|file| rule(file, true));
    allowed
        .chain(denied.into_iter().map(|file| rule(file, false)))
        .collect()
}

/// A run so far.
pub(crate) struct Run<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) events: EventLog,
    pub(crate) rows: Vec<Row>,
    pub(crate) generation: u64,
    /// The rules in force, by file: id and whether it allows.
    pub(crate) rules: BTreeMap<String, (String, bool)>,
}

impl Run<'_> {
    /// The Authenticode SHA-256 of every subject, as the controller's own scan finds it.
    pub(crate) fn scan(&self) -> Result<BTreeMap<&'static str, String>> {
        let paths: Vec<String> = SUBJECTS.iter().map(Subject::path).collect();
        let mut arguments = vec!["scan", "--json"];
        arguments.extend(paths.iter().map(String::as_str));
        let output = self.lab.expect(&arguments)?;
        let mut hashes = BTreeMap::new();
        for (line, subject) in output.stdout.lines().zip(&SUBJECTS) {
            let record: Value =
                serde_json::from_str(line).with_context(|| format!("not an evidence record: {line}"))?;
            let path = record["path"].as_str().unwrap_or_default();
            if !path.eq_ignore_ascii_case(&subject.path()) {
                bail!("the scan reports {path} where {} is expected", subject.path());
            }
            let hash = record["authenticode"]["sha256"].as_str();
            hashes.insert(
                subject.file,
                hash.with_context(|| format!("no SHA-256 of {path}: {line}"))?
                    .to_owned(),
            );
        }
        if hashes.len() != SUBJECTS.len() {
            bail!(
                "the scan reports {} of {} files:\n{}",
                hashes.len(),
                SUBJECTS.len(),
                output.stderr
            );
        }
        Ok(hashes)
    }

    /// Writes and compiles one generation's policy.
    pub(crate) fn compile(
        &self,
        name: &str,
        generation: u64,
        hashes: &BTreeMap<&'static str, String>,
    ) -> Result<()> {
        let mut rules = Vec::new();
        for (file, (id, allow)) in rules_of(generation) {
            let sha256 = hashes
                .get(file.as_str())
                .with_context(|| format!("no hash of {file}"))?
                .clone();
            rules.push(HashRule { id, allow, sha256 });
        }
        let document = base_policy(
            "Gatehouse lab",
            &format!("1.0.0.{generation}"),
            Stance::Audits,
            &rules,
        );
        let source = format!(r"{PACKAGE_FOLDER}\{name}.xml");
        self.lab.write(&source, document.as_bytes())?;
        self.lab.expect(&[
            "policy",
            "compile",
            &source,
            "-o",
            &format!(r"{PACKAGE_FOLDER}\{name}.ghp"),
        ])?;
        Ok(())
    }

    pub(crate) fn push(&mut self, name: &str, generation: u64) -> Result<()> {
        self.lab
            .expect(&["push", &format!(r"{PACKAGE_FOLDER}\{name}.ghp")])?;
        self.generation = generation;
        self.rules = rules_of(generation).into_iter().collect();
        Ok(())
    }

    /// Starts a subject's service and checks that its entry point does what is known of it.
    pub(crate) fn start_service(&self, subject: &Subject) -> Result<()> {
        let output = self.lab.net_start(&subject.service())?;
        let accepted = self.lab.is_running(&subject.service())?;
        if accepted != (subject.entry == Entry::Accepts) {
            bail!(
                "{} was to be {:?}: {}{}",
                subject.file,
                subject.entry,
                output.stdout,
                output.stderr
            );
        }
        Ok(())
    }

    pub(crate) fn load(&mut self, subject: &Subject, story: &'static str) -> Result<()> {
        self.events.read(self.lab)?;
        let from = self.events.records.len();
        self.start_service(subject)?;
        self.weigh_from(subject, How::Load, story, from, self.expected(subject.file));
        Ok(())
    }

    pub(crate) fn check(&mut self, subject: &Subject, story: &'static str) -> Result<()> {
        let expected = self.expected(subject.file);
        self.check_path(&subject.path(), &subject.service(), story, expected)
    }

    pub(crate) fn check_path(
        &mut self,
        path: &str,
        service: &str,
        story: &'static str,
        expected: Verdict,
    ) -> Result<()> {
        let output = self.lab.gatehouse(&["check", "--json", path])?;
        let actual = match serde_json::from_str::<Value>(output.stdout.trim()) {
            Ok(record) => Ok(Verdict::of(if record["verdict"].is_object() {
                &record["verdict"]
            } else {
                &record
            })),
            Err(_) => Err(format!("exit code {}: {}", output.code, output.stderr.trim())),
        };
        // The exit code says it too: 10 when the file would be refused.
        let code = if expected.decision == "allow" { 0 } else { 10 };
        let actual = actual.and_then(|verdict| match output.code {
            other if other != code => Err(format!("{verdict:?} with exit code {other}")),
            _ => Ok(verdict),
        });
        self.rows.push(Row {
            path: path.to_owned(),
            service: service.to_owned(),
            story,
            how: How::Check,
            expected,
            actual,
            generation: self.generation,
            expected_loaded: false,
            loaded: false,
        });
        Ok(())
    }

    pub(crate) fn weigh_from(
        &mut self,
        subject: &Subject,
        how: How,
        story: &'static str,
        from: usize,
        expected: Verdict,
    ) {
        let event = self.events.wait_for(self.lab, how.event(), subject.file, from);
        self.rows.push(Row {
            path: subject.path(),
            service: subject.service(),
            story,
            how,
            expected,
            expected_loaded: true,
            loaded: event.is_ok(),
            actual: event
                .and_then(|event| self.verdict(&event))
                .map_err(|error| format!("{error:#}")),
            generation: self.generation,
        });
    }

    /// The verdict in an event, which must come of the generation that is in force.
    pub(crate) fn verdict(&self, event: &Value) -> Result<Verdict> {
        let generation = event["generation"].as_u64();
        if generation != Some(self.generation) {
            bail!("decided by generation {generation:?}, not {}", self.generation);
        }
        Ok(Verdict::of(&event["verdict"]))
    }

    /// The verdict that the rules in force give an unchanged subject.
    pub(crate) fn expected(&self, file: &str) -> Verdict {
        match self.rules.get(file) {
            Some((id, true)) => Verdict::new("allow", "allowed", id),
            Some((id, false)) => Verdict::new("would-refuse", "explicitly-denied", id),
            None => Verdict::new("would-refuse", "fails-policy", ""),
        }
    }
}
