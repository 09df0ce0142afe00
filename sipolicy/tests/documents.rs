//! Documents in and out: XML and binary keep what they can hold, and what is wrong is refused with its place.

use policy::Options;
use policy::PolicySet;
use sipolicy::Document;
use sipolicy::FileVersion;
use sipolicy::compile;
use sipolicy::compile_with_notes;
use sipolicy::document::CertRoot;
use sipolicy::document::SettingValue;
use sipolicy::to_binary;

/// A policy with every element and attribute of the schema.
const EVERYTHING: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy" FriendlyName="All of it" PolicyType="Base Policy">
  <VersionEx>10.2.3.4</VersionEx>
  <PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>
  <PolicyID>{12345678-1234-1234-1234-123456789012}</PolicyID>
  <BasePolicyID>{12345678-1234-1234-1234-123456789012}</BasePolicyID>
  <Rules>
    <Rule><Option>Required:WHQL</Option></Rule>
    <Rule><Option>Enabled:Audit Mode</Option></Rule>
    <Rule><Option>Disabled:Default Windows Certificate Remapping</Option></Rule>
  </Rules>
  <EKUs>
    <EKU ID="ID_EKU_WHQL" FriendlyName="WHQL" Value="010A2B0601040182370A0305" />
    <EKU ID="ID_EKU_ELAM" OID="1.3.6.1.4.1.311.61.4.1" />
  </EKUs>
  <FileRules>
    <Allow ID="ID_ALLOW_HASH" FriendlyName="a &lt;b&gt; &amp; &quot;c&quot;" Hash="101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F" />
    <Allow ID="ID_ALLOW_NAME" FileName="a.sys" InternalName="a" FileDescription="d" ProductName="p" MinimumFileVersion="1.2.3.4" MaximumFileVersion="9.8.7.6" />
    <Allow ID="ID_ALLOW_PATH" FilePath="%WINDIR%\a.sys" />
    <Allow ID="ID_ALLOW_APP" FileName="b.sys" AppIDs="$(One)$(Two)" />
    <Allow ID="ID_ALLOW_BASE" FileName="c.sys" RequireHotpatchID="ID_ALLOW_TARGET" />
    <Allow ID="ID_ALLOW_TARGET" FileName="d.sys" MinimumHotpatchSequence="2" MaximumHotpatchSequence="8" />
    <Deny ID="ID_DENY_MIN" FileName="e.sys" MinimumFileVersion="2.0.0.0" />
    <Deny ID="ID_DENY_ANY" FileName="f.sys" />
    <FileAttrib ID="ID_FILEATTRIB_F" FileName="g.sys" MinimumFileVersion="3.0.0.0" />
    <FileAttrib ID="ID_FILEATTRIB_P" PackageFamilyName="x_y" PackageVersion="5.6.7.8" />
    <FileRule ID="ID_FILE_M" FileName="h.sys" Type="Match" />
    <FileRule ID="ID_FILE_X" FileName="i.sys" Type="Exclude" />
    <FileRule ID="ID_FILE_A" FileName="j.sys" Type="Attribute" />
  </FileRules>
  <ArtifactRules>
    <ArtifactRule ID="ID_ARTIFACT_A" ArtifactType="CIM" Action="Deny" FriendlyName="f" ArtifactName="n" ArtifactDescription="d" MinimumVersion="1.0.0.0" MaximumVersion="1.0.1.0">
      <ArtifactHash>
        <Hash>
          <sha256>707172737475767778797A7B7C7D7E7F808182838485868788898A8B8C8D8E8F</sha256>
        </Hash>
      </ArtifactHash>
    </ArtifactRule>
  </ArtifactRules>
  <Signers>
    <Signer ID="ID_SIGNER_TBS" Name="one" SignTimeAfter="2024-01-02T03:04:05Z">
      <CertRoot Type="TBS" Value="0123456789ABCDEF0123456789ABCDEF01234567" />
      <CertEKU ID="ID_EKU_WHQL" />
      <CertEKU ID="ID_EKU_ELAM" Condition="Except" />
      <CertIssuer Value="An Issuer" />
      <CertPublisher Value="A Publisher" />
      <CertOemID Value="An OEM" />
      <FileAttribRef RuleID="ID_FILEATTRIB_F" />
      <ArtifactRuleRef RuleID="ID_ARTIFACT_A" />
    </Signer>
    <Signer ID="ID_SIGNER_ROOT" Name="two">
      <CertRoot Type="Wellknown" Value="06" />
    </Signer>
  </Signers>
  <SigningScenarios>
    <SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_K" FriendlyName="kernel" MinimumHashAlgorithm="32772">
      <ProductSigners>
        <AllowedSigners>
          <AllowedSigner SignerId="ID_SIGNER_TBS">
            <ExceptDenyRule DenyRuleID="ID_DENY_MIN" />
          </AllowedSigner>
        </AllowedSigners>
        <DeniedSigners>
          <DeniedSigner SignerId="ID_SIGNER_ROOT">
            <ExceptAllowRule AllowRuleID="ID_ALLOW_NAME" />
          </DeniedSigner>
        </DeniedSigners>
        <FileRulesRef>
          <FileRuleRef RuleID="ID_ALLOW_HASH" />
          <FileRuleRef RuleID="ID_DENY_ANY" />
        </FileRulesRef>
      </ProductSigners>
      <ArtifactSigners>
        <AllowedSigners>
          <AllowedSigner SignerId="ID_SIGNER_TBS" />
        </AllowedSigners>
        <ArtifactRulesRef>
          <ArtifactRuleRef RuleID="ID_ARTIFACT_A" />
        </ArtifactRulesRef>
      </ArtifactSigners>
      <TestSigners>
        <AllowedSigners>
          <AllowedSigner SignerId="ID_SIGNER_ROOT" />
        </AllowedSigners>
      </TestSigners>
      <TestSigningSigners>
        <FileRulesRef>
          <FileRuleRef RuleID="ID_FILE_M" />
        </FileRulesRef>
      </TestSigningSigners>
    </SigningScenario>
    <SigningScenario Value="12" ID="ID_SIGNINGSCENARIO_U" InheritedScenarios="ID_SIGNINGSCENARIO_K">
      <ProductSigners />
      <AppIDTags EnforceDLL="true">
        <AppIDTag Key="k" Value="v" />
      </AppIDTags>
    </SigningScenario>
  </SigningScenarios>
  <UpdatePolicySigners>
    <UpdatePolicySigner SignerId="ID_SIGNER_ROOT" />
  </UpdatePolicySigners>
  <CiSigners>
    <CiSigner SignerId="ID_SIGNER_TBS" />
  </CiSigners>
  <SupplementalPolicySigners>
    <SupplementalPolicySigner SignerId="ID_SIGNER_ROOT" />
  </SupplementalPolicySigners>
  <HvciOptions>2</HvciOptions>
  <Settings>
    <Setting Provider="PolicyInfo" Key="Information" ValueName="Name">
      <Value>
        <String>Name in events</String>
      </Value>
    </Setting>
    <Setting Provider="P" Key="K" ValueName="B">
      <Value>
        <Boolean>true</Boolean>
      </Value>
    </Setting>
    <Setting Provider="P" Key="K" ValueName="D">
      <Value>
        <DWord>4294967295</DWord>
      </Value>
    </Setting>
    <Setting Provider="P" Key="K" ValueName="X">
      <Value>
        <Binary>DEADBEEF</Binary>
      </Value>
    </Setting>
  </Settings>
  <Macros>
    <Macro Id="One" Value="app.one" />
    <Macro Id="Two" Value="app.two" />
  </Macros>
  <AppSettings>
    <App Manifest="m">
      <Setting Name="n">
        <Value>v</Value>
      </Setting>
    </App>
  </AppSettings>
</SiPolicy>
"#;

fn read(text: &str) -> Document {
    Document::read("policy.xml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"))
}

/// The lines without their indentation, options each on one line as above.
fn lines(text: &str) -> Vec<String> {
    let joined = text
        .replace("<Rule>\n", "<Rule>")
        .replace("</Option>\n", "</Option>");
    joined
        .lines()
        .map(|line| line.trim().replace("<Rule>      <Option>", "<Rule><Option>"))
        .map(|line| line.replace("</Option>    </Rule>", "</Option></Rule>"))
        .collect()
}

#[test]
fn xml_out_is_xml_in() {
    let document = read(EVERYTHING);
    assert_eq!(document.notes, []);
    assert_eq!(lines(&document.to_xml()), lines(EVERYTHING));
    assert_eq!(document.name(), "Name in events");
}

#[test]
fn the_binary_form_keeps_everything_but_names() {
    let document = read(EVERYTHING);
    let binary = to_binary(&document, None).unwrap();
    assert_eq!(binary.format, 11);
    let back = Document::read("policy.cip", &binary.bytes).unwrap();
    assert!(to_binary(&back, None).unwrap().bytes == binary.bytes);
    // And once more by way of XML.
    let again = read(&back.to_xml());
    assert!(to_binary(&again, Some(11)).unwrap().bytes == binary.bytes);

    assert_eq!(back.options, document.options);
    assert_eq!(back.other_options, document.other_options);
    assert_eq!(
        (back.version, back.id(), back.base_id()),
        (document.version, document.id(), document.base_id())
    );
    assert_eq!(back.signers[0].root, document.signers[0].root);
    assert_eq!(
        back.signers[0].sign_time_after,
        document.signers[0].sign_time_after
    );
    assert_eq!(back.signers[0].oem_id.as_deref(), Some("An OEM"));
    assert_eq!(
        back.signers[0]
            .ekus
            .iter()
            .map(|eku| eku.except)
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(back.signers[1].root, CertRoot::Wellknown(6));
    assert_eq!(back.name(), "Name in events");
    assert!(
        back.settings
            .iter()
            .any(|setting| setting.value == SettingValue::Binary(vec![0xde, 0xad, 0xbe, 0xef]))
    );
    let rule = |name: &str| {
        let mut rules = back.file_rules.iter();
        rules
            .find(|rule| rule.attributes().file_name.as_deref() == Some(name))
            .unwrap()
            .clone()
    };
    assert_eq!(
        rule("e.sys").attributes().minimum_version,
        Some(FileVersion(2 << 48))
    );
    assert_eq!(rule("f.sys").attributes().minimum_version, None);
    assert_eq!(
        rule("c.sys").attributes().require_hotpatch_id,
        Some(rule("d.sys").id)
    );
    assert_eq!(rule("d.sys").attributes().maximum_hotpatch_sequence, Some(8));
    let losses = binary.losses.join("\n");
    for lost in [
        "friendly names",
        "AppID tags",
        "AppSettings",
        "macros",
        "FileRule",
    ] {
        assert!(losses.contains(lost), "{lost} in {losses}");
    }
}

#[test]
fn every_format_version_reads_back_as_it_was_written() {
    let simple = read(
        r#"<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy"><VersionEx>1.0.0.0</VersionEx>
        <PlatformID>{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}</PlatformID>
        <PolicyTypeID>{A244370E-44C9-4C06-B551-F6016E563076}</PolicyTypeID><Rules/>
        <FileRules><Deny ID="ID_DENY_B" FileName="b.sys"/><Deny ID="ID_DENY_A" FileName="A.sys" MinimumFileVersion="1.0.0.0"/>
        <Allow ID="ID_ALLOW_A" FileName="*"/></FileRules></SiPolicy>"#,
    );
    for format in 2..=11 {
        let binary = to_binary(&simple, Some(format)).unwrap();
        let back = Document::read("policy.cip", &binary.bytes).unwrap();
        assert_eq!(back.format_version, Some(format));
        assert!(to_binary(&back, None).unwrap().bytes == binary.bytes, "{format}");
        let names: Vec<_> = back
            .file_rules
            .iter()
            .map(|rule| rule.attributes().file_name.as_deref())
            .collect();
        assert_eq!(
            names,
            [Some("A.sys"), Some("b.sys"), Some("*")],
            "sorted as the kernel searches"
        );
    }
    // A version that cannot hold a rule whole would widen it, and is refused.
    let everything = read(EVERYTHING);
    for format in 2..11 {
        let error = to_binary(&everything, Some(format)).unwrap_err().to_string();
        assert!(error.contains("version 11 or later"), "{error}");
    }
    assert!(
        to_binary(&everything, Some(12))
            .unwrap_err()
            .to_string()
            .contains("12")
    );
}

#[test]
fn a_damaged_binary_policy_is_refused_wherever_it_is_cut() {
    let binary = to_binary(&read(EVERYTHING), None).unwrap();
    for length in 1..binary.bytes.len() {
        // The closing number alone may be missing.
        if length != binary.bytes.len() - 4 {
            assert!(
                Document::read("policy.cip", &binary.bytes[..length]).is_err(),
                "{length}"
            );
        }
    }
    for at in 0..binary.bytes.len() {
        let mut damaged = binary.bytes.clone();
        damaged[at] ^= 0xff;
        let _ = Document::read("policy.cip", &damaged);
    }
}

#[test]
fn a_name_that_xml_cannot_hold_is_refused_rather_than_changed() {
    let binary = to_binary(&read(EVERYTHING), None).unwrap().bytes;
    let wide = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let name = wide("A Publisher");
    let at = binary
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    for odd in ["A\u{0}Publisher", "A\u{1f}Publisher", "A\u{ffff}Publisher"] {
        let mut damaged = binary.clone();
        damaged[at..at + name.len()].copy_from_slice(&wide(odd));
        let error = Document::read("policy.cip", &damaged).unwrap_err();
        assert!(error.message.contains("control characters"), "{error}");
    }
}

#[test]
fn a_signed_policy_is_read_from_its_envelope() {
    let policy = to_binary(&read(EVERYTHING), None).unwrap().bytes;
    let der = |tag: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84][..], &length, content].concat()
    };
    let policy_type = der(6, &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4f, 1]);
    for content in [
        der(4, &policy),
        der(4, &der(4, &policy)),
        der(0x24, &[der(4, &policy[..9]), der(4, &policy[9..])].concat()),
    ] {
        let encapsulated = der(0x30, &[policy_type.clone(), der(0xa0, &content)].concat());
        let signed_data = der(0x30, &[der(2, &[1]), der(0x31, &[]), encapsulated].concat());
        let signed_type = der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]);
        let envelope = der(0x30, &[signed_type, der(0xa0, &signed_data)].concat());
        let document = Document::read("policy.p7b", &envelope).unwrap();
        assert_eq!(document.name(), "Name in events");
    }
    let error = Document::read("policy.p7b", &[0x30, 3, 2, 1, 1]).unwrap_err();
    assert!(error.to_string().contains("envelope"), "{error}");
}

#[test]
fn what_an_administrator_copies_from_an_article_is_read_with_a_note_for_each_assumption() {
    let document = read(
        r#"<SiPolicy xmlns="urn:schemas-microsoft-com:sipolicy">
        <EKUs><EKU ID="ID_EKU_WHQL" Value="010A2B0601040182370A0305" /></EKUs>
        <Signers><Signer ID="ID_SIGNER_W" Name="WHQL"><CertRoot Type="TBS" Value="3085A90B03EE71B6B33F5EA8A07DBBD40B5B7A89" />
        <CertEKU ID="ID_EKU_WHQL" /></Signer></Signers>
        <SigningScenarios><SigningScenario Value="131" ID="ID_SIGNINGSCENARIO_DRIVERS"><ProductSigners>
        <AllowedSigner SignerID="ID_SIGNER_W" /></ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"#,
    );
    let notes: Vec<_> = document.notes.iter().map(|note| note.message.as_str()).collect();
    for assumed in [
        "VersionEx",
        "PlatformID",
        "Rules",
        "PolicyTypeID",
        "SignerID",
        "AllowedSigners",
    ] {
        assert!(
            notes.iter().any(|note| note.contains(assumed)),
            "{assumed} in {notes:?}"
        );
    }
    assert_eq!(document.scenarios[0].product.allowed[0].signer.id, "ID_SIGNER_W");
    assert_eq!(
        PolicySet::validate(&compile(&[document]).unwrap())
            .unwrap()
            .rule_count(),
        1
    );
}

#[test]
fn a_fragment_of_vendor_rules_without_options_is_read_and_decides_by_each() {
    // As articles print it: all on few lines, no <Rules>, the signers straight in <ProductSigners>.
    let signer = |id: &str, vendor: &str| {
        format!(
            "<!-- {vendor} --> <Signer ID=\"{id}\" Name=\"WHQLPublisher - {vendor}\"> <CertRoot Type=\"TBS\" \
             Value=\"3085A90B03EE71B6B33F5EA8A07DBBD40B5B7A89\" /> <CertEKU ID=\"ID_EKU_WHQL\" /> \
             <CertPublisher Value=\"{vendor}\" /> </Signer>\n"
        )
    };
    let document = read(&format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\">\n\
         <EKUs> <EKU ID=\"ID_EKU_WHQL\" Value=\"010A2B0601040182370A0305\" /> </EKUs>\n<Signers>\n{}{}</Signers>\n\
         <SigningScenarios> <SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_DRIVERS\" FriendlyName=\"Kernel Mode\"> \
         <ProductSigners> <AllowedSigner SignerID=\"ID_SIGNER_A\" /> <AllowedSigner SignerID=\"ID_SIGNER_B\" /> \
         </ProductSigners> </SigningScenario> </SigningScenarios>\n</SiPolicy>",
        signer("ID_SIGNER_A", "Vendor A Corporation"),
        signer("ID_SIGNER_B", "Vendor B Corp."),
    ));
    let allowed: Vec<_> = document.scenarios[0]
        .product
        .allowed
        .iter()
        .map(|found| found.signer.id.as_str())
        .collect();
    assert_eq!(allowed, ["ID_SIGNER_A", "ID_SIGNER_B"]);
    assert!(
        document
            .notes
            .iter()
            .any(|note| note.message.contains("there are no <Rules>"))
    );
    assert_eq!(
        PolicySet::validate(&compile(&[document]).unwrap())
            .unwrap()
            .rule_count(),
        2
    );
}

#[test]
fn parts_of_a_policy_without_the_policy_around_them_are_refused_with_what_to_do() {
    let refused = |text: &str| {
        Document::read("part.xml", text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    for (text, place) in [
        ("<Signers>\n</Signers>", "part.xml:1:1"),
        ("<EKUs/>\n<Signers/>", "part.xml:2:1"),
        (
            "<?xml version=\"1.0\"?>\n<EKUs/>\nExplained below",
            "part.xml:3:1",
        ),
    ] {
        let error = refused(text);
        assert!(
            error.contains(place)
                && error.contains("inside")
                && error.contains("urn:schemas-microsoft-com:sipolicy"),
            "{error}"
        );
    }
    assert!(refused("<EKUs>\n<Signers/>").contains("not well-formed"));
}

/// A small policy with this in its body.
fn around(body: &str) -> String {
    format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\">\n<VersionEx>1.0.0.0</VersionEx>\
         <PlatformID>{{2E07F7E4-194C-4D20-B7C9-6F44A6C5A234}}</PlatformID>\
         <PolicyID>{{12345678-1234-1234-1234-123456789012}}</PolicyID>\n{body}\n</SiPolicy>"
    )
}

/// The error of reading or compiling.
fn refused(text: &str) -> String {
    match Document::read("policy.xml", text.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(document) => compile(&[document]).expect_err(text).to_string(),
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table of cases")]
fn what_is_wrong_is_refused_with_place_and_remedy() {
    let deny = r#"<Deny ID="ID_DENY_A" FileName="a.sys"/>"#;
    let reference = |list: &str| {
        format!(
            "<Rules/><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners>{list}\
             </ProductSigners></SigningScenario></SigningScenarios>"
        )
    };
    let signer = |inner: &str| {
        format!(
            "<Signers><Signer ID=\"ID_SIGNER_A\" Name=\"a\"><CertRoot Type=\"Wellknown\" Value=\"06\"/>{inner}</Signer>\
             </Signers>{}",
            reference("<AllowedSigners><AllowedSigner SignerId=\"ID_SIGNER_A\"/></AllowedSigners>")
        )
    };
    let cases = [
        (
            around("<Rules><Rule><Option>Enabled:Audit Mod</Option></Rule></Rules>"),
            "policy.xml:3:14",
            "no policy option",
        ),
        (
            around("<Rules><Rule><Option>Enabled:AuditMode</Option></Rule></Rules>"),
            "3:14",
            "write Enabled:Audit Mode",
        ),
        (
            around(&format!("<FileRules>{deny}\n{deny}</FileRules>")),
            "4:1",
            "used twice",
        ),
        (
            around("<FileRules><Deny ID=\"ID_DENY_A\" Hash=\"12\"/></FileRules>"),
            "3:12",
            "hexadecimal digits",
        ),
        (
            around("<FileRules><Deny ID=\"ID_DENY_A\" Hash=\"1\"/></FileRules>"),
            "3:12",
            "pairs",
        ),
        (
            around("<FileRules><Deny ID=\"ID_DENY_A\"/></FileRules>"),
            "3:12",
            "names nothing",
        ),
        (
            around(
                "<FileRules><Deny ID=\"ID_DENY_A\" FileName=\"a\" MinimumFileVersion=\"1.2.3\"/></FileRules>",
            ),
            "3:12",
            "four numbers",
        ),
        (
            around(
                "<FileRules><Allow ID=\"ID_ALLOW_A\" FileName=\"a\" MinimumFileVersion=\"2.0.0.0\" \
                 MaximumFileVersion=\"1.0.0.0\"/></FileRules>",
            ),
            "3:12",
            "swap",
        ),
        (
            around(&reference(
                "<FileRulesRef><FileRuleRef RuleID=\"ID_DENY_NONE\"/></FileRulesRef>",
            )),
            "3:",
            "no file rule has the ID ID_DENY_NONE",
        ),
        (
            around(&reference(
                "<AllowedSigners><AllowedSigner SignerId=\"ID_SIGNER_N\"/></AllowedSigners>",
            )),
            "3:",
            "no signer has the ID ID_SIGNER_N",
        ),
        (
            around(&signer("<CertEKU ID=\"ID_EKU_NONE\"/>")),
            "3:",
            "no EKU has the ID ID_EKU_NONE",
        ),
        (
            around(&signer("<FileAttribRef RuleID=\"ID_FILEATTRIB_N\"/>")),
            "3:",
            "no file rule has the ID ID_FILEATTRIB_N",
        ),
        (
            around(
                "<Rules/><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_A\" InheritedScenarios=\"ID_B\"/>\
                 <SigningScenario Value=\"12\" ID=\"ID_B\" InheritedScenarios=\"ID_A\"/></SigningScenarios>",
            ),
            "3:",
            "inherits itself",
        ),
        ("<SiPolicy xmlns=\"urn:other\"/>".to_owned(), "1:1", "namespace"),
        ("<Policy/>".to_owned(), "1:1", "<SiPolicy"),
        ("<SiPolicy".to_owned(), "1:", "not well-formed"),
        (
            "<!DOCTYPE a [<!ENTITY b \"b\"><!ENTITY c \"&b;&b;\">]><SiPolicy>&c;</SiPolicy>".to_owned(),
            "1:",
            "document type definition",
        ),
        (String::new(), "policy.xml", "not well-formed"),
    ];
    for (text, place, remedy) in cases {
        let error = refused(&text);
        assert!(
            error.contains(place) && error.contains(remedy),
            "wanted {place} and {remedy} in: {error}"
        );
    }
}

#[test]
fn too_large_and_too_deep_documents_are_refused() {
    let large = " ".repeat(sipolicy::MAX_DOCUMENT_BYTES + 1);
    assert!(refused(&large).contains("64 MiB"));
    let deep = around(&("<a>".repeat(300_000) + &"</a>".repeat(300_000)));
    // Read or refused, but answered.
    let _ = Document::read("policy.xml", deep.as_bytes());
}

#[test]
fn a_denied_signer_that_does_not_exist_is_noted_not_refused() {
    let text = around(
        "<Rules/><SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners>\
         <DeniedSigners><DeniedSigner SignerId=\"ID_SIGNER_ITM_4\"/></DeniedSigners></ProductSigners></SigningScenario>\
         </SigningScenarios>",
    );
    let compiled = compile_with_notes(&[read(&text)]).unwrap();
    assert!(
        compiled
            .notes
            .iter()
            .any(|note| note.to_string().contains("ID_SIGNER_ITM_4"))
    );
}

#[test]
fn what_a_supplemental_policy_cannot_do_is_noted() {
    let base = around("<Rules/>");
    let supplemental = base
        .replace("<SiPolicy ", "<SiPolicy PolicyType=\"Supplemental Policy\" ")
        .replace(
            "<PolicyID>",
            "<BasePolicyID>{12345678-1234-1234-1234-123456789012}</BasePolicyID><PolicyID>",
        )
        .replace("<PolicyID>{12345678", "<PolicyID>{87654321");
    let compiled = compile_with_notes(&[read(&base), read(&supplemental)]).unwrap();
    let notes = format!("{:?}", compiled.notes);
    assert!(notes.contains("Enabled:Allow Supplemental Policies"), "{notes}");
    let set = PolicySet::validate(&compiled.bytes).unwrap();
    assert_eq!(
        set.policies()
            .map(|policy| policy.is_supplemental())
            .collect::<Vec<_>>(),
        [false, true]
    );
    assert_eq!(set.policies().next().unwrap().options(), Options(0));
}
