//! A blocklist in the shape of Microsoft's, and one imported from a list in LOLDrivers' form, over the drivers of that list:
//! every verdict is that of the reference model, which reads policy and list by itself.

mod lists;
#[expect(
    dead_code,
    reason = "shared with the reference model's test, which uses all of it"
)]
mod model;

use evidence::Evidence;
use model::judge;
use policy::Decision;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::Document;
use sipolicy::compile;
use sipolicy::import_loldrivers;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Weighs the drivers by a policy, compares each verdict with the model's and counts them by decision and level of rule.
fn weigh(xml: &str, drivers: &[Evidence<'_>]) -> BTreeMap<String, usize> {
    let document = Document::read("blocklist.xml", xml.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let set = ValidatedSet::new(compile(&[document]).unwrap()).unwrap();
    let policies = [lists::policy(xml)];
    let mut counts = BTreeMap::new();
    for evidence in drivers {
        let verdict = decide(&set.set(), evidence);
        let found: Vec<_> = verdict
            .policies()
            .map(|outcome| {
                let rule = outcome
                    .rule
                    .map(|rule| (rule.action.name(), rule.level.name(), rule.id.to_owned()));
                (outcome.decision, outcome.reason.code().min(101), rule)
            })
            .collect();
        assert_eq!(found, judge(&policies, evidence).policies, "{evidence:#?}");
        let (_, _, rule) = &found[0];
        let how = match rule {
            Some((action, level, _)) if verdict.decision != Decision::Allow => format!("{action} by {level}"),
            _ => "not refused".to_owned(),
        };
        *counts.entry(how).or_default() += 1;
    }
    for (how, count) in &counts {
        println!("{how:25} {count}");
    }
    counts
}

fn hex(byte: u8, length: usize) -> String {
    format!("{byte:02x}").repeat(length)
}

/// A list of drivers in the published form: four kinds in turn, by what a blocklist says of them.
fn listed_drivers(count: u8) -> String {
    let mut entries = Vec::new();
    for number in 0..count {
        let (name, version, authority) = match number % 4 {
            // By hash.
            0 => (format!("hash{number}.sys"), "9.0.0.0", 0xa0),
            // By name, up to a version; the list writes names as they come.
            1 => ("NaMeD.SyS".to_owned(), "1.2.3.4 built by: someone", 0xa0),
            // By signer and name, in a version that is denied.
            2 => ("signed.sys".to_owned(), "3, 0, 0, 1", 0xa1),
            // As before, but in a newer version than is denied.
            _ => ("signed.sys".to_owned(), "3.0.0.2", 0xa1),
        };
        let authentihash = if number % 8 == 5 {
            r#"{"MD5":"","SHA1":"","SHA256":""}"#.to_owned()
        } else {
            format!(
                r#"{{"SHA1":"{}","SHA256":"{}"}}"#,
                hex(number, 20),
                hex(number, 32)
            )
        };
        let certificate = |subject: &str, serial: u8, tbs: u8| {
            format!(
                r#"{{"Subject":"C=XX, O=Someone, CN={subject}","SerialNumber":"{serial:02X}",
                "SignatureAlgorithmOID":"1.2.840.113549.1.1.11","TBS":{{"SHA1":"{}","SHA256":"{}"}}}}"#,
                hex(tbs, 20),
                hex(tbs, 32)
            )
        };
        entries.push(format!(
            r#"{{"Id":"{number}","Tags":["{name}"],"KnownVulnerableSamples":[{{"Filename":"","OriginalFilename":"{name}",
            "InternalName":"","Description":"","Product":"","FileVersion":"{version}","SHA1":"{}","SHA256":"{}",
            "Authentihash":{authentihash},"Signatures":[{{"Certificates":[{},{}],"Signer":[{{"SerialNumber":"07","Issuer":"x"}}]}}]}}]}}"#,
            hex(0xee, 20),
            hex(0xee, 32),
            certificate("Authority", 1, authority),
            certificate("Some Vendor, Incorporated", 7, 0xb0),
        ));
    }
    format!("[{}]", entries.join(",\n"))
}

/// A blocklist in the shape of Microsoft's that denies three of the four kinds of those drivers.
fn blocklist(count: u8) -> String {
    let mut rules = String::new();
    let mut references = String::new();
    for number in (0..count).step_by(4) {
        for (name, length) in [("SHA1", 20), ("SHA256", 32)] {
            let id = format!("ID_DENY_D_{number}_{name}");
            let hash = hex(number, length).to_uppercase();
            let _ = write!(
                rules,
                "<Deny ID=\"{id}\" FriendlyName=\"d\\{number} Hash {name}\" Hash=\"{hash}\"/>"
            );
            let _ = write!(references, "<FileRuleRef RuleID=\"{id}\"/>");
        }
    }
    format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\"><VersionEx>10.0.1.0</VersionEx>\
         <PolicyTypeID>{{A244370E-44C9-4C06-B551-F6016E563076}}</PolicyTypeID>\
         <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
         <Rules><Rule><Option>Enabled:Unsigned System Integrity Policy</Option></Rule></Rules>\
         <FileRules><Allow ID=\"ID_ALLOW_ALL_1\" FileName=\"*\"/>{rules}\
         <Deny ID=\"ID_DENY_N\" FileName=\"named.sys\" MinimumFileVersion=\"0.0.0.0\" MaximumFileVersion=\"1.2.3.4\"/>\
         <FileAttrib ID=\"ID_FILEATTRIB_S\" FileName=\"Signed.sys\" MinimumFileVersion=\"0.0.0.0\" MaximumFileVersion=\"3.0.0.1\"/>\
         </FileRules><Signers><Signer ID=\"ID_SIGNER_S\" Name=\"Authority\"><CertRoot Type=\"TBS\" Value=\"{}\"/>\
         <CertPublisher Value=\"some vendor, incorporated\"/><FileAttribRef RuleID=\"ID_FILEATTRIB_S\"/></Signer></Signers>\
         <SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners>\
         <DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_S\"/></DeniedSigners>\
         <FileRulesRef><FileRuleRef RuleID=\"ID_ALLOW_ALL_1\"/>{references}<FileRuleRef RuleID=\"ID_DENY_N\"/></FileRulesRef>\
         </ProductSigners></SigningScenario></SigningScenarios></SiPolicy>",
        hex(0xa1, 32)
    )
}

#[test]
fn a_blocklist_refuses_listed_drivers_by_hash_by_name_and_by_signer() {
    let drivers = lists::drivers(listed_drivers(200).as_bytes());
    let counts = weigh(&blocklist(200), &drivers);
    let expected = [
        ("deny by FileName", 50),
        ("deny by FilePublisher", 50),
        ("deny by Hash", 50),
        ("not refused", 50),
    ];
    let counts: Vec<(&str, usize)> = counts.iter().map(|(how, count)| (how.as_str(), *count)).collect();
    assert_eq!(counts, expected);
}

#[test]
fn an_imported_list_refuses_every_driver_that_it_has_a_hash_of() {
    let json = listed_drivers(200);
    let imported = import_loldrivers("drivers.json", json.as_bytes()).unwrap();
    let counts = weigh(&imported.document.to_xml(), &lists::drivers(json.as_bytes()));
    assert_eq!(imported.without_hash.len(), 25);
    assert_eq!((counts["deny by Hash"], counts["not refused"]), (175, 25));
}

/// The same over lists from elsewhere, for a look at their counts.
#[test]
#[ignore = "give a policy's XML in GATEHOUSE_BLOCKLIST and a list of drivers in GATEHOUSE_DRIVERS"]
fn lists_from_elsewhere_decide_as_the_model_does() {
    let read = |variable| std::fs::read(std::env::var_os(variable).expect(variable)).expect(variable);
    let (policy, json) = (read("GATEHOUSE_BLOCKLIST"), read("GATEHOUSE_DRIVERS"));
    let drivers = lists::drivers(&json);
    println!("{} drivers by the blocklist", drivers.len());
    weigh(
        String::from_utf8(policy)
            .expect("UTF-8")
            .trim_start_matches('\u{feff}'),
        &drivers,
    );
    let imported = import_loldrivers("drivers.json", &json).unwrap();
    println!(
        "by the list's own import, {} samples without hash",
        imported.without_hash.len()
    );
    let counts = weigh(&imported.document.to_xml(), &drivers);
    assert_eq!(counts["not refused"], imported.without_hash.len());
}
