//! Readings of the specification that compilation rests on, one named function each.

use crate::document::FileAttributes;
use crate::document::FileRuleKind;
use crate::document::Scenario;
use crate::document::SignerGroup;
use crate::version::FileVersion;

/// The versions that a file rule covers, both ends included; `None` for any version or none.
///
/// A deny rule with a minimum alone covers what is *at or below* it. A maximum alone is read as "at or below" everywhere: it
/// cannot be told apart from a deny rule with minimum 0.0.0.0 once compiled. A maximum of 0.0.0.0 is none.
pub(crate) fn version_range(kind: FileRuleKind, attributes: &FileAttributes) -> Option<(u64, u64)> {
    let minimum = attributes.minimum_version;
    let maximum = attributes
        .maximum_version
        .filter(|version| *version != FileVersion::default());
    let (low, high) = match (kind, minimum, maximum) {
        (_, None, None) => (FileVersion::default(), FileVersion::MAX),
        (FileRuleKind::Deny, Some(minimum), None) => (FileVersion::default(), minimum),
        (_, minimum, maximum) => (minimum.unwrap_or_default(), maximum.unwrap_or(FileVersion::MAX)),
    };
    ((low.0, high.0) != (0, u64::MAX)).then_some((low.0, high.0))
}

/// Whether a name in a rule stands for every name, and for none.
pub(crate) fn is_wildcard(name: &str) -> bool {
    name == "*"
}

/// The groups of a scenario that are in force. Test signers count only where test signing is on, which a driver allowlist
/// does not assume.
pub(crate) fn groups_in_force(scenario: &Scenario) -> impl Iterator<Item = &SignerGroup> {
    std::iter::once(&scenario.product)
}

/// Strength, as `policy::records::digest_rank` counts it, of the weakest digest that a scenario accepts: SHA-256 where
/// it says nothing; `None` for an algorithm that is not one.
pub(crate) fn minimum_digest(algorithm: Option<u16>) -> Option<u8> {
    match algorithm {
        Some(0x8003) => Some(1),
        Some(0x8004) => Some(2),
        None | Some(0x800c) => Some(3),
        Some(0x800d) => Some(4),
        Some(0x800e) => Some(5),
        Some(_) => None,
    }
}
