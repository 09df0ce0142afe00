//! Verdicts already worked out, by what identifies a file and changes when it is written.

use crate::host::NoMemory;
use crate::judge::Judgement;
use crate::memory::copied;
use alloc::vec::Vec;
use policy::Decision;

/// Verdicts kept.
const ENTRIES: usize = 64;

/// Bytes of records kept: the driver's idle memory is bounded.
const BYTES: usize = 32 * 1024;

/// What identifies a file and changes when it is written.
///
/// An administrator can set every time back; the update sequence number only ever grows, so verdicts are kept for files on volumes that
/// have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKey {
    /// Serial number of the volume.
    pub volume: u64,
    /// Number of the file on it.
    pub file: u64,
    /// Update sequence number of its last change.
    pub usn: i64,
    /// Size in bytes.
    pub size: i64,
    /// Last write, FILETIME.
    pub written: i64,
    /// Last change of anything, FILETIME.
    pub changed: i64,
}

/// A verdict that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Bytes of fields written to the caller's buffer.
    pub bytes: usize,
    /// Whether fields had been left out.
    pub cut: bool,
    /// The decision.
    pub decision: Decision,
    /// What enforcement makes of it.
    pub judgement: Judgement,
}

struct Entry {
    key: FileKey,
    generation: u64,
    /// When it was last found, in look-ups.
    used: u64,
    cut: bool,
    decision: Decision,
    judgement: Judgement,
    fields: Vec<u8>,
}

/// The cache.
pub struct VerdictCache {
    entries: Vec<Entry>,
    bytes: usize,
    lookups: u64,
}

impl VerdictCache {
    /// Empty, with room for its entries but not for their records.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn try_new() -> Result<Self, NoMemory> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(ENTRIES).map_err(|_| NoMemory)?;
        Ok(Self {
            entries,
            bytes: 0,
            lookups: 0,
        })
    }

    /// The verdict of this generation on this file. The fields of its record go to `fields`.
    pub fn find(&mut self, key: &FileKey, generation: u64, fields: &mut [u8]) -> Option<Hit> {
        self.lookups = self.lookups.saturating_add(1);
        let entry = self
            .entries
            .iter_mut()
            .find(|entry| entry.generation == generation && entry.key == *key)?;
        entry.used = self.lookups;
        fields
            .get_mut(..entry.fields.len())?
            .copy_from_slice(&entry.fields);
        Some(Hit {
            bytes: entry.fields.len(),
            cut: entry.cut,
            decision: entry.decision,
            judgement: entry.judgement,
        })
    }

    /// Keeps a verdict, in place of those that were not found for the longest time. Without memory for it nothing is kept. What
    /// is given up comes back, to be dropped by a caller that holds no lock.
    pub fn keep(&mut self, key: FileKey, generation: u64, hit: &Hit, fields: &[u8]) -> Vec<Vec<u8>> {
        let mut dropped = Vec::new();
        let Some(fields) = fields.get(..hit.bytes).filter(|fields| fields.len() <= BYTES) else {
            return dropped;
        };
        if dropped.try_reserve_exact(ENTRIES).is_err() {
            return dropped;
        }
        let Ok(fields) = copied(fields) else {
            return dropped;
        };
        // Verdicts of an earlier generation are never found again.
        self.give_up(&mut dropped, |entry| {
            entry.generation != generation || entry.key == key
        });
        while self.entries.len() >= ENTRIES || self.bytes.saturating_add(fields.len()) > BYTES {
            let Some(oldest) = self.entries.iter().map(|entry| entry.used).min() else {
                break;
            };
            self.give_up(&mut dropped, |entry| entry.used == oldest);
        }
        if self.entries.len() < self.entries.capacity() {
            self.bytes = self.bytes.saturating_add(fields.len());
            self.lookups = self.lookups.saturating_add(1);
            self.entries.push(Entry {
                key,
                generation,
                used: self.lookups,
                cut: hit.cut,
                decision: hit.decision,
                judgement: hit.judgement,
                fields,
            });
        }
        dropped
    }

    fn give_up(&mut self, dropped: &mut Vec<Vec<u8>>, unwanted: impl Fn(&Entry) -> bool) {
        for index in (0..self.entries.len()).rev() {
            if self.entries.get(index).is_some_and(&unwanted) && index < self.entries.len() {
                let entry = self.entries.swap_remove(index);
                self.bytes = self.bytes.saturating_sub(entry.fields.len());
                if dropped.len() < dropped.capacity() {
                    dropped.push(entry.fields);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(file: u64, usn: i64) -> FileKey {
        FileKey {
            volume: 1,
            file,
            usn,
            size: 10,
            written: 20,
            changed: 30,
        }
    }

    fn hit(bytes: usize, judgement: Judgement) -> Hit {
        Hit {
            bytes,
            cut: false,
            decision: Decision::Allow,
            judgement,
        }
    }

    #[test]
    fn finds_what_was_kept_and_nothing_that_changed() {
        let mut cache = VerdictCache::try_new().expect("memory");
        let mut fields = [0; 8];
        cache.keep(key(1, 5), 3, &hit(4, Judgement::Pass), b"abcdef");
        assert_eq!(
            cache.find(&key(1, 5), 3, &mut fields),
            Some(hit(4, Judgement::Pass))
        );
        assert_eq!(&fields[..5], b"abcd\0");
        assert_eq!(
            cache.find(&key(1, 6), 3, &mut fields),
            None,
            "the file was written"
        );
        assert_eq!(cache.find(&key(2, 5), 3, &mut fields), None, "another file");
        assert_eq!(cache.find(&key(1, 5), 4, &mut fields), None, "another generation");
        cache.keep(key(1, 5), 3, &hit(2, Judgement::Refuse), b"xy");
        assert_eq!(
            cache.find(&key(1, 5), 3, &mut fields),
            Some(hit(2, Judgement::Refuse))
        );
        cache.keep(key(9, 9), 4, &hit(0, Judgement::Pass), b"");
        assert_eq!(
            cache.find(&key(1, 5), 3, &mut fields),
            None,
            "an old generation's are given up"
        );
    }

    #[test]
    fn stays_within_its_bounds_and_gives_up_what_was_not_asked_for() {
        let mut cache = VerdictCache::try_new().expect("memory");
        let record = [7; 1000];
        let mut fields = [0; 1000];
        for file in 0..200 {
            cache.keep(key(file, 1), 1, &hit(record.len(), Judgement::Pass), &record);
            assert!(
                cache.find(&key(0, 1), 1, &mut fields).is_some(),
                "asked for every time"
            );
            assert!(cache.bytes <= BYTES && cache.entries.len() <= ENTRIES);
        }
        assert!(cache.find(&key(199, 1), 1, &mut fields).is_some());
        assert!(cache.find(&key(100, 1), 1, &mut fields).is_none());
        for file in 0..200 {
            cache.keep(key(file, 2), 2, &hit(1, Judgement::Pass), &record);
        }
        assert_eq!(cache.entries.len(), ENTRIES);
        cache.keep(
            key(1, 3),
            2,
            &hit(BYTES + 1, Judgement::Pass),
            &alloc::vec![0; BYTES + 1],
        );
        assert!(
            cache
                .find(&key(1, 3), 2, &mut alloc::vec![0; BYTES + 1])
                .is_none(),
            "too large to keep"
        );
    }
}
