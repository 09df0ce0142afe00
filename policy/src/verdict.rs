//! What a decision says.

use crate::reason::Reason;
use crate::records::NONE;
use crate::set::PolicySet;
use crate::set::PolicyView;
use evidence::Unreadable;

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Decision {
    /// It loads.
    Allow = 0,
    /// A policy in audit mode refuses it; it loads and is reported.
    WouldRefuse = 1,
    /// An enforced policy refuses it.
    Refuse = 2,
}

impl Decision {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::WouldRefuse => "would-refuse",
            Self::Refuse => "refuse",
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// It allows.
    Allow = 0,
    /// It denies.
    Deny = 1,
}

impl Action {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// What a rule goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RuleKind {
    /// A hash of the file.
    Hash = 0,
    /// Names and version of the version resource.
    FileAttributes = 1,
    /// Who signed it.
    Signer = 2,
    /// A policy option.
    Option = 3,
}

impl RuleKind {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::FileAttributes => "file-attributes",
            Self::Signer => "signer",
            Self::Option => "option",
        }
    }
}

/// The file rule level that a rule amounts to, the most specific first: of several rules that match, the first in this
/// order is the one reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// A policy option, weighed before every rule.
    Option = 0,
    /// Hash of the file.
    Hash = 1,
    /// Names, with or without version.
    FileName = 2,
    /// WHQL EKU, vendor, names and version.
    WhqlFilePublisher = 3,
    /// Certificate, publisher, names and version.
    FilePublisher = 4,
    /// Certificate, publisher and version.
    SignedVersion = 5,
    /// WHQL EKU and vendor.
    WhqlPublisher = 6,
    /// Certificate and publisher.
    Publisher = 7,
    /// WHQL EKU.
    Whql = 8,
    /// The leaf certificate.
    LeafCertificate = 9,
    /// A certificate above the leaf.
    PcaCertificate = 10,
    /// A well-known root.
    RootCertificate = 11,
    /// Any file whatever.
    AnyFile = 12,
}

impl Level {
    /// The name, as App Control's tools write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Option => "Option",
            Self::Hash => "Hash",
            Self::FileName => "FileName",
            Self::WhqlFilePublisher => "WHQLFilePublisher",
            Self::FilePublisher => "FilePublisher",
            Self::SignedVersion => "SignedVersion",
            Self::WhqlPublisher => "WHQLPublisher",
            Self::Publisher => "Publisher",
            Self::Whql => "WHQL",
            Self::LeafCertificate => "LeafCertificate",
            Self::PcaCertificate => "PcaCertificate",
            Self::RootCertificate => "RootCertificate",
            Self::AnyFile => "AnyFile",
        }
    }
}

/// Base policies whose outcomes one [`Verdict`] holds.
pub const VERDICT_POLICIES: usize = 32;

/// The answer to one file: the whole, and the base policies' parts in it. Of fixed size; names are borrowed from the set.
///
/// It holds the outcomes of [`VERDICT_POLICIES`] base policies, which is all of them in any set but an unusual one. Of a
/// larger set [`decide`](crate::decide) gives the part with the policy that decided the whole;
/// [`decide_parts`](crate::decide_parts) gives all parts.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// The whole: the severest of the base policies' decisions.
    pub decision: Decision,
    /// Why: the reason of the first base policy that decided the whole.
    pub reason: Reason,
    pub(crate) set: PolicySet<'a>,
    /// Index of the first base policy that has its outcome here.
    pub(crate) first: u16,
    pub(crate) outcomes: [Outcome; VERDICT_POLICIES],
}

impl<'a> Verdict<'a> {
    /// A verdict before anything was weighed, for the base policies from `first` on.
    pub(crate) const fn undecided(set: PolicySet<'a>, first: u16) -> Self {
        Self {
            decision: Decision::Allow,
            reason: Reason::NoPolicy,
            set,
            first,
            outcomes: [Outcome::UNDECIDED; VERDICT_POLICIES],
        }
    }

    /// What each base policy says, its supplementals included, in the order of the set.
    pub fn policies(&self) -> impl Iterator<Item = PolicyOutcome<'a>> + use<'a> {
        let set = self.set;
        (self.first..set.base_count)
            .zip(self.outcomes)
            .filter_map(move |(index, outcome)| {
                Some(PolicyOutcome {
                    index,
                    policy: set.policy(index)?,
                    decision: outcome.decision,
                    reason: outcome.reason,
                    rule: outcome.rule_view(&set),
                    signature: outcome.signature(),
                })
            })
    }
}

/// What one base policy, its supplementals included, says of a file.
#[derive(Clone, Copy, Debug)]
pub struct PolicyOutcome<'a> {
    /// Index of the base policy in the set.
    pub index: u16,
    /// The base policy.
    pub policy: PolicyView<'a>,
    /// Its decision.
    pub decision: Decision,
    /// Its reason.
    pub reason: Reason,
    /// The rule that decided; `None` when none matched.
    pub rule: Option<RuleView<'a>>,
    /// Index in the evidence of the signature by which the rule matched.
    pub signature: Option<u8>,
}

/// A rule, as reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleView<'a> {
    /// What it goes by.
    pub kind: RuleKind,
    /// The level it amounts to.
    pub level: Level,
    /// Its id in the policy document.
    pub id: &'a str,
    /// Its friendly name; empty if it has none.
    pub name: &'a str,
    /// What it does.
    pub action: Action,
}

/// A [`PolicyOutcome`] without the names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) decision: Decision,
    pub(crate) reason: Reason,
    /// The best match so far: denials before grants, then the level, then the rule number.
    pub(crate) best: Option<Match>,
    /// Why some allow rule could not be told.
    pub(crate) unknown_allow: Option<Unreadable>,
    /// Why some deny rule could not be told.
    pub(crate) unknown_deny: Option<Unreadable>,
}

/// A rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) action: Action,
    pub(crate) kind: RuleKind,
    pub(crate) level: Level,
    pub(crate) rule: u32,
    /// Index of the signature; 0xff for none.
    pub(crate) signature: u8,
}

/// [`Match::signature`] of a rule that needs none.
pub(crate) const NO_SIGNATURE: u8 = 0xff;

impl Outcome {
    pub(crate) const UNDECIDED: Self = Self {
        decision: Decision::Allow,
        reason: Reason::Allowed,
        best: None,
        unknown_allow: None,
        unknown_deny: None,
    };

    /// Takes a match, if it is reported rather than the one there is.
    pub(crate) fn offer(&mut self, found: Match) {
        if self.best.is_none_or(|best| found.precedes(best)) {
            self.best = Some(found);
        }
    }

    fn rule_view<'a>(&self, set: &PolicySet<'a>) -> Option<RuleView<'a>> {
        let found = self.best?;
        let (id, name) = match found.kind {
            RuleKind::Option => ("Required:WHQL", "Required:WHQL"),
            RuleKind::Hash | RuleKind::FileAttributes | RuleKind::Signer => set.rule_name(found.rule)?,
        };
        Some(RuleView {
            kind: found.kind,
            level: found.level,
            id,
            name,
            action: found.action,
        })
    }

    fn signature(&self) -> Option<u8> {
        self.best
            .map(|found| found.signature)
            .filter(|index| *index != NO_SIGNATURE)
    }
}

impl Match {
    /// Whether this one is reported rather than `other`. What could be meant, because the file hides what would tell, comes after what
    /// is meant.
    pub(crate) fn precedes(self, other: Self) -> bool {
        let could_be = |found: Self| {
            found.rule == NONE && found.kind != RuleKind::Option
                || (found.kind == RuleKind::Signer && found.signature == NO_SIGNATURE)
        };
        let key = |found: Self| {
            (
                found.action == Action::Allow,
                could_be(found),
                found.level,
                found.rule,
            )
        };
        key(self) < key(other)
    }
}
