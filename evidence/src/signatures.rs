//! The signatures of an image or a catalogue, each judged by itself.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::catalog_index::CatalogIndex;
use crate::certificate_table::Computed;
use crate::certificate_table::MAX_NESTING;
use crate::certificate_table::MAX_SIGNATURES;
use crate::certificate_table::table_entries;
use crate::chain::Prover;
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
use crate::facts::Unreadable;
use crate::oid;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::proof::Proof;
use crate::proof::prove;
use crate::spc::IndirectData;
use crate::workspace::Findings;
use crate::x509::X509;

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
