//! Reading SiPolicy XML.

mod element_writer;
mod file_rules;
mod settings;
mod signers;
mod text;
mod write;

pub(crate) use write::write;

use crate::document::Document;
use crate::document::Note;
use crate::document::PLATFORM;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::document::Reference;
use crate::document::SINGLE_POLICY_TYPE;
use crate::error::Place;
use crate::error::ReadError;
use crate::hex;
use crate::version::FileVersion;
use roxmltree::Node;
use roxmltree::ParsingOptions;
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;
use text::LineIndex;
use text::decode;
use text::is_fragment;

/// The namespace of policies.
pub(crate) const NAMESPACE: &str = "urn:schemas-microsoft-com:sipolicy";
/// Largest document read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// Reads a SiPolicy document.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Document, ReadError> {
    let file: Arc<str> = file.into();
    let fail = |line: u32, column: u32, message: String| ReadError {
        place: Place {
            file: Arc::clone(&file),
            line,
            column,
        },
        message,
    };
    if bytes.len() > MAX_DOCUMENT_BYTES {
        let message = format!(
            "the document has {} MiB; {} MiB are read at most: split the policy",
            bytes.len() >> 20,
            MAX_DOCUMENT_BYTES >> 20
        );
        return Err(fail(1, 1, message));
    }
    let decoded =
        decode(bytes).ok_or_else(|| fail(1, 1, "the document is not UTF-8; save it as UTF-8".to_owned()))?;
    let text = decoded.trim_start_matches('\u{feff}');
    let tree = roxmltree::Document::parse_with_options(text, ParsingOptions::default()).map_err(|error| {
        let at = error.pos();
        let message = match error {
            roxmltree::Error::DtdDetected => {
                "the document has a document type definition; policies have none: remove it".to_owned()
            }
            _ if is_fragment(text) => format!(
                "something stands beside the first element, where a document has one root: put the parts of a \
                 policy inside <SiPolicy xmlns=\"{NAMESPACE}\"> and </SiPolicy>, and nothing after them"
            ),
            other => format!("not well-formed XML: {other}"),
        };
        fail(at.row, at.col, message)
    })?;
    let mut reader = Reader {
        lines: LineIndex::new(text),
        document: Document {
            file: Arc::clone(&file),
            ..Document::default()
        },
        ids: HashSet::new(),
    };
    reader.policy(tree.root_element())?;
    Ok(reader.document)
}

struct Reader<'t> {
    lines: LineIndex<'t>,
    document: Document,
    /// Ids used so far; they are unique over all elements.
    ids: HashSet<String>,
}

type Element<'a, 't> = Node<'a, 't>;

impl Reader<'_> {
    fn position(&self, node: Element<'_, '_>) -> Position {
        self.lines.position(node.range().start)
    }

    fn error(&self, node: Element<'_, '_>, message: impl Into<String>) -> ReadError {
        ReadError {
            place: self.document.place(self.position(node)),
            message: message.into(),
        }
    }

    fn note(&mut self, node: Element<'_, '_>, message: impl Into<String>) {
        let position = self.position(node);
        self.document.notes.push(Note {
            position,
            message: message.into(),
        });
    }

    fn unknown_element(&mut self, node: Element<'_, '_>) {
        let name = node.tag_name().name().to_owned();
        self.note(
            node,
            format!("<{name}> is not in the schema here; it was left out"),
        );
    }

    fn unknown_attribute(&mut self, node: Element<'_, '_>, attribute: &str) {
        let name = node.tag_name().name().to_owned();
        self.note(
            node,
            format!("{attribute} is not an attribute of <{name}>; it was left out"),
        );
    }

    /// Reports attributes other than these.
    fn only_attributes(&mut self, node: Element<'_, '_>, known: &[&str]) {
        for attribute in node.attributes() {
            if !known.contains(&attribute.name()) && attribute.namespace().is_none() {
                self.unknown_attribute(node, attribute.name());
            }
        }
    }

    fn policy(&mut self, root: Element<'_, '_>) -> Result<(), ReadError> {
        let name = root.tag_name();
        if name.name() != "SiPolicy" {
            return Err(self.error(
                root,
                format!(
                    "the root element is <{}>; an App Control policy starts with <SiPolicy xmlns=\"{NAMESPACE}\">: put \
                     parts of a policy inside it",
                    name.name()
                ),
            ));
        }
        if name.namespace() != Some(NAMESPACE) {
            return Err(self.error(
                root,
                format!("<SiPolicy> is not in the App Control namespace; write xmlns=\"{NAMESPACE}\""),
            ));
        }
        self.only_attributes(root, &["FriendlyName", "PolicyType"]);
        self.document.position = self.position(root);
        self.document.friendly_name = root.attribute("FriendlyName").map(str::to_owned);
        self.document.kind = match root.attribute("PolicyType") {
            None => PolicyKind::Base,
            Some(text) => [
                PolicyKind::Base,
                PolicyKind::Supplemental,
                PolicyKind::AppIdTagging,
            ]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| {
                self.error(
                    root,
                    format!(
                        "\"{text}\" is no PolicyType; write \"Base Policy\", \"Supplemental Policy\" or \"AppID \
                         Tagging Policy\""
                    ),
                )
            })?,
        };
        let mut seen = HashSet::new();
        for child in elements(root) {
            let name = child.tag_name().name();
            if !seen.insert(name) {
                return Err(self.error(
                    child,
                    format!("<{name}> stands here a second time; put its content into the first"),
                ));
            }
            self.part(child, name)?;
        }
        self.assume(root, &seen);
        self.check_ids(root)
    }

    fn part(&mut self, child: Element<'_, '_>, name: &str) -> Result<(), ReadError> {
        match name {
            "VersionEx" => self.document.version = self.parse(child, "a version such as 10.0.0.0")?,
            "PolicyTypeID" => self.document.policy_type_id = Some(self.parse(child, "a GUID in braces")?),
            "PlatformID" => self.document.platform_id = Some(self.parse(child, "a GUID in braces")?),
            "PolicyID" => self.document.policy_id = Some(self.parse(child, "a GUID in braces")?),
            "BasePolicyID" => self.document.base_policy_id = Some(self.parse(child, "a GUID in braces")?),
            "Rules" => self.options(child)?,
            "EKUs" => self.ekus(child)?,
            "FileRules" => self.file_rules(child)?,
            "ArtifactRules" => self.artifact_rules(child)?,
            "Signers" => self.signers(child)?,
            "SigningScenarios" => self.scenarios(child)?,
            "UpdatePolicySigners" => {
                self.document.update_policy_signers =
                    self.references(child, "UpdatePolicySigner", "SignerId")?;
            }
            "CiSigners" => self.document.ci_signers = self.references(child, "CiSigner", "SignerId")?,
            "SupplementalPolicySigners" => {
                self.document.supplemental_policy_signers =
                    self.references(child, "SupplementalPolicySigner", "SignerId")?;
            }
            "HvciOptions" => self.document.hvci_options = Some(self.parse(child, "a number")?),
            "Settings" => self.settings(child)?,
            "Macros" => self.macros(child)?,
            "AppSettings" => self.app_settings(child),
            _ => self.unknown_element(child),
        }
        Ok(())
    }

    /// Says what is assumed for the elements that the schema requires and the document lacks.
    fn assume(&mut self, root: Element<'_, '_>, seen: &HashSet<&str>) {
        if !seen.contains("VersionEx") {
            self.note(root, "there is no <VersionEx>; 0.0.0.0 is assumed");
        }
        if !seen.contains("PlatformID") {
            self.note(root, format!("there is no <PlatformID>; {PLATFORM} is assumed"));
            self.document.platform_id = PLATFORM.parse().ok();
        }
        if !seen.contains("Rules") {
            self.note(root, "there are no <Rules>; no option is assumed to be set");
        }
        if !seen.contains("PolicyID") && !seen.contains("PolicyTypeID") {
            self.note(
                root,
                format!("there is neither <PolicyID> nor <PolicyTypeID>; PolicyTypeID {SINGLE_POLICY_TYPE} is assumed"),
            );
            self.document.policy_type_id = SINGLE_POLICY_TYPE.parse().ok();
        }
    }

    fn check_ids(&self, root: Element<'_, '_>) -> Result<(), ReadError> {
        let same = self.document.base_id() == self.document.id();
        match self.document.kind {
            PolicyKind::Base if !same => Err(self.error(
                root,
                "a base policy's BasePolicyID must equal its PolicyID; make them equal, or write \
                 PolicyType=\"Supplemental Policy\"",
            )),
            PolicyKind::Supplemental if same => Err(self.error(
                root,
                "a supplemental policy's BasePolicyID must name the policy it extends; write that policy's PolicyID",
            )),
            _ => Ok(()),
        }
    }

    fn parse<T: FromStr>(&self, node: Element<'_, '_>, wanted: &str) -> Result<T, ReadError> {
        let text = node.text().unwrap_or_default().trim();
        text.parse().map_err(|_| {
            let name = node.tag_name().name();
            self.error(node, format!("<{name}> holds \"{text}\"; write {wanted}"))
        })
    }

    fn hex(&self, node: Element<'_, '_>, attribute: &str, text: &str) -> Result<Vec<u8>, ReadError> {
        hex::decode(text).ok_or_else(|| {
            self.error(
                node,
                format!("{attribute} holds \"{text}\"; write pairs of hexadecimal digits"),
            )
        })
    }

    fn number(&self, node: Element<'_, '_>, attribute: &str, text: &str) -> Result<u32, ReadError> {
        text.trim().parse().map_err(|_| {
            self.error(
                node,
                format!("{attribute} holds \"{text}\"; write a number below 4294967296"),
            )
        })
    }

    fn version(&self, node: Element<'_, '_>, attribute: &str, text: &str) -> Result<FileVersion, ReadError> {
        text.parse().map_err(|()| {
            self.error(
                node,
                format!("{attribute} holds \"{text}\"; write four numbers up to 65535, as in 10.0.0.0"),
            )
        })
    }

    /// The value of an attribute that must be there.
    fn required<'a>(&self, node: Element<'a, '_>, attribute: &str) -> Result<&'a str, ReadError> {
        node.attribute(attribute).ok_or_else(|| {
            let name = node.tag_name().name();
            self.error(node, format!("<{name}> has no {attribute}; add it"))
        })
    }

    /// Takes an id, which no other element may have.
    fn id(&mut self, node: Element<'_, '_>) -> Result<String, ReadError> {
        let id = self.required(node, "ID")?.to_owned();
        if !self.ids.insert(id.clone()) {
            return Err(self.error(
                node,
                format!("the ID {id} is used twice; give each element its own"),
            ));
        }
        Ok(id)
    }

    fn references(
        &mut self,
        list: Element<'_, '_>,
        element: &str,
        attribute: &str,
    ) -> Result<Vec<Reference>, ReadError> {
        let mut found = Vec::new();
        for child in elements(list) {
            if child.tag_name().name() != element {
                self.unknown_element(child);
                continue;
            }
            found.push(self.reference(child, attribute)?);
        }
        Ok(found)
    }

    fn reference(&mut self, node: Element<'_, '_>, attribute: &str) -> Result<Reference, ReadError> {
        // Articles on the web write SignerID for SignerId.
        let variant = node
            .attributes()
            .find(|found| found.name() != attribute && found.name().eq_ignore_ascii_case(attribute));
        let id = if let Some(variant) = variant {
            let message = format!("{} was read as {attribute}; write {attribute}", variant.name());
            self.note(node, message);
            variant.value()
        } else {
            self.required(node, attribute)?
        };
        Ok(Reference {
            position: self.position(node),
            id: id.to_owned(),
        })
    }
}

/// The child elements.
fn elements<'a, 't>(node: Element<'a, 't>) -> impl Iterator<Item = Element<'a, 't>> {
    node.children().filter(Node::is_element)
}
