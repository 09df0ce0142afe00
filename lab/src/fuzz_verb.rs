//! `./x fuzz`: libFuzzer over the targets in `fuzz/`, with what a nightly toolchain brings by itself.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lab::command;
use lab::repository;

/// Coverage for libFuzzer and an address sanitizer, as cargo-fuzz sets them.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address";
const HOST: &str = "x86_64-unknown-linux-gnu";
/// The tests that write the first inputs: without those it takes hours to get past the first tag.
const SEEDS: [(&str, &str); 3] = [
    ("gatehouse-evidence", "seeds_reach_their_readers"),
    ("gatehouse-sipolicy", "generated_policies_are_seeds_in_every_form"),
    ("gatehouse-tests", "what_is_taken_apart_is_a_seed"),
];
/// Inputs are at most this long, in bytes: room for an image with a signature.
const LONGEST: u32 = 32 << 10;
/// Seconds for each target where none are given.
const SECONDS: u32 = 60;

/// Runs one target, or all of them in turn; the first finding ends it.
pub fn run(arguments: &[&str]) -> Result<ExitCode> {
    let folder = repository::root().join("fuzz");
    let all = targets(&folder)?;
    let (wanted, seconds) = parse(arguments)?;
    let chosen: Vec<&String> = all
        .iter()
        .filter(|name| wanted.is_none_or(|wanted| wanted == *name))
        .collect();
    if chosen.is_empty() {
        bail!("no such fuzz target; there are {}", all.join(", "));
    }
    let corpora = folder.join("corpus");
    for (package, test) in SEEDS {
        let mut seeds = command::clean("cargo");
        seeds
            .args(["test", "--quiet", "--package", package, test])
            .env("GATEHOUSE_CORPUS", &corpora)
            .current_dir(repository::root());
        command::output(&mut seeds).context("the tests did not write the first inputs")?;
    }
    for name in chosen {
        eprintln!("fuzz: {name} for {seconds} s");
        let corpus = corpora.join(name);
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let mut fuzz = command::clean("cargo");
        fuzz.args([
            "+nightly",
            "run",
            "--quiet",
            "--release",
            "--target",
            HOST,
            "--bin",
            name,
            "--",
        ])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(&corpus)
        .env("RUSTFLAGS", FLAGS)
        .current_dir(&folder);
        command::run(&mut fuzz).with_context(|| {
            format!(
                "{name} has a finding, or there is no nightly toolchain; the input that shows it is in fuzz/"
            )
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn parse<'a>(arguments: &[&'a str]) -> Result<(Option<&'a str>, u32)> {
    let (target, rest) = match arguments {
        [name, rest @ ..] if !name.starts_with("--") => (Some(*name), rest),
        rest => (None, rest),
    };
    let seconds = match rest {
        [] => SECONDS,
        ["--seconds", count] => count
            .parse()
            .with_context(|| format!("{count} is no number of seconds"))?,
        _ => bail!("usage: ./x fuzz [TARGET] [--seconds N]"),
    };
    Ok((target, seconds))
}

/// Every target is a file of its own.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let place = folder.join("fuzz_targets");
    let entries = std::fs::read_dir(&place).with_context(|| format!("cannot read {}", place.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_are_both_optional() -> Result<()> {
        assert_eq!(parse(&[])?, (None, SECONDS));
        assert_eq!(parse(&["image"])?, (Some("image"), SECONDS));
        assert_eq!(parse(&["image", "--seconds", "5"])?, (Some("image"), 5));
        assert_eq!(parse(&["--seconds", "5"])?, (None, 5));
        assert!(parse(&["--seconds", "x"]).is_err() && parse(&["image", "image"]).is_err());
        assert!(targets(&repository::root().join("fuzz"))?.contains(&"image".to_owned()));
        Ok(())
    }
}
