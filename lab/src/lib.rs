//! Building and running Gatehouse on Linux: the engine behind `./x`, and what the end-to-end tests call.
//!
//! It builds the one driver that ships with Microsoft's wdk crates (no WDK needed), builds the controller for Windows, and runs both
//! in Wine, whose kernel loads real driver images. Nothing in here is shipped, and nothing that ships knows about it.
//! Everything it downloads or prepares is kept in a cache folder of the user's, made anew when missing.

pub mod cache;
pub mod command;
pub mod controller;
pub mod driver;
pub mod enforcement;
pub mod events;
pub mod faults;
pub mod host;
pub mod image;
pub mod lab;
pub mod modules;
pub mod namespace;
pub mod packages;
pub mod policy_document;
pub mod prefix;
pub mod report;
pub mod repository;
mod run;
pub mod scenario;
pub mod services;
pub mod stubs;
pub mod subjects;
pub mod toolchain;
pub mod wdk_root;
pub mod windows_path;
pub mod wine;
pub mod wine_root;

pub use controller::build_controller;
pub use driver::build_driver;
pub use lab::Lab;
pub use lab::Output;
