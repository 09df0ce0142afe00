//! The driver's package: what Windows requires of a primitive driver INF, checked against the file that ships, and the
//! checks themselves checked against files that break them.

use std::fs;
use std::path::Path;

use gatehouse_tests::primitive_driver::problems;

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
