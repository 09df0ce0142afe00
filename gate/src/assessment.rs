//! What weighing a file came to, as it is recorded, judged and kept.

use crate::cache::Hit;
use crate::generation::Generation;
use crate::generation::InForce;
use crate::host::Host;
use crate::host::NtStatus;
use crate::judge::Judgement;
use crate::judge::judge;
use crate::record::encode;
use crate::weigh::Weighed;
use crate::weigh::unread;
use evidence::Evidence;
use evidence::Unreadable;
use evidence::usage;
use policy::Decision;

/// How long a verdict holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasts {
    /// As long as the file and the set do.
    WithTheFile,
    /// A signature of the file ends with its certificate, and then it may be another.
    UntilACertificateEnds,
}

/// What weighing a file came to. The fields for its record are in the bench.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assessment {
    /// Bytes of fields in the bench.
    pub(crate) bytes: usize,
    pub(crate) cut: bool,
    pub(crate) decision: Decision,
    /// What enforcement makes of it.
    pub(crate) judgement: Judgement,
    /// Whether the file was read whole and stayed as it was meanwhile.
    pub(crate) is_readable: bool,
    pub(crate) lasts: Lasts,
    pub(crate) is_cached: bool,
    /// Authenticode SHA-256.
    pub(crate) sha256: Option<[u8; 32]>,
    /// Whether the file was proved to be the loaded one, or why it could not be opened.
    pub(crate) opened: Option<Result<bool, NtStatus>>,
}

impl Assessment {
    #[inline(never)]
    pub(crate) fn of(
        weighed: &Weighed<'_, '_>,
        generation: Option<&Generation>,
        own: Option<&[u8; 32]>,
        fields: &mut [u8],
    ) -> Self {
        let encoded = encode(fields, weighed);
        let digests = weighed.evidence.digests.as_ref().present();
        Self {
            bytes: encoded.bytes,
            cut: encoded.cut,
            decision: weighed.verdict.decision,
            judgement: judge(weighed, generation, own),
            is_readable: weighed.error.is_none() && digests.is_some(),
            lasts: lasts(&weighed.evidence),
            is_cached: false,
            sha256: digests.and_then(|digests| digests.sha256),
            opened: None,
        }
    }

    /// What a file that could not be opened comes to.
    #[inline(never)]
    pub(crate) fn unopened<H: Host>(
        in_force: Option<&InForce<H>>,
        status: NtStatus,
        fields: &mut [u8],
    ) -> Self {
        let reason = if status == NtStatus::NAME_TOO_LONG {
            Unreadable::PathTooLong
        } else {
            Unreadable::Io
        };
        let generation = in_force.map(|in_force| &*in_force.generation);
        let mut assessed = Self::unread(generation, reason, fields);
        assessed.opened = Some(Err(status));
        assessed
    }

    /// What a file of which nothing is known comes to.
    #[inline(never)]
    pub(crate) fn unread(generation: Option<&Generation>, reason: Unreadable, fields: &mut [u8]) -> Self {
        let weighed = unread(generation, reason);
        let mut assessed = Self::of(&weighed, generation, None, fields);
        assessed.is_readable = false;
        assessed
    }

    pub(crate) fn from_cache(hit: &Hit) -> Self {
        Self {
            bytes: hit.bytes,
            cut: hit.cut,
            decision: hit.decision,
            judgement: hit.judgement,
            is_readable: true,
            lasts: Lasts::WithTheFile,
            is_cached: true,
            sha256: None,
            opened: None,
        }
    }

    /// Whether the verdict may be kept for the next time.
    pub(crate) fn may_be_kept(&self) -> bool {
        self.is_readable && self.lasts == Lasts::WithTheFile
    }

    /// Whether the file is there and could not be weighed all the same.
    pub(crate) const fn is_unknown(&self) -> bool {
        let is_missing = matches!(
            self.opened,
            Some(Err(NtStatus::NOT_FOUND
                | NtStatus::PATH_NOT_FOUND
                | NtStatus::NO_SUCH_FILE))
        );
        !self.is_readable && !is_missing
    }

    /// As the cache keeps it.
    pub(crate) const fn hit(&self) -> Hit {
        Hit {
            bytes: self.bytes,
            cut: self.cut,
            decision: self.decision,
            judgement: self.judgement,
        }
    }
}

fn lasts(evidence: &Evidence<'_>) -> Lasts {
    let signatures = evidence.signatures.present().unwrap_or_default();
    let ends = signatures.iter().any(|signature| {
        let leaf = signature.chain.first();
        leaf.is_some_and(|leaf| leaf.ekus.contains(usage::LIFETIME_SIGNING))
    });
    if ends {
        Lasts::UntilACertificateEnds
    } else {
        Lasts::WithTheFile
    }
}
