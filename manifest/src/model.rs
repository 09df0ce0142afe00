//! A manifest that was read: names are resolved, numbers checked.

use crate::types::InType;

/// An event provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// Its GUID, as Windows has it in memory.
    pub guid: [u8; 16],
    /// How it is called.
    pub message: Option<String>,
    /// Its channels.
    pub channels: Vec<Channel>,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Its keywords.
    pub keywords: Vec<Keyword>,
    /// Its templates.
    pub templates: Vec<Template>,
    /// Its events.
    pub events: Vec<Event>,
}

/// A channel of the provider's own.
#[derive(Clone, Debug)]
pub struct Channel {
    /// What events refer to it by.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its number in events.
    pub value: u8,
    /// The keyword of its events: the event log listens to it.
    pub mask: u64,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// Its number in events.
    pub value: u16,
    /// How it is called.
    pub message: Option<String>,
}

/// A keyword.
#[derive(Clone, Debug)]
pub struct Keyword {
    /// Its name.
    pub name: String,
    /// Its bit in events.
    pub mask: u64,
    /// How it is called.
    pub message: Option<String>,
}

/// A template: the fields of events.
#[derive(Clone, Debug)]
pub struct Template {
    /// What events refer to it by.
    pub id: String,
    /// The fields.
    pub fields: Vec<Field>,
}

/// A field.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: InType,
    /// How long it is, where the type does not say.
    pub length: Length,
}

/// How long a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As its type says.
    OfType,
    /// So many bytes or units.
    Fixed(u16),
    /// As many as the field of this index says.
    Field(u16),
}

/// A level of Windows' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Its number.
    pub value: u8,
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub message: &'static str,
}

/// What `winmeta.xml` defines.
pub const LEVELS: [Level; 6] = [
    level(0, "win:LogAlways", "Log Always"),
    level(1, "win:Critical", "Critical"),
    level(2, "win:Error", "Error"),
    level(3, "win:Warning", "Warning"),
    level(4, "win:Informational", "Information"),
    level(5, "win:Verbose", "Verbose"),
];

const fn level(value: u8, name: &'static str, message: &'static str) -> Level {
    Level { value, name, message }
}

/// An event; other definitions by their index.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number.
    pub id: u16,
    /// Its version.
    pub version: u8,
    /// Its channel.
    pub channel: Option<usize>,
    /// Its level.
    pub level: Option<Level>,
    /// Its task.
    pub task: Option<usize>,
    /// Its keywords, by rising mask.
    pub keywords: Vec<usize>,
    /// Its template.
    pub template: Option<usize>,
    /// How it is told.
    pub message: Option<String>,
}
