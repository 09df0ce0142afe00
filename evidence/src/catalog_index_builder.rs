//! Building an index over catalogues. For hosts: the driver only looks up.

extern crate alloc;

use alloc::vec::Vec;

use crate::bytes::push;
use crate::bytes::to_usize;
use crate::bytes::u32_at;
use crate::catalog::Catalog;
use crate::catalog_index::CATALOG_ENTRY;
use crate::catalog_index::MAGIC;
use crate::catalog_index::MAX_SIGNERS_OF_CATALOG;
use crate::catalog_index::SHA1_ENTRY;
use crate::catalog_index::SHA256_ENTRY;
use crate::catalog_index::SIGNER_ENTRY;
use crate::catalog_index::VERSION;
use crate::catalog_signer::Rank;
use crate::catalog_signer::can_be_kept;
use crate::catalog_signer::encode;
use crate::catalog_signer::extend;
use crate::error::NoMemory;
use crate::facts::Hash;

/// What an index took of a catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All that its signatures prove.
    Whole,
    /// Signatures were left out: it has more than [`MAX_SIGNERS_OF_CATALOG`](crate::MAX_SIGNERS_OF_CATALOG), or some that are too large
    /// to be kept.
    Partly,
    /// Nothing: no signature holds.
    Nothing,
}

/// A catalogue that was taken in.
#[derive(Debug)]
struct Added {
    rank: Rank,
    /// Where its signers stand, one behind the other, and then its name.
    signers: Vec<[u8; SIGNER_ENTRY]>,
    name: [u8; SIGNER_ENTRY],
}

/// Builds an index; its form is that of [`crate::CatalogIndex`].
#[derive(Debug, Default)]
pub struct CatalogIndexBuilder {
    sha1: Vec<[u8; SHA1_ENTRY]>,
    sha256: Vec<[u8; SHA256_ENTRY]>,
    catalogs: Vec<Added>,
    data: Vec<u8>,
}

impl CatalogIndexBuilder {
    /// An index of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a catalogue in, if one of its signatures holds; says what of it.
    ///
    /// # Errors
    /// [`NoMemory`], also for an index of more than 4 GB.
    pub fn add(&mut self, name: &str, catalog: &Catalog<'_>) -> Result<Taken, NoMemory> {
        let number = to_u32(self.catalogs.len())?;
        let mut signers = Vec::new();
        let mut rank = Rank::Other;
        let mut left_out = false;
        // Those that count first are kept first.
        for wanted in [Rank::Wellknown, Rank::Known, Rank::Other] {
            let mut raw = catalog.raw_certificates;
            for signature in catalog.signatures {
                let count = signature.chain.len().saturating_add(signature.claimed.len());
                let (certificates, rest) = raw.split_at_checked(count).unwrap_or_default();
                raw = rest;
                if signature.fault.is_some() || Rank::of(signature.root) != wanted {
                    continue;
                }
                if signers.len() >= MAX_SIGNERS_OF_CATALOG || !can_be_kept(signature, certificates) {
                    left_out = true;
                    continue;
                }
                let start = self.data.len();
                encode(signature, certificates, &mut self.data)?;
                push(&mut signers, range(start, self.data.len())?)?;
                rank = rank.min(wanted);
            }
        }
        if signers.is_empty() {
            return Ok(if left_out { Taken::Partly } else { Taken::Nothing });
        }
        let start = self.data.len();
        extend(&mut self.data, name.as_bytes())?;
        let added = Added {
            rank,
            signers,
            name: range(start, self.data.len())?,
        };
        push(&mut self.catalogs, added)?;
        for member in catalog.members() {
            match member {
                Hash::Sha1(hash) => push(&mut self.sha1, member_entry(&hash, number))?,
                Hash::Sha256(hash) => push(&mut self.sha256, member_entry(&hash, number))?,
                Hash::Md(_) | Hash::Sha384(_) | Hash::Sha512(_) => {}
            }
        }
        Ok(if left_out { Taken::Partly } else { Taken::Whole })
    }

    /// Takes in what another one took in, behind its own.
    ///
    /// # Errors
    /// [`NoMemory`], also for an index of more than 4 GB.
    pub fn append(&mut self, other: Self) -> Result<(), NoMemory> {
        let (catalogs, data) = (to_u32(self.catalogs.len())?, to_u32(self.data.len())?);
        append_members(&mut self.sha1, other.sha1, 20, catalogs)?;
        append_members(&mut self.sha256, other.sha256, 32, catalogs)?;
        for mut added in other.catalogs {
            let places = added.signers.iter_mut().chain([&mut added.name]);
            places.into_iter().try_for_each(|place| add_to(place, 0, data))?;
            push(&mut self.catalogs, added)?;
        }
        extend(&mut self.data, &other.data)
    }

    /// The finished index, the catalogues in the order in which they count.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn finish(mut self) -> Result<Vec<u8>, NoMemory> {
        let mut order = Vec::new();
        for (number, added) in self.catalogs.iter().enumerate() {
            push(&mut order, (added.rank, number))?;
        }
        order.sort_unstable();
        let mut numbers = Vec::new();
        for _ in &order {
            push(&mut numbers, 0)?;
        }
        for (place, (_, number)) in order.iter().enumerate() {
            if let Some(new) = numbers.get_mut(*number) {
                *new = to_u32(place)?;
            }
        }
        renumber(&mut self.sha1, 20, &numbers);
        renumber(&mut self.sha256, 32, &numbers);
        let (mut catalogs, mut signers, mut data) = (Vec::new(), Vec::new(), Vec::new());
        for (_, number) in order {
            let Some(added) = self.catalogs.get(number) else {
                continue;
            };
            let first = to_u32(signers.len())?;
            for place in &added.signers {
                push(&mut signers, moved(*place, &self.data, &mut data)?)?;
            }
            let mut entry = [0; CATALOG_ENTRY];
            crate::bytes::copy(&mut entry, &moved(added.name, &self.data, &mut data)?);
            put(&mut entry, 8, first);
            put(&mut entry, 12, to_u32(added.signers.len())?);
            push(&mut catalogs, entry)?;
        }
        let mut index = Vec::new();
        extend(&mut index, MAGIC)?;
        extend(&mut index, &VERSION.to_le_bytes())?;
        let counts = [
            self.sha1.len(),
            self.sha256.len(),
            catalogs.len(),
            signers.len(),
            data.len(),
        ];
        for count in counts {
            extend(&mut index, &to_u32(count)?.to_le_bytes())?;
        }
        extend(&mut index, self.sha1.as_flattened())?;
        extend(&mut index, self.sha256.as_flattened())?;
        extend(&mut index, catalogs.as_flattened())?;
        extend(&mut index, signers.as_flattened())?;
        extend(&mut index, &data)?;
        Ok(index)
    }
}

/// Appends members, the numbers of their catalogues raised by so many.
fn append_members<const N: usize>(
    to: &mut Vec<[u8; N]>,
    members: Vec<[u8; N]>,
    hash: usize,
    catalogs: u32,
) -> Result<(), NoMemory> {
    to.try_reserve(members.len()).map_err(|_| NoMemory)?;
    for mut member in members {
        add_to(&mut member, hash, catalogs)?;
        to.push(member);
    }
    Ok(())
}

/// Raises a number in an entry.
fn add_to(entry: &mut [u8], at: usize, more: u32) -> Result<(), NoMemory> {
    let number = u32_at(entry, at).and_then(|number| number.checked_add(more));
    put(entry, at, number.ok_or(NoMemory)?);
    Ok(())
}

/// Gives members the new numbers of their catalogues and sorts them. A catalogue may list a file twice.
fn renumber<const N: usize>(members: &mut Vec<[u8; N]>, hash: usize, numbers: &[u32]) {
    for member in &mut *members {
        let number = u32_at(member, hash).and_then(|number| numbers.get(to_usize(number)));
        put(member, hash, number.copied().unwrap_or_default());
    }
    let place = |member: &[u8; N]| u32_at(member, hash);
    members.sort_unstable_by(|one, next| (one.get(..hash), place(one)).cmp(&(next.get(..hash), place(next))));
    members.dedup();
}

/// Copies a range of the data to the end of the new data, and gives its place there.
fn moved(place: [u8; SIGNER_ENTRY], from: &[u8], to: &mut Vec<u8>) -> Result<[u8; SIGNER_ENTRY], NoMemory> {
    let (first, length) = (u32_at(&place, 0), u32_at(&place, 4));
    let bytes = first
        .zip(length)
        .and_then(|(first, length)| from.get(to_usize(first)..)?.get(..to_usize(length)))
        .unwrap_or_default();
    let start = to.len();
    extend(to, bytes)?;
    range(start, to.len())
}

fn to_u32(number: usize) -> Result<u32, NoMemory> {
    u32::try_from(number).map_err(|_| NoMemory)
}

fn put(entry: &mut [u8], at: usize, number: u32) {
    crate::bytes::copy(entry.get_mut(at..).unwrap_or_default(), &number.to_le_bytes());
}

fn range(start: usize, end: usize) -> Result<[u8; SIGNER_ENTRY], NoMemory> {
    let mut entry = [0; SIGNER_ENTRY];
    put(&mut entry, 0, to_u32(start)?);
    put(&mut entry, 4, to_u32(end.saturating_sub(start))?);
    Ok(entry)
}

fn member_entry<const H: usize, const N: usize>(hash: &[u8; H], catalog: u32) -> [u8; N] {
    let mut entry = [0; N];
    crate::bytes::copy(&mut entry, hash);
    put(&mut entry, H, catalog);
    entry
}
