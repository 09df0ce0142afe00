//! Evidence of really signed images, as the command reports it, against what other people's parsers say about the same files.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::signed_images::gatehouse;
use gatehouse_tests::signed_images::images;
use gatehouse_tests::signed_images::script;
use lab::command;
use lab::host;
use lab::packages;
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

/// What a script says about each file, by path.
fn ask(script_name: &str, records: &[Value]) -> Result<BTreeMap<String, Value>> {
    let mut run = script(script_name)?;
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
    let theirs = ask("evidence.py", &records)?;
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

/// Where one of three more readers is wrong: its name, the end of the path, what it differs in, and why we are right.
const KNOWN_OF_OTHERS: [(&str, &str, &str, &str); 5] = [
    (
        "yara-x",
        "",
        "time: none there",
        "it takes the time of an RFC 3161 token from an attribute that Microsoft's tokens leave out; what the RFC defines is genTime \
         inside, which the two others read",
    ),
    (
        "signify",
        "winpty-agent.exe",
        "sha",
        "Windows pads an unsigned file to 8 bytes before it hashes it (System Informer's issue 3073)",
    ),
    ("signify", "winpty.dll", "sha", "as winpty-agent.exe"),
    (
        "osslsigncode",
        "HidSharp.dll",
        "error",
        "its pages have the size of a section's alignment, 8 KiB here; the signer's table, and signify, have 4 KiB",
    ),
    (
        "osslsigncode",
        "shimx64.efi.signed",
        "signatures",
        "it takes a certificate table with two entries for a corrupted one; firmware loads this file",
    ),
];

/// Compares one file with what one reader states about it; fields that it leaves out say nothing.
fn differences_to_stated(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(error) = theirs["error"].as_str() {
        return vec![format!("error: {error}")];
    }
    let mut check = |what: &str, ours: &Value, theirs: Option<&Value>| match theirs {
        Some(Value::Null) if !ours.is_null() => found.push(format!("{what}: none there, {ours} here")),
        Some(theirs) if theirs != ours => found.push(format!("{what}: {theirs} there, {ours} here")),
        _ => {}
    };
    for hash in ["sha1", "sha256"] {
        check(hash, &ours["authenticode"][hash], theirs.get(hash));
    }
    let empty = Vec::new();
    let mine = ours["signatures"].as_array().unwrap_or(&empty);
    let others = theirs["signatures"].as_array().unwrap_or(&empty);
    check("signatures", &mine.len().into(), Some(&others.len().into()));
    let holds = |signature: &Value| signature["fault"].is_null();
    for (mine, other) in mine.iter().zip(others) {
        let algorithm = &mine["digest_algorithm"];
        check("digest algorithm", algorithm, other.get("digest_algorithm"));
        let image = &ours["authenticode"][algorithm.as_str().unwrap_or_default()];
        check("digest", image, other.get("file_digest"));
        check("oem_id", &mine["oem_id"], other.get("oem_id"));
        check("time", &mine["timestamp"]["time"], other.get("time"));
        check("verified", &holds(mine).into(), other.get("verified"));
        let leaf = &mine["chain"][0];
        check("signer", &leaf["subject_cn"], other.get("signer"));
        // Numbers, of which some write leading zeros.
        let number = |text: &Value| {
            text.as_str().map_or(Value::Null, |text| {
                text.trim_start_matches('0').to_lowercase().into()
            })
        };
        check(
            "serial",
            &number(&leaf["serial"]),
            Some(&number(&other["serial"])),
        );
        for certificate in mine["chain"].as_array().into_iter().flatten() {
            let Some(known) = other.get("tbs") else { break };
            let name = certificate["subject_cn"].as_str().unwrap_or("None");
            let hash = &certificate["tbs"]["hash"];
            let listed = known[name].as_array().is_some_and(|hashes| hashes.contains(hash));
            if !listed {
                check("TBS hash", hash, Some(&known[name]));
            }
        }
    }
    if let Some(outcome) = theirs["outcome"].as_str() {
        // It knows the same roots as we do, and takes a file for good if all its signatures are.
        let good = |signature: &Value| holds(signature) && signature["root"]["known"] == true;
        let all_good = !mine.is_empty() && mine.iter().all(good);
        check("good", &all_good.into(), Some(&(outcome == "OK").into()));
    }
    found
}

#[test]
fn three_more_readers_say_the_same_where_they_are_right() -> Result<()> {
    host::require(&["osslsigncode"])?;
    let records = scan(&images()?)?;
    let theirs = ask("others.py", &records)?;
    let mut unexplained = Vec::new();
    let mut seen = BTreeSet::new();
    let mut signatures = BTreeMap::<&str, usize>::new();
    for ours in &records {
        let path = ours["path"].as_str().context("a path")?;
        for reader in ["yara-x", "signify", "osslsigncode"] {
            let stated = &theirs[path][reader];
            *signatures.entry(reader).or_default() += stated["signatures"].as_array().map_or(0, Vec::len);
            for difference in differences_to_stated(ours, stated) {
                let known = KNOWN_OF_OTHERS.iter().position(|(name, file, what, _)| {
                    *name == reader && path.ends_with(file) && difference.starts_with(what)
                });
                match known {
                    Some(place) => drop(seen.insert(place)),
                    None => unexplained.push(format!("{path}: {reader}: {difference}")),
                }
            }
        }
    }
    ensure!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    // The shim of some versions of its package has one entry alone, which every reader takes.
    let has_one_entry = |file: &str| {
        let of_file = records
            .iter()
            .filter(|ours| ours["path"].as_str().is_some_and(|path| path.ends_with(file)));
        of_file
            .map(|ours| ours["signatures"].as_array().map_or(0, Vec::len))
            .all(|count| count == 1)
    };
    let left = KNOWN_OF_OTHERS
        .iter()
        .enumerate()
        .all(|(place, (_, file, what, _))| {
            seen.contains(&place) || (*what == "signatures" && has_one_entry(file))
        });
    ensure!(
        left,
        "of the known differences only {seen:?} are left: take out the others"
    );
    ensure!(
        signatures.len() == 3 && signatures.values().all(|count| *count >= 60),
        "the readers found too little to compare: {signatures:?}"
    );
    Ok(())
}

/// A driver and the catalogue of its package: what the catalogue adds is what the others read in it.
#[test]
fn a_real_catalogue_vouches_for_its_driver_as_others_see_it() -> Result<()> {
    host::require(&["osslsigncode"])?;
    let folder = tempfile::tempdir()?;
    let [driver, catalog] = ["ViGEmBus.sys", "ViGEmBus.cat"].map(|name| folder.path().join(name));
    fs::copy(packages::VIGEMBUS.fetch()?, &driver)?;
    fs::copy(packages::VIGEMBUS_CATALOG.fetch()?, &catalog)?;
    let mut run = command::clean(&gatehouse()?.display().to_string());
    run.args(["--json", "scan", "--catalogs"])
        .arg(folder.path())
        .arg(&driver);
    let mut ours: Value = serde_json::from_str(&command::output(&mut run)?)?;
    let signatures = ours["signatures"].as_array_mut().context("signatures")?;
    signatures.retain(|signature| signature["source"] == "catalog");
    ensure!(
        signatures.len() == 1 && signatures[0]["catalog"] == catalog.display().to_string(),
        "{signatures:?}"
    );

    let path = catalog.display().to_string();
    let theirs = ask("others.py", &[serde_json::json!({ "path": &path })])?;
    ensure!(
        theirs[&path]["osslsigncode"]["listed"] == true,
        "not listed there"
    );
    for reader in ["signify", "osslsigncode"] {
        let mut stated = theirs[&path][reader].clone();
        for signature in stated["signatures"].as_array_mut().context("signatures")? {
            // Those of the catalogue's own content; ours are of the driver's entry.
            let signature = signature.as_object_mut().context("a signature")?;
            signature.remove("digest_algorithm");
            signature.remove("file_digest");
        }
        let found = differences_to_stated(&ours, &stated);
        ensure!(found.is_empty(), "{reader}: {}", found.join("\n"));
    }
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
