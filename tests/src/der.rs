//! DER and BER, written and taken apart, for tests: as sound or as odd as a test wants it.

/// Tags.
pub const INTEGER: u8 = 0x02;
/// A string of bits.
pub const BIT_STRING: u8 = 0x03;
/// A string of octets.
pub const OCTET_STRING: u8 = 0x04;
/// An object identifier.
pub const OID: u8 = 0x06;
/// Text in UTF-8.
pub const UTF8_STRING: u8 = 0x0c;
/// A time of two digits for the year.
pub const UTC_TIME: u8 = 0x17;
/// A sequence.
pub const SEQUENCE: u8 = 0x30;
/// A set.
pub const SET: u8 = 0x31;
/// An explicit field.
pub const CONTEXT_0: u8 = 0xa0;
/// Another one.
pub const CONTEXT_1: u8 = 0xa1;
/// The element NULL.
pub const NULL: &[u8] = &[0x05, 0x00];

/// Tag, length and content.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = head(tag, content.len());
    bytes.extend_from_slice(content);
    bytes
}

/// Tag and length in the shortest form.
fn head(tag: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        bytes.push(short);
        return bytes;
    }
    let digits: Vec<u8> = length
        .to_be_bytes()
        .into_iter()
        .skip_while(|byte| *byte == 0)
        .collect();
    bytes.push(0x80 | u8::try_from(digits.len()).expect("eight at most"));
    bytes.extend(digits);
    bytes
}

/// A number that is not negative.
pub fn number(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        &[0]
    } else {
        &[]
    };
    element(INTEGER, &[sign, bytes].concat())
}

/// An algorithm without parameters.
pub fn algorithm(oid: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[element(OID, oid), NULL.to_vec()].concat())
}

/// How the length of an element is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As short as can be.
    Short,
    /// In four bytes.
    Long,
    /// By an end marker.
    Indefinite,
}

/// An element that was taken apart as far as was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Any bytes: an element as it stands, or what is none.
    Raw(Vec<u8>),
    /// An element of elements.
    Tree {
        /// Its tag.
        tag: u8,
        /// The elements in it.
        children: Vec<Node>,
        /// How its length is written.
        form: Form,
    },
}

impl Node {
    /// An element of elements, written as DER.
    pub fn tree(tag: u8, children: Vec<Self>) -> Self {
        Self::Tree {
            tag,
            children,
            form: Form::Short,
        }
    }

    /// The element that `bytes` begin with and how long it is, taken apart `depth` levels deep; `None` if they do not begin with one.
    pub fn read(bytes: &[u8], depth: usize) -> Option<(Self, usize)> {
        let (tag, form, content, whole) = split(bytes)?;
        let raw = || Self::Raw(bytes[..whole].to_vec());
        if tag & 0x20 == 0 || depth == 0 {
            return Some((raw(), whole));
        }
        let mut rest = content;
        let mut children = Vec::new();
        while !rest.is_empty() {
            let Some((child, length)) = Self::read(rest, depth - 1) else {
                return Some((raw(), whole));
            };
            children.push(child);
            rest = &rest[length..];
        }
        let node = Self::Tree { tag, children, form };
        Some((node, whole))
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<u8> {
        match self {
            Self::Raw(bytes) => bytes.first().copied(),
            Self::Tree { tag, .. } => Some(*tag),
        }
    }

    /// The elements in it.
    pub fn children(&self) -> Option<&[Self]> {
        match self {
            Self::Raw(_) => None,
            Self::Tree { children, .. } => Some(children),
        }
    }

    /// The elements in it, to be changed.
    pub fn children_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::Raw(_) => None,
            Self::Tree { children, .. } => Some(children),
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Raw(bytes) => into.extend_from_slice(bytes),
            Self::Tree { tag, children, form } => {
                let mut content = Vec::new();
                for child in children {
                    child.write(&mut content);
                }
                match form {
                    Form::Short => into.extend(head(*tag, content.len())),
                    Form::Long => {
                        into.extend([*tag, 0x84]);
                        into.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
                    }
                    Form::Indefinite => into.extend([*tag, 0x80]),
                }
                into.extend(content);
                if *form == Form::Indefinite {
                    into.extend([0, 0]);
                }
            }
        }
    }
}

/// Tag, form of the length, content, and the length of all of it.
fn split(bytes: &[u8]) -> Option<(u8, Form, &[u8], usize)> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    let (length, start, form) = match first {
        0x80 => {
            let mut at = 2;
            while !bytes.get(at..)?.starts_with(&[0, 0]) {
                at += split(&bytes[at..])?.3;
            }
            return Some((tag, Form::Indefinite, &bytes[2..at], at + 2));
        }
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = bytes.get(2..2 + count)?;
            let length = digits
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            let shortest = head(tag, length).len() == 2 + count;
            (length, 2 + count, if shortest { Form::Short } else { Form::Long })
        }
        0x85.. => return None,
        short => (usize::from(short), 2, Form::Short),
    };
    Some((tag, form, bytes.get(start..start + length)?, start + length))
}

#[cfg(test)]
mod tests {
    use super::Form;
    use super::Node;
    use super::SEQUENCE;
    use super::SET;
    use super::element;
    use super::number;

    #[test]
    fn what_is_taken_apart_is_put_together_as_it_stood() {
        let inner = element(SET, &[number(&[0x80]), element(4, &[7; 300])].concat());
        let whole = element(SEQUENCE, &[inner, number(&[1])].concat());
        for depth in 0..4 {
            let (node, length) = Node::read(&whole, depth).expect("an element");
            assert_eq!((node.bytes(), length), (whole.clone(), whole.len()));
            assert_eq!(node.children().is_some(), depth > 0);
        }
        let (mut node, _) = Node::read(&whole, 9).expect("an element");
        if let Node::Tree { form, .. } = &mut node {
            *form = Form::Indefinite;
        }
        let loose = [&[SEQUENCE, 0x80], &whole[4..], &[0, 0]].concat();
        assert_eq!(node.bytes(), loose);
        assert_eq!(Node::read(&loose, 9), Some((node, loose.len())));
        assert_eq!(Node::read(&whole[..20], 1), None);
    }
}
