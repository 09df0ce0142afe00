//! What a driver file proves about itself: PE layout, Authenticode digests, version resource, signatures.
//!
//! Called by `gate` (in the driver and in the simulator) and by the `gatehouse` command. It reads a file once, through
//! [`Source`], and states facts; it never allocates infallibly, never panics, contains no unsafe code and knows no policy.

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

mod facts;
mod source;
mod text;

pub use facts::Certificate;
pub use facts::Digests;
pub use facts::Ekus;
pub use facts::Evidence;
pub use facts::Fact;
pub use facts::Hash;
pub use facts::Image;
pub use facts::Key;
pub use facts::Root;
pub use facts::Signature;
pub use facts::SignatureSource;
pub use facts::Timestamp;
pub use facts::Unreadable;
pub use facts::Version;
pub use source::Source;
pub use source::SourceError;
pub use text::Text;
