//! Whether a verdict is enough to refuse a load: only what is sure is refused.

use crate::generation::Generation;
use crate::weigh::Weighed;
use evidence::Fact;
use evidence::Trust;
use evidence::TrustClass;
use evidence::Unreadable;
use policy::Decision;
use policy::Reason;

/// What enforcement makes of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// No enforced policy refuses it.
    Pass,
    /// An enforced policy refuses it, and a fail-safe lets it through: it is Windows' or the driver's own.
    Spared,
    /// An enforced policy refuses it or might do so, and what that rests on is not sure.
    Uncertain,
    /// An enforced policy refuses it, and that is sure.
    Refuse,
}

/// Judges a verdict. `own` is the Authenticode SHA-256 of the driver itself.
///
/// Sure is: all of the file was read that it lets be read, and it is named by a deny rule or allowed by none. What the file itself
/// hides is no doubt: see [`evidence::Unreadable::is_from_file`]. The subsystem that an image states makes no difference: the kernel's
/// loader is what asks. The last is not sure of a file without a valid signature of its own as long as the set weighs signatures and holds
/// no index of catalogues: one of the system's might vouch for it.
pub fn judge(
    weighed: &Weighed<'_, '_>,
    generation: Option<&Generation>,
    own: Option<&[u8; 32]>,
) -> Judgement {
    let verdict = &weighed.verdict;
    if verdict.decision != Decision::Refuse {
        let is_known = matches!(verdict.reason, Reason::Allowed | Reason::NoPolicy)
            || verdict.decision == Decision::WouldRefuse;
        return if is_known {
            Judgement::Pass
        } else {
            Judgement::Uncertain
        };
    }
    let evidence = &weighed.evidence;
    let own_digest = evidence.digests.present().and_then(|digests| digests.sha256);
    let is_conformant = evidence.image.present().is_some_and(|image| image.conformant);
    let class = Trust::of(evidence).present().map(|trust| trust.class);
    let is_own = is_conformant && own.is_some() && own_digest.as_ref() == own;
    if class == Some(TrustClass::Windows) || is_own {
        return Judgement::Spared;
    }
    let unread = |reason: Option<Unreadable>| reason.is_some_and(|reason| !reason.is_from_file());
    let is_unread = unread(weighed.error.map(|error| error.kind.unreadable()))
        || unread(reason_of(&evidence.image))
        || unread(reason_of(&evidence.digests));
    if is_unread {
        return Judgement::Uncertain;
    }
    if verdict.reason == Reason::ExplicitlyDenied {
        return Judgement::Refuse;
    }
    let is_signed = class.is_some_and(|class| class < TrustClass::Invalid);
    let weighs_signatures = generation.is_some_and(|generation| generation.set.set().weighs_signatures());
    let by_catalog = unread(evidence.more_signatures) || weighed.catalogs.is_none();
    if unread(reason_of(&evidence.signatures)) || (weighs_signatures && !is_signed && by_catalog) {
        Judgement::Uncertain
    } else {
        Judgement::Refuse
    }
}

/// Why a fact could not be had.
fn reason_of<T>(fact: &Fact<T>) -> Option<Unreadable> {
    match fact {
        Fact::Unreadable(reason) => Some(*reason),
        Fact::Present(_) | Fact::Absent => None,
    }
}
