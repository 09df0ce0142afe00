//! The driver's brain: policy generations, weighing, event ring, request dispatch, behind the [`Host`](host::Host) trait.
//!
//! Called by the driver shell (`driver/`) with the kernel as its host, and by tests with an ordinary process as host.
//! It never names a kernel function and contains no unsafe code.
//!
//! ```text
//! notify routine -> intake -> worker -> weigh (evidence, policy) -> record -> event ring -> dispatch -> controller
//!                                                ^ generation in force <- push <- dispatch
//! ```
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

extern crate alloc;
#[cfg(any(test, feature = "process-host"))]
extern crate std;

mod assessment;
#[cfg(any(test, feature = "process-host"))]
pub mod besieged;
#[cfg(test)]
mod besieged_tests;
mod cache;
mod counters;
mod dispatch;
#[cfg(test)]
mod dispatch_tests;
#[cfg(any(test, feature = "process-host"))]
pub mod driver_image;
mod evaluation;
mod facts;
#[cfg(test)]
mod failures_tests;
mod filter;
#[cfg(test)]
mod filter_tests;
mod gate;
#[cfg(test)]
mod gate_tests;
mod generation;
pub mod host;
mod intake;
mod judge;
#[cfg(test)]
mod judge_tests;
mod key;
#[cfg(test)]
mod key_tests;
mod memory;
mod metrics;
mod mode;
#[cfg(test)]
mod mode_tests;
#[cfg(test)]
mod model_tests;
mod numbers;
mod path;
#[cfg(test)]
mod power_cut_tests;
#[cfg(any(test, feature = "process-host"))]
pub mod process;
mod progress;
#[cfg(test)]
mod progress_tests;
mod record;
mod restore;
mod ring;
pub mod rundown;
mod signed;
#[cfg(test)]
mod signed_tests;
mod state;
mod store;
#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod testing;
mod weigh;
mod worker;

pub use cache::FileKey;
pub use dispatch::Answer;
pub use dispatch::Completion;
pub use dispatch::MAX_INPUT;
pub use filter::Caller;
pub use filter::Passage;
pub use filter::Section;
pub use gate::Gate;
pub use intake::Capture;
pub use intake::Path;
pub use worker::LoadedImage;
