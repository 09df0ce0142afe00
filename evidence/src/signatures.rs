//! The signatures of an image, and what each of them proves.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::bytes::to_usize;
use crate::bytes::u16_at;
use crate::bytes::u32_at;
use crate::catalog_index::CatalogIndex;
use crate::chain::Chain;
use crate::chain::Prover;
use crate::chain::may_serve;
use crate::digest::Algorithm;
use crate::error::NoMemory;
use crate::facts::Certificate;
use crate::facts::Digests;
use crate::facts::Fact;
use crate::facts::Hash;
use crate::facts::Root;
use crate::facts::Signature;
use crate::facts::SignatureFault;
use crate::facts::SignatureSource;
use crate::facts::Timestamp;
use crate::facts::Unreadable;
use crate::oid;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::pkcs7::content_digest;
use crate::spc::IndirectData;
use crate::spc::OpusInfo;
use crate::spc::PageTable;
use crate::timestamp::prove_time;
use crate::workspace::Findings;
use crate::x509::X509;
use crate::x509::push_certificates;

/// Signatures looked at in one file.
pub(crate) const MAX_SIGNATURES: usize = 16;
/// How deep signatures may nest in each other.
const MAX_NESTING: u8 = 3;
const PKCS_SIGNED_DATA: u16 = 0x0002;

/// The PKCS#7 entries of a certificate table.
pub(crate) fn table_entries(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = table;
    let entries = core::iter::from_fn(move || {
        let length = to_usize(u32_at(rest, 0)?);
        let kind = u16_at(rest, 6)?;
        let (entry, _) = rest.split_at_checked(length.min(rest.len()))?;
        let body = entry.get(8..)?;
        // Entries are aligned to 8 bytes.
        rest = rest
            .get(length.checked_next_multiple_of(8)?..)
            .unwrap_or_default();
        Some((kind, body))
    });
    entries
        .filter(|(kind, _)| *kind == PKCS_SIGNED_DATA)
        .map(|(_, body)| body)
}

/// What has to be computed of the image before its signatures can be judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demands<'a> {
    pub(crate) sha384: bool,
    pub(crate) sha512: bool,
    /// Different page-hash tables, as far as there is room.
    pub(crate) pages: [Option<PageTable<'a>>; 2],
}

impl<'a> Demands<'a> {
    /// What the signatures of a certificate table ask for.
    pub(crate) fn of(table: &'a [u8]) -> Self {
        let mut demands = Self::default();
        table_entries(table)
            .take(MAX_SIGNATURES)
            .for_each(|entry| demands.add(entry, 0));
        demands
    }

    fn add(&mut self, bytes: &'a [u8], depth: u8) {
        let Some(message) = SignedData::read(bytes) else {
            return;
        };
        let data = message
            .content
            .filter(|_| message.content_type == oid::SPC_INDIRECT_DATA);
        if let Some(data) = data.and_then(|content| IndirectData::read(&content)) {
            self.sha384 |= data.algorithm == Some(Algorithm::Sha384);
            self.sha512 |= data.algorithm == Some(Algorithm::Sha512);
            let known = data.pages.is_none_or(|pages| self.pages.contains(&Some(pages)));
            if !known && let Some(room) = self.pages.iter_mut().find(|room| room.is_none()) {
                *room = data.pages;
            }
        }
        if depth < MAX_NESTING
            && let Some(signer) = message.signer()
        {
            let nested = signer
                .unsigned_attribute(oid::NESTED_SIGNATURE)
                .take(MAX_SIGNATURES);
            nested.for_each(|nested| self.add(nested.raw, depth.saturating_add(1)));
        }
    }
}

/// What was computed of the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computed<'a> {
    pub(crate) digests: Digests,
    /// Each table asked for, and whether it is the image's.
    pub(crate) pages: [Option<(PageTable<'a>, bool)>; 2],
}

/// What one SignedData proves, whatever it signs.
pub(crate) struct Proof<'a> {
    /// The proven chain; `None` without a signer's certificate.
    pub(crate) chain: Option<Chain>,
    pub(crate) fault: Option<SignatureFault>,
    pub(crate) timestamp: Fact<Timestamp>,
    pub(crate) opus: OpusInfo<'a>,
}

/// Proves the signature of `message`, whose certificates it leaves in `pool`.
pub(crate) fn prove<'a>(
    message: &SignedData<'a>,
    pool: &mut Vec<X509<'a>>,
    prover: &mut Prover<'_>,
) -> Result<(Proof<'a>, Option<SignerInfo<'a>>), NoMemory> {
    pool.clear();
    let complete = push_certificates(pool, message.certificates.clone())?;
    let mut proof = Proof {
        chain: None,
        fault: None,
        timestamp: Fact::Absent,
        opus: OpusInfo::read(None),
    };
    let (Some(signer), Some(content)) = (message.signer(), message.content) else {
        proof.fault = Some(SignatureFault::Malformed);
        return Ok((proof, None));
    };
    proof.opus = OpusInfo::read(signer.signed_attribute(oid::SPC_OPUS_INFO));
    let Some(place) = signer.find_certificate(pool) else {
        let reason = if complete {
            SignatureFault::NoSigner
        } else {
            SignatureFault::CapReached
        };
        proof.fault = Some(reason);
        return Ok((proof, Some(signer)));
    };
    proof.timestamp = prove_time(&signer, pool, prover)?;
    let chain = prover.build(pool, place);
    proof.chain = Some(chain);
    let outcome = pool.get(place).map_or(Err(SignatureFault::NoSigner), |leaf| {
        let digest = content_digest(signer.digest_algorithm()?, &content);
        if !prover.spend() {
            return Err(SignatureFault::CapReached);
        }
        signer.verify(Some(message.content_type), &digest, leaf, prover.scratch)?;
        chain.fault.map_or(Ok(()), Err)?;
        if !may_serve(leaf, oid::EKU_CODE_SIGNING) || !chain.allows(pool, oid::EKU_CODE_SIGNING) {
            return Err(SignatureFault::NotCodeSigning);
        }
        Ok(())
    });
    proof.fault = outcome.err();
    Ok((proof, Some(signer)))
}

/// Judges every signature of a certificate table.
pub(crate) struct Collector<'a, 's, 'p> {
    pub(crate) prover: Prover<'p>,
    pub(crate) computed: &'s Computed<'a>,
    pool: Vec<X509<'a>>,
    certificates: &'s mut Vec<Certificate<'a>>,
    raw: &'s mut Vec<&'a [u8]>,
    /// Each signature, and where its chain stands in `certificates`.
    drafts: Vec<(Signature<'a>, usize, usize)>,
}

/// The signatures of `table`, in the order found: each entry's, then those nested in it, then those of catalogues that list the image.
#[inline(never)]
pub(crate) fn collect<'w>(
    table: &'w [u8],
    catalogs: Option<&CatalogIndex<'w>>,
    computed: &Computed<'w>,
    prover: Prover<'_>,
    findings: &'w mut Findings<'w>,
) -> Result<&'w [Signature<'w>], NoMemory> {
    let Findings {
        certificates,
        signatures,
        raw,
    } = findings;
    let mut collector = Collector {
        prover,
        computed,
        pool: Vec::new(),
        certificates,
        raw,
        drafts: Vec::new(),
    };
    for entry in table_entries(table) {
        collector.add(entry, SignatureSource::Embedded)?;
    }
    if let Some(catalogs) = catalogs {
        catalogs.collect(&computed.digests, collector.certificates, &mut collector.drafts)?;
    }
    let drafts = collector.drafts;
    hand_over(drafts, certificates, signatures)
}

/// The signatures of a catalogue: its own, and those nested in it that sign the same list.
pub(crate) fn collect_catalog<'w>(
    bytes: &'w [u8],
    prover: Prover<'_>,
    findings: &'w mut Findings<'w>,
) -> Result<(&'w [Signature<'w>], &'w [&'w [u8]]), NoMemory> {
    let Findings {
        certificates,
        signatures,
        raw,
    } = findings;
    let computed = Computed {
        digests: Digests::default(),
        pages: [None, None],
    };
    let mut collector = Collector {
        prover,
        computed: &computed,
        pool: Vec::new(),
        certificates,
        raw,
        drafts: Vec::new(),
    };
    collector.add_list(bytes)?;
    let drafts = collector.drafts;
    Ok((hand_over(drafts, certificates, signatures)?, raw))
}

/// Gives each signature its chain.
#[inline(never)]
fn hand_over<'w>(
    drafts: Vec<(Signature<'w>, usize, usize)>,
    certificates: &'w [Certificate<'w>],
    signatures: &'w mut Vec<Signature<'w>>,
) -> Result<&'w [Signature<'w>], NoMemory> {
    for (mut signature, start, length) in drafts {
        signature.chain = certificates
            .get(start..)
            .and_then(|tail| tail.get(..length))
            .unwrap_or_default();
        push(signatures, signature)?;
    }
    Ok(signatures)
}

impl<'a> Collector<'a, '_, '_> {
    /// Adds a signature, and after each the ones nested in it. What is still to be looked at is kept in a list and not on the stack,
    /// of which a signature takes much.
    fn add(&mut self, bytes: &'a [u8], source: SignatureSource) -> Result<(), NoMemory> {
        let mut pending = Vec::new();
        push(&mut pending, (bytes, source, 0_u8))?;
        while let Some((bytes, source, depth)) = pending.pop() {
            if self.drafts.len() >= MAX_SIGNATURES {
                break;
            }
            let Some(signer) = self.add_one(bytes, source)?.filter(|_| depth < MAX_NESTING) else {
                continue;
            };
            let first = pending.len();
            for nested in signer
                .unsigned_attribute(oid::NESTED_SIGNATURE)
                .take(MAX_SIGNATURES)
            {
                push(
                    &mut pending,
                    (nested.raw, SignatureSource::Nested, depth.saturating_add(1)),
                )?;
            }
            // Taken from the end, so the first comes last.
            if let Some(nested) = pending.get_mut(first..) {
                nested.reverse();
            }
        }
        Ok(())
    }

    /// Adds one signature; its signer, if it has one.
    #[inline(never)]
    fn add_one(
        &mut self,
        bytes: &'a [u8],
        source: SignatureSource,
    ) -> Result<Option<SignerInfo<'a>>, NoMemory> {
        let Some(message) = SignedData::read(bytes) else {
            push(&mut self.drafts, (malformed(source), 0, 0))?;
            return Ok(None);
        };
        // Catalogues and images carry other signed things beside their signatures; they prove nothing about the image.
        if source == SignatureSource::Nested && message.content_type != oid::SPC_INDIRECT_DATA {
            return Ok(None);
        }
        let data = message
            .content
            .filter(|_| message.content_type == oid::SPC_INDIRECT_DATA);
        let Some(data) = data.and_then(|content| IndirectData::read(&content)) else {
            push(&mut self.drafts, (malformed(source), 0, 0))?;
            return Ok(None);
        };
        let (proof, signer) = prove(&message, &mut self.pool, &mut self.prover)?;
        let signature = self.judge(&data, &proof, source);
        self.keep(signature, &proof)?;
        Ok(signer)
    }

    /// Takes the signature and its chain into the findings.
    fn keep(&mut self, signature: Signature<'a>, proof: &Proof<'a>) -> Result<(), NoMemory> {
        let start = self.certificates.len();
        for certificate in proof
            .chain
            .iter()
            .flat_map(|chain| chain.certificates(&self.pool))
        {
            push(self.certificates, certificate.facts())?;
            push(self.raw, certificate.raw)?;
        }
        let length = self.certificates.len().saturating_sub(start);
        push(&mut self.drafts, (signature, start, length))
    }

    /// Adds the signatures of a catalogue.
    fn add_list(&mut self, bytes: &'a [u8]) -> Result<(), NoMemory> {
        let Some(message) = SignedData::read(bytes) else {
            return Ok(());
        };
        let (proof, signer) = prove(&message, &mut self.pool, &mut self.prover)?;
        self.keep(list_signature(&proof), &proof)?;
        let nested = signer
            .iter()
            .flat_map(|signer| signer.unsigned_attribute(oid::NESTED_SIGNATURE));
        for nested in nested.take(MAX_SIGNATURES) {
            // Others sign something else, plain data for instance: they say nothing about the list.
            let Some(inner) = SignedData::read(nested.raw).filter(|inner| inner.content == message.content)
            else {
                continue;
            };
            let (proof, _) = prove(&inner, &mut self.pool, &mut self.prover)?;
            self.keep(list_signature(&proof), &proof)?;
        }
        Ok(())
    }

    fn judge(&self, data: &IndirectData<'a>, proof: &Proof<'a>, source: SignatureSource) -> Signature<'a> {
        let digests = &self.computed.digests;
        let image: Option<&[u8]> = match data.algorithm {
            None | Some(Algorithm::Md5) => None,
            Some(Algorithm::Sha1) => digests.sha1.as_ref().map(<[u8; 20]>::as_slice),
            Some(Algorithm::Sha256) => digests.sha256.as_ref().map(<[u8; 32]>::as_slice),
            Some(Algorithm::Sha384) => digests.sha384.as_ref().map(<[u8; 48]>::as_slice),
            Some(Algorithm::Sha512) => digests.sha512.as_ref().map(<[u8; 64]>::as_slice),
        };
        let digest_fault = match (data.algorithm, image) {
            (None, _) => Some(SignatureFault::UnknownAlgorithm),
            (Some(Algorithm::Md5), _) => Some(SignatureFault::WeakAlgorithm),
            (Some(_), image) => (image != Some(data.digest)).then_some(SignatureFault::ImageDigest),
        };
        let pages = data.pages.map(|pages| {
            let results = self.computed.pages.iter().flatten();
            results
                .filter(|(table, _)| *table == pages)
                .any(|(_, sound)| *sound)
        });
        let page_fault = (pages == Some(false)).then_some(SignatureFault::PageHashes);
        let signature_fault = proof.fault.or(page_fault);
        Signature {
            source,
            signed_digest: Hash::from_bytes(data.digest).unwrap_or(Hash::Md([0; 16])),
            digest_valid: digest_fault.is_none(),
            signature_valid: signature_fault.is_none(),
            page_hashes: pages == Some(true),
            chain: &[],
            root: proof.chain.map_or(Root::default(), |chain| chain.root),
            oem_id: proof.opus.program_name,
            more_info_url: proof.opus.more_info,
            timestamp: proof.timestamp,
            fault: digest_fault.or(signature_fault),
            catalog: None,
        }
    }
}

/// The signature of a catalogue, before a file is looked up in it.
fn list_signature<'a>(proof: &Proof<'a>) -> Signature<'a> {
    Signature {
        source: SignatureSource::Catalog,
        signed_digest: Hash::Md([0; 16]),
        digest_valid: proof.fault.is_none(),
        signature_valid: proof.fault.is_none(),
        page_hashes: false,
        chain: &[],
        root: proof.chain.map_or(Root::default(), |chain| chain.root),
        oem_id: proof.opus.program_name,
        more_info_url: proof.opus.more_info,
        timestamp: proof.timestamp,
        fault: proof.fault,
        catalog: None,
    }
}

/// A signature of which nothing could be read.
fn malformed<'a>(source: SignatureSource) -> Signature<'a> {
    Signature {
        source,
        signed_digest: Hash::Md([0; 16]),
        digest_valid: false,
        signature_valid: false,
        page_hashes: false,
        chain: &[],
        root: Root::default(),
        oem_id: Fact::Unreadable(Unreadable::Malformed),
        more_info_url: Fact::Unreadable(Unreadable::Malformed),
        timestamp: Fact::Unreadable(Unreadable::Malformed),
        fault: Some(SignatureFault::Malformed),
        catalog: None,
    }
}
