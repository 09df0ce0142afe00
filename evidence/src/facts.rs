//! The facts about one file, borrowed from whoever holds the bytes they were read from.
//!
//! Filled in by the readers of this crate, or by the controller from recorded evidence; weighed by `policy`. Borrowed and of
//! fixed size throughout, so that the same types serve in the kernel.

use crate::text::Text;

/// Something a file may say, may not say, or may say in a way that could not be read.
///
/// Unknown is not untrusted: a rule that needs a fact which the machine could not read neither matches nor fails to match, and
/// the verdict says so. What the file itself makes unreadable ([`Unreadable::is_from_file`]) grants nothing and shields nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// The file says this.
    Present(T),
    /// The file was read and does not say it.
    Absent,
    /// It could not be established, for this reason.
    Unreadable(Unreadable),
}

impl<T> Fact<T> {
    /// The value, if the fact is present.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unreadable(_) => None,
        }
    }

    /// The same fact about a value made from this one.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Present(value) => Fact::Present(make(value)),
            Self::Absent => Fact::Absent,
            Self::Unreadable(reason) => Fact::Unreadable(reason),
        }
    }

    /// The same fact, borrowed.
    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::Present(value) => Fact::Present(value),
            Self::Absent => Fact::Absent,
            Self::Unreadable(reason) => Fact::Unreadable(*reason),
        }
    }
}

/// Why a fact could not be established.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u16)]
pub enum Unreadable {
    /// The record the evidence came from does not hold it.
    NotRecorded = 1,
    /// The file could not be opened or read.
    Io = 2,
    /// The file is larger than the reader's cap.
    TooLarge = 3,
    /// The file changed while it was read, or is not the file that was loaded.
    Changed = 4,
    /// The bytes that should hold it are malformed.
    Malformed = 5,
    /// A fixed capacity was reached (certificates, signatures, nesting, names, chain work).
    CapReached = 6,
    /// Memory for it could not be had.
    NoMemory = 7,
    /// The path is too long for the record that should carry it.
    PathTooLong = 8,
    /// It is there, but what should prove it does not hold (a timestamp whose own chain fails, say).
    Unproven = 9,
    /// Not every catalogue that may list the file was looked at.
    Catalogs = 10,
}

impl Unreadable {
    /// Every reason, in the order of the numbers.
    pub const ALL: [Self; 10] = [
        Self::NotRecorded,
        Self::Io,
        Self::TooLarge,
        Self::Changed,
        Self::Malformed,
        Self::CapReached,
        Self::NoMemory,
        Self::PathTooLong,
        Self::Unproven,
        Self::Catalogs,
    ];

    /// Whether it is the file's own doing, which another file would not show: then the fact is absent for everything that
    /// grants, and for a denial it could be any. The machine's failures leave the fact unknown.
    pub const fn is_from_file(self) -> bool {
        matches!(
            self,
            Self::TooLarge | Self::Malformed | Self::CapReached | Self::Unproven
        )
    }

    /// The stable number.
    pub const fn number(self) -> u16 {
        #[expect(
            clippy::as_conversions,
            reason = "the discriminant of a fieldless repr(u16) enum"
        )]
        {
            self as u16
        }
    }

    /// The reason with this number, if there is one.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| u64::from(reason.number()) == number)
    }

    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotRecorded => "not-recorded",
            Self::Io => "io",
            Self::TooLarge => "too-large",
            Self::Changed => "changed",
            Self::Malformed => "malformed",
            Self::CapReached => "cap-reached",
            Self::NoMemory => "no-memory",
            Self::PathTooLong => "path-too-long",
            Self::Unproven => "unproven",
            Self::Catalogs => "catalogs",
        }
    }
}

/// A hash of one of the algorithms that App Control and Authenticode use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// MD2 or MD5: only ever a TBS hash of an old root, or a digest that is refused.
    Md(#[doc = "The 16 bytes."] [u8; 16]),
    /// SHA-1.
    Sha1(#[doc = "The 20 bytes."] [u8; 20]),
    /// SHA-256.
    Sha256(#[doc = "The 32 bytes."] [u8; 32]),
    /// SHA-384.
    Sha384(#[doc = "The 48 bytes."] [u8; 48]),
    /// SHA-512.
    Sha512(#[doc = "The 64 bytes."] [u8; 64]),
}

impl Hash {
    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Md(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
            Self::Sha384(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// The hash these bytes are, told apart by their length as policy documents do; `None` for any other length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            16 => bytes.try_into().ok().map(Self::Md),
            20 => bytes.try_into().ok().map(Self::Sha1),
            32 => bytes.try_into().ok().map(Self::Sha256),
            48 => bytes.try_into().ok().map(Self::Sha384),
            64 => bytes.try_into().ok().map(Self::Sha512),
            _ => None,
        }
    }
}

/// Everything a file proves about itself.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The layout facts of the PE image.
    pub image: Fact<Image>,
    /// The digests of the file. For a file that is not a well-formed PE image only the flat ones are filled.
    pub digests: Fact<Digests>,
    /// The version resource, language-neutral first.
    pub version: Fact<Version<'a>>,
    /// Every signature, embedded, nested and by catalogue, in the order found. Empty for an unsigned file.
    pub signatures: Fact<&'a [Signature<'a>]>,
    /// Why there may be signatures beside those: some were not looked at.
    pub more_signatures: Option<Unreadable>,
    /// Bytes in the certificate table that belong to no signature, beyond the padding to 8 bytes: nothing covers them, and who finds a
    /// file by its signature may miss that it carries them (CVE-2013-3900). They decide nothing.
    pub extra_bytes: u64,
    /// When the file is weighed, in seconds since 1970-01-01, for signatures that end with their certificate
    /// ([`crate::usage::LIFETIME_SIGNING`]); `None` without a clock, and then none has ended.
    pub weighed_at: Option<i64>,
}

impl Evidence<'_> {
    /// Evidence of a file of which nothing could be established, for one reason.
    pub const fn unreadable(reason: Unreadable) -> Self {
        Self {
            image: Fact::Unreadable(reason),
            digests: Fact::Unreadable(reason),
            version: Fact::Unreadable(reason),
            signatures: Fact::Unreadable(reason),
            more_signatures: None,
            extra_bytes: 0,
            weighed_at: None,
        }
    }

    /// The same, weighed at a time in seconds since 1970-01-01.
    #[must_use]
    pub const fn at(mut self, seconds: i64) -> Self {
        self.weighed_at = Some(seconds);
        self
    }
}

/// Layout facts of a PE image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// `IMAGE_FILE_HEADER.Machine`, e.g. `0x8664` for amd64.
    pub machine: u16,
    /// `IMAGE_OPTIONAL_HEADER.Subsystem`; 1 is native.
    pub subsystem: u16,
    /// `IMAGE_FILE_HEADER.Characteristics`.
    pub characteristics: u16,
    /// Whether the image is laid out as code integrity requires for a page-hashed Authenticode digest; where it is not, flat
    /// file hashes count.
    pub conformant: bool,
    /// File size in bytes.
    pub size: u64,
}

/// The digests of a PE image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// Authenticode SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// Authenticode SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// Authenticode SHA-384, computed when a signature asks for it.
    pub sha384: Option<[u8; 48]>,
    /// Authenticode SHA-512, computed when a signature asks for it.
    pub sha512: Option<[u8; 64]>,
    /// SHA-1 of the first page, padded with zeros.
    pub first_page_sha1: Option<[u8; 20]>,
    /// SHA-256 of the first page, padded with zeros.
    pub first_page_sha256: Option<[u8; 32]>,
    /// SHA-1 of the whole file, on request or when the image is not conformant.
    pub flat_sha1: Option<[u8; 20]>,
    /// SHA-256 of the whole file, on request or when the image is not conformant.
    pub flat_sha256: Option<[u8; 32]>,
}

/// The facts of a version resource that rules use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version<'a> {
    /// `a.b.c.d` of `VS_FIXEDFILEINFO`, `a` in the top 16 bits; absent where the resource has names alone.
    pub file_version: Fact<u64>,
    /// `OriginalFilename`.
    pub original_filename: Fact<Text<'a>>,
    /// `InternalName`.
    pub internal_name: Fact<Text<'a>>,
    /// `FileDescription`.
    pub file_description: Fact<Text<'a>>,
    /// `ProductName`.
    pub product_name: Fact<Text<'a>>,
}

/// Where a signature was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureSource {
    /// A certificate table entry of the image.
    Embedded,
    /// Nested in another signature (unsigned attribute 1.3.6.1.4.1.311.2.4.1).
    Nested,
    /// A catalogue that lists the image's digest.
    Catalog,
}

/// One signature and the chain it proves.
#[derive(Clone, Copy, Debug)]
pub struct Signature<'a> {
    /// Where it was found.
    pub source: SignatureSource,
    /// The digest algorithm it signs with; named by a hash of that kind holding the signed image digest.
    pub signed_digest: Hash,
    /// Whether the signed digest is the image's.
    pub digest_valid: bool,
    /// Whether the signature and every signature in `chain` verify.
    pub signature_valid: bool,
    /// Whether it carries a page-hash table (which was verified).
    pub page_hashes: bool,
    /// The certificates from the leaf to the topmost one found.
    pub chain: &'a [Certificate<'a>],
    /// How far it is proven who signed.
    pub identity: Identity,
    /// The certificates that the signature names beside `chain`, by issuer names from the leaf on: other ways up, and what no
    /// signature bears out. They count for denials alone.
    pub claimed: &'a [Certificate<'a>],
    /// App Control's roots that a certificate of `chain` or `claimed` names as its issuer: bit `1 << id`. They count for denials
    /// alone.
    pub claimed_roots: u32,
    /// The root the topmost certificate was verified against.
    pub root: Root,
    /// `SpcSpOpusInfo` programName: for WHQL signatures the hardware vendor (App Control's `CertOemID`).
    pub oem_id: Fact<Text<'a>>,
    /// `SpcSpOpusInfo` moreInfo.
    pub more_info_url: Fact<Text<'a>>,
    /// The trusted signing time, if a timestamp whose own chain is valid gives one.
    pub timestamp: Fact<Timestamp>,
    /// The first reason why it proves nothing; `None` exactly if `digest_valid` and `signature_valid`.
    pub fault: Option<SignatureFault>,
    /// For [`SignatureSource::Catalog`]: which catalogue, as the index numbers them.
    pub catalog: Option<u32>,
}

/// How far it is proven who made a signature. A denial by signer misses only what is proven to be somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// The leaf's key made the signature, and every link from the leaf to a root or to a certificate that signed itself holds.
    Proven,
    /// Nothing speaks against the signer being who it says: every link holds, and ends in an authority whose issuer nobody knows
    /// (most private authorities' roots are in no file); or signature and key are of a kind that this reader does not know.
    Claimed,
    /// It could be anybody's: the signature, a certificate or a link does not hold or is missing, or a cap was reached.
    Unproven,
}

impl Identity {
    /// The name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Claimed => "claimed",
            Self::Unproven => "unproven",
        }
    }
}

/// Why a signature proves nothing. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum SignatureFault {
    /// The signature's bytes do not parse.
    Malformed = 1,
    /// The signed digest is not the image's: the file was changed after signing, or the signature is another file's.
    ImageDigest = 2,
    /// A digest algorithm too weak to prove anything (MD5, MD2).
    WeakAlgorithm = 3,
    /// An algorithm this reader does not know.
    UnknownAlgorithm = 4,
    /// The signer's certificate is not among the certificates.
    NoSigner = 5,
    /// The signed attributes are not those of the signed content.
    SignedAttributes = 6,
    /// The signer's signature does not verify with the certificate's key.
    SignerSignature = 7,
    /// A key that is never used: explicit curve parameters, an unknown kind, RSA outside 1024 to 8192 bits.
    UnsupportedKey = 8,
    /// A certificate's issuer is at hand by name, and its key did not make the certificate's signature.
    ChainSignature = 9,
    /// A certificate signed another and is no certificate authority, or its path length forbids it.
    NotAuthority = 10,
    /// The signer's certificate is not for code signing.
    NotCodeSigning = 11,
    /// The page-hash table is not the image's.
    PageHashes = 12,
    /// A cap was reached (certificates, chain length, chain work).
    CapReached = 13,
    /// The signer's certificate has ended, and it is one whose signatures end with it, whatever a timestamp says. Only
    /// [`crate::Trust::at`] finds this.
    LifetimeEnded = 14,
    /// The image is not conformant: its digest does not cover all that Windows would map, so that a signature proves nothing of it.
    NotConformant = 15,
}

impl SignatureFault {
    /// Every fault, in the order of the numbers.
    pub const ALL: [Self; 15] = [
        Self::Malformed,
        Self::ImageDigest,
        Self::WeakAlgorithm,
        Self::UnknownAlgorithm,
        Self::NoSigner,
        Self::SignedAttributes,
        Self::SignerSignature,
        Self::UnsupportedKey,
        Self::ChainSignature,
        Self::NotAuthority,
        Self::NotCodeSigning,
        Self::PageHashes,
        Self::CapReached,
        Self::LifetimeEnded,
        Self::NotConformant,
    ];
}

/// One certificate of a chain.
#[derive(Clone, Copy, Debug)]
pub struct Certificate<'a> {
    /// Subject common name.
    pub subject_cn: Fact<Text<'a>>,
    /// Issuer common name.
    pub issuer_cn: Fact<Text<'a>>,
    /// Serial number, big-endian content bytes.
    pub serial: &'a [u8],
    /// SHA-1 of the whole certificate.
    pub thumbprint_sha1: [u8; 20],
    /// Hash of the TBSCertificate bytes as they stand, with the certificate's own signature algorithm.
    pub tbs: Fact<Hash>,
    /// The extended key usages: the content of the DER `SEQUENCE OF OBJECT IDENTIFIER`; see [`Ekus`].
    pub ekus: Ekus<'a>,
    /// Start of validity, seconds since 1970-01-01.
    pub not_before: i64,
    /// End of validity, seconds since 1970-01-01.
    pub not_after: i64,
    /// Kind of public key.
    pub key: Key,
}

/// Extended key usages, as object identifiers in DER content octets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ekus<'a>(#[doc = "Concatenated DER OBJECT IDENTIFIERs (tag, length, content)."] pub &'a [u8]);

impl<'a> Ekus<'a> {
    /// The content octets of each identifier. Stops at the first malformed one.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (&tag, tail) = rest.split_first()?;
            let (&length, tail) = tail.split_first()?;
            if tag != 0x06 || length >= 0x80 {
                return None;
            }
            let (content, tail) = tail.split_at_checked(usize::from(length))?;
            rest = tail;
            Some(content)
        })
    }

    /// Whether this identifier (DER content octets) is among them.
    pub fn contains(self, oid: &[u8]) -> bool {
        self.iter().any(|found| found == oid)
    }
}

/// Kind of a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// RSA with a modulus of this many bits.
    Rsa(#[doc = "Modulus length in bits."] u16),
    /// ECDSA over a named curve of this many bits (256, 384 or 521).
    Ecdsa(#[doc = "Field length in bits."] u16),
    /// Anything else, explicit curve parameters included: never verified.
    Unsupported,
}

/// The root a chain ends in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Root {
    /// App Control's well-known root id, if the root is one.
    pub wellknown: Option<u8>,
    /// Whether the topmost certificate was verified with the root's key.
    pub verified: bool,
    /// Whether the root is one that this crate knows; otherwise it is a certificate in the file that signed itself.
    pub known: bool,
}

/// A validated time of signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp {
    /// RFC 3161 token, or PKCS#9 (Authenticode) countersignature.
    pub rfc3161: bool,
    /// Seconds since 1970-01-01.
    pub time: i64,
}
