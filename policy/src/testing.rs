//! Sets put together record by record, as no compiler would make them.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use crate::bucket_index::bucket_bits;
use crate::bucket_index::bucket_of;
use crate::bucket_index::hash_key;
use crate::bucket_index::marks;
use crate::bucket_index::signer_key;
use crate::bucket_index::tbs_key;
use crate::bucket_index::wellknown_key;
use crate::bucket_index::wide_key;
use crate::fold::name_key;
use crate::fold::text_key;
use crate::format::Directory;
use crate::format::FORMAT_VERSION;
use crate::format::Header;
use crate::format::MAGIC;
use crate::format::RULE_NAME_BLOCK;
use crate::format::TABLE_ALIGNMENT;
use crate::format::Table;
use crate::format::TableEntry;
use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::AttributeUse;
use crate::records::Bucket;
use crate::records::FileSigner;
use crate::records::HashRecord;
use crate::records::NONE;
use crate::records::PolicyRecord;
use crate::records::SHAPE_PUBLISHER;
use crate::records::SignerRecord;
use crate::records::SignerUse;
use evidence::Text;
use sha2::Digest;
use sha2::Sha256;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

/// The tables of a set; [`Tables::build`] sorts nothing but makes the bucket indexes.
#[derive(Clone)]
pub(crate) struct Tables {
    pub(crate) policies: Vec<PolicyRecord>,
    pub(crate) hashes: Vec<HashRecord<32>>,
    pub(crate) attributes: Vec<AttributeRecord>,
    pub(crate) attribute_uses: Vec<AttributeUse>,
    pub(crate) signers: Vec<SignerRecord>,
    pub(crate) signer_uses: Vec<SignerUse>,
    pub(crate) attribute_refs: Vec<AttributeRef>,
    pub(crate) exceptions: Vec<U32>,
    pub(crate) ekus: Vec<U32>,
    pub(crate) file_signers: Vec<FileSigner>,
    pool: Vec<u8>,
    pooled: BTreeMap<Vec<u8>, u32>,
}

/// What a signer asks for.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    pub(crate) tbs: Option<[u8; 32]>,
    pub(crate) publisher: Option<&'static str>,
    /// Indexes of attributes.
    pub(crate) attributes: Vec<u32>,
    pub(crate) ekus: u16,
}

impl Tables {
    /// With so many base policies.
    pub(crate) fn of(policies: u16) -> Self {
        let mut tables = Self {
            policies: Vec::new(),
            hashes: Vec::new(),
            attributes: Vec::new(),
            attribute_uses: Vec::new(),
            signers: Vec::new(),
            signer_uses: Vec::new(),
            attribute_refs: Vec::new(),
            exceptions: Vec::new(),
            ekus: Vec::new(),
            file_signers: Vec::new(),
            pool: std::vec![0, 0],
            pooled: BTreeMap::new(),
        };
        for number in 0..policies {
            tables.policies.push(PolicyRecord {
                id: [1; 16],
                base_id: [1; 16],
                version: 0.into(),
                options: 0.into(),
                texts: 0.into(),
                base: number.into(),
                flags: 0.into(),
                hash_lengths: 0.into(),
                minimum_digest: 2,
                reserved: [0; 3],
                any_file_signers: [NONE.into(); 2],
                file_signers: [NONE.into(); 2],
                named_files: [NONE.into(); 2],
            });
        }
        tables
    }

    pub(crate) fn pool(&mut self, value: &[u8]) -> u32 {
        let end = u32_of(self.pool.len());
        let pool = &mut self.pool;
        *self.pooled.entry(value.to_vec()).or_insert_with(|| {
            let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
            if value.len() < 0x80 {
                pool.push(low);
            } else {
                pool.extend([high | 0x80, low]);
            }
            pool.extend(value);
            end
        })
    }

    pub(crate) fn hash(&mut self, hash: [u8; 32], rule: u32, policy: u16) {
        self.hashes.push(HashRecord {
            hash,
            rule: rule.into(),
            use_in: policy.into(),
        });
    }

    /// Adds a file rule that asks for an original file name in upper case, or for none; its index.
    pub(crate) fn attribute(&mut self, name: Option<&str>) -> u32 {
        let mut names = [NONE.into(); 4];
        if let Some(name) = name {
            names[0] = self.pool(name.as_bytes()).into();
        }
        self.attributes.push(AttributeRecord {
            names,
            min: 0.into(),
            max: 0.into(),
            hash: NONE.into(),
            rule: 0.into(),
            flags: AttributeRecord::BOUNDED.into(),
            reserved: [0; 4],
        });
        u32_of(self.attributes.len() - 1)
    }

    fn key(&self, attribute: u32) -> u32 {
        let offset = self.attributes[attribute as usize].names[0].get();
        if offset == NONE {
            return 0;
        }
        let (name, _) = crate::set::take_text(&self.pool[offset as usize..]).unwrap();
        name_key(0, Text::Utf8(core::str::from_utf8(name).unwrap()))
    }

    pub(crate) fn use_attribute(&mut self, attribute: u32, policy: u16, action: u16) {
        self.attribute_uses.push(AttributeUse {
            key: self.key(attribute).into(),
            attribute: attribute.into(),
            policy: policy.into(),
            action: action.into(),
        });
    }

    /// Adds a signer; its index.
    pub(crate) fn signer(&mut self, asked: &Asked) -> u32 {
        let mut refs: Vec<AttributeRef> = asked
            .attributes
            .iter()
            .map(|attribute| AttributeRef {
                key: self.key(*attribute).into(),
                attribute: (*attribute).into(),
            })
            .collect();
        refs.sort_unstable_by_key(|found| (found.key.get(), found.attribute.get()));
        let eku = self.pool(&[0x2b, 6]);
        let record = SignerRecord {
            tbs: asked.tbs.map_or(NONE, |tbs| self.pool(&tbs)).into(),
            publisher: asked
                .publisher
                .map_or(NONE, |name| self.pool(name.as_bytes()))
                .into(),
            issuer: NONE.into(),
            oem: NONE.into(),
            sign_after: 0.into(),
            eku_first: u32_of(self.ekus.len()).into(),
            eku_count: asked.ekus.into(),
            except_eku_count: 0.into(),
            attribute_first: u32_of(self.attribute_refs.len()).into(),
            attribute_count: u32_of(refs.len()).into(),
            rule: 0.into(),
            wellknown: 0,
            level: 0,
            reserved: [0; 2],
        };
        self.attribute_refs.extend(refs);
        self.ekus
            .extend(core::iter::repeat_n(U32::new(eku), asked.ekus.into()));
        self.signers.push(record);
        u32_of(self.signers.len() - 1)
    }

    /// Uses a signer with so many exceptions, all of the first attribute.
    pub(crate) fn use_signer(&mut self, signer: u32, exceptions: u32, policy: u16, action: u16) {
        let record = self.signers[signer as usize];
        let value = |offset: U32| {
            crate::set::take_text(&self.pool[offset.get() as usize..])
                .unwrap()
                .0
        };
        let root = if record.tbs.get() == NONE {
            wellknown_key(0)
        } else {
            tbs_key(value(record.tbs))
        };
        let publisher = match record.publisher.get() {
            NONE => 0,
            _ => text_key(Text::Utf8(core::str::from_utf8(value(record.publisher)).unwrap())),
        };
        self.signer_uses.push(SignerUse {
            key: signer_key(root, publisher, 0).into(),
            signer: signer.into(),
            except_first: u32_of(self.exceptions.len()).into(),
            except_count: exceptions.into(),
            policy: policy.into(),
            action: action.into(),
        });
        self.exceptions
            .extend(core::iter::repeat_n(U32::new(0), exceptions as usize));
    }

    /// Sorts what is looked up and fills in what follows from the uses.
    pub(crate) fn arrange(&mut self) {
        self.hashes
            .sort_unstable_by_key(|found| (found.hash, found.rule.get()));
        self.attribute_uses
            .sort_unstable_by_key(|found| (found.key.get(), found.attribute.get(), found.policy.get()));
        self.signer_uses.sort_by_key(|found| {
            (
                found.key.get(),
                found.signer.get(),
                found.policy.get(),
                found.action.get(),
            )
        });
        let mut end = 0;
        for found in &mut self.signer_uses {
            found.except_first = end.into();
            end += found.except_count.get();
        }
        for (at, found) in self.signer_uses.iter().enumerate().rev() {
            let policy = &mut self.policies[usize::from(found.policy.get())];
            let any = self.signers[found.signer.get() as usize].attribute_count.get() == 0
                && found.except_count.get() == 0;
            let firsts = if any {
                &mut policy.any_file_signers
            } else {
                &mut policy.file_signers
            };
            firsts[usize::from(found.action.get())] = u32_of(at).into();
        }
        for (at, found) in self.attribute_uses.iter().enumerate().rev() {
            if found.key.get() != 0 {
                let policy = &mut self.policies[usize::from(found.policy.get())];
                policy.named_files[usize::from(found.action.get())] = u32_of(at).into();
            }
        }
        for (at, found) in self.signer_uses.iter().enumerate() {
            let policy = &self.policies[usize::from(found.policy.get())];
            if policy.any_file_signers[usize::from(found.action.get())] != NONE {
                continue;
            }
            let signer = &self.signers[found.signer.get() as usize];
            let first = signer.attribute_first.get() as usize;
            let refs = &self.attribute_refs[first..first + signer.attribute_count.get() as usize];
            let entry = |key: U32, attribute: U32| FileSigner {
                key,
                signer_use: u32_of(at).into(),
                attribute,
            };
            if refs.is_empty() {
                self.file_signers.push(entry(0.into(), NONE.into()));
            }
            self.file_signers
                .extend(refs.iter().map(|found| entry(found.key, found.attribute)));
        }
        self.file_signers
            .sort_unstable_by_key(|found| (found.key.get(), found.signer_use.get(), found.attribute.get()));
    }

    /// The bytes of the set.
    pub(crate) fn build(&self) -> Vec<u8> {
        let rules: u32 = 1 + self
            .hashes
            .iter()
            .map(|found| found.rule.get())
            .max()
            .unwrap_or(0);
        let names = std::vec![0_u8; 2 * rules as usize];
        let blocks: Vec<U32> = (0..rules.div_ceil(RULE_NAME_BLOCK))
            .map(|block| U32::new(block * RULE_NAME_BLOCK * 2))
            .collect();
        let hash_buckets = buckets(&self.hashes, |found| hash_key(&found.hash));
        let attribute_buckets = buckets(&self.attribute_uses, |found| wide_key(found.key.get()));
        let signer_buckets = buckets(&self.signer_uses, |found| wide_key(found.key.get()));
        let file_buckets = buckets(&self.file_signers, |found| wide_key(found.key.get()));
        let contents = |table: Table| -> &[u8] {
            match table {
                Table::Policies => self.policies.as_bytes(),
                Table::Hashes32 => self.hashes.as_bytes(),
                Table::Buckets32 => hash_buckets.as_bytes(),
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
                Table::RuleNameBlocks => blocks.as_bytes(),
                Table::RuleNames => &names,
                Table::FileSigners => self.file_signers.as_bytes(),
                Table::FileSignerBuckets => file_buckets.as_bytes(),
                _ => &[],
            }
        };
        let shapes = 1 | 1 << SHAPE_PUBLISHER;
        let directory = Directory {
            table_count: u32_of(Table::COUNT).into(),
            rule_count: rules.into(),
            name_kinds: 1.into(),
            signer_shapes: shapes.into(),
        };
        let mut body = directory.as_bytes().to_vec();
        let start = size_of::<Header>();
        let mut end = start + body.len() + Table::COUNT * size_of::<TableEntry>();
        let mut data = Vec::new();
        for table in Table::ALL {
            let offset = end.next_multiple_of(TABLE_ALIGNMENT);
            data.resize(data.len() + offset - end, 0);
            data.extend(contents(table));
            end = offset + contents(table).len();
            let entry = TableEntry {
                kind: table.number().into(),
                stride: u16::try_from(table.stride()).unwrap().into(),
                offset: u32_of(offset).into(),
                count: u32_of(contents(table).len() / table.stride()).into(),
                reserved: 0.into(),
            };
            body.extend(entry.as_bytes());
        }
        body.extend(data);
        let header = Header {
            magic: MAGIC,
            format: FORMAT_VERSION.into(),
            length: u64::try_from(start + body.len()).unwrap().into(),
            body_sha256: Sha256::digest(&body).into(),
        };
        [header.as_bytes(), &body].concat()
    }
}

pub(crate) fn u32_of(value: usize) -> u32 {
    u32::try_from(value).unwrap()
}

/// The bucket index of a sorted table.
fn buckets<T>(records: &[T], key: impl Fn(&T) -> u64) -> Vec<Bucket> {
    if records.is_empty() {
        return Vec::new();
    }
    let bits = bucket_bits(u32_of(records.len()));
    let mut buckets = std::vec![Bucket::default(); (1 << bits) + 1];
    for record in records {
        let key = key(record);
        let at = bucket_of(key, bits) as usize;
        buckets[at].marks = (buckets[at].marks.get() | marks(key)).into();
        buckets[at + 1].first = (buckets[at + 1].first.get() + 1).into();
    }
    let mut first = 0;
    for bucket in &mut buckets {
        first += bucket.first.get();
        bucket.first = first.into();
    }
    buckets
}
