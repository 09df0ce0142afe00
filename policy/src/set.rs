//! Views of a validated set.

use crate::Options;
use crate::SetError;
use crate::format::HashRecord;
use crate::format::Header;
use crate::format::PolicyRecord;
use crate::format::RULE_NAME_BLOCK;
use crate::format::Table;
use crate::format::bucket_bits;
use crate::format::bucket_of;
use crate::validate::validate;
use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::little_endian::U32;

/// What validation learnt: where the tables lie. Small and copied freely.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) tables: [Span; Table::COUNT],
    pub(crate) rule_count: u32,
    pub(crate) base_count: u16,
}

/// A table's place in the set, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A validated policy set, borrowed. Copying it is cheap; nothing it does can fail.
#[derive(Clone, Copy, Debug)]
pub struct PolicySet<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) layout: Layout,
}

impl<'a> PolicySet<'a> {
    /// Proves the bytes to be a policy set: magic, format version, length, SHA-256 of the body, every offset, order,
    /// count and text.
    ///
    /// # Errors
    /// [`SetError`] with the first fault found and the byte it was found at.
    pub fn validate(bytes: &'a [u8]) -> Result<Self, SetError> {
        let layout = validate(bytes)?;
        Ok(Self { bytes, layout })
    }

    /// The set without policies, as if none had been pushed: [`decide`](crate::decide) allows everything with
    /// [`Reason::NoPolicy`](crate::Reason::NoPolicy).
    pub const fn empty() -> Self {
        Self {
            bytes: &[],
            layout: Layout {
                tables: [Span { start: 0, end: 0 }; Table::COUNT],
                rule_count: 0,
                base_count: 0,
            },
        }
    }

    /// The SHA-256 that names this set: that of its body, as its header states it; zeros for the empty set.
    pub fn sha256(&self) -> [u8; 32] {
        Header::read_from_prefix(self.bytes).map_or([0; 32], |(header, _)| header.body_sha256)
    }

    /// Number of rules.
    pub const fn rule_count(&self) -> u32 {
        self.layout.rule_count
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
        if rule >= self.layout.rule_count {
            return None;
        }
        let blocks: &[U32] = self.table(Table::RuleNameBlocks);
        let block = rule.checked_div(RULE_NAME_BLOCK)?;
        let within = rule.checked_rem(RULE_NAME_BLOCK)?;
        let start = blocks.get(usize::try_from(block).ok()?)?.get();
        let names: &[u8] = self.table(Table::RuleNames);
        let mut rest = names.get(usize::try_from(start).ok()?..)?;
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

    /// The entries that name this hash, the lowest rule number first.
    pub(crate) fn hash_records<const N: usize>(
        &self,
        entries: Table,
        buckets: Table,
        hash: &[u8; N],
    ) -> &'a [HashRecord<N>] {
        let records: &'a [HashRecord<N>] = self.table(entries);
        if records.is_empty() {
            return &[];
        }
        let bits = bucket_bits(u32::try_from(records.len()).unwrap_or(u32::MAX));
        let index: &'a [U32] = self.table(buckets);
        let bucket = usize::try_from(bucket_of(hash, bits)).unwrap_or(usize::MAX);
        let bound = |at: usize| index.get(at).and_then(|bound| usize::try_from(bound.get()).ok());
        let (Some(start), Some(end)) = (bound(bucket), bound(bucket.saturating_add(1))) else {
            return &[];
        };
        let within = records.get(start..end).unwrap_or_default();
        let first = within.partition_point(|record| record.hash < *hash);
        let from = within.get(first..).unwrap_or_default();
        let count = from.iter().take_while(|record| record.hash == *hash).count();
        from.get(..count).unwrap_or_default()
    }

    /// A text of [`Table::Texts`] and what follows it.
    pub(crate) fn text(&self, offset: u32) -> Option<(&'a str, &'a [u8])> {
        let texts: &'a [u8] = self.table(Table::Texts);
        let (text, rest) = take_text(texts.get(usize::try_from(offset).ok()?..)?)?;
        Some((core::str::from_utf8(text).ok()?, rest))
    }

    pub(crate) fn table<T: FromBytes + Immutable + KnownLayout + Unaligned>(&self, table: Table) -> &'a [T] {
        let Some(span) = self.layout.tables.get(usize::from(table.number())) else {
            return &[];
        };
        self.bytes
            .get(span.start..span.end)
            .and_then(|bytes| <[T]>::ref_from_bytes(bytes).ok())
            .unwrap_or_default()
    }
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
        self.set
            .text(self.record.texts.get())
            .map_or("", |(name, _)| name)
    }

    /// The policy's `PolicyInfo` id; empty if it has none.
    pub fn info_id(&self) -> &'a str {
        self.set
            .text(self.record.texts.get())
            .and_then(|(_, rest)| take_text(rest))
            .and_then(|(id, _)| core::str::from_utf8(id).ok())
            .unwrap_or_default()
    }

    /// `VersionEx`, `a.b.c.d` with `a` in the top 16 bits.
    pub const fn version(&self) -> u64 {
        self.record.version.get()
    }

    /// Its options.
    pub const fn options(&self) -> Options {
        Options(self.record.options.get())
    }

    /// Whether it is a supplemental policy.
    pub const fn is_supplemental(&self) -> bool {
        self.record.flags.get() & PolicyRecord::SUPPLEMENTAL != 0
    }

    /// Whether it only reports: `Enabled:Audit Mode`.
    pub const fn is_audit(&self) -> bool {
        self.options().contains(Options::AUDIT_MODE)
    }
}

/// A set together with the bytes it lies in: validated once, viewed for ever after.
#[derive(Debug)]
pub struct ValidatedSet<B> {
    bytes: B,
    layout: Layout,
}

impl<B: AsRef<[u8]>> ValidatedSet<B> {
    /// Validates as [`PolicySet::validate`] does and keeps the bytes.
    ///
    /// # Errors
    /// [`SetError`]; the bytes are dropped.
    pub fn new(bytes: B) -> Result<Self, SetError> {
        let layout = validate(bytes.as_ref())?;
        Ok(Self { bytes, layout })
    }

    /// The set. Costs nothing to speak of and cannot fail.
    pub fn set(&self) -> PolicySet<'_> {
        PolicySet {
            bytes: self.bytes.as_ref(),
            layout: self.layout,
        }
    }

    /// The bytes as they were given.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Gives the bytes back.
    pub fn into_inner(self) -> B {
        self.bytes
    }
}
