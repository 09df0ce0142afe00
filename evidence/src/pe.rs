//! The PE image format, as far as code integrity looks at it.

mod header;
mod layout;
#[cfg(test)]
mod layout_tests;
mod sections;
mod version;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the test images are small")]
mod version_tests;

pub(crate) use header::read_headers;
pub(crate) use layout::CertificateTable;
pub(crate) use layout::Headers;
pub(crate) use sections::Section;
pub(crate) use sections::USUAL_SECTIONS;
pub(crate) use version::USUAL_VERSION;
pub(crate) use version::read_version;
