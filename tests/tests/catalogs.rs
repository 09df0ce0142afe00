//! Thousands of catalogues, as the command reads and keeps them.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::made_catalogs::Maker;
use gatehouse_tests::made_catalogs::age;
use gatehouse_tests::signed_images::gatehouse;
use lab::command;
use lab::packages;
use serde_json::Value;

const COUNT: usize = 2000;

/// The command over one driver and a folder of catalogues, with a cache folder of its own.
struct Run {
    program: PathBuf,
    driver: PathBuf,
    catalogs: PathBuf,
    cache: PathBuf,
}

impl Run {
    /// What it says about the driver.
    fn record(&self) -> Result<Value> {
        let mut scan = command::clean(&self.program.display().to_string());
        scan.args(["--json", "scan", "--catalogs"])
            .arg(&self.catalogs)
            .arg(&self.driver)
            .env("XDG_CACHE_HOME", &self.cache);
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

    /// The files in its cache.
    fn kept(&self) -> Result<Vec<PathBuf>> {
        let entries = match fs::read_dir(self.cache.join("gatehouse")) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        entries.map(|entry| Ok(entry?.path())).collect()
    }
}

fn set_up(folder: &Path) -> Result<(Run, Maker)> {
    let run = Run {
        program: gatehouse()?,
        driver: packages::WINDIVERT.fetch()?,
        catalogs: folder.join("catalogs"),
        cache: folder.join("cache"),
    };
    fs::create_dir(&run.catalogs)?;
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

#[test]
fn thousands_of_catalogues_are_proven_once_and_found_again_until_something_changes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (run, maker) = set_up(folder.path())?;
    let hash = authenticode_sha256(&run.record()?)?;
    maker.folder(&run.catalogs, COUNT, 8, hash)?;
    let last = format!("{:05}.cat", COUNT - 1);

    let cold = run.record()?;
    ensure!(run.listed_by()? == [last.as_str()], "{cold}");
    ensure!(run.kept()?.len() == 1, "{:?}", run.kept()?);
    let [kept] = <[PathBuf; 1]>::try_from(run.kept()?).map_err(|_| anyhow::anyhow!("one file"))?;
    ensure!(run.record()? == cold, "the same out of the cache");

    // It is the kept index that answers: a catalogue that changes behind the back of size and time is not read.
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
    ensure!(run.record()? == cold, "out of the cache");

    // Damage anywhere in the kept file: it is ignored, and written anew.
    let whole = fs::read(&kept)?;
    for place in [0, 8, 40, 72, 80, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&kept, &damaged)?;
        ensure!(
            run.listed_by()?.is_empty(),
            "byte {place}: the forged catalogue vouches"
        );
    }
    fs::write(&kept, &whole[..whole.len() / 3])?;
    ensure!(run.listed_by()?.is_empty(), "cut off");

    // Time, size, and the list of names each count.
    fs::write(&path, &genuine)?;
    age(&path, 3_600)?;
    ensure!(run.listed_by()? == [last.as_str()], "changed back");
    fs::remove_file(&path)?;
    ensure!(run.listed_by()?.is_empty(), "removed");
    fs::write(run.catalogs.join("another.CAT"), maker.catalog(&[hash])?)?;
    ensure!(run.listed_by()? == ["another.CAT"], "added");
    ensure!(run.kept()?.len() == 1, "one file for one choice of folders");
    Ok(())
}

#[test]
fn catalogues_that_may_still_change_or_are_few_are_not_kept() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (run, maker) = set_up(folder.path())?;
    maker.folder(&run.catalogs, 15, 1, [1; 32])?;
    run.record()?;
    ensure!(run.kept()?.is_empty(), "few are read as quickly");
    maker.folder(&run.catalogs, 20, 1, [1; 32])?;
    fs::write(run.catalogs.join("00003.cat"), maker.catalog(&[[2; 32]])?)?;
    run.record()?;
    ensure!(run.kept()?.is_empty(), "one was changed just now");
    // What is wrong with a catalogue is told each time.
    fs::write(run.catalogs.join("00003.cat"), b"no catalogue")?;
    age(&run.catalogs.join("00003.cat"), 60)?;
    for _ in 0..2 {
        let mut scan = command::clean(&run.program.display().to_string());
        scan.args(["--json", "scan", "--catalogs"])
            .arg(&run.catalogs)
            .arg(&run.driver)
            .env("XDG_CACHE_HOME", &run.cache);
        let said = String::from_utf8(scan.output()?.stderr)?;
        ensure!(said.contains("00003.cat: not a security catalogue"), "{said}");
        ensure!(run.kept()?.len() == 1);
    }
    Ok(())
}
