//! GUIDs, in the byte order of the binary policy form.

use std::fmt;
use std::str::FromStr;

/// A GUID: its sixteen bytes as Windows stores them, the first three fields little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(#[doc = "The bytes."] pub [u8; 16]);

/// Where each byte of the stored form stands in the printed form.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl FromStr for Guid {
    type Err = ();

    /// Reads `{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}`, braces optional.
    fn from_str(text: &str) -> Result<Self, ()> {
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or(())?,
            None => text,
        };
        let groups: Vec<&str> = inner.split('-').collect();
        if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
            return Err(());
        }
        let printed = crate::hex::decode(&groups.concat()).ok_or(())?;
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(ORDER) {
            *byte = *printed.get(from).ok_or(())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("{")?;
        for (at, from) in ORDER.into_iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{:02X}", self.0[from])?;
        }
        formatter.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::Guid;

    #[test]
    fn a_guid_prints_as_it_was_read_and_is_stored_as_windows_stores_it() {
        let text = "{784C4414-79F4-4C32-A6A5-F0FB42A51D0D}";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(guid.0[..8], [0x14, 0x44, 0x4c, 0x78, 0xf4, 0x79, 0x32, 0x4c]);
        assert_eq!(guid.to_string(), text);
        assert!("{784C4414}".parse::<Guid>().is_err());
        assert!("784C441479F44C32A6A5F0FB42A51D0D".parse::<Guid>().is_err());
    }
}
