//! Documents with one to three changes each, of every kind that a schema can be broken by.

use std::fmt::Write as _;

/// An element of a document that is being changed.
#[derive(Clone)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    content: Vec<Content>,
}

#[derive(Clone)]
enum Content {
    Element(Element),
    Text(String),
    /// A comment or processing instruction, as it is written.
    Markup(&'static str),
}

/// Makes documents by changing one.
pub(super) struct Mutator {
    original: Element,
    state: u64,
    /// Names and texts that the original has, and some that it has not.
    element_names: Vec<String>,
    attribute_names: Vec<String>,
    texts: Vec<String>,
    changes: Vec<String>,
}

const ODD_TEXTS: [&str; 56] = [
    "",
    " ",
    "x",
    "0",
    "1",
    "+1",
    "-0",
    "-1",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "0012",
    " 12 ",
    "1.5",
    "true",
    "True",
    "TRUE",
    " false ",
    "yes",
    "1.0.0.0",
    " 1.0.0.0",
    "1.0.0",
    "+1.0.0.0",
    "1.0.0.65536",
    "01.0.0.0",
    "1.0.0.0.0",
    "AB",
    "ABC",
    " AB ",
    "A B",
    "xyz",
    "{12345678-1234-1234-1234-123456789012}",
    "12345678-1234-1234-1234-123456789012",
    "2024-02-30T00:00:00Z",
    "2024-02-29T24:00:00Z",
    "2024-02-29",
    "1500-01-01T00:00:00Z",
    "2024-02-29T00:00:00+14:00",
    "2024-02-29T00:00:00.25",
    "ID_ALLOW_1",
    "ID_ALLOW_A",
    "ID_DENY_A",
    "ID_FILE_A",
    "ID_FILE_AB",
    "ID_FILEATTRIB_A",
    "ID_SIGNER_a",
    "id_signer_a",
    "ID_EKU_",
    "ID_SIGNINGSCENARIO_A,ID_SIGNINGSCENARIO_B,",
    "ID_SIGNINGSCENARIO_A, ID_X",
    "$(A)$(B.c)",
    "$(1)",
    "a/b",
];

impl Mutator {
    pub(super) fn of(text: &str) -> Self {
        let tree = roxmltree::Document::parse(text).expect("well-formed");
        let mut mutator = Self {
            original: element(tree.root_element()),
            state: 0x9e37_79b9_7f4a_7c15,
            element_names: vec!["Other".to_owned(), "other:Deny".to_owned()],
            attribute_names: vec![
                "Other".to_owned(),
                "Workaround".to_owned(),
                "signerid".to_owned(),
                "xml:lang".to_owned(),
                "other:ID".to_owned(),
                "xsi:schemaLocation".to_owned(),
            ],
            texts: ODD_TEXTS.map(str::to_owned).to_vec(),
            changes: Vec::new(),
        };
        for node in tree.descendants() {
            if node.is_element() {
                mutator.element_names.push(node.tag_name().name().to_owned());
            }
            for attribute in node.attributes() {
                mutator.attribute_names.push(attribute.name().to_owned());
                mutator.texts.push(attribute.value().to_owned());
            }
            mutator.texts.extend(node.text().map(str::to_owned));
        }
        for names in [
            &mut mutator.element_names,
            &mut mutator.attribute_names,
            &mut mutator.texts,
        ] {
            names.sort();
            names.dedup();
        }
        mutator
    }

    /// What was changed in the last document.
    pub(super) fn changes(&self) -> String {
        self.changes.join("; ")
    }

    /// The next document.
    pub(super) fn document(&mut self) -> String {
        self.changes.clear();
        let mut root = self.original.clone();
        for _ in 0..=self.below(3) {
            self.change(&mut root);
        }
        let mut text = String::new();
        root.write(&mut text, true);
        text
    }

    /// A number below this: xorshift64*.
    fn below(&mut self, most: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or_default() % most.max(1)
    }

    fn any(&mut self, of: fn(&Self) -> &Vec<String>) -> String {
        let at = self.below(of(self).len());
        of(self)[at].clone()
    }

    fn change(&mut self, root: &mut Element) {
        let count = root.count();
        let number = self.below(count);
        let mut other = root
            .nth(&mut self.below(count))
            .expect("one of the elements")
            .clone();
        if self.below(4) == 0 {
            other.content.clear();
        }
        let kind = self.below(17);
        let chosen = root.nth_mut(&mut { number }).expect("one of the elements");
        let name = chosen.name.clone();
        let at = self.below(chosen.content.len() + 1);
        let child = self.below(chosen.content.len());
        let attribute = self.below(chosen.attributes.len());
        let mut how = String::new();
        match kind {
            0 if !chosen.content.is_empty() => drop(chosen.content.remove(child)),
            1 if !chosen.content.is_empty() => {
                let twice = chosen.content[child].clone();
                chosen.content.insert(at, twice);
            }
            2 if !chosen.content.is_empty() => {
                let moved = chosen.content.remove(child);
                let to = self.below(chosen.content.len() + 1);
                chosen.content.insert(to, moved);
            }
            3 => {
                how.clone_from(&other.name);
                chosen.content.insert(at, Content::Element(other));
            }
            4 => {
                chosen.name = self.any(|all| &all.element_names);
                how.clone_from(&chosen.name);
            }
            5 => chosen.content.clear(),
            6 => {
                let text = self.any(|all| &all.texts);
                how.clone_from(&text);
                chosen.content.insert(at, Content::Text(text));
            }
            7 => {
                let markup = ["<!-- c -->", "<?p i?>", "<![CDATA[x]]>", "<![CDATA[]]>"];
                how = markup[self.below(4)].to_owned();
                let known = markup.into_iter().find(|known| *known == how).expect("of these");
                chosen.content.insert(at, Content::Markup(known));
            }
            8 if !chosen.attributes.is_empty() => how = chosen.attributes.remove(attribute).0,
            9 if !chosen.attributes.is_empty() => {
                how = self.any(|all| &all.attribute_names);
                if chosen.attributes.iter().all(|(name, _)| *name != how) {
                    chosen.attributes[attribute].0.clone_from(&how);
                }
            }
            10 => {
                how = self.any(|all| &all.attribute_names);
                let text = self.any(|all| &all.texts);
                if chosen.attributes.iter().all(|(name, _)| *name != how) {
                    chosen.attributes.push((how.clone(), text));
                }
            }
            11 if !chosen.attributes.is_empty() => {
                let text = self.any(|all| &all.texts);
                how = format!("{}={text}", chosen.attributes[attribute].0);
                chosen.attributes[attribute].1 = text;
            }
            12 | 13 if !chosen.attributes.is_empty() => {
                let text = self.edit(&chosen.attributes[attribute].1);
                how = format!("{}={text}", chosen.attributes[attribute].0);
                chosen.attributes[attribute].1 = text;
            }
            14 | 15 => {
                let old = chosen.text();
                if let Some(text) = old {
                    let text = if kind == 14 {
                        self.edit(&text)
                    } else {
                        self.any(|all| &all.texts)
                    };
                    how.clone_from(&text);
                    chosen.content = vec![Content::Text(text)];
                }
            }
            16 if !chosen.content.is_empty() && self.below(8) == 0 => {
                let many = chosen.content[child].clone();
                chosen.content.extend(std::iter::repeat_n(many, 256));
            }
            _ => {}
        }
        self.changes.push(format!("{kind} in {name}: {how:?}"));
    }

    /// A text with one character more, less or other.
    fn edit(&mut self, text: &str) -> String {
        const CHARACTERS: [char; 24] = [
            ' ', '\t', '\n', '+', '-', '.', ',', '0', '1', '9', 'a', 'A', 'F', 'Z', '_', '{', '}', '$', ':',
            'T', '\u{a0}', '\u{e9}', '\u{661}', '%',
        ];
        let mut characters: Vec<char> = text.chars().collect();
        let at = self.below(characters.len() + 1);
        let new = CHARACTERS[self.below(CHARACTERS.len())];
        match self.below(4) {
            0 if at < characters.len() => drop(characters.remove(at)),
            1 if at < characters.len() => characters[at] = new,
            2 if at < characters.len() => {
                let old = characters[at];
                characters[at] = if old.is_lowercase() {
                    old.to_ascii_uppercase()
                } else {
                    old.to_ascii_lowercase()
                };
            }
            _ => characters.insert(at, new),
        }
        characters.into_iter().collect()
    }
}

fn element(node: roxmltree::Node<'_, '_>) -> Element {
    Element {
        name: node.tag_name().name().to_owned(),
        attributes: node
            .attributes()
            .map(|attribute| (attribute.name().to_owned(), attribute.value().to_owned()))
            .collect(),
        content: node
            .children()
            .filter_map(|child| {
                if child.is_element() {
                    return Some(Content::Element(element(child)));
                }
                let text = child.text().filter(|text| !text.trim().is_empty())?;
                Some(Content::Text(text.to_owned()))
            })
            .collect(),
    }
}

impl Element {
    fn count(&self) -> usize {
        let children = self.content.iter().map(|content| match content {
            Content::Element(child) => child.count(),
            _ => 0,
        });
        1 + children.sum::<usize>()
    }

    fn nth(&self, number: &mut usize) -> Option<&Self> {
        if *number == 0 {
            return Some(self);
        }
        *number -= 1;
        self.content.iter().find_map(|content| match content {
            Content::Element(child) => child.nth(number),
            _ => None,
        })
    }

    fn nth_mut(&mut self, number: &mut usize) -> Option<&mut Self> {
        if *number == 0 {
            return Some(self);
        }
        *number -= 1;
        self.content.iter_mut().find_map(|content| match content {
            Content::Element(child) => child.nth_mut(number),
            _ => None,
        })
    }

    /// The text, if the element holds nothing else.
    fn text(&self) -> Option<String> {
        match self.content.as_slice() {
            [Content::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    fn write(&self, text: &mut String, root: bool) {
        let _ = write!(text, "<{}", self.name);
        if root {
            text.push_str(
                " xmlns=\"urn:schemas-microsoft-com:sipolicy\" xmlns:other=\"urn:other\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"",
            );
        }
        for (name, value) in &self.attributes {
            let value = escaped(value).replace('\t', "&#9;").replace('\n', "&#10;");
            let _ = write!(text, " {name}=\"{value}\"");
        }
        if self.content.is_empty() {
            text.push_str("/>");
            return;
        }
        text.push('>');
        for content in &self.content {
            match content {
                Content::Element(child) => child.write(text, false),
                Content::Text(inner) => text.push_str(&escaped(inner)),
                Content::Markup(markup) => text.push_str(markup),
            }
        }
        let _ = write!(text, "</{}>", self.name);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
