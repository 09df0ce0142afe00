//! The command as users and scripts see it: exit codes, where words go, the shape of JSON.

#[expect(dead_code, reason = "shared with the unit tests, which use more of it")]
mod support;

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use support::authenticode_sha256;
use support::driver_image;
use support::image;
use support::policy;
use tempfile::TempDir;

/// A run of the command in a folder of its own.
struct Run {
    folder: TempDir,
}

impl Run {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("folder"),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(&path, bytes).expect("written");
        path
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().expect("started"))
    }
}

struct Ran(Output);

impl Ran {
    #[track_caller]
    fn code(self, expected: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(expected), "stderr: {}", self.stderr());
        self
    }

    fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).expect("UTF-8")
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).expect("UTF-8")
    }

    fn records(&self) -> Vec<Value> {
        self.stdout()
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[test]
fn help_goes_to_standard_output_and_explains_the_exit_codes() {
    let ran = Run::new().run(&["--help"]).code(0);
    for line in [
        "Exit codes:",
        " 6  the driver rejected the policy",
        "10  done, and something",
    ] {
        assert!(ran.stdout().contains(line), "{}", ran.stdout());
    }
    assert_eq!(ran.stderr(), "");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let run = Run::new();
    for arguments in [
        &["frobnicate"][..],
        &[],
        &["scan"],
        &["push"],
        &["policy", "compile", "a.xml"],
        &["events", "--since", "yesterday"],
        &["install", "--from", "a", "--driver-path", "b"],
    ] {
        let ran = run.run(arguments).code(2);
        assert_eq!(ran.stdout(), "", "{arguments:?}");
        assert!(!ran.stderr().is_empty(), "{arguments:?}");
    }
}

#[test]
fn expert_options_are_kept_out_of_the_short_help() {
    let run = Run::new();
    assert!(!run.run(&["install", "-h"]).code(0).stdout().contains("--group"));
    assert!(
        run.run(&["install", "--help"])
            .code(0)
            .stdout()
            .contains("LoadOrderGroup")
    );
    assert!(
        !run.run(&["push", "--help"])
            .code(0)
            .stdout()
            .contains("--unchecked")
    );
}

#[cfg(not(windows))]
#[test]
fn driver_commands_need_windows() {
    let run = Run::new();
    let set = run.file("a.xml", policy(&[]));
    let set = set.to_str().expect("UTF-8");
    for arguments in [
        &["install"][..],
        &["uninstall"],
        &["start"],
        &["stop"],
        &["status", "--json"],
        &["push", set],
        &["pull", "-o", "out.ghp"],
        &["check", r"\SystemRoot\a.sys"],
        &["events", "--follow"],
        &["mode", "enforce", "--for", "30m"],
        &["rollback"],
        &["readiness"],
        &["metrics"],
    ] {
        let ran = run.run(arguments).code(4);
        assert_eq!(ran.stdout(), "");
        let expected = format!("`gatehouse {}` needs Windows", arguments[0]);
        assert!(ran.stderr().contains(&expected), "{}", ran.stderr());
    }
}

/// Everything is reported, as not known, and the exit code says that nothing was found out.
#[cfg(not(windows))]
#[test]
fn the_doctor_needs_windows_and_says_so_of_each_check() {
    let run = Run::new();
    let ran = run.run(&["doctor", "--json"]).code(4);
    let checks = ran.records();
    assert!(checks.len() > 10, "{checks:?}");
    for check in &checks {
        assert_eq!(check["state"], "not-known", "{check}");
    }
    assert!(
        ran.stderr().contains("`gatehouse doctor` needs Windows"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn every_shell_gets_completions_and_every_record_a_schema() {
    let run = Run::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = run.run(&["completions", shell]).code(0).stdout();
        assert!(
            script.contains("readiness") && script.contains("simulate"),
            "{shell}"
        );
    }
    let schemas = run.run(&["schema", "--json"]).code(0).records();
    let titles: Vec<_> = schemas
        .iter()
        .filter_map(|schema| schema["title"].as_str())
        .collect();
    for record in [
        "gatehouse.evidence/1",
        "gatehouse.verdict/1",
        "gatehouse.event/1",
        "gatehouse.status/1",
    ] {
        assert!(titles.contains(&record), "{titles:?}");
    }
    // What is always written must be declared, and what is declared always there: evidence of a file that cannot be read has little.
    run.file("a.txt", "no image");
    let record = run.run(&["scan", "--json", "a.txt"]).records().remove(0);
    let evidence = schemas
        .iter()
        .find(|schema| schema["title"] == "gatehouse.evidence/1")
        .expect("a schema");
    let properties = evidence["properties"].as_object().expect("properties");
    for field in record.as_object().expect("an object").keys() {
        assert!(properties.contains_key(field), "{field} is not declared");
    }
    for field in evidence["required"].as_array().expect("a list") {
        let field = field.as_str().expect("text");
        assert!(record.get(field).is_some(), "{field} is missing");
    }
}

#[test]
fn a_key_is_made_once_and_signs_sets() {
    let run = Run::new();
    run.file("p.xml", policy(&[]));
    run.run(&["policy", "compile", "p.xml", "-o", "p.ghp"]).code(0);
    run.run(&["policy", "key", "new", "-o", "k"]).code(0);
    run.run(&["policy", "key", "new", "-o", "k"]).code(1);
    run.run(&[
        "policy",
        "sign",
        "p.ghp",
        "--key",
        "k.pub",
        "--sequence",
        "1",
        "-o",
        "s",
    ])
    .code(3);
    run.run(&[
        "policy",
        "sign",
        "p.xml",
        "--key",
        "k",
        "--sequence",
        "1",
        "-o",
        "s",
    ])
    .code(3);
    run.run(&[
        "policy",
        "sign",
        "p.ghp",
        "--key",
        "k",
        "--sequence",
        "0",
        "-o",
        "s",
    ])
    .code(2);
    run.run(&[
        "policy",
        "sign",
        "p.ghp",
        "--key",
        "k",
        "--sequence",
        "1",
        "-o",
        "s",
    ])
    .code(0);
}

#[test]
fn scan_reports_what_an_image_proves() {
    let run = Run::new();
    let image = driver_image(7);
    run.file("a.sys", &image);
    let ran = run.run(&["scan", "--json", "--flat", "a.sys"]).code(0);
    let [record] = ran.records().try_into().expect("one record");
    assert_eq!(record["schema"], "gatehouse.evidence/1");
    assert_eq!(record["path"], "a.sys");
    assert_eq!(record["size"], image.len());
    assert_eq!(record["status"], "ok");
    assert_eq!(record["error"], Value::Null);
    assert_eq!(record["machine"], "amd64");
    assert_eq!(record["subsystem"], "native");
    assert_eq!(record["conformant"], true);
    assert_eq!(record["authenticode"]["sha256"], authenticode_sha256(&image));
    assert_eq!(record["flat"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(record["first_page"]["sha1"].as_str().map(str::len), Some(40));
    assert_eq!(record["version"], Value::Null);
    assert!(
        record.as_object().expect("object").contains_key("version"),
        "absent is null, not left out"
    );
    assert_eq!(record["signatures"].as_array().map(Vec::len), Some(0));
    assert_eq!(record["trust"], "unsigned");
    assert_eq!(ran.stderr(), "");
    let ran = run.run(&["scan", "--json", "a.sys"]).code(0);
    assert_eq!(
        ran.records()[0]["flat"],
        serde_json::json!({}),
        "a sound image is known by its Authenticode digests"
    );
}

#[test]
fn scan_counts_the_drivers_that_the_driver_policy_would_refuse() {
    let run = Run::new();
    run.file("a.sys", driver_image(1));
    run.file("b.sys", driver_image(2));
    let ran = run.run(&["scan", "a.sys", "b.sys"]).code(0);
    assert!(ran.stderr().contains("2 unsigned"), "{}", ran.stderr());
    assert!(
        ran.stderr()
            .contains("2 drivers would be refused by the driver policy"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn explain_shows_one_file_and_is_strict_about_what_it_is_given() {
    let run = Run::new();
    let image = driver_image(7);
    run.file("a.sys", &image);
    let ran = run.run(&["explain", "a.sys"]).code(0);
    assert!(
        ran.stdout().contains(&authenticode_sha256(&image)),
        "{}",
        ran.stdout()
    );
    assert!(
        ran.stdout().contains("unsigned: carries no signature"),
        "{}",
        ran.stdout()
    );
    let ran = run.run(&["explain", "a.sys", "--json"]).code(0);
    assert_eq!(ran.records()[0]["trust"], "unsigned");

    let mut damaged = image;
    damaged.truncate(700);
    run.file("damaged.sys", &damaged);
    let ran = run.run(&["explain", "damaged.sys"]).code(3);
    assert!(
        ran.stderr().contains("damaged.sys: malformed PE image"),
        "{}",
        ran.stderr()
    );
    run.run(&["explain", "missing.sys"]).code(1);
}

#[test]
fn scan_goes_through_folders_in_order_and_passes_over_other_files() {
    let run = Run::new();
    run.file("tree/b/two.sys", image(0xaa64, 1, 2));
    run.file("tree/a.sys", driver_image(1));
    run.file("tree/c.txt", "no image");
    run.file("tree/d.sys", b"MZ");
    for jobs in ["1", "3"] {
        let ran = run.run(&["scan", "tree", "--json", "--jobs", jobs]).code(0);
        let records = ran.records();
        let paths: Vec<_> = records
            .iter()
            .map(|record| record["path"].as_str().expect("text").replace('\\', "/"))
            .collect();
        assert_eq!(paths, ["tree/a.sys", "tree/b/two.sys"]);
        assert_eq!(records[1]["machine"], "arm64");
        assert!(ran.stderr().contains("passed over 2 files"), "{}", ran.stderr());
    }
    assert_eq!(
        run.run(&["scan", "tree", "--json", "--quiet"]).code(0).stderr(),
        ""
    );
}

#[test]
fn scan_reports_a_named_file_whatever_it_is() {
    let run = Run::new();
    run.file("notes.txt", "no image");
    let mut cut = driver_image(1);
    cut.truncate(0x300);
    run.file("cut.sys", cut);
    let records = run
        .run(&["scan", "--json", "notes.txt", "cut.sys"])
        .code(0)
        .records();
    assert_eq!(records[0]["status"], "not-pe");
    assert_eq!(records[1]["status"], "malformed");
    for record in &records {
        assert!(record["error"].as_str().is_some_and(|error| !error.is_empty()));
        assert_eq!(record["flat"]["sha256"].as_str().map(str::len), Some(64));
        assert_eq!(record["authenticode"], serde_json::json!({}));
    }
}

#[test]
fn scan_goes_on_after_a_file_that_is_not_there() {
    let run = Run::new();
    run.file("a.sys", driver_image(1));
    let ran = run.run(&["scan", "missing.sys", "a.sys"]).code(1);
    assert!(ran.stderr().contains("missing.sys"), "{}", ran.stderr());
    let lines: Vec<_> = ran.stdout().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2, "names and one row: {lines:?}");
    assert!(lines[0].starts_with("STATUS"));
    assert!(
        lines[1].starts_with("ok") && lines[1].ends_with("a.sys"),
        "{}",
        lines[1]
    );
    assert!(!ran.stdout().contains('\u{1b}'), "no colours outside a terminal");
}

#[cfg(unix)]
#[test]
fn a_name_cannot_drive_the_terminal() {
    let run = Run::new();
    run.file("a\u{1b}[31m.sys", driver_image(1));
    let ran = run.run(&["scan", "."]).code(0);
    assert!(ran.stdout().contains(r"a\u{1b}[31m.sys"), "{}", ran.stdout());
    let ran = run.run(&["scan", "--json", "."]).code(0);
    assert_eq!(ran.records()[0]["path"], "./a\u{1b}[31m.sys");
}

/// More output than a pipe holds, to a reader that leaves after the first line.
#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::io::BufRead;
    let run = Run::new();
    for number in 0..300 {
        run.file(&format!("{}{number}.sys", "long".repeat(40)), driver_image(1));
    }
    let mut child = run
        .command(&["scan", "--json", "."])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    let mut reader = std::io::BufReader::new(child.stdout.take().expect("piped"));
    reader.read_line(&mut line).expect("a line");
    drop(reader);
    Ran(child.wait_with_output().expect("ended")).code(0);
}

#[test]
fn compile_writes_the_set_and_says_what_is_in_it() {
    let run = Run::new();
    let hash = authenticode_sha256(&driver_image(1));
    run.file(
        "p.xml",
        policy(&[
            ("ID_ALLOW_A", true, &hash),
            ("ID_DENY_B", false, &"ab".repeat(32)),
        ]),
    );
    let ran = run
        .run(&["policy", "compile", "p.xml", "-o", "p.ghp", "--json"])
        .code(0);
    let [record] = ran.records().try_into().expect("one record");
    let set = fs::read(run.path().join("p.ghp")).expect("written");
    assert_eq!(record["schema"], "gatehouse.set/1");
    assert_eq!(record["bytes"], set.len());
    assert_eq!(record["rules"], 2);
    assert_eq!(record["policies"][0]["name"], "test policy");
    assert_eq!(record["policies"][0]["version"], "1.2.3.4");
    assert_eq!(record["policies"][0]["audit"], false);
    let again = run.run(&["policy", "compile", "p.xml", "-o", "-"]).code(0);
    assert_eq!(
        again.0.stdout, set,
        "the same set, byte for byte, on standard output"
    );
}

#[test]
fn compile_tells_what_has_no_effect() {
    let run = Run::new();
    let document = policy(&[("ID_ALLOW_A", true, &"12".repeat(32))]);
    let reference = r#"<FileRuleRef RuleID="ID_ALLOW_A"/>"#;
    run.file("p.xml", document.replace(reference, &reference.repeat(2)));
    let ran = run
        .run(&["policy", "compile", "p.xml", "-o", "p.ghp", "--json"])
        .code(0);
    let record = ran.records().remove(0);
    let note = record["notes"][0].as_str().expect("a note");
    assert!(
        note.starts_with("p.xml:") && note.contains("ID_ALLOW_A"),
        "{note}"
    );
    assert!(ran.stderr().contains(note), "{}", ran.stderr());
    let ran = run
        .run(&["policy", "compile", "p.xml", "-o", "p.ghp", "--quiet"])
        .code(0);
    assert_eq!(ran.stderr(), "");
}

#[test]
fn a_malformed_document_exits_with_3_and_names_the_place() {
    let run = Run::new();
    run.file("p.xml", policy(&[("ID_ALLOW_A", true, "zz")]));
    let ran = run.run(&["policy", "compile", "p.xml", "-o", "p.ghp"]).code(3);
    assert!(ran.stderr().contains("p.xml:"), "{}", ran.stderr());
    assert!(!run.path().join("p.ghp").exists());
    run.file("noise", [0, 1, 2, 3]);
    run.run(&["policy", "compile", "noise", "-o", "p.ghp"]).code(3);
    run.run(&["policy", "compile", "missing.xml", "-o", "p.ghp"])
        .code(1);
}

#[test]
fn push_checks_before_it_asks_the_driver() {
    let run = Run::new();
    run.file("p.xml", policy(&[]));
    run.run(&["policy", "compile", "p.xml", "-o", "p.ghp"]).code(0);
    let mut set = fs::read(run.path().join("p.ghp")).expect("written");
    *set.last_mut().expect("not empty") ^= 1;
    run.file("altered.ghp", set);
    let ran = run.run(&["push", "altered.ghp"]).code(3);
    assert!(ran.stderr().contains("altered.ghp: "), "{}", ran.stderr());
    assert!(ran.stderr().contains("digest"), "{}", ran.stderr());
    let ran = run.run(&["push", "p.ghp", "p.xml"]).code(2);
    assert!(ran.stderr().contains("alone"), "{}", ran.stderr());
}
