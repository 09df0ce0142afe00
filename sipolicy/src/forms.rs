//! The forms of a document: which reader or writer each goes through.

use crate::binary;
use crate::document::Document;
use crate::error::Place;
use crate::error::ReadError;
use crate::options::unnamed_bits;
use crate::xml;

/// What becomes of a signature when its policy is written in another form.
pub(crate) const SIGNATURE_LOSS: &str =
    "the signature was left out: it is over the signed file alone, and the result is not signed";

impl Document {
    /// Reads a policy document: SiPolicy XML, or the binary form with or without its PKCS #7 envelope, told apart by content.
    /// `file` names it in errors.
    ///
    /// # Errors
    /// [`ReadError`] with the place of what is malformed.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.starts_with(b"-----BEGIN") {
            return Err(ReadError {
                place: Place {
                    file: file.into(),
                    line: 1,
                    column: 1,
                },
                message: "this is the text form of a signed policy (PEM), which Windows does not take; write it in DER, as \
                          `openssl cms -cmsout -inform PEM -outform DER` does"
                    .to_owned(),
            });
        }
        // A binary policy starts with a small format version, or with an envelope; XML with neither.
        let binary = matches!(bytes, [_, 0, 0, 0, ..]) || binary::is_envelope(bytes);
        if binary {
            binary::read(file, bytes)
        } else {
            xml::read(file, bytes)
        }
    }

    /// The policy as SiPolicy XML: everything but comments, and what [`Document::notes`] say was left out on reading and
    /// [`Document::xml_losses`] is left out on writing.
    pub fn to_xml(&self) -> String {
        xml::write(self)
    }

    /// What the document says and XML cannot hold.
    pub fn xml_losses(&self) -> Vec<String> {
        let bits = unnamed_bits(self.options).map(|bit| {
            format!("option bit {bit} has no name in the schema, so that XML cannot hold it; it was left out")
        });
        let signature = self.signature.as_ref().map(|_| SIGNATURE_LOSS.to_owned());
        bits.chain(signature).collect()
    }
}
