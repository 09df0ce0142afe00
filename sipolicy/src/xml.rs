//! Reading SiPolicy XML.

mod element_writer;
mod file_rules;
mod schema;
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
use crate::encoding;
use crate::error::Place;
use crate::error::ReadError;
use crate::hex;
use crate::version::FileVersion;
use roxmltree::Node;
use roxmltree::ParsingOptions;
use schema::Faults;
use schema::quoted;
use std::borrow::Cow;
use std::collections::HashSet;
use std::str::FromStr;
use std::sync::Arc;
use text::LineIndex;
use text::MAX_CROWD;
use text::crowd;
use text::foreign_encoding;
use text::is_fragment;

/// The namespace of policies.
pub(crate) const NAMESPACE: &str = "urn:schemas-microsoft-com:sipolicy";
/// Of so many faults beside the first the place is told.
const MAX_PLACES: usize = 8;
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
    let decoded = encoding::decode(bytes).map_err(|problem| fail(1, 1, problem.to_owned()))?;
    let text = &*decoded;
    if let Some(name) = foreign_encoding(text) {
        let message = format!(
            "the document says that it is {}, which is not read; save it as UTF-8",
            quoted(name)
        );
        return Err(fail(1, 1, message));
    }
    let lines = LineIndex::new(text);
    if let Some(at) = crowd(text) {
        let Position { line, column } = lines.position(at);
        let message = format!(
            "an element has more than {MAX_CROWD} attributes, or stands that deep in others; policies have no such elements"
        );
        return Err(fail(line, column, message));
    }
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
        lines,
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
        self.keep_to_the_schema(root)?;
        self.document.position = self.position(root);
        self.document.friendly_name = root.attribute("FriendlyName").map(str::to_owned);
        self.document.kind = [PolicyKind::Supplemental, PolicyKind::AppIdTagging]
            .into_iter()
            .find(|kind| root.attribute("PolicyType") == Some(kind.name()))
            .unwrap_or_default();
        for child in elements(root) {
            self.part(child)?;
        }
        self.assume(root);
        self.check_ids(root)
    }

    fn part(&mut self, child: Element<'_, '_>) -> Result<(), ReadError> {
        match child.tag_name().name() {
            "VersionEx" => self.document.version = self.parse(child, "a version such as 10.0.0.0")?,
            "PolicyTypeID" => self.document.policy_type_id = Some(self.parse(child, "a GUID in braces")?),
            "PlatformID" => self.document.platform_id = Some(self.parse(child, "a GUID in braces")?),
            "PolicyID" => self.document.policy_id = Some(self.parse(child, "a GUID in braces")?),
            "BasePolicyID" => self.document.base_policy_id = Some(self.parse(child, "a GUID in braces")?),
            "Rules" => self.options(child),
            "EKUs" => self.ekus(child)?,
            "FileRules" => self.file_rules(child)?,
            "ArtifactRules" => self.artifact_rules(child)?,
            "Signers" => self.signers(child)?,
            "SigningScenarios" => self.scenarios(child)?,
            "UpdatePolicySigners" => {
                self.document.update_policy_signers = self.references(child, "SignerId")?;
            }
            "CiSigners" => self.document.ci_signers = self.references(child, "SignerId")?,
            "SupplementalPolicySigners" => {
                self.document.supplemental_policy_signers = self.references(child, "SignerId")?;
            }
            "HvciOptions" => {
                self.document.hvci_options = Some(self.number(child, "HvciOptions", &text_of(child))?);
            }
            "Settings" => self.settings(child)?,
            "Macros" => self.macros(child)?,
            "AppSettings" => self.app_settings(child),
            _ => {}
        }
        Ok(())
    }

    /// Says what is assumed for what the document lacks.
    fn assume(&mut self, root: Element<'_, '_>) {
        if self.document.platform_id.is_none() {
            self.document.platform_id = PLATFORM.parse().ok();
        }
        if self.document.policy_id.is_none() && self.document.policy_type_id.is_none() {
            self.note(
                root,
                format!("there is neither <PolicyID> nor <PolicyTypeID>; PolicyTypeID {SINGLE_POLICY_TYPE} is assumed"),
            );
            self.document.policy_type_id = SINGLE_POLICY_TYPE.parse().ok();
        }
    }

    /// Refuses what the schema forbids, but for what articles on the web leave out or add.
    fn keep_to_the_schema(&mut self, root: Element<'_, '_>) -> Result<(), ReadError> {
        let Faults {
            mut refused,
            understood,
            untold,
        } = schema::check(root, &self.lines);
        if refused.is_empty() {
            self.document.forbidden = understood;
            if untold > 0 {
                let position = self.position(root);
                let message = format!("there are {untold} more places of the kind");
                self.document.forbidden.push(Note { position, message });
            }
            self.document.notes.clone_from(&self.document.forbidden);
            return Ok(());
        }
        let first = refused.remove(0);
        let more = refused.len() + untold;
        let message = if more == 0 {
            first.message
        } else {
            let places: Vec<String> = refused
                .iter()
                .take(MAX_PLACES)
                .map(|fault| format!("{}:{}", fault.position.line, fault.position.column))
                .collect();
            let rest = if more > places.len() { " and on" } else { "" };
            let (first, places) = (first.message, places.join(", "));
            format!("{first} (the schema forbids {more} more: at {places}{rest})")
        };
        Err(ReadError {
            place: self.document.place(first.position),
            message,
        })
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
        let text = text_of(node);
        text.parse().map_err(|_| {
            let name = node.tag_name().name();
            self.error(node, format!("<{name}> holds {}; write {wanted}", quoted(&text)))
        })
    }

    fn hex(&self, node: Element<'_, '_>, attribute: &str, text: &str) -> Result<Vec<u8>, ReadError> {
        hex::decode(text).ok_or_else(|| {
            let message = format!(
                "{attribute} holds {}; write pairs of hexadecimal digits",
                quoted(text)
            );
            self.error(node, message)
        })
    }

    fn number<T: TryFrom<u64>>(
        &self,
        node: Element<'_, '_>,
        attribute: &str,
        text: &str,
    ) -> Result<T, ReadError> {
        let number = schema::number(text).and_then(|number| number.try_into().ok());
        number.ok_or_else(|| {
            self.error(
                node,
                format!("{attribute} holds {}; write a number", quoted(text)),
            )
        })
    }

    fn version(&self, node: Element<'_, '_>, attribute: &str, text: &str) -> Result<FileVersion, ReadError> {
        text.parse().map_err(|()| {
            let message = format!(
                "{attribute} holds {}; write four numbers up to 65535, as in 10.0.0.0",
                quoted(text)
            );
            self.error(node, message)
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
            let message = format!("the ID {} is used twice; give each element its own", quoted(&id));
            return Err(self.error(node, message));
        }
        Ok(id)
    }

    fn references(&self, list: Element<'_, '_>, attribute: &str) -> Result<Vec<Reference>, ReadError> {
        elements(list)
            .map(|child| self.reference(child, attribute))
            .collect()
    }

    fn reference(&self, node: Element<'_, '_>, attribute: &str) -> Result<Reference, ReadError> {
        let id = match schema::variant(node, attribute) {
            Some((_, id)) => id,
            None => self.required(node, attribute)?,
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

/// The text of an element: all of it, whatever comments stand in between.
fn text_of<'a>(node: Element<'a, '_>) -> Cow<'a, str> {
    let mut parts = node
        .children()
        .filter(Node::is_text)
        .filter_map(|child| child.text());
    let first = parts.next().unwrap_or_default();
    parts.fold(Cow::Borrowed(first), |all, part| all + part)
}
