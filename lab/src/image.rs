//! The one thing about a PE image that the linker leaves undone: its checksum.

use anyhow::Result;
use anyhow::bail;

/// Offset of the checksum from the start of the optional header, the same for PE32 and PE32+.
const CHECKSUM_IN_OPTIONAL_HEADER: usize = 64;
/// Size of the signature and the file header that precede the optional header.
const OPTIONAL_HEADER_AFTER_SIGNATURE: usize = 24;

/// Writes the image's checksum into its header, as `link.exe /RELEASE` does.
pub fn set_checksum(image: &mut [u8]) -> Result<()> {
    let place = checksum_offset(image)?;
    let sum = checksum(image, place);
    let Some(field) = image.get_mut(place..place + 4) else {
        bail!("the image ends inside its optional header");
    };
    field.copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// The file offset of the checksum field.
fn checksum_offset(image: &[u8]) -> Result<usize> {
    if !image.starts_with(b"MZ") {
        bail!("not a PE image: no MZ at its start");
    }
    let Some(pointer) = image.get(0x3c..0x40).and_then(|bytes| bytes.try_into().ok()) else {
        bail!("not a PE image: shorter than its DOS header");
    };
    let signature = usize::try_from(u32::from_le_bytes(pointer))?;
    if image
        .get(signature..)
        .is_none_or(|rest| !rest.starts_with(b"PE\0\0"))
    {
        bail!("not a PE image: no PE signature at {signature:#x}");
    }
    Ok(signature + OPTIONAL_HEADER_AFTER_SIGNATURE + CHECKSUM_IN_OPTIONAL_HEADER)
}

/// The sum of all 16-bit words, carries folded in, with the checksum field taken as zero; then the file's length is added.
fn checksum(image: &[u8], place: usize) -> u32 {
    let mut sum: u64 = 0;
    for (index, pair) in image.chunks(2).enumerate() {
        let offset = index * 2;
        if offset >= place && offset < place + 4 {
            continue;
        }
        let low = u64::from(pair.first().copied().unwrap_or(0));
        let high = u64::from(pair.get(1).copied().unwrap_or(0));
        sum += low | (high << 8);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let folded = u32::try_from(sum & 0xffff).unwrap_or(0);
    folded.wrapping_add(u32::try_from(image.len()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::set_checksum;

    /// The smallest file that has the field: DOS header, signature, file header and optional header of zeros.
    fn small_image() -> Vec<u8> {
        let mut image = vec![0_u8; 0x40 + 24 + 240];
        image[..2].copy_from_slice(b"MZ");
        image[0x3c] = 0x40;
        image[0x40..0x44].copy_from_slice(b"PE\0\0");
        image
    }

    #[test]
    fn the_sum_counts_the_words_and_the_length_but_not_itself() {
        let mut image = small_image();
        set_checksum(&mut image).unwrap();
        // "MZ" + 0x40 + "PE" as little-endian words, plus 328 bytes.
        let expected = 0x5a4d_u32 + 0x40 + 0x4550 + 328;
        let place = 0x40 + 24 + 64;
        assert_eq!(image[place..place + 4], expected.to_le_bytes());
        let once = image.clone();
        set_checksum(&mut image).unwrap();
        assert_eq!(image, once, "an image that has its checksum keeps it");
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(set_checksum(&mut b"MZ".to_vec()).is_err());
        assert!(set_checksum(&mut vec![0; 4096]).is_err());
    }
}
