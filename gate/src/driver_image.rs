//! A driver image for tests to weigh.

use std::vec;
use std::vec::Vec;

/// An unsigned PE32+ driver image of one section, which holds `body`: a multiple of 512 bytes. Header fields: Microsoft, "PE Format".
///
/// # Panics
/// When `body` is larger than an image can be.
#[cfg_attr(
    not(test),
    expect(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "never part of the driver: it makes what tests weigh"
    )
)]
pub fn driver_image(body: &[u8]) -> Vec<u8> {
    let raw = u32::try_from(body.len()).expect("an image is smaller than 4 GiB");
    let size = raw
        .checked_next_multiple_of(0x1000)
        .and_then(|virtual_size| virtual_size.checked_add(0x1000))
        .expect("an image is smaller than 4 GiB");
    let mut file = vec![0; 0x200];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3c, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x84, &0x8664_u16.to_le_bytes());
    put(0x86, &1_u16.to_le_bytes());
    put(0x94, &240_u16.to_le_bytes());
    put(0x96, &0x22_u16.to_le_bytes());
    put(0x98, &0x20b_u16.to_le_bytes());
    put(0xb8, &0x1000_u32.to_le_bytes());
    put(0xbc, &0x200_u32.to_le_bytes());
    put(0xd0, &size.to_le_bytes());
    put(0xd4, &0x200_u32.to_le_bytes());
    put(0xdc, &1_u16.to_le_bytes());
    put(0x104, &16_u32.to_le_bytes());
    put(0x188, b".text\0\0\0");
    put(0x190, &raw.to_le_bytes());
    put(0x194, &0x1000_u32.to_le_bytes());
    put(0x198, &raw.to_le_bytes());
    put(0x19c, &0x200_u32.to_le_bytes());
    put(0x1ac, &0x6000_0020_u32.to_le_bytes());
    file.extend_from_slice(body);
    file
}
