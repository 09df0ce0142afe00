//! Whether a document keeps to Microsoft's schema of policies: which elements stand where, in what order and number, with which
//! attributes, and what these hold. Microsoft's compiler refuses what does not.
//!
//! Refused here is whatever reading would have to leave out, or could take in two senses: it would lose rules or turn them round.
//! The rest, such as the form of ids and the order of elements, leaves no doubt about what is meant: it is told, and an error of
//! `lint`, but does not hinder reading.

#[cfg(test)]
mod differential;
mod grammar;
mod values;

pub(super) use values::boolean;
pub(super) use values::number;
pub(super) use values::trim;

use super::NAMESPACE;
use super::elements;
use super::text::LineIndex;
use super::text_of;
use crate::document::Note;
use grammar::Child;
use grammar::Content;
use grammar::Element;
use grammar::Leniency;
use roxmltree::Node;
use values::Value;

/// The namespace of the attributes that any document may have, such as the place of its schema.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// As many faults are told in words; the rest is counted.
const MAX_TOLD: usize = 1000;
/// Longest value read, in characters: longer ones are in no path and no version resource of Windows.
const MAX_VALUE: usize = 32_767;
/// So much of a text is shown, in characters.
const MAX_QUOTED: usize = 80;

/// What a document does that the schema forbids.
#[derive(Default)]
pub(super) struct Faults {
    /// Why the document is refused, in the order of the document.
    pub refused: Vec<Note>,
    /// What is read all the same, as nothing is left out and one thing alone can be meant.
    pub understood: Vec<Note>,
    /// How many there are beside those of either kind.
    pub untold: usize,
}

/// Compares a document with the schema. The root's name and namespace are taken for checked.
pub(super) fn check(root: Node<'_, '_>, lines: &LineIndex<'_>) -> Faults {
    let mut checker = Checker {
        lines,
        faults: Faults::default(),
    };
    checker.element(root, &grammar::SI_POLICY);
    checker.faults.refused.sort_by_key(|fault| fault.position);
    checker.faults
}

/// A text as messages show it: cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("\"{}...\"", text.get(..end).unwrap_or_default()),
        None => format!("\"{text}\""),
    }
}

/// Name and value of the attribute that is written in another case than the one that is meant, and missing: articles on the web
/// write `SignerID` for `SignerId`.
pub(super) fn variant<'a>(node: Node<'a, '_>, meant: &str) -> Option<(&'a str, &'a str)> {
    if node.attribute(meant).is_some() {
        return None;
    }
    let mut attributes = node.attributes().filter(|found| found.namespace().is_none());
    let found = attributes.find(|found| found.name().eq_ignore_ascii_case(meant))?;
    Some((found.name(), found.value()))
}

struct Checker<'l, 't> {
    lines: &'l LineIndex<'t>,
    faults: Faults,
}

impl Checker<'_, '_> {
    fn refuse(&mut self, node: Node<'_, '_>, message: impl Into<String>) {
        self.refuse_at(node.range().start, message);
    }

    fn refuse_at(&mut self, at: usize, message: impl Into<String>) {
        if self.faults.refused.len() < MAX_TOLD {
            self.faults.refused.push(self.note(at, message));
        } else {
            self.faults.untold += 1;
        }
    }

    fn understand(&mut self, node: Node<'_, '_>, message: impl Into<String>) {
        if self.faults.understood.len() < MAX_TOLD {
            self.faults
                .understood
                .push(self.note(node.range().start, message));
        } else {
            self.faults.untold += 1;
        }
    }

    fn note(&self, at: usize, message: impl Into<String>) -> Note {
        Note {
            position: self.lines.position(at),
            message: message.into(),
        }
    }

    fn element(&mut self, node: Node<'_, '_>, element: &Element) {
        self.attributes(node, element);
        match &element.content {
            Content::Nothing => {
                self.strangers(node, element, true);
                let blank = node.children().any(|child| child.is_text());
                if blank {
                    let message = format!(
                        "blanks stand inside <{}>, which is empty; end it with />",
                        element.name
                    );
                    self.understand(node, message);
                }
            }
            Content::Text(value) => {
                if let Some(child) = elements(node).next() {
                    let message = format!(
                        "<{}> stands inside <{}>, which holds text; take it out",
                        child.tag_name().name(),
                        element.name
                    );
                    self.refuse(child, message);
                    return;
                }
                self.value(node, &format!("<{}>", element.name), *value, &text_of(node));
            }
            Content::Ordered(children) => self.children(node, element, children, true),
            Content::AnyOrder(children) => self.children(node, element, children, false),
            Content::OneOf(children) => self.one_of(node, element, children),
        }
    }

    fn value(&mut self, node: Node<'_, '_>, what: &str, value: Value, text: &str) {
        // Characters are counted only where there could be too many.
        let long = text.len() > MAX_VALUE && text.chars().count() > MAX_VALUE;
        if long {
            self.refuse(
                node,
                format!("{what} is longer than {MAX_VALUE} characters; shorten it"),
            );
            return;
        }
        let Err(instead) = value.check(text) else {
            return;
        };
        let message = format!("{what} holds {}; {instead}", quoted(text));
        if matches!(value, Value::Id(..) | Value::ScenarioIds) {
            self.understand(node, message);
        } else {
            self.refuse(node, message);
        }
    }

    fn attributes(&mut self, node: Node<'_, '_>, element: &Element) {
        let mut variants = Vec::new();
        for wanted in element.attributes {
            let name = wanted.name;
            if let Some(text) = node.attribute(name) {
                self.value(node, name, wanted.value, text);
            } else if let Some((variant, text)) = variant(node, name).filter(|_| wanted.required) {
                self.understand(node, format!("{variant} was read as {name}; write {name}"));
                self.value(node, name, wanted.value, text);
                variants.push(variant);
            } else if wanted.required {
                self.refuse(node, format!("<{}> has no {name}; add it", element.name));
            }
        }
        for attribute in node.attributes() {
            let name = attribute.name();
            let understood = match attribute.namespace() {
                None => {
                    let mut attributes = element.attributes.iter();
                    attributes.any(|known| known.name == name) || variants.contains(&name)
                }
                Some(INSTANCE) => matches!(name, "schemaLocation" | "noNamespaceSchemaLocation"),
                Some(_) => false,
            };
            if !understood {
                let message = format!(
                    "{name} is no attribute of <{}>; correct its name, or take it out",
                    element.name
                );
                self.refuse(node, message);
            }
        }
    }

    /// Refuses text among elements; inside an element that holds nothing, elements too.
    fn strangers(&mut self, node: Node<'_, '_>, element: &Element, all: bool) {
        for child in node.children() {
            if child.is_element() && all {
                self.stranger(child, element);
            }
            let text = child.text().filter(|_| child.is_text()).unwrap_or_default();
            let rest = trim(text);
            if !rest.is_empty() {
                let blanks = text.find(rest).unwrap_or_default();
                let message = format!(
                    "{} stands inside <{}>, which holds no text; take it out, or put it into a comment",
                    quoted(rest),
                    element.name
                );
                self.refuse_at(child.range().start.saturating_add(blanks), message);
            }
        }
    }

    fn one_of(&mut self, node: Node<'_, '_>, element: &Element, choices: &[Child]) {
        self.strangers(node, element, false);
        let mut found = false;
        let mut strange = !trim(&text_of(node)).is_empty();
        for child in elements(node) {
            let Some(choice) = choices.iter().find(|choice| is(child, choice.element)) else {
                self.stranger(child, element);
                strange = true;
                continue;
            };
            if found {
                let message = format!(
                    "<{}> holds one element and has a second here; put it into a <{0}> of its own",
                    element.name
                );
                self.refuse(child, message);
            }
            found = true;
            self.element(child, choice.element);
        }
        if !found && !strange {
            let names: Vec<&str> = choices.iter().map(|choice| choice.element.name).collect();
            let message = format!("<{}> holds nothing; add <{}>", element.name, names.join("> or <"));
            self.refuse(node, message);
        }
    }

    fn children(&mut self, node: Node<'_, '_>, element: &Element, wanted: &[Child], ordered: bool) {
        self.strangers(node, element, false);
        let mut counts = vec![0_u32; wanted.len()];
        let mut reached = 0;
        for child in elements(node) {
            let found = wanted.iter().zip(&mut counts).enumerate();
            let Some((at, (kind, count))) = found.into_iter().find(|(_, (kind, _))| is(child, kind.element))
            else {
                self.stranger(child, element);
                continue;
            };
            *count = count.saturating_add(1);
            let name = kind.element.name;
            if let Leniency::InsideOf(list) = kind.leniency {
                let message = format!("<{name}> stands outside <{list}>; it was read as if inside");
                self.understand(child, message);
            } else if *count > kind.most && kind.most == 1 {
                let message = format!("<{name}> stands here a second time; put its content into the first");
                self.refuse(child, message);
            } else if *count > kind.most {
                let message = format!(
                    "<{name}> stands here more than {} times; split the policy",
                    kind.most
                );
                self.understand(child, message);
            } else if ordered && at < reached {
                let after = wanted.get(reached).map_or(name, |kind| kind.element.name);
                let message = format!("<{name}> stands behind <{after}>; move it before");
                self.understand(child, message);
            }
            reached = reached.max(at);
            self.element(child, kind.element);
        }
        for (kind, count) in wanted.iter().zip(counts) {
            if count < kind.least {
                self.lacking(node, element, kind);
            }
        }
    }

    fn lacking(&mut self, node: Node<'_, '_>, element: &Element, kind: &Child) {
        let (name, parent) = (kind.element.name, element.name);
        match kind.leniency {
            Leniency::Assumed(message) => self.understand(node, message),
            Leniency::EmptyList => {
                let message = format!("<{parent}> is empty; add a <{name}>, or leave the list out");
                self.understand(node, message);
            }
            Leniency::None | Leniency::InsideOf(_) => {
                self.refuse(node, format!("<{parent}> has no <{name}>; add one"));
            }
        }
    }

    /// Refuses an element that has no place here.
    fn stranger(&mut self, child: Node<'_, '_>, element: &Element) {
        let name = child.tag_name().name();
        let message = if child.tag_name().namespace() == Some(NAMESPACE) {
            format!(
                "<{name}> has no place in <{}>; move it where it belongs, or take it out",
                element.name
            )
        } else {
            format!(
                "<{name}> is not in the namespace of policies and has no place in <{}>; take it out",
                element.name
            )
        };
        self.refuse(child, message);
    }
}

/// Whether a node is such an element.
fn is(node: Node<'_, '_>, element: &Element) -> bool {
    node.tag_name().name() == element.name && node.tag_name().namespace() == Some(NAMESPACE)
}
