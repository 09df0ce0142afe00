//! Nothing that comes from a file, a document or a record steers the terminal, whatever the command and wherever it is shown.

#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod run;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use std::fmt::Write;

use run::Run;
use serde_json::json;
use support::authenticode_sha256;
use support::driver_image;
use support::policy;

/// The marks between which a hostile text stands, so that a test sees whether it was shown at all.
const MARK: &str = "HOSTILE";

/// Every character that must not go out as it is.
fn steering() -> impl Iterator<Item = char> {
    [
        '\0'..='\x1f',
        '\x7f'..='\u{9f}',
        '\u{61c}'..='\u{61c}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{2064}',
        '\u{2066}'..='\u{2069}',
        '\u{feff}'..='\u{feff}',
        '\u{fffd}'..='\u{fffd}',
        '\u{e0001}'..='\u{e0020}',
    ]
    .into_iter()
    .flatten()
}

/// All of them that are allowed, and words that terminals obey.
fn hostile(allowed: impl Fn(char) -> bool) -> String {
    let escapes = [
        "\x1b]0;pwned\x07",
        "\x1b[2J",
        "\u{9b}31m",
        "\x1b[31m",
        "\u{202e}sys",
    ];
    let all: String = steering()
        .chain(escapes.concat().chars())
        .filter(|found| allowed(*found))
        .collect();
    format!("{MARK}{all}{MARK}")
}

/// What XML can hold, escaped so that a document keeps it.
fn in_xml() -> String {
    let text = hostile(|found| !matches!(found, '\0'..='\x1f') || matches!(found, '\t' | '\n' | '\r'));
    text.chars().fold(String::new(), |mut escaped, found| {
        write!(escaped, "&#{};", u32::from(found)).expect("memory");
        escaped
    })
}

/// Fails unless all of it is printable, but for line ends and for the colours that the command itself gives.
#[track_caller]
fn must_be_printable(bytes: &[u8], words: &[&str], coloured: bool) {
    let mut text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    if coloured {
        // Those of `Tint`, bold, underlined, and back to nothing. Colour that a file wants would come in an escaped form.
        for own in [
            "\x1b[0m", "\x1b[1m", "\x1b[4m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[39m",
        ] {
            text = text.replace(own, "");
        }
    }
    let raw = text
        .chars()
        .find(|found| *found != '\n' && steering().any(|other| other == *found));
    assert_eq!(raw, None, "{words:?}: {text:?}");
    assert!(
        !text.lines().any(|line| line == MARK),
        "{words:?}: a name broke a line: {text:?}"
    );
}

/// A folder where everything has hostile words in it.
fn desk() -> Run {
    let run = Run::new();
    let (driver, words) = (driver_image(1), in_xml());
    let document = policy(&[
        ("ID_ALLOW_A", true, &authenticode_sha256(&driver)),
        ("ID_DENY_A", false, &authenticode_sha256(&driver_image(2))),
    ]);
    let document = document
        .replace("\"test policy\"", &format!("\"{words}\""))
        .replace("\"rule ID", &format!("\"{words} ID"));
    run.file("p.xml", &document);
    // Words in places where documents take none, so that they stand in what is said of them.
    let raw = hostile(|found| !matches!(found, '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' | '<' | '&' | '"'));
    run.file(
        "option.xml",
        document.replace("<Rules>", &format!("<Rules><Rule><Option>{raw}</Option></Rule>")),
    );
    run.file("version.xml", document.replace("1.2.3.4", &raw));
    run.file(
        "dangling.xml",
        document.replace("RuleID=\"ID_DENY_A\"", &format!("RuleID=\"{words}\"")),
    );
    run.file(
        "element.xml",
        document.replace("<EKUs/>", &format!("<E{raw}/><EKUs/>")),
    );
    run.file(
        "hash.xml",
        document.replace("Hash=\"", &format!("Hash=\"{words}")),
    );

    let text = hostile(|_| true);
    let record = |status: &str| {
        json!({
            "schema": "gatehouse.evidence/2", "path": text, "size": 1, "status": status, "error": null, "subsystem": "native",
            "conformant": true, "authenticode": {}, "first_page": {}, "flat": {},
            "version": {"file_version": "1.2.3.4", "original_filename": text, "internal_name": text,
                "file_description": text, "product_name": text},
            "signatures": [],
        })
    };
    run.file("good.ndjson", format!("{}\n", record("ok")));
    run.file("other.ndjson", json!({ text.clone(): text }).to_string());
    run.file("broken.ndjson", format!("{{\"{text}"));
    run.file(
        "list.json",
        json!([{ "Id": text, "Tags": [text], "KnownVulnerableSamples": [{ "Filename": text, "MD5": text }] }]).to_string(),
    );
    run.file(
        "broken.json",
        format!("[{{\"Id\": \"{text}\", \"KnownVulnerableSamples\": 7}}]"),
    );
    run
}

#[test]
fn no_command_lets_a_character_out_that_steers() {
    let run = desk();
    let mut commands: Vec<Vec<&str>> = Vec::new();
    for document in [
        "p.xml",
        "option.xml",
        "version.xml",
        "dangling.xml",
        "element.xml",
        "hash.xml",
    ] {
        commands.push(vec!["policy", "show", document]);
        commands.push(vec!["policy", "lint", document]);
        commands.push(vec!["policy", "diff", "p.xml", document]);
        commands.push(vec!["policy", "merge", document, "p.xml", "-o", "-"]);
        commands.push(vec!["policy", "convert", document, "out.cip"]);
        commands.push(vec!["policy", "convert", document, "out.xml"]);
        commands.push(vec!["policy", "compile", document, "-o", "out.ghp"]);
        commands.push(vec!["simulate", "-p", document, "--evidence", "good.ndjson"]);
    }
    for records in [
        "good.ndjson",
        "other.ndjson",
        "broken.ndjson",
        "list.json",
        "p.xml",
    ] {
        commands.push(vec!["simulate", "-p", "p.xml", "--evidence", records]);
        commands.push(vec!["policy", "new", "-l", "FileName", "--evidence", records]);
        commands.push(vec!["policy", "new", "-l", "Publisher", "--evidence", records]);
        commands.push(vec!["policy", "import", records, "-o", "-"]);
        commands.push(vec!["policy", "knowledge", "--update", records]);
    }
    commands.push(vec!["policy", "import", "broken.json", "-o", "-"]);
    let name = hostile(|found| found != '\0');
    commands.push(vec!["scan", &name]);
    commands.push(vec!["frobnicate", &name]);
    commands.push(vec!["scan", "--jobs", &name, "."]);
    commands.push(vec!["policy", "new", "-l", &name]);
    commands.push(vec!["policy", "show", &name]);
    commands.push(vec!["policy", "compile", "p.xml", "-o", &name]);
    let lines = format!("x\n{MARK}\n");
    let option = format!("--jobs={lines}");
    commands.push(vec!["frobnicate", &lines]);
    commands.push(vec![&lines]);
    commands.push(vec!["scan", &option]);
    let mut shown = 0;
    for words in &commands {
        for (json, colour) in [(false, "NO_COLOR"), (false, "CLICOLOR_FORCE"), (true, "NO_COLOR")] {
            let mut words = words.clone();
            if json {
                words.push("--json");
            }
            let ran = run.command(&words).env(colour, "1").output().expect("started");
            assert_ne!(ran.status.code(), None, "{words:?}");
            for bytes in [&ran.stdout, &ran.stderr] {
                must_be_printable(bytes, &words, colour == "CLICOLOR_FORCE");
                shown += usize::from(String::from_utf8_lossy(bytes).contains(MARK));
            }
        }
    }
    // Hostile words must have been shown in most of them, or nothing was tested.
    assert!(shown > commands.len(), "{shown} of {}", commands.len());
}

#[cfg(unix)]
#[test]
fn no_name_of_a_file_lets_a_character_out_that_steers() {
    use std::os::unix::ffi::OsStrExt;
    let run = desk();
    let mut names: Vec<Vec<u8>> = Vec::new();
    let all: Vec<char> = steering().filter(|found| *found != '\0').collect();
    for part in all.chunks(40) {
        names.push([MARK, &String::from_iter(part), ".sys"].concat().into_bytes());
    }
    names.push(format!("line\n{MARK}\n.sys").into_bytes());
    names.push(b"HOSTILE\xff\x9b\xc2.sys".to_vec());
    for (name, number) in names.iter().zip(0_u8..) {
        let name = std::path::Path::new(std::ffi::OsStr::from_bytes(name));
        let content = match number % 3 {
            0 => driver_image(number),
            1 => driver_image(number)[..700].to_vec(),
            _ => b"no image".to_vec(),
        };
        run.file(std::path::Path::new("tree").join(name), content);
        run.file(
            std::path::Path::new("cats").join(name).with_extension("cat"),
            "no catalogue",
        );
        std::os::unix::fs::symlink(
            "nowhere",
            run.path().join("tree").join(name).with_extension("link"),
        )
        .expect("linked");
    }
    let tree = run.path().join("tree");
    let mut paths: Vec<std::path::PathBuf> = vec![tree.clone()];
    paths.extend(
        names
            .iter()
            .map(|name| tree.join(std::ffi::OsStr::from_bytes(name))),
    );
    paths.extend(names.iter().map(|name| {
        tree.join(std::ffi::OsStr::from_bytes(name))
            .with_extension("link")
    }));
    let mut shown = 0;
    for words in [
        &["scan", "--catalogs", "cats"][..],
        &["explain"],
        &["explain", "-p", "p.xml"],
        &["simulate", "-p", "p.xml"],
        &["policy", "new", "-l", "Publisher", "-o", "-"],
        &["policy", "lint"],
        &["policy", "compile", "-o"],
    ] {
        for path in &paths {
            for (json, colour) in [(false, "NO_COLOR"), (false, "CLICOLOR_FORCE"), (true, "NO_COLOR")] {
                let mut command = run.command(words);
                command.arg(path).env(colour, "1");
                if json {
                    command.arg("--json");
                }
                let ran = command.output().expect("started");
                for bytes in [&ran.stdout, &ran.stderr] {
                    must_be_printable(bytes, words, colour == "CLICOLOR_FORCE");
                    shown += usize::from(String::from_utf8_lossy(bytes).contains(MARK));
                }
            }
        }
    }
    assert!(shown > 100, "{shown}");
    // And what a record escapes is the name itself.
    let path = &run
        .command(&["scan", "--json"])
        .arg(&paths[1])
        .output()
        .expect("started")
        .stdout;
    let record: serde_json::Value = serde_json::from_slice(path).expect("JSON");
    assert!(
        record["path"]
            .as_str()
            .expect("text")
            .ends_with(&String::from_utf8_lossy(&names[0]).into_owned())
    );
}

/// A document that is written holds the words, as XML escapes them.
#[test]
fn names_in_documents_survive() {
    let run = desk();
    run.run(&["policy", "convert", "p.xml", "out.xml"]).code(0);
    assert!(
        run.run(&["policy", "diff", "p.xml", "out.xml", "--json"])
            .code(0)
            .records()
            .is_empty()
    );
    let written = String::from_utf8(run.read("out.xml")).expect("UTF-8");
    assert!(
        written.contains("&#x202E;sys") && written.contains("&#x9B;31m"),
        "{written}"
    );
}
