//! Reading SiPolicy XML.

use crate::Document;
use crate::FileRule;
use crate::FileRuleKind;
use crate::FileVersion;
use crate::Guid;
use crate::PolicyKind;
use crate::ReadError;
use crate::error::Place;
use policy::Options;
use roxmltree::Node;
use roxmltree::ParsingOptions;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::str::FromStr;
use std::sync::Arc;

const NAMESPACE: &str = "urn:schemas-microsoft-com:sipolicy";
/// Largest document read, in bytes.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 256 << 20;

/// The option names of the schema and their bits in the binary form.
const OPTIONS: [(&str, u32); 23] = [
    ("Enabled:UMCI", 2),
    ("Enabled:Boot Menu Protection", 3),
    ("Enabled:Intelligent Security Graph Authorization", 4),
    ("Enabled:Invalidate EAs on Reboot", 5),
    ("Required:WHQL", 7),
    ("Enabled:Developer Mode Dynamic Code Trust", 8),
    ("Enabled:Allow Supplemental Policies", 10),
    ("Disabled:Runtime FilePath Rule Protection", 11),
    ("Enabled:Revoked Expired As Unsigned", 13),
    ("Enabled:Audit Mode", 16),
    ("Disabled:Flight Signing", 17),
    ("Enabled:Inherit Default Policy", 18),
    ("Enabled:Unsigned System Integrity Policy", 19),
    ("Enabled:Dynamic Code Security", 20),
    ("Required:EV Signers", 21),
    ("Enabled:Boot Audit On Failure", 22),
    ("Enabled:Advanced Boot Options Menu", 23),
    ("Disabled:Script Enforcement", 24),
    ("Required:Enforce Store Applications", 25),
    ("Enabled:Secure Setting Policy", 26),
    ("Enabled:Managed Installer", 27),
    ("Enabled:Update Policy No Reboot", 28),
    ("Enabled:Conditional Windows Lockdown Policy", 29),
];

/// Reads a SiPolicy document.
pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Document, ReadError> {
    let file: Arc<str> = file.into();
    let start = Place {
        file: Arc::clone(&file),
        line: 1,
        column: 1,
    };
    let fail = |place: Place, message: &str| ReadError {
        place,
        message: message.to_owned(),
    };
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(fail(
            start,
            "the document is larger than 256 MiB; split the policy",
        ));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(fail(start, "the document is not UTF-8; save it as UTF-8"));
    };
    let text = text.trim_start_matches('\u{feff}');
    let tree = roxmltree::Document::parse_with_options(text, ParsingOptions::default()).map_err(|error| {
        let at = error.pos();
        let place = Place {
            file: Arc::clone(&file),
            line: at.row,
            column: at.col,
        };
        fail(place, &format!("not well-formed XML: {error}"))
    })?;
    let reader = Reader {
        lines: LineIndex::new(text),
        file,
    };
    reader.policy(tree.root_element())
}

/// The bytes that a string of hexadecimal digits stands for.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.trim().as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
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

    fn place(&self, at: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self
            .text
            .get(start..at)
            .map_or(0, |before| before.chars().count());
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        (number(line), number(column + 1))
    }
}

struct Reader<'t> {
    file: Arc<str>,
    lines: LineIndex<'t>,
}

impl Reader<'_> {
    fn place(&self, node: Node<'_, '_>) -> Place {
        let (line, column) = self.lines.place(node.range().start);
        Place {
            file: Arc::clone(&self.file),
            line,
            column,
        }
    }

    fn error(&self, node: Node<'_, '_>, message: impl Into<String>) -> ReadError {
        ReadError {
            place: self.place(node),
            message: message.into(),
        }
    }

    fn policy(&self, root: Node<'_, '_>) -> Result<Document, ReadError> {
        let name = root.tag_name();
        if name.name() != "SiPolicy" {
            return Err(self.error(
                root,
                format!(
                    "the root element is <{}>; an App Control policy starts with <SiPolicy xmlns=\"{NAMESPACE}\">",
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
        let mut document = Document {
            place: self.place(root),
            kind: PolicyKind::Base,
            name: root.attribute("FriendlyName").unwrap_or_default().to_owned(),
            info_id: String::new(),
            id: Guid::default(),
            base_id: Guid::default(),
            version: FileVersion::default(),
            options: Options::default(),
            file_rules: Vec::new(),
            kernel_file_rules: Vec::new(),
        };
        document.kind = match root.attribute("PolicyType") {
            None | Some("Base Policy") => PolicyKind::Base,
            Some("Supplemental Policy") => PolicyKind::Supplemental,
            Some(other) => {
                return Err(self.error(
                    root,
                    format!(
                        "PolicyType=\"{other}\" cannot be weighed for kernel images; write \"Base Policy\" or \
                         \"Supplemental Policy\""
                    ),
                ));
            }
        };
        let mut ids = HashMap::new();
        let mut policy_type = None;
        let (mut id, mut base_id) = (None, None);
        // Scenarios refer to rules that may stand after them, for the schema fixes no order.
        let mut scenarios = None;
        for child in elements(root) {
            match child.tag_name().name() {
                "VersionEx" => document.version = self.parse(child, "a version such as 10.0.0.0")?,
                "PolicyTypeID" => policy_type = Some(self.parse(child, "a GUID in braces")?),
                "PolicyID" => id = Some(self.parse(child, "a GUID in braces")?),
                "BasePolicyID" => base_id = Some(self.parse(child, "a GUID in braces")?),
                "Rules" => document.options = self.options(child)?,
                "FileRules" => self.file_rules(child, &mut document.file_rules, &mut ids)?,
                "SigningScenarios" => scenarios = Some(child),
                "Settings" => self.policy_info(child, &mut document),
                "PlatformID" | "HvciOptions" | "UpdatePolicySigners" | "CiSigners" | "Macros" => {}
                "EKUs" | "Signers" if elements(child).next().is_none() => {}
                other => {
                    return Err(self.error(
                        child,
                        format!("<{other}> is not supported yet; only hash rules are"),
                    ));
                }
            }
        }
        // The single-policy form has a PolicyTypeID and no PolicyID.
        document.id = id.or(policy_type).unwrap_or_default();
        document.base_id = base_id.unwrap_or(document.id);
        if document.kind == PolicyKind::Base && document.base_id != document.id {
            return Err(self.error(
                root,
                "a base policy's BasePolicyID must equal its PolicyID; make them equal, or write \
                 PolicyType=\"Supplemental Policy\"",
            ));
        }
        if let Some(scenarios) = scenarios {
            self.scenarios(scenarios, &ids, &mut document.kernel_file_rules)?;
        }
        Ok(document)
    }

    fn parse<T: FromStr>(&self, node: Node<'_, '_>, wanted: &str) -> Result<T, ReadError> {
        let text = node.text().unwrap_or_default().trim();
        text.parse().map_err(|_| {
            let name = node.tag_name().name();
            self.error(node, format!("<{name}> holds \"{text}\"; write {wanted}"))
        })
    }

    fn options(&self, rules: Node<'_, '_>) -> Result<Options, ReadError> {
        let mut options = Options::default();
        for option in elements(rules).flat_map(elements) {
            let text = option.text().unwrap_or_default().trim();
            let bit = OPTIONS.iter().find(|(name, _)| *name == text);
            match bit {
                Some((_, 7)) => {
                    return Err(self.error(option, "Required:WHQL is not supported yet; only hash rules are"));
                }
                Some((_, bit)) => options = options.with(Options(1 << bit)),
                // Stored as a secure setting, not as a bit.
                None if text == "Disabled:Default Windows Certificate Remapping" => {}
                None => {
                    return Err(self.error(
                        option,
                        format!(
                            "\"{text}\" is no policy option; write one of the names of the SiPolicy schema"
                        ),
                    ));
                }
            }
        }
        Ok(options)
    }

    fn file_rules(
        &self,
        rules: Node<'_, '_>,
        found: &mut Vec<FileRule>,
        ids: &mut HashMap<String, usize>,
    ) -> Result<(), ReadError> {
        for rule in elements(rules) {
            let kind = match rule.tag_name().name() {
                "Allow" => FileRuleKind::Allow,
                "Deny" => FileRuleKind::Deny,
                other => {
                    return Err(self.error(
                        rule,
                        format!("<{other}> is not supported yet; only hash rules are"),
                    ));
                }
            };
            let Some(id) = rule.attribute("ID") else {
                return Err(self.error(rule, "the rule has no ID; give it one such as ID_ALLOW_A_1"));
            };
            let Some(hash) = rule.attribute("Hash") else {
                return Err(self.error(
                    rule,
                    format!("rule {id} has no Hash; only hash rules are supported yet"),
                ));
            };
            let hash = hex(hash).filter(|hash| matches!(hash.len(), 20 | 32 | 48 | 64));
            let Some(hash) = hash else {
                return Err(self.error(
                    rule,
                    format!("the Hash of {id} is not one; write 40, 64, 96 or 128 hexadecimal digits"),
                ));
            };
            match ids.entry(id.to_owned()) {
                Entry::Occupied(_) => {
                    return Err(
                        self.error(rule, format!("the ID {id} is used twice; give each rule its own"))
                    );
                }
                Entry::Vacant(entry) => entry.insert(found.len()),
            };
            found.push(FileRule {
                place: self.place(rule),
                kind,
                id: id.to_owned(),
                name: rule.attribute("FriendlyName").unwrap_or_default().to_owned(),
                hash,
            });
        }
        Ok(())
    }

    fn scenarios(
        &self,
        scenarios: Node<'_, '_>,
        ids: &HashMap<String, usize>,
        rules: &mut Vec<usize>,
    ) -> Result<(), ReadError> {
        for scenario in elements(scenarios).filter(|scenario| scenario.attribute("Value") == Some("131")) {
            for group in elements(scenario).filter(|group| group.tag_name().name() == "ProductSigners") {
                for list in elements(group) {
                    if list.tag_name().name() != "FileRulesRef" {
                        if elements(list).next().is_none() {
                            continue;
                        }
                        let name = list.tag_name().name();
                        return Err(self.error(
                            list,
                            format!("<{name}> is not supported yet; only hash rules are"),
                        ));
                    }
                    for reference in elements(list) {
                        let id = reference.attribute("RuleID").unwrap_or_default();
                        let Some(rule) = ids.get(id) else {
                            return Err(self.error(
                                reference,
                                format!("no rule has the ID {id}; correct the RuleID or add the rule"),
                            ));
                        };
                        rules.push(*rule);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes name and id from the settings that App Control shows in its events.
    #[expect(
        clippy::unused_self,
        reason = "stands beside the readers of the other elements"
    )]
    fn policy_info(&self, settings: Node<'_, '_>, document: &mut Document) {
        for setting in elements(settings) {
            if setting.attribute("Provider") != Some("PolicyInfo")
                || setting.attribute("Key") != Some("Information")
            {
                continue;
            }
            let value = elements(setting)
                .flat_map(elements)
                .find_map(|value| value.text())
                .unwrap_or_default()
                .trim();
            match setting.attribute("ValueName") {
                Some("Id") => value.clone_into(&mut document.info_id),
                Some("Name") => value.clone_into(&mut document.name),
                _ => {}
            }
        }
    }
}

fn elements<'a, 't>(node: Node<'a, 't>) -> impl Iterator<Item = Node<'a, 't>> {
    node.children().filter(Node::is_element)
}
