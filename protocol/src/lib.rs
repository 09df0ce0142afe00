//! What driver and controller say to each other: device names, IOCTL codes, wire structures, event records.
//!
//! Used by `gate` (which answers) and by the `gatehouse` command (which asks). It depends on no other room.

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
