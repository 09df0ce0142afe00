//! Records, lists and knowledge as Windows PowerShell writes them, and what is none of these.

mod run;
#[expect(dead_code, reason = "shared with other tests, which use more of it")]
mod support;

use run::Run;
use serde_json::Value;
use support::authenticode_sha256;
use support::driver_image;
use support::policy;

/// A text as Windows PowerShell 5.1 and others write it: `>`, `Out-File -Encoding utf8`, .NET's BigEndianUnicode, each with Windows' line
/// ends, and UTF-16 whose mark was lost.
fn encodings(text: &str) -> [(&'static str, Vec<u8>); 6] {
    let lines = text.replace('\n', "\r\n");
    let units: Vec<u16> = lines.encode_utf16().collect();
    let little: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
    [
        ("UTF-16, little-endian", [b"\xff\xfe", little.as_slice()].concat()),
        ("UTF-16, big-endian", [b"\xfe\xff", big.as_slice()].concat()),
        ("UTF-16 without a mark", little),
        ("UTF-8 with a mark", [b"\xef\xbb\xbf", lines.as_bytes()].concat()),
        ("lines that end as on Windows", lines.clone().into_bytes()),
        ("UTF-8", text.as_bytes().to_vec()),
    ]
}

/// A folder with records of two drivers, of which a policy allows one.
fn desk() -> (Run, String) {
    let run = Run::new();
    run.file("tree/Zürich 1.sys", driver_image(1));
    run.file("tree/2.sys", driver_image(2));
    run.file(
        "p.xml",
        policy(&[("ID_ALLOW_A", true, &authenticode_sha256(&driver_image(1)))]),
    );
    let records = run.run(&["scan", "--json", "tree"]).code(0).stdout();
    (run, records)
}

fn verdicts(records: &[Value]) -> Vec<(String, String)> {
    let field = |record: &Value, name: &str| record[name].as_str().expect("text").to_owned();
    records
        .iter()
        .map(|record| {
            (
                field(record, "path").replace('\\', "/"),
                field(record, "decision"),
            )
        })
        .collect()
}

#[test]
fn records_are_read_in_every_encoding_and_form() {
    let (run, records) = desk();
    let values: Vec<Value> = records
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let pretty: Vec<String> = values.iter().map(|value| format!("{value:#}")).collect();
    let list = Value::from(values.clone());
    run.run(&["policy", "new", "-l", "Hash", "-o", "of_files.xml", "tree"])
        .code(0);
    let raw = records.replace("\\u00fc", "ü");
    assert_ne!(raw, records, "records are ASCII");
    for form in [
        records.clone(),
        raw,
        pretty.join("\n"),
        list.to_string(),
        format!("{list:#}\n"),
        format!("\n\n{records}\n\n"),
    ] {
        for (encoding, bytes) in encodings(&form) {
            run.file("r.ndjson", bytes);
            let found = run
                .run(&["simulate", "--json", "-p", "p.xml", "--evidence", "r.ndjson"])
                .code(10)
                .records();
            let expected = [("tree/2.sys", "refuse"), ("tree/Zürich 1.sys", "allow")];
            let expected = expected.map(|(path, decision)| (path.to_owned(), decision.to_owned()));
            assert_eq!(verdicts(&found), expected, "{encoding}: {form}");
            run.run(&[
                "policy",
                "new",
                "-l",
                "Hash",
                "-o",
                "made.xml",
                "--evidence",
                "r.ndjson",
            ])
            .code(0);
            assert_eq!(run.read("made.xml"), run.read("of_files.xml"), "{encoding}");
        }
    }
}

#[test]
fn lists_and_knowledge_are_read_in_every_encoding() {
    let (run, _) = desk();
    let hash = authenticode_sha256(&driver_image(2));
    let list = format!(
        "[{{\"Id\": \"1\", \"Tags\": [\"ü.sys\"],\n\"KnownVulnerableSamples\": [{{\"Filename\": \"ü.sys\", \
         \"Authentihash\": {{\"SHA256\": \"{hash}\"}}}}]}}]\n"
    );
    for (encoding, bytes) in encodings(&list) {
        run.file("l.json", bytes);
        run.run(&["policy", "import", "l.json", "-o", "l.xml"])
            .code(0)
            .says("1 deny rules");
        let found = run
            .run(&["simulate", "--json", "-p", "l.xml", "tree"])
            .code(10)
            .records();
        assert_eq!(found[0]["decision"], "would-refuse", "{encoding}");
    }
    let knowledge = include_str!("../../sipolicy/data/knowledge.json");
    for number in 0..6 {
        // Newer each time.
        let newer = knowledge
            .replace("\"date\": \"2", &format!("\"date\": \"{}", number + 3))
            .replace("Code Verification Root", &format!("Würzburg Root {number}"));
        let (encoding, bytes) = &encodings(&newer)[number];
        run.file("k.json", bytes);
        let known = run
            .run(&["policy", "knowledge", "--update", "k.json"])
            .code(0)
            .stdout();
        assert!(known.contains(&format!("Würzburg Root {number}")), "{encoding}");
    }
    let (_, records) = desk();
    for (encoding, bytes) in encodings(&records)
        .iter()
        .filter(|(name, _)| name.contains("with a mark"))
    {
        run.file("r.ndjson", bytes.repeat(2));
        let ran = run
            .run(&["simulate", "-p", "p.xml", "--evidence", "r.ndjson"])
            .code(10);
        assert!(
            ran.stderr().contains("2 allowed"),
            "files put together, in {encoding}: {}",
            ran.stderr()
        );
    }
    let document = String::from_utf8(run.read("p.xml")).expect("UTF-8");
    let [little, big, ..] = encodings(&document.replace("utf-8", "utf-16"));
    let [_, _, _, marked, ..] = encodings(&document);
    for (encoding, bytes) in [little, big, marked] {
        run.file("q.xml", bytes);
        let ran = run.run(&["simulate", "-p", "q.xml", "tree"]).code(10);
        assert!(ran.stderr().contains("1 allowed"), "{encoding}");
    }
}

#[test]
fn what_is_no_record_is_named_and_never_all_clear() {
    let (run, records) = desk();
    let first = records.lines().next().expect("a record");
    let verdict = r#"{"schema":"gatehouse.verdict/1","path":"a.sys","decision":"allow"}"#;
    let cut: Vec<u8> = [b"\xff\xfe".as_slice(), &[b'{', 0, b'"']].concat();
    for (content, problem) in [
        (b"".as_slice(), "there is no record in it"),
        (b"\n\r\n", "there is no record in it"),
        (b"\xff\xfe", "there is no record in it"),
        (b"[]", "there is no record in it"),
        (b"{}", "none of its 1 records carries evidence"),
        (verdict.as_bytes(), "none of its 1 records carries evidence"),
        (
            br#"{"Event":{"System":{}}}"#,
            "line 1: this is JSON of another kind, with the fields Event",
        ),
        (
            br#"{"schema":"gatehouse.evidence/9","path":"a.sys"}"#,
            "line 1: this is a record of gatehouse.evidence/9, which this release of gatehouse does not know",
        ),
        (
            br#"{"schema":"gatehouse.event/1","evidence":{"schema":"gatehouse.evidence/9"}}"#,
            "line 1: this is a record of gatehouse.evidence/9",
        ),
        (
            br#"{"schema":"gatehouse.event/1","evidence":7}"#,
            "line 1: its evidence is a number, no record",
        ),
        (b"[1]", "line 1: this is a number, no record"),
        (b"\n\"path\"", "line 2: this is text in quotes, no record"),
        (b"[[]]", "line 1: this is a list, no record"),
        (b"null", "line 1: this is null, no record"),
        (b"Path,Publisher\na.sys,Vendor", "line 1: this is not JSON"),
        (b"ElfFile\0\0\0", "this is a log of Windows' events, not JSON"),
        (b"<Events/>", "this is XML, not JSON"),
        (b"MZ\x90\0\x03\0\xff", "this is no text: at byte 2"),
        (&cut, "this is UTF-16 that ends within a character"),
    ] {
        run.file("r.ndjson", content);
        for words in [
            &["simulate", "-p", "p.xml", "--evidence", "r.ndjson"][..],
            &[
                "simulate",
                "-p",
                "p.xml",
                "tree/Zürich 1.sys",
                "--evidence",
                "r.ndjson",
            ],
            &["policy", "new", "-l", "Hash", "--evidence", "r.ndjson"],
        ] {
            let ran = run.run(words).code(3);
            let talk = ran.stderr();
            assert!(talk.contains(&format!("r.ndjson: {problem}")), "{talk}");
        }
    }
    // A good record does not make up for what follows.
    for rest in [r#"{"Event":{}}"#, "7", "not JSON", "{\"schema\":"] {
        run.file("r.ndjson", format!("{first}\n{rest}\n"));
        run.run(&["simulate", "-p", "p.xml", "--evidence", "r.ndjson"])
            .code(3)
            .says("r.ndjson: line 2: ");
    }
}
