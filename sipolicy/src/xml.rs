//! Reading SiPolicy XML.

mod parts;
mod write;

pub(crate) use write::write;

use crate::Document;
use crate::PolicyKind;
use crate::ReadError;
use crate::document::AppSettings;
use crate::document::Note;
use crate::document::PLATFORM;
use crate::document::Position;
use crate::document::Reference;
use crate::document::SINGLE_POLICY_TYPE;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::error::Place;
use crate::hex;
use crate::options::CERTIFICATE_REMAPPING;
use crate::options::OPTIONS;
use policy::Options;
use roxmltree::Node;
use roxmltree::ParsingOptions;
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;

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

/// Whether a text that is no document would be one inside a root element: parts of a policy, or a policy with text after it.
fn is_fragment(text: &str) -> bool {
    let declared = text.trim_start().strip_prefix("<?xml");
    let body = declared
        .and_then(|rest| Some(rest.split_once("?>")?.1))
        .unwrap_or(text);
    let wrapped = format!("<fragment>{body}</fragment>");
    body.trim_start().starts_with('<') && roxmltree::Document::parse(&wrapped).is_ok()
}

/// The text of a document in UTF-8, or in UTF-16 with a byte order mark, as PowerShell writes it.
fn decode(bytes: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    let wide = |convert: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().copied().map(convert);
        char::decode_utf16(units)
            .collect::<Result<String, _>>()
            .ok()
            .map(Into::into)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => std::str::from_utf8(bytes).ok().map(Into::into),
    }
}

/// Finds line and column of a byte without walking the text from its start each time.
struct LineIndex<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineIndex<'t> {
    fn new(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start..at).unwrap_or_default();
        // Documents written on one line would make this quadratic.
        let column = if before.len() > 4096 {
            before.len()
        } else {
            before.chars().count()
        };
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            column: number(column + 1),
        }
    }
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

    fn options(&mut self, rules: Element<'_, '_>) -> Result<(), ReadError> {
        for rule in elements(rules) {
            for option in elements(rule) {
                if option.tag_name().name() != "Option" {
                    self.unknown_element(option);
                    continue;
                }
                let text = option.text().unwrap_or_default().trim();
                if let Some(known) = OPTIONS.iter().find(|known| known.name == text) {
                    let bit = Options(1 << known.bit);
                    if self.document.options.contains(bit) {
                        self.note(option, format!("{text} is set a second time; once is enough"));
                    }
                    self.document.options = self.document.options.with(bit);
                } else if text == CERTIFICATE_REMAPPING || text == "Allowed:Debug Policy Augmented" {
                    self.document.other_options.push(text.to_owned());
                } else {
                    let near = OPTIONS.iter().find(|known| squeeze(known.name) == squeeze(text));
                    let hint = near.map_or("one of the names of the SiPolicy schema", |known| known.name);
                    return Err(self.error(option, format!("\"{text}\" is no policy option; write {hint}")));
                }
            }
        }
        Ok(())
    }

    fn settings(&mut self, settings: Element<'_, '_>) -> Result<(), ReadError> {
        for setting in elements(settings) {
            if setting.tag_name().name() != "Setting" {
                self.unknown_element(setting);
                continue;
            }
            self.only_attributes(setting, &["Provider", "Key", "ValueName"]);
            let value = elements(setting)
                .find(|child| child.tag_name().name() == "Value")
                .and_then(|value| elements(value).next());
            let Some(value) = value else {
                return Err(self.error(
                    setting,
                    "the setting has no value; write <Value><String>...</String></Value> or another kind",
                ));
            };
            let text = value.text().unwrap_or_default();
            let value = match value.tag_name().name() {
                "Boolean" => match text.trim() {
                    "true" | "1" => SettingValue::Boolean(true),
                    "false" | "0" => SettingValue::Boolean(false),
                    _ => {
                        return Err(
                            self.error(value, format!("\"{text}\" is no Boolean; write true or false"))
                        );
                    }
                },
                "DWord" => SettingValue::DWord(self.parse(value, "a number below 4294967296")?),
                "Binary" => SettingValue::Binary(hex::decode(text).ok_or_else(|| {
                    self.error(
                        value,
                        "the binary value is not hexadecimal; write pairs of digits",
                    )
                })?),
                "String" => SettingValue::String(text.to_owned()),
                other => {
                    let message =
                        format!("<{other}> is no kind of value; write Boolean, DWord, Binary or String");
                    return Err(self.error(value, message));
                }
            };
            let setting = Setting {
                provider: self.required(setting, "Provider")?.to_owned(),
                key: self.required(setting, "Key")?.to_owned(),
                value_name: self.required(setting, "ValueName")?.to_owned(),
                value,
            };
            self.document.settings.push(setting);
        }
        Ok(())
    }

    fn macros(&mut self, macros: Element<'_, '_>) -> Result<(), ReadError> {
        for child in elements(macros) {
            let id = self.required(child, "Id")?.to_owned();
            let value = self.required(child, "Value")?.to_owned();
            if self.document.macros.iter().any(|(other, _)| *other == id) {
                return Err(self.error(child, format!("the macro {id} is defined twice; leave one out")));
            }
            self.document.macros.push((id, value));
        }
        Ok(())
    }

    fn app_settings(&mut self, settings: Element<'_, '_>) {
        for app in elements(settings) {
            let settings = elements(app)
                .map(|setting| {
                    let values = elements(setting)
                        .map(|value| value.text().unwrap_or_default().to_owned())
                        .collect();
                    (setting.attribute("Name").map(str::to_owned), values)
                })
                .collect();
            self.document.app_settings.push(AppSettings {
                manifest: app.attribute("Manifest").unwrap_or_default().to_owned(),
                settings,
            });
        }
    }
}

/// The child elements.
fn elements<'a, 't>(node: Element<'a, 't>) -> impl Iterator<Item = Element<'a, 't>> {
    node.children().filter(Node::is_element)
}

/// A name without blanks and case, to find the one that was meant.
fn squeeze(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_ascii_lowercase())
        .collect()
}
