//! What the end-to-end tests share: a lab with the real driver installed and running, driven by the real controller.

pub mod compiled_manifest;
pub mod conversation;
pub mod der;
pub mod desk;
pub mod enforcing_gate;
pub mod event_manifest;
pub mod inf;
pub mod loader_map;
pub mod made_catalogs;
pub mod made_policies;
pub mod made_signatures;
pub mod primitive_driver;
pub mod remaining_claims;
pub mod signed_images;
pub mod unsigned_parts;

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use conversation::Conversation;
use lab::Lab;
use lab::Output;
use protocol::ioctl;
use protocol::message::PushOutcome;
use protocol::message::Request;
use serde_json::Value;
use zerocopy::IntoBytes;

/// Where the probe lies in the lab's Windows.
pub const PROBE: &str = r"C:\probe.exe";

/// Wine's own mouhid.sys: a small driver that starts and stops cleanly, any number of times.
pub const SUBJECT: &str = r"C:\windows\system32\drivers\mouhid.sys";

struct Built {
    driver: PathBuf,
    controller: PathBuf,
    probe: PathBuf,
}

/// Builds what the tests run, once for a process.
fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| Built {
        driver: lab::build_driver().expect("the driver builds"),
        controller: lab::build_controller().expect("the controller builds"),
        probe: lab::controller::build_program("gatehouse-probe", "probe.exe").expect("the probe builds"),
    })
}

/// A lab in which Gatehouse is installed. There is one at a time in a process: several at once on a small machine make Wine's
/// services miss their own time limits.
pub struct Rig {
    /// The lab.
    pub lab: Lab,
    /// Given back after the lab has ended.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Rig {
    /// Boots a lab, installs driver and controller, and starts the driver.
    pub fn start() -> Result<Self> {
        let rig = Self::installed()?;
        rig.done(&["start"])?;
        Ok(rig)
    }

    /// As [`Rig::start`], without starting the driver.
    pub fn installed() -> Result<Self> {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let built = built();
        let lab = Lab::start()?;
        lab::scenario::put_package(&lab, &built.driver, &built.controller)?;
        lab.put(&built.probe, PROBE)?;
        let rig = Self { lab, _turn: turn };
        rig.done(&["install", "--group", lab::lab::SERVICE_GROUP])?;
        Ok(rig)
    }

    /// Runs the controller and asks that it succeeds; its standard output.
    pub fn done(&self, arguments: &[&str]) -> Result<String> {
        let output = self.lab.gatehouse(arguments)?;
        ensure!(
            output.success(),
            "gatehouse {} exited with {}: {}",
            arguments.join(" "),
            output.code,
            output.stderr
        );
        Ok(output.stdout)
    }

    /// Runs the controller with `--json` and gives its records, whatever the exit code.
    pub fn records(&self, arguments: &[&str]) -> Result<(i32, Vec<Value>)> {
        let output = self.lab.gatehouse(&[arguments, &["--json"]].concat())?;
        let records = output
            .stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line).with_context(|| format!("not JSON: {line}\n{}", output.stderr))
            })
            .collect::<Result<_>>()?;
        Ok((output.code, records))
    }

    /// The driver's status record.
    pub fn status(&self) -> Result<Value> {
        let (code, mut records) = self.records(&["status"])?;
        ensure!(
            code == 0 && records.len() == 1,
            "one status record, not {records:?} (exit {code})"
        );
        Ok(records.remove(0))
    }

    /// All events of this kind that the driver holds.
    pub fn events(&self, kind: &str) -> Result<Vec<Value>> {
        let (code, records) = self.records(&["events"])?;
        ensure!(code == 0, "events exited with {code}");
        Ok(records
            .into_iter()
            .filter(|event| event["kind"] == kind)
            .collect())
    }

    /// Compiles a policy document in the lab and gives the set.
    pub fn compile(&self, xml: &str) -> Result<Vec<u8>> {
        self.lab.write(r"C:\policy.xml", xml.as_bytes())?;
        self.done(&["policy", "compile", r"C:\policy.xml", "-o", r"C:\policy.ghp"])?;
        self.lab.read(r"C:\policy.ghp")
    }

    /// Hands bytes to the driver as they are.
    pub fn push_unchecked(&self, set: &[u8]) -> Result<Output> {
        self.lab.write(r"C:\unchecked.ghp", set)?;
        self.lab.gatehouse(&["push", "--unchecked", r"C:\unchecked.ghp"])
    }

    /// Sends requests to the device, one line each as `probe` reads them; how each ended.
    pub fn probe(&self, requests: &[String]) -> Result<Vec<String>> {
        self.lab
            .write(r"C:\requests.txt", requests.join("\n").as_bytes())?;
        let output = self
            .lab
            .run(PROBE, &["send", protocol::WIN32_NAME, r"C:\requests.txt"])?;
        ensure!(output.success(), "probe: {}", output.stderr);
        let answers: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
        ensure!(
            answers.len() == requests.len(),
            "{} answers to {} requests",
            answers.len(),
            requests.len()
        );
        Ok(answers)
    }

    /// Starts a program that does many things in a row.
    pub fn converse(&self) -> Result<Conversation> {
        Conversation::begin(self)
    }

    /// Tries to open a device name; how that ended.
    pub fn probe_open(&self, name: &str) -> Result<String> {
        let output = self.lab.run(PROBE, &["open", name])?;
        ensure!(output.success(), "probe: {}", output.stderr);
        Ok(output.stdout.trim().to_owned())
    }

    /// Runs the lines as a batch file and gives its output; for many commands in a row.
    pub fn batch(&self, seconds: u32, lines: &str) -> Result<String> {
        self.lab.write(
            r"C:\test.bat",
            format!("@echo off\r\n{}", lines.replace('\n', "\r\n")).as_bytes(),
        )?;
        let output = self.lab.run_within(seconds, "cmd.exe", &["/c", r"C:\test.bat"])?;
        Ok(output.stdout)
    }

    /// Creates the service `subject` of [`SUBJECT`].
    pub fn create_subject(&self) -> Result<()> {
        self.lab.create_service("subject", SUBJECT)
    }

    /// The Authenticode SHA-256 of a file, as the controller computes it.
    pub fn digest(&self, file: &str) -> Result<String> {
        let (_, records) = self.records(&["scan", file])?;
        let digest = records
            .first()
            .and_then(|record| record["authenticode"]["sha256"].as_str());
        digest
            .map(str::to_owned)
            .with_context(|| format!("no digest of {file}"))
    }

    /// Everything the lab's services wrote, a crash of Wine's among it: for the message of a failed test.
    pub fn debug_log(&self) -> Result<String> {
        let path = self.lab.folder().join("debug.log");
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The drivers' debugger lines that say how Gatehouse stopped.
    pub fn stop_lines(&self) -> Result<Vec<String>> {
        let lines = self.lab.debug_lines()?;
        Ok(lines
            .into_iter()
            .filter(|line| line.starts_with("gatehouse: stopped"))
            .collect())
    }
}

/// How the driver says that it gave everything back.
pub const CLEAN_STOP: &str = "gatehouse: stopped, 0 pool blocks of 0 bytes left";

/// A base policy in audit mode with these rules: `Allow` or `Deny`, and an Authenticode SHA-256 in hexadecimal, or `*` for any file.
///
/// One that enforces has to allow what the host kernel loads for its drivers: libraries that are no drivers by what they say.
pub fn policy(rules: &[(&str, &str)]) -> String {
    let (mut files, mut references) = (String::new(), String::new());
    for (number, (action, hash)) in rules.iter().enumerate() {
        let id = format!("ID_{}_{number}", action.to_uppercase());
        let what = if *hash == "*" {
            "FileName=\"*\"".to_owned()
        } else {
            format!("Hash=\"{}\"", hash.to_uppercase())
        };
        writeln!(files, r#"    <{action} ID="{id}" {what}/>"#).expect("a string");
        writeln!(references, r#"        <FileRuleRef RuleID="{id}"/>"#).expect("a string");
    }
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" PolicyType="Base Policy">
  <VersionEx>1.0.0.0</VersionEx>
  <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>
  <PolicyID>{{5F2C8A10-7D3E-4B61-9C42-0E8B6D1A7F35}}</PolicyID>
  <BasePolicyID>{{5F2C8A10-7D3E-4B61-9C42-0E8B6D1A7F35}}</BasePolicyID>
  <Rules><Rule><Option>Enabled:Audit Mode</Option></Rule></Rules>
  <FileRules>
{files}  </FileRules>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS">
      <ProductSigners><FileRulesRef>
{references}      </FileRulesRef></ProductSigners>
    </SigningScenario>
  </SigningScenarios>
</SiPolicy>
"#
    )
}

/// Bytes as `probe` reads them.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string");
        text
    })
}

/// The push of a set, as a line for `probe`.
pub fn push_request(set: &[u8]) -> String {
    let input = [Request::new().as_bytes(), set].concat();
    format!("{:x} {} {:x}", ioctl::PUSH, hex(&input), size_of::<PushOutcome>())
}

/// The two manifests of the driver, for the genuine WDK and for the lab.
pub fn driver_manifests() -> Result<[String; 2]> {
    let read = |name: &str| {
        let path = lab::repository::root().join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    Ok([read("driver/Cargo.toml")?, read("lab/driver/Cargo.toml")?])
}
