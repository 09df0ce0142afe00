//! Each fault that is looked for is found where it stands, and a sound policy has none.

mod fragments;

use fragments::HASHES;
use fragments::Parts;
use fragments::WHQL;
use fragments::allowed;
use fragments::referred;
use fragments::signer;
use sipolicy::Document;
use sipolicy::Knowledge;
use sipolicy::compile_with_notes;
use sipolicy::lint;
use sipolicy::lint::Code;
use sipolicy::lint::MAX_DENIED_SIGNERS;
use sipolicy::lint::Severity;
use sipolicy::lint::too_many_denied_signers;

#[test]
fn a_sound_policy_has_no_fault() {
    let signers = signer(
        "ID_SIGNER_A",
        "<CertEKU ID=\"ID_EKU_WHQL\"/><CertOemID Value=\"NVIDIA Corporation\"/>",
    );
    let parts = Parts {
        options: "Enabled:Unsigned System Integrity Policy|Required:WHQL",
        ekus: WHQL,
        signers: &signers,
        kernel: &allowed(&["ID_SIGNER_A"]),
        ..Parts::default()
    };
    assert_eq!(parts.codes(), []);
}

#[test]
fn the_articles_common_mistakes_are_found() {
    // The object identifier as DER has it, not as policies do.
    let raw = "<EKU ID=\"ID_EKU_WHQL\" Value=\"060A2B0601040182370A0305\"/>";
    let whql = signer("ID_SIGNER_A", "<CertEKU ID=\"ID_EKU_WHQL\"/>");
    let hashes = referred(&["ID_ALLOW_FALLBACK", "ID_DENY_LISTED"]);
    let kernel = allowed(&["ID_SIGNER_A"]) + &hashes;
    let parts = Parts {
        ekus: raw,
        rules: HASHES,
        signers: &whql,
        kernel: &kernel,
        ..Parts::default()
    };
    assert_eq!(parts.codes(), [Code::EkuEncoding]);

    let mandate = Parts {
        options: "Enabled:Unsigned System Integrity Policy|Required:WHQL",
        ..Parts::default()
    };
    assert_eq!(mandate.codes(), [Code::WhqlWithoutRule]);

    let both = [
        signer("ID_SIGNER_A", "<CertEKU ID=\"ID_EKU_WHQL\"/>"),
        signer(
            "ID_SIGNER_B",
            "<CertEKU ID=\"ID_EKU_WHQL\"/><CertOemID Value=\"Contoso\"/>",
        ),
    ]
    .concat();
    let bare = Parts {
        ekus: WHQL,
        rules: HASHES,
        signers: &both,
        kernel: &(allowed(&["ID_SIGNER_A", "ID_SIGNER_B"]) + &hashes),
        ..Parts::default()
    };
    assert_eq!(bare.codes(), [Code::BareWhql]);

    let user = format!(
        "<SigningScenario Value=\"12\" ID=\"ID_SIGNINGSCENARIO_U\"><ProductSigners>{}</ProductSigners></SigningScenario>",
        allowed(&["ID_SIGNER_A"])
    );
    let user_mode = Parts {
        ekus: WHQL,
        rules: HASHES,
        signers: &whql,
        kernel: &kernel,
        more: &user,
        ..Parts::default()
    };
    assert_eq!(user_mode.codes(), [Code::WhqlInUserMode]);

    let common_name = signer(
        "ID_SIGNER_A",
        "<CertEKU ID=\"ID_EKU_WHQL\"/><CertPublisher Value=\"NVIDIA\"/>",
    );
    let named = Parts {
        ekus: WHQL,
        rules: HASHES,
        signers: &common_name,
        kernel: &kernel,
        ..Parts::default()
    };
    assert_eq!(named.codes(), [Code::WhqlByCommonName, Code::PublisherPrefix]);
}

#[test]
fn what_a_whql_policy_leaves_open_is_found() {
    let whql = signer("ID_SIGNER_A", "<CertEKU ID=\"ID_EKU_WHQL\"/>");
    let kernel = allowed(&["ID_SIGNER_A"]);
    let alone = Parts {
        ekus: WHQL,
        signers: &whql,
        kernel: &kernel,
        ..Parts::default()
    };
    assert_eq!(alone.codes(), [Code::NoBlocklist, Code::NoFallback]);
    // A blocklist in force beside it, and a supplemental for the drivers of one machine, are as good as rules of its own.
    let blocklist = Parts {
        rules: HASHES,
        kernel: &referred(&["ID_ALLOW_FALLBACK", "ID_DENY_LISTED"]),
        ..Parts::default()
    };
    let extended = Parts {
        options: "Enabled:Unsigned System Integrity Policy|Enabled:Allow Supplemental Policies",
        ..alone
    };
    let documents = [extended.document("a.xml"), blocklist.document("b.xml")];
    assert_eq!(lint(&documents, &Knowledge::built_in()), []);

    let vendors: Vec<String> = (0..16).map(|number| format!("ID_SIGNER_V{number}")).collect();
    let signers: String = vendors
        .iter()
        .map(|id| {
            signer(
                id,
                &format!("<CertEKU ID=\"ID_EKU_WHQL\"/><CertOemID Value=\"Vendor of {id}\"/>"),
            )
        })
        .collect();
    let ids: Vec<&str> = vendors.iter().map(String::as_str).collect();
    let hashes = referred(&["ID_ALLOW_FALLBACK", "ID_DENY_LISTED"]);
    let many = |ids: &[&str]| {
        Parts {
            ekus: WHQL,
            rules: HASHES,
            signers: &signers,
            kernel: &(allowed(ids) + &hashes),
            ..Parts::default()
        }
        .codes()
    };
    assert_eq!(many(&ids), [Code::ManyVendors]);
    assert_eq!(many(&ids[..15]), [Code::Unreferenced]);

    let cross_signed =
        "<Signer ID=\"ID_SIGNER_X\" Name=\"x\"><CertRoot Type=\"Wellknown\" Value=\"08\"/></Signer>";
    let mandate = Parts {
        options: "Enabled:Unsigned System Integrity Policy|Required:WHQL",
        ekus: WHQL,
        rules: HASHES,
        signers: &(whql.clone() + cross_signed),
        kernel: &(allowed(&["ID_SIGNER_A", "ID_SIGNER_X"]) + &hashes),
        ..Parts::default()
    };
    assert_eq!(mandate.codes(), [Code::CrossSigned]);
}

#[test]
fn rules_that_another_one_covers_are_found() {
    let publisher = |id: &str, inner: &str| signer(id, &format!("<CertPublisher Value=\"Contoso\"/>{inner}"));
    let files = "<FileAttrib ID=\"ID_FILEATTRIB_F\" FileName=\"f.sys\"/>";
    let pair = |first: &str, second: &str| {
        Parts {
            rules: files,
            signers: &(first.to_owned() + second),
            kernel: &allowed(&["ID_SIGNER_A", "ID_SIGNER_B"]),
            ..Parts::default()
        }
        .codes()
    };
    let restricted = publisher("ID_SIGNER_B", "<FileAttribRef RuleID=\"ID_FILEATTRIB_F\"/>");
    assert_eq!(pair(&publisher("ID_SIGNER_A", ""), &restricted), [Code::Shadowed]);
    assert_eq!(pair(&signer("ID_SIGNER_A", ""), &restricted), [Code::Shadowed]);
    let other = signer("ID_SIGNER_A", "<CertPublisher Value=\"Fabrikam\"/>");
    assert_eq!(pair(&other, &restricted), []);
    // The same twice: one of them, not both.
    let twice = [publisher("ID_SIGNER_A", ""), publisher("ID_SIGNER_B", "")];
    assert_eq!(pair(&twice[0], &twice[1]), [Code::Unreferenced, Code::Shadowed]);
    // One that restricts nothing itself may still be covered.
    let root_only = signer("ID_SIGNER_B", "");
    assert_eq!(
        pair(&publisher("ID_SIGNER_A", ""), &root_only),
        [Code::Unreferenced, Code::Shadowed]
    );

    let deny = |id: &str, maximum: &str| {
        format!(
            "<Deny ID=\"{id}\" FileName=\"d.sys\" MinimumFileVersion=\"0.0.0.0\" MaximumFileVersion=\"{maximum}\"/>"
        )
    };
    let versions = Parts {
        rules: &(deny("ID_DENY_A", "2.0.0.0") + &deny("ID_DENY_B", "1.0.0.0")),
        kernel: &referred(&["ID_DENY_A", "ID_DENY_B"]),
        ..Parts::default()
    };
    assert_eq!(versions.codes(), [Code::Shadowed]);
}

#[test]
fn names_that_match_nothing_are_found() {
    let rules = "<Deny ID=\"ID_DENY_A\" FileName=\"*.sys\"/>\n<Deny ID=\"ID_DENY_B\" FileName=\"drivers\\b.sys\"/>\n\
                 <Deny ID=\"ID_DENY_C\" FileDescription=\"Read/write driver\"/>";
    let parts = Parts {
        rules,
        kernel: &referred(&["ID_DENY_A", "ID_DENY_B", "ID_DENY_C"]),
        ..Parts::default()
    };
    assert_eq!(parts.codes(), [Code::NameForm, Code::NameForm]);
}

#[test]
fn a_blocklist_older_than_the_newest_known_is_found() {
    let list = |version: &str| {
        let document = Parts::default().document("list.xml").to_xml();
        let text = document
            .replace("<VersionEx>1.0.0.0<", &format!("<VersionEx>{version}<"))
            .replace(
                "<SiPolicy ",
                "<SiPolicy FriendlyName=\"Microsoft Windows Driver Policy - Enforced\" ",
            );
        let document = Document::read("list.xml", text.as_bytes()).unwrap();
        let findings = lint(&[document], &Knowledge::built_in());
        findings.iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(list("10.0.20000.0"), [Code::BlocklistAge]);
    assert_eq!(list("10.0.65535.0"), []);
}

#[test]
fn a_signed_policy_that_takes_supplementals_of_nobody_is_an_error() {
    let signed = Parts {
        options: "Enabled:Allow Supplemental Policies",
        ..Parts::default()
    };
    assert_eq!(signed.codes(), [Code::NoUpdateSigner, Code::NoSupplementalSigner]);
}

#[test]
fn faults_of_rules_and_references_are_found() {
    let rules = "<Deny ID=\"ID_DENY_MIN\" FileName=\"a.sys\" MinimumFileVersion=\"2.0.0.0\"/>\
                 <Deny ID=\"ID_DENY_MAX\" FileName=\"b.sys\" MaximumFileVersion=\"2.0.0.0\"/>\
                 <Deny ID=\"ID_DENY_H1\" Hash=\"1111111111111111111111111111111111111111\"/>\
                 <Deny ID=\"ID_DENY_H2\" Hash=\"1111111111111111111111111111111111111111\"/>\
                 <Allow ID=\"ID_ALLOW_H\" Hash=\"1111111111111111111111111111111111111111\"/>\
                 <Allow ID=\"ID_ALLOW_P\" FilePath=\"C:\\a.sys\"/><Allow ID=\"ID_ALLOW_ALL\" FileName=\"*\"/>\
                 <Allow ID=\"ID_ALLOW_UNUSED\" FileName=\"c.sys\"/>";
    let kernel = referred(&[
        "ID_DENY_MIN",
        "ID_DENY_MAX",
        "ID_DENY_H1",
        "ID_DENY_H2",
        "ID_DENY_H2",
        "ID_ALLOW_H",
        "ID_ALLOW_P",
        "ID_ALLOW_ALL",
        "ID_DENY_NONE",
    ]);
    let parts = Parts {
        rules,
        kernel: &kernel,
        ..Parts::default()
    };
    let mut codes = parts.codes();
    codes.sort();
    let mut expected = vec![
        Code::DenyMinimum,
        Code::DenyMaximum,
        Code::DuplicateRule,
        Code::DuplicateReference,
        Code::DeniedBeside,
        Code::UserModeRule,
        Code::AllowsAll,
        Code::Unreferenced,
        Code::Dangling,
    ];
    expected.sort();
    assert_eq!(codes, expected);
}

#[test]
fn a_denied_signer_by_minimum_version_and_odd_roots_are_found() {
    let signers = "<Signer ID=\"ID_SIGNER_A\" Name=\"a\"><CertRoot Type=\"TBS\" Value=\"11223344\"/>\
                   <FileAttribRef RuleID=\"ID_FILEATTRIB_A\"/></Signer>\
                   <Signer ID=\"ID_SIGNER_B\" Name=\"b\"><CertRoot Type=\"Wellknown\" Value=\"14\"/></Signer>";
    let parts = Parts {
        rules: "<FileAttrib ID=\"ID_FILEATTRIB_A\" FileName=\"a.sys\" MinimumFileVersion=\"1.0.0.0\"/>",
        signers,
        kernel: "<DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_A\"/><DeniedSigner SignerId=\"ID_SIGNER_B\"/>\
                 </DeniedSigners>",
        ..Parts::default()
    };
    let mut codes = parts.codes();
    codes.sort();
    assert_eq!(codes, [Code::BadTbs, Code::DeniedMinimum, Code::UnknownRoot]);
}

#[test]
fn what_a_supplemental_policy_must_not_have_is_found() {
    let supplemental = Parts {
        kind: "Supplemental Policy",
        options: "Enabled:Unsigned System Integrity Policy|Enabled:Allow Supplemental Policies",
        rules: "<Deny ID=\"ID_DENY_A\" FileName=\"a.sys\"/>",
        kernel: &referred(&["ID_DENY_A"]),
        ..Parts::default()
    };
    let mut codes = supplemental.codes();
    codes.sort();
    assert_eq!(codes, [Code::SupplementalOption, Code::SupplementalDeny]);
    // Together with a base policy that does not allow supplementals.
    let both = [
        Parts::default().document("base.xml"),
        supplemental.document("more.xml"),
    ];
    let found = lint(&both, &Knowledge::built_in());
    assert!(
        found
            .iter()
            .any(|finding| finding.code == Code::NoBase && &*finding.place.file == "more.xml")
    );
}

#[test]
fn a_signed_policy_without_update_signers_is_an_error() {
    let parts = Parts {
        options: "Enabled:Audit Mode|Required:EV Signers",
        ..Parts::default()
    };
    let codes = parts.codes();
    assert!(
        codes.contains(&Code::NoUpdateSigner) && codes.contains(&Code::EvSigners),
        "{codes:?}"
    );
}

#[test]
fn an_allow_rule_against_a_blocklist_is_a_conflict_named_on_both_sides() {
    let hash = "Hash=\"1111111111111111111111111111111111111111\"";
    let allow = Parts {
        rules: &format!("<Allow ID=\"ID_ALLOW_A\" {hash}/>"),
        kernel: &referred(&["ID_ALLOW_A"]),
        ..Parts::default()
    };
    let block = Parts {
        rules: &format!("<Deny ID=\"ID_DENY_A\" {hash}/>"),
        kernel: &referred(&["ID_DENY_A"]),
        ..Parts::default()
    };
    let found = lint(
        &[allow.document("allow.xml"), block.document("block.xml")],
        &Knowledge::built_in(),
    );
    let conflict = found
        .iter()
        .find(|finding| finding.code == Code::Conflict)
        .expect("a conflict");
    assert_eq!(&*conflict.place.file, "allow.xml");
    assert!(
        conflict.message.contains("ID_DENY_A") && conflict.message.contains("block.xml"),
        "{conflict}"
    );
}

#[test]
fn every_code_has_its_own_number_and_name_and_says_what_to_do() {
    for (at, code) in Code::ALL.iter().enumerate() {
        assert!(
            !code.why().is_empty() && code.instead().ends_with('.'),
            "{}",
            code.name()
        );
        for other in &Code::ALL[..at] {
            assert_ne!((code.number(), code.name()), (other.number(), other.name()));
            assert_ne!(code.number(), other.number());
        }
    }
    assert!(Code::ALL.iter().any(|code| code.severity() == Severity::Error));
}

#[test]
fn what_is_read_all_the_same_is_told_where_it_is_compiled() {
    let signers = signer("ID_SIGNER_A", "") + &signer("ID_SIGNER_b", "");
    let parts = Parts {
        signers: &signers,
        kernel: &allowed(&["ID_SIGNER_A", "ID_SIGNER_b"]),
        ..Parts::default()
    };
    let compiled = compile_with_notes(&[parts.document("a.xml")]).unwrap();
    let notes: Vec<String> = compiled.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("a.xml:3:") && note.contains("ID_SIGNER_b")),
        "{notes:?}"
    );
}

#[test]
fn a_signed_supplemental_without_update_signers_is_an_error() {
    let supplemental = |options: &'static str, kind: &'static str| {
        Parts {
            kind,
            options,
            rules: HASHES,
            kernel: &referred(&["ID_ALLOW_FALLBACK"]),
            ..Parts::default()
        }
        .codes()
    };
    for kind in ["Supplemental Policy", "AppID Tagging Policy"] {
        let signed = supplemental("Enabled:Managed Installer", kind);
        assert!(signed.contains(&Code::NoUpdateSigner), "{kind}: {signed:?}");
        let unsigned = supplemental("Enabled:Unsigned System Integrity Policy", kind);
        assert!(!unsigned.contains(&Code::NoUpdateSigner), "{kind}: {unsigned:?}");
    }
    // Signed, and someone is named.
    let text = Parts {
        kind: "Supplemental Policy",
        options: "Enabled:Managed Installer",
        signers: &signer("ID_SIGNER_U", ""),
        ..Parts::default()
    }
    .document("a.xml")
    .to_xml()
    .replace("</SigningScenarios>", "</SigningScenarios><UpdatePolicySigners><UpdatePolicySigner SignerId=\"ID_SIGNER_U\"/></UpdatePolicySigners>");
    assert_eq!(text.matches("<UpdatePolicySigners>").count(), 1, "{text}");
    let document = Document::read("a.xml", text.as_bytes()).unwrap();
    let findings = lint(&[document], &Knowledge::built_in());
    assert!(
        findings
            .iter()
            .all(|finding| finding.code != Code::NoUpdateSigner),
        "{findings:?}"
    );
}

#[test]
fn a_supplemental_of_the_single_policy_form_is_an_error() {
    let text = Parts {
        kind: "Supplemental Policy",
        ..Parts::default()
    }
    .document("a.xml")
    .to_xml();
    for (base, wanted) in [
        ("{A244370E-44C9-4C06-B551-F6016E563076}", true),
        ("{a244370e-44c9-4c06-b551-f6016e563076}", true),
        ("{A244370E-44C9-4C06-B551-F6016E563077}", false),
    ] {
        let text = text.replace("{00000000-0000-0000-0000-000000000001}", base);
        let document = Document::read("a.xml", text.as_bytes()).unwrap();
        let findings = lint(&[document], &Knowledge::built_in());
        let found = findings
            .iter()
            .any(|finding| finding.code == Code::SingleFormBase);
        assert_eq!(found, wanted, "{base}");
    }
}

#[test]
fn more_denied_signers_than_microsofts_compiler_takes_are_told() {
    let found = |count: usize| {
        let signers: String = (0..count)
            .map(|number| {
                signer(
                    &format!("ID_SIGNER_S{number}"),
                    &format!("<CertPublisher Value=\"{number}\"/>"),
                )
            })
            .collect();
        let denied: Vec<String> = (0..count)
            .map(|number| format!("<DeniedSigner SignerId=\"ID_SIGNER_S{number}\"/>\n"))
            .collect();
        let document = Parts {
            signers: &signers,
            kernel: &format!("<DeniedSigners>\n{}</DeniedSigners>", denied.concat()),
            ..Parts::default()
        }
        .document("a.xml");
        assert_eq!(
            too_many_denied_signers(&document).count(),
            usize::from(count > MAX_DENIED_SIGNERS)
        );
        let findings = lint(&[document], &Knowledge::built_in());
        findings
            .into_iter()
            .find(|finding| finding.code == Code::ManyDeniedSigners)
            .map(|finding| finding.to_string())
    };
    assert_eq!(found(255), None);
    let message = found(300).unwrap();
    // The first that is too many: 255 lines below the list.
    assert!(
        message.starts_with("a.xml:260:") && message.contains("300 signers"),
        "{message}"
    );
}

#[test]
fn a_hash_that_is_not_of_the_algorithm_its_name_says_is_found() {
    let found = |name: &str, bytes: usize| {
        let rules = format!(
            "<Deny ID=\"ID_DENY_A\" FriendlyName=\"{name}\" Hash=\"{}\"/>",
            "0A".repeat(bytes)
        );
        Parts {
            rules: &rules,
            kernel: &referred(&["ID_DENY_A"]),
            ..Parts::default()
        }
        .codes()
    };
    for (name, bytes) in [
        ("a.sys Hash Sha256", 20),
        ("a.sys Hash Page Sha256", 20),
        ("a.sys Hash Sha1", 32),
        ("a.sys SHA-1", 32),
        ("sha384/a.sys sha512", 48),
    ] {
        assert_eq!(found(name, bytes), [Code::HashLabel], "{name} {bytes}");
    }
    for (name, bytes) in [
        ("a.sys Hash Sha256", 32),
        ("a.sys Hash Page Sha1", 20),
        ("a.sys SHA-384", 48),
        ("sha1sum.sys", 32),
        ("", 64),
    ] {
        assert_eq!(found(name, bytes), [], "{name} {bytes}");
    }
}

#[test]
fn key_usages_that_are_none_or_two_are_found() {
    let found = |eku: &str| {
        Parts {
            ekus: &format!("<EKU ID=\"ID_EKU_A\" {eku}/>"),
            signers: &signer("ID_SIGNER_A", "<CertEKU ID=\"ID_EKU_A\"/>"),
            kernel: "<DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_A\"/></DeniedSigners>",
            ..Parts::default()
        }
        .codes()
    };
    for (eku, codes) in [
        ("Value=\"010A2B0601040182370A0305\"", [].as_slice()),
        ("OID=\"1.3.6.1.4.1.311.10.3.5\"", &[]),
        (
            "Value=\"010A2B0601040182370A0305\" OID=\"1.3.6.1.4.1.311.10.3.5\"",
            &[],
        ),
        (
            "Value=\"010A2B0601040182370A0305\" OID=\"1.3.6.1.4.1.311.10.3.6\"",
            &[Code::EkuTwice],
        ),
        (
            "Value=\"010A2B0601040182370A0305\" OID=\"WHQL\"",
            &[Code::EkuTwice],
        ),
        // It ends in the middle of an arc.
        ("Value=\"010A2B0601040182370A0385\"", &[Code::EkuEncoding]),
        ("OID=\"1.3.\"", &[Code::EkuEncoding]),
    ] {
        assert_eq!(found(eku), codes, "{eku}");
    }
}

#[test]
fn a_signer_by_a_well_known_root_without_a_key_is_found() {
    let with_key: Vec<u8> = evidence::wellknown_roots_with_keys().collect();
    assert!(with_key.contains(&6));
    for root in 0..=u8::MAX {
        let signers = format!(
            "<Signer ID=\"ID_SIGNER_A\" Name=\"a\"><CertRoot Type=\"Wellknown\" Value=\"{root:02X}\"/></Signer>"
        );
        for kernel in [
            allowed(&["ID_SIGNER_A"]),
            "<DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_A\"/></DeniedSigners>".to_owned(),
        ] {
            let parts = Parts {
                signers: &signers,
                kernel: &kernel,
                ..Parts::default()
            };
            let findings = lint(&[parts.document("a.xml")], &Knowledge::built_in());
            let found = findings.iter().find(|finding| finding.code == Code::UnknownRoot);
            assert_eq!(
                found.is_none(),
                root == 0 || with_key.contains(&root),
                "{root:02X}"
            );
            if let Some(finding) = found {
                assert!(finding.message.contains(&format!("root {root:02X}")), "{finding}");
            }
        }
    }
    let flight = Parts {
        options: "Enabled:Unsigned System Integrity Policy|Disabled:Flight Signing",
        ..Parts::default()
    };
    assert_eq!(
        flight.codes().contains(&Code::FlightRoot),
        !with_key.contains(&0x0e)
    );
}
