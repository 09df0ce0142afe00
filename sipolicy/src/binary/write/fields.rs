//! The fields that the binary form is made of: numbers, counts, blobs, strings and indexes.

use super::WriteError;
use super::Writer;
use crate::document::Reference;
use std::collections::HashMap;

impl<'d> Writer<'d> {
    pub(super) fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn count(&mut self, count: usize) {
        // Documents are read whole into memory and capped far below this.
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(super) fn blob(&mut self, blob: &[u8]) {
        self.count(blob.len());
        self.bytes.extend_from_slice(blob);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    pub(super) fn string(&mut self, text: Option<&str>) {
        let units: Vec<u8> = text
            .unwrap_or_default()
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        self.blob(&units);
        self.u32(0);
    }

    pub(super) fn index(
        &self,
        ids: &HashMap<&str, usize>,
        reference: &Reference,
        what: &str,
    ) -> Result<usize, WriteError> {
        ids.get(reference.id.as_str()).copied().ok_or_else(|| WriteError {
            place: self.document.place(reference.position),
            message: format!(
                "no {what} has the ID {}; correct it or add the {what}",
                reference.id
            ),
        })
    }

    pub(super) fn indexes(
        &mut self,
        ids: fn(&Self) -> &HashMap<&'d str, usize>,
        references: &[Reference],
        what: &str,
    ) -> Result<(), WriteError> {
        let mut indexes = Vec::new();
        for reference in references {
            indexes.push(self.index(ids(self), reference, what)?);
        }
        self.count(indexes.len());
        for index in indexes {
            self.count(index);
        }
        Ok(())
    }
}
