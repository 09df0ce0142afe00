//! What a set holds, rule by rule: for showing it, not for deciding by it.

use crate::format::Table;
use crate::format::as_index;
use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::AttributeUse;
use crate::records::HashRecord;
use crate::records::NAME_KINDS;
use crate::records::NONE;
use crate::records::SignerRecord;
use crate::records::SignerUse;
use crate::rules::Anchor;
use crate::rules::action_of;
use crate::rules::level_of;
use crate::set::PolicySet;
use crate::set::PolicyView;
use crate::verdict::Action;
use crate::verdict::Level;
use crate::verdict::RuleKind;
use crate::verdict::RuleView;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::little_endian::U32;

/// A rule of a set as one of its policies uses it.
#[derive(Clone, Copy, Debug)]
pub struct UsedRule<'a> {
    /// Index of the policy.
    pub policy: u16,
    /// Its number: rules are numbered in the order of policies and documents.
    pub number: u32,
    /// What it is called and does.
    pub rule: RuleView<'a>,
    /// What it asks of a file.
    pub asks: Asks<'a>,
}

/// What a rule asks of a file.
#[derive(Clone, Copy, Debug)]
pub enum Asks<'a> {
    /// To have this hash.
    Hash(&'a [u8]),
    /// To have these names and versions.
    File(FileView<'a>),
    /// To be signed by someone.
    Signer(SignerView<'a>),
}

/// Names and versions that a rule asks for.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    set: PolicySet<'a>,
    record: &'a AttributeRecord,
}

impl<'a> FileView<'a> {
    /// Its id and friendly name.
    pub fn name(&self) -> (&'a str, &'a str) {
        self.set.rule_name(self.record.rule.get()).unwrap_or_default()
    }

    /// Original file name, internal name, description and product name, in upper case, where it asks for them.
    pub fn names(&self) -> [Option<&'a str>; NAME_KINDS] {
        self.record.names.map(|offset| text(self.set, offset))
    }

    /// The lowest and the highest version.
    pub fn versions(&self) -> Option<(u64, u64)> {
        let bounded = self.record.flags.get() & AttributeRecord::BOUNDED != 0;
        bounded.then(|| (self.record.min.get(), self.record.max.get()))
    }

    /// The hash.
    pub fn hash(&self) -> Option<&'a [u8]> {
        value(self.set, self.record.hash)
    }

    /// Whether it stands for a deny rule.
    pub fn denies(&self) -> bool {
        self.record.flags.get() & AttributeRecord::DENIES != 0
    }

    /// Whether it matches no kernel image: it goes by what only user-mode files have.
    pub fn never(&self) -> bool {
        self.record.flags.get() & AttributeRecord::NEVER != 0
    }
}

/// Who must have signed.
#[derive(Clone, Copy, Debug)]
pub struct SignerView<'a> {
    set: PolicySet<'a>,
    record: &'a SignerRecord,
    used: &'a SignerUse,
}

impl<'a> SignerView<'a> {
    /// The TBS hash of a certificate; `None` if it goes by a well-known root.
    pub fn tbs(&self) -> Option<&'a [u8]> {
        value(self.set, self.record.tbs)
    }

    /// The well-known root, for a signer without TBS hash.
    pub const fn wellknown(&self) -> u8 {
        self.record.wellknown
    }

    /// `CertPublisher`, in upper case.
    pub fn publisher(&self) -> Option<&'a str> {
        text(self.set, self.record.publisher)
    }

    /// `CertIssuer`, in upper case.
    pub fn issuer(&self) -> Option<&'a str> {
        text(self.set, self.record.issuer)
    }

    /// `CertOemID`, in upper case.
    pub fn oem_id(&self) -> Option<&'a str> {
        text(self.set, self.record.oem)
    }

    /// `SignTimeAfter` in 100 ns since 1601.
    pub fn signed_after(&self) -> Option<u64> {
        Some(self.record.sign_after.get()).filter(|time| *time != 0)
    }

    /// The content octets of the key usages, and whether each is excepted.
    pub fn ekus(&self) -> impl Iterator<Item = (&'a [u8], bool)> + use<'a> {
        let set = self.set;
        let wanted = usize::from(self.record.eku_count.get());
        let count = wanted.saturating_add(usize::from(self.record.except_eku_count.get()));
        let ekus: &[U32] = part(set, Table::Ekus, self.record.eku_first, count);
        ekus.iter()
            .enumerate()
            .map(move |(at, offset)| (set.pooled(offset.get()), at >= wanted))
    }

    /// The files that it is restricted to, one of which must match.
    pub fn files(&self) -> impl Iterator<Item = FileView<'a>> + use<'a> {
        let set = self.set;
        let count = as_index(self.record.attribute_count.get());
        let refs: &[AttributeRef] = part(set, Table::AttributeRefs, self.record.attribute_first, count);
        refs.iter().filter_map(move |found| file(set, found.attribute))
    }

    /// The files to which it does not apply.
    pub fn exceptions(&self) -> impl Iterator<Item = FileView<'a>> + use<'a> {
        let set = self.set;
        let count = as_index(self.used.except_count.get());
        let exceptions: &[U32] = part(set, Table::Exceptions, self.used.except_first, count);
        exceptions.iter().filter_map(move |found| file(set, *found))
    }
}

fn text(set: PolicySet<'_>, offset: U32) -> Option<&str> {
    (offset.get() != NONE).then(|| set.text(offset.get()))
}

fn value(set: PolicySet<'_>, offset: U32) -> Option<&[u8]> {
    (offset.get() != NONE).then(|| set.pooled(offset.get()))
}

fn file(set: PolicySet<'_>, index: U32) -> Option<FileView<'_>> {
    let record = set.attributes().get(as_index(index.get()))?;
    Some(FileView { set, record })
}

fn part<T: FromBytes + Immutable + KnownLayout + Unaligned>(
    set: PolicySet<'_>,
    table: Table,
    first: U32,
    count: usize,
) -> &[T] {
    let all: &[T] = set.table(table);
    let first = as_index(first.get());
    all.get(first..first.saturating_add(count)).unwrap_or_default()
}

impl<'a> PolicySet<'a> {
    /// Hands on every rule that a policy of the set uses: hashes by length and value, then names, then signers.
    pub fn rules(&self, visit: &mut dyn FnMut(UsedRule<'a>)) {
        self.hashes::<20>(Table::Hashes20, visit);
        self.hashes::<32>(Table::Hashes32, visit);
        self.hashes::<48>(Table::Hashes48, visit);
        self.hashes::<64>(Table::Hashes64, visit);
        let uses: &[AttributeUse] = self.table(Table::AttributeUses);
        for used in uses {
            let Some(file) = file(*self, used.attribute) else {
                continue;
            };
            let level = if used.key.get() == 0 {
                Level::AnyFile
            } else {
                Level::FileName
            };
            let what = (RuleKind::FileAttributes, level, action_of(used.action.get()));
            let rule = file.record.rule.get();
            visit(self.used(used.policy.get(), rule, what, Asks::File(file)));
        }
        let uses: &[SignerUse] = self.table(Table::SignerUses);
        for used in uses {
            let Some(record) = self.signers().get(as_index(used.signer.get())) else {
                continue;
            };
            let level = level_of(record, Anchor::Above);
            let what = (RuleKind::Signer, level, action_of(used.action.get()));
            let signer = SignerView {
                set: *self,
                record,
                used,
            };
            let rule = record.rule.get();
            visit(self.used(used.policy.get(), rule, what, Asks::Signer(signer)));
        }
    }

    fn hashes<const N: usize>(&self, table: Table, visit: &mut dyn FnMut(UsedRule<'a>)) {
        let records: &'a [HashRecord<N>] = self.table(table);
        for record in records {
            let what = (RuleKind::Hash, Level::Hash, action_of(record.denies().into()));
            visit(self.used(record.policy(), record.rule.get(), what, Asks::Hash(&record.hash)));
        }
    }

    fn used(
        &self,
        policy: u16,
        number: u32,
        (kind, level, action): (RuleKind, Level, Action),
        asks: Asks<'a>,
    ) -> UsedRule<'a> {
        let (id, name) = self.rule_name(number).unwrap_or_default();
        let rule = RuleView {
            kind,
            level,
            id,
            name,
            action,
        };
        UsedRule {
            policy,
            number,
            rule,
            asks,
        }
    }
}

impl PolicyView<'_> {
    /// The length in bytes of the shortest digest that a signature may sign to be allowed by this policy: 16 for MD5, 20 for SHA-1,
    /// 32 for SHA-256 and so on.
    pub const fn minimum_digest(&self) -> usize {
        match self.digest_rank() {
            0 | 1 => 16,
            2 => 20,
            3 => 32,
            4 => 48,
            _ => 64,
        }
    }
}
