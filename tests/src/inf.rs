//! INF files, read as setup reads them: sections, entries and strings.

use std::collections::BTreeMap;

/// One section: its entries in order, `key = value` or a bare value.
pub type Section = Vec<(Option<String>, String)>;

/// An INF file.
pub struct Inf {
    /// By lower-case name.
    pub sections: BTreeMap<String, Section>,
}

impl Inf {
    /// Reads a file.
    ///
    /// # Panics
    /// When an entry stands outside any section.
    pub fn read(text: &str) -> Self {
        let mut sections: BTreeMap<String, Section> = BTreeMap::new();
        let mut current = None;
        for line in text.lines().map(|line| without_comment(line).trim()) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                let name = name.to_lowercase();
                sections.entry(name.clone()).or_default();
                current = Some(name);
            } else if !line.is_empty() {
                let name = current.as_ref().expect("an entry outside any section");
                let entry = match line.split_once('=') {
                    Some((key, value)) => (Some(key.trim().to_lowercase()), value.trim().to_owned()),
                    None => (None, line.to_owned()),
                };
                sections.get_mut(name).expect("just entered").push(entry);
            }
        }
        Self { sections }
    }

    /// The entries of a section; none if it is not there.
    pub fn section(&self, name: &str) -> &[(Option<String>, String)] {
        self.sections.get(&name.to_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The value of a key, without quotes, strings replaced.
    pub fn value(&self, section: &str, key: &str) -> Option<String> {
        let (_, value) = self
            .section(section)
            .iter()
            .find(|(found, _)| found.as_deref() == Some(&key.to_lowercase()))?;
        Some(self.expand(value))
    }

    /// The comma-separated parts of a value.
    pub fn parts(&self, value: &str) -> Vec<String> {
        // Quotes hold a part together; what stands beside them belongs to it.
        self.expand(value)
            .split(',')
            .map(|part| part.trim().replace('"', ""))
            .collect()
    }

    /// A value without quotes, strings replaced.
    ///
    /// # Panics
    /// When a string has no name.
    pub fn expand(&self, value: &str) -> String {
        let mut expanded = value.trim_matches('"').to_owned();
        for (name, text) in self.section("strings") {
            let name = name.as_deref().expect("a string has a name");
            for token in tokens(value).filter(|token| token.eq_ignore_ascii_case(name)) {
                expanded = expanded.replace(&format!("%{token}%"), text.trim_matches('"'));
            }
        }
        expanded
    }
}

fn without_comment(line: &str) -> &str {
    let mut quoted = false;
    let end = line.char_indices().find(|(_, character)| {
        quoted ^= *character == '"';
        *character == ';' && !quoted
    });
    end.map_or(line, |(end, _)| &line[..end])
}

/// The `%names%` in a value that are no dirids.
pub(crate) fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value
        .split('%')
        .skip(1)
        .step_by(2)
        .filter(|token| token.parse::<u32>().is_err())
}
