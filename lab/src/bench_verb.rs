//! `./x bench`: every benchmark of the workspace, or one of them.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lab::command;
use lab::repository;
use serde_json::Value;

/// Runs them in turn, all of them even if one misses a bar; that makes the exit code 1.
pub fn run(wanted: Option<&str>) -> Result<ExitCode> {
    let all = benches()?;
    let chosen: Vec<_> = all
        .iter()
        .filter(|(_, name)| wanted.is_none_or(|wanted| wanted == name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|(_, name)| name.as_str()).collect();
        bail!("no such benchmark; there are {}", names.join(", "));
    }
    let mut missed = Vec::new();
    for (package, name) in chosen {
        eprintln!("bench: {name}");
        let mut bench = command::clean("cargo");
        bench
            .args(["bench", "--quiet", "--package", package, "--bench", name])
            .current_dir(repository::root());
        if command::run(&mut bench).is_err() {
            missed.push(name.as_str());
        }
    }
    if missed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "bench: {} did not finish, or missed a bar; on a busy machine the ratios are worth little",
        missed.join(" and ")
    );
    Ok(ExitCode::FAILURE)
}

/// Package and name of every benchmark that the workspace declares.
fn benches() -> Result<Vec<(String, String)>> {
    let mut ask = command::clean("cargo");
    ask.args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(repository::root());
    let metadata: Value = serde_json::from_str(&command::output(&mut ask)?)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo names no packages")?;
    let mut found = Vec::new();
    for package in packages {
        let targets = package["targets"].as_array().into_iter().flatten();
        for target in targets.filter(|target| target["kind"][0] == "bench") {
            if let (Some(package), Some(name)) = (package["name"].as_str(), target["name"].as_str()) {
                found.push((package.to_owned(), name.to_owned()));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::benches;

    #[test]
    fn the_benchmarks_are_found_where_cargo_knows_them() {
        let all = benches().expect("cargo answers");
        for (package, name) in [
            ("gatehouse-sipolicy", "decisions"),
            ("gatehouse-tests", "evidence"),
        ] {
            assert!(
                all.contains(&(package.to_owned(), name.to_owned())),
                "{name} in {all:?}"
            );
        }
    }
}
