//! What the targets have in common: an image to hang signatures on, and what must hold of any evidence.

#![forbid(unsafe_code)]

use evidence::Batch;
use evidence::CatalogIndex;
use evidence::Evidence;
use evidence::Fact;
use evidence::Findings;
use evidence::Options;
use evidence::Signature;
use evidence::Trust;
use evidence::TrustClass;
use evidence::Workspace;
use evidence::examine_with_catalogs;

/// As many as are worth the lanes.
const COPIES: usize = 9;
const NT: usize = 0x80;
const OPTIONAL: usize = NT + 24;
const SECTIONS: usize = OPTIONAL + 240;

/// A small image of one section whose certificate table is `table`; without one if that is empty.
pub fn image(table: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 0x600];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &[NT as u8, 0, 0, 0]);
    put(NT, b"PE\0\0\x64\x86\x01\0");
    put(NT + 20, &[240, 0, 0x22, 0]);
    put(OPTIONAL, &[0x0b, 0x02]);
    put(OPTIONAL + 32, &0x1000_u32.to_le_bytes());
    put(OPTIONAL + 36, &0x200_u32.to_le_bytes());
    put(OPTIONAL + 56, &0x2000_u32.to_le_bytes());
    put(OPTIONAL + 60, &0x400_u32.to_le_bytes());
    put(OPTIONAL + 68, &[1, 0]);
    put(OPTIONAL + 108, &16_u32.to_le_bytes());
    if !table.is_empty() {
        put(OPTIONAL + 144, &0x600_u32.to_le_bytes());
        put(OPTIONAL + 148, &(table.len() as u32).to_le_bytes());
    }
    for (field, value) in [0x200_u32, 0x1000, 0x200, 0x400].iter().enumerate() {
        put(SECTIONS + 8 + field * 4, &value.to_le_bytes());
    }
    file.extend_from_slice(table);
    file
}

/// A certificate table of one PKCS#7 message.
pub fn table(message: &[u8]) -> Vec<u8> {
    let mut table = (message.len() as u32 + 8).to_le_bytes().to_vec();
    table.extend([0x00, 0x02, 0x02, 0x00]);
    table.extend_from_slice(message);
    table.resize(table.len().next_multiple_of(8), 0);
    table
}

/// Examines a file and holds the evidence against what callers rely on.
pub fn check(file: &[u8], catalogs: Option<&CatalogIndex<'_>>) {
    let mut workspace = Workspace::try_new(4096).expect("memory");
    let mut findings = Findings::new();
    let mut source = file;
    let options = Options {
        flat: true,
        ..Options::default()
    };
    match examine_with_catalogs(&mut source, &options, catalogs, &mut workspace, &mut findings) {
        Ok(evidence) => check_evidence(&evidence),
        Err(error) => {
            assert!(error.flat.is_some(), "memory cannot fail");
            assert!(error.kind.code() >= 10);
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Examines copies of a file side by side and holds what is found against what is found of it alone, read in smaller pieces.
pub fn check_side_by_side(file: &[u8]) {
    let mut workspace = Workspace::try_new(4096).expect("memory");
    let mut findings = Findings::new();
    let options = Options::default();
    let alone = examine_with_catalogs(&mut { file }, &options, None, &mut workspace, &mut findings);
    let alone = format!("{alone:?}");
    let mut batch = Batch::try_new(COPIES).expect("memory");
    let mut left = COPIES;
    while left > 0 || !batch.is_empty() {
        while left > 0 && batch.has_room() {
            left -= 1;
            if let Err(((), error)) = batch.add(file, (), &options) {
                assert_eq!(format!("{:?}", Err::<(), _>(error)), alone);
            }
        }
        batch.advance(None, |(), evidence, _| assert_eq!(format!("{evidence:?}"), alone));
    }
}

fn check_evidence(evidence: &Evidence<'_>) {
    let digests = evidence.digests.present().expect("read");
    assert!(digests.sha1.is_some() && digests.sha256.is_some() && digests.flat_sha256.is_some());
    if let Fact::Present(version) = evidence.version {
        for text in [
            version.original_filename,
            version.internal_name,
            version.file_description,
            version.product_name,
        ] {
            assert!(text.present().is_none_or(|text| text.chars().count() < 1 << 14));
        }
    }
    if let Fact::Present(signatures) = evidence.signatures {
        signatures.iter().for_each(check_signature);
    }
    if let Fact::Present(trust) = Trust::of(evidence) {
        // Nothing here holds Microsoft's keys.
        assert!(trust.class >= TrustClass::OtherRoot || trust.fault.is_none());
        assert!(!trust.to_string().is_empty());
    }
}

/// Holds a signature against what callers rely on.
pub fn check_signature(signature: &Signature<'_>) {
    assert_eq!(
        signature.fault.is_none(),
        signature.digest_valid && signature.signature_valid
    );
    assert!(signature.chain.len() <= 10);
    for certificate in signature.chain {
        let _ = (certificate.subject_cn, certificate.ekus.iter().count());
    }
}
