//! Three-valued logic: a rule holds, does not hold, or cannot be told.

use crate::verdict::Action;
use evidence::Unreadable;

/// Whether a rule, or a part of one, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// A fact that it needs could not be had.
    Unknown(Unreadable),
}

impl Truth {
    /// Both hold: one that does not settles it, whatever the other is.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Unknown(reason), _) | (Self::Yes, Self::Unknown(reason)) => Self::Unknown(reason),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    /// Either holds: one that does settles it, whatever the other is.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Unknown(reason), _) | (Self::No, Self::Unknown(reason)) => Self::Unknown(reason),
            (Self::No, Self::No) => Self::No,
        }
    }

    /// It does not hold.
    #[must_use]
    pub const fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

impl Truth {
    /// What a fact that could not be had says to a rule of this action.
    ///
    /// What the machine could not read is unknown to every rule. What the file itself hides, by bytes that do not parse, a cap that
    /// it reaches or a proof that does not hold, grants nothing; and it shields nothing: to a denial it could be what is denied.
    #[must_use]
    pub const fn unread(reason: Unreadable, action: Action) -> Self {
        match (reason.is_from_file(), action) {
            (false, _) => Self::Unknown(reason),
            (true, Action::Allow) => Self::No,
            (true, Action::Deny) => Self::Yes,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}
