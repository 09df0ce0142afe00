//! Evidence of really signed images, as the command reports it, against what other people's parsers say about the same files.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::signed_images::gatehouse;
use gatehouse_tests::signed_images::images;
use gatehouse_tests::signed_images::script;
use lab::command;
use serde_json::Value;

/// What the command says about every image in the folder.
fn scan(folder: &Path) -> Result<Vec<Value>> {
    let mut run = command::clean(&gatehouse()?.display().to_string());
    run.args(["--json", "scan"]).arg(folder);
    let lines = command::output(&mut run)?;
    lines
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// What the other readers say, by path.
fn ask_oracles(records: &[Value]) -> Result<BTreeMap<String, Value>> {
    let mut run = script("evidence.py")?;
    run.args(records.iter().filter_map(|record| record["path"].as_str()));
    let lines = command::output(&mut run)?;
    let records = lines.lines().map(|line| {
        let record: Value = serde_json::from_str(line)?;
        Ok((record["path"].as_str().context("a path")?.to_owned(), record))
    });
    records.collect()
}

/// Compares one file; returns the differences, each in words.
fn differences(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut same = |what: &str, ours: &Value, theirs: &Value| {
        if ours != theirs {
            found.push(format!("{what}: {ours} here, {theirs} there"));
        }
    };
    let unsigned = ours["signatures"].as_array().is_some_and(Vec::is_empty);
    let odd_size = ours["size"].as_u64().is_some_and(|size| size % 8 != 0);
    // LIEF leaves out the padding to 8 bytes that Windows hashes with an unsigned file (System Informer's issue 3073 has a file
    // and Windows' own digest of it).
    if !(unsigned && odd_size) {
        same("SHA-1", &ours["authenticode"]["sha1"], &theirs["sha1"]);
        same("SHA-256", &ours["authenticode"]["sha256"], &theirs["sha256"]);
    }
    let version = ours["version"].get("file_version").unwrap_or(&Value::Null);
    same("version", version, &theirs["file_version"]);
    let empty = Vec::new();
    let mine = ours["signatures"].as_array().unwrap_or(&empty);
    let others = theirs["signatures"].as_array().unwrap_or(&empty);
    same("signatures", &mine.len().into(), &others.len().into());
    for (number, (mine, other)) in mine.iter().zip(others).enumerate() {
        for field in ["source", "digest_algorithm", "oem_id", "timestamp"] {
            same(
                &format!("{field} of signature {number}"),
                &mine[field],
                &other[field],
            );
        }
        same("signer", &mine["chain"][0]["subject_cn"], &other["signer"]);
        same("serial number", &mine["chain"][0]["serial"], &other["serial"]);
        for certificate in mine["chain"].as_array().into_iter().flatten() {
            let name = certificate["subject_cn"].as_str().unwrap_or("None");
            let hash = &certificate["tbs"]["hash"];
            let known = other["tbs"][name]
                .as_array()
                .is_some_and(|hashes| hashes.contains(hash));
            if !known {
                same(&format!("TBS hash of {name}"), hash, &other["tbs"][name]);
            }
        }
    }
    let holds = !mine.is_empty() && mine.iter().all(|signature| signature["fault"].is_null());
    same("verified", &holds.into(), &theirs["verified"]);
    found
}

/// Where the others are wrong: the end of the path, and why we are right.
const KNOWN: [(&str, &str); 1] = [(
    "fwupdx64.efi.signed",
    "sbsign names another type of signed data than Microsoft's tools; LIEF takes the signature for none, osslsigncode reads it",
)];

#[test]
fn signed_images_are_read_as_other_parsers_read_them() -> Result<()> {
    let records = scan(&images()?)?;
    let theirs = ask_oracles(&records)?;
    let mut unexplained = Vec::new();
    let mut compared = 0;
    let mut signed = 0;
    for ours in &records {
        let path = ours["path"].as_str().context("a path")?;
        ensure!(ours["status"] == "ok", "{path}: {}", ours["error"]);
        compared += 1;
        signed += ours["signatures"].as_array().map_or(0, Vec::len);
        for difference in differences(ours, &theirs[path]) {
            if !KNOWN.iter().any(|(file, _)| path.ends_with(file)) {
                unexplained.push(format!("{path}: {difference}"));
            }
        }
    }
    ensure!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    // The packages hold that many; fewer would mean that the comparison lost its subjects.
    ensure!(
        compared >= 50 && signed >= 60,
        "{compared} images with {signed} signatures"
    );
    Ok(())
}

/// The three ways a driver comes to Windows' trust in these packages.
#[test]
fn the_trust_class_of_real_drivers_is_what_their_signatures_make_it() -> Result<()> {
    let classes: BTreeMap<String, String> = scan(&images()?)?
        .iter()
        .filter_map(|record| {
            let name = Path::new(record["path"].as_str()?)
                .file_name()?
                .to_str()?
                .to_owned();
            Some((name, record["trust"].as_str()?.to_owned()))
        })
        .collect();
    for (file, expected) in [
        ("WinDivert64.sys", "attested"),
        ("ViGEmBus.sys", "attested"),
        ("onnxruntime.dll", "microsoft"),
        ("winpty.dll", "unsigned"),
        ("fwupdx64.efi.signed", "other-root"),
    ] {
        ensure!(
            classes.get(file).is_some_and(|class| class == expected),
            "{file}: {:?}",
            classes.get(file)
        );
    }
    Ok(())
}
