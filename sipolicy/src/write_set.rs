//! Writing the bytes of a compiled set; see `policy::format`.

use policy::bucket_index::bucket_bits;
use policy::bucket_index::bucket_of;
use policy::bucket_index::hash_key;
use policy::bucket_index::marks;
use policy::bucket_index::wide_key;
use policy::format::Directory;
use policy::format::FORMAT_VERSION;
use policy::format::Header;
use policy::format::MAGIC;
use policy::format::MAX_TEXT_BYTES;
use policy::format::RULE_NAME_BLOCK;
use policy::format::TABLE_ALIGNMENT;
use policy::format::Table;
use policy::format::TableEntry;
use policy::records::AttributeRecord;
use policy::records::AttributeRef;
use policy::records::AttributeUse;
use policy::records::Bucket;
use policy::records::FileSigner;
use policy::records::HashRecord;
use policy::records::NONE;
use policy::records::PolicyRecord;
use policy::records::SignerRecord;
use policy::records::SignerUse;
use sha2::Digest;
use sha2::Sha256;
use std::collections::HashMap;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

/// The tables of a set while it is built.
#[derive(Default)]
pub(crate) struct SetWriter {
    pub(crate) policies: Vec<PolicyRecord>,
    pub(crate) hashes20: Vec<HashRecord<20>>,
    pub(crate) hashes32: Vec<HashRecord<32>>,
    pub(crate) hashes48: Vec<HashRecord<48>>,
    pub(crate) hashes64: Vec<HashRecord<64>>,
    pub(crate) attributes: Vec<AttributeRecord>,
    pub(crate) attribute_uses: Vec<AttributeUse>,
    pub(crate) signers: Vec<SignerRecord>,
    pub(crate) signer_uses: Vec<SignerUse>,
    pub(crate) attribute_refs: Vec<AttributeRef>,
    pub(crate) exceptions: Vec<U32>,
    pub(crate) ekus: Vec<U32>,
    /// Kinds of names that keys are made of; see `Directory::name_kinds`.
    pub(crate) name_kinds: u32,
    /// Shapes of signers that occur; see `Directory::signer_shapes`.
    pub(crate) signer_shapes: u32,
    /// The index of catalogues; empty for none.
    pub(crate) catalogs: Vec<u8>,
    pool: Vec<u8>,
    pooled: HashMap<Box<[u8]>, u32>,
    rule_name_blocks: Vec<U32>,
    rule_names: Vec<u8>,
    rule_count: u32,
}

impl SetWriter {
    /// Adds a rule's names and gives its number.
    pub(crate) fn add_rule(&mut self, id: &str, name: &str) -> u32 {
        let number = self.rule_count;
        if number.is_multiple_of(RULE_NAME_BLOCK) {
            self.rule_name_blocks.push(u32_of(self.rule_names.len()).into());
        }
        push_text(&mut self.rule_names, id);
        push_text(&mut self.rule_names, name);
        self.rule_count += 1;
        number
    }

    /// Adds texts that follow one another and gives the offset of the first.
    pub(crate) fn add_texts(&mut self, texts: &[&str]) -> u32 {
        let offset = u32_of(self.pool.len());
        for text in texts {
            push_text(&mut self.pool, text);
        }
        offset
    }

    /// Adds a value, once, and gives its offset.
    pub(crate) fn pool(&mut self, value: &[u8]) -> u32 {
        if let Some(&offset) = self.pooled.get(value) {
            return offset;
        }
        let offset = u32_of(self.pool.len());
        push_value(&mut self.pool, value);
        self.pooled.insert(value.into(), offset);
        offset
    }

    /// The bytes of the set.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let buckets20 = index_hashes(&mut self.hashes20);
        let buckets32 = index_hashes(&mut self.hashes32);
        let buckets48 = index_hashes(&mut self.hashes48);
        let buckets64 = index_hashes(&mut self.hashes64);
        self.attribute_uses
            .sort_by_key(|found| (found.key.get(), found.attribute.get(), found.policy.get()));
        let attribute_buckets = index(&self.attribute_uses, |found| wide_key(found.key.get()));
        self.order_signer_uses();
        self.name_first_uses();
        let file_signers = self.file_signers();
        let file_signer_buckets = index(&file_signers, |found| wide_key(found.key.get()));
        let signer_buckets = index(&self.signer_uses, |found| wide_key(found.key.get()));
        let contents = |table: Table| -> &[u8] {
            match table {
                Table::Policies => self.policies.as_bytes(),
                Table::Hashes20 => self.hashes20.as_bytes(),
                Table::Buckets20 => buckets20.as_bytes(),
                Table::Hashes32 => self.hashes32.as_bytes(),
                Table::Buckets32 => buckets32.as_bytes(),
                Table::Hashes48 => self.hashes48.as_bytes(),
                Table::Buckets48 => buckets48.as_bytes(),
                Table::Hashes64 => self.hashes64.as_bytes(),
                Table::Buckets64 => buckets64.as_bytes(),
                Table::Attributes => self.attributes.as_bytes(),
                Table::AttributeUses => self.attribute_uses.as_bytes(),
                Table::AttributeBuckets => attribute_buckets.as_bytes(),
                Table::Signers => self.signers.as_bytes(),
                Table::SignerUses => self.signer_uses.as_bytes(),
                Table::SignerBuckets => signer_buckets.as_bytes(),
                Table::AttributeRefs => self.attribute_refs.as_bytes(),
                Table::Exceptions => self.exceptions.as_bytes(),
                Table::Ekus => self.ekus.as_bytes(),
                Table::Pool => &self.pool,
                Table::RuleNameBlocks => self.rule_name_blocks.as_bytes(),
                Table::RuleNames => &self.rule_names,
                Table::Catalogs => &self.catalogs,
                Table::FileSigners => file_signers.as_bytes(),
                Table::FileSignerBuckets => file_signer_buckets.as_bytes(),
            }
        };
        let mut bytes = vec![0; size_of::<Header>()];
        let directory = Directory {
            table_count: u32_of(Table::COUNT).into(),
            rule_count: self.rule_count.into(),
            name_kinds: self.name_kinds.into(),
            signer_shapes: self.signer_shapes.into(),
        };
        bytes.extend_from_slice(directory.as_bytes());
        let mut end = bytes.len() + Table::COUNT * size_of::<TableEntry>();
        for table in Table::ALL {
            let offset = end.next_multiple_of(TABLE_ALIGNMENT);
            let length = contents(table).len();
            let entry = TableEntry {
                kind: table.number().into(),
                stride: u16::try_from(table.stride()).unwrap_or(u16::MAX).into(),
                offset: u32_of(offset).into(),
                count: u32_of(length / table.stride()).into(),
                reserved: 0.into(),
            };
            bytes.extend_from_slice(entry.as_bytes());
            end = offset + length;
        }
        bytes.reserve_exact(end - bytes.len());
        for table in Table::ALL {
            bytes.resize(bytes.len().next_multiple_of(TABLE_ALIGNMENT), 0);
            bytes.extend_from_slice(contents(table));
        }
        let header = Header {
            magic: MAGIC,
            format: FORMAT_VERSION.into(),
            length: (bytes.len() as u64).into(),
            body_sha256: Sha256::digest(&bytes[size_of::<Header>()..]).into(),
        };
        bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
        bytes
    }
}

impl SetWriter {
    /// Sorts the signer uses and puts their exceptions into the same order. Of several uses of a signer that differ in nothing but
    /// exceptions, one without any settles it.
    fn order_signer_uses(&mut self) {
        let place = |found: &SignerUse| {
            (
                found.key.get(),
                found.signer.get(),
                found.policy.get(),
                found.action.get(),
            )
        };
        self.signer_uses
            .sort_by_key(|found| (place(found), found.except_count.get() != 0));
        self.signer_uses
            .dedup_by(|next, kept| place(next) == place(kept) && kept.except_count.get() == 0);
        let mut exceptions = Vec::with_capacity(self.exceptions.len());
        for found in &mut self.signer_uses {
            let first = found.except_first.get() as usize;
            let own = &self.exceptions[first..first + found.except_count.get() as usize];
            found.except_first = u32_of(exceptions.len()).into();
            exceptions.extend_from_slice(own);
        }
        self.exceptions = exceptions;
    }

    /// Tells each policy the first of its uses of a kind; see `PolicyRecord`.
    fn name_first_uses(&mut self) {
        for (at, found) in self.signer_uses.iter().enumerate() {
            let refs = self.refs_of(&self.signers[found.signer.get() as usize]);
            let any_file = refs.is_empty() && found.except_count.get() == 0;
            if !refs.is_empty() && refs.iter().all(|own| self.is_never(own.attribute)) {
                continue;
            }
            let policy = &mut self.policies[usize::from(found.policy.get())];
            let firsts = if any_file {
                &mut policy.any_file_signers
            } else {
                &mut policy.file_signers
            };
            note_first(firsts, found.action.get(), at);
        }
        for (at, found) in self.attribute_uses.iter().enumerate() {
            let named = found.key.get() != 0 && !self.is_never(found.attribute);
            if named {
                let policy = &mut self.policies[usize::from(found.policy.get())];
                note_first(&mut policy.named_files, found.action.get(), at);
            }
        }
    }

    fn refs_of(&self, signer: &SignerRecord) -> &[AttributeRef] {
        let first = signer.attribute_first.get() as usize;
        &self.attribute_refs[first..first + signer.attribute_count.get() as usize]
    }

    /// Whether no kernel image has an attribute.
    fn is_never(&self, attribute: U32) -> bool {
        self.attributes[attribute.get() as usize].flags.get() & AttributeRecord::NEVER != 0
    }

    /// The signer uses by the files they are restricted to; see `FileSigner`.
    fn file_signers(&self) -> Vec<FileSigner> {
        let mut found = Vec::new();
        for (at, signer_use) in self.signer_uses.iter().enumerate() {
            let policy = &self.policies[usize::from(signer_use.policy.get())];
            if policy.any_file_signers[usize::from(signer_use.action.get())] != NONE {
                continue;
            }
            let entry = |key: U32, attribute: U32| FileSigner {
                key,
                signer_use: u32_of(at).into(),
                attribute,
            };
            let refs = self.refs_of(&self.signers[signer_use.signer.get() as usize]);
            if refs.is_empty() {
                found.push(entry(0.into(), NONE.into()));
            }
            let kernel = refs.iter().filter(|own| !self.is_never(own.attribute));
            found.extend(kernel.map(|own| entry(own.key, own.attribute)));
        }
        found.sort_unstable_by_key(|found| (found.key.get(), found.signer_use.get(), found.attribute.get()));
        found
    }
}

/// Notes a use as the first for an action, if none is.
fn note_first(firsts: &mut [U32; 2], action: u16, at: usize) {
    let first = &mut firsts[usize::from(action)];
    if *first == NONE {
        *first = u32_of(at).into();
    }
}

/// A length or count as the format holds it. The set's cap keeps real ones far below the limit; one that is not is caught by
/// the validation that every compiled set goes through before it is handed out.
pub(crate) fn u32_of(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Adds a text, cut at a character where it is longer than texts may be.
fn push_text(pool: &mut Vec<u8>, text: &str) {
    let mut length = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    push_value(pool, &text.as_bytes()[..length]);
}

fn push_value(pool: &mut Vec<u8>, value: &[u8]) {
    let value = &value[..value.len().min(MAX_TEXT_BYTES)];
    if let Ok(short @ 0..0x80) = u8::try_from(value.len()) {
        pool.push(short);
    } else {
        let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
        pool.extend_from_slice(&[high | 0x80, low]);
    }
    pool.extend_from_slice(value);
}

/// Sorts a hash table and makes its bucket index: dealt out to the buckets first, which puts nearly all in place.
fn index_hashes<const N: usize>(records: &mut Vec<HashRecord<N>>) -> Vec<Bucket> {
    let bits = bucket_bits(u32_of(records.len()));
    let bucket = |record: &HashRecord<N>| bucket_of(hash_key(&record.hash), bits) as usize;
    let mut next = vec![0_usize; (1 << bits) + 1];
    for record in &*records {
        next[bucket(record) + 1] += 1;
    }
    for at in 1..next.len() {
        next[at] += next[at - 1];
    }
    let mut dealt = records.clone();
    for record in &*records {
        let place = &mut next[bucket(record)];
        dealt[*place] = *record;
        *place += 1;
    }
    for of_bucket in dealt.chunk_by_mut(|a, b| bucket(a) == bucket(b)) {
        of_bucket.sort_unstable_by(|a, b| (&a.hash, a.rule.get()).cmp(&(&b.hash, b.rule.get())));
    }
    *records = dealt;
    index(records, |record| hash_key(&record.hash))
}

/// The bucket index of a sorted table.
fn index<T>(records: &[T], key: impl Fn(&T) -> u64) -> Vec<Bucket> {
    if records.is_empty() {
        return Vec::new();
    }
    let bits = bucket_bits(u32_of(records.len()));
    let mut buckets = vec![Bucket::default(); (1 << bits) + 1];
    let mut filled = 0;
    for (at, record) in records.iter().enumerate() {
        let key = key(record);
        let here = bucket_of(key, bits) as usize;
        for bucket in &mut buckets[filled + 1..=here.max(filled)] {
            bucket.first = u32_of(at).into();
        }
        filled = here;
        let seen = &mut buckets[here].marks;
        *seen = (seen.get() | marks(key)).into();
    }
    for bucket in &mut buckets[filled + 1..] {
        bucket.first = u32_of(records.len()).into();
    }
    buckets
}
