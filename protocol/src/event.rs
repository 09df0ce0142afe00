//! Event records: a fixed head and tagged fields.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::I64;
use zerocopy::byteorder::little_endian::U16;
use zerocopy::byteorder::little_endian::U32;
use zerocopy::byteorder::little_endian::U64;

use crate::field::Fields;

/// The largest event record in bytes, head included. What does not fit is left out field by field and the record is marked
/// with [`flag::CUT`].
pub const MAX_RECORD: usize = 16 * 1024;

/// Head of every event record.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Head {
    /// Size of the record in bytes, this head included.
    pub size: U32,
    /// [`Kind`].
    pub kind: U16,
    /// [`flag`] bits.
    pub flags: U16,
    /// 1 for the first event after the driver started, then without gaps.
    pub sequence: U64,
    /// When it was emitted: FILETIME, 100 ns since 1601-01-01 UTC.
    pub time: I64,
}

/// Bits of [`Head::flags`].
pub mod flag {
    /// Fields were left out because the record would have been too large.
    pub const CUT: u16 = 1;
}

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// A kernel image was loaded while the driver was running.
    ImageLoad = 1,
    /// A kernel image was already loaded when the driver started.
    Baseline = 2,
    /// A controller asked for a file to be weighed.
    Check = 3,
    /// A pushed set became the generation in force.
    PolicyActivated = 4,
    /// A pushed set was rejected; the generation in force stays.
    PolicyRejected = 5,
    /// The driver started.
    Started = 6,
    /// The intake was full and image loads went by unweighed.
    LoadsDropped = 7,
    /// The filter refused a section of a kernel image: the image was not loaded.
    ImageRefused = 8,
    /// The mode, or what holds enforcement back, changed.
    ModeChanged = 9,
    /// The generation of the last run was restored at start.
    PolicyRestored = 10,
    /// A file of the last run was not restored: missing parts, altered, or not signed as it must be.
    RestoreFailed = 11,
    /// Something that should outlive the driver could not be written.
    PersistFailed = 12,
    /// The key that policy sets must be signed with was provisioned, replaced or removed.
    KeyChanged = 13,
    /// A violation set the evaluation's progress back.
    EvaluationReset = 14,
    /// The last run did not end with its state written: what changed by itself since it was written last is lost.
    StateNotKept = 15,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::ImageLoad,
        Self::Baseline,
        Self::Check,
        Self::PolicyActivated,
        Self::PolicyRejected,
        Self::Started,
        Self::LoadsDropped,
        Self::ImageRefused,
        Self::ModeChanged,
        Self::PolicyRestored,
        Self::RestoreFailed,
        Self::PersistFailed,
        Self::KeyChanged,
        Self::EvaluationReset,
        Self::StateNotKept,
    ];

    /// The kind with this number.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The number on the wire.
    pub const fn number(self) -> u16 {
        match self {
            Self::ImageLoad => 1,
            Self::Baseline => 2,
            Self::Check => 3,
            Self::PolicyActivated => 4,
            Self::PolicyRejected => 5,
            Self::Started => 6,
            Self::LoadsDropped => 7,
            Self::ImageRefused => 8,
            Self::ModeChanged => 9,
            Self::PolicyRestored => 10,
            Self::RestoreFailed => 11,
            Self::PersistFailed => 12,
            Self::KeyChanged => 13,
            Self::EvaluationReset => 14,
            Self::StateNotKept => 15,
        }
    }

    /// The name in JSON output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageLoad => "image-load",
            Self::Baseline => "baseline",
            Self::Check => "check",
            Self::PolicyActivated => "policy-activated",
            Self::PolicyRejected => "policy-rejected",
            Self::Started => "started",
            Self::LoadsDropped => "loads-dropped",
            Self::ImageRefused => "image-refused",
            Self::ModeChanged => "mode-changed",
            Self::PolicyRestored => "policy-restored",
            Self::RestoreFailed => "restore-failed",
            Self::PersistFailed => "persist-failed",
            Self::KeyChanged => "key-changed",
            Self::EvaluationReset => "evaluation-reset",
            Self::StateNotKept => "state-not-kept",
        }
    }
}

/// Tags of event fields. Numbers are [`Field::number`](crate::field::Field::number), texts UTF-8, hashes raw bytes.
pub mod tag {
    /// Path as the kernel gave it, UTF-16LE.
    pub const PATH: u16 = 1;
    /// Process the load was reported for.
    pub const PROCESS_ID: u16 = 2;
    /// Address the image was mapped at.
    pub const IMAGE_BASE: u16 = 3;
    /// Size of the mapped image in bytes.
    pub const IMAGE_SIZE: u16 = 4;
    /// `IMAGE_INFO.Properties` as the kernel gave it (signature level and type included).
    pub const IMAGE_PROPERTIES: u16 = 5;
    /// Whether the file that was read was proved to be the file that was loaded: 1 proved, 0 not provable.
    pub const SAME_FILE: u16 = 6;
    /// Generation in force.
    pub const GENERATION: u16 = 7;
    /// SHA-256 of the compiled set in force.
    pub const SET_SHA256: u16 = 8;
    /// [`Mode`](crate::message::Mode).
    pub const MODE: u16 = 9;
    /// Time from capture to the start of reading, in 100 ns.
    pub const QUEUED: u16 = 10;
    /// Time taken to read the file and establish its evidence, in 100 ns.
    pub const READ: u16 = 11;
    /// Time taken to decide, in 100 ns.
    pub const DECIDED: u16 = 12;
    /// How many: dropped loads, bytes of a pushed set.
    pub const COUNT: u16 = 13;
    /// Code of an error: of `policy::SetFault` in policy events, of `evidence::ErrorKind` in weighed ones.
    pub const ERROR: u16 = 14;
    /// Byte offset of an error.
    pub const OFFSET: u16 = 15;
    /// NTSTATUS of a failed system call, as an unsigned 32-bit number.
    pub const STATUS: u16 = 16;

    /// [`Holds`](crate::message::holds) bits: what keeps enforcement from taking effect.
    pub const HOLDS: u16 = 17;
    /// When a mode ends by itself, FILETIME; not there when it stays.
    pub const UNTIL: u16 = 18;
    /// Which file of the driver's own: a [`StoredFile`](crate::report::StoredFile) number.
    pub const STORED_FILE: u16 = 19;
    /// Sequence number of a signed set.
    pub const SET_SEQUENCE: u16 = 20;
    /// How often something was seen.
    pub const TIMES: u16 = 21;
    /// When something was first seen, FILETIME.
    pub const FIRST_TIME: u16 = 22;
    /// When something was last seen, FILETIME.
    pub const LAST_TIME: u16 = 23;
    /// 1 when the verdict was found in the cache, and the file not read again.
    pub const CACHED: u16 = 24;
    /// Group: a driver that violates a policy, or stands in the way of enforcement. Holds [`PATH`], [`SHA256`], [`TRUST`],
    /// [`DECISION`], [`REASON`], [`TIMES`], [`FIRST_TIME`], [`LAST_TIME`] and [`POLICY`] groups, as far as known.
    pub const DRIVER: u16 = 25;
    /// Group: a rule that decided. Holds [`POLICY_ID`], [`RULE_ID`], [`RULE_ACTION`] and [`TIMES`].
    pub const RULE_HITS: u16 = 26;

    /// Group: evidence. Its fields are 0x21 to 0x4f.
    pub const EVIDENCE: u16 = 0x20;
    /// `IMAGE_FILE_HEADER.Machine`.
    pub const MACHINE: u16 = 0x21;
    /// `IMAGE_OPTIONAL_HEADER.Subsystem`.
    pub const SUBSYSTEM: u16 = 0x22;
    /// 1 when the image is conformant.
    pub const CONFORMANT: u16 = 0x23;
    /// File size in bytes.
    pub const FILE_SIZE: u16 = 0x24;
    /// Authenticode SHA-1.
    pub const SHA1: u16 = 0x25;
    /// Authenticode SHA-256.
    pub const SHA256: u16 = 0x26;
    /// Authenticode SHA-384.
    pub const SHA384: u16 = 0x27;
    /// Authenticode SHA-512.
    pub const SHA512: u16 = 0x28;
    /// First page SHA-1.
    pub const FIRST_PAGE_SHA1: u16 = 0x29;
    /// First page SHA-256.
    pub const FIRST_PAGE_SHA256: u16 = 0x2a;
    /// Flat file SHA-1.
    pub const FLAT_SHA1: u16 = 0x2b;
    /// Flat file SHA-256.
    pub const FLAT_SHA256: u16 = 0x2c;
    /// Fixed file version `a.b.c.d`, `a` in the top 16 bits; empty for a file that has no version resource.
    pub const FILE_VERSION: u16 = 0x2d;
    /// `OriginalFilename`.
    pub const ORIGINAL_FILENAME: u16 = 0x2e;
    /// `InternalName`.
    pub const INTERNAL_NAME: u16 = 0x2f;
    /// `FileDescription`.
    pub const FILE_DESCRIPTION: u16 = 0x30;
    /// `ProductName`.
    pub const PRODUCT_NAME: u16 = 0x31;

    /// `evidence::Trust` number: what the driver policy makes of the file's best signature.
    pub const TRUST: u16 = 0x32;
    /// Facts that could not be had: for each its tag and the `evidence::Unreadable` number, 16 bits each. Stands in [`EVIDENCE`], in
    /// [`SIGNATURE_FACTS`] and in [`CERTIFICATE`]. The tag of facts that have several fields is [`CONFORMANT`] for the image,
    /// [`SHA256`] for the digests, [`FILE_VERSION`] for the version resource (for the version in it alone, where that tag is there and
    /// empty), [`SIGNATURE_FACTS`] for the signatures.
    pub const UNREADABLE: u16 = 0x33;
    /// When the file was weighed, seconds since 1970-01-01.
    pub const WEIGHED_AT: u16 = 0x34;
    /// `evidence::Unreadable` number of why there may be signatures beside those recorded.
    pub const MORE_SIGNATURES: u16 = 0x35;

    /// Group: verdict. Its fields are 0x51 to 0x6f.
    pub const VERDICT: u16 = 0x50;
    /// `policy::Decision` number.
    pub const DECISION: u16 = 0x51;
    /// `policy::Reason` code.
    pub const REASON: u16 = 0x52;
    /// Group, once a policy: what that policy decided.
    pub const POLICY: u16 = 0x53;
    /// Policy id: a GUID's 16 bytes as Windows lays them out in memory.
    pub const POLICY_ID: u16 = 0x54;
    /// Policy name.
    pub const POLICY_NAME: u16 = 0x55;
    /// Group: the deciding rule.
    pub const RULE: u16 = 0x56;
    /// `policy::RuleKind` number.
    pub const RULE_KIND: u16 = 0x57;
    /// `policy::Level` number.
    pub const RULE_LEVEL: u16 = 0x58;
    /// Rule id.
    pub const RULE_ID: u16 = 0x59;
    /// Rule name.
    pub const RULE_NAME: u16 = 0x5a;
    /// `policy::Action` number.
    pub const RULE_ACTION: u16 = 0x5b;
    /// Index of the signature that decided.
    pub const SIGNATURE: u16 = 0x5c;

    /// Group beside [`EVIDENCE`], once a signature, in the order in which the verdict numbers them. Its fields are 0x81 to 0x9f.
    pub const SIGNATURE_FACTS: u16 = 0x80;
    /// Where a signature was found: 1 embedded, 2 nested, 3 catalogue.
    pub const SOURCE: u16 = 0x81;
    /// Name of the catalogue, as the set's index has it.
    pub const CATALOG: u16 = 0x82;
    /// The signed digest; its length tells the algorithm.
    pub const SIGNED_DIGEST: u16 = 0x83;
    /// 1 when the signed digest is the image's.
    pub const DIGEST_VALID: u16 = 0x84;
    /// 1 when the signature and its chain verify.
    pub const SIGNATURE_VALID: u16 = 0x85;
    /// `evidence::SignatureFault` number.
    pub const FAULT: u16 = 0x86;
    /// 1 when the signature carries page hashes.
    pub const PAGE_HASHES: u16 = 0x87;
    /// App Control's number of the root, if it is a well-known one.
    pub const ROOT_WELLKNOWN: u16 = 0x88;
    /// 1 when the chain was verified with the root's key.
    pub const ROOT_VERIFIED: u16 = 0x89;
    /// 1 when the root is one the driver knows.
    pub const ROOT_KNOWN: u16 = 0x8a;
    /// `SpcSpOpusInfo` programName.
    pub const OEM_ID: u16 = 0x8b;
    /// `SpcSpOpusInfo` moreInfo.
    pub const MORE_INFO_URL: u16 = 0x8c;
    /// Proven time of signing, seconds since 1970-01-01.
    pub const TIMESTAMP: u16 = 0x8d;
    /// 1 when the time is from an RFC 3161 token.
    pub const TIMESTAMP_RFC3161: u16 = 0x8e;
    /// Group, once a certificate, leaf first.
    pub const CERTIFICATE: u16 = 0x8f;
    /// Subject common name.
    pub const SUBJECT_CN: u16 = 0x90;
    /// Issuer common name.
    pub const ISSUER_CN: u16 = 0x91;
    /// Serial number, big-endian.
    pub const SERIAL: u16 = 0x92;
    /// SHA-1 of the certificate.
    pub const THUMBPRINT: u16 = 0x93;
    /// TBS hash; its length tells the algorithm.
    pub const TBS: u16 = 0x94;
    /// Extended key usages: concatenated DER OBJECT IDENTIFIERs.
    pub const EKUS: u16 = 0x95;
    /// Start of validity, seconds since 1970-01-01.
    pub const NOT_BEFORE: u16 = 0x96;
    /// End of validity, seconds since 1970-01-01.
    pub const NOT_AFTER: u16 = 0x97;
    /// Kind of key: 0 unsupported, 1 RSA, 2 ECDSA.
    pub const KEY_KIND: u16 = 0x98;
    /// Length of the key in bits.
    pub const KEY_BITS: u16 = 0x99;
    /// `evidence::Identity`: 1 proven, 2 claimed, 3 unproven.
    pub const IDENTITY: u16 = 0x9a;
    /// Group, as [`CERTIFICATE`]: a certificate that the signature claims beside its chain.
    pub const CLAIMED_CERTIFICATE: u16 = 0x9b;
    /// App Control's roots that the certificates name: bit `1 << number`.
    pub const CLAIMED_ROOTS: u16 = 0x9c;
}

/// An event record that was read.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its head.
    pub head: Head,
    /// Its fields.
    pub fields: Fields<'a>,
}

/// Splits the first record off `bytes`; `None` when they do not hold one.
pub fn split(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (head, _) = Head::read_from_prefix(bytes).ok()?;
    let (record, rest) = bytes.split_at_checked(usize::try_from(head.size.get()).ok()?)?;
    let body = record.get(size_of::<Head>()..)?;
    Some((
        Record {
            head,
            fields: Fields::new(body),
        },
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_keep_their_numbers() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
            assert_eq!(kind.number(), kind as u16);
        }
        assert_eq!(Kind::from_number(0), None);
    }

    #[test]
    fn a_record_shorter_than_it_says_is_refused() {
        let head = Head {
            size: U32::new(40),
            kind: U16::new(1),
            flags: U16::new(0),
            sequence: U64::new(1),
            time: I64::new(0),
        };
        let mut bytes = [0; 40];
        bytes[..24].copy_from_slice(head.as_bytes());
        assert!(split(&bytes).is_some());
        assert!(split(&bytes[..39]).is_none());
        assert!(split(&bytes[..10]).is_none());
        bytes[0] = 8;
        assert!(split(&bytes).is_none(), "a size below the head is refused");
    }
}
