//! What evidence says to a rule: one named function for each reading of the specification.

use crate::bounds::step;
use crate::fold::folds_to;
use crate::fold::name_key;
use crate::records::NAME_KINDS;
use crate::truth::Truth;
use crate::verdict::Action;
use evidence::Certificate;
use evidence::Evidence;
use evidence::Fact;
use evidence::Key;
use evidence::Signature;
use evidence::Text;
use evidence::Unreadable;
use evidence::Version;
use evidence::has_ended;

/// DER content octets of 1.3.6.1.4.1.311.10.3.5, Windows hardware driver verification.
pub const EKU_WHQL: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 3, 5];
/// 1.3.6.1.4.1.311.10.3.6, Windows system component verification.
const EKU_WINDOWS: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x0a, 3, 6];
/// 1.3.6.1.4.1.311.61.4.1, early launch anti-malware.
const EKU_ELAM: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x3d, 4, 1];
/// 1.3.6.1.4.1.311.61.5.1, HAL extension.
const EKU_HAL: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x3d, 5, 1];
/// Well-known ids of the roots of WHQL: Product 1997, 2001 and 2010.
const WHQL_ROOTS: [u8; 3] = [4, 5, 6];
/// Well-known id of the root of flight (preview) signing.
const FLIGHT_ROOT: u8 = 0x0e;
/// Longest RSA key of a leaf that code integrity verifies, in bits.
const MAX_RSA_BITS: u16 = 4096;
/// 1970-01-01 as seconds since 1601-01-01.
const UNIX_EPOCH: i64 = 11_644_473_600;

/// The names of a file that rules go by, in the order of [`NAME_KINDS`].
pub(crate) fn names<'e>(evidence: &Evidence<'e>) -> [Fact<Text<'e>>; NAME_KINDS] {
    match evidence.version {
        Fact::Present(Version {
            original_filename,
            internal_name,
            file_description,
            product_name,
            ..
        }) => [original_filename, internal_name, file_description, product_name],
        Fact::Absent => [Fact::Absent; NAME_KINDS],
        Fact::Unreadable(reason) => [Fact::Unreadable(reason); NAME_KINDS],
    }
}

/// The keys of a file's names.
#[derive(Clone, Copy)]
pub(crate) struct NameKeys {
    keys: [u32; NAME_KINDS],
    /// Why a name that rules are looked up by is not known, if one is not.
    pub(crate) missing: Option<Unreadable>,
}

impl NameKeys {
    /// The keys of those kinds of names that the set uses.
    pub(crate) fn of(evidence: &Evidence<'_>, kinds: u32) -> Self {
        let mut found = Self {
            keys: [0; NAME_KINDS],
            missing: None,
        };
        for ((kind, name), key) in names(evidence).into_iter().enumerate().zip(&mut found.keys) {
            let used = u32::try_from(kind).is_ok_and(|kind| kinds.checked_shr(kind).unwrap_or(0) & 1 != 0);
            match name {
                Fact::Present(text) if used => *key = name_key(kind, text),
                Fact::Unreadable(reason) if used => found.missing = found.missing.or(Some(reason)),
                _ => {}
            }
        }
        found
    }

    /// The keys to look under: that of rules which go by no name, then those of the names.
    pub(crate) fn iter(self) -> impl Iterator<Item = u32> {
        core::iter::once(0).chain(self.keys.into_iter().filter(|key| *key != 0))
    }
}

/// Whether a name is the one a rule of this action asks for.
pub(crate) fn name_is(name: Fact<Text<'_>>, folded: &str, action: Action) -> Truth {
    match name {
        Fact::Present(text) => folds_to(text, folded).into(),
        Fact::Absent => Truth::No,
        Fact::Unreadable(reason) => Truth::unread(reason, action),
    }
}

/// Whether the file version lies in a range that a rule of this action asks for. A file without version resource, or with names alone
/// in it, lies in none.
pub(crate) fn version_within(evidence: &Evidence<'_>, min: u64, max: u64, action: Action) -> Truth {
    let version = match evidence.version {
        Fact::Present(version) => version.file_version,
        Fact::Absent => Fact::Absent,
        Fact::Unreadable(reason) => Fact::Unreadable(reason),
    };
    match version {
        Fact::Present(version) => (min <= version && version <= max).into(),
        Fact::Absent => Truth::No,
        Fact::Unreadable(reason) => Truth::unread(reason, action),
    }
}

/// Whether the file grants by its Authenticode digests: only where those cover every byte that Windows would map of it. Any other
/// file grants by its flat hashes alone, as in Windows.
pub fn grants_by_authenticode(evidence: &Evidence<'_>) -> bool {
    match evidence.image {
        Fact::Present(image) => image.conformant,
        // Nothing is known of the layout where a record does not hold it, and then of nothing else of the image.
        Fact::Unreadable(reason) => !reason.is_from_file(),
        Fact::Absent => false,
    }
}

/// Whether flat file hashes count: only for an image that code integrity cannot page-hash, and for a file that is no image
/// and so has no other hash.
pub(crate) fn flat_counts(evidence: &Evidence<'_>) -> bool {
    match evidence.image {
        Fact::Present(image) => !image.conformant,
        Fact::Absent => true,
        Fact::Unreadable(reason) => reason.is_from_file(),
    }
}

/// The lengths of hashes of which this file's are not all known, as in
/// [`PolicyRecord::hash_lengths`](crate::records::PolicyRecord::hash_lengths), and why.
#[derive(Clone, Copy)]
pub(crate) struct Missing {
    /// Of the hashes that allow rules go by.
    pub(crate) grant: u32,
    /// Of those that deny rules go by.
    pub(crate) deny: u32,
    pub(crate) reason: Unreadable,
}

impl Missing {
    /// What is missing of a file's hashes.
    ///
    /// SHA-384 and SHA-512 are computed only when asked for, so that their absence says nothing about the file; rules by
    /// them simply do not match.
    pub(crate) fn of(evidence: &Evidence<'_>) -> Self {
        let all = |lengths, reason| Self {
            grant: lengths,
            deny: lengths,
            reason,
        };
        match &evidence.digests {
            Fact::Absent => all(0, Unreadable::NotRecorded),
            Fact::Unreadable(reason) => all(0b1111, *reason),
            Fact::Present(digests) => {
                let flat = flat_counts(evidence);
                // What is no image has flat hashes and no others.
                let image = !matches!(evidence.image, Fact::Absent);
                let short = (image && digests.sha1.is_none()) || (flat && digests.flat_sha1.is_none());
                let long = (image && digests.sha256.is_none()) || (flat && digests.flat_sha256.is_none());
                let grant = u32::from(short) | (u32::from(long) << 1);
                let short_page = u32::from(image && digests.first_page_sha1.is_none());
                let long_page = u32::from(image && digests.first_page_sha256.is_none()) << 1;
                Self {
                    grant,
                    deny: grant | short_page | long_page,
                    // Headers that cannot be read are why there are no hashes of the image.
                    reason: match evidence.image {
                        Fact::Unreadable(reason) => reason,
                        Fact::Present(_) | Fact::Absent => Unreadable::NotRecorded,
                    },
                }
            }
        }
    }
}

/// Whether the file has this hash among those that rules go by.
///
/// The hash of the first page counts for deny rules alone: it covers the headers and no code, so that a grant by it would
/// allow any file with the same headers. Policies that Microsoft's tools make hold the whole file's hashes beside it.
pub(crate) fn has_hash(evidence: &Evidence<'_>, hash: &[u8], action: Action) -> Truth {
    let pages = action == Action::Deny;
    let authenticode = pages || grants_by_authenticode(evidence);
    let found = match &evidence.digests {
        Fact::Present(digests) => {
            let flat = flat_counts(evidence);
            let short = [
                digests.sha1.filter(|_| authenticode),
                digests.first_page_sha1.filter(|_| pages),
                digests.flat_sha1.filter(|_| flat),
            ];
            let long = [
                digests.sha256.filter(|_| authenticode),
                digests.first_page_sha256.filter(|_| pages),
                digests.flat_sha256.filter(|_| flat),
            ];
            let is = |digest: Option<&[u8]>| authenticode && digest == Some(hash);
            short.iter().flatten().any(|digest| digest == hash)
                || long.iter().flatten().any(|digest| digest == hash)
                || is(digests.sha384.as_ref().map(<[u8; 48]>::as_slice))
                || is(digests.sha512.as_ref().map(<[u8; 64]>::as_slice))
        }
        Fact::Absent | Fact::Unreadable(_) => false,
    };
    let missing = Missing::of(evidence);
    let lengths = if pages { missing.deny } else { missing.grant };
    let length = match hash.len() {
        20 => 1,
        32 => 2,
        48 => 4,
        _ => 8,
    };
    if found {
        Truth::Yes
    } else if lengths & length != 0 {
        Truth::unread(missing.reason, action)
    } else {
        Truth::No
    }
}

/// Whether a signature may satisfy anything that grants: it is valid, over this image, by an RSA key of at most 4096 bits, and has not
/// ended with its certificate. An ECC signature never does.
pub fn is_usable(signature: &Signature<'_>, evidence: &Evidence<'_>) -> bool {
    let rsa = signature
        .chain
        .first()
        .is_some_and(|leaf| matches!(leaf.key, Key::Rsa(bits) if bits <= MAX_RSA_BITS));
    signature.fault.is_none()
        && signature.digest_valid
        && signature.signature_valid
        && rsa
        && !has_ended(signature, evidence.weighed_at)
}

/// Whether a usable signature may satisfy an allow rule of a policy: its root is not the flight root where flight signing is
/// disabled. Deny rules do not ask.
///
/// A scenario's `MinimumHashAlgorithm` is not asked for, whether a policy states it or not: Microsoft's DefaultWindows names
/// authorities that only ever signed with SHA-1 and does not lower it, so that what the field bounds cannot be signatures for
/// allow rules. A Windows machine may settle it; then it is here that it counts.
pub(crate) fn may_grant(signature: &Signature<'_>, flight_disabled: bool) -> bool {
    !(flight_disabled && signature.root.wellknown == Some(FLIGHT_ROOT))
}

/// Whether a signature has the well-known root that a rule asks for. Id 0 is any root. An allow rule goes by the root that the chain was
/// proven to end in, a deny rule by any that its certificates name.
pub(crate) fn ends_in(signature: &Signature<'_>, wellknown: u8, action: Action) -> bool {
    let proven = signature.root.verified && signature.root.wellknown == Some(wellknown);
    let claimed = signature
        .claimed_roots
        .checked_shr(wellknown.into())
        .is_some_and(|roots| roots & 1 != 0);
    wellknown == 0 || proven || (action == Action::Deny && claimed)
}

/// The name that `CertPublisher` is compared with: the leaf's subject.
pub(crate) fn publisher<'e>(leaf: &Certificate<'e>) -> Fact<Text<'e>> {
    leaf.subject_cn
}

/// The name that `CertIssuer` is compared with: the leaf's issuer.
pub(crate) fn issuer<'e>(leaf: &Certificate<'e>) -> Fact<Text<'e>> {
    leaf.issuer_cn
}

/// Whether the trusted signing time is later than the `SignTimeAfter`, in 100 ns since 1601, of a rule of this action. Without a
/// time that is proven it is not late enough for an allow rule, and late enough for a deny rule: whoever can leave the timestamp out
/// must gain nothing by it.
pub(crate) fn signed_after(signature: &Signature<'_>, filetime: u64, action: Action) -> Truth {
    match signature.timestamp {
        Fact::Present(timestamp) => {
            let signed = timestamp
                .time
                .checked_add(UNIX_EPOCH)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .and_then(|seconds| seconds.checked_mul(10_000_000));
            signed.is_some_and(|signed| signed > filetime).into()
        }
        Fact::Absent => (action == Action::Deny).into(),
        Fact::Unreadable(reason) => Truth::unread(reason, action),
    }
}

/// Whether the file is WHQL-signed as `Required:WHQL` demands: some usable signature chains to a Microsoft product root and its
/// leaf is a WHQL, Windows, ELAM or HAL one.
pub(crate) fn is_whql(evidence: &Evidence<'_>) -> Truth {
    step();
    let (signatures, more) = match evidence.signatures {
        Fact::Present(signatures) => (signatures, evidence.more_signatures),
        Fact::Absent => (&[][..], evidence.more_signatures),
        Fact::Unreadable(reason) => (&[][..], Some(reason)),
    };
    let is_whql = |signature: &Signature<'_>| {
        let has_eku = signature.chain.first().is_some_and(|leaf| {
            [EKU_WHQL, EKU_WINDOWS, EKU_ELAM, EKU_HAL]
                .into_iter()
                .any(|eku| leaf.ekus.contains(eku))
        });
        let is_rooted = WHQL_ROOTS
            .into_iter()
            .any(|root| ends_in(signature, root, Action::Allow));
        is_usable(signature, evidence) && has_eku && is_rooted
    };
    if signatures.iter().any(is_whql) {
        Truth::Yes
    } else {
        more.map_or(Truth::No, |reason| Truth::unread(reason, Action::Allow))
    }
}
