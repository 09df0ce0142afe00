//! How long the slowest files take that anybody can make: `./x bench slow_files`.
//!
//! Each is weighed by the driver's code, and held against the two digests of its bytes: at 64 and 256 MiB three times that, at 4 MiB three
//! times that and 40 ms. Every figure is the best of several rounds in which both sides take turns.

mod files;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use digest::Pair;
use evidence::Findings;
use evidence::Options;
use evidence::Workspace;
use evidence::examine;
use files::tables;
use gate::driver_image::driver_image;
use gatehouse_tests::made_policies::Asked;
use gatehouse_tests::made_policies::Kind;
use gatehouse_tests::made_policies::policy;
use gatehouse_tests::made_signatures::with_table;
use policy::ValidatedSet;
use policy::decide;

const ROUNDS: usize = 3;

fn weigh(file: &[u8], set: &ValidatedSet<Vec<u8>>) -> Result<Duration> {
    let mut workspace = Workspace::try_new(Workspace::DEFAULT_CHUNK)?;
    let mut findings = Findings::new();
    let begun = Instant::now();
    let examined = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings);
    let evidence = examined.unwrap_or_else(|error| error.evidence());
    black_box(decide(&set.set(), &evidence));
    Ok(begun.elapsed())
}

fn digests(file: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut pair = Pair::new();
    for piece in file.chunks(64 << 10) {
        pair.update(piece);
    }
    black_box(pair.finish());
    begun.elapsed()
}

fn main() -> Result<ExitCode> {
    let text = policy(1, Kind::DeniesOnly, &Asked::default());
    let document = sipolicy::Document::read("made.xml", text.as_bytes())?;
    let set = ValidatedSet::new(sipolicy::compile(&[document])?)
        .ok()
        .context("a sound set")?;
    let mut missed = false;
    let tables = tables()?;
    for mebibytes in [4_usize, 64, 256] {
        for (what, table) in &tables {
            let size = (mebibytes << 20).saturating_sub(table.len() + 0x200) & !0x1ff;
            let image = driver_image(&vec![0x90; size.max(0x200)]);
            let file = with_table(&image, table);
            let mut best = [Duration::MAX; 2];
            for _ in 0..ROUNDS {
                best[0] = best[0].min(weigh(&file, &set)?);
                best[1] = best[1].min(digests(&file));
            }
            let [ours, plain] = best.map(|time| time.as_secs_f64() * 1000.0);
            let bar = plain * 3.0 + if mebibytes == 4 { 40.0 } else { 0.0 };
            let verdict = if ours <= bar { "passed" } else { "MISSED" };
            missed |= ours > bar;
            println!(
                "{mebibytes:3} MiB  {what:40} {ours:8.1} ms, two digests {plain:7.1} ms, {:5.2} times, at most {bar:.0} ms: {verdict}",
                ours / plain
            );
        }
    }
    Ok(ExitCode::from(u8::from(missed)))
}
