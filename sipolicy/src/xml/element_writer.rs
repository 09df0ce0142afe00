//! Laying out elements of XML, two blanks a level.

/// A document on its way to text.
pub(super) struct Writer {
    pub(super) text: String,
    pub(super) open: Vec<&'static str>,
}

pub(super) type Attribute<'a> = (&'static str, Option<String>);

impl Writer {
    fn indent(&mut self) {
        self.text.push('\n');
        for _ in &self.open {
            self.text.push_str("  ");
        }
    }

    pub(super) fn tag(
        &mut self,
        name: &'static str,
        attributes: impl IntoIterator<Item = Attribute<'static>>,
    ) {
        self.indent();
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            let Some(value) = value else { continue };
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            escape(&mut self.text, &value);
            self.text.push('"');
        }
    }

    /// An element without content.
    pub(super) fn empty(
        &mut self,
        name: &'static str,
        attributes: impl IntoIterator<Item = Attribute<'static>>,
    ) {
        self.tag(name, attributes);
        self.text.push_str(" />");
    }

    /// An element with a text.
    pub(super) fn leaf(&mut self, name: &'static str, value: &str) {
        self.tag(name, []);
        self.text.push('>');
        escape(&mut self.text, value);
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    pub(super) fn start(
        &mut self,
        name: &'static str,
        attributes: impl IntoIterator<Item = Attribute<'static>>,
    ) {
        self.tag(name, attributes);
        self.text.push('>');
        self.open.push(name);
    }

    pub(super) fn end(&mut self) {
        if let Some(name) = self.open.pop() {
            self.indent();
            self.text.push_str("</");
            self.text.push_str(name);
            self.text.push('>');
        }
    }

    pub(super) fn list<T>(&mut self, name: &'static str, items: &[T], each: impl Fn(&mut Self, &T)) {
        if items.is_empty() {
            return;
        }
        self.start(name, []);
        for item in items {
            each(self, item);
        }
        self.end();
    }
}

/// Escapes what markup and attribute normalisation would change; leaves out what XML cannot hold.
fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\t' => text.push_str("&#9;"),
            '\n' => text.push_str("&#10;"),
            '\r' => text.push_str("&#13;"),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => {}
            other => text.push(other),
        }
    }
}
