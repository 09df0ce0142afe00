//! Reads a manifest and leaves nothing of it out: an element or attribute that is not known here is an error.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use roxmltree::Document;

use crate::element::Element;
use crate::error::Error;
use crate::model::Channel;
use crate::model::Event;
use crate::model::Field;
use crate::model::Keyword;
use crate::model::LEVELS;
use crate::model::Length;
use crate::model::Provider;
use crate::model::Task;
use crate::model::Template;
use crate::types::IN_TYPES;

/// The first number of a channel of a provider's own: those below are Windows'.
const FIRST_CHANNEL: u8 = 16;
/// A provider has no more channels than there are keywords for them.
const CHANNELS: usize = 8;
/// The keyword of the first channel; the next has the bit below.
const CHANNEL_MASK: u64 = 1 << 63;
/// The bits that a provider may use.
const KEYWORDS: u64 = (1 << 48) - 1;
/// Longest message, in characters; its entry's length has sixteen bits.
const MAX_MESSAGE: usize = 8000;
/// Most fields of a template: as many as a message could name.
const MAX_FIELDS: usize = 99;

/// Reads the one provider of a manifest.
pub fn read(text: &str) -> Result<Provider, Error> {
    let document = Document::parse(text).map_err(|error| {
        let place = error.pos();
        Error {
            line: place.row,
            column: place.col,
            what: format!("not well-formed XML: {error}"),
        }
    })?;
    let root = Element(document.root_element());
    root.is("instrumentationManifest")?;
    root.knows(&[])?;
    let [instrumentation, localization] = root.sections(["instrumentation", "localization"])?;
    instrumentation.knows(&[])?;
    let [events] = instrumentation.sections(["events"])?;
    events.knows(&[])?;
    let [provider] = events.sections(["provider"])?;
    let mut strings = Strings::read(localization)?;
    let provider = read_provider(provider, &mut strings)?;
    strings.all_used()?;
    Ok(provider)
}

fn read_provider(provider: Element<'_>, strings: &mut Strings<'_>) -> Result<Provider, Error> {
    // Symbols are for C; the files are told to Windows when the provider is registered.
    provider.knows(&[
        "name",
        "guid",
        "symbol",
        "resourceFileName",
        "messageFileName",
        "message",
    ])?;
    let sections = ["channels", "tasks", "keywords", "templates", "events"];
    let [channels, tasks, keywords, templates, events] = provider.sections(sections)?;
    let mut read = Provider {
        name: provider.name("name")?.to_owned(),
        guid: provider.guid("guid")?,
        message: strings.message(provider)?,
        channels: read_channels(channels)?,
        tasks: read_tasks(tasks, strings)?,
        keywords: read_keywords(keywords, strings)?,
        templates: read_templates(templates)?,
        events: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for event in events.list("event")? {
        let found = read_event(event, &read, strings)?;
        if !seen.insert((found.id, found.version)) {
            return Err(event.error(format!(
                "there is an event {} of version {} already",
                found.id, found.version
            )));
        }
        read.events.push(found);
    }
    let used: BTreeSet<_> = read.events.iter().filter_map(|event| event.template).collect();
    let unused = (0..read.templates.len()).find(|index| !used.contains(index));
    match unused.and_then(|index| read.templates.get(index)) {
        Some(template) => Err(templates.error(format!("no event has the template `{}`", template.id))),
        None => Ok(read),
    }
}

fn read_channels(channels: Element<'_>) -> Result<Vec<Channel>, Error> {
    let mut found: Vec<Channel> = Vec::new();
    for channel in channels.list("channel")? {
        // Kind, isolation and state are told to Windows when the provider is registered.
        channel.knows(&["chid", "name", "symbol", "type", "value", "isolation", "enabled"])?;
        let value = channel.number("value", u64::from(FIRST_CHANNEL)..=u64::from(u8::MAX))?;
        let value = u8::try_from(value).unwrap_or(u8::MAX);
        if found.len() == CHANNELS {
            return Err(channel.error(format!("more than {CHANNELS} channels")));
        }
        let new = Channel {
            id: channel.name("chid")?.to_owned(),
            name: channel.name("name")?.to_owned(),
            value,
            mask: CHANNEL_MASK >> found.len(),
        };
        let taken = |known: &Channel| known.id == new.id || known.name == new.name || known.value == value;
        if found.iter().any(taken) {
            return Err(channel.error("another channel has this chid, name or value"));
        }
        found.push(new);
    }
    Ok(found)
}

fn read_tasks(tasks: Element<'_>, strings: &mut Strings<'_>) -> Result<Vec<Task>, Error> {
    let mut found: Vec<Task> = Vec::new();
    for task in tasks.list("task")? {
        task.knows(&["name", "symbol", "value", "message"])?;
        let value = task.number("value", 1..=u64::from(u16::MAX))?;
        let new = Task {
            name: task.name("name")?.to_owned(),
            value: u16::try_from(value).unwrap_or(u16::MAX),
            message: strings.message(task)?,
        };
        if found
            .iter()
            .any(|known| known.name == new.name || known.value == new.value)
        {
            return Err(task.error("another task has this name or value"));
        }
        found.push(new);
    }
    Ok(found)
}

fn read_keywords(keywords: Element<'_>, strings: &mut Strings<'_>) -> Result<Vec<Keyword>, Error> {
    let mut found: Vec<Keyword> = Vec::new();
    for keyword in keywords.list("keyword")? {
        keyword.knows(&["name", "symbol", "mask", "message"])?;
        let mask = keyword.number("mask", 1..=KEYWORDS)?;
        if !mask.is_power_of_two() {
            return Err(keyword.error(format!("the mask {mask:#x} is not one bit")));
        }
        let new = Keyword {
            name: keyword.name("name")?.to_owned(),
            mask,
            message: strings.message(keyword)?,
        };
        if found
            .iter()
            .any(|known| known.name == new.name || known.mask == mask)
        {
            return Err(keyword.error("another keyword has this name or mask"));
        }
        found.push(new);
    }
    Ok(found)
}

fn read_templates(templates: Element<'_>) -> Result<Vec<Template>, Error> {
    let mut found: Vec<Template> = Vec::new();
    for template in templates.list("template")? {
        template.knows(&["tid"])?;
        let id = template.name("tid")?.to_owned();
        if found.iter().any(|known| known.id == id) {
            return Err(template.error(format!("there is a template `{id}` already")));
        }
        let mut fields = Vec::new();
        for data in template.all("data")? {
            let field = read_field(data, &fields)?;
            fields.push(field);
        }
        if fields.is_empty() || fields.len() > MAX_FIELDS {
            return Err(template.error(format!("{} fields; 1 to {MAX_FIELDS} are possible", fields.len())));
        }
        found.push(Template { id, fields });
    }
    Ok(found)
}

fn read_field(data: Element<'_>, before: &[Field]) -> Result<Field, Error> {
    data.knows(&["name", "inType", "length"])?;
    data.is_empty()?;
    let name = data.name("name")?.to_owned();
    if before.iter().any(|field| field.name == name) {
        return Err(data.error(format!("there is a field `{name}` already")));
    }
    let wanted = data.attribute("inType")?;
    let kind = IN_TYPES.into_iter().find(|kind| kind.name == wanted);
    let kind = kind.ok_or_else(|| data.error(format!("inType `{wanted}` is not known")))?;
    let length = match data.0.attribute("length") {
        None => Length::OfType,
        Some(_) if !kind.has_length() => {
            return Err(data.error(format!("a {wanted} has no length of its own")));
        }
        Some(length) => match before.iter().position(|field| field.name == length) {
            Some(index) if before.get(index).is_some_and(|field| field.kind.counts()) => {
                Length::Field(u16::try_from(index).unwrap_or(u16::MAX))
            }
            Some(_) => return Err(data.error(format!("the field `{length}` is not a count"))),
            None => Length::Fixed(length.parse().map_err(|_| {
                data.error(format!(
                    "length `{length}` is no field before this one, and no number"
                ))
            })?),
        },
    };
    if wanted == "win:Binary" && length == Length::OfType {
        return Err(data.error("a win:Binary needs a length"));
    }
    Ok(Field { name, kind, length })
}

fn read_event(event: Element<'_>, provider: &Provider, strings: &mut Strings<'_>) -> Result<Event, Error> {
    let known = [
        "value", "symbol", "version", "channel", "level", "task", "keywords", "template", "message",
    ];
    event.knows(&known)?;
    event.is_empty()?;
    let find = |what: &str, position: &dyn Fn(&str) -> Option<usize>| match event.0.attribute(what) {
        None => Ok(None),
        Some(name) => match position(name) {
            Some(index) => Ok(Some(index)),
            None => Err(event.error(format!("the {what} `{name}` is not defined"))),
        },
    };
    let mut keywords = Vec::new();
    for name in event
        .0
        .attribute("keywords")
        .unwrap_or_default()
        .split_whitespace()
    {
        let index = provider.keywords.iter().position(|keyword| keyword.name == name);
        keywords.push(index.ok_or_else(|| event.error(format!("the keyword `{name}` is not defined")))?);
    }
    keywords.sort_by_key(|index| provider.keywords.get(*index).map(|keyword| keyword.mask));
    keywords.dedup();
    let level = find("level", &|name| {
        LEVELS.iter().position(|level| level.name == name)
    })?;
    let version = match event.0.attribute("version") {
        None => 0,
        Some(_) => event.number("version", 0..=u64::from(u8::MAX))?,
    };
    let id = event.number("value", 0..=u64::from(u16::MAX))?;
    Ok(Event {
        id: u16::try_from(id).unwrap_or(u16::MAX),
        version: u8::try_from(version).unwrap_or(u8::MAX),
        channel: find("channel", &|id| {
            provider.channels.iter().position(|channel| channel.id == id)
        })?,
        level: level.and_then(|index| LEVELS.get(index).copied()),
        task: find("task", &|name| {
            provider.tasks.iter().position(|task| task.name == name)
        })?,
        keywords,
        template: find("template", &|id| {
            provider.templates.iter().position(|template| template.id == id)
        })?,
        message: strings.message(event)?,
    })
}

/// The texts of a manifest, and which of them were asked for.
struct Strings<'a> {
    texts: BTreeMap<&'a str, (Element<'a>, &'a str)>,
    used: BTreeSet<&'a str>,
}

impl<'a> Strings<'a> {
    fn read(localization: Element<'a>) -> Result<Self, Error> {
        localization.knows(&[])?;
        let [resources] = localization.sections(["resources"])?;
        resources.knows(&["culture"])?;
        let culture = resources.attribute("culture")?;
        if culture != "en-US" {
            return Err(resources.error(format!("texts are in en-US, not in {culture}")));
        }
        let [table] = resources.sections(["stringTable"])?;
        let mut texts = BTreeMap::new();
        for string in table.list("string")? {
            string.knows(&["id", "value"])?;
            string.is_empty()?;
            let (id, value) = (string.attribute("id")?, string.attribute("value")?);
            if value.chars().count() > MAX_MESSAGE {
                return Err(string.error(format!("longer than {MAX_MESSAGE} characters")));
            }
            if texts.insert(id, (string, value)).is_some() {
                return Err(string.error(format!("there is a string `{id}` already")));
            }
        }
        Ok(Self {
            texts,
            used: BTreeSet::new(),
        })
    }

    /// The text that an element's `message` refers to.
    fn message(&mut self, element: Element<'_>) -> Result<Option<String>, Error> {
        let Some(reference) = element.0.attribute("message") else {
            return Ok(None);
        };
        let id = reference
            .strip_prefix("$(string.")
            .and_then(|rest| rest.strip_suffix(')'));
        let found = id.and_then(|id| self.texts.get_key_value(id));
        let Some((id, (_, text))) = found else {
            return Err(element.error(format!("message `{reference}` refers to no string")));
        };
        self.used.insert(id);
        Ok(Some((*text).to_owned()))
    }

    fn all_used(&self) -> Result<(), Error> {
        let unused = self.texts.iter().find(|(id, _)| !self.used.contains(*id));
        match unused {
            Some((id, (string, _))) => Err(string.error(format!("nothing refers to the string `{id}`"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
