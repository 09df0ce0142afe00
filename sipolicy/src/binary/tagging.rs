//! AppID tagging policies: in the binary form their tags are settings, and nothing else tells them from base policies.

use super::DEFAULT_POLICY;
use super::ENFORCE_DLL;
use super::TAGGING_OPTIONS;
use super::TAGGING_PROVIDER;
use super::TAGGING_SETTINGS_KEY;
use super::TAGS_KEY;
use crate::document::AppIdTags;
use crate::document::Document;
use crate::document::KERNEL_SCENARIO;
use crate::document::PolicyKind;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::options::option_names;
use policy::Options;

/// Value of the user-mode scenario, whose processes are tagged.
const USER_SCENARIO: u8 = 12;

/// Whether a setting is one of tagging.
fn is_tagging(setting: &Setting) -> bool {
    let key = setting.key.get(..TAGS_KEY.len());
    setting.provider.eq_ignore_ascii_case(TAGGING_PROVIDER)
        && key.is_some_and(|key| key.eq_ignore_ascii_case(TAGS_KEY))
}

/// Whether this setting is the one that every tagging policy has.
fn is_mark(setting: &Setting) -> bool {
    is_tagging(setting)
        && setting.value_name.eq_ignore_ascii_case(DEFAULT_POLICY)
        && setting.value == SettingValue::Boolean(true)
}

/// Whether a policy is read from the binary form as a tagging policy: it has the mark of one; or it has tags and could refuse no
/// driver as a base policy either, for it audits and has no kernel scenario. A base policy may have tags too, and then it still
/// allows and denies.
pub(super) fn is_tagging_policy(document: &Document) -> bool {
    let kernel = document
        .scenarios
        .iter()
        .any(|scenario| scenario.value == KERNEL_SCENARIO);
    let tags = document
        .scenarios
        .iter()
        .any(|scenario| scenario.app_id_tags.is_some());
    document.settings.iter().any(is_mark)
        || (document.options.contains(Options::AUDIT_MODE)
            && !kernel
            && (tags || document.settings.iter().any(is_tagging)))
}

/// Makes the tagging policy of a document that its settings say it is, and puts the tags where XML has them.
pub(super) fn recognise(document: &mut Document) {
    if document.kind == PolicyKind::Base && is_tagging_policy(document) {
        document.kind = PolicyKind::AppIdTagging;
    }
    let scenarios = &mut document.scenarios;
    let user = scenarios
        .iter()
        .position(|scenario| scenario.value == USER_SCENARIO);
    let Some(scenario) = scenarios.get_mut(user.unwrap_or(0)) else {
        return;
    };
    let mut tags = AppIdTags::default();
    document.settings.retain(|setting| {
        let place = (&*setting.provider, &*setting.key, &*setting.value_name);
        match (place, &setting.value) {
            ((TAGGING_PROVIDER, TAGS_KEY, key), SettingValue::String(value)) => {
                tags.tags.push((key.to_owned(), value.clone()));
                false
            }
            ((TAGGING_PROVIDER, TAGGING_SETTINGS_KEY, ENFORCE_DLL), SettingValue::Boolean(true)) => {
                // A second one stays what it is.
                tags.enforce_dll.replace(true).is_some()
            }
            _ => true,
        }
    });
    if tags != AppIdTags::default() {
        scenario.app_id_tags = Some(tags);
    }
}

/// The settings that hold the tags of a policy.
pub(super) fn settings(document: &Document) -> Vec<([&str; 3], SettingValue)> {
    let mut settings = Vec::new();
    let all = || {
        let scenarios = document.scenarios.iter();
        scenarios.filter_map(|scenario| scenario.app_id_tags.as_ref())
    };
    if all().any(|tags| tags.enforce_dll == Some(true)) {
        let name = [TAGGING_PROVIDER, TAGGING_SETTINGS_KEY, ENFORCE_DLL];
        settings.push((name, SettingValue::Boolean(true)));
    }
    for (key, value) in all().flat_map(|tags| &tags.tags) {
        let setting = (
            [TAGGING_PROVIDER, TAGS_KEY, key],
            SettingValue::String(value.clone()),
        );
        settings.push(setting);
    }
    let default = [TAGGING_PROVIDER, TAGGING_SETTINGS_KEY, DEFAULT_POLICY];
    // Without it some would be read as a base policy.
    let needed = is_of_xml(document) || !is_tagging_policy(document);
    if document.kind == PolicyKind::AppIdTagging && needed && !document.settings.iter().any(is_mark) {
        settings.push((default, SettingValue::Boolean(true)));
    }
    settings
}

/// What was not read from the binary form has not yet what every tagging policy has there.
const fn is_of_xml(document: &Document) -> bool {
    document.format_version.is_none()
}

/// The options that the binary form of this policy has beside its own.
pub(super) fn added_options(document: &Document) -> Options {
    Options(
        if document.kind == PolicyKind::AppIdTagging && is_of_xml(document) {
            TAGGING_OPTIONS & !document.options.0
        } else {
            0
        },
    )
}

/// What becomes of tags in the binary form, in words.
pub(super) fn losses(document: &Document) -> Vec<String> {
    let tagged = document
        .scenarios
        .iter()
        .filter(|scenario| scenario.app_id_tags.is_some());
    let tagged = tagged.count();
    let mut losses = Vec::new();
    if tagged > 0 && document.scenarios.len() > 1 {
        losses.push("AppID tags are the whole policy's in the binary form, not a scenario's".to_owned());
    }
    let added: Vec<String> = option_names(added_options(document)).collect();
    if !added.is_empty() {
        losses.push(format!(
            "an AppID tagging policy has these options in the binary form, and the document does not set them; they were \
             added: {}",
            added.join(", ")
        ));
    }
    losses
}
