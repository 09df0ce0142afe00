//! One run of the lab: a Windows of its own, up until it is dropped.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::command;
use crate::namespace::Namespace;
use crate::prefix;
use crate::repository;
use crate::windows_path;
use crate::wine;
use crate::wine_root;

/// The longest that one command in the lab may take, in seconds; most take a fraction of one.
const COMMAND_LIMIT: u32 = 60;
/// The exit code of a command that was killed for taking too long.
pub const KILLED: i32 = 137;
/// Where the controller and the driver package lie in the lab's Windows.
pub const PACKAGE_FOLDER: &str = r"C:\gatehouse";
/// The load-order group of every service here: Wine hosts the drivers of one group in one process, and only there do they
/// see each other's loads.
pub const SERVICE_GROUP: &str = "GatehouseLab";

/// What a command in the lab answered.
#[derive(Clone, Debug)]
pub struct Output {
    /// The exit code; 137 when the command took too long and was killed.
    pub code: i32,
    /// Standard output, with Windows's line ends made plain.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
}

impl Output {
    /// Whether the exit code is zero.
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

/// A Windows that is up, with nothing of Gatehouse in it until it is put there.
pub struct Lab {
    namespace: Option<Namespace>,
    folder: PathBuf,
    /// How many commands were run, to name their output files.
    commands: AtomicU32,
    keep: bool,
}

impl Lab {
    /// Boots a fresh Windows, from the cache's template; a second or two when the cache is warm.
    pub fn start() -> Result<Self> {
        let root = wine_root::prepare()?;
        let template = prefix::prepare(&root)?;
        let folder = new_run_folder()?;
        prefix::copy(&template, &folder)?;
        let namespace = Namespace::start(&root, &folder)?;
        let lab = Self {
            namespace: Some(namespace),
            folder,
            commands: AtomicU32::new(0),
            keep: false,
        };
        lab.boot()?;
        Ok(lab)
    }

    /// The lab that `leave_up` left, by its run folder.
    pub fn attach(folder: &Path) -> Result<Self> {
        let path = folder.join("process");
        let text = fs::read_to_string(&path).with_context(|| {
            format!(
                "no lab is up ({} is missing); start one with `./x lab --keep`",
                path.display()
            )
        })?;
        let process = text
            .trim()
            .parse()
            .with_context(|| format!("{} holds no process id", path.display()))?;
        let namespace = Namespace::attach(process)?;
        Ok(Self {
            namespace: Some(namespace),
            folder: folder.to_owned(),
            commands: AtomicU32::new(0),
            keep: true,
        })
    }

    /// Starts the first Windows program. It stays for the lab's life: when the last one ends, Wine stops all services. The services
    /// inherit the standard error of whichever of the two programs here comes up first, so both write to the log that takes what
    /// drivers print.
    fn boot(&self) -> Result<()> {
        let log = format!("{}/debug.log", wine_root::RUN);
        let shell = format!(r"{} C:\\windows\\system32\\cmd.exe", wine_root::WINE);
        // Nothing keeps this process's pipes: the first program outlives the command that starts it.
        let first = format!("exec >/dev/null 2>>{log}; sleep infinity | {shell} &");
        let ready = format!("exec >/dev/null 2>>{log}; {shell} /c ver");
        for script in [first, ready] {
            let mut program = self.limited(COMMAND_LIMIT)?;
            command::output(program.args(["sh", "-c", &script])).context("cannot boot the lab's Windows")?;
        }
        Ok(())
    }

    /// Runs a Windows program by name or path and waits for it.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<Output> {
        self.run_within(COMMAND_LIMIT, program, arguments)
    }

    /// As [`Lab::run`], with a limit of its own in seconds.
    pub fn run_within(&self, seconds: u32, program: &str, arguments: &[&str]) -> Result<Output> {
        // Files, not pipes: a program that is killed may leave children that would keep a pipe open for ever.
        let number = self.commands.fetch_add(1, Ordering::Relaxed);
        let stdout = self.folder.join(format!("{number}.out"));
        let stderr = self.folder.join(format!("{number}.err"));
        let mut command = wine::command(self.namespace()?, seconds, &whole_path(program));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        let status = command
            .status()
            .with_context(|| format!("cannot run {program} in the lab"))?;
        let code = status.code().unwrap_or(KILLED);
        if code == KILLED {
            eprintln!(
                "lab: {program} {} took more than {seconds} s and was killed",
                arguments.join(" ")
            );
        }
        Ok(Output {
            code,
            stdout: take_text(&stdout)?,
            stderr: take_text(&stderr)?,
        })
    }

    /// Runs the controller.
    pub fn gatehouse(&self, arguments: &[&str]) -> Result<Output> {
        self.run(&format!(r"{PACKAGE_FOLDER}\gatehouse.exe"), arguments)
    }

    /// Runs a controller command that must succeed.
    pub fn expect(&self, arguments: &[&str]) -> Result<Output> {
        let output = self.gatehouse(arguments)?;
        if !output.success() {
            let said = format!("{}{}", output.stdout, output.stderr);
            bail!(
                "gatehouse {} exits with {}:\n{}",
                arguments.join(" "),
                output.code,
                said.trim_end()
            );
        }
        Ok(output)
    }

    /// Starts a Windows program and lets it run beside what follows; its output is the caller's to read.
    pub fn spawn(&self, program: &str, arguments: &[&str]) -> Result<std::process::Child> {
        let mut command = wine::command(self.namespace()?, COMMAND_LIMIT, &whole_path(program));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
            .spawn()
            .with_context(|| format!("cannot start {program} in the lab"))
    }

    /// Starts a Windows program that reads what it is to do from its standard input, and ends with that; killed after `seconds`.
    pub fn converse(&self, seconds: u32, program: &str, arguments: &[&str]) -> Result<std::process::Child> {
        let mut command = wine::command(self.namespace()?, seconds, &whole_path(program));
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
            .spawn()
            .with_context(|| format!("cannot start {program} in the lab"))
    }

    /// Copies a file of the host to a path on the lab's drive C:, replacing what is there.
    pub fn put(&self, file: &Path, windows_path: &str) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        self.write(windows_path, &bytes)
    }

    /// Writes a file on the lab's drive C:, replacing what is there.
    pub fn write(&self, windows_path: &str, contents: &[u8]) -> Result<()> {
        let place = self.host_path(windows_path)?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        // A new file takes the old one's place: a module of Wine's own is a link into the shared root.
        match fs::remove_file(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", place.display()));
            }
            _ => {}
        }
        fs::write(&place, contents).with_context(|| format!("cannot write {}", place.display()))
    }

    /// Reads a file on the lab's drive C:.
    pub fn read(&self, windows_path: &str) -> Result<Vec<u8>> {
        let place = self.host_path(windows_path)?;
        // The links in a prefix lead to the root as it is seen from inside.
        if place.is_symlink() {
            let target = fs::read_link(&place)?;
            let root = wine_root::prepare()?;
            let inside = target.strip_prefix("/").unwrap_or(&target);
            return fs::read(root.join(inside))
                .with_context(|| format!("cannot read {windows_path} in the lab"));
        }
        fs::read(&place)
            .with_context(|| format!("cannot read {windows_path} in the lab ({})", place.display()))
    }

    /// The host's file behind a path on the lab's drive C:.
    pub fn host_path(&self, windows_path: &str) -> Result<PathBuf> {
        windows_path::resolve(&self.folder.join(wine::PREFIX).join("drive_c"), windows_path)
    }

    /// What drivers have printed so far, a line each, in order.
    pub fn debug_lines(&self) -> Result<Vec<String>> {
        let path = self.folder.join("debug.log");
        let log = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let log = String::from_utf8_lossy(&log);
        // thread:class:channel:function level:component: text
        let lines = log.lines().filter(|line| line.contains("debugstr:vDbgPrintEx"));
        Ok(lines
            .filter_map(|line| line.split_once(": ").map(|(_, text)| text))
            .map(|text| text.trim_end().to_owned())
            .collect())
    }

    /// The run's folder on the host.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves this Windows up after the process ends, until `./x lab stop`.
    pub fn leave_up(mut self) -> Result<PathBuf> {
        let Some(namespace) = self.namespace.take() else {
            bail!("the lab has ended")
        };
        let process = namespace.leave_up()?;
        fs::write(self.folder.join("process"), process.to_string())?;
        self.keep = true;
        Ok(self.folder.clone())
    }

    /// Ends a Windows that was left up, and removes its folder.
    pub fn end(mut self) -> Result<()> {
        if let Some(namespace) = self.namespace.take() {
            namespace.end()?;
        }
        self.keep = false;
        Ok(())
    }

    fn namespace(&self) -> Result<&Namespace> {
        self.namespace.as_ref().context("the lab has ended")
    }

    fn limited(&self, seconds: u32) -> Result<std::process::Command> {
        Ok(wine::limited(self.namespace()?, seconds))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // The namespace first: its processes hold files of the folder open.
        self.namespace = None;
        if !self.keep
            && let Err(error) = command::remove_tree(&self.folder)
        {
            eprintln!("lab: {error:#}");
        }
    }
}

/// A program of Windows's own by its whole path: Wine starts those directly, others by way of a helper that a time limit would
/// kill in their stead.
fn whole_path(program: &str) -> String {
    if program.contains('\\') {
        program.to_owned()
    } else {
        format!(r"C:\windows\system32\{program}")
    }
}

/// Reads and removes a file of program output; Windows's line ends are made plain.
fn take_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

/// A new folder for one run, named by this process; folders of processes that are gone are removed first.
fn new_run_folder() -> Result<PathBuf> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let base = repository::target("lab").join("runs");
    fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
    for entry in fs::read_dir(&base)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.split('-').next().unwrap_or_default();
        let left_up = entry.path().join("process").exists();
        if !left_up && !owner.is_empty() && !Path::new("/proc").join(owner).exists() {
            command::remove_tree(&entry.path())?;
        }
    }
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let folder = base.join(format!("{}-{number}", std::process::id()));
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
