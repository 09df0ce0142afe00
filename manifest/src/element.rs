//! Elements of a manifest: what is inside and on them, all of which must be known.

use std::fmt;
use std::ops::RangeInclusive;

use roxmltree::Node;

use crate::error::Error;

const NAMESPACE: &str = "http://schemas.microsoft.com/win/2004/08/events";
/// Longest name, in characters.
const MAX_NAME: usize = 255;

/// An element, and how to complain about it.
#[derive(Clone, Copy)]
pub struct Element<'a>(pub Node<'a, 'a>);

impl<'a> Element<'a> {
    /// A complaint about it.
    pub fn error(self, what: impl fmt::Display) -> Error {
        let place = self.0.document().text_pos_at(self.0.range().start);
        Error {
            line: place.row,
            column: place.col,
            what: format!("<{}>: {what}", self.0.tag_name().name()),
        }
    }

    /// Complains about an element that is not called so.
    pub fn is(self, name: &str) -> Result<(), Error> {
        if self.0.has_tag_name((NAMESPACE, name)) {
            Ok(())
        } else {
            Err(self.error(format!(
                "not supported here, where <{name}> of {NAMESPACE} belongs"
            )))
        }
    }

    /// Complains about an attribute that is not among these.
    pub fn knows(self, known: &[&str]) -> Result<(), Error> {
        let unknown = self
            .0
            .attributes()
            .find(|attribute| attribute.namespace().is_some() || !known.contains(&attribute.name()));
        match unknown {
            Some(attribute) => {
                Err(self.error(format!("the attribute `{}` is not supported", attribute.name())))
            }
            None => Ok(()),
        }
    }

    /// The elements inside; anything else but comments and space is an error.
    pub fn children(self) -> Result<Vec<Self>, Error> {
        let mut found = Vec::new();
        for node in self.0.children() {
            let is_space = node.is_text() && node.text().is_none_or(|text| text.trim().is_empty());
            if node.is_element() {
                found.push(Self(node));
            } else if !node.is_comment() && !is_space {
                return Err(self.error("text or an instruction inside is not supported"));
            }
        }
        Ok(found)
    }

    /// Complains about an element inside.
    pub fn is_empty(self) -> Result<(), Error> {
        match self.children()?.first() {
            Some(child) => Err(child.error(format!("not supported in <{}>", self.0.tag_name().name()))),
            None => Ok(()),
        }
    }

    /// The elements inside, which must all have this name.
    pub fn all(self, name: &str) -> Result<Vec<Self>, Error> {
        let children = self.children()?;
        children.iter().try_for_each(|child| child.is(name))?;
        Ok(children)
    }

    /// As [`Element::all`], of an element without attributes.
    pub fn list(self, name: &str) -> Result<Vec<Self>, Error> {
        self.knows(&[])?;
        self.all(name)
    }

    /// The elements of these names: each is there once, and no other.
    pub fn sections<const N: usize>(self, names: [&str; N]) -> Result<[Self; N], Error> {
        let children = self.children()?;
        for (index, child) in children.iter().enumerate() {
            let name = child.0.tag_name().name();
            if !names.contains(&name) {
                return Err(child.error(format!("not supported in <{}>", self.0.tag_name().name())));
            }
            child.is(name)?;
            if children[..index]
                .iter()
                .any(|other| other.0.has_tag_name((NAMESPACE, name)))
            {
                return Err(child.error("more than one is not supported"));
            }
        }
        let mut found = [self; N];
        for (place, name) in found.iter_mut().zip(names) {
            let child = children
                .iter()
                .find(|child| child.0.has_tag_name((NAMESPACE, name)));
            *place = *child.ok_or_else(|| self.error(format!("there is no <{name}>")))?;
        }
        Ok(found)
    }

    /// An attribute that must be there.
    pub fn attribute(self, name: &str) -> Result<&'a str, Error> {
        self.0
            .attribute(name)
            .ok_or_else(|| self.error(format!("there is no attribute `{name}`")))
    }

    /// The same, of a name.
    pub fn name(self, attribute: &str) -> Result<&'a str, Error> {
        let name = self.attribute(attribute)?;
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(self.error(format!(
                "`{attribute}` is empty or longer than {MAX_NAME} characters"
            )));
        }
        Ok(name)
    }

    /// The same, of a number in decimal or hexadecimal.
    pub fn number(self, attribute: &str, possible: RangeInclusive<u64>) -> Result<u64, Error> {
        let text = self.attribute(attribute)?;
        let number = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number
            .ok()
            .filter(|number| possible.contains(number))
            .ok_or_else(|| {
                let (least, most) = (possible.start(), possible.end());
                self.error(format!(
                    "{attribute} `{text}` is not a number from {least} to {most}"
                ))
            })
    }

    /// A GUID as Windows has it in memory.
    pub fn guid(self, attribute: &str) -> Result<[u8; 16], Error> {
        let text = self.attribute(attribute)?;
        let wrong = || self.error(format!("{attribute} `{text}` is not a GUID in braces"));
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let parts: Vec<&str> = inner.ok_or_else(wrong)?.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        let digits = parts.concat();
        if lengths != [8, 4, 4, 4, 12] || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let number = u128::from_str_radix(&digits, 16).map_err(|_| wrong())?;
        let mut guid = number.to_be_bytes();
        guid[..4].reverse();
        guid[4..6].reverse();
        guid[6..8].reverse();
        Ok(guid)
    }
}
