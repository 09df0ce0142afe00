//! The `WEVT_TEMPLATE` resource: the provider, and a table for each kind of definition. Offsets are from its beginning.

use crate::blob::Blob;
use crate::blob::length;
use crate::blob::name_size;
use crate::blob::terminated;
use crate::message::About;
use crate::message::Messages;
use crate::message::NONE;
use crate::model::Event;
use crate::model::LEVELS;
use crate::model::Level;
use crate::model::Provider;
use crate::template;

/// The version of the format that mc.exe of today's SDKs writes.
const FORMAT: [u16; 2] = [5, 1];
/// Kinds of tables, as the provider's directory has them.
mod kind {
    pub const LEVELS: u32 = 0;
    pub const TASKS: u32 = 1;
    pub const OPCODES: u32 = 2;
    pub const KEYWORDS: u32 = 3;
    pub const EVENTS: u32 = 4;
    pub const CHANNELS: u32 = 5;
    pub const TEMPLATES: u32 = 7;
    pub const ATTRIBUTES: u32 = 13;
}
/// The provider's attribute that is its name.
const NAME_ATTRIBUTE: u32 = 0x1000_0001;
/// Bytes before the definitions of a table.
const HEAD: u32 = 12;
/// Bytes of an event's definition.
const EVENT: u32 = 48;

/// Lays out the resource, and adds the messages that it refers to.
pub fn compile(provider: &Provider, messages: &mut Messages) -> Vec<u8> {
    let mut blob = Blob::default();
    blob.bytes(b"CRIM");
    blob.sized(0, |blob| {
        blob.units(FORMAT);
        blob.dword(1);
        blob.bytes(&provider.guid);
        let place = blob.offset() + 4;
        blob.dword(place);
        blob.bytes(b"WEVT");
        blob.sized(place, |blob| put_provider(blob, provider, messages));
    });
    blob.finish()
}

/// Where definitions stand that events refer to.
#[derive(Default)]
struct Places {
    templates: Vec<u32>,
    levels: Vec<(Level, u32)>,
    tasks: Vec<u32>,
    keywords: Vec<u32>,
}

fn put_provider(blob: &mut Blob, provider: &Provider, messages: &mut Messages) {
    let mut kinds = vec![
        kind::ATTRIBUTES,
        kind::OPCODES,
        kind::LEVELS,
        kind::TASKS,
        kind::KEYWORDS,
        kind::EVENTS,
    ];
    if !provider.templates.is_empty() {
        kinds.insert(0, kind::TEMPLATES);
    }
    if !provider.channels.is_empty() {
        kinds.insert(0, kind::CHANNELS);
    }
    let message = messages.add(About::Provider, provider.message.as_deref());
    blob.dword(message);
    blob.dword(length(kinds.len()));
    let directory: Vec<(u32, u32)> = kinds
        .into_iter()
        .map(|kind| {
            blob.dword(kind);
            (kind, blob.later())
        })
        .collect();
    let mut places = Places::default();
    for (kind, place) in directory {
        if kind == kind::EVENTS {
            blob.align(8);
        }
        blob.set(place, blob.offset());
        match kind {
            kind::CHANNELS => put_channels(blob, provider),
            kind::TEMPLATES => places.templates = put_templates(blob, provider),
            kind::ATTRIBUTES => put_attributes(blob, provider),
            kind::LEVELS => places.levels = put_levels(blob, provider, messages),
            kind::TASKS => places.tasks = put_tasks(blob, provider, messages),
            kind::KEYWORDS => places.keywords = put_keywords(blob, provider, messages),
            kind::EVENTS => put_events(blob, provider, &places, messages),
            // document.rs takes no opcodes.
            _ => drop(table(blob, *b"OPCO", 0, &[], |_, _, _| ())),
        }
    }
}

/// Adds a table of definitions of the same size, then their names; where the definitions stand. `put` adds one, and is told where its
/// name will be.
fn table(
    blob: &mut Blob,
    signature: [u8; 4],
    size: u32,
    names: &[&str],
    mut put: impl FnMut(&mut Blob, usize, u32),
) -> Vec<u32> {
    let from = blob.offset();
    blob.bytes(&signature);
    if names.is_empty() {
        // So mc.exe writes it.
        blob.bytes(&[0; 8]);
        return Vec::new();
    }
    let mut places = Vec::new();
    blob.sized(from, |blob| {
        blob.dword(length(names.len()));
        let mut name = from + HEAD + size * length(names.len());
        for (index, text) in names.iter().enumerate() {
            places.push(blob.offset());
            put(blob, index, name);
            name += name_size(text);
        }
        for text in names {
            blob.name(text);
        }
    });
    places
}

fn put_channels(blob: &mut Blob, provider: &Provider) {
    let channels = &provider.channels;
    let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
    table(blob, *b"CHAN", 16, &names, |blob, index, name| {
        // The provider's own, not another's.
        blob.dword(0);
        blob.dword(name);
        blob.dword(channels[index].value.into());
        blob.dword(NONE);
    });
}

fn put_templates(blob: &mut Blob, provider: &Provider) -> Vec<u32> {
    let mut places = Vec::new();
    let from = blob.offset();
    blob.bytes(b"TTBL");
    blob.sized(from, |blob| {
        blob.dword(length(provider.templates.len()));
        for template in &provider.templates {
            places.push(blob.offset());
            template::put(blob, template, &provider.guid);
        }
    });
    places
}

fn put_attributes(blob: &mut Blob, provider: &Provider) {
    let from = blob.offset();
    blob.bytes(b"PRVA");
    blob.sized(from, |blob| {
        blob.dword(1);
        blob.dword(NAME_ATTRIBUTE);
        let text = blob.offset() + 4;
        blob.dword(text);
        blob.units(terminated(&provider.name));
        blob.align(4);
    });
}

fn put_levels(blob: &mut Blob, provider: &Provider, messages: &mut Messages) -> Vec<(Level, u32)> {
    let is_used = |level: &Level| provider.events.iter().any(|event| event.level == Some(*level));
    let levels: Vec<Level> = LEVELS.into_iter().filter(is_used).collect();
    let names: Vec<&str> = levels.iter().map(|level| level.name).collect();
    let places = table(blob, *b"LEVL", 12, &names, |blob, index, name| {
        let level = levels[index];
        blob.dword(level.value.into());
        blob.dword(messages.add(About::Level(level.value), Some(level.message)));
        blob.dword(name);
    });
    levels.into_iter().zip(places).collect()
}

fn put_tasks(blob: &mut Blob, provider: &Provider, messages: &mut Messages) -> Vec<u32> {
    let tasks = &provider.tasks;
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    table(blob, *b"TASK", 28, &names, |blob, index, name| {
        let task = &tasks[index];
        blob.dword(task.value.into());
        blob.dword(messages.add(About::Task(task.value), task.message.as_deref()));
        // A GUID for tracing of the kind before manifests: none.
        blob.bytes(&[0; 16]);
        blob.dword(name);
    })
}

fn put_keywords(blob: &mut Blob, provider: &Provider, messages: &mut Messages) -> Vec<u32> {
    let keywords = &provider.keywords;
    let names: Vec<&str> = keywords.iter().map(|keyword| keyword.name.as_str()).collect();
    table(blob, *b"KEYW", 16, &names, |blob, index, name| {
        let keyword = &keywords[index];
        let about = About::Keyword(keyword.mask.trailing_zeros());
        blob.qword(keyword.mask);
        blob.dword(messages.add(about, keyword.message.as_deref()));
        blob.dword(name);
    })
}

fn put_events(blob: &mut Blob, provider: &Provider, places: &Places, messages: &mut Messages) {
    let events = &provider.events;
    let from = blob.offset();
    blob.bytes(b"EVNT");
    blob.sized(from, |blob| {
        blob.dword(length(events.len()));
        blob.dword(0);
        let mut keywords = blob.offset() + EVENT * length(events.len());
        for event in events {
            put_event(blob, event, provider, places, messages, keywords);
            keywords += 4 * length(event.keywords.len());
        }
        for index in events.iter().flat_map(|event| &event.keywords) {
            blob.dword(places.keywords[*index]);
        }
    });
}

/// Adds the descriptor of an event, and where the definitions stand that it refers to; its keywords' places are at `keywords`.
fn put_event(
    blob: &mut Blob,
    event: &Event,
    provider: &Provider,
    places: &Places,
    messages: &mut Messages,
    keywords: u32,
) {
    let channel = event.channel.map(|index| &provider.channels[index]);
    let masks = event.keywords.iter().map(|index| provider.keywords[*index].mask);
    let level = places
        .levels
        .iter()
        .find(|(level, _)| event.level == Some(*level));
    blob.word(event.id);
    blob.byte(event.version);
    blob.byte(channel.map_or(0, |channel| channel.value));
    blob.byte(event.level.map_or(0, |level| level.value));
    // The opcode: win:Info.
    blob.byte(0);
    blob.word(event.task.map_or(0, |index| provider.tasks[index].value));
    blob.qword(masks.fold(channel.map_or(0, |channel| channel.mask), |all, mask| all | mask));
    blob.dword(messages.add(About::Event(event.id, event.version), event.message.as_deref()));
    blob.dword(event.template.map_or(0, |index| places.templates[index]));
    blob.dword(0);
    blob.dword(level.map_or(0, |(_, place)| *place));
    blob.dword(event.task.map_or(0, |index| places.tasks[index]));
    blob.dword(length(event.keywords.len()));
    blob.dword(if event.keywords.is_empty() { 0 } else { keywords });
    blob.dword(0);
}
