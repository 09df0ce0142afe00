//! The signatures of an image or a catalogue, each judged by itself.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::catalog_index::CatalogIndex;
use crate::catalog_index::Listing;
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
use crate::facts::Identity;
use crate::facts::Root;
use crate::facts::Signature;
use crate::facts::SignatureFault;
use crate::facts::SignatureSource;
use crate::facts::Unreadable;
use crate::md2::Allowance;
use crate::oid;
use crate::pkcs7::SignedData;
use crate::pkcs7::SignerInfo;
use crate::pool::push_certificates;
use crate::proof::Proof;
use crate::proof::prove;
use crate::spc::IndirectData;
use crate::workspace::Findings;
use crate::x509::X509;

/// Signers looked at in one message. Authenticode has one; others claim all the same.
const MAX_SIGNERS: usize = 4;

/// A signature, and where its certificates stand in the findings: those of the chain, and then those that it claims beside them.
pub(crate) struct Draft<'a> {
    pub(crate) signature: Signature<'a>,
    pub(crate) start: usize,
    pub(crate) chain: usize,
    pub(crate) claimed: usize,
}

/// What is known of a certificate table before the signatures in it are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Table<'a> {
    /// Its bytes, as far as they lie in the file and under the cap.
    pub(crate) bytes: &'a [u8],
    /// Whether the image says that it has one.
    pub(crate) is_listed: bool,
    /// Why no signature in it proves anything, whatever the signature is.
    pub(crate) fault: Option<SignatureFault>,
}

/// The signatures that were found, and why there may be others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collected<'w> {
    pub(crate) signatures: &'w [Signature<'w>],
    pub(crate) more: Option<Unreadable>,
}

/// Judges every signature of a certificate table.
pub(crate) struct Collector<'a, 's, 'p> {
    pub(crate) prover: Prover<'p>,
    pub(crate) computed: &'s Computed<'a>,
    table_fault: Option<SignatureFault>,
    pool: Vec<X509<'a>>,
    certificates: &'s mut Vec<Certificate<'a>>,
    raw: &'s mut Vec<&'a [u8]>,
    drafts: Vec<Draft<'a>>,
    more: Option<Unreadable>,
    md2: Allowance,
}

/// The signatures of `table`, in the order found: each entry's, then those nested in it, then those of catalogues that list the image.
#[inline(never)]
pub(crate) fn collect<'w>(
    table: Table<'w>,
    catalogs: Option<(&CatalogIndex<'w>, Listing)>,
    computed: &Computed<'w>,
    prover: Prover<'_>,
    findings: &'w mut Findings<'w>,
) -> Result<Collected<'w>, NoMemory> {
    let Findings {
        certificates,
        signatures,
        raw,
    } = findings;
    let mut collector = Collector {
        prover,
        computed,
        table_fault: table.fault,
        pool: Vec::new(),
        certificates,
        raw,
        drafts: Vec::new(),
        // Of a table over the cap the rest may hold others.
        more: (table.fault == Some(SignatureFault::CapReached)).then_some(Unreadable::CapReached),
        md2: Allowance::of_file(),
    };
    for entry in table_entries(table.bytes) {
        collector.add(entry, SignatureSource::Embedded)?;
    }
    // A table that holds nothing but what nobody can read still says that the image is signed.
    if table.is_listed && collector.drafts.is_empty() {
        collector.add_malformed(SignatureSource::Embedded)?;
    }
    if let Some((catalogs, listing)) = catalogs {
        let more = catalogs.collect(listing, collector.certificates, &mut collector.drafts)?;
        // What the file itself did weighs more.
        collector.more = collector.more.or(more);
    }
    let Collector { drafts, more, .. } = collector;
    Ok(Collected {
        signatures: hand_over(drafts, certificates, signatures)?,
        more,
    })
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
        table_fault: None,
        pool: Vec::new(),
        certificates,
        raw,
        drafts: Vec::new(),
        more: None,
        md2: Allowance::of_file(),
    };
    collector.add_list(bytes)?;
    let drafts = collector.drafts;
    Ok((hand_over(drafts, certificates, signatures)?, raw))
}

/// Gives each signature its certificates.
#[inline(never)]
fn hand_over<'w>(
    drafts: Vec<Draft<'w>>,
    certificates: &'w [Certificate<'w>],
    signatures: &'w mut Vec<Signature<'w>>,
) -> Result<&'w [Signature<'w>], NoMemory> {
    for draft in drafts {
        let mut signature = draft.signature;
        let own = certificates.get(draft.start..).unwrap_or_default();
        if let Some((chain, rest)) = own.split_at_checked(draft.chain) {
            signature.chain = chain;
            signature.claimed = rest.get(..draft.claimed).unwrap_or_default();
        }
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
                self.more = Some(Unreadable::CapReached);
                break;
            }
            let Some(message) = self.add_one(bytes, source)? else {
                continue;
            };
            let first = pending.len();
            for signer in message.signers().take(MAX_SIGNERS).flatten() {
                if !signer.shows_all() {
                    self.more = self.more.or(Some(Unreadable::Malformed));
                }
                let mut nested = signer.unsigned_attribute(oid::NESTED_SIGNATURE);
                if depth >= MAX_NESTING {
                    if nested.next().is_some() {
                        self.more = Some(Unreadable::CapReached);
                    }
                    continue;
                }
                for nested in nested.by_ref().take(MAX_SIGNATURES) {
                    push(
                        &mut pending,
                        (nested.raw, SignatureSource::Nested, depth.saturating_add(1)),
                    )?;
                }
                if nested.next().is_some() {
                    self.more = Some(Unreadable::CapReached);
                }
            }
            // Taken from the end, so the first comes last.
            if let Some(nested) = pending.get_mut(first..) {
                nested.reverse();
            }
        }
        Ok(())
    }

    /// Adds the signature of each signer of a message; the message, if it is one.
    ///
    /// Windows looks at the first signer. Those behind it prove nothing, and what they claim counts like any claim.
    #[inline(never)]
    fn add_one(
        &mut self,
        bytes: &'a [u8],
        source: SignatureSource,
    ) -> Result<Option<SignedData<'a>>, NoMemory> {
        let Some(message) = SignedData::read(bytes) else {
            self.add_malformed(source)?;
            return Ok(None);
        };
        let is_authenticode = message.content_type == oid::SPC_INDIRECT_DATA;
        let data = message
            .structure()
            .filter(|_| is_authenticode)
            .and_then(|content| IndirectData::read(&content));
        self.pool.clear();
        let completeness = push_certificates(&mut self.pool, message.certificates.clone())?;
        let mut signers = message.signers();
        for (place, signer) in signers.by_ref().take(MAX_SIGNERS).enumerate() {
            let Some(signer) = signer else {
                self.add_malformed(source)?;
                continue;
            };
            let proof = prove(&message, &signer, &mut self.pool, completeness, &mut self.prover)?;
            let data = data.as_ref().filter(|_| place == 0);
            let signature = self.judge(data, &proof, source);
            self.keep(signature, &proof)?;
        }
        if signers.next().is_some() {
            self.more = Some(Unreadable::CapReached);
        }
        if message.signers().next().is_none() {
            self.add_malformed(source)?;
        }
        Ok(Some(message))
    }

    fn add_malformed(&mut self, source: SignatureSource) -> Result<(), NoMemory> {
        let draft = Draft {
            signature: malformed(source),
            start: self.certificates.len(),
            chain: 0,
            claimed: 0,
        };
        push(&mut self.drafts, draft)
    }

    /// Takes the signature and its certificates into the findings.
    fn keep(&mut self, signature: Signature<'a>, proof: &Proof<'a>) -> Result<(), NoMemory> {
        let start = self.certificates.len();
        for certificate in proof
            .chain
            .iter()
            .flat_map(|chain| chain.certificates(&self.pool))
        {
            push(self.certificates, certificate.facts(&mut self.md2))?;
            push(self.raw, certificate.raw)?;
        }
        let chain = self.certificates.len().saturating_sub(start);
        for certificate in proof.claims.certificates(&self.pool) {
            push(self.certificates, certificate.facts(&mut self.md2))?;
            push(self.raw, certificate.raw)?;
        }
        let claimed = self
            .certificates
            .len()
            .saturating_sub(start)
            .saturating_sub(chain);
        let draft = Draft {
            signature,
            start,
            chain,
            claimed,
        };
        push(&mut self.drafts, draft)
    }

    /// Adds the signatures of a catalogue.
    fn add_list(&mut self, bytes: &'a [u8]) -> Result<(), NoMemory> {
        let Some(message) = SignedData::read(bytes) else {
            return Ok(());
        };
        let Some(signer) = self.add_list_signer(&message)? else {
            return Ok(());
        };
        for nested in signer
            .unsigned_attribute(oid::NESTED_SIGNATURE)
            .take(MAX_SIGNATURES)
        {
            // Others sign something else, plain data for instance: they say nothing about the list.
            let inner = SignedData::read(nested.raw).filter(|inner| inner.content == message.content);
            if let Some(inner) = inner {
                self.add_list_signer(&inner)?;
            }
        }
        Ok(())
    }

    /// Adds the signature over a catalogue's list.
    fn add_list_signer(&mut self, message: &SignedData<'a>) -> Result<Option<SignerInfo<'a>>, NoMemory> {
        self.pool.clear();
        let completeness = push_certificates(&mut self.pool, message.certificates.clone())?;
        let Some(signer) = message.signer() else {
            return Ok(None);
        };
        let proof = prove(message, &signer, &mut self.pool, completeness, &mut self.prover)?;
        self.keep(list_signature(&proof), &proof)?;
        Ok(Some(signer))
    }

    /// `data`: what was signed of the image, if that could be read.
    fn judge(
        &self,
        data: Option<&IndirectData<'a>>,
        proof: &Proof<'a>,
        source: SignatureSource,
    ) -> Signature<'a> {
        let digest_fault = match data {
            Some(data) => self.digest_fault(data),
            None => Some(SignatureFault::Malformed),
        };
        // One that was not compared is no fault: the image's digest covers what it covers.
        let pages = data.and_then(|data| data.pages).and_then(|pages| {
            let mut results = self.computed.pages.iter().flatten();
            let (_, sound) = results.find(|(table, _)| *table == pages)?;
            Some(*sound)
        });
        let page_fault = (pages == Some(false)).then_some(SignatureFault::PageHashes);
        let digest_fault = digest_fault.or(self.table_fault);
        let signature_fault = proof.fault.or(page_fault);
        Signature {
            source,
            signed_digest: data
                .and_then(|data| Hash::from_bytes(data.digest))
                .unwrap_or(Hash::Md([0; 16])),
            digest_valid: digest_fault.is_none(),
            signature_valid: signature_fault.is_none(),
            page_hashes: pages == Some(true),
            fault: digest_fault.or(signature_fault),
            ..proven(source, proof)
        }
    }

    /// Why the digest in a signature is not the image's.
    fn digest_fault(&self, data: &IndirectData<'_>) -> Option<SignatureFault> {
        let digests = &self.computed.digests;
        let image: Option<&[u8]> = match data.algorithm {
            None => return Some(SignatureFault::UnknownAlgorithm),
            Some(Algorithm::Md5) => return Some(SignatureFault::WeakAlgorithm),
            Some(Algorithm::Sha1) => digests.sha1.as_ref().map(<[u8; 20]>::as_slice),
            Some(Algorithm::Sha256) => digests.sha256.as_ref().map(<[u8; 32]>::as_slice),
            Some(Algorithm::Sha384) => digests.sha384.as_ref().map(<[u8; 48]>::as_slice),
            Some(Algorithm::Sha512) => digests.sha512.as_ref().map(<[u8; 64]>::as_slice),
        };
        match image {
            // It was one digest too many to compute, or nothing would have come of it.
            None => Some(self.table_fault.unwrap_or(SignatureFault::CapReached)),
            Some(image) => (image != data.digest).then_some(SignatureFault::ImageDigest),
        }
    }
}

/// What a proof says of a signature by itself.
fn proven<'a>(source: SignatureSource, proof: &Proof<'a>) -> Signature<'a> {
    Signature {
        identity: proof.identity,
        claimed_roots: proof.claims.roots,
        root: proof.chain.map_or(Root::default(), |chain| chain.root),
        oem_id: proof.opus.program_name,
        more_info_url: proof.opus.more_info,
        timestamp: proof.timestamp,
        ..malformed(source)
    }
}

/// The signature of a catalogue, before a file is looked up in it.
fn list_signature<'a>(proof: &Proof<'a>) -> Signature<'a> {
    Signature {
        digest_valid: proof.fault.is_none(),
        signature_valid: proof.fault.is_none(),
        fault: proof.fault,
        ..proven(SignatureSource::Catalog, proof)
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
        identity: Identity::Unproven,
        claimed: &[],
        claimed_roots: 0,
        root: Root::default(),
        oem_id: Fact::Unreadable(Unreadable::Malformed),
        more_info_url: Fact::Unreadable(Unreadable::Malformed),
        timestamp: Fact::Unreadable(Unreadable::Malformed),
        fault: Some(SignatureFault::Malformed),
        catalog: None,
    }
}
