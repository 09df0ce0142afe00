//! Evidence as fields of an event record.

use evidence::CatalogIndex;
use evidence::Certificate;
use evidence::Digests;
use evidence::Evidence;
use evidence::Fact;
use evidence::Identity;
use evidence::Key;
use evidence::Signature;
use evidence::SignatureSource;
use evidence::Text;
use evidence::Trust;
use evidence::Unreadable;
use evidence::Version;
use protocol::event::tag;
use protocol::field::Writer;

/// 1970-01-01 as seconds since 1601-01-01.
const UNIX_EPOCH: i64 = 11_644_473_600;

/// Seconds since 1970-01-01 of a FILETIME.
pub const fn unix_seconds(filetime: i64) -> i64 {
    filetime.div_euclid(10_000_000).saturating_sub(UNIX_EPOCH)
}

/// The facts of the file itself.
pub fn evidence(writer: &mut Writer<'_>, evidence: &Evidence<'_>) {
    if let Fact::Present(image) = evidence.image {
        writer.number(tag::MACHINE, u64::from(image.machine));
        writer.number(tag::SUBSYSTEM, u64::from(image.subsystem));
        writer.number(tag::CONFORMANT, u64::from(image.conformant));
        writer.number(tag::FILE_SIZE, image.size);
    }
    if let Fact::Present(digests) = &evidence.digests {
        self::digests(writer, digests);
    }
    match &evidence.version {
        Fact::Present(version) => self::version(writer, version),
        // Told apart from a version that could not be read, of which no more is said than that.
        Fact::Absent => writer.bytes(tag::FILE_VERSION, &[]),
        Fact::Unreadable(_) => {}
    }
    if let Fact::Present(trust) = Trust::of(evidence) {
        writer.number(tag::TRUST, u64::from(trust.class.number()));
    }
    if let Some(seconds) = evidence.weighed_at {
        writer.number(tag::WEIGHED_AT, seconds.cast_unsigned());
    }
    if let Some(reason) = evidence.more_signatures {
        writer.number(tag::MORE_SIGNATURES, u64::from(reason.number()));
    }
    let names = match &evidence.version {
        Fact::Present(version) => [
            (tag::ORIGINAL_FILENAME, reason_of(&version.original_filename)),
            (tag::INTERNAL_NAME, reason_of(&version.internal_name)),
            (tag::FILE_DESCRIPTION, reason_of(&version.file_description)),
            (tag::PRODUCT_NAME, reason_of(&version.product_name)),
        ],
        _ => [(0, None); 4],
    };
    let version = match &evidence.version {
        Fact::Present(version) => reason_of(&version.file_version),
        other => reason_of(other),
    };
    let whole = [
        (tag::CONFORMANT, reason_of(&evidence.image)),
        (tag::SHA256, reason_of(&evidence.digests)),
        (tag::FILE_VERSION, version),
        (tag::SIGNATURE_FACTS, reason_of(&evidence.signatures)),
    ];
    unreadable(writer, whole.into_iter().chain(names));
}

/// Says which facts could not be had, and why.
fn unreadable(writer: &mut Writer<'_>, facts: impl Iterator<Item = (u16, Option<Unreadable>)> + Clone) {
    if facts.clone().all(|(_, reason)| reason.is_none()) {
        return;
    }
    writer.group(tag::UNREADABLE, |writer| {
        for (tag, reason) in facts.filter_map(|(tag, reason)| Some((tag, reason?))) {
            writer.raw(&tag.to_le_bytes());
            writer.raw(&reason.number().to_le_bytes());
        }
    });
}

fn reason_of<T>(fact: &Fact<T>) -> Option<Unreadable> {
    match fact {
        Fact::Unreadable(reason) => Some(*reason),
        Fact::Present(_) | Fact::Absent => None,
    }
}

/// One signature and its chain.
pub fn signature(writer: &mut Writer<'_>, signature: &Signature<'_>, catalogs: Option<&CatalogIndex<'_>>) {
    let source = match signature.source {
        SignatureSource::Embedded => 1,
        SignatureSource::Nested => 2,
        SignatureSource::Catalog => 3,
    };
    writer.number(tag::SOURCE, source);
    if let Some(name) = signature.catalog.and_then(|number| catalogs?.name(number)) {
        writer.text(tag::CATALOG, name.chars());
    }
    writer.bytes(tag::SIGNED_DIGEST, signature.signed_digest.as_bytes());
    writer.number(tag::DIGEST_VALID, u64::from(signature.digest_valid));
    writer.number(tag::SIGNATURE_VALID, u64::from(signature.signature_valid));
    if let Some(fault) = signature.fault {
        writer.number(tag::FAULT, u64::from(fault.code()));
    }
    writer.number(tag::PAGE_HASHES, u64::from(signature.page_hashes));
    if let Some(id) = signature.root.wellknown {
        writer.number(tag::ROOT_WELLKNOWN, u64::from(id));
    }
    writer.number(tag::ROOT_VERIFIED, u64::from(signature.root.verified));
    writer.number(tag::ROOT_KNOWN, u64::from(signature.root.known));
    text(writer, tag::OEM_ID, signature.oem_id);
    text(writer, tag::MORE_INFO_URL, signature.more_info_url);
    if let Fact::Present(timestamp) = signature.timestamp {
        writer.number(tag::TIMESTAMP, timestamp.time.cast_unsigned());
        writer.number(tag::TIMESTAMP_RFC3161, u64::from(timestamp.rfc3161));
    }
    let identity = match signature.identity {
        Identity::Proven => 1,
        Identity::Claimed => 2,
        Identity::Unproven => 3,
    };
    writer.number(tag::IDENTITY, identity);
    if signature.claimed_roots != 0 {
        writer.number(tag::CLAIMED_ROOTS, u64::from(signature.claimed_roots));
    }
    let facts = [
        (tag::OEM_ID, reason_of(&signature.oem_id)),
        (tag::MORE_INFO_URL, reason_of(&signature.more_info_url)),
        (tag::TIMESTAMP, reason_of(&signature.timestamp)),
    ];
    unreadable(writer, facts.into_iter());
    for certificate in signature.chain {
        writer.group(tag::CERTIFICATE, |writer| self::certificate(writer, certificate));
    }
    for certificate in signature.claimed {
        writer.group(tag::CLAIMED_CERTIFICATE, |writer| {
            self::certificate(writer, certificate);
        });
    }
}

fn certificate(writer: &mut Writer<'_>, certificate: &Certificate<'_>) {
    text(writer, tag::SUBJECT_CN, certificate.subject_cn);
    text(writer, tag::ISSUER_CN, certificate.issuer_cn);
    writer.bytes(tag::SERIAL, certificate.serial);
    writer.bytes(tag::THUMBPRINT, &certificate.thumbprint_sha1);
    if let Fact::Present(tbs) = certificate.tbs {
        writer.bytes(tag::TBS, tbs.as_bytes());
    }
    writer.bytes(tag::EKUS, certificate.ekus.0);
    writer.number(tag::NOT_BEFORE, certificate.not_before.cast_unsigned());
    writer.number(tag::NOT_AFTER, certificate.not_after.cast_unsigned());
    let (kind, bits) = match certificate.key {
        Key::Unsupported => (0, 0),
        Key::Rsa(bits) => (1, bits),
        Key::Ecdsa(bits) => (2, bits),
    };
    writer.number(tag::KEY_KIND, kind);
    writer.number(tag::KEY_BITS, u64::from(bits));
    let facts = [
        (tag::SUBJECT_CN, reason_of(&certificate.subject_cn)),
        (tag::ISSUER_CN, reason_of(&certificate.issuer_cn)),
        (tag::TBS, reason_of(&certificate.tbs)),
    ];
    unreadable(writer, facts.into_iter());
}

fn text(writer: &mut Writer<'_>, tag: u16, text: Fact<Text<'_>>) {
    if let Fact::Present(text) = text {
        writer.text(tag, text.chars());
    }
}

fn digests(writer: &mut Writer<'_>, digests: &Digests) {
    let mut hash = |tag, bytes: Option<&[u8]>| {
        if let Some(bytes) = bytes {
            writer.bytes(tag, bytes);
        }
    };
    hash(tag::SHA1, digests.sha1.as_ref().map(<[u8; 20]>::as_slice));
    hash(tag::SHA256, digests.sha256.as_ref().map(<[u8; 32]>::as_slice));
    hash(tag::SHA384, digests.sha384.as_ref().map(<[u8; 48]>::as_slice));
    hash(tag::SHA512, digests.sha512.as_ref().map(<[u8; 64]>::as_slice));
    hash(
        tag::FIRST_PAGE_SHA1,
        digests.first_page_sha1.as_ref().map(<[u8; 20]>::as_slice),
    );
    hash(
        tag::FIRST_PAGE_SHA256,
        digests.first_page_sha256.as_ref().map(<[u8; 32]>::as_slice),
    );
    hash(
        tag::FLAT_SHA1,
        digests.flat_sha1.as_ref().map(<[u8; 20]>::as_slice),
    );
    hash(
        tag::FLAT_SHA256,
        digests.flat_sha256.as_ref().map(<[u8; 32]>::as_slice),
    );
}

fn version(writer: &mut Writer<'_>, version: &Version<'_>) {
    match version.file_version {
        Fact::Present(number) => writer.number(tag::FILE_VERSION, number),
        // With names behind it, or a reason, it is the version alone that the file has not.
        Fact::Absent | Fact::Unreadable(_) => writer.bytes(tag::FILE_VERSION, &[]),
    }
    text(writer, tag::ORIGINAL_FILENAME, version.original_filename);
    text(writer, tag::INTERNAL_NAME, version.internal_name);
    text(writer, tag::FILE_DESCRIPTION, version.file_description);
    text(writer, tag::PRODUCT_NAME, version.product_name);
}
