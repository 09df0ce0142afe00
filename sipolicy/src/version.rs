//! Four-part versions.

use std::fmt;
use std::str::FromStr;

/// A version `a.b.c.d` of four 16-bit numbers, `a` in the top bits, so that versions compare as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileVersion(#[doc = "The four numbers in one."] pub u64);

impl FileVersion {
    /// `65535.65535.65535.65535`.
    pub const MAX: Self = Self(u64::MAX);
}

impl FromStr for FileVersion {
    type Err = ();

    /// Reads `a.b.c.d`: all four numbers, digits alone.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut value = 0_u64;
        let mut parts = 0;
        for part in text.split('.') {
            // A sign would be taken by the parser.
            if !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(());
            }
            let number: u16 = part.parse().map_err(|_| ())?;
            value = value << 16 | u64::from(number);
            parts += 1;
        }
        if parts == 4 { Ok(Self(value)) } else { Err(()) }
    }
}

impl fmt::Display for FileVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |shift: u32| self.0 >> shift & 0xffff;
        write!(formatter, "{}.{}.{}.{}", part(48), part(32), part(16), part(0))
    }
}

#[cfg(test)]
mod tests {
    use super::FileVersion;

    #[test]
    fn versions_compare_as_numbers_and_print_as_read() {
        let version = |text: &str| text.parse::<FileVersion>().unwrap();
        assert!(version("10.0.0.0") > version("9.65535.65535.65535"));
        assert_eq!(version("1.2.3.4").to_string(), "1.2.3.4");
        for wrong in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.65536",
            "a.b.c.d",
            "-1.0.0.0",
            "+1.0.0.0",
            " 1.0.0.0",
            "1.0.0.0\n",
            "1..0.0",
        ] {
            assert!(wrong.parse::<FileVersion>().is_err(), "{wrong}");
        }
    }
}
