//! What a driver file proves about itself: PE layout, Authenticode digests, version resource, signatures, trust.
//!
//! Called by `gate` (in the driver and in the simulator) and by the `gatehouse` command. It reads a file once, through
//! [`Source`], and states facts; it never allocates infallibly, never panics, contains no unsafe code and knows no policy.
//!
//! * [`examine`] is the front door; [`Evidence`] what comes out. `pe`, `image_digest`, `pages`: the image itself.
//! * `signatures` judges what hangs on it: `pkcs7` and `spc` are the messages, `x509` and `chain` who signed them, `roots` where a chain
//!   may end, `timestamp` when it was; `claims` what they name beyond what they prove, `work` how much they may ask for. `der` and
//!   `crypto` are underneath.
//! * [`examine_catalog`] and [`CatalogIndex`]: signatures that stand in a list beside the file.
//! * [`Trust`] sorts files by what the Windows driver policy makes of them.
//!
//! Every outcome that is not evidence has a stable number ([`ErrorKind::code`], [`SignatureFault`]); every loop over foreign bytes has a
//! bound, and a bound that is reached is one of those outcomes.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

#[cfg(feature = "batch")]
mod batch;
#[cfg(all(test, feature = "batch"))]
mod batch_tests;
mod bytes;
mod catalog;
#[cfg(test)]
mod catalog_bounds_tests;
mod catalog_check;
mod catalog_index;
mod catalog_index_builder;
mod catalog_signer;
#[cfg(test)]
mod catalog_tests;
mod certificate_table;
mod chain;
#[cfg(test)]
mod chain_tests;
mod claims;
mod crypto;
mod der;
mod digest;
mod distrust;
mod error;
mod examine;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the test images are small")]
mod examine_tests;
mod facts;
#[cfg(test)]
mod identity_tests;
mod image_digest;
#[cfg(test)]
mod image_digest_tests;
mod md2;
mod name;
mod oid;
mod pages;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the test images are small")]
mod pages_tests;
mod pe;
mod pkcs7;
mod pool;
mod proof;
mod public_key;
mod roots;
#[cfg(test)]
mod seed_tests;
mod sha512;
mod signatures;
#[cfg(test)]
mod signatures_tests;
mod signed_message;
mod source;
mod spc;
#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "the test images are small")]
mod testing;
mod text;
mod timestamp;
#[cfg(test)]
mod timestamp_tests;
mod trust;
#[cfg(test)]
mod trust_tests;
mod work;
#[cfg(test)]
mod work_tests;
mod workspace;
mod x509;
#[cfg(test)]
mod x509_tests;

#[cfg(feature = "batch")]
pub use batch::Batch;
pub use catalog::Catalog;
pub use catalog::CatalogError;
pub use catalog::examine_catalog;
pub use catalog_check::IndexFault;
pub use catalog_index::CatalogIndex;
pub use catalog_index::MAX_CATALOGS_OF_FILE;
pub use catalog_index::MAX_SIGNERS_OF_CATALOG;
pub use catalog_index_builder::CatalogIndexBuilder;
pub use catalog_index_builder::Taken;
pub use crypto::is_ed25519_key;
pub use crypto::verify_ed25519;
pub use error::Defect;
pub use error::ErrorKind;
pub use error::ExamineError;
pub use error::FlatDigests;
pub use error::NoMemory;
pub use error::NotPe;
pub use examine::Options;
pub use examine::examine;
pub use examine::examine_with_catalogs;

pub use facts::Certificate;
pub use facts::Digests;
pub use facts::Ekus;
pub use facts::Evidence;
pub use facts::Fact;
pub use facts::Hash;
pub use facts::Identity;
pub use facts::Image;
pub use facts::Key;
pub use facts::Root;
pub use facts::Signature;
pub use facts::SignatureFault;
pub use facts::SignatureSource;
pub use facts::Timestamp;
pub use facts::Unreadable;
pub use facts::Version;
pub use roots::wellknown_roots_with_keys;
pub use signed_message::SignedMessage;
pub use signed_message::examine_signed_message;
pub use signed_message::octet_string;
pub use source::Source;
pub use source::SourceError;
pub use text::Text;
pub use trust::Trust;
pub use trust::TrustClass;
pub use trust::has_ended;
pub use trust::usage;
pub use workspace::Findings;
pub use workspace::Workspace;
