//! Thousands of catalogues, as the command reads and proves them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::made_catalogs::Maker;
use gatehouse_tests::signed_images::gatehouse;
use lab::command;
use lab::packages;
use serde_json::Value;

const COUNT: usize = 2000;

/// The command over one driver and a folder of catalogues, with folders of its own for whatever it might keep.
struct Run {
    program: PathBuf,
    driver: PathBuf,
    catalogs: PathBuf,
    home: PathBuf,
}

impl Run {
    /// What it says about the driver.
    fn record(&self) -> Result<Value> {
        let mut scan = command::clean(&self.program.display().to_string());
        scan.args(["--json", "scan", "--catalogs"])
            .arg(&self.catalogs)
            .arg(&self.driver)
            .env("XDG_CACHE_HOME", &self.home)
            .env("HOME", &self.home);
        Ok(serde_json::from_str(&command::output(&mut scan)?)?)
    }

    /// By which catalogues it is listed.
    fn listed_by(&self) -> Result<Vec<String>> {
        let record = self.record()?;
        let signatures = record["signatures"].as_array().context("signatures")?;
        let names = signatures
            .iter()
            .filter_map(|signature| signature["catalog"].as_str());
        Ok(names
            .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned())
            .collect())
    }
}

fn set_up(folder: &Path) -> Result<(Run, Maker)> {
    let run = Run {
        program: gatehouse()?,
        driver: packages::WINDIVERT.fetch()?,
        catalogs: folder.join("catalogs"),
        home: folder.join("home"),
    };
    fs::create_dir(&run.catalogs)?;
    fs::create_dir(&run.home)?;
    Ok((run, Maker::new()?))
}

fn authenticode_sha256(record: &Value) -> Result<[u8; 32]> {
    let text = record["authenticode"]["sha256"].as_str().context("a digest")?;
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits)?, 16)?;
    }
    Ok(hash)
}

/// Nothing is kept from one run to the next that a later run could believe.
#[test]
fn thousands_of_catalogues_are_proven_in_every_run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (run, maker) = set_up(folder.path())?;
    let hash = authenticode_sha256(&run.record()?)?;
    maker.folder(&run.catalogs, COUNT, 8, hash)?;
    let last = format!("{:05}.cat", COUNT - 1);
    ensure!(run.listed_by()? == [last.as_str()]);
    let signatures = |run: &Run| anyhow::Ok(run.record()?["signatures"].take());
    ensure!(signatures(&run)? == signatures(&run)?, "the same in any run");
    ensure!(fs::read_dir(&run.home)?.next().is_none(), "something was kept");

    // A catalogue that changes behind the back of size and time vouches no more.
    let path = run.catalogs.join(&last);
    let genuine = fs::read(&path)?;
    let modified = fs::metadata(&path)?.modified()?;
    let mut forged = genuine.clone();
    let listed = genuine.windows(32).position(|window| window == hash);
    forged[listed.context("the hash in the catalogue")?] ^= 1;
    fs::write(&path, &forged)?;
    fs::File::options()
        .write(true)
        .open(&path)?
        .set_modified(modified)?;
    ensure!(run.listed_by()?.is_empty(), "a forged catalogue vouches");
    fs::write(&path, &genuine)?;
    ensure!(run.listed_by()? == [last.as_str()]);
    Ok(())
}

#[test]
fn every_catalogue_that_lists_a_file_is_told_up_to_a_cap_and_what_is_wrong_with_others() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (run, maker) = set_up(folder.path())?;
    let hash = authenticode_sha256(&run.record()?)?;
    let mut expected = BTreeSet::new();
    for number in 0..64 {
        let name = format!("{number:02}.cat");
        fs::write(run.catalogs.join(&name), maker.catalog(&[hash])?)?;
        expected.insert(name);
    }
    fs::write(run.catalogs.join("broken.cat"), b"no catalogue")?;
    let listed: BTreeSet<String> = run_and_tell(&run, "broken.cat: not a security catalogue")?;
    ensure!(listed == expected, "{listed:?}");
    fs::write(run.catalogs.join("64.cat"), maker.catalog(&[hash])?)?;
    let record = run_for_record(&run)?;
    ensure!(record["unknown"]["more_signatures"] == "catalogs", "{record}");
    Ok(())
}

/// What it says about the driver, whether all could be read or not.
fn run_for_record(run: &Run) -> Result<Value> {
    Ok(serde_json::from_slice(&scan(run)?.stdout)?)
}

/// The catalogues that list the driver; the command has said this beside.
fn run_and_tell(run: &Run, said: &str) -> Result<BTreeSet<String>> {
    let output = scan(run)?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(told.contains(said), "{told}");
    let record: Value = serde_json::from_slice(&output.stdout)?;
    let signatures = record["signatures"].as_array().context("signatures")?;
    let names = signatures
        .iter()
        .filter_map(|signature| signature["catalog"].as_str());
    Ok(names
        .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned())
        .collect())
}

fn scan(run: &Run) -> Result<std::process::Output> {
    let mut scan = command::clean(&run.program.display().to_string());
    scan.args(["--json", "scan", "--catalogs"])
        .arg(&run.catalogs)
        .arg(&run.driver);
    Ok(scan.output()?)
}
