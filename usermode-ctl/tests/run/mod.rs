//! A run of the command, as users and scripts start it.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

/// How long a command may take that has nothing to wait for.
const PATIENCE: Duration = Duration::from_mins(2);

/// A run of the command in a folder of its own.
pub struct Run {
    folder: TempDir,
}

impl Run {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, bytes).expect("written");
        path
    }

    pub fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path().join(name)).expect("read")
    }

    pub fn command<W: AsRef<OsStr>>(&self, arguments: &[W]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("GATEHOUSE_DATA", self.path().join("data"))
            .stdin(Stdio::null());
        command
    }

    pub fn run<W: AsRef<OsStr>>(&self, arguments: &[W]) -> Ran {
        self.run_with(arguments, b"")
    }

    /// Runs the command with this on standard input. One that waits for something else is ended, and fails the test.
    pub fn run_with<W: AsRef<OsStr>>(&self, arguments: &[W], input: &[u8]) -> Ran {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let mut stdin = child.stdin.take().expect("piped");
        let (input, begun) = (input.to_vec(), Instant::now());
        thread::spawn(move || {
            // The command may not want it.
            let _ = stdin.write_all(&input);
        });
        let stdout = reader(child.stdout.take().expect("piped"));
        let stderr = reader(child.stderr.take().expect("piped"));
        let status = loop {
            if let Some(status) = child.try_wait().expect("there") {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().expect("ended");
            }
            thread::sleep(Duration::from_millis(2));
        };
        Ran(Output {
            status,
            stdout: stdout.join().expect("read"),
            stderr: stderr.join().expect("read"),
        })
    }
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).expect("read");
        bytes
    })
}

/// What became of it.
pub struct Ran(pub Output);

impl Ran {
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        let out = String::from_utf8_lossy(&self.0.stdout);
        assert_eq!(
            self.0.status.code(),
            Some(expected),
            "stderr: {}\nstdout: {out}",
            self.stderr()
        );
        self
    }

    pub fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("UTF-8")
    }

    pub fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("UTF-8")
    }

    /// Fails unless standard error holds this.
    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.stderr().contains(words), "not {words:?}: {}", self.stderr());
        self
    }

    pub fn records(&self) -> Vec<Value> {
        self.stdout()
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}
