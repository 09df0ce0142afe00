//! The file rules of one policy, to records.

use super::PolicyTables;
use super::number_of;
use crate::compile::error_at;
use crate::document::FileRule;
use crate::document::FileRuleKind;
use crate::document::Position;
use crate::error::CompileError;
use crate::semantics::groups_in_force;
use crate::semantics::is_wildcard;
use crate::semantics::version_range;
use crate::write_set::u32_of;
use evidence::Text;
use policy::Action;
use policy::bounds::MAX_VALUE_BYTES;
use policy::fold;
use policy::name_key;
use policy::records::AttributeRecord;
use policy::records::AttributeUse;
use policy::records::HASH_DENIES;
use policy::records::HashRecord;
use policy::records::NAME_KINDS;
use policy::records::NONE;

impl<'d> PolicyTables<'d, '_> {
    /// Where the file rule with this id stands in the document. References mostly follow the order of the rules.
    pub(super) fn file_rule_at(&mut self, id: &str) -> Option<usize> {
        let rules = &self.document.file_rules;
        let guess = self.next_file_rule;
        let at = if rules.get(guess).is_some_and(|rule| rule.id == id) {
            guess
        } else {
            let by_id = self.file_rules.get_or_insert_with(|| {
                let numbered = rules.iter().enumerate();
                numbered.map(|(at, rule)| (rule.id.as_str(), at)).collect()
            });
            *by_id.get(id)?
        };
        self.next_file_rule = at + 1;
        Some(at)
    }

    /// Writes the file rules that the scenarios refer to by themselves.
    pub(super) fn file_rules(&mut self) -> Result<(), CompileError> {
        let mut wanted = Vec::new();
        let mut seen = vec![false; self.document.file_rules.len()];
        for group in self.scenarios.clone().into_iter().flat_map(groups_in_force) {
            for reference in &group.rules {
                let Some(at) = self.file_rule_at(&reference.id) else {
                    return Err(self.dangling("file rule", reference, "RuleID"));
                };
                if std::mem::replace(&mut seen[at], true) {
                    let message = format!("{} is referred to twice; once is enough", reference.id);
                    self.note(reference.position, message);
                } else {
                    wanted.push(at);
                }
            }
        }
        // Numbers go by document order, so that of two equal rules the first in the document is reported.
        wanted.sort_unstable();
        for at in wanted {
            self.file_rule(at)?;
        }
        Ok(())
    }

    fn file_rule(&mut self, at: usize) -> Result<(), CompileError> {
        let rule: &'d FileRule = &self.document.file_rules[at];
        let action = match rule.kind {
            FileRuleKind::Allow => Action::Allow,
            FileRuleKind::Deny => Action::Deny,
            FileRuleKind::Attribute => {
                let message = format!("{} is a file attribute; it has effect only in a signer", rule.id);
                self.note(rule.position, message);
                return Ok(());
            }
        };
        if self.is_supplemental() && action == Action::Deny {
            let message = format!("{} denies in a supplemental policy, which is ignored", rule.id);
            self.note(rule.position, message);
            return Ok(());
        }
        if rule.attributes().is_user_mode_only() {
            let message = format!(
                "{} goes by a file path, package or application, which only user-mode files have; it was left out",
                rule.id
            );
            self.note(rule.position, message);
            return Ok(());
        }
        if rule.hash.is_empty() {
            let (attribute, key) = self.attribute(at)?;
            self.writer.attribute_uses.push(AttributeUse {
                key: key.into(),
                attribute: attribute.into(),
                policy: self.policy.into(),
                action: number_of(action).into(),
            });
            return Ok(());
        }
        let number = self.rule_number(at);
        let use_in = match action {
            Action::Allow => self.policy,
            Action::Deny => self.policy | HASH_DENIES,
        };
        let writer = &mut *self.writer;
        let added = add_hash(&mut writer.hashes32, rule, number, use_in)
            || add_hash(&mut writer.hashes20, rule, number, use_in)
            || add_hash(&mut writer.hashes48, rule, number, use_in)
            || add_hash(&mut writer.hashes64, rule, number, use_in);
        if !added {
            return Err(error_at(
                self.document,
                rule.position,
                format!(
                    "the Hash of {} has {} bytes; a hash rule has 20, 32, 48 or 64",
                    rule.id,
                    rule.hash.len()
                ),
            ));
        }
        let length = match rule.hash.len() {
            20 => 1_u32,
            32 => 2,
            48 => 4,
            _ => 8,
        };
        self.hash_lengths |= length << (16 * u32::from(number_of(action)));
        Ok(())
    }

    fn rule_number(&mut self, at: usize) -> u32 {
        if let Some(number) = self.rule_numbers[at] {
            return number;
        }
        let rule = &self.document.file_rules[at];
        let number = self
            .writer
            .add_rule(&rule.id, rule.friendly_name.as_deref().unwrap_or_default());
        self.rule_numbers[at] = Some(number);
        number
    }

    /// Writes the attributes of a file rule and gives the index of their record and its key.
    pub(super) fn attribute(&mut self, at: usize) -> Result<(u32, u32), CompileError> {
        let rule: &'d FileRule = &self.document.file_rules[at];
        let asked = rule
            .attributes()
            .names()
            .map(|name| name.filter(|name| !is_wildcard(name)));
        let key = match asked
            .iter()
            .enumerate()
            .find_map(|(kind, name)| Some((kind, (*name)?)))
        {
            Some((kind, name)) => {
                self.writer.name_kinds |= 1 << kind;
                name_key(kind, Text::Utf8(name))
            }
            None => 0,
        };
        if let Some(&written) = self.attributes.get(&at) {
            return Ok((written, key));
        }
        let mut names = [NONE.into(); NAME_KINDS];
        for (place, name) in names.iter_mut().zip(asked) {
            if let Some(name) = name {
                *place = self.folded(name, &rule.id, rule.position)?.into();
            }
        }
        let range = version_range(rule.kind, rule.attributes());
        let (min, max) = range.unwrap_or((0, u64::MAX));
        let mut flags = 0;
        if range.is_some() {
            flags |= AttributeRecord::BOUNDED;
        }
        if rule.attributes().is_user_mode_only() {
            flags |= AttributeRecord::NEVER;
        }
        if rule.kind == FileRuleKind::Deny {
            flags |= AttributeRecord::DENIES;
        }
        let hash = if rule.hash.is_empty() {
            NONE
        } else {
            self.pooled(&rule.hash, &rule.id, rule.position)?
        };
        let record = AttributeRecord {
            names,
            min: min.into(),
            max: max.into(),
            hash: hash.into(),
            rule: self.rule_number(at).into(),
            flags: flags.into(),
            reserved: [0; 4],
        };
        let written = u32_of(self.writer.attributes.len());
        self.writer.attributes.push(record);
        self.attributes.insert(at, written);
        Ok((written, key))
    }

    /// Pools a name in upper case.
    pub(super) fn folded(&mut self, text: &str, of: &str, position: Position) -> Result<u32, CompileError> {
        let folded: String = text.chars().map(fold).collect();
        self.pooled(folded.as_bytes(), of, position)
    }

    /// Pools a value that a rule asks for.
    pub(super) fn pooled(&mut self, value: &[u8], of: &str, position: Position) -> Result<u32, CompileError> {
        if value.len() > MAX_VALUE_BYTES {
            return Err(error_at(
                self.document,
                position,
                format!(
                    "{of} asks for a name or value of {} bytes; no file has one of more than {MAX_VALUE_BYTES}: shorten it or leave \
                     the rule out",
                    value.len()
                ),
            ));
        }
        Ok(self.writer.pool(value))
    }
}

/// Adds the rule to the table of hashes of `N` bytes if its hash has that length.
fn add_hash<const N: usize>(
    table: &mut Vec<HashRecord<N>>,
    rule: &FileRule,
    number: u32,
    use_in: u16,
) -> bool {
    let Ok(hash) = rule.hash.as_slice().try_into() else {
        return false;
    };
    table.push(HashRecord {
        hash,
        rule: number.into(),
        use_in: use_in.into(),
    });
    true
}
