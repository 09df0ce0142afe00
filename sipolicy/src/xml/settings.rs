//! Reading options, settings and macros.

use super::Element;
use super::Reader;
use super::elements;
use crate::document::AppSettings;
use crate::document::Setting;
use crate::document::SettingValue;
use crate::error::ReadError;
use crate::hex;
use crate::options::CERTIFICATE_REMAPPING;
use crate::options::OPTIONS;
use policy::Options;

impl Reader<'_> {
    pub(super) fn options(&mut self, rules: Element<'_, '_>) -> Result<(), ReadError> {
        for rule in elements(rules) {
            for option in elements(rule) {
                if option.tag_name().name() != "Option" {
                    self.unknown_element(option);
                    continue;
                }
                let text = option.text().unwrap_or_default().trim();
                if let Some(known) = OPTIONS.iter().find(|known| known.name == text) {
                    let bit = Options(1 << known.bit);
                    if self.document.options.contains(bit) {
                        self.note(option, format!("{text} is set a second time; once is enough"));
                    }
                    self.document.options = self.document.options.with(bit);
                } else if text == CERTIFICATE_REMAPPING || text == "Allowed:Debug Policy Augmented" {
                    self.document.other_options.push(text.to_owned());
                } else {
                    let near = OPTIONS.iter().find(|known| squeeze(known.name) == squeeze(text));
                    let hint = near.map_or("one of the names of the SiPolicy schema", |known| known.name);
                    return Err(self.error(option, format!("\"{text}\" is no policy option; write {hint}")));
                }
            }
        }
        Ok(())
    }

    pub(super) fn settings(&mut self, settings: Element<'_, '_>) -> Result<(), ReadError> {
        for setting in elements(settings) {
            if setting.tag_name().name() != "Setting" {
                self.unknown_element(setting);
                continue;
            }
            self.only_attributes(setting, &["Provider", "Key", "ValueName"]);
            let value = elements(setting)
                .find(|child| child.tag_name().name() == "Value")
                .and_then(|value| elements(value).next());
            let Some(value) = value else {
                return Err(self.error(
                    setting,
                    "the setting has no value; write <Value><String>...</String></Value> or another kind",
                ));
            };
            let text = value.text().unwrap_or_default();
            let value = match value.tag_name().name() {
                "Boolean" => match text.trim() {
                    "true" | "1" => SettingValue::Boolean(true),
                    "false" | "0" => SettingValue::Boolean(false),
                    _ => {
                        return Err(
                            self.error(value, format!("\"{text}\" is no Boolean; write true or false"))
                        );
                    }
                },
                "DWord" => SettingValue::DWord(self.parse(value, "a number below 4294967296")?),
                "Binary" => SettingValue::Binary(hex::decode(text).ok_or_else(|| {
                    self.error(
                        value,
                        "the binary value is not hexadecimal; write pairs of digits",
                    )
                })?),
                "String" => SettingValue::String(text.to_owned()),
                other => {
                    let message =
                        format!("<{other}> is no kind of value; write Boolean, DWord, Binary or String");
                    return Err(self.error(value, message));
                }
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
        for child in elements(macros) {
            let id = self.required(child, "Id")?.to_owned();
            let value = self.required(child, "Value")?.to_owned();
            if self.document.macros.iter().any(|(other, _)| *other == id) {
                return Err(self.error(child, format!("the macro {id} is defined twice; leave one out")));
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
                        .map(|value| value.text().unwrap_or_default().to_owned())
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

/// A name without blanks and case, to find the one that was meant.
fn squeeze(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_ascii_lowercase())
        .collect()
}
