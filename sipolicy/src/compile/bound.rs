//! Which rule of which document it was that a set had no more room for.

use crate::document::Document;
use crate::error::CompileError;
use policy::SetError;
use policy::format::Directory;
use policy::format::Header;
use policy::format::Table;
use policy::format::TableEntry;
use policy::records::AttributeRecord;
use policy::records::AttributeUse;
use policy::records::FileSigner;
use policy::records::HashRecord;
use policy::records::SignerRecord;
use policy::records::SignerUse;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;

/// What a set that does not validate says about the documents it was made of, in the order of its policies.
pub(super) fn error_of(bytes: &[u8], error: SetError, documents: &[&Document]) -> CompileError {
    let named = Tables(bytes).named(error.offset).and_then(|(policy, id)| {
        let document = documents.get(usize::from(policy))?;
        let rule = document.file_rules.iter().find(|rule| rule.id == id);
        let signer = document.signers.iter().find(|signer| signer.id == id);
        let position = rule
            .map(|rule| rule.position)
            .or(signer.map(|signer| signer.position))?;
        Some((document.place(position), id))
    });
    match named {
        Some((place, id)) => CompileError {
            place: Some(place),
            message: format!("{id} is one too many: {error}"),
        },
        None => CompileError {
            place: None,
            message: error.to_string(),
        },
    }
}

/// The tables of a set that was just written.
struct Tables<'b>(&'b [u8]);

impl<'b> Tables<'b> {
    fn entry(&self, table: Table) -> Option<&'b TableEntry> {
        let start = size_of::<Header>() + size_of::<Directory>();
        let at = start + usize::from(table.number()) * size_of::<TableEntry>();
        Some(TableEntry::ref_from_prefix(self.0.get(at..)?).ok()?.0)
    }

    fn record<T: FromBytes + Immutable + KnownLayout + Unaligned>(
        &self,
        table: Table,
        index: u32,
    ) -> Option<&'b T> {
        let entry = self.entry(table)?;
        let at = entry.offset.get() as usize + index as usize * table.stride();
        (index < entry.count.get())
            .then(|| T::ref_from_prefix(self.0.get(at..)?).ok())
            .flatten()
            .map(|(record, _)| record)
    }

    /// The policy and id of the rule that the record at this byte is about.
    fn named(&self, offset: u64) -> Option<(u16, String)> {
        let at = u32::try_from(offset).ok()?;
        let (table, index) = Table::ALL.into_iter().find_map(|table| {
            let entry = self.entry(table)?;
            let within = at.checked_sub(entry.offset.get())?;
            let index = within / u32::try_from(table.stride()).ok()?;
            (index < entry.count.get()).then_some((table, index))
        })?;
        let (policy, rule) = self.rule(table, index)?;
        Some((policy, self.id(rule)?))
    }

    fn rule(&self, table: Table, index: u32) -> Option<(u16, u32)> {
        match table {
            Table::Hashes20 => self.hash::<20>(table, index),
            Table::Hashes32 => self.hash::<32>(table, index),
            Table::Hashes48 => self.hash::<48>(table, index),
            Table::Hashes64 => self.hash::<64>(table, index),
            Table::AttributeUses => {
                let found: &AttributeUse = self.record(table, index)?;
                let record: &AttributeRecord = self.record(Table::Attributes, found.attribute.get())?;
                Some((found.policy.get(), record.rule.get()))
            }
            Table::SignerUses => {
                let found: &SignerUse = self.record(table, index)?;
                let record: &SignerRecord = self.record(Table::Signers, found.signer.get())?;
                Some((found.policy.get(), record.rule.get()))
            }
            Table::FileSigners => {
                let found: &FileSigner = self.record(table, index)?;
                self.rule(Table::SignerUses, found.signer_use.get())
            }
            _ => None,
        }
    }

    fn hash<const N: usize>(&self, table: Table, index: u32) -> Option<(u16, u32)> {
        let found: &HashRecord<N> = self.record(table, index)?;
        Some((found.policy(), found.rule.get()))
    }

    /// The id of a rule: each has two texts.
    fn id(&self, rule: u32) -> Option<String> {
        let entry = self.entry(Table::RuleNames)?;
        let mut rest = self.0.get(entry.offset.get() as usize..)?;
        for _ in 0..2 * u64::from(rule) {
            rest = text(rest)?.1;
        }
        String::from_utf8(text(rest)?.0.to_vec()).ok()
    }
}

/// Splits a text off the front, whose length stands before it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match *bytes {
        [high @ 0x80..=0xff, low, ref rest @ ..] => {
            rest.split_at_checked(usize::from(u16::from_be_bytes([high & 0x7f, low])))
        }
        [length, ref rest @ ..] => rest.split_at_checked(length.into()),
        [] => None,
    }
}
