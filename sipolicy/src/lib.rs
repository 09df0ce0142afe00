//! App Control policy documents: SiPolicy XML and the binary form, and their compilation to the compiled set of `policy`.
//!
//! Used by the `gatehouse` command; never reachable from the driver.
//!
//! [`Document::read`] takes the bytes of a document in any form, [`Document::to_xml`] and [`to_binary`] write one,
//! [`compile`] takes any number of documents to one compiled set.
#![forbid(unsafe_code)]

mod binary;
mod by_id;
mod compile;
mod decompile;
mod describe;
mod diff;
pub mod document;
mod encoding;
mod error;
mod everything;
mod forms;
mod generate;
mod guid;
mod hex;
mod json;
mod knowledge;
pub mod lint;
mod loldrivers;
mod merge;
mod options;
mod semantics;
mod signature;
mod time;
mod version;
mod write_set;
mod xml;

pub use binary::Binary;
pub use binary::NEWEST_FORMAT;
pub use binary::OLDEST_FORMAT;
pub use binary::WriteError;
pub use binary::to_binary;
pub use compile::CompileNote;
pub use compile::Compiled;
pub use compile::compile;
pub use compile::compile_with_catalogs;
pub use compile::compile_with_notes;
pub use decompile::decompile;
pub use describe::Statement;
pub use describe::statements;
pub use diff::Difference;
pub use diff::diff;
pub use document::Document;
pub use document::PolicyKind;
pub use error::CompileError;
pub use error::Place;
pub use error::ReadError;
pub use generate::Generator;
pub use generate::RuleLevel;
pub use guid::Guid;
pub use hex::encode_oid;
pub use knowledge::Knowledge;
pub use knowledge::KnownCertificate;
pub use knowledge::KnownPolicy;
pub use knowledge::Thresholds;
pub use lint::lint;
pub use loldrivers::Imported;
pub use loldrivers::import_loldrivers;
pub use merge::MergeError;
pub use merge::merge;
pub use options::OPTIONS;
pub use options::OptionName;
pub use signature::ChainEnd;
pub use signature::PolicySignature;
pub use signature::SignatureState;
pub use version::FileVersion;
pub use xml::MAX_DOCUMENT_BYTES;
