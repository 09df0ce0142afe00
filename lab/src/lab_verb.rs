//! `./x lab`: the main job end to end, and driving a lab that was left up.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use lab::Lab;
use lab::host;
use lab::lab::PACKAGE_FOLDER;
use lab::report;
use lab::repository;
use lab::scenario;
use lab::subjects;
use lab::toolchain::has_target;

/// Plays the scenario and reports; the exit code is 1 when anything came out differently.
pub fn run(keep: bool) -> Result<ExitCode> {
    require_packages()?;
    // On a first run the Windows is mostly downloaded and unpacked, the driver mostly compiled: side by side.
    let (built, prepared) = std::thread::scope(|scope| {
        let prepared = scope.spawn(subjects::prepare);
        let built = build();
        (built, prepared.join())
    });
    let (driver, controller) = built?;
    prepared.map_err(|_| anyhow!("preparing the lab's Windows panicked"))??;
    let lab = Lab::start()?;
    scenario::put_package(&lab, &driver, &controller)?;
    let played = scenario::play(&lab, &driver);
    let outcome = match played {
        Ok(outcome) => outcome,
        Err(error) => {
            let said = lab.debug_lines().unwrap_or_default();
            let tail: Vec<&str> = said.iter().rev().take(20).rev().map(String::as_str).collect();
            return Err(error.context(format!(
                "the run broke off; drivers last printed:\n{}",
                tail.join("\n")
            )));
        }
    };
    let folder = repository::target("lab");
    let events = folder.join("events.ndjson");
    let written = folder.join("report.json");
    fs::write(&events, outcome.events.lines())
        .with_context(|| format!("cannot write {}", events.display()))?;
    fs::write(&written, format!("{:#}\n", outcome.report))
        .with_context(|| format!("cannot write {}", written.display()))?;
    print!("{}", report::table(&outcome.rows));
    println!();
    for fail_safe in outcome.report["fail_safes"].as_array().into_iter().flatten() {
        let text = |name: &str| fail_safe[name].as_str().unwrap_or_default().to_owned();
        println!("fail-safe: {}: {}", text("name"), text("seen"));
    }
    let verdict = if outcome.passed() {
        "all as expected"
    } else {
        "NOT as expected"
    };
    println!(
        "{} weighings, {} events: {verdict}",
        outcome.rows.len(),
        outcome.events.records.len()
    );
    eprintln!("lab: wrote {} and {}", events.display(), written.display());
    if keep {
        let folder = lab.leave_up()?;
        fs::write(left_up(), folder.display().to_string())?;
        eprintln!(
            "lab: left up. Drive it with\n  ./x lab exec '{PACKAGE_FOLDER}\\gatehouse.exe' status\n  ./x lab stop"
        );
    }
    Ok(if outcome.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn build() -> Result<(PathBuf, PathBuf)> {
    Ok((lab::build_driver()?, lab::build_controller()?))
}

/// Installs all that the run will need at once: refreshing the package lists for each need would take longer.
fn require_packages() -> Result<()> {
    let mut packages = [
        &host::DRIVER_BUILD[..],
        &host::CONTROLLER_BUILD,
        &host::WINE_ROOT,
        &host::ARCHIVES,
    ]
    .concat();
    if !has_target(lab::driver::TARGET) || !has_target(lab::controller::TARGET) {
        packages.extend(host::DEBIAN_RUST);
    }
    host::require(&packages)
}

/// Runs a command in the lab that was left up; its exit code is ours.
pub fn exec(command: &[&str]) -> Result<ExitCode> {
    let command = if command.first() == Some(&"--") {
        command.get(1..).unwrap_or_default()
    } else {
        command
    };
    let (program, arguments) = command
        .split_first()
        .context("no command; try `./x lab exec cmd.exe /c ver`")?;
    let output = attach()?.run(program, arguments)?;
    print!("{}", output.stdout);
    eprint!("{}", output.stderr);
    Ok(ExitCode::from(u8::try_from(output.code).unwrap_or(1)))
}

/// Ends the lab that was left up.
pub fn stop() -> Result<ExitCode> {
    attach()?.end()?;
    fs::remove_file(left_up()).context("cannot forget the lab that was left up")?;
    Ok(ExitCode::SUCCESS)
}

fn attach() -> Result<Lab> {
    let folder = fs::read_to_string(left_up()).context("no lab is up; start one with `./x lab --keep`")?;
    Lab::attach(&PathBuf::from(folder.trim()))
}

/// Names the run folder of the lab that was left up.
fn left_up() -> PathBuf {
    repository::target("lab").join("left-up")
}
