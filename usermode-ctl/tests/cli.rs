//! The command as users and scripts see it: exit codes, where words go, the shape of JSON.

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod run;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::fs;

use run::Run;
use support::authenticode_sha256;
use support::driver_image;
use support::policy;

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
        "gatehouse.evidence/2",
        "gatehouse.verdict/1",
        "gatehouse.event/1",
        "gatehouse.status/1",
    ] {
        assert!(titles.contains(&record), "{titles:?}");
    }
    let shown = run.run(&["schema", "gatehouse.event/1"]).code(0).stdout();
    let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON, spread over lines");
    assert_eq!(shown["title"], "gatehouse.event/1");
    // What is always written must be declared, and what is declared always there: evidence of a file that cannot be read has little.
    run.file("a.txt", "no image");
    let record = run.run(&["scan", "--json", "a.txt"]).records().remove(0);
    let evidence = schemas
        .iter()
        .find(|schema| schema["title"] == "gatehouse.evidence/2")
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
    // Far from where the numbers of a key begin.
    for (number, is_far) in [("4294967296", false), ("4294967297", true)] {
        let arguments = [
            "policy",
            "sign",
            "p.ghp",
            "--key",
            "k",
            "--sequence",
            number,
            "-o",
            "s",
        ];
        let signed = run.run(&arguments).code(0);
        assert_eq!(signed.stderr().contains("2^32"), is_far, "{}", signed.stderr());
    }
}

#[test]
fn a_set_without_a_base_policy_is_compiled_and_signed_with_a_warning() {
    let run = Run::new();
    let supplemental = policy(&[])
        .replace("\"Base Policy\"", "\"Supplemental Policy\"")
        .replace("<PolicyID>{9A", "<PolicyID>{9B");
    run.file("s.xml", supplemental);
    run.file("b.xml", policy(&[]));
    run.run(&["policy", "key", "new", "-o", "k"]).code(0);
    let sign = |set: &str| {
        let arguments = [
            "policy",
            "sign",
            set,
            "--key",
            "k",
            "--sequence",
            "1",
            "-o",
            "signed",
        ];
        run.run(&arguments).code(0).stderr().contains("no base policy")
    };
    let compiled = run.run(&["policy", "compile", "s.xml", "-o", "s.ghp"]).code(0);
    assert!(
        compiled.stderr().contains("no base policy"),
        "{}",
        compiled.stderr()
    );
    assert!(sign("s.ghp"));
    let compiled = run
        .run(&["policy", "compile", "b.xml", "s.xml", "-o", "b.ghp"])
        .code(0);
    assert!(
        !compiled.stderr().contains("no base policy"),
        "{}",
        compiled.stderr()
    );
    assert!(!sign("b.ghp"));
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
