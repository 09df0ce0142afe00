//! Authorities that nobody may trust any more, below roots that are trusted.

use crate::facts::Fact;
use crate::name::Name;
use crate::text::Text;

/// Common names of authorities below Microsoft's roots whose certificates Microsoft declared untrusted, because code was signed in its
/// name with what they had issued (Flame). Source: Microsoft Security Advisory 2718704, which lists three certificates by thumbprint:
/// 2a83e9020591a55fc6ddad3fb102794c52b24e70 and 3a850044d8a195cd401a680c012cb0a3b5f8dc08 under the first name,
/// fa6660a94ab45f6a88c0d7874d89a863d74dee97 under the second.
///
/// They are known by name, not by thumbprint: what a thumbprint covers beyond the signed part can be written in other ways.
const NAMES: [&str; 2] = [
    "Microsoft Enforced Licensing Intermediate PCA",
    "Microsoft Enforced Licensing Registration Authority CA (SHA1)",
];

/// Whether the certificate of this subject proves nothing, whoever signed it.
pub(crate) fn is_distrusted(subject: &Name<'_>) -> bool {
    match subject.common_name() {
        Fact::Present(name) => NAMES.iter().any(|distrusted| Text::Utf8(distrusted) == name),
        Fact::Absent | Fact::Unreadable(_) => false,
    }
}
