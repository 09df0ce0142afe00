//! Policy files: documents and compiled sets, told apart by their content.

use std::path::Path;
use std::path::PathBuf;

use policy::PolicySet;
use policy::format::MAGIC;
use policy::format::MAX_SET_BYTES;
use sipolicy::Compiled;
use sipolicy::Document;

use crate::error::Error;
use crate::files;
use crate::output::Output;

/// A policy file and what it holds.
pub struct PolicyFile {
    /// Where it is.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
}

impl PolicyFile {
    /// Reads a file of either form.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: path.to_owned(),
            bytes: files::read(path, MAX_SET_BYTES)?,
        })
    }

    /// Whether it starts as a compiled set does.
    pub fn is_compiled(&self) -> bool {
        self.bytes.starts_with(&MAGIC)
    }
}

/// Compiles documents to one set, and tells what the set leaves out.
pub fn compile(files: &[PolicyFile], output: &mut Output) -> Result<Compiled, Error> {
    let mut documents = Vec::new();
    for file in files {
        if file.is_compiled() {
            return Err(Error::Malformed {
                path: file.path.clone(),
                problem:
                    "this is a compiled set, not a policy document; compile the documents it was made of"
                        .to_owned(),
            });
        }
        let name = file.path.display().to_string();
        let document =
            Document::read(&name, &file.bytes).map_err(|error| Error::Document(error.to_string()))?;
        documents.push(document);
    }
    let compiled =
        sipolicy::compile_with_notes(&documents).map_err(|error| Error::Document(error.to_string()))?;
    for note in &compiled.notes {
        output.note(note);
    }
    Ok(compiled)
}

/// Proves a compiled set whole, as the driver will.
pub fn validate<'a>(path: &Path, bytes: &'a [u8]) -> Result<PolicySet<'a>, Error> {
    PolicySet::validate(bytes).map_err(|error| Error::Malformed {
        path: path.to_owned(),
        problem: format!("{error} [{}, code {}]", error.fault.name(), error.fault.code()),
    })
}
