//! The compiled policy set and the one decision function.
//!
//! Called by `gate` and by the `gatehouse` command's simulator. It validates bytes once and then decides without
//! allocating or failing; it never sees XML, files or the kernel.
//!
//! [`PolicySet::validate`] proves a set whole; [`ValidatedSet`] keeps the bytes beside what validation learnt, so that
//! later views cost nothing and cannot fail; [`decide`] weighs one file. The bytes are described in [`format`](mod@format).

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

pub mod bounds;
#[cfg(test)]
mod bounds_tests;
pub mod bucket_index;
mod decide;
mod error;
mod explain;
mod facts;
mod fold;
pub mod format;
mod listing;
mod numbers;
mod options;
mod reason;
pub mod records;
mod rules;
mod set;
#[cfg(test)]
mod testing;
mod truth;
mod unread;
mod validate;
mod verdict;
mod weighing;

pub use decide::decide;
pub use decide::decide_parts;
pub use error::SetError;
pub use error::SetFault;
pub use explain::Tried;
pub use explain::explain;
pub use facts::EKU_WHQL;
pub use facts::grants_by_authenticode;
pub use facts::is_usable;
pub use fold::fold;
pub use fold::name_key;
pub use fold::text_key;
pub use listing::Asks;
pub use listing::FileView;
pub use listing::SignerView;
pub use listing::UsedRule;
pub use options::Options;
pub use reason::Reason;
pub use set::PolicySet;
pub use set::PolicyView;
pub use truth::Truth;
pub use validate::ValidatedSet;
pub use verdict::Action;
pub use verdict::Decision;
pub use verdict::Level;
pub use verdict::PolicyOutcome;
pub use verdict::RuleKind;
pub use verdict::RuleView;
pub use verdict::VERDICT_POLICIES;
pub use verdict::Verdict;
