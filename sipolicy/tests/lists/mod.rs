//! Policies of the model read from XML, and files from a list in LOLDrivers' form: by their own, plain reading, which shares
//! nothing with the one that is tested.

use crate::model::policies::EKUS;
use crate::model::policies::Kind;
use crate::model::policies::Policy;
use crate::model::policies::Root;
use crate::model::policies::Rule;
use crate::model::policies::Signer;
use crate::model::policies::Use;
use evidence::Certificate;
use evidence::Digests;
use evidence::Ekus;
use evidence::Evidence;
use evidence::Fact;
use evidence::Hash;
use evidence::Identity;
use evidence::Image;
use evidence::Key;
use evidence::Root as CertificateRoot;
use evidence::Signature;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Version;
use roxmltree::Node;
use serde_json::Value;

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal"))
        .collect()
}

/// A version as its four numbers; what follows a number that is cut short by other text does not count.
fn version_of(text: &str) -> u64 {
    let mut parts = text.split(['.', ',']).map(|part| {
        let digits: String = part.trim().chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u16>().unwrap_or(0)
    });
    (0..4).fold(0, |version, _| {
        version << 16 | u64::from(parts.next().unwrap_or(0))
    })
}

fn leak(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn rule(node: Node<'_, '_>) -> Rule {
    let name = |attribute| node.attribute(attribute).map(leak);
    let version = |attribute| node.attribute(attribute).map(version_of);
    Rule {
        id: node.attribute("ID").expect("an id").to_owned(),
        kind: match node.tag_name().name() {
            "Allow" => Kind::Allow,
            "Deny" => Kind::Deny,
            "FileAttrib" => Kind::Attribute,
            other => panic!("a file rule {other}"),
        },
        hash: node.attribute("Hash").map(bytes_of),
        names: ["FileName", "InternalName", "FileDescription", "ProductName"].map(name),
        min: version("MinimumFileVersion"),
        max: version("MaximumFileVersion"),
        path: node.has_attribute("FilePath"),
    }
}

fn signer(node: Node<'_, '_>, rules: &[Rule]) -> Signer {
    let child = |name: &str| {
        node.children()
            .find(|child| child.has_tag_name(("urn:schemas-microsoft-com:sipolicy", name)))
    };
    let value = |name: &str| child(name).and_then(|child| child.attribute("Value")).map(leak);
    let root = child("CertRoot").expect("a root");
    let bytes = bytes_of(root.attribute("Value").expect("a value"));
    Signer {
        id: node.attribute("ID").expect("an id").to_owned(),
        root: match root.attribute("Type") {
            Some("TBS") => Root::Tbs(bytes),
            _ => Root::Wellknown(bytes[0]),
        },
        publisher: value("CertPublisher"),
        issuer: value("CertIssuer"),
        oem: value("CertOemID"),
        ekus: node
            .children()
            .filter(|child| child.tag_name().name() == "CertEKU")
            .map(|child| {
                let id = child.attribute("ID").expect("an id");
                EKUS.iter()
                    .position(|(known, _)| *known == id)
                    .expect("a known EKU")
            })
            .collect(),
        except_ekus: vec![],
        signed_after: None,
        attributes: node
            .children()
            .filter(|child| child.tag_name().name() == "FileAttribRef")
            .map(|child| rule_at(rules, child.attribute("RuleID")))
            .collect(),
    }
}

fn rule_at(rules: &[Rule], id: Option<&str>) -> usize {
    rules
        .iter()
        .position(|rule| Some(rule.id.as_str()) == id)
        .expect("a rule of this id")
}

/// Reads a base policy. It may deny signers that are not there, as Microsoft's own list does.
pub fn policy(xml: &str) -> Policy {
    let document = roxmltree::Document::parse(xml).expect("XML");
    let all = |name: &'static str| {
        document
            .descendants()
            .filter(move |node| node.tag_name().name() == name)
    };
    let option = |name: &str| all("Option").any(|node| node.text() == Some(name));
    let rules: Vec<Rule> = all("FileRules")
        .flat_map(|node| node.children())
        .filter(Node::is_element)
        .map(rule)
        .collect();
    let signers: Vec<Signer> = all("Signer").map(|node| signer(node, &rules)).collect();
    let kernel = all("SigningScenario")
        .find(|node| node.attribute("Value") == Some("131"))
        .expect("scenario 131");
    let within = |name: &'static str| {
        kernel
            .descendants()
            .filter(move |node| node.tag_name().name() == name)
    };
    let uses = |name, deny| {
        within(name).filter_map(move |node| {
            assert!(
                !node.has_children() || node.children().all(|child| !child.is_element()),
                "exceptions are not read"
            );
            Some((node.attribute("SignerId")?, deny))
        })
    };
    let uses = uses("AllowedSigner", false)
        .chain(uses("DeniedSigner", true))
        .filter_map(|(id, deny)| {
            let signer = signers.iter().position(|signer| signer.id == id)?;
            Some(Use {
                deny,
                signer,
                exceptions: vec![],
            })
        })
        .collect();
    let direct = within("FileRuleRef")
        .map(|node| rule_at(&rules, node.attribute("RuleID")))
        .collect();
    Policy {
        number: 0,
        order: 0,
        extends: None,
        audit: option("Enabled:Audit Mode"),
        allows_supplementals: option("Enabled:Allow Supplemental Policies"),
        requires_whql: option("Required:WHQL"),
        flight_disabled: option("Disabled:Flight Signing"),
        minimum: None,
        rules,
        direct,
        signers,
        uses,
    }
}

/// A text of an object under any of these names; `None` where it is empty.
fn text<'v>(value: &'v Value, names: &[&str]) -> Option<&'v str> {
    let found = names.iter().find_map(|name| value.get(name))?.as_str()?.trim();
    (!found.is_empty()).then_some(found)
}

fn list<'v>(value: &'v Value, names: &[&str]) -> &'v [Value] {
    let found = names.iter().find_map(|name| value.get(name)?.as_array());
    found.map_or(&[], Vec::as_slice)
}

fn digest<const N: usize>(value: Option<&Value>, name: &str) -> Option<[u8; N]> {
    bytes_of(value?.get(name)?.as_str()?).try_into().ok()
}

fn certificate(value: &Value) -> Certificate<'static> {
    let tbs = value.get("TBS").or_else(|| value.get("tbs"));
    let hash = match text(value, &["SignatureAlgorithmOID", "sigalg"]) {
        Some("1.2.840.113549.1.1.5" | "1.3.14.3.2.29") => digest(tbs, "SHA1").map(Hash::Sha1),
        Some("1.2.840.113549.1.1.11") => digest(tbs, "SHA256").map(Hash::Sha256),
        Some("1.2.840.113549.1.1.12") => digest(tbs, "SHA384").map(Hash::Sha384),
        _ => None,
    };
    // Names hold commas too; what follows one is the next part of the subject if it has a name of its own.
    let subject = text(value, &["Subject", "subject"]).and_then(|subject| subject.rsplit_once("CN="));
    let subject_cn = subject.map_or(Fact::Absent, |(_, rest)| {
        let parts = rest.split(", ").enumerate();
        let own: Vec<&str> = parts
            .take_while(|(at, part)| *at == 0 || !part.contains('='))
            .map(|(_, part)| part)
            .collect();
        Fact::Present(Text::Utf8(leak(&own.join(", "))))
    });
    Certificate {
        subject_cn,
        issuer_cn: Fact::Absent,
        serial: &[],
        thumbprint_sha1: [0; 20],
        tbs: hash.map_or(Fact::Absent, Fact::Present),
        ekus: Ekus::default(),
        not_before: 0,
        not_after: i64::MAX,
        key: Key::Rsa(2048),
    }
}

/// A signature of a list, taken to be valid, with all its certificates, the leaf first.
fn signature(value: &Value) -> Signature<'static> {
    let certificates = list(value, &["Certificates", "certs"]);
    let serial = |value: &Value| text(value, &["SerialNumber", "serial"]).map(str::to_lowercase);
    let signer = list(value, &["Signer", "signer"]).first().and_then(serial);
    let (leaf, others): (Vec<&Value>, Vec<&Value>) = certificates
        .iter()
        .partition(|value| signer.is_some() && serial(value) == signer);
    let chain: Vec<Certificate<'static>> = leaf.into_iter().chain(others).map(certificate).collect();
    Signature {
        source: SignatureSource::Embedded,
        catalog: None,
        fault: None,
        signed_digest: Hash::Sha256([7; 32]),
        digest_valid: true,
        signature_valid: true,
        page_hashes: false,
        identity: Identity::Proven,
        claimed: &[],
        claimed_roots: 0,
        chain: chain.leak(),
        root: CertificateRoot::default(),
        oem_id: Fact::Absent,
        more_info_url: Fact::Absent,
        timestamp: Fact::Absent,
    }
}

/// The samples of a list in LOLDrivers' published or condensed form as files: what the list tells of each.
pub fn drivers(json: &[u8]) -> Vec<Evidence<'static>> {
    let entries: Vec<Value> = serde_json::from_slice(json).expect("JSON");
    entries
        .iter()
        .flat_map(|entry| list(entry, &["KnownVulnerableSamples", "samples"]))
        .map(driver)
        .collect()
}

fn driver(sample: &Value) -> Evidence<'static> {
    let name = |names: &[&str]| {
        text(sample, names).map_or(Fact::Absent, |name| Fact::Present(Text::Utf8(leak(name))))
    };
    let version = Version {
        file_version: Fact::Present(text(sample, &["FileVersion", "file_version"]).map_or(0, version_of)),
        original_filename: name(&["OriginalFilename", "original"]),
        internal_name: name(&["InternalName", "internal"]),
        file_description: name(&["Description", "desc"]),
        product_name: name(&["Product", "product"]),
    };
    let described = version.file_version != Fact::Present(0)
        || [
            version.original_filename,
            version.internal_name,
            version.file_description,
            version.product_name,
        ]
        .iter()
        .any(|name| name.present().is_some());
    let image = sample.get("Authentihash").or_else(|| sample.get("authentihash"));
    let signatures: Vec<Signature<'static>> = list(sample, &["Signatures", "sigs"])
        .iter()
        .map(signature)
        .collect();
    Evidence {
        image: Fact::Present(Image {
            machine: 0x8664,
            subsystem: 1,
            characteristics: 0x22,
            conformant: true,
            size: 1 << 16,
        }),
        digests: Fact::Present(Digests {
            sha1: digest(image, "SHA1"),
            sha256: digest(image, "SHA256"),
            ..Digests::default()
        }),
        version: if described {
            Fact::Present(version)
        } else {
            Fact::Absent
        },
        signatures: Fact::Present(signatures.leak()),
        more_signatures: None,
        extra_bytes: 0,
        weighed_at: None,
    }
}
