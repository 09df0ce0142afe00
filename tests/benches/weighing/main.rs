//! How long the driver's code takes to weigh a file and to find a verdict it knows, and how soon its events are read:
//! `./x bench weighing`.
//!
//! The gate runs in this process, over a file in memory. Every figure is the best of several rounds in which both sides take turns.

mod delivery;

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use gate::Caller;
use gate::FileKey;
use gate::Gate;
use gate::Passage;
use gate::Path;
use gate::Section;
use gate::driver_image::driver_image;
use gate::host::NtStatus;
use gate::process::Content;
use gate::process::OpenFile;
use gate::process::Process;
use gatehouse_tests::signed_images::images;
use protocol::control::ModeRequest;
use protocol::event::MAX_RECORD;
use protocol::ioctl;
use protocol::message::Mode;
use protocol::message::Request;
use protocol::message::features;
use sha1::Digest;
use sha1::Sha1;
use sha2::Sha256;
use zerocopy::IntoBytes;

/// An unsigned driver of [`SIZE`] bytes.
const LARGE: &str = r"\??\C:\large.sys";
/// WinDivert's driver, whose events hold the facts of its signatures.
const SIGNED: &str = r"\??\C:\signed.sys";
/// Size of the large image in bytes, less its headers.
const SIZE: usize = 20 << 20;
const ROUNDS: usize = 15;
/// Cached verdicts in a round.
const VERDICTS: u32 = 2000;

/// The file at a path is about to be mapped.
struct Asked<'g>(&'g Gate<Process>, &'static str);

impl Section for Asked<'_> {
    type File = OpenFile;

    fn caller(&self) -> Caller {
        Caller::Kernel
    }

    fn path(&mut self) -> Path {
        Path::new(self.1.encode_utf16())
    }

    fn open(&mut self) -> Option<OpenFile> {
        self.0.host().file(self.1)
    }
}

fn send(gate: &Gate<Process>, code: u32, input: &[u8], output: usize) {
    let mut buffer = input.to_vec();
    buffer.resize(input.len().max(output), 0);
    let answer = gate.dispatch(code, &mut buffer, input.len(), output);
    let status = answer.completion().map(|completion| completion.status);
    assert_eq!(status, Some(NtStatus::SUCCESS));
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

/// A policy that denies every driver by this name, enforced.
const POLICY: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy">
  <VersionEx>1.0.0.0</VersionEx>
  <PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>
  <PolicyID>{A3B1C2D4-0000-4000-8000-000000000002}</PolicyID>
  <BasePolicyID>{A3B1C2D4-0000-4000-8000-000000000002}</BasePolicyID>
  <FileRules><Deny ID="ID_DENY_ALL" FileName="*" /></FileRules>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS">
      <ProductSigners><FileRulesRef><FileRuleRef RuleID="ID_DENY_ALL" /></FileRulesRef></ProductSigners>
    </SigningScenario>
  </SigningScenarios>
</SiPolicy>"#;

/// A gate that knows both files, and has the policy.
fn gate(large: &[u8], signed: Vec<u8>) -> Gate<Process> {
    let gate = Gate::try_new(Process::default()).unwrap_or_else(|_| panic!("no memory"));
    for (file, path, bytes) in [(1, LARGE, large.to_vec()), (2, SIGNED, signed)] {
        let key = FileKey {
            volume: 1,
            file,
            usn: 1,
            size: 1,
            written: 1,
            changed: 1,
        };
        let content = Content {
            bytes,
            key: Some(key),
            ..Content::default()
        };
        gate.host().put(path, content);
    }
    let document = sipolicy::Document::read("bench.xml", POLICY.as_bytes()).expect("a policy");
    let set = sipolicy::compile(&[document]).expect("compiles");
    let push = [Request::new().as_bytes(), &set].concat();
    send(&gate, ioctl::PUSH, &push, 64);
    gate
}

/// Weighing the large file, as a ratio to its two digests.
fn weigh(gate: &Gate<Process>, large: &[u8]) -> bool {
    let path: Vec<u8> = LARGE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let check = [Request::new().as_bytes(), &path].concat();
    let (mut weighed, mut digested) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        weighed = weighed.min(timed(|| send(gate, ioctl::CHECK, &check, MAX_RECORD)));
        digested = digested.min(timed(|| {
            black_box(Sha1::digest(black_box(large)));
            black_box(Sha256::digest(black_box(large)));
        }));
    }
    let ratio = weighed.as_secs_f64() / digested.as_secs_f64();
    println!(
        "weighing a 20 MiB driver: {:.1} ms, {ratio:.2} times its SHA-1 and SHA-256 one after the other ({:.1} ms); at most 1.15",
        weighed.as_secs_f64() * 1e3,
        digested.as_secs_f64() * 1e3
    );
    ratio <= 1.15
}

fn enforce(gate: &Gate<Process>) {
    gate.host().set_features(features::FILTER);
    gate.host().set_in_use(Some(&[]));
    let enforce = ModeRequest {
        request: Request::new(),
        mode: (Mode::Enforce as u32).into(),
        force: 0.into(),
        duration: 0.into(),
    };
    send(gate, ioctl::MODE, enforce.as_bytes(), 4096);
}

/// Asks for a file's section while the gate enforces; it is refused, with an event.
fn ask(gate: &Gate<Process>, path: &'static str) {
    let mut asked = Asked(gate, path);
    let passage = gate
        .section(&asked)
        .unwrap_or_else(|| gate.weigh_section(&mut asked));
    assert_eq!(passage, Passage::Refuse);
}

/// A verdict that is known already.
fn look_up(gate: &Gate<Process>, path: &'static str, what: &str) -> bool {
    ask(gate, path);
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        best = best.min(timed(|| (0..VERDICTS).for_each(|_| ask(gate, path))));
    }
    let each = best.as_secs_f64() / f64::from(VERDICTS) * 1e6;
    println!("a verdict on {what} driver from the cache, with its event: {each:.2} us; under 5");
    each < 5.0
}

fn main() -> Result<ExitCode> {
    let body: Vec<u8> = (0..SIZE)
        .map(|at| (at.wrapping_mul(0x9e37) >> 7).to_le_bytes()[0])
        .collect();
    let large = driver_image(&body);
    let gate = gate(&large, fs::read(images()?.join("WinDivert64.sys"))?);
    let mut held = weigh(&gate, &large);
    enforce(&gate);
    held &= look_up(&gate, LARGE, "an unsigned");
    held &= look_up(&gate, SIGNED, "a signed");
    held &= delivery::measure(&gate);
    Ok(if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
