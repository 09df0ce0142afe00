//! Enforcement, end to end: what is refused, what is not, and what takes enforcement back.
//!
//! Three copies of one small driver stand for all: one as published, allowed by its hash; one with a byte changed, named by a deny rule;
//! one with another byte changed, named by nothing.

use std::thread::sleep;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use anyhow::ensure;
use serde_json::Value;

use crate::lab::PACKAGE_FOLDER;
use crate::policy_document::HashRule;
use crate::policy_document::Stance;
use crate::policy_document::base_policy;
use crate::report::How;
use crate::report::Row;
use crate::report::Verdict;
use crate::run::Run;
use crate::services::DRIVERS;

/// The driver that is copied: it starts and stops cleanly, any number of times.
const ORIGINAL: &str = "mouhid.sys";
const ALLOWED: &str = "enforced-allowed";
const DENIED: &str = "enforced-denied";
const UNLISTED: &str = "enforced-unlisted";
const ALLOW_RULE: &str = "ID_ALLOW_ENFORCED";
const DENY_RULE: &str = "ID_DENY_ENFORCED";
/// The generation in which the policy is enforced.
const GENERATION: u64 = 3;
/// The driver looks after its mode every few seconds.
const PATIENCE: Duration = Duration::from_secs(12);

/// For so long Windows counts as starting, less what the lab takes before it looks at the clock: three minutes.
const STARTING: Duration = Duration::from_secs(160);

/// One fail-safe that was put to the test.
pub struct FailSafe {
    /// What it is.
    pub name: &'static str,
    /// What was seen.
    pub seen: String,
}

/// Plays it in a lab where the driver runs and evaluates.
pub(crate) fn play(run: &mut Run<'_>) -> Result<Vec<FailSafe>> {
    let mut fail_safes = Vec::new();
    install(run)?;
    // What an enforced policy says is the same in either mode; what becomes of the load is not.
    let refused = Verdict::new("refuse", "explicitly-denied", DENY_RULE);
    load(run, DENIED, "evaluation: an enforced policy denies it", &refused)?;

    let output = run.lab.gatehouse(&["mode", "enforce", "--json"])?;
    let answer: Value = serde_json::from_str(output.stdout.trim())
        .with_context(|| format!("mode enforce prints no JSON: {output:?}"))?;
    ensure!(
        output.code == 10 && answer["taken"] == false && mode(run)? == "evaluate",
        "enforcement is to be refused while loaded drivers would be: {output:?}"
    );
    fail_safes.push(FailSafe {
        name: "enforcement is refused while loaded drivers would be",
        seen: format!("{} drivers named, mode evaluate", answer["blockers"]),
    });

    run.lab.expect(&["mode", "enforce", "--force"])?;
    ensure!(mode(run)? == "enforce", "forced enforcement is not in effect");
    refuse(run, DENIED, "enforcement: a rule denies it", &refused)?;
    refuse(run, DENIED, "asked again: the verdict is kept", &refused)?;
    let unlisted = Verdict::new("refuse", "fails-policy", "");
    refuse(run, UNLISTED, "enforcement: no rule names it", &unlisted)?;
    let allowed = Verdict::new("allow", "allowed", ALLOW_RULE);
    load(run, ALLOWED, "enforcement: a rule allows it", &allowed)?;
    uncertain(run, &unlisted)?;
    fail_safes.push(own_file(run)?);

    // The kill switch wins over what was asked for.
    let parameters = r"HKLM\SYSTEM\CurrentControlSet\Services\gatehouse\Parameters";
    let switch = ["/v", "DisableEnforcement"];
    let on = [
        &["add", parameters],
        &switch[..],
        &["/t", "REG_DWORD", "/d", "1", "/f"],
    ]
    .concat();
    run.lab.run("reg.exe", &on)?;
    await_mode(run, "evaluate")?;
    load(run, DENIED, "the registry's kill switch is on", &refused)?;
    let off = [&["delete", parameters], &switch[..], &["/f"]].concat();
    run.lab.run("reg.exe", &off)?;
    await_mode(run, "enforce")?;
    refuse(run, DENIED, "the kill switch is off again", &refused)?;
    fail_safes.push(FailSafe {
        name: "the registry's kill switch holds enforcement back",
        seen: "evaluate while it is on, enforce when it is off again".to_owned(),
    });

    run.lab.expect(&["mode", "enforce", "--force", "--for", "2s"])?;
    refuse(run, DENIED, "enforcement for two seconds", &refused)?;
    await_mode(run, "evaluate")?;
    load(run, DENIED, "the two seconds are over", &refused)?;
    fail_safes.push(FailSafe {
        name: "timed enforcement ends by itself",
        seen: "evaluate after two seconds".to_owned(),
    });
    run.lab.expect(&["mode", "evaluate"])?;
    Ok(fail_safes)
}

/// Fail-safes that the driver's start decides. Played last: a driver that was started again has forgotten its events. `begun` is when
/// the lab's Windows started, or a little later.
pub(crate) fn play_starts(run: &Run<'_>, begun: Instant) -> Result<Vec<FailSafe>> {
    let mut fail_safes = Vec::new();
    run.lab.expect(&["mode", "enforce", "--force"])?;
    restart(run)?;
    // On a machine so slow that Windows has long started by now there is nothing to see.
    if begun.elapsed() < STARTING {
        held_back(run, "boot")?;
        fail_safes.push(FailSafe {
            name: "enforcement of an earlier run waits until Windows has started",
            seen: "the mode was kept; a denied driver loads".to_owned(),
        });
    }
    let option = r"HKLM\SYSTEM\CurrentControlSet\Control\SafeBoot\Option";
    let on = [
        "add",
        option,
        "/v",
        "OptionValue",
        "/t",
        "REG_DWORD",
        "/d",
        "1",
        "/f",
    ];
    run.lab.run("reg.exe", &on)?;
    restart(run)?;
    run.lab.expect(&["mode", "enforce", "--force"])?;
    held_back(run, "safe-mode")?;
    run.lab.run("reg.exe", &["delete", option, "/f"])?;
    restart(run)?;
    run.lab.expect(&["mode", "enforce", "--force"])?;
    ensure!(
        mode(run)? == "enforce" && !loads(run, DENIED)?,
        "out of safe mode, a denied driver loads: {}",
        status(run)?
    );
    fail_safes.push(FailSafe {
        name: "safe mode holds enforcement back",
        seen: "a denied driver loads in it, and does not out of it".to_owned(),
    });
    run.lab.expect(&["mode", "evaluate"])?;
    Ok(fail_safes)
}

fn restart(run: &Run<'_>) -> Result<()> {
    run.lab.expect(&["stop"])?;
    run.lab.expect(&["start"])?;
    Ok(())
}

/// Enforcement is asked for and not in effect, for this reason alone, and refuses nothing.
fn held_back(run: &Run<'_>, hold: &str) -> Result<()> {
    let status = status(run)?;
    let holds = status["holds"].as_array().into_iter().flatten();
    let holds: Vec<&str> = holds.filter_map(Value::as_str).collect();
    ensure!(
        holds == [hold] && status["mode"] == "evaluate" && status["mode_asked"] == "enforce",
        "enforcement is to be held back by {hold}: {status}"
    );
    ensure!(
        loads(run, DENIED)?,
        "a denied driver does not load, in spite of {hold}"
    );
    Ok(())
}

/// Whether a copy loads now; it is unloaded again.
fn loads(run: &Run<'_>, service: &str) -> Result<bool> {
    run.lab.net_start(service)?;
    let loads = run.lab.is_running(service)?;
    if loads {
        run.lab.net_stop(service)?;
    }
    Ok(loads)
}

fn path(service: &str) -> String {
    format!(r"{DRIVERS}\{service}.sys")
}

/// Puts the copies and their services in place and pushes a policy about them that is enforced.
fn install(run: &mut Run<'_>) -> Result<()> {
    let original = run.lab.read(&format!(r"{DRIVERS}\{ORIGINAL}"))?;
    let text = b"DOS";
    let place = original.windows(text.len()).position(|window| window == text);
    let place = place.with_context(|| format!("{ORIGINAL} has no DOS text to change"))?;
    for (service, change) in [(ALLOWED, 0), (DENIED, 0x20), (UNLISTED, 0x40)] {
        let mut copy = original.clone();
        if let Some(byte) = copy.get_mut(place) {
            *byte ^= change;
        }
        run.lab.write(&path(service), &copy)?;
        run.lab.create_service(service, &path(service))?;
    }
    let mut rules = Vec::new();
    for (service, id, allow) in [(ALLOWED, ALLOW_RULE, true), (DENIED, DENY_RULE, false)] {
        let output = run.lab.expect(&["scan", "--json", &path(service)])?;
        let record: Value = serde_json::from_str(output.stdout.trim()).context("scan prints no JSON")?;
        let sha256 = record["authenticode"]["sha256"].as_str();
        rules.push(HashRule {
            id: id.to_owned(),
            allow,
            sha256: sha256
                .with_context(|| format!("no SHA-256: {record}"))?
                .to_owned(),
        });
    }
    let document = base_policy("Gatehouse lab, enforced", "1.0.0.3", Stance::Enforces, &rules);
    let source = format!(r"{PACKAGE_FOLDER}\third.xml");
    run.lab.write(&source, document.as_bytes())?;
    run.lab.expect(&["push", &source])?;
    run.generation = GENERATION;
    Ok(())
}

/// Loads a copy, which is to work, and unloads it again.
fn load(run: &mut Run<'_>, service: &str, story: &'static str, expected: &Verdict) -> Result<()> {
    let from = start(run, service)?;
    let actual = wait(run, How::Load, service, from);
    let loaded = run.lab.is_running(service)?;
    run.lab.net_stop(service)?;
    push_row(run, service, story, How::Load, expected, actual, [true, loaded]);
    Ok(())
}

/// Loads a copy, which is to be refused.
fn refuse(run: &mut Run<'_>, service: &str, story: &'static str, expected: &Verdict) -> Result<()> {
    let from = start(run, service)?;
    let actual = wait(run, How::Refusal, service, from);
    let file = format!("{service}.sys");
    let was_mapped = run.events.any_since(from, How::Load.event(), &file);
    let loaded = run.lab.is_running(service)? || was_mapped;
    push_row(
        run,
        service,
        story,
        How::Refusal,
        expected,
        actual,
        [false, loaded],
    );
    Ok(())
}

/// A load that is not surely to be refused: the filter cannot read the file.
fn uncertain(run: &mut Run<'_>, expected: &Verdict) -> Result<()> {
    let before = counter(run, "sections_uncertain")?;
    run.lab
        .steer_filter_manager(&format!("fail-read {UNLISTED}.sys C0000185\n"))?;
    let copy = run.lab.read(&path(UNLISTED))?;
    // Written again: a verdict that was kept would need no reading.
    run.lab.write(&path(UNLISTED), &copy)?;
    load(
        run,
        UNLISTED,
        "it cannot be read by the filter: passes, is counted",
        expected,
    )?;
    run.lab.steer_filter_manager("")?;
    let counted = counter(run, "sections_uncertain")? - before;
    ensure!(
        counted == 1,
        "one uncertain section, not {counted}, is to be counted"
    );
    Ok(())
}

/// The policy does not name gatehouse.sys. A copy of it gets past the filter all the same, and then ends for want of a device name.
fn own_file(run: &mut Run<'_>) -> Result<FailSafe> {
    const COPY: &str = "enforced-gatehouse";
    let image = run.lab.read(&format!(r"{PACKAGE_FOLDER}\gatehouse.sys"))?;
    run.lab.write(&path(COPY), &image)?;
    run.lab.create_service(COPY, &path(COPY))?;
    let before = ["sections_spared", "sections_refused"].map(|name| counter(run, name));
    let from = start(run, COPY)?;
    let [spared, refused] = before;
    let spared = counter(run, "sections_spared")? - spared?;
    let refused = counter(run, "sections_refused")? - refused?;
    ensure!(
        (spared, refused) == (1, 0),
        "a copy of gatehouse.sys is to be spared: {spared} sections spared, {refused} refused"
    );
    let file = format!("{COPY}.sys");
    let event = run.events.wait_for(run.lab, How::Load.event(), &file, from)?;
    let verdict = run.verdict(&event)?;
    ensure!(
        verdict == Verdict::new("refuse", "fails-policy", ""),
        "the policy does not name gatehouse.sys, and its verdict is {verdict:?}"
    );
    Ok(FailSafe {
        name: "the driver's own file is never refused",
        seen: "no rule names it; a copy of it loads while others are refused".to_owned(),
    })
}

fn start(run: &mut Run<'_>, service: &str) -> Result<usize> {
    run.events.read(run.lab)?;
    let from = run.events.records.len();
    run.lab.net_start(service)?;
    Ok(from)
}

fn wait(run: &mut Run<'_>, how: How, service: &str, from: usize) -> Result<Verdict, String> {
    let file = format!("{service}.sys");
    let event = run.events.wait_for(run.lab, how.event(), &file, from);
    event
        .and_then(|event| run.verdict(&event))
        .map_err(|error| format!("{error:#}"))
}

fn push_row(
    run: &mut Run<'_>,
    service: &str,
    story: &'static str,
    how: How,
    expected: &Verdict,
    actual: Result<Verdict, String>,
    [expected_loaded, loaded]: [bool; 2],
) {
    run.rows.push(Row {
        path: path(service),
        service: service.to_owned(),
        story,
        how,
        expected: expected.clone(),
        actual,
        generation: run.generation,
        expected_loaded,
        loaded,
    });
}

fn status(run: &Run<'_>) -> Result<Value> {
    let output = run.lab.expect(&["status", "--json"])?;
    serde_json::from_str(output.stdout.trim()).context("gatehouse status prints no JSON")
}

fn counter(run: &Run<'_>, name: &str) -> Result<u64> {
    let status = status(run)?;
    status[name]
        .as_u64()
        .with_context(|| format!("the status has no {name}: {status}"))
}

fn mode(run: &Run<'_>) -> Result<String> {
    Ok(status(run)?["mode"].as_str().unwrap_or_default().to_owned())
}

fn await_mode(run: &Run<'_>, wanted: &str) -> Result<()> {
    let begun = Instant::now();
    while mode(run)? != wanted {
        if begun.elapsed() > PATIENCE {
            bail!(
                "the mode does not become {wanted} within {} s: {}",
                PATIENCE.as_secs(),
                status(run)?
            );
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}
