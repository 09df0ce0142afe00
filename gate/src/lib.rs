//! The driver's brain: policy generations, weighing, event ring, request dispatch, behind the [`Host`] trait.
//!
//! Called by the driver shell (`driver/`) with the kernel as its host, and by tests with an ordinary process as host.
//! It never names a kernel function and contains no unsafe code.

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
