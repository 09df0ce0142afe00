//! The complete validation of an index of catalogues, so that every look-up in it is bounded.

use core::fmt;

use crate::bytes::to_usize;
use crate::bytes::u32_at;
use crate::catalog_index::CATALOG_ENTRY;
use crate::catalog_index::CatalogIndex;
use crate::catalog_index::MAX_SIGNERS_OF_CATALOG;
use crate::catalog_signer::MAX_SIGNER_BYTES;
use crate::catalog_signer::Rank;
use crate::catalog_signer::Signer;

/// What is wrong with an index of catalogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexFault {
    /// It is no index of this version, or not as long as it says.
    Form,
    /// A member is out of order, listed twice by a catalogue, or of a catalogue that is not there.
    Members,
    /// A catalogue has no signer or more than [`MAX_SIGNERS_OF_CATALOG`].
    Signers,
    /// A signer has more than 64 KiB.
    LongSigner,
    /// A signer does not parse, or its chain has no certificate or more than ten.
    Signer,
    /// The catalogues' names and signers are not one behind the other, or catalogues are not in the order in which they count.
    Order,
}

impl fmt::Display for IndexFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Form => "no index of catalogues of this version",
            Self::Members => {
                "a file in the index of catalogues is out of order, listed twice or by a catalogue that is not there"
            }
            Self::Signers => "a catalogue in the index has no signer or more than 16",
            Self::LongSigner => "a signer in the index of catalogues has more than 64 KiB",
            Self::Signer => "a signer in the index of catalogues does not parse or has more than ten certificates",
            Self::Order => "names and signers in the index of catalogues are out of order or shared",
        })
    }
}

impl core::error::Error for IndexFault {}

impl<'i> CatalogIndex<'i> {
    /// Reads an index and proves it whole: each member in order and of a catalogue that is there; each catalogue's signers few, short, parsed to
    /// their end and its own. What it says of signers is not proven.
    ///
    /// # Errors
    /// [`IndexFault`], the first one found.
    pub fn validate(bytes: &'i [u8]) -> Result<Self, IndexFault> {
        let index = Self::read(bytes).ok_or(IndexFault::Form)?;
        index.check()?;
        Ok(index)
    }

    fn check(&self) -> Result<(), IndexFault> {
        let catalogs = self.catalogs.len();
        let right = ascends(self.sha1, 20, catalogs) && ascends(self.sha256, 32, catalogs);
        if !right {
            return Err(IndexFault::Members);
        }
        let mut end = 0;
        let mut signers = 0;
        let mut previous = Rank::Wellknown;
        for entry in self.catalogs {
            let rank = self.check_catalog(entry, &mut signers, &mut end)?;
            if rank < previous {
                return Err(IndexFault::Order);
            }
            previous = rank;
        }
        if signers != self.signers.len() || end != self.data.len() {
            return Err(IndexFault::Order);
        }
        Ok(())
    }

    /// Checks a catalogue's signers and name, which begin where those before it ended; gives its rank.
    fn check_catalog(
        &self,
        entry: &[u8; CATALOG_ENTRY],
        signers: &mut usize,
        end: &mut usize,
    ) -> Result<Rank, IndexFault> {
        let number = |place| u32_at(entry, place).map_or(usize::MAX, to_usize);
        let count = number(12);
        if !(1..=MAX_SIGNERS_OF_CATALOG).contains(&count) {
            return Err(IndexFault::Signers);
        }
        if number(8) != *signers {
            return Err(IndexFault::Order);
        }
        *signers = signers.saturating_add(count);
        let own = self.signers.get(number(8)..*signers).ok_or(IndexFault::Signers)?;
        let mut rank = Rank::Other;
        for place in own {
            let bytes = self.next(u32_at(place, 0), u32_at(place, 4), end)?;
            if bytes.len() > MAX_SIGNER_BYTES {
                return Err(IndexFault::LongSigner);
            }
            let signer = Signer::read(bytes)
                .filter(Signer::is_sound)
                .ok_or(IndexFault::Signer)?;
            rank = rank.min(signer.rank());
        }
        let name = self.next(u32_at(entry, 0), u32_at(entry, 4), end)?;
        core::str::from_utf8(name).map_err(|_| IndexFault::Form)?;
        Ok(rank)
    }

    /// A part of the data that begins where the last one ended.
    fn next(
        &self,
        offset: Option<u32>,
        length: Option<u32>,
        end: &mut usize,
    ) -> Result<&'i [u8], IndexFault> {
        let (Some(offset), Some(length)) = (offset, length) else {
            return Err(IndexFault::Form);
        };
        if to_usize(offset) != *end {
            return Err(IndexFault::Order);
        }
        *end = end.saturating_add(to_usize(length));
        self.slice(offset, length).ok_or(IndexFault::Form)
    }
}

/// Whether the members with hashes of this length ascend by hash, then catalogue, and all catalogues are there.
fn ascends<const N: usize>(members: &[[u8; N]], hash: usize, catalogs: usize) -> bool {
    let place = |member: &[u8; N]| u32_at(member, hash);
    members
        .iter()
        .all(|member| place(member).is_some_and(|catalog| to_usize(catalog) < catalogs))
        && members.is_sorted_by(|one, next| (one.get(..hash), place(one)) < (next.get(..hash), place(next)))
}
