//! How long the driver's code takes to weigh a file, and to find a verdict it knows: `./x bench weighing`.
//!
//! The gate runs in this process, over a file in memory. Every figure is the best of several rounds in which both sides take turns.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use gate::Caller;
use gate::FileKey;
use gate::Gate;
use gate::Passage;
use gate::Path;
use gate::Section;
use gate::host::NtStatus;
use gate::process::Content;
use gate::process::OpenFile;
use gate::process::Process;
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

const PATH: &str = r"\??\C:\large.sys";
/// Size of the image in bytes.
const SIZE: usize = 20 << 20;
const ROUNDS: usize = 15;
/// Cached verdicts in a round.
const VERDICTS: u32 = 2000;

/// A driver image of [`SIZE`] bytes, unsigned. Header fields: Microsoft, "PE Format".
fn image() -> Vec<u8> {
    let raw = u32::try_from(SIZE - 0x400).expect("fits");
    let mut file: Vec<u8> = (0..SIZE)
        .map(|at| (at.wrapping_mul(0x9e37) >> 7).to_le_bytes()[0])
        .collect();
    file[..0x400].fill(0);
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x84, &0x8664_u16.to_le_bytes());
    put(0x86, &1_u16.to_le_bytes());
    put(0x94, &240_u16.to_le_bytes());
    put(0x96, &0x22_u16.to_le_bytes());
    put(0x98, &0x20b_u16.to_le_bytes());
    put(0xb8, &0x1000_u32.to_le_bytes());
    put(0xbc, &0x200_u32.to_le_bytes());
    put(0xd0, &(raw + 0x2000).to_le_bytes());
    put(0xd4, &0x400_u32.to_le_bytes());
    put(0xdc, &1_u16.to_le_bytes());
    put(0x104, &16_u32.to_le_bytes());
    put(0x188, b".text\0\0\0");
    put(0x190, &raw.to_le_bytes());
    put(0x194, &0x1000_u32.to_le_bytes());
    put(0x198, &raw.to_le_bytes());
    put(0x19c, &0x400_u32.to_le_bytes());
    put(0x1ac, &0x6000_0020_u32.to_le_bytes());
    file
}

struct Asked<'g>(&'g Gate<Process>);

impl Section for Asked<'_> {
    type File = OpenFile;

    fn caller(&self) -> Caller {
        Caller::Kernel
    }

    fn path(&mut self) -> Path {
        Path::new(PATH.encode_utf16())
    }

    fn open(&mut self) -> Option<OpenFile> {
        self.0.host().file(PATH)
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

fn main() -> ExitCode {
    let bytes = image();
    let gate = Gate::try_new(Process::default()).unwrap_or_else(|_| panic!("no memory"));
    let key = FileKey {
        volume: 1,
        file: 1,
        usn: 1,
        size: 1,
        written: 1,
        changed: 1,
    };
    gate.host().put(
        PATH,
        Content {
            bytes: bytes.clone(),
            key: Some(key),
            ..Content::default()
        },
    );
    let document = sipolicy::Document::read("bench.xml", POLICY.as_bytes()).expect("a policy");
    let set = sipolicy::compile(&[document]).expect("compiles");
    send(
        &gate,
        ioctl::PUSH,
        &[Request::new().as_bytes(), &set].concat(),
        64,
    );

    let path: Vec<u8> = PATH.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let check = [Request::new().as_bytes(), &path].concat();
    let (mut weighed, mut digested) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        weighed = weighed.min(timed(|| send(&gate, ioctl::CHECK, &check, MAX_RECORD)));
        digested = digested.min(timed(|| {
            black_box(Sha1::digest(black_box(&bytes)));
            black_box(Sha256::digest(black_box(&bytes)));
        }));
    }
    let weighing = weighed.as_secs_f64() / digested.as_secs_f64();
    println!(
        "weighing a 20 MiB driver: {:.1} ms, {weighing:.2} times its SHA-1 and SHA-256 one after the other ({:.1} ms); at most 1.15",
        weighed.as_secs_f64() * 1e3,
        digested.as_secs_f64() * 1e3
    );

    gate.host().set_features(features::FILTER);
    gate.host().set_in_use(Some(&[]));
    let enforce = ModeRequest {
        request: Request::new(),
        mode: (Mode::Enforce as u32).into(),
        force: 0.into(),
        duration: 0.into(),
    };
    send(&gate, ioctl::MODE, enforce.as_bytes(), 4096);
    let ask = || {
        let mut asked = Asked(&gate);
        let passage = gate
            .section(&asked)
            .unwrap_or_else(|| gate.weigh_section(&mut asked));
        assert_eq!(passage, Passage::Refuse);
    };
    ask();
    let mut cached = Duration::MAX;
    for _ in 0..ROUNDS {
        cached = cached.min(timed(|| (0..VERDICTS).for_each(|_| ask())));
    }
    let cached = cached.as_secs_f64() / f64::from(VERDICTS) * 1e6;
    println!("a verdict from the cache, with its event: {cached:.2} us; under 5");
    if weighing <= 1.15 && cached < 5.0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
