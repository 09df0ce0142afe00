//! Reading options, settings and macros.

use super::Element;
use super::Reader;
use super::elements;
use super::schema::boolean;
use super::schema::quoted;
use super::text_of;
use crate::document::AppSettings;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::error::ReadError;
use crate::options::OPTIONS;
use policy::Options;
use std::collections::HashSet;

impl Reader<'_> {
    pub(super) fn options(&mut self, rules: Element<'_, '_>) {
        for option in elements(rules).flat_map(elements) {
            let text = text_of(option);
            let Some(known) = OPTIONS.iter().find(|known| known.name == text) else {
                self.document.other_options.push(text.into_owned());
                continue;
            };
            let bit = Options(1 << known.bit);
            if self.document.options.contains(bit) {
                self.note(option, format!("{text} is set a second time; once is enough"));
            }
            self.document.options = self.document.options.with(bit);
        }
    }

    pub(super) fn settings(&mut self, settings: Element<'_, '_>) -> Result<(), ReadError> {
        for setting in elements(settings) {
            let Some(value) = elements(setting).flat_map(elements).next() else {
                return Err(self.error(setting, "the setting has no value; add one"));
            };
            let text = text_of(value);
            let value = match value.tag_name().name() {
                "Boolean" => SettingValue::Boolean(boolean(&text) == Some(true)),
                "DWord" => SettingValue::DWord(self.number(value, "DWord", &text)?),
                "Binary" => SettingValue::Binary(self.hex(value, "Binary", &text)?),
                _ => SettingValue::String(text.into_owned()),
            };
            let setting = Setting {
                provider: self.required(setting, "Provider")?.to_owned(),
                key: self.required(setting, "Key")?.to_owned(),
                value_name: self.required(setting, "ValueName")?.to_owned(),
                value,
            };
            self.document.settings.push(setting);
        }
        Ok(())
    }

    pub(super) fn macros(&mut self, macros: Element<'_, '_>) -> Result<(), ReadError> {
        let mut ids = HashSet::new();
        for child in elements(macros) {
            let id = self.required(child, "Id")?.to_owned();
            let value = self.required(child, "Value")?.to_owned();
            if !ids.insert(id.clone()) {
                return Err(self.error(
                    child,
                    format!("the macro {} is defined twice; leave one out", quoted(&id)),
                ));
            }
            self.document.macros.push((id, value));
        }
        Ok(())
    }

    pub(super) fn app_settings(&mut self, settings: Element<'_, '_>) {
        for app in elements(settings) {
            let settings = elements(app)
                .map(|setting| {
                    let values = elements(setting)
                        .map(|value| text_of(value).into_owned())
                        .collect();
                    (setting.attribute("Name").map(str::to_owned), values)
                })
                .collect();
            self.document.app_settings.push(AppSettings {
                manifest: app.attribute("Manifest").unwrap_or_default().to_owned(),
                settings,
            });
        }
    }
}
