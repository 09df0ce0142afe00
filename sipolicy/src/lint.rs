//! Faults that can be seen in documents: each with a code, its place, why it matters and what to write instead.

mod breadth;
mod codes;
mod document;
mod signature;
mod together;

pub use codes::Code;
pub use codes::Severity;
pub use document::MAX_DENIED_SIGNERS;
pub use document::too_many_denied_signers;

use crate::document::Document;
use crate::error::Place;
use crate::knowledge::Knowledge;
use std::fmt;

/// A fault found in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which fault.
    pub code: Code,
    /// Where.
    pub place: Place,
    /// What was found there.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} {} ({}): {}",
            self.place,
            self.code.severity().name(),
            self.code.number(),
            self.code.name(),
            self.message
        )
    }
}

/// Looks for faults in each document, and among those that are to be in force together; in the order of files and lines.
/// Whether a list is old goes by what is known.
pub fn lint(documents: &[Document], knowledge: &Knowledge) -> Vec<Finding> {
    let mut findings = Vec::new();
    for document in documents {
        document::lint(document, knowledge, &mut findings);
        signature::lint(document, &mut findings);
    }
    together::lint(documents, &mut findings);
    breadth::lint(documents, knowledge, &mut findings);
    let rank = |finding: &Finding| {
        let file = documents
            .iter()
            .position(|document| document.file == finding.place.file);
        (
            file,
            finding.place.line,
            finding.place.column,
            finding.code.number(),
        )
    };
    findings.sort_by_key(rank);
    findings
}
