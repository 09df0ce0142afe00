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
use crate::lab::PACKAGE_FOLDER;
use crate::lab::SERVICE_GROUP;
use crate::report::How;
use crate::report::Row;
use crate::report::Verdict;
use crate::run::ALLOWED;
use crate::run::ALLOWED_LATER;
use crate::run::DENIED;
use crate::run::DENIED_LATER;
use crate::run::Run;
use crate::services::DRIVERS;
use crate::stubs;
use crate::subjects;
use crate::subjects::SUBJECTS;
use crate::subjects::Subject;

/// Loaded before the driver starts: of what Wine's boot starts, the one image that its list of loaded modules names.
const EARLY: &str = "mountmgr.sys";
/// The subject whose file is changed by one byte: really signed, and unloaded again right after each load.
const CHANGED: &str = "WinDivert64.sys";

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

impl Run<'_> {
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

    fn second_generation(&mut self) -> Result<()> {
        self.push("second", 2)?;
        self.check(subject(ALLOWED_LATER)?, "the second generation allows it")?;
        self.load(subject(DENIED_LATER)?, "the second generation denies it")
    }
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
