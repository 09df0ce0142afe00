//! A private world for one run: its own mounts, processes and (empty) network, all gone when it is dropped.
//!
//! The first process in it ends when the pipe to it closes, and the kernel then kills every other process inside. So nothing of
//! a run outlives this process, however it ends, and two runs at once see nothing of each other.

use std::fs;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::process::ChildStdin;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::command;

/// How the namespace is made: every kind that keeps a run to itself.
const UNSHARE: [&str; 9] = [
    "--mount",
    "--propagation=private",
    "--pid",
    "--net",
    "--ipc",
    "--uts",
    "--fork",
    "--kill-child=KILL",
    "--",
];
/// How a command enters it.
const NSENTER: [&str; 7] = ["--mount", "--pid", "--root", "--wd", "--net", "--ipc", "--uts"];

/// A running namespace.
pub struct Namespace {
    process: u32,
    /// The first process and the pipe that keeps it alive; none where the namespace was left up by another run.
    held: Option<(Child, ChildStdin)>,
}

impl Namespace {
    /// Starts a namespace over the cached Wine root, with `run` mounted inside it as `/lab`.
    pub fn start(root: &Path, run: &Path) -> Result<Self> {
        // Its own standard error: a namespace that is left up would hold ours open.
        let said = run.join("boot.log");
        let errors = File::create(&said).with_context(|| format!("cannot write {}", said.display()))?;
        let mut first = command::privileged("unshare");
        first
            .args(UNSHARE)
            .args(["sh", "-c", include_str!("boot.sh"), "boot"])
            .arg(root)
            .arg(run);
        let mut child = first
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("cannot start unshare (package util-linux)")?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("unshare was started without its pipes");
        };
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("cannot read the namespace's process id")?;
        let Ok(process) = line.trim().parse() else {
            let status = child.wait()?;
            bail!(
                "cannot make a private namespace ({status}); the lab needs the right to mount: \
                 run as root, or in a container started with --privileged\n{}",
                fs::read_to_string(&said).unwrap_or_default().trim_end()
            );
        };
        Ok(Self {
            process,
            held: Some((child, stdin)),
        })
    }

    /// A namespace that another process left up.
    pub fn attach(process: u32) -> Result<Self> {
        if !Path::new(&format!("/proc/{process}/ns/pid")).exists() {
            bail!("no lab is up: process {process} is gone; start one with `./x lab --keep`");
        }
        Ok(Self { process, held: None })
    }

    /// The first process's id, outside the namespace.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// A command that will run `program` inside; arguments and environment are added to what is returned.
    pub fn command(&self, program: &str) -> Command {
        let mut command = command::privileged("nsenter");
        command
            .arg(format!("--target={}", self.process))
            .args(NSENTER)
            .arg("--")
            .arg(program);
        command
    }

    /// Lets the namespace live on after this process.
    pub fn leave_up(mut self) -> Result<u32> {
        if let Some((_, mut stdin)) = self.held.take() {
            stdin.write_all(b"stay\n").context("cannot leave the lab up")?;
        }
        Ok(self.process)
    }

    /// Ends a namespace that was left up.
    pub fn end(self) -> Result<()> {
        command::run(
            command::privileged("kill")
                .arg("-KILL")
                .arg(self.process.to_string()),
        )
        .context("cannot end the lab that was left up")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some((mut child, stdin)) = self.held.take() {
            drop(stdin);
            // Nothing sensible can be done about a failure here: the pipe is closed, so the end will come.
            let _ = child.wait();
        }
    }
}
