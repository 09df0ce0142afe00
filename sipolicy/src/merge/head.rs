//! What a policy says beside its rules: identity, options, settings. Those of the first document stand; what the others say
//! otherwise is told.

use super::prepare::allows_anything;
use crate::document::Document;
use crate::document::PolicyKind;
use crate::document::Scenario;
use crate::document::Setting;
use crate::options::RESTRICTING;
use crate::options::option_names;
use crate::semantics::minimum_digest;
use policy::Options;

/// Takes in what may be taken of another document's head.
pub(super) fn add(merged: &mut Document, other: &Document, notes: &mut Vec<String>) {
    let file = &*other.file;
    identity(merged, other, notes);
    options(merged, other, notes);
    if other.hvci_options.unwrap_or(0) != merged.hvci_options.unwrap_or(0) {
        notes.push(format!(
            "{file}: HvciOptions {} was left out; the first policy's {} is kept",
            other.hvci_options.unwrap_or(0),
            merged.hvci_options.unwrap_or(0)
        ));
    }
    for setting in &other.settings {
        settings(merged, setting, file, notes);
    }
    for app in &other.app_settings {
        match merged
            .app_settings
            .iter()
            .find(|known| known.manifest == app.manifest)
        {
            None => merged.app_settings.push(app.clone()),
            Some(known) if known == app => {}
            Some(_) => notes.push(format!(
                "{file}: the AppSettings of {} differ and were left out: {}",
                app.manifest,
                app.settings
                    .iter()
                    .map(|(name, values)| format!(
                        "{} = {}",
                        name.as_deref().unwrap_or_default(),
                        values.join(", ")
                    ))
                    .collect::<Vec<_>>()
                    .join("; ")
            )),
        }
    }
}

fn identity(merged: &Document, other: &Document, notes: &mut Vec<String>) {
    let mut left = Vec::new();
    if other.id() != merged.id() {
        left.push(format!("the id {}", other.id()));
    }
    if other.base_id() != merged.base_id() && other.base_id() != other.id() {
        left.push(format!("the base policy id {}", other.base_id()));
    }
    if other.platform_id.is_some() && other.platform_id != merged.platform_id {
        left.push(format!(
            "the platform id {}",
            other.platform_id.unwrap_or_default()
        ));
    }
    if other.version != merged.version {
        left.push(format!("the version {}", other.version));
    }
    for (what, name, kept) in [
        ("name", other.name(), merged.name()),
        (
            "friendly name",
            other.friendly_name.as_deref().unwrap_or_default(),
            merged.friendly_name.as_deref().unwrap_or_default(),
        ),
        ("PolicyInfo id", other.info_id(), merged.info_id()),
    ] {
        if !name.is_empty() && name != kept {
            left.push(format!("the {what} \"{name}\""));
        }
    }
    if !left.is_empty() {
        notes.push(format!(
            "{}: {} left out; the first policy's identity is kept",
            other.file,
            left.join(", ")
        ));
    }
    if other.kind != merged.kind {
        notes.push(format!(
            "{}: a {}; its rules were merged into a {}",
            other.file,
            other.kind.name(),
            merged.kind.name()
        ));
    }
}

fn options(merged: &mut Document, other: &Document, notes: &mut Vec<String>) {
    let file = &*other.file;
    // The others' allow rules hold only within their restrictions: without them they would allow what neither policy did.
    let taken = if merged.kind == PolicyKind::Base && allows_anything(other) {
        other.options.0 & !merged.options.0 & RESTRICTING
    } else {
        0
    };
    for name in option_names(Options(taken)) {
        notes.push(format!(
            "{file}: the option {name} was taken over, for its allow rules hold only under it"
        ));
    }
    merged.options.0 |= taken;
    for name in option_names(Options(other.options.0 & !merged.options.0)) {
        notes.push(format!(
            "{file}: the option {name} was left out; the first policy's options are kept"
        ));
    }
    for name in option_names(Options(merged.options.0 & !other.options.0)) {
        notes.push(format!(
            "{file}: does not set the option {name}, which the first policy sets; it is kept"
        ));
    }
    for name in &other.other_options {
        if !merged.other_options.contains(name) {
            notes.push(format!(
                "{file}: the option {name} was left out; the first policy's options are kept"
            ));
        }
    }
    for name in merged
        .other_options
        .iter()
        .filter(|name| !other.other_options.contains(name))
    {
        notes.push(format!(
            "{file}: does not set the option {name}, which the first policy sets; it is kept"
        ));
    }
}

fn settings(merged: &mut Document, setting: &Setting, file: &str, notes: &mut Vec<String>) {
    let name = format!("{}/{}/{}", setting.provider, setting.key, setting.value_name);
    let known = merged.settings.iter().find(|known| {
        (&known.provider, &known.key, &known.value_name)
            == (&setting.provider, &setting.key, &setting.value_name)
    });
    match known {
        // Events name the policy by it.
        None if setting.provider == "PolicyInfo" => notes.push(format!(
            "{file}: the setting {name} ({}) was left out; the first policy has none, and its identity is kept",
            setting.value
        )),
        None => merged.settings.push(setting.clone()),
        Some(known) if known.value == setting.value => {}
        Some(known) => notes.push(format!(
            "{file}: the setting {name} is {}, and was left out; the first policy's {} is kept",
            setting.value, known.value
        )),
    }
}

/// What a scenario says beside its rules, of one that the merged policy has already.
pub(super) fn scenario(
    merged: &mut Scenario,
    other: &Scenario,
    allows: bool,
    file: &str,
    notes: &mut Vec<String>,
) {
    let value = other.value;
    if other.minimum_hash_algorithm.unwrap_or(SHA256) != merged.minimum_hash_algorithm.unwrap_or(SHA256) {
        let rank = |algorithm| minimum_digest(algorithm).unwrap_or(SHA256_RANK);
        let (theirs, own) = (other.minimum_hash_algorithm, merged.minimum_hash_algorithm);
        let said = |algorithm: Option<u16>| {
            algorithm.map_or_else(
                || format!("{SHA256} (where nothing is said)"),
                |number| number.to_string(),
            )
        };
        if allows && rank(theirs) > rank(own) {
            merged.minimum_hash_algorithm = theirs;
            notes.push(format!(
                "{file}: scenario {value}: MinimumHashAlgorithm {} was taken over in place of {}, for its allow rules hold \
                 only with it",
                said(theirs),
                said(own)
            ));
        } else {
            notes.push(format!(
                "{file}: scenario {value}: MinimumHashAlgorithm {} was left out; the first policy's {} is kept",
                said(theirs),
                said(own)
            ));
        }
    }
    if let Some(name) = other.friendly_name.as_deref().filter(|name| !name.is_empty())
        && merged.friendly_name.as_deref() != Some(name)
    {
        notes.push(format!(
            "{file}: scenario {value}: its FriendlyName \"{name}\" was left out"
        ));
    }
    let Some(tags) = &other.app_id_tags else {
        return;
    };
    let own = merged.app_id_tags.clone().unwrap_or_default();
    if tags.enforce_dll.unwrap_or(false) != own.enforce_dll.unwrap_or(false) {
        notes.push(format!(
            "{file}: scenario {value}: AppIDTags: EnforceDLL {} was left out",
            tags.enforce_dll.unwrap_or(false)
        ));
    }
    for (key, tag) in &tags.tags {
        if !own.tags.iter().any(|known| known == &(key.clone(), tag.clone())) {
            notes.push(format!(
                "{file}: scenario {value}: AppIDTags: the tag {key} = {tag} was left out; it would be given to what the \
                 first policy's rules select"
            ));
        }
    }
}

/// The CALG number of SHA-256, which holds where a scenario says nothing.
const SHA256: u16 = 0x800c;
/// Its strength, as `minimum_digest` counts.
const SHA256_RANK: u8 = 3;
