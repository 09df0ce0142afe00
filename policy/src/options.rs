//! Policy options: the bits of the binary policy form.

/// The options of a policy, as the flag bits of the binary form (.cip) that App Control uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options(#[doc = "The flag bits."] pub u32);

impl Options {
    /// `Enabled:UMCI`.
    pub const UMCI: Self = Self(1 << 2);
    /// `Required:WHQL`.
    pub const REQUIRED_WHQL: Self = Self(1 << 7);
    /// `Enabled:Allow Supplemental Policies`.
    pub const ALLOW_SUPPLEMENTAL: Self = Self(1 << 10);
    /// `Enabled:Audit Mode`.
    pub const AUDIT_MODE: Self = Self(1 << 16);
    /// `Disabled:Flight Signing`.
    pub const DISABLED_FLIGHT_SIGNING: Self = Self(1 << 17);
    /// `Enabled:Unsigned System Integrity Policy`.
    pub const UNSIGNED_POLICY: Self = Self(1 << 19);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
