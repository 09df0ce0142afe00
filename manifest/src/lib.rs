//! Makes the resources of gatehouse.sys: the compiled event manifest, its messages, and the version.
//!
//! Called by the driver's build script, so that the linker puts them into the image on any host; Microsoft's mc.exe and rc.exe, which
//! do the same on Windows only, are needed nowhere. It knows the part of the manifest schema that `inf/gatehouse.man` needs. Whatever
//! else a manifest says is an [`Error`] that names the place: nothing is left out silently.
//!
//! Sources: Microsoft's "EventManifest Schema", "MESSAGE_RESOURCE_DATA", "VS_VERSIONINFO" and "RESOURCEHEADER"; for the compiled
//! manifest, which Microsoft does not describe, the libfwevt project's "Windows Event manifest binary format", and where that is
//! silent, files that mc.exe made. `tests/tests/etw.rs` compares with such a file byte for byte.
#![forbid(unsafe_code)]

mod blob;
mod document;
mod element;
mod error;
mod message;
mod model;
mod resource;
mod template;
mod types;
mod version;
mod wevt;

pub use error::Error;
pub use version::Version;

use message::Messages;
use resource::File;
use resource::Name;

/// `RT_MESSAGETABLE`.
const MESSAGE_TABLE: u16 = 11;
/// `RT_VERSION`.
const VERSION: u16 = 16;

/// A compiled manifest: the contents of its two resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Of `WEVT_TEMPLATE`: what there is to events.
    pub events: Vec<u8>,
    /// Of the message table: how they are told.
    pub messages: Vec<u8>,
}

/// Compiles an instrumentation manifest.
pub fn compile(manifest: &str) -> Result<Compiled, Error> {
    let provider = document::read(manifest)?;
    let mut messages = Messages::default();
    let events = wevt::compile(&provider, &mut messages);
    Ok(Compiled {
        events,
        messages: messages.table(),
    })
}

/// The resources of an image, as a `.res` file for the linker.
pub fn resources(manifest: &str, version: &Version<'_>) -> Result<Vec<u8>, Error> {
    let compiled = compile(manifest)?;
    let mut file = File::new();
    file.add(Name::Text("WEVT_TEMPLATE"), &compiled.events);
    file.add(Name::Number(MESSAGE_TABLE), &compiled.messages);
    file.add(Name::Number(VERSION), &version.resource());
    Ok(file.finish())
}
