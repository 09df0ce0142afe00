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
use gatehouse_tests::PROBE;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use gatehouse_tests::hex;
use gatehouse_tests::policy;
use gatehouse_tests::push_request;
use protocol::control::ModeOutcome;
use protocol::control::ModeRequest;
use protocol::ioctl;
use protocol::message::Mode;
use protocol::message::Request;
use serde_json::Value;
use zerocopy::IntoBytes;

const GATEHOUSE: &str = r"C:\gatehouse\gatehouse.exe";
/// Requests that put one set after the other into force.
const PUSHES: &str = r"C:\pushes.txt";
/// Requests that switch enforcement on and off.
const SWITCHES: &str = r"C:\switches.txt";

/// Longest run of the driver between its start and its stop, in seconds.
const LONGEST_RUN: u64 = 20;

/// For how long, in seconds: `GATEHOUSE_STRESS_SECONDS`, or so that it does not hold up the other tests.
fn duration() -> u64 {
    let seconds = env::var("GATEHOUSE_STRESS_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    seconds.unwrap_or(8)
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

/// Runs a command line over and over until then; how often.
fn looped(rig: &Rig, until: Instant, line: &str) -> Result<u64> {
    let mut times = 0;
    while Instant::now() < until {
        rig.lab.run("cmd.exe", &["/c", line])?;
        times += 1;
    }
    Ok(times)
}

/// Sends the requests of a file over and over for so many seconds; how many were taken.
fn repeated(rig: &Rig, seconds: u64, file: &str) -> Result<u64> {
    let seconds = seconds.to_string();
    let arguments = ["repeat", protocol::WIN32_NAME, file, &seconds];
    let said = rig.lab.run(PROBE, &arguments)?.stdout;
    let (taken, failed) = said.trim().split_once(" ok, ").context("how many")?;
    assert_eq!(failed, "0 failed", "{file}");
    Ok(taken.parse()?)
}

/// What happened to one run of the driver.
#[derive(Default)]
struct Done {
    pushes: u64,
    switches: u64,
    loads: u64,
    seen: Seen,
}

/// One run of the driver, from start to stop.
fn round(rig: &Rig, seconds: u64) -> Result<Done> {
    rig.done(&["start"])?;
    let readers = [0; 2].map(|_| rig.lab.spawn(GATEHOUSE, &["events", "--follow", "--json"]));
    let mut following = Vec::new();
    for reader in readers {
        following.push(follow(reader?));
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut done = thread::scope(|scope| {
        let pushing = scope.spawn(|| repeated(rig, seconds, PUSHES));
        let switching = scope.spawn(|| repeated(rig, seconds, SWITCHES));
        let loading = scope.spawn(|| looped(rig, until, "net start subject & net stop subject"));
        // Readers that come and go.
        let looking = format!("{GATEHOUSE} --json events & {GATEHOUSE} --json status");
        let reading = scope.spawn(move || looped(rig, until, &looking));
        let [pushes, switches, loads, reads] =
            [pushing, switching, loading, reading].map(|actor| actor.join().expect("no actor panics"));
        reads?;
        anyhow::Ok(Done {
            pushes: pushes?,
            switches: switches?,
            loads: loads?,
            seen: Seen::default(),
        })
    })?;
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
    assert_eq!(count("pushes_accepted")?, done.pushes);
    rig.done(&["stop"])?;
    for reader in following {
        let seen = reader.join().expect("the reader's thread ends")?;
        // Stopping may end a reader before its last batch: what came before is complete.
        assert_eq!(seen.events + seen.dropped, seen.last);
        assert!(
            seen.last + 8 >= emitted,
            "a reader saw {} of {emitted} events",
            seen.last
        );
        done.seen.events += seen.events;
        done.seen.dropped += seen.dropped;
    }
    Ok(done)
}

fn switch(mode: Mode, force: u32) -> String {
    let request = ModeRequest {
        request: Request::new(),
        mode: (mode as u32).into(),
        force: force.into(),
        duration: 0.into(),
    };
    let answer = size_of::<ModeOutcome>();
    format!("{:x} {} {answer:x}", ioctl::MODE, hex(request.as_bytes()))
}

#[test]
fn everything_at_once_loses_nothing_that_is_not_accounted_for() -> Result<()> {
    let rig = Rig::installed()?;
    rig.create_subject()?;
    let digest = rig.digest(SUBJECT)?;
    let allowing = rig.compile(&policy(&[("Allow", &digest)]))?;
    let denying = rig.compile(&policy(&[("Deny", &digest)]))?;
    let pushes = [&allowing, &denying].map(|set| push_request(set));
    rig.lab.write(PUSHES, pushes.join("\n").as_bytes())?;
    let switches = [switch(Mode::Enforce, 1), switch(Mode::Evaluate, 0)];
    rig.lab.write(SWITCHES, switches.join("\n").as_bytes())?;
    let (begun, mut runs, mut all) = (Instant::now(), 0, Done::default());
    loop {
        let left = duration().saturating_sub(begun.elapsed().as_secs());
        if runs > 0 && left == 0 {
            break;
        }
        let done = round(&rig, left.clamp(1, LONGEST_RUN))?;
        runs += 1;
        all.pushes += done.pushes;
        all.switches += done.switches;
        all.loads += done.loads;
        all.seen.events += done.seen.events;
        all.seen.dropped += done.seen.dropped;
    }
    println!(
        "{runs} runs: {} pushes, {} mode switches, {} loads and unloads, {} events read, {} dropped and told",
        all.pushes, all.switches, all.loads, all.seen.events, all.seen.dropped
    );
    let stops = rig.stop_lines()?;
    assert_eq!(stops.len(), runs);
    assert!(stops.iter().all(|line| line == CLEAN_STOP), "{stops:?}");
    Ok(())
}
