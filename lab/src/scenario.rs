//! The main job, end to end: driver, controller, allowlists and real kernel images, arranged so that every kind of verdict occurs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;

use crate::enforcement;
use crate::enforcement::FailSafe;
use crate::events::EventLog;
use crate::lab::Lab;
use crate::lab::Output;
use crate::lab::PACKAGE_FOLDER;
use crate::lab::SERVICE_GROUP;
use crate::policy_document::HashRule;
use crate::policy_document::Stance;
use crate::policy_document::base_policy;
use crate::report::How;
use crate::report::Row;
use crate::report::Verdict;
use crate::services::DRIVERS;
use crate::stubs;
use crate::subjects;
use crate::subjects::Entry;
use crate::subjects::SUBJECTS;
use crate::subjects::Subject;

/// The first generation's allow rules.
const ALLOWED: [&str; 9] = [
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
const DENIED: [&str; 2] = ["usbd.sys", "ViGEmBus.sys"];
/// Loaded before the driver starts: of what Wine's boot starts, the one image that its list of loaded modules names.
const EARLY: &str = "mountmgr.sys";
/// The subject whose file is changed by one byte: really signed, and unloaded again right after each load.
const CHANGED: &str = "WinDivert64.sys";
/// What only the second generation allows, and what it denies beyond the first.
const ALLOWED_LATER: &str = "tdi.sys";
const DENIED_LATER: &str = "WinDivert64.sys";

/// What a run found.
pub struct Outcome {
    /// Every weighing.
    pub rows: Vec<Row>,
    /// `report.json`.
    pub report: Value,
    /// `events.ndjson`.
    pub events: EventLog,
}

impl Outcome {
    /// Whether everything came out as expected.
    pub fn passed(&self) -> bool {
        self.report["passed"] == true
    }
}

/// Puts the controller and the driver where `gatehouse install` looks for them, and a filter manager that works where the driver
/// will find it.
pub fn put_package(lab: &Lab, driver: &Path, controller: &Path) -> Result<()> {
    lab.install_filter_manager()?;
    lab.put(controller, &format!(r"{PACKAGE_FOLDER}\gatehouse.exe"))?;
    lab.put(driver, &format!(r"{PACKAGE_FOLDER}\gatehouse.sys"))
}

/// Plays the whole scenario in a fresh lab that holds the package.
pub fn play(lab: &Lab, driver: &Path) -> Result<Outcome> {
    let begun = Instant::now();
    lab.install_subjects()?;
    let mut run = Run {
        lab,
        events: EventLog::default(),
        rows: Vec::new(),
        generation: 0,
        rules: BTreeMap::new(),
    };
    let hashes = run.scan()?;
    run.compile("first", 1, &hashes)?;
    run.compile("second", 2, &hashes)?;

    lab.expect(&["install", "--group", SERVICE_GROUP])?;
    lab.expect(&["start"])?;
    run.weigh_from(
        subject(EARLY)?,
        How::Baseline,
        "loaded before the driver started",
        0,
        Verdict::new("allow", "no-policy", ""),
    );
    run.push("first", 1)?;
    run.check(subject(EARLY)?, "the same file with a policy in force")?;
    run.loads()?;
    run.changed_byte()?;
    run.not_an_image()?;
    run.check(subject("ViGEmBus.sys")?, "a file that is only asked about")?;
    run.second_generation()?;
    let mut fail_safes = enforcement::play(&mut run)?;

    let status = lab.expect(&["status", "--json"])?;
    let status: Value =
        serde_json::from_str(status.stdout.trim()).context("gatehouse status prints no JSON")?;
    run.events.read(lab)?;
    fail_safes.extend(enforcement::play_starts(&run, begun)?);
    let report = report(driver, &status, &run, &fail_safes)?;
    Ok(Outcome {
        rows: run.rows,
        report,
        events: run.events,
    })
}

/// A run so far.
pub(crate) struct Run<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) events: EventLog,
    pub(crate) rows: Vec<Row>,
    pub(crate) generation: u64,
    /// The rules in force, by file: id and whether it allows.
    rules: BTreeMap<String, (String, bool)>,
}

impl Run<'_> {
    /// The Authenticode SHA-256 of every subject, as the controller's own scan finds it.
    fn scan(&self) -> Result<BTreeMap<&'static str, String>> {
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
    fn compile(&self, name: &str, generation: u64, hashes: &BTreeMap<&'static str, String>) -> Result<()> {
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

    fn push(&mut self, name: &str, generation: u64) -> Result<()> {
        self.lab
            .expect(&["push", &format!(r"{PACKAGE_FOLDER}\{name}.ghp")])?;
        self.generation = generation;
        self.rules = rules_of(generation).into_iter().collect();
        Ok(())
    }

    /// Starts a subject's service and checks that its entry point does what is known of it.
    fn start_service(&self, subject: &Subject) -> Result<()> {
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

    /// Loads every subject that can be loaded and is not there yet.
    fn loads(&mut self) -> Result<()> {
        for subject in &SUBJECTS {
            if !subject.is_loadable() {
                continue;
            }
            let story = if ALLOWED.contains(&subject.file) {
                "allowed by hash"
            } else if DENIED.contains(&subject.file) {
                "denied by hash"
            } else {
                "not listed"
            };
            self.load(subject, story)?;
        }
        Ok(())
    }

    fn load(&mut self, subject: &Subject, story: &'static str) -> Result<()> {
        self.events.read(self.lab)?;
        let from = self.events.records.len();
        self.start_service(subject)?;
        self.weigh_from(subject, How::Load, story, from, self.expected(subject.file));
        Ok(())
    }

    /// The same path three times, with three contents: as published, with one byte changed, as published again.
    fn changed_byte(&mut self) -> Result<()> {
        let subject = subject(CHANGED)?;
        let original = self.lab.read(&subject.path())?;
        let text = b"This program cannot be run";
        let place = original.windows(text.len()).position(|window| window == text);
        let place = place.with_context(|| format!("{CHANGED} has no DOS text to change"))?;
        let mut changed = original.clone();
        if let Some(byte) = changed.get_mut(place) {
            *byte ^= 0x20;
        }
        self.lab.write(&subject.path(), &changed)?;
        self.events.read(self.lab)?;
        let from = self.events.records.len();
        self.start_service(subject)?;
        let expected = Verdict::new("would-refuse", "fails-policy", "");
        self.weigh_from(
            subject,
            How::Load,
            "the same path, one byte changed",
            from,
            expected,
        );
        self.lab.write(&subject.path(), &original)?;
        self.load(subject, "the original byte again")
    }

    /// A text file with a driver's name: nothing loads it, and the live check says what it is.
    fn not_an_image(&mut self) -> Result<()> {
        let path = format!(r"{DRIVERS}\readme.sys");
        self.lab.write(
            &path,
            b"This is a text file that somebody named like a driver.\r\n",
        )?;
        let service = "subject-readme";
        self.lab.create_service(service, &path)?;
        self.lab.net_start(service)?;
        if self.lab.is_running(service)? {
            bail!("a text file was started as a driver");
        }
        let expected = Verdict::new("would-refuse", "fails-policy", "");
        self.check_path(&path, service, "not a PE image", expected)
    }

    fn check(&mut self, subject: &Subject, story: &'static str) -> Result<()> {
        let expected = self.expected(subject.file);
        self.check_path(&subject.path(), &subject.service(), story, expected)
    }

    fn check_path(
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

    fn second_generation(&mut self) -> Result<()> {
        self.push("second", 2)?;
        self.check(subject(ALLOWED_LATER)?, "the second generation allows it")?;
        self.load(subject(DENIED_LATER)?, "the second generation denies it")
    }

    fn weigh_from(
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
    fn expected(&self, file: &str) -> Verdict {
        match self.rules.get(file) {
            Some((id, true)) => Verdict::new("allow", "allowed", id),
            Some((id, false)) => Verdict::new("would-refuse", "explicitly-denied", id),
            None => Verdict::new("would-refuse", "fails-policy", ""),
        }
    }
}

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

fn subject(file: &str) -> Result<&'static Subject> {
    subjects::find(file).with_context(|| format!("{file} is no subject of the lab"))
}

fn report(driver: &Path, status: &Value, run: &Run<'_>, fail_safes: &[FailSafe]) -> Result<Value> {
    let bytes = fs::read(driver).with_context(|| format!("cannot read {}", driver.display()))?;
    let digest = Sha256::digest(&bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let imports: Vec<String> = stubs::imports(&bytes)?
        .into_iter()
        .map(|(module, symbol)| format!("{module}!{symbol}"))
        .collect();
    let passed = run.rows.iter().all(Row::passed) && run.events.dropped() == 0;
    Ok(json!({
        "driver": { "sha256": digest, "size": bytes.len(), "imports": imports },
        "policy": { "generation": status["generation"], "sha256": status["set_sha256"] },
        "subjects": run.rows.iter().map(Row::json).collect::<Vec<_>>(),
        "fail_safes": fail_safes
            .iter()
            .map(|fail_safe| json!({ "name": fail_safe.name, "seen": fail_safe.seen }))
            .collect::<Vec<_>>(),
        "events": run.events.records.len(),
        "dropped": run.events.dropped(),
        "passed": passed,
    }))
}

impl Lab {
    /// Runs a controller command that must succeed.
    pub fn expect(&self, arguments: &[&str]) -> Result<Output> {
        let output = self.gatehouse(arguments)?;
        if !output.success() {
            let said = format!("{}{}", output.stdout, output.stderr);
            bail!(
                "gatehouse {} exits with {}:\n{}",
                arguments.join(" "),
                output.code,
                said.trim_end()
            );
        }
        Ok(output)
    }
}
