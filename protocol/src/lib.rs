//! What driver and controller say to each other: device names, IOCTL codes, wire structures, event records.
//!
//! Used by `gate` (which answers) and by the `gatehouse` command (which asks); it depends on no other room. Everything is
//! little-endian and laid out by hand, so that a controller built by any compiler can talk to any driver of the same
//! protocol version.
//!
//! * [`ioctl`]: control codes.
//! * [`message`]: the fixed structures of requests and answers; [`control`] those that change the driver's ways, [`report`] those
//!   that tell how it has done.
//! * [`envelope`]: signed policy sets.
//! * [`etw`]: what ETW carries of event records.
//! * [`event`]: event records, a header and tagged fields.
//! * [`field`]: writing and reading tagged fields.
//! * [`install`]: how the driver is registered.
//! * [`rising`]: numbers that only rise, of sets and of changes of the key.
//! * [`security`]: who may open the device.
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

pub mod control;
pub mod envelope;
pub mod etw;
pub mod event;
pub mod field;
pub mod install;
pub mod ioctl;
pub mod message;
pub mod report;
pub mod rising;
pub mod security;

/// Protocol version this build speaks. A driver refuses requests of any other version with `STATUS_REVISION_MISMATCH`,
/// except [`ioctl::HELLO`], which says which versions both sides know.
pub const VERSION: u16 = 2;

/// NT name of the control device.
pub const DEVICE_NAME: &str = r"\Device\Gatehouse";

/// Symbolic link through which user mode reaches the device.
pub const LINK_NAME: &str = r"\DosDevices\Gatehouse";

/// Name to open from user mode.
pub const WIN32_NAME: &str = r"\\.\Gatehouse";

/// Name of the service.
pub const SERVICE_NAME: &str = "gatehouse";
