//! A chain that ends in an authority nobody knows: what it leaves out above may be what is denied, where all else that is denied is
//! there, and nothing else may.

use evidence::Certificate;
use evidence::Digests;
use evidence::Ekus;
use evidence::Evidence;
use evidence::Fact;
use evidence::Hash;
use evidence::Identity;
use evidence::Image;
use evidence::Key;
use evidence::Root;
use evidence::Signature;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Version;
use policy::Decision;
use policy::ValidatedSet;
use policy::decide;
use sipolicy::Document;
use sipolicy::compile;
use std::fmt::Write as _;

/// A policy that allows everything but what these signers made: for each its `CertRoot` hash, as one repeated byte, and what follows.
fn denying(signers: impl Iterator<Item = (u8, String)>) -> ValidatedSet<Vec<u8>> {
    let (mut declared, mut denied) = (String::new(), String::new());
    for (at, (byte, more)) in signers.enumerate() {
        let hash = format!("{byte:02X}").repeat(32);
        let _ = write!(
            declared,
            "<Signer ID=\"ID_SIGNER_S{at}\" Name=\"a\"><CertRoot Type=\"TBS\" Value=\"{hash}\"/>{more}</Signer>"
        );
        let _ = write!(denied, "<DeniedSigner SignerId=\"ID_SIGNER_S{at}\"/>");
    }
    let text = format!(
        "<SiPolicy xmlns=\"urn:schemas-microsoft-com:sipolicy\"><VersionEx>1.0.0.0</VersionEx>\
         <PolicyID>{{11111111-1111-1111-1111-111111111111}}</PolicyID><Rules/>\
         <FileRules><Allow ID=\"ID_ALLOW_A\" FileName=\"*\"/>\
         <FileAttrib ID=\"ID_FILEATTRIB_NAME\" FileName=\"driver.sys\"/>\
         <FileAttrib ID=\"ID_FILEATTRIB_ANY\" FileName=\"*\" MaximumFileVersion=\"9.0.0.0\"/></FileRules><Signers>{declared}</Signers>\
         <SigningScenarios><SigningScenario Value=\"131\" ID=\"ID_SIGNINGSCENARIO_K\"><ProductSigners>\
         <DeniedSigners>{denied}</DeniedSigners><FileRulesRef><FileRuleRef RuleID=\"ID_ALLOW_A\"/></FileRulesRef>\
         </ProductSigners></SigningScenario></SigningScenarios></SiPolicy>"
    );
    let document = Document::read("made.xml", text.as_bytes()).unwrap();
    ValidatedSet::new(compile(&[document]).unwrap()).unwrap()
}

fn file_attribute(name: &str) -> String {
    format!("<FileAttribRef RuleID=\"ID_FILEATTRIB_{name}\"/>")
}

fn publisher(name: &str) -> String {
    format!("<CertPublisher Value=\"{name}\"/>")
}

/// Whether a file that "Vendor" signed, under an authority with the TBS hash of `0x0a`, is refused.
fn is_refused(set: &ValidatedSet<Vec<u8>>, identity: Identity) -> bool {
    is_refused_under(set, identity, Root::default())
}

/// The same, where the chain ends in this root.
fn is_refused_under(set: &ValidatedSet<Vec<u8>>, identity: Identity, root: Root) -> bool {
    let chain = [(1, "Vendor", "Authority"), (10, "Authority", "Unknown")].map(|(tbs, subject, issuer)| {
        Certificate {
            subject_cn: Fact::Present(Text::Utf8(subject)),
            issuer_cn: Fact::Present(Text::Utf8(issuer)),
            serial: &[],
            thumbprint_sha1: [0; 20],
            tbs: Fact::Present(Hash::Sha256([tbs; 32])),
            ekus: Ekus(&[]),
            not_before: 0,
            not_after: i64::MAX,
            key: Key::Rsa(2048),
        }
    });
    let signatures = [Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault: None,
        signed_digest: Hash::Sha256([0; 32]),
        digest_valid: true,
        signature_valid: true,
        page_hashes: false,
        identity,
        claimed: &[],
        claimed_roots: 0,
        chain: &chain,
        root,
        oem_id: Fact::Absent,
        more_info_url: Fact::Absent,
        timestamp: Fact::Absent,
    }];
    let evidence = Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant: true,
            size: 4096,
        }),
        digests: Fact::Present(Digests {
            sha1: Some([1; 20]),
            sha256: Some([1; 32]),
            ..Digests::default()
        }),
        version: Fact::Present(Version {
            file_version: Fact::Present(1 << 48),
            original_filename: Fact::Present(Text::Utf8("driver.sys")),
            internal_name: Fact::Absent,
            file_description: Fact::Absent,
            product_name: Fact::Absent,
        }),
        signatures: Fact::Present(&signatures),
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    };
    decide(&set.set(), &evidence).decision == Decision::Refuse
}

#[test]
fn what_an_open_chain_leaves_out_may_be_what_is_denied_where_the_rest_is_there() {
    let one = |byte: u8, more: String| denying(std::iter::once((byte, more)));
    for (signer, claimed, unproven) in [
        // The authority that is there.
        ((10, String::new()), true, true),
        ((10, publisher("Vendor")), true, true),
        ((10, publisher("Somebody Else")), false, true),
        // One that is not: it may stand above, for this vendor.
        ((99, publisher("Vendor")), true, true),
        ((99, publisher("Somebody Else")), false, true),
        ((99, "<CertOemID Value=\"Vendor\"/>".to_owned()), false, true),
        // One whose file this is, by anybody.
        ((99, file_attribute("NAME")), true, true),
        // For nobody in particular: every file of a private authority would be denied.
        ((99, String::new()), false, true),
        ((99, file_attribute("ANY")), false, true),
    ] {
        let set = one(signer.0, signer.1.clone());
        assert_eq!(is_refused(&set, Identity::Claimed), claimed, "{signer:?}");
        assert_eq!(is_refused(&set, Identity::Unproven), unproven, "{signer:?}");
        // A root that signed itself is anybody's; a known one is the end.
        for (known, refused) in [(false, claimed), (true, signer.0 == 10 && claimed)] {
            let root = Root {
                wellknown: None,
                verified: true,
                known,
            };
            assert_eq!(
                is_refused_under(&set, Identity::Proven, root),
                refused,
                "{signer:?}, known: {known}"
            );
        }
    }
}

#[test]
fn very_many_denials_of_others_deny_nobody_else() {
    for count in [100, 6000] {
        let others = denying((0..count).map(|at| (99, publisher(&format!("Somebody {at}")))));
        assert!(!is_refused(&others, Identity::Claimed), "{count}");
        assert!(is_refused(&others, Identity::Unproven), "{count}");
    }
}
