//! Documents to one compiled set.

mod bound;
mod policy_tables;

use crate::compile::policy_tables::PolicyTables;
use crate::document::Document;
use crate::document::PolicyKind;
use crate::document::Position;
use crate::error::CompileError;
use crate::error::Place;
use crate::guid::Guid;
use crate::write_set::SetWriter;
use policy::Options;
use policy::PolicySet;
use policy::bounds::MAX_BASE_POLICIES;
use policy::format::MAX_POLICIES;
use policy::records::NO_BASE;
use std::collections::HashMap;

/// A compiled set.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The bytes of the set.
    pub bytes: Vec<u8>,
    /// What was left out because it decides nothing about kernel images, and what has no effect.
    pub notes: Vec<CompileNote>,
}

/// Something that a compiled set leaves out, or that has no effect in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileNote {
    /// Where it stands.
    pub place: Place,
    /// What and why.
    pub message: String,
}

impl std::fmt::Display for CompileNote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Compiles any number of policies to one set, base policies first, each kind in the order given.
///
/// # Errors
/// [`CompileError`] when a reference points nowhere, the documents do not fit together or the set would be larger than is
/// allowed.
pub fn compile(documents: &[Document]) -> Result<Vec<u8>, CompileError> {
    compile_with_notes(documents).map(|compiled| compiled.bytes)
}

/// As [`compile`], and says what was left out.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_notes(documents: &[Document]) -> Result<Compiled, CompileError> {
    compile_with_catalogs(documents, Vec::new())
}

/// As [`compile_with_notes`], the set carrying an index of the catalogues that may vouch for files, as
/// `evidence::CatalogIndexBuilder` makes it; empty for none.
///
/// # Errors
/// As [`compile`].
pub fn compile_with_catalogs(documents: &[Document], catalogs: Vec<u8>) -> Result<Compiled, CompileError> {
    let of_kind = |kind: PolicyKind| documents.iter().filter(move |document| document.kind == kind);
    let bases: Vec<&Document> = of_kind(PolicyKind::Base).collect();
    let mut notes = Vec::new();
    for document in documents {
        // A compiled set has a signature of its own, or none.
        notes.extend(document.signature.as_ref().map(|signature| CompileNote {
            place: document.place(document.position),
            message: signature.to_string(),
        }));
        if let Some(first) = document.forbidden.first() {
            let more = document.forbidden.len() - 1;
            let others = match more {
                0 => String::new(),
                more => format!(" and {more} more places"),
            };
            let message = format!(
                "Microsoft's schema forbids this{others}: {}; `policy lint` says all",
                first.message
            );
            notes.push(CompileNote {
                place: document.place(first.position),
                message,
            });
        }
    }
    for document in of_kind(PolicyKind::AppIdTagging) {
        notes.push(CompileNote {
            place: document.place(document.position),
            message: "an AppID tagging policy decides nothing about kernel images; it was left out"
                .to_owned(),
        });
    }
    let count = documents.len() - of_kind(PolicyKind::AppIdTagging).count();
    if count > MAX_POLICIES {
        return Err(CompileError {
            place: None,
            message: format!(
                "{count} policies are more than the {MAX_POLICIES} that one set may hold; merge some with \
                 `gatehouse policy merge`"
            ),
        });
    }
    if bases.len() > MAX_BASE_POLICIES {
        return Err(CompileError {
            place: None,
            message: format!(
                "{} base policies are more than the {MAX_BASE_POLICIES} that one set may hold; merge some with \
                 `gatehouse policy merge`",
                bases.len()
            ),
        });
    }
    let mut seen = HashMap::<Guid, &Document>::new();
    let base_at: HashMap<Guid, usize> = bases
        .iter()
        .enumerate()
        .map(|(at, base)| (base.id(), at))
        .collect();
    let mut writer = SetWriter::default();
    writer.catalogs = catalogs;
    let in_order: Vec<&Document> = bases
        .iter()
        .copied()
        .chain(of_kind(PolicyKind::Supplemental))
        .collect();
    for document in in_order.iter().copied() {
        if let Some(twin) = seen.insert(document.id(), document) {
            return Err(CompileError {
                place: Some(document.place(document.position)),
                message: format!(
                    "the policy has the id {} of {}; leave one out or give each its own PolicyID",
                    document.id(),
                    twin.place(twin.position)
                ),
            });
        }
        let base = base_of(document, &bases, &base_at, &mut notes);
        PolicyTables::new(document, base, &mut writer, &mut notes)?.write()?;
    }
    let bytes = writer.finish();
    PolicySet::validate(&bytes).map_err(|error| bound::error_of(&bytes, error, &in_order))?;
    Ok(Compiled { bytes, notes })
}

/// The index of a policy's base in the set, and a note where it has none.
fn base_of(
    document: &Document,
    bases: &[&Document],
    base_at: &HashMap<Guid, usize>,
    notes: &mut Vec<CompileNote>,
) -> u16 {
    let at = base_at.get(&document.base_id()).copied();
    let mut no_effect = |message: String| {
        notes.push(CompileNote {
            place: document.place(document.position),
            message,
        });
        NO_BASE
    };
    match at {
        None => no_effect(format!(
            "the supplemental policy extends {}, which is not among the policies; it has no effect",
            document.base_id()
        )),
        Some(at)
            if document.kind == PolicyKind::Supplemental
                && !bases[at].options.contains(Options::ALLOW_SUPPLEMENTAL) =>
        {
            no_effect(format!(
                "the supplemental policy extends {}, which does not set Enabled:Allow Supplemental Policies; it has \
                 no effect",
                document.base_id()
            ))
        }
        Some(at) => u16::try_from(at).unwrap_or(NO_BASE),
    }
}

/// An error at a place of a document.
fn error_at(document: &Document, position: Position, message: String) -> CompileError {
    CompileError {
        place: Some(document.place(position)),
        message,
    }
}
