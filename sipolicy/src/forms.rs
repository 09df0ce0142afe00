//! The forms of a document: which reader or writer each goes through.

use crate::binary;
use crate::document::Document;
use crate::error::ReadError;
use crate::xml;

impl Document {
    /// Reads a policy document: SiPolicy XML, or the binary form with or without its PKCS #7 envelope, told apart by content.
    /// `file` names it in errors.
    ///
    /// # Errors
    /// [`ReadError`] with the place of what is malformed.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, ReadError> {
        // A binary policy starts with a small format version, or with an envelope; XML with neither.
        let binary = matches!(bytes, [_, 0, 0, 0, ..]) || binary::is_envelope(bytes);
        if binary {
            binary::read(file, bytes)
        } else {
            xml::read(file, bytes)
        }
    }

    /// The policy as SiPolicy XML: everything but comments, and what [`Document::notes`] say was left out on reading.
    pub fn to_xml(&self) -> String {
        xml::write(self)
    }
}
