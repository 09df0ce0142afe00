//! App Control policy documents: SiPolicy XML, and its compilation to the compiled set of `policy`.
//!
//! Used by the `gatehouse` command; never reachable from the driver.
#![forbid(unsafe_code)]
