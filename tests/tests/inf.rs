//! The driver's package: what Windows requires of a primitive driver INF, checked against the file that ships, and the
//! checks themselves checked against files that break them.
//!
//! Sources, by the names of Microsoft's documents: "Creating a new primitive driver", "Driver package isolation",
//! "INF Version Section", "INF AddService Directive", "INF CopyFiles Directive", "INF SourceDisksFiles Section", "Using
//! dirids", "Creating an INF file for a minifilter driver", "Load order groups and altitudes for minifilter drivers", "INF
//! AddEventProvider Directive", "INF AddReg Directive", "System-Defined Device Setup Classes Reserved for System Use" (for the class and its GUID).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protocol::etw;
use protocol::install;
use protocol::install::Data;

const CLASS: (&str, &str) = ("ActivityMonitor", "{b86dff51-a31e-4bac-b3cf-e8cfe75c9fc2}");
const INSTALL: &str = "defaultinstall.ntamd64";
/// `FLG_ADDREG_TYPE_SZ` and `FLG_ADDREG_TYPE_DWORD`.
const TEXT: u32 = 0;
const NUMBER: u32 = 0x0001_0001;
/// `SPSVCINST_ASSOCSERVICE`: ties the service to a device.
const TIED_TO_A_DEVICE: u32 = 2;

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../inf/gatehouse.inf");
    fs::read_to_string(path).expect("the INF is ASCII, and there")
}

#[test]
fn the_shipped_inf_is_a_primitive_driver_package() {
    assert_eq!(problems(&shipped()), Vec::<String>::new());
}

/// What is replaced by what, and what the complaint must be about.
const BREAKS: &[(&str, &str, &str)] = &[
    ("\r\n", "\n", "line ends"),
    ("Gatehouse\"", "Gätehouse\"", "ASCII"),
    ("$Windows NT$", "$Chicago$", "Signature"),
    ("\"ActivityMonitor\"", "\"System\"", "Class"),
    ("{b86dff51", "{b86dff52", "ClassGuid"),
    ("Provider    = %Provider%", "", "Provider"),
    (
        "DriverVer   = 11/21/2026,0.1.0.0",
        "DriverVer = 11/21/2026,9.9.9.9",
        "DriverVer",
    ),
    (
        "DriverVer   = 11/21/2026,0.1.0.0",
        "DriverVer = 21/11/2026,0.1.0.0",
        "DriverVer",
    ),
    ("PnpLockdown = 1", "PnpLockdown = 0", "PnpLockdown"),
    (
        "CatalogFile = gatehouse.cat",
        "CatalogFile = gatehouse.txt",
        "CatalogFile",
    ),
    (
        "[SourceDisksNames]",
        "[Manufacturer]\r\n%Provider% = X\r\n[SourceDisksNames]",
        "Manufacturer",
    ),
    ("[DefaultInstall.NTamd64]", "[DefaultInstall]", "DefaultInstall"),
    (
        "[SourceDisksNames]",
        "[DefaultInstall]\r\n[SourceDisksNames]",
        "DefaultInstall",
    ),
    (
        "[SourceDisksNames]",
        "[DefaultUninstall.NTamd64]\r\nDelFiles=Driver.Files\r\n[SourceDisksNames]",
        "DefaultUninstall",
    ),
    ("Driver.Files   = 13", "Driver.Files   = 12", "13"),
    ("%13%\\gatehouse.sys", "%12%\\gatehouse.sys", "ServiceBinary"),
    ("%13%\\gatehouse.sys", "%13%\\other.sys", "ServiceBinary"),
    ("gatehouse.sys = 1", "gatehouse.sys = 2", "SourceDisksFiles"),
    (
        "[Driver.Files]\r\ngatehouse.sys",
        "[Driver.Files]\r\ngatehouse.sys,other.sys",
        "rename",
    ),
    (
        "[Driver.Files]\r\ngatehouse.sys",
        "[Driver.Files]\r\nother.sys",
        "SourceDisksFiles",
    ),
    (
        "AddService = gatehouse,,",
        "AddService = gatehouse,0x2,",
        "AddService",
    ),
    ("AddService = gatehouse,,", "AddService = gateway,,", "AddService"),
    ("ServiceType    = 2", "ServiceType    = 1", "ServiceType"),
    ("StartType      = 3", "StartType      = 0", "StartType"),
    ("ErrorControl   = 1", "ErrorControl   = 3", "ErrorControl"),
    ("Dependencies   = FltMgr", "", "Dependencies"),
    ("LoadOrderGroup = %LoadOrderGroup%", "", "LoadOrderGroup"),
    (
        "AddReg         = Driver.Instance",
        "AddReg = Driver.Instance,R\r\n[R]\r\nHKLM,X,Y,,1",
        "HKLM",
    ),
    ("\"385210.7\"", "\"185210\"", "Altitude"),
    (
        "HKR,\"Parameters\\Instances\",\"DefaultInstance\",0x00000000,%Instance%\r\n",
        "",
        "DefaultInstance",
    ),
    (
        "HKR,\"Instances\\\"%Instance%,\"Altitude\",0x00000000,%Altitude%\r\n",
        "",
        "Altitude",
    ),
    (
        "HKR,\"Instances\\\"%Instance%,\"Flags\",0x00010001,0x0",
        "HKR,\"Instances\\\"%Instance%,\"Flags\",0x00010001,0x1",
        "Flags",
    ),
    (
        "AddEventProvider = {",
        "AddEventProvider = {0",
        "AddEventProvider",
    ),
    ("ProviderName = %ProviderName%", "", "ProviderName"),
    (
        "%13%\\gatehouse.sys\r\nMessageFile",
        "%12%\\gatehouse.sys\r\nMessageFile",
        "ResourceFile",
    ),
    ("%Channel%,0x2", "%Channel%,0x4", "AddChannel"),
    ("Enabled        = 1", "Enabled        = 0", "Enabled"),
    ("Value          = 16", "Value          = 17", "Value"),
    (
        "CopyFiles = Driver.Files",
        "CopyFiles = Driver.Files\r\nRegisterDlls = X",
        "RegisterDlls",
    ),
    (
        "CopyFiles = Driver.Files",
        "CopyFiles = Nothing.Files",
        "Nothing.Files",
    ),
    (
        "DisplayName    = \"Gatehouse driver load control\"",
        "",
        "%DisplayName%",
    ),
    ("[Strings]", "[Orphan]\r\nX = Y\r\n[Strings]", "orphan"),
];

/// Each entry breaks one rule; the checks must notice, or they would pass whatever is shipped.
#[test]
fn the_checks_notice_what_breaks_a_package() {
    for (from, to, about) in BREAKS {
        let shipped = shipped();
        let broken = shipped.replace(from, to);
        assert_ne!(broken, shipped, "{from:?} is not in the shipped file");
        let problems = problems(&broken);
        assert!(
            problems
                .iter()
                .any(|problem| problem.to_lowercase().contains(&about.to_lowercase())),
            "{from:?} -> {to:?}: {problems:?}"
        );
    }
}

/// One section: its entries in order, `key = value` or a bare value.
type Section = Vec<(Option<String>, String)>;

struct Inf {
    /// By lower-case name.
    sections: BTreeMap<String, Section>,
}

impl Inf {
    fn read(text: &str) -> Self {
        let mut sections: BTreeMap<String, Section> = BTreeMap::new();
        let mut current = None;
        for line in text.lines().map(|line| without_comment(line).trim()) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                let name = name.to_lowercase();
                sections.entry(name.clone()).or_default();
                current = Some(name);
            } else if !line.is_empty() {
                let name = current.as_ref().expect("an entry outside any section");
                let entry = match line.split_once('=') {
                    Some((key, value)) => (Some(key.trim().to_lowercase()), value.trim().to_owned()),
                    None => (None, line.to_owned()),
                };
                sections.get_mut(name).expect("just entered").push(entry);
            }
        }
        Self { sections }
    }

    fn section(&self, name: &str) -> &[(Option<String>, String)] {
        self.sections.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The value of a key, without quotes, strings replaced.
    fn value(&self, section: &str, key: &str) -> Option<String> {
        let (_, value) = self
            .section(section)
            .iter()
            .find(|(found, _)| found.as_deref() == Some(&key.to_lowercase()))?;
        Some(self.expand(value))
    }

    /// The comma-separated parts of a value.
    fn parts(&self, value: &str) -> Vec<String> {
        // Quotes hold a part together; what stands beside them belongs to it.
        self.expand(value)
            .split(',')
            .map(|part| part.trim().replace('"', ""))
            .collect()
    }

    fn expand(&self, value: &str) -> String {
        let mut expanded = value.trim_matches('"').to_owned();
        for (name, text) in self.section("strings") {
            let name = name.as_deref().expect("a string has a name");
            for token in tokens(value).filter(|token| token.eq_ignore_ascii_case(name)) {
                expanded = expanded.replace(&format!("%{token}%"), text.trim_matches('"'));
            }
        }
        expanded
    }
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        *character == ';' && !quoted
    });
    end.map_or(line, |(end, _)| &line[..end])
}

/// The `%names%` in a value that are no dirids.
fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value
        .split('%')
        .skip(1)
        .step_by(2)
        .filter(|token| token.parse::<u32>().is_err())
}

fn problems(text: &str) -> Vec<String> {
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
