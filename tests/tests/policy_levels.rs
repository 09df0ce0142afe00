//! Policies made from scans of really signed images, level by level, through the command: what was scanned is allowed, and what
//! the level promises to refuse is refused.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::ensure;
use gatehouse_tests::desk::Desk;
use gatehouse_tests::signed_images::images;

/// What a policy made for one driver at a level allows beside that driver.
struct Promise {
    level: &'static str,
    /// The driver with one byte changed.
    changed: bool,
    /// The driver in a version before the one scanned.
    older: bool,
    /// Another vendor's driver that the same service of Microsoft signed: same publisher and authority, another OEM id.
    other_vendor: bool,
}

const fn promise(level: &'static str, changed: bool, older: bool, other_vendor: bool) -> Promise {
    Promise {
        level,
        changed,
        older,
        other_vendor,
    }
}

/// Every level. A record of an older version has the same hash and name, so that only levels with a version tell it apart.
const PROMISES: [Promise; 10] = [
    promise("Hash", false, true, false),
    promise("FileName", true, true, false),
    promise("SignedVersion", false, false, true),
    promise("Publisher", false, true, true),
    promise("FilePublisher", false, false, false),
    promise("LeafCertificate", false, true, false),
    promise("PcaCertificate", false, true, true),
    promise("WHQL", false, true, true),
    promise("WHQLPublisher", false, true, false),
    promise("WHQLFilePublisher", false, false, false),
];

#[test]
fn a_policy_from_a_scan_refuses_nothing_that_was_scanned_at_any_level_with_fallback() -> Result<()> {
    let (desk, images) = (Desk::new()?, images()?);
    let (_, scanned) = desk.records(&["scan"], &[&images])?;
    ensure!(scanned.len() > 40, "only {} images", scanned.len());
    for Promise { level, .. } in PROMISES {
        let new = [
            "policy",
            "new",
            "--level",
            level,
            "--fallback",
            "Publisher,Hash",
            "-o",
            "all.xml",
        ];
        ensure!(
            desk.records(&new, &[&images])?.0 == 0,
            "{level}: files without rule"
        );
        let (code, verdicts) = desk.records(&["simulate", "--policy", "all.xml"], &[&images])?;
        let refused: Vec<_> = verdicts
            .iter()
            .filter(|verdict| verdict["decision"] != "allow")
            .collect();
        ensure!(code == 0 && refused.is_empty(), "{level}: {refused:?}");
        ensure!(
            verdicts.len() == scanned.len(),
            "{level}: {} verdicts",
            verdicts.len()
        );
        let by_level = verdicts
            .iter()
            .filter(|verdict| verdict["policies"][0]["rule"]["level"] == level)
            .count();
        ensure!(by_level > 0, "{level}: no file is allowed at the level itself");
    }
    Ok(())
}

#[test]
fn changed_older_and_other_vendors_files_are_refused_as_each_level_promises() -> Result<()> {
    let (desk, images) = (Desk::new()?, images()?);
    // Signed by Microsoft's service for one vendor, for another, and by a Microsoft certificate of another authority.
    let driver = images.join("ViGEmBus.sys");
    let other_vendor = images.join("WinDivert64.sys");
    let (_, scanned) = desk.records(&["scan"], &[&images])?;
    let microsofts = scanned
        .iter()
        .find(|record| record["trust"] == "microsoft")
        .context("an image by Microsoft")?;
    let other_authority = PathBuf::from(microsofts["path"].as_str().context("a path")?);

    let mut bytes = fs::read(&driver)?;
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    let changed = desk.file("changed.sys");
    fs::write(&changed, bytes)?;

    let (_, mut own) = desk.records(&["scan"], &[&driver])?;
    let version = own[0]["version"]["file_version"].as_str().context("a version")?;
    let major: u16 = version.split('.').next().context("a number")?.parse()?;
    own[0]["version"]["file_version"] = format!("{}.65535.65535.65535", major - 1).into();
    let older = desk.file("older.ndjson");
    fs::write(&older, own[0].to_string())?;

    for promise in PROMISES {
        let level = promise.level;
        let new = ["policy", "new", "--level", level, "-o", "one.xml"];
        ensure!(desk.records(&new, &[&driver])?.0 == 0);
        ensure!(
            desk.allows("one.xml", &[], &driver)?,
            "{level}: the driver itself"
        );
        let allowed = [
            desk.allows("one.xml", &[], &changed)?,
            desk.allows("one.xml", &["--evidence"], &older)?,
            desk.allows("one.xml", &[], &other_vendor)?,
            desk.allows("one.xml", &[], &other_authority)?,
        ];
        let promised = [promise.changed, promise.older, promise.other_vendor, false];
        ensure!(
            allowed == promised,
            "{level}: changed, older, other vendor's, other authority's: {allowed:?} where {promised:?} was promised"
        );
    }
    Ok(())
}
