//! Old events under a policy: what the driver said of a file is what the command says of it, and enough to weigh the file again.

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::Rig;
use gatehouse_tests::SUBJECT;
use lab::packages;
use serde_json::Value;

/// What a verdict comes to, without the name of the file.
fn verdict(record: &Value) -> (Value, Value, Value) {
    (
        record["decision"].clone(),
        record["reason"].clone(),
        record["policies"].clone(),
    )
}

#[test]
fn exported_events_give_the_verdicts_of_the_files() -> Result<()> {
    const POLICY: &str = r"C:\by-signer.xml";
    const EVENTS: &str = r"C:\events.ndjson";
    let rig = Rig::start()?;
    let mut files = vec![SUBJECT.to_owned()];
    for (package, name) in [(packages::WINDIVERT, "first"), (packages::VIGEMBUS, "second")] {
        let file = format!(r"C:\{name}.sys");
        rig.lab.put(&package.fetch()?, &file)?;
        files.push(file);
    }
    let [unsigned, first, second] = [0, 1, 2].map(|number| files[number].as_str());
    // The first by who signed it, the second not at all: both kinds of rule, and both answers.
    let made = [
        "policy",
        "new",
        "--level",
        "Publisher",
        "--fallback",
        "Hash",
        first,
        unsigned,
        "-o",
        POLICY,
    ];
    rig.done(&made)?;
    rig.done(&["push", POLICY])?;
    for file in &files {
        let (_, mut checked) = rig.records(&["check", file])?;
        let (_, mut scanned) = rig.records(&["scan", file])?;
        let (checked, scanned) = (
            checked.pop().context("a verdict")?,
            scanned.pop().context("evidence")?,
        );
        for field in [
            "signatures",
            "trust",
            "authenticode",
            "first_page",
            "version",
            "conformant",
        ] {
            assert_eq!(checked["evidence"][field], scanned[field], "{field} of {file}");
        }
    }
    let (_, events) = rig.records(&["events"])?;
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    rig.lab.write(EVENTS, lines.join("\n").as_bytes())?;
    let (_, replayed) = rig.records(&["simulate", "--policy", POLICY, "--evidence", EVENTS])?;
    let (_, weighed) = rig.records(&["simulate", "--policy", POLICY, unsigned, first, second])?;
    ensure!(weighed.len() == 3, "three verdicts, not {weighed:?}");
    let mut seen = 0;
    for record in &weighed {
        let path = record["path"].as_str().context("a path")?;
        let of_events = replayed.iter().filter(|replayed| {
            let name = replayed["path"].as_str().unwrap_or_default();
            name.strip_prefix(r"\??\")
                .is_some_and(|name| name.eq_ignore_ascii_case(path))
        });
        for replayed in of_events {
            assert_eq!(verdict(replayed), verdict(record), "{path}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "each file has an event: {replayed:?}");
    let decisions: Vec<&str> = weighed
        .iter()
        .filter_map(|record| record["decision"].as_str())
        .collect();
    assert_eq!(decisions, ["allow", "allow", "would-refuse"]);
    Ok(())
}
