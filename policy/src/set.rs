//! Views of a validated set.

use crate::bounds::step;
use crate::bucket_index::candidates;
use crate::bucket_index::hash_key;
use crate::bucket_index::wide_key;
use crate::format::Directory;
use crate::format::Header;
use crate::format::RULE_NAME_BLOCK;
use crate::format::Table;
use crate::format::TableEntry;
use crate::format::as_index;
use crate::options::Options;
use crate::records::AttributeRecord;
use crate::records::AttributeRef;
use crate::records::AttributeUse;
use crate::records::FileSigner;
use crate::records::HashRecord;
use crate::records::PolicyRecord;
use crate::records::SignerRecord;
use crate::records::SignerUse;
use crate::verdict::Action;
use core::cmp::Ordering;
use evidence::CatalogIndex;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::little_endian::U32;

/// A validated policy set, borrowed. Copying it is cheap; nothing it does can fail.
#[derive(Clone, Copy, Debug)]
pub struct PolicySet<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) base_count: u16,
    pub(crate) few: Few,
}

/// Which tables of a set are so short that they may be walked whole, for a file of which those facts are missing that they are looked up
/// by. See [`MAX_WALK_STEPS`](crate::bounds::MAX_WALK_STEPS).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Few {
    pub(crate) attribute_uses: bool,
    pub(crate) signer_uses: bool,
    pub(crate) file_signers: FewFileSigners,
}

/// Which of the signer uses by file names are so few that they may all be tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FewFileSigners {
    /// All of them.
    All,
    /// Those that go by no name, with key 0.
    Nameless,
    /// Not even those.
    #[default]
    Neither,
}

impl<'a> PolicySet<'a> {
    /// The set without policies, as if none had been pushed: [`decide`](crate::decide) allows everything with
    /// [`Reason::NoPolicy`](crate::Reason::NoPolicy).
    pub const fn empty() -> Self {
        Self {
            bytes: &[],
            base_count: 0,
            few: Few {
                attribute_uses: true,
                signer_uses: true,
                file_signers: FewFileSigners::All,
            },
        }
    }

    /// The SHA-256 that names this set: that of its body, as its header states it; zeros for the empty set.
    pub fn sha256(&self) -> [u8; 32] {
        Header::read_from_prefix(self.bytes).map_or([0; 32], |(header, _)| header.body_sha256)
    }

    /// The index of the catalogues that may vouch for files, for `evidence::examine_with_catalogs`; `None` if the set carries none.
    pub fn catalogs(&self) -> Option<CatalogIndex<'a>> {
        let bytes: &'a [u8] = self.table(Table::Catalogs);
        CatalogIndex::read(bytes)
    }

    /// Whether there is a base policy. Without one nothing is refused: a supplemental only adds grants to its base.
    pub const fn has_base(&self) -> bool {
        self.base_count > 0
    }

    /// Whether a signature could change a verdict: there are rules that go by signers, or a policy requires WHQL.
    pub fn weighs_signatures(&self) -> bool {
        let signers: &[SignerRecord] = self.table(Table::Signers);
        !signers.is_empty()
            || self
                .policies()
                .any(|policy| policy.options().contains(Options::REQUIRED_WHQL))
    }

    /// Number of rules.
    pub fn rule_count(&self) -> u32 {
        self.directory().map_or(0, |directory| directory.rule_count.get())
    }

    /// See [`Directory::name_kinds`].
    pub(crate) fn name_kinds(&self) -> u32 {
        self.directory().map_or(0, |directory| directory.name_kinds.get())
    }

    /// See [`Directory::signer_shapes`].
    pub(crate) fn signer_shapes(&self) -> u32 {
        self.directory()
            .map_or(0, |directory| directory.signer_shapes.get())
    }

    fn directory(&self) -> Option<&'a Directory> {
        let body = self.bytes.get(size_of::<Header>()..)?;
        Directory::ref_from_prefix(body)
            .ok()
            .map(|(directory, _)| directory)
    }

    /// The policies, base policies first.
    pub fn policies(&self) -> impl Iterator<Item = PolicyView<'a>> {
        let set = *self;
        self.policy_records()
            .iter()
            .map(move |record| PolicyView { set, record })
    }

    /// The policy with this index.
    pub fn policy(&self, index: u16) -> Option<PolicyView<'a>> {
        let record = self.policy_records().get(usize::from(index))?;
        Some(PolicyView { set: *self, record })
    }

    /// The id and name of a rule.
    pub fn rule_name(&self, rule: u32) -> Option<(&'a str, &'a str)> {
        if rule >= self.rule_count() {
            return None;
        }
        let blocks: &[U32] = self.table(Table::RuleNameBlocks);
        let block = rule.checked_div(RULE_NAME_BLOCK)?;
        let within = rule.checked_rem(RULE_NAME_BLOCK)?;
        let start = blocks.get(as_index(block))?.get();
        let names: &[u8] = self.table(Table::RuleNames);
        let mut rest = names.get(as_index(start)..)?;
        for _ in 0..within {
            rest = take_text(take_text(rest)?.1)?.1;
        }
        let (id, rest) = take_text(rest)?;
        let (name, _) = take_text(rest)?;
        Some((core::str::from_utf8(id).ok()?, core::str::from_utf8(name).ok()?))
    }

    pub(crate) fn policy_records(&self) -> &'a [PolicyRecord] {
        self.table(Table::Policies)
    }

    pub(crate) fn attributes(&self) -> &'a [AttributeRecord] {
        self.table(Table::Attributes)
    }

    pub(crate) fn signers(&self) -> &'a [SignerRecord] {
        self.table(Table::Signers)
    }

    /// The entries that name this hash, the lowest rule number first.
    pub(crate) fn hash_records<const N: usize>(
        &self,
        entries: Table,
        buckets: Table,
        hash: &[u8; N],
    ) -> &'a [HashRecord<N>] {
        let key = hash_key(hash);
        let within: &'a [HashRecord<N>] = self.bucket(entries, buckets, key);
        run(within, |record| {
            hash_key(&record.hash)
                .cmp(&key)
                .then_with(|| record.hash.cmp(hash))
        })
    }

    /// The uses of file attributes under this key.
    pub(crate) fn attribute_uses(&self, key: u32) -> &'a [AttributeUse] {
        let within: &'a [AttributeUse] =
            self.bucket(Table::AttributeUses, Table::AttributeBuckets, wide_key(key));
        run(within, |record| record.key.get().cmp(&key))
    }

    /// The uses of signers under this key.
    pub(crate) fn signer_uses(&self, key: u32) -> &'a [SignerUse] {
        let within: &'a [SignerUse] = self.bucket(Table::SignerUses, Table::SignerBuckets, wide_key(key));
        run(within, |record| record.key.get().cmp(&key))
    }

    /// The file attributes of a signer.
    pub(crate) fn attribute_refs(&self, signer: &SignerRecord) -> &'a [AttributeRef] {
        let all: &'a [AttributeRef] = self.table(Table::AttributeRefs);
        let first = as_index(signer.attribute_first.get());
        let end = first.saturating_add(as_index(signer.attribute_count.get()));
        all.get(first..end).unwrap_or_default()
    }

    /// The first signer use of a policy and action that goes by no file, neither by an attribute nor by an exception. A signature that
    /// may be anybody's may be by this signer, whatever the file is.
    pub(crate) fn any_file_signer(&self, policy: &PolicyRecord, action: Action) -> Option<&'a SignerUse> {
        self.signer_use(by_action(policy.any_file_signers, action))
    }

    /// The first signer use of a policy and action that goes by the file too. A signature that may be anybody's, over a file whose names
    /// are not known, may be by this signer.
    pub(crate) fn file_signer(&self, policy: &PolicyRecord, action: Action) -> Option<&'a SignerUse> {
        self.signer_use(by_action(policy.file_signers, action))
    }

    /// The first use of a file rule by a name that a policy has for this action: what a file whose names are not known may match.
    pub(crate) fn named_file(&self, policy: &PolicyRecord, action: Action) -> Option<&'a AttributeUse> {
        let uses: &'a [AttributeUse] = self.table(Table::AttributeUses);
        uses.get(as_index(by_action(policy.named_files, action)))
    }

    pub(crate) fn signer_use(&self, index: u32) -> Option<&'a SignerUse> {
        let uses: &'a [SignerUse] = self.table(Table::SignerUses);
        uses.get(as_index(index))
    }

    /// The signer uses that go by files with names of this key, or with key 0 by files whatever their names: of those policies and actions
    /// that have no [`Self::any_file_signer`]. Their work is bounded by [`MAX_STEPS`](crate::bounds::MAX_STEPS).
    pub(crate) fn file_signers(&self, key: u32) -> &'a [FileSigner] {
        let within: &'a [FileSigner] =
            self.bucket(Table::FileSigners, Table::FileSignerBuckets, wide_key(key));
        run(within, |record| record.key.get().cmp(&key))
    }

    /// The part of a sorted table that its bucket index gives for a key; nothing if the key left no marks there.
    #[inline]
    fn bucket<T: FromBytes + Immutable + KnownLayout + Unaligned>(
        &self,
        entries: Table,
        buckets: Table,
        key: u64,
    ) -> &'a [T] {
        step();
        let Some(range) = candidates(self.table(buckets), key) else {
            return &[];
        };
        let records: &'a [T] = self.table(entries);
        records.get(range).unwrap_or_default()
    }

    /// A pooled value and what follows it.
    pub(crate) fn pool_at(&self, offset: u32) -> Option<(&'a [u8], &'a [u8])> {
        let pool: &'a [u8] = self.table(Table::Pool);
        take_text(pool.get(as_index(offset)..)?)
    }

    /// A pooled value.
    pub(crate) fn pooled(&self, offset: u32) -> &'a [u8] {
        self.pool_at(offset).map_or(&[], |(value, _)| value)
    }

    /// A pooled text.
    pub(crate) fn text(&self, offset: u32) -> &'a str {
        core::str::from_utf8(self.pooled(offset)).unwrap_or_default()
    }

    pub(crate) fn table<T: FromBytes + Immutable + KnownLayout + Unaligned>(&self, table: Table) -> &'a [T] {
        self.span(table)
            .and_then(|(start, end)| self.bytes.get(start..end))
            .and_then(|bytes| <[T]>::ref_from_bytes(bytes).ok())
            .unwrap_or_default()
    }

    /// Where a table lies, in bytes from the start of the set.
    pub(crate) fn span(&self, table: Table) -> Option<(usize, usize)> {
        const FIRST: usize = size_of::<Header>().saturating_add(size_of::<Directory>());
        let at = usize::from(table.number())
            .saturating_mul(size_of::<TableEntry>())
            .saturating_add(FIRST);
        let (entry, _) = TableEntry::ref_from_prefix(self.bytes.get(at..)?).ok()?;
        let start = as_index(entry.offset.get());
        let length = as_index(entry.count.get()).saturating_mul(table.stride());
        Some((start, start.saturating_add(length)))
    }
}

/// What a record holds for an action.
const fn by_action([allow, deny]: [U32; 2], action: Action) -> u32 {
    match action {
        Action::Allow => allow.get(),
        Action::Deny => deny.get(),
    }
}

/// The entries of a sorted table that compare equal.
fn run<T>(records: &[T], compare: impl Fn(&T) -> Ordering) -> &[T] {
    let first = records.partition_point(|record| compare(record) == Ordering::Less);
    let from = records.get(first..).unwrap_or_default();
    let count = from.partition_point(|record| compare(record) == Ordering::Equal);
    from.get(..count).unwrap_or_default()
}

/// Splits a length-prefixed text off the front.
pub(crate) fn take_text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return rest.split_at_checked(usize::from(first));
    }
    let (&low, rest) = rest.split_first()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes([first & 0x7f, low])))
}

/// One policy of a set.
#[derive(Clone, Copy, Debug)]
pub struct PolicyView<'a> {
    set: PolicySet<'a>,
    record: &'a PolicyRecord,
}

impl<'a> PolicyView<'a> {
    /// `PolicyID`, the first three fields little-endian as in the binary form.
    pub const fn id(&self) -> [u8; 16] {
        self.record.id
    }

    /// `BasePolicyID`; the policy's own id for a base policy.
    pub const fn base_id(&self) -> [u8; 16] {
        self.record.base_id
    }

    /// The policy's friendly name; empty if it has none.
    pub fn name(&self) -> &'a str {
        self.set.text(self.record.texts.get())
    }

    /// The policy's `PolicyInfo` id; empty if it has none.
    pub fn info_id(&self) -> &'a str {
        self.set
            .pool_at(self.record.texts.get())
            .and_then(|(_, rest)| take_text(rest))
            .and_then(|(id, _)| core::str::from_utf8(id).ok())
            .unwrap_or_default()
    }

    /// `VersionEx`, `a.b.c.d` with `a` in the top 16 bits.
    pub const fn version(&self) -> u64 {
        self.record.version.get()
    }

    /// See [`PolicyRecord::minimum_digest`].
    pub(crate) const fn digest_rank(&self) -> u8 {
        self.record.minimum_digest
    }

    /// Its options.
    pub const fn options(&self) -> Options {
        Options(self.record.options.get())
    }

    /// Whether it is a supplemental policy.
    pub const fn is_supplemental(&self) -> bool {
        self.record.is_supplemental()
    }

    /// Whether it only reports: `Enabled:Audit Mode`.
    pub const fn is_audit(&self) -> bool {
        self.options().contains(Options::AUDIT_MODE)
    }
}
