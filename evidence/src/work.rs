//! How much work the signatures of one file may ask for.
//!
//! In units of about 12 microseconds of a processor of 2020, so that key operations and bytes to be hashed count by what they cost. What
//! signers and their chains take is counted apart from what timestamps take, and no signature gets more than its share: junk in one
//! place leaves work for the others. The same file spends the same, whatever was examined before it.

use crate::facts::Key;
use crate::public_key::PublicKey;

/// Units for the signers of one file and their chains: 30 ms.
const SIGNERS: u32 = 2500;
/// For one signature; a real one with three authorities over it takes fewer than 100.
const SIGNER: u32 = 800;
/// Units for the timestamps of one file.
const TIMESTAMPS: u32 = 1200;
/// For the timestamps of one signature.
const TIMESTAMP: u32 = 400;
/// Bytes that are hashed in one unit.
const BYTES: usize = 8192;

/// What work is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// Who signed.
    Signers,
    /// When it was signed.
    Timestamps,
}

/// The work that is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    signers: u32,
    timestamps: u32,
    account: Account,
    /// Of the share of the signature at hand.
    share: u32,
}

impl Work {
    /// All of a file.
    pub(crate) const fn of_file() -> Self {
        Self {
            signers: SIGNERS,
            timestamps: TIMESTAMPS,
            account: Account::Signers,
            share: SIGNER,
        }
    }

    /// Begins with a signature, or with its timestamps.
    pub(crate) fn begin(&mut self, account: Account) {
        self.account = account;
        self.share = match account {
            Account::Signers => SIGNER,
            Account::Timestamps => TIMESTAMP,
        };
    }

    /// Takes one verification with `key` over so many bytes; `None` if there is too little left, and then nothing more will be had.
    pub(crate) fn spend(&mut self, key: &PublicKey<'_>, bytes: usize) -> Option<()> {
        let hashed = u32::try_from(bytes.checked_div(BYTES).unwrap_or(bytes)).unwrap_or(u32::MAX);
        let units = cost(key.facts()).saturating_add(hashed);
        let left = match self.account {
            Account::Signers => &mut self.signers,
            Account::Timestamps => &mut self.timestamps,
        };
        if let (Some(of_file), Some(of_signature)) = (left.checked_sub(units), self.share.checked_sub(units))
        {
            (*left, self.share) = (of_file, of_signature);
            return Some(());
        }
        self.share = 0;
        None
    }
}

/// What a verification with a key costs.
fn cost(key: Key) -> u32 {
    match key {
        // Grows with the square of the length.
        Key::Rsa(bits) => {
            let blocks = u32::from(bits).div_ceil(1024);
            blocks.saturating_mul(blocks).max(1)
        }
        Key::Ecdsa(bits) => {
            let blocks = u32::from(bits).div_ceil(64);
            blocks
                .saturating_mul(blocks)
                .saturating_mul(blocks)
                .div_ceil(2)
                .max(1)
        }
        // Never verified, but looked at.
        Key::Unsupported => 1,
    }
}
