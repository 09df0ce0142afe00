//! The command in a folder of its own, on this machine.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use serde_json::Value;
use tempfile::TempDir;

use crate::signed_images::gatehouse;

/// A folder to work in, and the built command.
pub struct Desk {
    gatehouse: PathBuf,
    folder: TempDir,
}

impl Desk {
    /// An empty one.
    pub fn new() -> Result<Self> {
        Ok(Self {
            gatehouse: gatehouse()?,
            folder: tempfile::tempdir()?,
        })
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.file(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Runs the command with `--json`: its exit code, 0 or 10, and the lines that it wrote.
    pub fn lines(&self, words: &[&str], paths: &[impl AsRef<OsStr>]) -> Result<(i32, Vec<String>)> {
        let ran = Command::new(&self.gatehouse)
            .arg("--json")
            .args(words)
            .args(paths)
            .current_dir(self.folder.path())
            .output()?;
        let code = ran.status.code().context("an exit code")?;
        ensure!(
            matches!(code, 0 | 10),
            "{words:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
        let lines = std::str::from_utf8(&ran.stdout)?.lines();
        Ok((code, lines.map(str::to_owned).collect()))
    }

    /// As [`Desk::lines`], each line read as the record that it is.
    pub fn records(&self, words: &[&str], paths: &[impl AsRef<OsStr>]) -> Result<(i32, Vec<Value>)> {
        let (code, lines) = self.lines(words, paths)?;
        let records = lines.iter().map(|line| serde_json::from_str(line));
        Ok((code, records.collect::<Result<_, _>>()?))
    }

    /// Whether the policy allows one file, or the file of one record.
    pub fn allows(&self, policy: &str, words: &[&str], path: &Path) -> Result<bool> {
        let (code, verdicts) = self.records(&[&["simulate", "--policy", policy], words].concat(), &[path])?;
        ensure!(
            verdicts.len() == 1,
            "{} verdicts on {}",
            verdicts.len(),
            path.display()
        );
        let allowed = verdicts[0]["decision"] == "allow";
        ensure!(allowed == (code == 0), "exit code {code} and {}", verdicts[0]);
        Ok(allowed)
    }
}
