//! What the signatures of a file still claim after it was changed, as a reader of its own finds it: the model that denials are held to.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::der::Node;
use crate::der::SEQUENCE;
use crate::loader_map::Fields;
use crate::loader_map::u32_at;
use crate::made_signatures::key_id;
use crate::made_signatures::known_moduli;
use crate::made_signatures::table_of;
use crate::unsigned_parts::messages;

/// What a denial goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The certificates of a signature, leaf first.
    pub chain: Vec<Vec<u8>>,
    /// How many of those above the leaf must be there for it to be claimed.
    pub depth: usize,
    /// Whether the denial asks for more of a signature than whom it is under: a name, or a file. Then it is claimed under anybody that
    /// no known root is over.
    pub asks_more: bool,
}

/// The identifiers of the keys of the roots that are known.
pub struct RootIds(BTreeSet<Vec<u8>>);

impl RootIds {
    /// All of them.
    pub fn read() -> Result<Self> {
        Ok(Self(
            known_moduli()?.iter().map(|modulus| key_id(modulus)).collect(),
        ))
    }
}

/// The end of the key in a certificate, by which it is found again: there is more than one way to write what is around it.
pub(crate) fn key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (node, _) = Node::read(certificate, 2)?;
    let fields = node.children()?.first()?.children()?;
    let skipped = usize::from(fields.first()?.tag() == Some(0xa0));
    let info = fields.get(5 + skipped)?.bytes();
    Some(info[info.len().saturating_sub(64)..].to_vec())
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether a file still claims what a target goes by, as far as its table can be read. A table that cannot is no way out.
pub fn still_claims(file: &[u8], target: &Claim, roots: &RootIds) -> bool {
    let entry = Fields::of(file).security();
    if u32_at(file, entry) == 0 || u32_at(file, entry + 4) == 0 {
        return false;
    }
    let found = messages(table_of(file));
    if found.is_empty() || found.iter().any(Option::is_none) {
        return true;
    }
    let Some(leaf) = target.chain.first() else {
        return false;
    };
    found.iter().flatten().any(|message| {
        let certificates = message.certificates();
        // What stands beside the signed part of a certificate makes it no other.
        let signed: Vec<_> = certificates
            .iter()
            .map(|certificate| to_sign(certificate))
            .collect();
        let has = |certificate: &Vec<u8>| {
            certificates.contains(certificate) || signed.contains(&to_sign(certificate).or(Some(Vec::new())))
        };
        // What is signed, by whom: others among the certificates are no claim. Of a signer whose word for it names nobody, any may be.
        let names = |certificate: &[u8]| {
            issuer_and_serial(certificate).is_some_and(|id| {
                // One that cannot be taken apart names whom its bytes name.
                message.signers().iter().any(|signer| {
                    let named = signer
                        .children()
                        .and_then(|fields| fields.get(1))
                        .unwrap_or(signer);
                    contains(&named.bytes(), &id)
                })
            })
        };
        let is_anybodys = has(leaf) && !certificates.iter().any(|certificate| names(certificate));
        if !names(leaf) && !is_anybodys {
            return false;
        }
        if target.asks_more {
            return true;
        }
        let above = target.chain.get(1..=target.depth.min(target.chain.len() - 1));
        let above = above.unwrap_or_default();
        if above.iter().all(has) {
            return true;
        }
        // Of one that stayed, those above it may have been taken off.
        let Some(authority) = above.first().filter(|authority| !has(authority)) else {
            return false;
        };
        // One that was changed ends the chain elsewhere, unless it still names a key that is at hand.
        let key = key_of(authority);
        !certificates.iter().any(|other| {
            let names_a_key = id_of(other, ISSUER_KEY_ID).is_some_and(|id| {
                id_of(other, KEY_ID) != Some(id)
                    && (roots.0.contains(id)
                        || certificates.iter().any(|issuer| {
                            issuer.first() == Some(&SEQUENCE) && id_of(issuer, KEY_ID) == Some(id)
                        }))
            });
            key.as_ref().is_some_and(|key| contains(other, key)) && !names_a_key
        })
    })
}

const KEY_ID: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04];
const ISSUER_KEY_ID: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x23, 0x04];

/// The identifier of 20 or 8 bytes in an extension of a certificate that is written as usual.
fn id_of<'c>(certificate: &'c [u8], extension: &[u8]) -> Option<&'c [u8]> {
    let place = certificate
        .windows(extension.len())
        .position(|window| window == extension)?;
    let rest = certificate.get(place + extension.len() + 1..)?;
    let rest = rest
        .strip_prefix(&[0x30, 0x16])
        .or(rest.strip_prefix(&[0x30, 0x0a]))
        .unwrap_or(rest);
    match rest {
        [0x04 | 0x80, length @ (8 | 20), rest @ ..] => rest.get(..usize::from(*length)),
        _ => None,
    }
}

/// The signed part of a certificate.
fn to_sign(certificate: &[u8]) -> Option<Vec<u8>> {
    let (node, _) = Node::read(certificate, 1)?;
    Some(node.children()?.first()?.bytes())
}

/// Issuer and serial number of a certificate, one after the other, as a signer names them.
fn issuer_and_serial(certificate: &[u8]) -> Option<Vec<u8>> {
    let (node, _) = Node::read(certificate, 2)?;
    let fields = node.children()?.first()?.children()?;
    let skipped = usize::from(fields.first()?.tag() == Some(0xa0));
    let part = |place: usize| fields.get(place + skipped).map(Node::bytes);
    Some([part(2)?, part(0)?].concat())
}
