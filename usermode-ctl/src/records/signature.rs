//! The signatures of an evidence record.

use std::collections::BTreeMap;

use evidence::CatalogIndex;
use evidence::Certificate;
use evidence::Ekus;
use evidence::Fact;
use evidence::Hash;
use evidence::Identity;
use evidence::Key;
use evidence::Signature;
use evidence::SignatureFault;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Unreadable;
use protocol::event::tag;
use protocol::field::Field;
use protocol::field::Fields;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::hex;
use crate::records::values::identifier;
use crate::records::values::time;
use crate::records::verdict::groups;

/// One signature and the chain it proves.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SignatureRecord {
    /// `embedded`, `nested` or `catalog`.
    pub source: &'static str,
    /// The catalogue that lists the file.
    pub catalog: Option<String>,
    pub digest_algorithm: &'static str,
    pub digest_valid: bool,
    pub signature_valid: bool,
    /// Name of the reason why it proves nothing.
    pub fault: Option<&'static str>,
    pub page_hashes: bool,
    /// Leaf first.
    pub chain: Vec<CertificateRecord>,
    pub root: RootRecord,
    pub oem_id: Option<String>,
    pub more_info_url: Option<String>,
    pub timestamp: Option<TimestampRecord>,
    /// `proven`, `claimed` or `unproven`: how far it is proven who signed.
    pub identity: &'static str,
    /// What the signature claims and does not prove.
    #[serde(skip_serializing_if = "ClaimedRecord::is_empty")]
    pub claimed: ClaimedRecord,
}

/// What a signature claims and does not prove. It counts for denials alone.
#[derive(Clone, Debug, Default, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ClaimedRecord {
    /// The certificates that it names beside its chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<CertificateRecord>,
    /// App Control's numbers of the roots that its certificates name, in hexadecimal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<String>,
    /// Facts that are `null` because the file hides them, and how.
    #[serde(flatten)]
    pub facts: Reasons,
}

impl ClaimedRecord {
    fn is_empty(&self) -> bool {
        self.chain.is_empty() && self.roots.is_empty() && self.facts.is_empty()
    }
}

/// Names of facts, and the reason why each could not be had.
pub type Reasons = BTreeMap<&'static str, &'static str>;

/// One certificate of a chain.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CertificateRecord {
    pub subject_cn: Option<String>,
    pub issuer_cn: Option<String>,
    pub serial: String,
    pub thumbprint_sha1: String,
    /// `None` for an algorithm that cannot be computed.
    pub tbs: Option<TbsRecord>,
    pub ekus: Vec<String>,
    pub not_before: Option<String>,
    pub not_after: Option<String>,
    pub key: String,
    /// Facts that are `null` because they do not parse.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub claimed: Reasons,
}

/// The hash of a certificate's signed part.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TbsRecord {
    pub algorithm: &'static str,
    pub hash: String,
}

/// The root that the chain was verified against.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct RootRecord {
    /// App Control's number of it, in hexadecimal.
    pub wellknown: Option<String>,
    pub verified: bool,
    pub known: bool,
}

/// A proven time of signing.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TimestampRecord {
    /// `rfc3161` or `authenticode`.
    pub kind: &'static str,
    pub time: Option<String>,
}

impl SignatureRecord {
    /// The record of a signature; `catalogs` give the name of its catalogue.
    pub fn of(signature: &Signature<'_>, catalogs: Option<&CatalogIndex<'_>>) -> Self {
        let catalog = signature.catalog.and_then(|number| catalogs?.name(number));
        Self {
            source: match signature.source {
                SignatureSource::Embedded => "embedded",
                SignatureSource::Nested => "nested",
                SignatureSource::Catalog => "catalog",
            },
            catalog: catalog.map(str::to_owned),
            digest_algorithm: if signature.fault == Some(SignatureFault::Malformed)
                && signature.chain.is_empty()
            {
                "unknown"
            } else {
                algorithm(&signature.signed_digest)
            },
            digest_valid: signature.digest_valid,
            signature_valid: signature.signature_valid,
            fault: signature.fault.map(evidence::SignatureFault::name),
            page_hashes: signature.page_hashes,
            chain: signature.chain.iter().map(CertificateRecord::of).collect(),
            root: RootRecord {
                wellknown: signature.root.wellknown.map(|id| format!("{id:02X}")),
                verified: signature.root.verified,
                known: signature.root.known,
            },
            oem_id: text(signature.oem_id),
            more_info_url: text(signature.more_info_url),
            timestamp: signature.timestamp.present().map(|timestamp| TimestampRecord {
                kind: if timestamp.rfc3161 {
                    "rfc3161"
                } else {
                    "authenticode"
                },
                time: time(timestamp.time),
            }),
            identity: signature.identity.name(),
            claimed: ClaimedRecord {
                chain: signature.claimed.iter().map(CertificateRecord::of).collect(),
                roots: roots(signature.claimed_roots),
                facts: reasons([
                    ("oem_id", reason_of(&signature.oem_id)),
                    ("more_info_url", reason_of(&signature.more_info_url)),
                    ("timestamp", reason_of(&signature.timestamp)),
                ]),
            },
        }
    }

    /// The signature in an event record, of which `group` holds the fields.
    pub fn of_event(group: &Fields<'_>) -> Self {
        let number = |tag| group.find(tag).and_then(Field::number);
        let is = |tag| number(tag).is_some_and(|number| number != 0);
        let fault = number(tag::FAULT);
        Self {
            source: match number(tag::SOURCE) {
                Some(2) => "nested",
                Some(3) => "catalog",
                _ => "embedded",
            },
            catalog: field_text(group, tag::CATALOG),
            digest_algorithm: group
                .find(tag::SIGNED_DIGEST)
                .and_then(|field| Hash::from_bytes(field.bytes))
                .map_or("unknown", |hash| algorithm(&hash)),
            digest_valid: is(tag::DIGEST_VALID),
            signature_valid: is(tag::SIGNATURE_VALID),
            fault: fault.map(|code| fault_of(code).map_or("unknown", SignatureFault::name)),
            page_hashes: is(tag::PAGE_HASHES),
            chain: groups(group, tag::CERTIFICATE)
                .map(|certificate| CertificateRecord::of_event(&certificate))
                .collect(),
            root: RootRecord {
                wellknown: number(tag::ROOT_WELLKNOWN).map(|id| format!("{id:02X}")),
                verified: is(tag::ROOT_VERIFIED),
                known: is(tag::ROOT_KNOWN),
            },
            oem_id: field_text(group, tag::OEM_ID),
            more_info_url: field_text(group, tag::MORE_INFO_URL),
            timestamp: number(tag::TIMESTAMP).map(|seconds| TimestampRecord {
                kind: if is(tag::TIMESTAMP_RFC3161) {
                    "rfc3161"
                } else {
                    "authenticode"
                },
                time: time(seconds.cast_signed()),
            }),
            identity: match number(tag::IDENTITY) {
                Some(1) => Identity::Proven,
                Some(2) => Identity::Claimed,
                _ => Identity::Unproven,
            }
            .name(),
            claimed: ClaimedRecord {
                chain: groups(group, tag::CLAIMED_CERTIFICATE)
                    .map(|certificate| CertificateRecord::of_event(&certificate))
                    .collect(),
                roots: roots(number(tag::CLAIMED_ROOTS).unwrap_or(0).try_into().unwrap_or(0)),
                facts: recorded_reasons(
                    group,
                    &[
                        (tag::OEM_ID, "oem_id"),
                        (tag::MORE_INFO_URL, "more_info_url"),
                        (tag::TIMESTAMP, "timestamp"),
                    ],
                ),
            },
        }
    }

    /// Who signed: the hardware vendor where Microsoft signed for one, else the leaf's name.
    pub fn publisher(&self) -> Option<&str> {
        let leaf = self.chain.first().and_then(|leaf| leaf.subject_cn.as_deref());
        let for_vendor = leaf.is_some_and(|name| name.starts_with("Microsoft Windows Hardware"));
        self.oem_id.as_deref().filter(|_| for_vendor).or(leaf)
    }
}

impl CertificateRecord {
    fn of_event(group: &Fields<'_>) -> Self {
        let number = |tag| group.find(tag).and_then(Field::number);
        let bytes = |tag| group.find(tag).map_or(&[][..], |field| field.bytes);
        let seconds = |tag| number(tag).and_then(|seconds| time(seconds.cast_signed()));
        let bits = number(tag::KEY_BITS).unwrap_or(0);
        Self {
            subject_cn: field_text(group, tag::SUBJECT_CN),
            issuer_cn: field_text(group, tag::ISSUER_CN),
            serial: hex(bytes(tag::SERIAL)),
            thumbprint_sha1: hex(bytes(tag::THUMBPRINT)),
            tbs: Hash::from_bytes(bytes(tag::TBS)).map(|hash| TbsRecord {
                algorithm: algorithm(&hash),
                hash: hex(hash.as_bytes()),
            }),
            ekus: Ekus(bytes(tag::EKUS)).iter().map(identifier).collect(),
            not_before: seconds(tag::NOT_BEFORE),
            not_after: seconds(tag::NOT_AFTER),
            key: match number(tag::KEY_KIND) {
                Some(1) => format!("rsa{bits}"),
                Some(2) => format!("ecdsa-p{bits}"),
                _ => "unsupported".to_owned(),
            },
            claimed: recorded_reasons(
                group,
                &[
                    (tag::SUBJECT_CN, "subject_cn"),
                    (tag::ISSUER_CN, "issuer_cn"),
                    (tag::TBS, "tbs"),
                ],
            ),
        }
    }

    fn of(certificate: &Certificate<'_>) -> Self {
        Self {
            subject_cn: text(certificate.subject_cn),
            issuer_cn: text(certificate.issuer_cn),
            serial: hex(certificate.serial),
            thumbprint_sha1: hex(&certificate.thumbprint_sha1),
            tbs: certificate.tbs.present().map(|hash| TbsRecord {
                algorithm: algorithm(&hash),
                hash: hex(hash.as_bytes()),
            }),
            ekus: certificate.ekus.iter().map(identifier).collect(),
            not_before: time(certificate.not_before),
            not_after: time(certificate.not_after),
            key: match certificate.key {
                Key::Rsa(bits) => format!("rsa{bits}"),
                Key::Ecdsa(bits) => format!("ecdsa-p{bits}"),
                Key::Unsupported => "unsupported".to_owned(),
            },
            claimed: reasons([
                ("subject_cn", reason_of(&certificate.subject_cn)),
                ("issuer_cn", reason_of(&certificate.issuer_cn)),
                ("tbs", reason_of(&certificate.tbs)),
            ]),
        }
    }
}

/// Why a fact could not be had.
pub(super) fn reason_of<T>(fact: &Fact<T>) -> Option<Unreadable> {
    match fact {
        Fact::Unreadable(reason) => Some(*reason),
        Fact::Present(_) | Fact::Absent => None,
    }
}

/// The facts among these that could not be had.
pub(super) fn reasons<const N: usize>(facts: [(&'static str, Option<Unreadable>); N]) -> Reasons {
    let named = facts.into_iter();
    named
        .filter_map(|(name, reason)| Some((name, reason?.name())))
        .collect()
}

/// The facts of an event's group that could not be had, by the names that their tags have here.
pub(super) fn recorded_reasons(group: &Fields<'_>, names: &[(u16, &'static str)]) -> Reasons {
    let list = group.find(tag::UNREADABLE).map_or(&[][..], |field| field.bytes);
    let (pairs, _) = list.as_chunks::<4>();
    pairs
        .iter()
        .filter_map(|[low, high, reason, rest]| {
            let tag = u16::from_le_bytes([*low, *high]);
            let (_, name) = names.iter().find(|(known, _)| *known == tag)?;
            let reason = Unreadable::from_number(u16::from_le_bytes([*reason, *rest]).into())?;
            Some((*name, reason.name()))
        })
        .collect()
}

/// Numbers of the roots whose bits are set.
fn roots(bits: u32) -> Vec<String> {
    (0..32_u8)
        .filter(|id| bits >> id & 1 != 0)
        .map(|id| format!("{id:02X}"))
        .collect()
}

/// The fault with this number.
fn fault_of(code: u64) -> Option<SignatureFault> {
    SignatureFault::ALL
        .into_iter()
        .find(|fault| u64::from(fault.code()) == code)
}

fn field_text(fields: &Fields<'_>, tag: u16) -> Option<String> {
    fields
        .find(tag)
        .map(|field| String::from_utf8_lossy(field.bytes).into_owned())
}

fn text(fact: Fact<Text<'_>>) -> Option<String> {
    fact.present().map(|text| text.chars().collect())
}

/// Name of the algorithm that makes hashes of this length.
const fn algorithm(hash: &Hash) -> &'static str {
    match hash {
        Hash::Md(_) => "md5",
        Hash::Sha1(_) => "sha1",
        Hash::Sha256(_) => "sha256",
        Hash::Sha384(_) => "sha384",
        Hash::Sha512(_) => "sha512",
    }
}
