//! Policy files: documents and compiled sets, told apart by their content.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use policy::PolicySet;
use policy::ValidatedSet;
use policy::format::MAGIC;
use policy::format::MAX_SET_BYTES;
use protocol::envelope;
use sipolicy::Compiled;
use sipolicy::Document;

use crate::error::Error;
use crate::files;
use crate::keys;
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
            bytes: files::read(
                path,
                MAX_SET_BYTES.saturating_add(size_of::<envelope::Envelope>()),
            )?,
        })
    }

    /// Whether it starts as a compiled set does.
    pub fn is_compiled(&self) -> bool {
        self.bytes.starts_with(&MAGIC)
    }

    /// Whether it starts as a signed set does.
    pub fn is_signed(&self) -> bool {
        self.bytes.starts_with(&envelope::MAGIC)
    }

    /// Whether comments stand in it, which no document that is made of it has. UTF-16 is looked through as well.
    pub fn has_comments(&self) -> bool {
        let opening = b"<!--";
        let text: Vec<u8> = self.bytes.iter().copied().filter(|byte| *byte != 0).collect();
        !self.is_compiled()
            && self.bytes.first() != Some(&0x30)
            && text.windows(opening.len()).any(|found| found == opening)
    }

    /// The compiled set in it, without its signature's head if it has one; `None` for a document. Whether the signature holds is
    /// not looked at: only the driver knows by which key.
    pub fn set(&self) -> Result<Option<&[u8]>, Error> {
        if self.is_compiled() {
            return Ok(Some(&self.bytes));
        }
        if !self.is_signed() {
            return Ok(None);
        }
        let (_, set) = keys::open(&self.bytes).map_err(|problem| Error::Malformed {
            path: self.path.clone(),
            problem,
        })?;
        Ok(Some(set))
    }
}

/// Refuses to write a result over what it is made of, under whatever name: another spelling, a symbolic or a hard link.
pub fn keep_inputs<'i>(result: &Path, inputs: impl IntoIterator<Item = &'i PathBuf>) -> Result<(), Error> {
    // What cannot be compared is not there, or is no file; reading or writing it says so. Comparing opens both, which waits at a pipe.
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file());
    let same = |input: &&PathBuf| {
        let both_files = is_file(input) && is_file(result);
        *input == result || (both_files && same_file::is_same_file(input, result).unwrap_or(false))
    };
    match inputs.into_iter().find(same) {
        Some(input) if result.as_os_str() != "-" => Err(Error::Usage(format!(
            "{} is the input {}, which would be lost; give the result another name",
            files::name(result),
            files::name(input)
        ))),
        _ => Ok(()),
    }
}

/// Reads policy documents of any form.
pub fn documents(paths: &[PathBuf]) -> Result<Vec<Document>, Error> {
    paths
        .iter()
        .map(|path| document(&PolicyFile::read(path)?))
        .collect()
}

/// Reads one policy document of any form.
pub fn document(file: &PolicyFile) -> Result<Document, Error> {
    if file.is_compiled() || file.is_signed() {
        return Err(Error::Malformed {
            path: file.path.clone(),
            problem: "this is a compiled set, not a policy document; give the documents it was made of"
                .to_owned(),
        });
    }
    let name = files::name(&file.path);
    Document::read(&name, &file.bytes).map_err(|error| Error::Document(error.to_string()))
}

/// Tells what reading a document assumed or left out, and who signed it.
pub fn tell_notes(document: &Document, output: &mut Output) {
    if let Some(signature) = &document.signature {
        output.note(format_args!("{}: {signature}", document.file));
    }
    for note in &document.notes {
        output.note(format_args!(
            "{}: {}",
            document.place(note.position),
            note.message
        ));
    }
}

/// The set that policies amount to: a compiled one, or documents compiled now.
pub fn load(paths: &[PathBuf], output: &mut Output) -> Result<ValidatedSet<Vec<u8>>, Error> {
    let mut files = Vec::new();
    for path in paths {
        files.push(PolicyFile::read(path)?);
    }
    let (path, bytes) = match files.as_slice() {
        [only] if only.is_compiled() || only.is_signed() => {
            (only.path.clone(), only.set()?.unwrap_or_default().to_vec())
        }
        files => {
            let path = files.first().map(|file| file.path.clone());
            (path.unwrap_or_default(), compile(files, output)?.bytes)
        }
    };
    ValidatedSet::new(bytes).map_err(|error| Error::Malformed {
        path,
        problem: error.to_string(),
    })
}

/// As [`compile`], the set carrying an index of catalogues.
pub fn compile_with(files: &[PolicyFile], catalogs: Vec<u8>, output: &mut Output) -> Result<Compiled, Error> {
    let documents: Vec<Document> = files.iter().map(document).collect::<Result<_, _>>()?;
    let compiled = sipolicy::compile_with_catalogs(&documents, catalogs)
        .map_err(|error| Error::Document(error.to_string()))?;
    for note in &compiled.notes {
        output.note(note);
    }
    Ok(compiled)
}

/// Compiles documents to one set, and tells what the set leaves out.
pub fn compile(files: &[PolicyFile], output: &mut Output) -> Result<Compiled, Error> {
    compile_with(files, Vec::new(), output)
}

/// Says so when a set refuses nothing because it has no base policy.
pub fn warn_without_base(set: &PolicySet<'_>, output: &mut Output) {
    if !set.has_base() {
        output.warning(
            "the set holds no base policy, so it refuses nothing and `mode enforce` is declined; compile its base policy together with it",
        );
    }
}

/// Proves a compiled set whole, as the driver will.
pub fn validate<'a>(path: &Path, bytes: &'a [u8]) -> Result<PolicySet<'a>, Error> {
    PolicySet::validate(bytes).map_err(|error| Error::Malformed {
        path: path.to_owned(),
        problem: format!("{error} [{}, code {}]", error.fault.name(), error.fault.code()),
    })
}
