//! What Windows requires of the INF of a primitive driver package.
//!
//! Sources, by the names of Microsoft's documents: "Creating a new primitive driver", "Driver package isolation",
//! "INF Version Section", "INF AddService Directive", "INF CopyFiles Directive", "INF SourceDisksFiles Section", "Using
//! dirids", "Creating an INF file for a minifilter driver", "Load order groups and altitudes for minifilter drivers", "INF
//! AddEventProvider Directive", "INF AddReg Directive", "System-Defined Device Setup Classes Reserved for System Use" (for the class and its GUID).

use std::collections::BTreeSet;

use protocol::etw;
use protocol::install;
use protocol::install::Data;

use crate::inf::Inf;
use crate::inf::tokens;

const CLASS: (&str, &str) = ("ActivityMonitor", "{b86dff51-a31e-4bac-b3cf-e8cfe75c9fc2}");

const INSTALL: &str = "defaultinstall.ntamd64";

/// `FLG_ADDREG_TYPE_SZ` and `FLG_ADDREG_TYPE_DWORD`.
const TEXT: u32 = 0;

const NUMBER: u32 = 0x0001_0001;

/// `SPSVCINST_ASSOCSERVICE`: ties the service to a device.
const TIED_TO_A_DEVICE: u32 = 2;

/// What is wrong with an INF, each in words; nothing for a sound one.
pub fn problems(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if text.split_inclusive('\n').any(|line| !line.ends_with("\r\n")) {
        problems.push("line ends: a line does not end in CR LF".to_owned());
    }
    if !text.is_ascii() {
        problems.push("a character is not ASCII, and the file is not UTF-16".to_owned());
    }
    let inf = Inf::read(text);
    version(&inf, &mut problems);
    entry_points(&inf, &mut problems);
    files(&inf, &mut problems);
    services(&inf, &mut problems);
    registry(&inf, &mut problems);
    instances(&inf, &mut problems);
    events(&inf, &mut problems);
    strings(&inf, &mut problems);
    sections(&inf, &mut problems);
    problems
}

/// "The Version section must be complete."
fn version(inf: &Inf, problems: &mut Vec<String>) {
    let value = |key: &str| inf.value("version", key).unwrap_or_default();
    let mut require = |what: &str, holds: bool| {
        if !holds {
            problems.push(format!("[Version] {what} is {:?}", value(what)));
        }
    };
    require(
        "Signature",
        value("Signature").eq_ignore_ascii_case("$Windows NT$"),
    );
    require("Class", value("Class") == CLASS.0);
    require("ClassGuid", value("ClassGuid").eq_ignore_ascii_case(CLASS.1));
    require("Provider", !value("Provider").is_empty());
    require(
        "CatalogFile",
        value("CatalogFile").to_lowercase().ends_with(".cat"),
    );
    require("PnpLockdown", value("PnpLockdown") == "1");
    require("DriverVer", is_driver_version(&value("DriverVer")));
}

/// `mm/dd/yyyy,w.x.y.z`, the version being that of this workspace.
fn is_driver_version(value: &str) -> bool {
    let Some((date, version)) = value.split_once(',') else {
        return false;
    };
    let date: Vec<u32> = date.split('/').filter_map(|part| part.parse().ok()).collect();
    matches!(date[..], [1..=12, 1..=31, year] if year >= 2026)
        && version == concat!(env!("CARGO_PKG_VERSION"), ".0")
}

/// No `[Manufacturer]`; `[DefaultInstall]` decorated only; `[DefaultUninstall]` only where it is marked for older systems.
fn entry_points(inf: &Inf, problems: &mut Vec<String>) {
    if inf.sections.contains_key("manufacturer") {
        problems.push("there is a [Manufacturer] section".to_owned());
    }
    if inf.sections.contains_key("defaultinstall") || !inf.sections.contains_key(INSTALL) {
        problems.push("[DefaultInstall] must be there, with an architecture".to_owned());
    }
    for name in inf
        .sections
        .keys()
        .filter(|name| name.starts_with("defaultuninstall"))
    {
        let main = name.trim_end_matches(".services");
        if main == "defaultuninstall" || inf.value(main, "LegacyUninstall").as_deref() != Some("1") {
            problems.push(format!("[{name}] is not a DefaultUninstall for older systems"));
        }
    }
    // What a script-like installation could do and a declared one cannot.
    let allowed = ["copyfiles", "addservice", "addeventprovider"];
    for name in [
        INSTALL,
        &format!("{INSTALL}.services"),
        &format!("{INSTALL}.events"),
    ] {
        for (key, value) in inf.section(name) {
            if !key.as_deref().is_some_and(|key| allowed.contains(&key)) {
                problems.push(format!(
                    "[{name}] has {key:?} {value}, which a primitive driver may not or need not have"
                ));
            }
        }
    }
}

/// All files stay in the driver store (dirid 13), each listed once, on a disk that is named, and copied under its own name.
fn files(inf: &Inf, problems: &mut Vec<String>) {
    for list in inf
        .value(INSTALL, "CopyFiles")
        .iter()
        .flat_map(|value| inf.parts(value))
    {
        let place = inf
            .value("DestinationDirs", &list)
            .or(inf.value("DestinationDirs", "DefaultDestDir"));
        if place.as_deref() != Some("13") {
            problems.push(format!("{list} goes to {place:?}, not to 13, the driver store"));
        }
        if inf.section(&list).is_empty() {
            problems.push(format!("CopyFiles names {list}, which lists no files"));
        }
        for (_, entry) in inf.section(&list) {
            let parts = inf.parts(entry);
            let (file, source) = (&parts[0], parts.get(1).filter(|source| !source.is_empty()));
            if source.is_some() {
                problems.push(format!("{list} would rename a file: {entry}"));
            }
            let disk = inf.value("SourceDisksFiles", file);
            if disk.is_none_or(|disk| inf.value("SourceDisksNames", &disk).is_none()) {
                problems.push(format!(
                    "{file} is not in SourceDisksFiles, on a disk of SourceDisksNames"
                ));
            }
        }
    }
}

/// One minifilter, started on demand after the filter manager, run from the driver store, tied to no device.
fn services(inf: &Inf, problems: &mut Vec<String>) {
    let added = inf
        .value(&format!("{INSTALL}.Services"), "AddService")
        .unwrap_or_default();
    let parts = inf.parts(&added);
    let [name, flags, section] = &parts[..] else {
        problems.push(format!("AddService is {added:?}"));
        return;
    };
    let flags = flags.trim_start_matches("0x");
    let flags = if flags.is_empty() {
        Ok(0)
    } else {
        u32::from_str_radix(flags, 16)
    };
    if name != protocol::SERVICE_NAME || flags.is_ok_and(|flags| flags & TIED_TO_A_DEVICE != 0) {
        problems.push(format!(
            "AddService is {added}; the service is `gatehouse` and tied to no device"
        ));
    }
    for (key, expected) in [
        ("DisplayName", install::DISPLAY_NAME),
        ("Description", install::DESCRIPTION),
        ("ServiceType", &install::SERVICE_TYPE.to_string()),
        ("StartType", "3"),
        ("ErrorControl", "1"),
        ("LoadOrderGroup", install::LOAD_ORDER_GROUP),
        ("Dependencies", install::DEPENDENCY),
        ("ServiceBinary", r"%13%\gatehouse.sys"),
    ] {
        let value = inf.value(section, key);
        if value.as_deref() != Some(expected) {
            problems.push(format!("[{section}] {key} is {value:?}, not {expected}"));
        }
    }
}

/// "HKR": a package writes below its own keys only.
fn registry(inf: &Inf, problems: &mut Vec<String>) {
    let lists = inf
        .sections
        .values()
        .flatten()
        .filter(|(key, _)| key.as_deref() == Some("addreg"));
    for list in lists.flat_map(|(_, value)| inf.parts(value)) {
        for (key, entry) in inf.section(&list) {
            if key.is_some() || !entry.to_uppercase().starts_with("HKR,") {
                problems.push(format!("[{list}] writes elsewhere than below HKR: {entry}"));
            }
        }
    }
}

/// The minifilter instance is registered as the controller's `install` registers it, no more and no less.
fn instances(inf: &Inf, problems: &mut Vec<String>) {
    let mut written = BTreeSet::new();
    for (_, entry) in inf.section("driver.instance") {
        let parts = inf.parts(entry);
        let [_, key, name, flags, value] = &parts[..] else {
            problems.push(format!("Instances: {entry:?} is no value of a key"));
            continue;
        };
        let hexadecimal = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok();
        let is_text = hexadecimal(flags) == Some(TEXT);
        let value = match (hexadecimal(flags), hexadecimal(value)) {
            (Some(TEXT), _) => value.clone(),
            (Some(NUMBER), Some(number)) => number.to_string(),
            _ => {
                problems.push(format!("Instances: {entry:?} is neither a text nor a number"));
                continue;
            }
        };
        written.insert((key.clone(), name.clone(), is_text, value));
    }
    let expected: BTreeSet<_> = install::VALUES
        .iter()
        .map(|value| {
            let (is_text, data) = match value.data {
                Data::Text(text) => (true, text.to_owned()),
                Data::Number(number) => (false, number.to_string()),
            };
            (value.key.to_owned(), value.name.to_owned(), is_text, data)
        })
        .collect();
    for missing in expected.difference(&written) {
        problems.push(format!("Instances: {missing:?} is not written"));
    }
    for other in written.difference(&expected) {
        problems.push(format!(
            "Instances: {other:?} is written, and `install` does not write it"
        ));
    }
}

/// The event provider is the one that the driver writes as, with one channel of its own that is switched on.
fn events(inf: &Inf, problems: &mut Vec<String>) {
    let provider = inf
        .value(&format!("{INSTALL}.Events"), "AddEventProvider")
        .unwrap_or_default();
    let parts = inf.parts(&provider);
    let [guid, section] = &parts[..] else {
        problems.push(format!("AddEventProvider is {provider:?}"));
        return;
    };
    if !guid.eq_ignore_ascii_case(etw::PROVIDER_GUID) {
        problems.push(format!(
            "AddEventProvider is {guid}, the driver writes as {}",
            etw::PROVIDER_GUID
        ));
    }
    for (key, expected) in [
        ("ProviderName", etw::PROVIDER_NAME),
        ("ResourceFile", r"%13%\gatehouse.sys"),
        ("MessageFile", r"%13%\gatehouse.sys"),
    ] {
        let value = inf.value(section, key);
        if value.as_deref() != Some(expected) {
            problems.push(format!("[{section}] {key} is {value:?}, not {expected}"));
        }
    }
    let channel = inf.value(section, "AddChannel").unwrap_or_default();
    let parts = inf.parts(&channel);
    // 0x2: operational.
    let [name, "0x2", channel_section] = &parts.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        problems.push(format!("AddChannel is {channel:?}"));
        return;
    };
    if *name != etw::CHANNEL_NAME {
        problems.push(format!(
            "AddChannel is {name}, the driver writes to {}",
            etw::CHANNEL_NAME
        ));
    }
    let value = etw::CHANNEL.to_string();
    for (key, expected) in [("Enabled", "1"), ("Value", value.as_str())] {
        let value = inf.value(channel_section, key);
        if value.as_deref() != Some(expected) {
            problems.push(format!("[{channel_section}] {key} is {value:?}, not {expected}"));
        }
    }
}

fn strings(inf: &Inf, problems: &mut Vec<String>) {
    let defined: BTreeSet<_> = inf
        .section("strings")
        .iter()
        .filter_map(|(name, _)| name.clone())
        .collect();
    for (key, value) in inf.sections.values().flatten() {
        for token in key.iter().flat_map(|key| tokens(key)).chain(tokens(value)) {
            if !defined.contains(&token.to_lowercase()) {
                problems.push(format!("%{token}% is not in [Strings]"));
            }
        }
    }
}

/// Every section is an entry point or named by an entry of another one.
fn sections(inf: &Inf, problems: &mut Vec<String>) {
    let fixed = [
        "version",
        "sourcedisksnames",
        "sourcedisksfiles",
        "destinationdirs",
        "strings",
    ];
    let named: BTreeSet<_> = inf
        .sections
        .values()
        .flatten()
        .flat_map(|(_, value)| inf.parts(value))
        .map(|part| part.to_lowercase())
        .collect();
    for name in inf.sections.keys() {
        let known = fixed.contains(&name.as_str()) || name.starts_with("default") || named.contains(name);
        if !known {
            problems.push(format!("nothing names [{name}]"));
        }
    }
}
