//! The compiled policy set and the one decision function.
//!
//! Called by `gate` and by the `gatehouse` command's simulator. It validates bytes once and then decides without
//! allocating or failing; it never sees XML, files or the kernel.

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
