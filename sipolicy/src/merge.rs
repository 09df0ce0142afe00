//! Several policies in one.
//!
//! The first is who the result is; the others give it rules. It allows nothing that none of them allows, and nothing that one of
//! them denies.

mod content;
mod head;
mod names;
mod prepare;
mod references;

use crate::document::Document;
use crate::document::Note;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::error::Place;
use content::Merger;
use std::fmt;

/// Documents could not be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeError {
    /// Where, if one document is to blame.
    pub place: Option<Place>,
    /// What is wrong and what to do.
    pub message: String,
}

impl MergeError {
    fn at(document: &Document, position: Position, message: String) -> Self {
        Self {
            place: Some(document.place(position)),
            message,
        }
    }
}

impl fmt::Display for MergeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(formatter, "{place}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl std::error::Error for MergeError {}

/// Merges policies into the first: type, names, ids, version, options and settings are the first one's; rules and signers are those
/// of all, each once, whatever their ids. What a later one has that allows everything is left out. The notes of the result say all
/// that was left out.
///
/// # Errors
/// [`MergeError`] for a reference that points nowhere in its own document, for two scenarios of one value, for policies of kinds
/// whose rules mean different things, and where there are none.
pub fn merge(documents: &[Document]) -> Result<Document, MergeError> {
    let Some((first, others)) = documents.split_first() else {
        return Err(MergeError {
            place: None,
            message: "there is nothing to merge; give at least one policy".to_owned(),
        });
    };
    for document in documents {
        references::check(document)?;
    }
    let mut notes = Vec::new();
    for document in documents.iter().filter(|document| document.signature.is_some()) {
        notes.push(format!(
            "{}: its signature was left out; the result is not signed",
            document.file
        ));
    }
    let mut first = first.clone();
    prepare::drop_denials_of_nobody(&mut first, &mut notes);
    if !others.is_empty() {
        prepare::write_out_inheritance(&mut first, &mut notes);
    }
    let mut result = Merger::new(&first);
    for other in others {
        if kinds_fit(&first, other)? {
            let mut other = other.clone();
            prepare::drop_denials_of_nobody(&mut other, &mut notes);
            prepare::write_out_inheritance(&mut other, &mut notes);
            prepare::drop_allowances_of_everything(&mut other, &mut notes);
            result.add(&other, &mut notes);
        } else {
            notes.push(format!(
                "{}: an AppID tagging policy decides nothing about images; all of it was left out",
                other.file
            ));
        }
    }
    let mut merged = result.finish();
    merged.notes = notes
        .into_iter()
        .map(|message| Note {
            position: Position::default(),
            message,
        })
        .collect();
    Ok(merged)
}

/// Whether the rules of `other` mean in `first` what they mean in their own policy. An error where nothing that was meant would be
/// left of it.
fn kinds_fit(first: &Document, other: &Document) -> Result<bool, MergeError> {
    let problem = match (first.kind, other.kind) {
        (PolicyKind::AppIdTagging, PolicyKind::Base | PolicyKind::Supplemental) => {
            "its rules would no longer allow or deny anything in an AppID tagging policy; merge policies of one type"
        }
        (PolicyKind::Supplemental, PolicyKind::Base) => {
            "its options and deny rules would have no effect in a supplemental policy; give the base policy first"
        }
        (PolicyKind::Base | PolicyKind::Supplemental, PolicyKind::AppIdTagging) => return Ok(false),
        _ => return Ok(true),
    };
    Err(MergeError::at(
        other,
        other.position,
        format!(
            "this {} cannot be merged into {}: {problem}",
            other.kind.name(),
            first.file
        ),
    ))
}
