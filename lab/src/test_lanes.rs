//! The workspace's test programs, two at a time: most of a lab's time is waiting, which leaves a core to the others.

use std::collections::VecDeque;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use lab::command;
use lab::repository;
use serde_json::Value;

/// The packages whose tests boot a Windows: one at a time, since several make Wine's services miss their own time limits.
const LAB_PACKAGES: [&str; 2] = ["gatehouse-lab", "gatehouse-tests"];
/// Those of their tests that boot none.
const WITHOUT_LAB: [&str; 10] = [
    "catalogs",
    "etw",
    "evidence",
    "gatehouse-lab",
    "image",
    "inf",
    "instructions",
    "lab",
    "policy_levels",
    "stack",
];
/// Room for every other lane's share of the processor: a late answer in a lab is a failed test.
const NICE: &str = "10";

/// A built test program.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    package: String,
    target: String,
    executable: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
}

/// What came of one.
struct Ended {
    name: String,
    passed: bool,
    output: String,
}

/// Builds all test programs, then runs them to their ends; those that failed are an error, after all that they said.
pub fn run() -> Result<()> {
    let programs = build()?;
    let (lab, other): (VecDeque<_>, VecDeque<_>) = programs.into_iter().partition(Program::boots_a_lab);
    let (lab, other) = (Mutex::new(lab), Mutex::new(other));
    let mut ended = Vec::new();
    thread::scope(|scope| {
        let lanes = [
            scope.spawn(|| work_off(&lab, false)),
            scope.spawn(|| work_off(&other, true)),
        ];
        for lane in lanes {
            ended.extend(lane.join().expect("a lane does not panic")?);
        }
        anyhow::Ok(())
    })?;
    let failed: Vec<&Ended> = ended.iter().filter(|ended| !ended.passed).collect();
    for Ended { name, output, .. } in &failed {
        eprintln!("\n==== {name}\n{}", output.trim_end());
    }
    if !failed.is_empty() {
        let names: Vec<&str> = failed.iter().map(|ended| ended.name.as_str()).collect();
        bail!(
            "{} of {} test programs: {}",
            failed.len(),
            ended.len(),
            names.join(", ")
        );
    }
    Ok(())
}

fn work_off(queue: &Mutex<VecDeque<Program>>, nice: bool) -> Result<Vec<Ended>> {
    let mut ended = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(program) = next else {
            return Ok(ended);
        };
        ended.push(program.run(nice)?);
    }
}

/// Builds the test programs, with cargo's own output; in the order in which they are to be run.
fn build() -> Result<Vec<Program>> {
    let mut build = command::clean("cargo");
    build
        .args(["test", "--workspace", "--no-run", "--quiet"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(repository::root())
        .stderr(Stdio::inherit());
    let output = build.output().context("cannot start cargo")?;
    if !output.status.success() {
        bail!("the tests do not build ({})", output.status);
    }
    let mut programs: Vec<Program> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| Program::read(&serde_json::from_str(line).ok()?))
        .collect();
    if programs.is_empty() {
        bail!("cargo named no test program");
    }
    programs.sort_by(|one, other| (&one.package, &one.target).cmp(&(&other.package, &other.target)));
    Ok(programs)
}

impl Program {
    /// From one of cargo's messages, if it is about a test program.
    fn read(message: &Value) -> Option<Self> {
        let executable = PathBuf::from(message["executable"].as_str()?);
        if message["profile"]["test"] != true {
            return None;
        }
        let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
        // `path+file:///folder#name@version`, or `path+file:///name#version` where the two names are the same.
        let (place, end) = message["package_id"].as_str()?.rsplit_once('#')?;
        let package = match end.split_once('@') {
            Some((name, _)) => name,
            None => place.rsplit('/').next()?,
        };
        Some(Self {
            package: package.to_owned(),
            target: message["target"]["name"].as_str()?.to_owned(),
            executable,
            folder,
        })
    }

    fn boots_a_lab(&self) -> bool {
        LAB_PACKAGES.contains(&self.package.as_str()) && !WITHOUT_LAB.contains(&self.target.as_str())
    }

    fn run(&self, nice: bool) -> Result<Ended> {
        let name = format!("{} {}", self.package, self.target);
        let executable = self.executable.display().to_string();
        let mut test = if nice {
            let mut nice = command::clean("nice");
            nice.args(["-n", NICE, &executable]);
            nice
        } else {
            command::clean(&executable)
        };
        let begun = Instant::now();
        let output = test
            .arg("--quiet")
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {executable}"))?;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        let passed = output.status.success();
        let counts = said[0]
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("test result: "));
        // "ok. 72 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.57s"
        let counts: Vec<&str> = counts.unwrap_or("no result. ").split("; ").take(3).collect();
        if counts != ["ok. 0 passed", "0 failed", "0 ignored"] {
            eprintln!(
                "test: {name}: {}, {:.1} s",
                counts.join(", "),
                begun.elapsed().as_secs_f32()
            );
        }
        Ok(Ended {
            name,
            passed,
            output: said.join("\n"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Program;
    use serde_json::json;

    #[test]
    fn a_test_program_is_told_from_what_else_cargo_builds() {
        let mut message = json!({
            "reason": "compiler-artifact",
            "package_id": "path+file:///home/a/gatehouse/tests#gatehouse-tests@0.1.0",
            "manifest_path": "/home/a/gatehouse/tests/Cargo.toml",
            "target": { "name": "faults" },
            "profile": { "test": true },
            "executable": "/home/a/gatehouse/target/debug/deps/faults-1",
        });
        let program = Program::read(&message).unwrap();
        assert_eq!(
            (program.package.as_str(), program.target.as_str()),
            ("gatehouse-tests", "faults")
        );
        assert_eq!(program.folder.to_str(), Some("/home/a/gatehouse/tests"));
        assert!(program.boots_a_lab());

        message["target"]["name"] = "inf".into();
        assert!(!Program::read(&message).unwrap().boots_a_lab());
        message["package_id"] = "path+file:///home/a/gatehouse/gate#0.1.0".into();
        assert_eq!(Program::read(&message).unwrap().package, "gate");
        message["profile"]["test"] = false.into();
        assert_eq!(Program::read(&message), None);
    }
}
