//! Policy authoring and simulation as users and scripts see them.

#[expect(dead_code, reason = "shared with the unit tests, which use more of it")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use support::driver_image;
use support::image;
use tempfile::TempDir;

/// A folder with drivers, and the command run in it.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("folder"));
        fs::create_dir(desk.path().join("drivers")).expect("folder");
        for seed in 1..=3 {
            desk.file(&format!("drivers/{seed}.sys"), driver_image(seed));
        }
        desk.file("drivers/readme.txt", "no image");
        desk
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), bytes).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).expect("read")
    }

    /// Runs the command and gives standard output and standard error.
    #[track_caller]
    fn run(&self, words: &str, exit_code: i32) -> (String, String) {
        let ran = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .args(words.split_whitespace())
            .current_dir(self.path())
            .env("GATEHOUSE_DATA", self.path().join("data"))
            .stdin(Stdio::null())
            .output()
            .expect("started");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (output, talk) = (text(ran.stdout), text(ran.stderr));
        assert_eq!(ran.status.code(), Some(exit_code), "{words}\n{output}\n{talk}");
        (output, talk)
    }

    #[track_caller]
    fn records(&self, words: &str, exit_code: i32) -> Vec<Value> {
        let (output, _) = self.run(&format!("--json {words}"), exit_code);
        output
            .lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }
}

#[test]
fn a_policy_from_a_scan_allows_the_scan_and_nothing_else() {
    let desk = Desk::new();
    desk.run(
        "policy new --level WHQL --fallback Publisher,Hash -o made.xml drivers",
        0,
    );
    let verdicts = desk.records("simulate --policy made.xml drivers", 0);
    assert_eq!(verdicts.len(), 3);
    assert!(verdicts.iter().all(|verdict| verdict["decision"] == "allow"));
    assert_eq!(verdicts[0]["schema"], "gatehouse.verdict/1");
    assert_eq!(verdicts[0]["policies"][0]["rule"]["level"], "Hash");

    desk.file("drivers/4.sys", driver_image(4));
    let verdicts = desk.records("simulate --policy made.xml drivers --refused", 10);
    assert_eq!(verdicts.len(), 1);
    assert_eq!(verdicts[0]["decision"], "would-refuse");
    assert_eq!(verdicts[0]["reason"]["code"], 21);
    assert_eq!(verdicts[0]["path"], "drivers/4.sys");

    // The same from the records of a scan, whatever the form of the policy.
    let (scan, _) = desk.run("--json scan drivers", 0);
    desk.file("scan.ndjson", scan);
    desk.run("policy compile made.xml -o made.ghp", 0);
    desk.run("policy convert made.xml made.cip", 0);
    for policy in ["made.xml", "made.ghp", "made.cip"] {
        let replayed = desk.records(
            &format!("simulate --policy {policy} --evidence scan.ndjson --refused"),
            10,
        );
        assert_eq!(replayed.len(), 1, "{policy}");
        assert_eq!(replayed[0]["path"], verdicts[0]["path"]);
    }
}

#[test]
fn the_same_scan_makes_the_same_policy() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o a.xml drivers/1.sys drivers/2.sys", 0);
    desk.run(
        "policy new --level Hash -o b.xml drivers/2.sys drivers/1.sys drivers/1.sys",
        0,
    );
    assert_eq!(desk.read("a.xml"), desk.read("b.xml"));
    let (output, _) = desk.run("--json scan drivers/1.sys drivers/2.sys", 0);
    desk.file("scan.ndjson", output);
    desk.run("policy new --level Hash -o c.xml --evidence scan.ndjson", 0);
    assert_eq!(desk.read("a.xml"), desk.read("c.xml"));
}

#[test]
fn a_file_that_no_level_suits_fails_the_command_by_name() {
    let desk = Desk::new();
    let (_, talk) = desk.run("policy new --level Publisher -o made.xml drivers/1.sys", 1);
    assert!(
        talk.contains("drivers/1.sys") && talk.contains("not signed") && talk.contains("--fallback"),
        "{talk}"
    );
    let (_, talk) = desk.run("policy new --level Publishr drivers/1.sys", 2);
    assert!(talk.contains("WHQLFilePublisher"), "{talk}");
}

#[test]
fn merging_and_comparing_go_by_what_rules_say() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o a.xml drivers/1.sys drivers/2.sys", 0);
    desk.run("policy new --level Hash -o b.xml drivers/2.sys drivers/3.sys", 0);
    desk.run("policy merge a.xml b.xml -o merged.xml", 0);
    desk.run("simulate --policy merged.xml drivers", 0);
    let changes = desk.records("policy diff a.xml merged.xml", 0);
    // Both image hashes of the third file; its page hashes are those of the others, for the headers are the same.
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes.iter().all(|change| change["change"] == "added"));
    assert!(desk.records("policy diff merged.xml merged.xml", 0).is_empty());
}

#[test]
fn an_input_is_never_written_over_under_any_name() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o a.xml drivers/1.sys", 0);
    desk.run("policy new --level Hash -o b.xml drivers/2.sys", 0);
    let (a, b) = (desk.read("a.xml"), desk.read("b.xml"));
    fs::create_dir(desk.path().join("folder")).expect("folder");
    fs::hard_link(desk.path().join("a.xml"), desk.path().join("hard.xml")).expect("linked");
    let mut names = vec!["a.xml", "./a.xml", "folder/../a.xml", "hard.xml", "b.xml"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("a.xml", desk.path().join("soft.xml")).expect("linked");
        names.push("soft.xml");
    }
    for name in names {
        for words in [
            format!("policy merge a.xml b.xml -o {name}"),
            format!("policy compile a.xml b.xml -o {name}"),
        ] {
            let (_, talk) = desk.run(&words, 2);
            assert!(talk.contains("is the input"), "{words}: {talk}");
        }
    }
    desk.run("policy convert a.xml hard.xml", 2);
    desk.run("policy merge hard.xml b.xml -o a.xml", 2);
    assert_eq!((desk.read("a.xml"), desk.read("b.xml")), (a, b.clone()));
    // Anything else is written, what was there included.
    desk.file("out.xml", "old");
    desk.run("policy merge a.xml b.xml -o out.xml", 0);
    assert!(desk.read("out.xml").contains("ID_ALLOW_A_1"));
    let (printed, _) = desk.run("policy merge a.xml b.xml -o -", 0);
    assert_eq!(printed, desk.read("out.xml"));
    // Comments are no part of a document that is made of others: they go with a word.
    desk.file("said.xml", b.replace("<Rules>", "<!-- mine --><Rules>"));
    for words in [
        "policy merge a.xml said.xml -o out.xml",
        "policy convert said.xml out.xml",
    ] {
        let (_, talk) = desk.run(words, 0);
        assert!(talk.contains("comments were left out"), "{words}: {talk}");
    }
}

#[test]
fn a_blocklist_merged_into_an_allowlist_leaves_it_an_allowlist() {
    let desk = Desk::new();
    desk.run(
        "policy new --level Hash -o allow.xml drivers/1.sys drivers/2.sys",
        0,
    );
    let hash = support::authenticode_sha256(&driver_image(2));
    desk.file(
        "drivers.json",
        format!(
            r#"[{{"Id":"x","Tags":["bad.sys"],"KnownVulnerableSamples":[{{"Filename":"","Authentihash":{{"SHA256":"{hash}"}}}}]}}]"#
        ),
    );
    desk.run("policy import drivers.json -o block.xml", 0);
    let (_, talk) = desk.run("policy merge allow.xml block.xml -o merged.xml", 0);
    assert!(
        talk.contains("block.xml: ID_ALLOW_") && talk.contains("allows everything in scenario 131"),
        "{talk}"
    );
    let verdicts = desk.records("simulate --policy merged.xml drivers", 10);
    let decisions: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            (
                verdict["path"].as_str().unwrap(),
                verdict["decision"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        decisions,
        [
            ("drivers/1.sys", "allow"),
            ("drivers/2.sys", "would-refuse"),
            ("drivers/3.sys", "would-refuse")
        ]
    );
    assert_eq!(verdicts[0]["policies"][0]["name"], "Drivers found by a scan");
    // What refers to nothing is refused with its document, and nothing is written.
    desk.file(
        "dangling.xml",
        desk.read("block.xml")
            .replace("<Allow ID=\"ID_ALLOW_", "<Allow ID=\"ID_ALLOW_X_"),
    );
    let (_, talk) = desk.run("policy merge allow.xml dangling.xml -o none.xml", 3);
    assert!(
        talk.contains("dangling.xml:") && talk.contains("no file rule has the ID ID_ALLOW_"),
        "{talk}"
    );
    assert!(!desk.path().join("none.xml").exists());
}

#[test]
fn converting_there_and_back_changes_nothing_that_counts() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o a.xml drivers", 0);
    let (_, talk) = desk.run("policy convert a.xml a.cip", 0);
    assert!(talk.contains("friendly names"), "{talk}");
    desk.run("policy convert a.cip back.xml", 0);
    let changes = desk.records("policy diff a.xml back.xml", 0);
    // The binary form has no friendly name; everything else is the same.
    assert!(
        changes
            .iter()
            .all(|change| change["says"].as_str().unwrap().starts_with("name:")),
        "{changes:?}"
    );
    desk.run("policy convert a.cip again.cip", 0);
    assert_eq!(
        fs::read(desk.path().join("a.cip")).unwrap(),
        fs::read(desk.path().join("again.cip")).unwrap()
    );
}

#[test]
fn lint_names_code_place_reason_and_remedy() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o good.xml drivers", 0);
    let errors = |records: &[Value]| {
        records
            .iter()
            .filter(|record| record["severity"] == "error")
            .count()
    };
    assert_eq!(errors(&desk.records("policy lint good.xml", 0)), 0);
    let bad = desk.read("good.xml").replace(
        "FileRuleRef RuleID=\"ID_ALLOW_A_1\"",
        "FileRuleRef RuleID=\"ID_ALLOW_A_X\"",
    );
    desk.file("bad.xml", bad);
    let findings = desk.records("policy lint bad.xml", 10);
    assert_eq!(errors(&findings), 1);
    let found = findings
        .iter()
        .find(|finding| finding["severity"] == "error")
        .unwrap();
    assert_eq!(
        (&found["code"], &found["name"], &found["file"]),
        (&"GH001".into(), &"dangling-reference".into(), &"bad.xml".into())
    );
    assert!(found["line"].as_u64().unwrap() > 1 && !found["why"].as_str().unwrap().is_empty());
    let (text, _) = desk.run("policy lint bad.xml", 10);
    assert!(text.contains("instead:"), "{text}");
}

#[test]
fn show_lists_what_each_form_says() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o a.xml drivers/1.sys", 0);
    desk.run("policy compile a.xml -o a.ghp", 0);
    let (text, _) = desk.run("policy show a.xml", 0);
    assert!(
        text.contains("option: Enabled:Audit Mode") && text.contains("scenario 131: allow hash"),
        "{text}"
    );
    let signer = "<Signers><Signer ID=\"ID_SIGNER_A\" Name=\"s\"><CertRoot Type=\"Wellknown\" Value=\"06\"/></Signer></Signers>\
                  <SigningScenarios><SigningScenario Value=\"12\" ID=\"ID_SIGNINGSCENARIO_U\"><ProductSigners><AllowedSigners>\
                  <AllowedSigner SignerId=\"ID_SIGNER_A\"/></AllowedSigners></ProductSigners></SigningScenario>";
    desk.file("b.xml", desk.read("a.xml").replace("<SigningScenarios>", signer));
    let (named, _) = desk.run("policy show b.xml", 0);
    assert!(
        named.contains("Microsoft Root Certificate Authority 2010"),
        "{named}"
    );
    let (set, _) = desk.run("policy show a.ghp", 0);
    assert!(
        set.contains("ID_ALLOW_A_1") && set.contains("Drivers found by a scan"),
        "{set}"
    );
    // The set holds all that the policy says of drivers, names included; the document says no more but of other things.
    let says = |words: &str| -> Vec<Value> {
        let records = desk.records(words, 0).into_iter();
        let mut found: Vec<Value> = records
            .filter(|record| {
                record["says"]
                    .as_str()
                    .is_some_and(|says| says.starts_with("scenario 131"))
            })
            .map(|record| serde_json::json!([record["id"], record["says"], record["name"]]))
            .collect();
        found.sort_by_key(ToString::to_string);
        found
    };
    assert_eq!(says("policy show a.ghp"), says("policy show a.xml"));
    assert_eq!(says("policy show a.ghp").len(), 4);
}

#[test]
fn a_malformed_document_is_exit_code_3_with_its_place() {
    let desk = Desk::new();
    desk.file(
        "bad.xml",
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\">\n  <VersionEx>x</VersionEx></SiPolicy>",
    );
    for words in [
        "policy show bad.xml",
        "policy lint bad.xml",
        "policy merge bad.xml -o out.xml",
        "policy diff bad.xml bad.xml",
        "policy convert bad.xml out.cip",
        "simulate --policy bad.xml drivers",
    ] {
        let (_, talk) = desk.run(words, 3);
        assert!(talk.contains("bad.xml:2:3"), "{words}: {talk}");
    }
    desk.run("policy new --level Hash -o a.xml drivers", 0);
    desk.file("bad.ndjson", "{}\nnot json\n");
    let (_, talk) = desk.run("simulate --policy a.xml --evidence bad.ndjson", 3);
    assert!(talk.contains("bad.ndjson: line 2"), "{talk}");
}

#[test]
fn user_mode_images_are_weighed_as_any_other() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o a.xml drivers", 0);
    desk.file("app.exe", image(0x14c, 3, 9));
    desk.run("simulate --policy a.xml app.exe", 10);
}

#[test]
fn explain_shows_the_rules_tried_and_the_one_that_decides() {
    let desk = Desk::new();
    desk.run("policy new --level Hash -o allow.xml drivers/1.sys", 0);
    let (text, _) = desk.run("explain drivers/1.sys --policy allow.xml", 0);
    assert!(text.contains("ID_ALLOW_A_") && text.contains("decides"), "{text}");
    let records = desk.records("explain drivers/2.sys --policy allow.xml", 10);
    let schemas: Vec<_> = records
        .iter()
        .map(|record| record["schema"].as_str().unwrap())
        .collect();
    assert_eq!(schemas.first(), Some(&"gatehouse.evidence/2"));
    assert_eq!(schemas.last(), Some(&"gatehouse.verdict/1"));
    // The headers are those of the first driver, but the hash of the first page allows nothing.
    assert!(schemas.contains(&"gatehouse.tried/1"), "{schemas:?}");
    let tried = records
        .iter()
        .find(|record| record["schema"] == "gatehouse.tried/1")
        .unwrap();
    assert_eq!(tried["holds"], "no");
    assert!(
        tried["missed"].as_str().unwrap().contains("first page"),
        "{tried}"
    );
}

#[test]
fn a_list_of_vulnerable_drivers_becomes_a_blocklist() {
    let desk = Desk::new();
    let hash = support::authenticode_sha256(&driver_image(2));
    desk.file(
        "drivers.json",
        format!(
            r#"[{{"Id":"x","Tags":["bad.sys"],"KnownVulnerableSamples":[{{"Filename":"","Authentihash":{{"SHA256":"{hash}"}}}},
            {{"Filename":"hashless.sys","Authentihash":{{"SHA256":""}}}}]}}]"#
        ),
    );
    let (_, talk) = desk.run("policy import drivers.json -o list.xml", 0);
    assert!(
        talk.contains("1 deny rules") && talk.contains("hashless.sys"),
        "{talk}"
    );
    let refused = desk.records("simulate --policy list.xml drivers --refused", 10);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["path"], "drivers/2.sys");
    assert_eq!(refused[0]["policies"][0]["rule"]["name"], "bad.sys Hash SHA256");
    desk.file("broken.json", "[{]");
    let (_, talk) = desk.run("policy import broken.json -o list.xml", 3);
    assert!(talk.contains("broken.json:1:3"), "{talk}");
}

#[test]
fn knowledge_is_shown_and_replaced_by_something_newer_only() {
    let desk = Desk::new();
    let known = desk.records("policy knowledge", 0);
    let audit = known
        .iter()
        .find(|record| record["policy"] == "audit")
        .expect("the audit policy");
    assert_eq!(audit["id"], "{784C4414-79F4-4C32-A6A5-F0FB42A51D0D}");
    let data = include_str!("../../sipolicy/data/knowledge.json");
    desk.file("same.json", data);
    let (_, talk) = desk.run("policy knowledge --update same.json", 3);
    assert!(talk.contains("give a newer file"), "{talk}");
    let newer = data
        .replace("\"date\": \"2", "\"date\": \"3")
        .replace("Code Verification Root", "Renamed Root");
    desk.file("newer.json", newer);
    desk.run("policy knowledge --update newer.json", 0);
    let (text, _) = desk.run("policy knowledge", 0);
    assert!(text.contains("Renamed Root"), "{text}");
}
