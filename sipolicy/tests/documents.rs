//! XML in and out: it keeps what it can hold, and what is wrong is refused with its place.

use policy::Options;
use policy::PolicySet;
use sipolicy::Document;
use sipolicy::compile;
use sipolicy::compile_with_notes;
use sipolicy::import_loldrivers;

/// A policy with every element and attribute of the schema.
const EVERYTHING: &str = include_str!("everything.xml");

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
    for crowded in [
        "<a>".repeat(300_000) + &"</a>".repeat(300_000),
        format!(
            "<Rules {}/>",
            (0..300_000)
                .map(|at| format!("a{at}=\"\""))
                .collect::<Vec<_>>()
                .join(" ")
        ),
    ] {
        let error = refused(&around(&crowded));
        assert!(
            error.contains("policy.xml:3:") && error.contains("more than 64"),
            "{error}"
        );
    }
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

#[test]
fn comments_and_the_like_inside_an_element_change_nothing() {
    let plain = read(EVERYTHING);
    // In the middle of every text, where a reader of the first piece alone would stop.
    for between in [
        "<!-- was different -->",
        "<?tool note?>",
        "<![CDATA[]]>",
        "<!----><!-- - -->",
    ] {
        let mut pieces = Vec::new();
        let mut texts = 0;
        for (number, part) in EVERYTHING.split('>').enumerate() {
            let (text, rest) = part.split_once('<').unwrap_or((part, ""));
            if number > 0 && !text.trim().is_empty() {
                let middle = text.len() / 2;
                pieces.push(format!("{}{between}{}<{rest}", &text[..middle], &text[middle..]));
                texts += 1;
            } else {
                pieces.push(part.to_owned());
            }
        }
        assert!(texts > 12, "{texts}");
        let document = read(&pieces.join(">"));
        assert_eq!(document.to_xml(), plain.to_xml(), "{between}");
    }
}

#[test]
fn a_document_is_read_in_each_encoding_that_windows_writes() {
    let text = EVERYTHING.replace("All of it", "Alles \u{e4}\u{1f600}");
    let wanted = read(&text).to_xml();
    let wide = |convert: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.replace("encoding=\"utf-8\"", "encoding=\"utf-16\"")
            .encode_utf16()
            .flat_map(convert)
            .collect()
    };
    for bytes in [
        [&[0xef, 0xbb, 0xbf], text.as_bytes()].concat(),
        [&[0xff, 0xfe], wide(u16::to_le_bytes).as_slice()].concat(),
        [&[0xfe, 0xff], wide(u16::to_be_bytes).as_slice()].concat(),
        wide(u16::to_le_bytes),
        wide(u16::to_be_bytes),
    ] {
        let document = Document::read("policy.xml", &bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(document.to_xml(), wanted);
    }
    let mut cut = [&[0xff, 0xfe], wide(u16::to_le_bytes).as_slice()].concat();
    cut.pop();
    let error = Document::read("policy.xml", &cut).unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
}

#[test]
fn lists_in_json_are_read_in_each_encoding_that_windows_writes() {
    let list = "[{\"KnownVulnerableSamples\": [{\"Filename\": \"\u{e4}.sys\", \"Authentihash\": {\"SHA1\": \
                \"0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A\"}}]}]";
    let wide = |convert: fn(u16) -> [u8; 2]| -> Vec<u8> { list.encode_utf16().flat_map(convert).collect() };
    for bytes in [
        [&[0xef, 0xbb, 0xbf], list.as_bytes()].concat(),
        [&[0xff, 0xfe], wide(u16::to_le_bytes).as_slice()].concat(),
        [&[0xfe, 0xff], wide(u16::to_be_bytes).as_slice()].concat(),
        wide(u16::to_le_bytes),
    ] {
        let imported = import_loldrivers("list.json", &bytes).unwrap_or_else(|error| panic!("{error}"));
        let rules = imported.document.file_rules;
        assert!(
            rules
                .iter()
                .any(|rule| rule.friendly_name.as_deref() == Some("\u{e4}.sys Hash SHA1")),
            "{rules:?}"
        );
    }
}
