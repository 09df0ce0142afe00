//! Everything at once: pushes, mode switches, readers that come and go, loads and unloads, start and stop. Nothing may be lost that
//! the counters do not account for, and nothing may hang.

use std::env;
use std::io::BufRead;
use std::io::BufReader;
use std::process::Child;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use gatehouse_tests::CLEAN_STOP;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use gatehouse_tests::policy;
use serde_json::Value;

const GATEHOUSE: &str = r"C:\gatehouse\gatehouse.exe";

/// For how long: `GATEHOUSE_STRESS_SECONDS`, or so that it does not hold up the other tests.
fn duration() -> Duration {
    let seconds = env::var("GATEHOUSE_STRESS_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

/// What a reader saw of one run of the driver.
#[derive(Default)]
struct Seen {
    events: u64,
    dropped: u64,
    /// Sequence number of the last event.
    last: u64,
}

impl Seen {
    /// Takes in one line of `events --json`; the sequence must go on where it was, but for what is reported as dropped.
    fn take(&mut self, line: &str) -> Result<()> {
        let record: Value = serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))?;
        if record["kind"] == "dropped" {
            let dropped = record["count"].as_u64().context("how many")?;
            self.dropped += dropped;
            self.last += dropped;
            return Ok(());
        }
        let sequence = record["sequence"].as_u64().context("a sequence number")?;
        assert_eq!(sequence, self.last + 1, "no gap: {line}");
        self.last = sequence;
        self.events += 1;
        Ok(())
    }
}

/// Reads a follower's events until it ends, which it does when the driver stops.
fn follow(mut reader: Child) -> thread::JoinHandle<Result<Seen>> {
    thread::spawn(move || {
        let output = BufReader::new(reader.stdout.take().context("its output")?);
        let mut seen = Seen::default();
        for line in output.lines() {
            seen.take(&line?)?;
        }
        reader.wait()?;
        Ok(seen)
    })
}

fn looped(rig: &Rig, times: u32, command: &str) -> Result<Child> {
    let line = format!("for /L %i in (1,1,{times}) do @{command} >nul 2>nul");
    rig.lab.spawn("cmd.exe", &["/c", &line])
}

/// One run of the driver, from start to stop.
fn round(rig: &Rig) -> Result<Seen> {
    rig.done(&["start"])?;
    let readers = [0; 2].map(|_| rig.lab.spawn(GATEHOUSE, &["events", "--follow", "--json"]));
    let mut following = Vec::new();
    for reader in readers {
        following.push(follow(reader?));
    }
    let actors = [
        looped(
            rig,
            6,
            &format!(r"{GATEHOUSE} push C:\a.ghp & {GATEHOUSE} push C:\b.ghp"),
        )?,
        looped(
            rig,
            6,
            &format!(r"{GATEHOUSE} mode enforce --for 2s --force & {GATEHOUSE} mode evaluate"),
        )?,
        looped(rig, 6, "net start subject & net stop subject")?,
        // Readers that come and go.
        looped(
            rig,
            8,
            &format!(r"{GATEHOUSE} --json events & {GATEHOUSE} --json status"),
        )?,
    ];
    for mut actor in actors {
        actor.wait()?;
    }
    let status = rig.status()?;
    let count = |name: &str| {
        status[name]
            .as_u64()
            .with_context(|| format!("{name} in {status}"))
    };
    let emitted = count("events_emitted")?;
    assert_eq!(count("events_failed")?, 0);
    assert_eq!(count("pool_failures")?, 0);
    assert_eq!(count("pushes_rejected")?, 0);
    assert_eq!(count("pushes_accepted")?, 12);
    rig.done(&["stop"])?;
    let mut all = Seen::default();
    for reader in following {
        let seen = reader.join().expect("the reader's thread ends")?;
        // Stopping may end a reader before its last batch: what came before is complete.
        assert_eq!(seen.events + seen.dropped, seen.last);
        assert!(
            seen.last + 8 >= emitted,
            "a reader saw {} of {emitted} events",
            seen.last
        );
        all.events += seen.events;
        all.dropped += seen.dropped;
    }
    Ok(all)
}

#[test]
fn everything_at_once_loses_nothing_that_is_not_accounted_for() -> Result<()> {
    let rig = Rig::installed()?;
    rig.create_subject()?;
    let digest = rig.digest(SUBJECT)?;
    let allowing = rig.compile(&policy(&[("Allow", &digest)]))?;
    let denying = rig.compile(&policy(&[("Deny", &digest)]))?;
    rig.lab.write(r"C:\a.ghp", &allowing)?;
    rig.lab.write(r"C:\b.ghp", &denying)?;
    let (begun, mut rounds, mut events, mut dropped) = (Instant::now(), 0, 0, 0);
    while rounds == 0 || begun.elapsed() < duration() {
        let seen = round(&rig)?;
        events += seen.events;
        dropped += seen.dropped;
        rounds += 1;
    }
    println!("{rounds} runs, {events} events read, {dropped} dropped and told");
    let stops = rig.stop_lines()?;
    assert_eq!(stops.len(), rounds);
    assert!(stops.iter().all(|line| line == CLEAN_STOP), "{stops:?}");
    Ok(())
}
