//! Images and keys made for tests.

extern crate std;

pub(crate) mod certificates;
pub(crate) mod encode;
pub(crate) mod messages;
pub(crate) mod signed;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use rand_chacha::rand_core::SeedableRng;
use rsa::RsaPrivateKey;
use sha1::Digest as _;

use crate::Digests;
use crate::Findings;
use crate::Image;
use crate::Options;
use crate::Workspace;
use crate::examine;

/// The RSA key of this length; the same in every run.
pub(crate) fn rsa_key(bits: usize) -> &'static RsaPrivateKey {
    static KEYS: LazyLock<Mutex<BTreeMap<usize, &'static RsaPrivateKey>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap();
    keys.entry(bits).or_insert_with(|| {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(bits as u64);
        std::boxed::Box::leak(std::boxed::Box::new(
            RsaPrivateKey::new(&mut random, bits).unwrap(),
        ))
    })
}

/// A small PE32+ image to be built and then damaged.
#[derive(Clone)]
pub(crate) struct Pe {
    pub(crate) sections: Vec<(u32, Vec<u8>)>,
    pub(crate) declared_size: u32,
    pub(crate) overlay: Vec<u8>,
    pub(crate) table: Vec<u8>,
    pub(crate) resources: Option<u32>,
}

pub(crate) const NT: usize = 0x80;
pub(crate) const OPTIONAL: usize = NT + 24;
pub(crate) const SECURITY_ENTRY: usize = OPTIONAL + 112 + 4 * 8;
pub(crate) const SECTIONS: usize = OPTIONAL + 240;

impl Default for Pe {
    fn default() -> Self {
        Self {
            sections: vec![(0x1000, vec![0xcc; 0x400]), (0x2000, vec![0x11; 0x200])],
            declared_size: 0x400,
            overlay: Vec::new(),
            table: Vec::new(),
            resources: None,
        }
    }
}

impl Pe {
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut file = vec![0; self.declared_size as usize];
        put(&mut file, 0, b"MZ");
        put(&mut file, 0x3c, &(NT as u32).to_le_bytes());
        put(&mut file, NT, b"PE\0\0");
        put(&mut file, NT + 4, &0x8664_u16.to_le_bytes());
        put(&mut file, NT + 6, &(self.sections.len() as u16).to_le_bytes());
        put(&mut file, NT + 20, &240_u16.to_le_bytes());
        put(&mut file, NT + 22, &0x0022_u16.to_le_bytes());
        put(&mut file, OPTIONAL, &0x020b_u16.to_le_bytes());
        put(&mut file, OPTIONAL + 32, &0x1000_u32.to_le_bytes());
        put(&mut file, OPTIONAL + 36, &0x200_u32.to_le_bytes());
        put(&mut file, OPTIONAL + 56, &0x10_0000_u32.to_le_bytes());
        put(&mut file, OPTIONAL + 60, &self.declared_size.to_le_bytes());
        put(&mut file, OPTIONAL + 64, &0xdead_beef_u32.to_le_bytes());
        put(&mut file, OPTIONAL + 68, &1_u16.to_le_bytes());
        put(&mut file, OPTIONAL + 108, &16_u32.to_le_bytes());
        if let Some(rva) = self.resources {
            put(&mut file, OPTIONAL + 112 + 16, &rva.to_le_bytes());
            put(&mut file, OPTIONAL + 112 + 20, &1_u32.to_le_bytes());
        }
        for (index, (address, data)) in self.sections.iter().enumerate() {
            let at = SECTIONS + 40 * index;
            let raw_offset = file.len() as u32;
            put(&mut file, at + 8, &(data.len() as u32).to_le_bytes());
            put(&mut file, at + 12, &address.to_le_bytes());
            put(&mut file, at + 16, &(data.len() as u32).to_le_bytes());
            put(&mut file, at + 20, &raw_offset.to_le_bytes());
            file.extend_from_slice(data);
        }
        file.extend_from_slice(&self.overlay);
        if !self.table.is_empty() {
            file.resize(file.len().next_multiple_of(8), 0);
            let at = file.len() as u32;
            put(&mut file, SECURITY_ENTRY, &at.to_le_bytes());
            put(
                &mut file,
                SECURITY_ENTRY + 4,
                &(self.table.len() as u32).to_le_bytes(),
            );
            file.extend_from_slice(&self.table);
        }
        file
    }
}

/// Overwrites the bytes at `at`.
pub(crate) fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Image facts and digests of a file that is an image.
pub(crate) fn facts(file: &[u8]) -> (Image, Digests) {
    let mut workspace = Workspace::try_new(4096).unwrap();
    let mut findings = Findings::new();
    let evidence = examine(&mut { file }, &Options::default(), &mut workspace, &mut findings).unwrap();
    (
        evidence.image.present().unwrap(),
        evidence.digests.present().unwrap(),
    )
}

/// SHA-256 of these parts together.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    sha2::Sha256::digest(parts.concat()).into()
}

/// SHA-1 of these parts together.
pub(crate) fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    sha1::Sha1::digest(parts.concat()).into()
}
