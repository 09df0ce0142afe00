//! DER, written: the elements that certificates and signatures are made of.

extern crate std;

use std::vec;
use std::vec::Vec;

use crate::oid;

/// Tag, length and content.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = match content.len() {
        short @ 0..0x80 => vec![short as u8],
        byte @ 0x80..0x100 => vec![0x81, byte as u8],
        medium @ 0x100..0x1_0000 => vec![0x82, (medium >> 8) as u8, medium as u8],
        long => vec![0x83, (long >> 16) as u8, (long >> 8) as u8, long as u8],
    };
    [vec![tag], length, content].concat()
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, parts)
}

pub(crate) fn object(oid: &[u8]) -> Vec<u8> {
    tlv(0x06, &[oid])
}

pub(super) fn integer(number: &[u8]) -> Vec<u8> {
    if number[0] & 0x80 == 0 {
        tlv(0x02, &[number])
    } else {
        tlv(0x02, &[&[0], number])
    }
}

pub(super) fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[&object(oid::COMMON_NAME), &tlv(0x0c, &[common_name.as_bytes()])]);
    sequence(&[&tlv(0x31, &[&attribute])])
}

pub(crate) fn algorithm(oid: &[u8]) -> Vec<u8> {
    sequence(&[&object(oid), &[0x05, 0x00]])
}

pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

pub(super) const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];

pub(super) const MD5_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04];

pub(super) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

pub(super) const MD5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x05];

pub(super) fn attribute(oid: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[&object(oid), &tlv(0x31, &[value])])
}
