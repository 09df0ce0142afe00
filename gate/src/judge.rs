//! Whether a verdict is enough to refuse a load: only what is sure is refused.

use crate::generation::Generation;
use crate::weigh::Weighed;
use evidence::Fact;
use evidence::Trust;
use evidence::TrustClass;
use policy::Decision;
use policy::Reason;

/// `IMAGE_SUBSYSTEM_NATIVE`.
const NATIVE: u16 = 1;

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
/// Sure is: the image was read whole, is one of the kernel's kind, and is named by a deny rule or allowed by none. The last is
/// not sure of a file without a valid signature of its own as long as the set weighs signatures and holds no index of catalogues: one
/// of the system's might vouch for it.
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
    let (Fact::Present(image), Fact::Present(digests)) = (weighed.evidence.image, &weighed.evidence.digests)
    else {
        return Judgement::Uncertain;
    };
    let class = Trust::of(&weighed.evidence).present().map(|trust| trust.class);
    if class == Some(TrustClass::Windows) || (own.is_some() && digests.sha256.as_ref() == own) {
        return Judgement::Spared;
    }
    if weighed.error.is_some() || image.subsystem != NATIVE {
        return Judgement::Uncertain;
    }
    if verdict.reason == Reason::ExplicitlyDenied {
        return Judgement::Refuse;
    }
    let is_signed = class.is_some_and(|class| class < TrustClass::Invalid);
    let weighs_signatures = generation.is_some_and(|generation| generation.set.set().weighs_signatures());
    if class.is_none() || (weighs_signatures && !is_signed && weighed.catalogs.is_none()) {
        Judgement::Uncertain
    } else {
        Judgement::Refuse
    }
}
