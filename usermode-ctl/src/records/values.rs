//! Values as records write them, and as they are read back: what is written gives the same again.

use std::time::Duration;
use std::time::SystemTime;

use crate::output::hex;

/// The calendar repeats every 400 years: seconds in 2000 of them.
const SECONDS_OF_2000_YEARS: i64 = 5 * 146_097 * 86_400;

/// Seconds since 1970 as RFC 3339 in UTC; `None` outside the years 0 to 9999.
pub fn time(seconds: i64) -> Option<String> {
    // humantime writes no time before 1970; certificates say such times.
    let (years, seconds) = match seconds {
        0.. => (0, seconds),
        _ => (2000, seconds.checked_add(SECONDS_OF_2000_YEARS)?),
    };
    let since = Duration::from_secs(u64::try_from(seconds).ok()?);
    let time = SystemTime::UNIX_EPOCH.checked_add(since)?;
    let text = (seconds < 253_402_300_800).then(|| humantime::format_rfc3339_seconds(time).to_string())?;
    let (year, rest) = text.split_at_checked(4)?;
    let year = year.parse::<u16>().ok()?.checked_sub(years)?;
    Some(format!("{year:04}{rest}"))
}

/// What [`time`] and the drivers' times are written as, in seconds since 1970.
pub fn seconds(text: &str) -> Option<i64> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = year.parse::<u16>().ok()?;
    let (years, before) = if year < 1970 {
        (2000, SECONDS_OF_2000_YEARS)
    } else {
        (0, 0)
    };
    let time = humantime::parse_rfc3339(&format!("{}{rest}", year.checked_add(years)?)).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()?.checked_sub(before)
}

/// What stands before an identifier that cannot be written with dots.
const AS_DER: &str = "der:";

/// An object identifier as records write it: with dots, or as its content octets where dots would not give the same again.
pub fn identifier(octets: &[u8]) -> String {
    let dotted = dotted_identifier(octets);
    let same = encoded(&dotted).is_some_and(|encoded| encoded == octets);
    if same {
        dotted
    } else {
        format!("{AS_DER}{}", hex(octets))
    }
}

fn encoded(dotted: &str) -> Option<Vec<u8>> {
    // Policies put a tag of their own and the length before it.
    Some(sipolicy::encode_oid(dotted)?.split_off(2))
}

/// The content octets of what [`identifier`] wrote.
pub fn octets(identifier: &str) -> Option<Vec<u8>> {
    match identifier.strip_prefix(AS_DER) {
        Some(digits) => unhex(digits),
        None => encoded(identifier),
    }
}

/// An object identifier, from DER content octets to numbers with dots.
fn dotted_identifier(octets: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for octet in octets {
        number = number.wrapping_shl(7) | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first.to_string());
                number = number.saturating_sub(first.saturating_mul(40));
            }
            numbers.push(number.to_string());
            number = 0;
        }
    }
    numbers.join(".")
}

/// The bytes of hexadecimal digits.
pub fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let decoded = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| decoded.collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::dotted_identifier;
    use super::identifier;
    use super::octets;
    use super::seconds;
    use super::time;

    #[test]
    fn identifiers_are_numbers_with_dots() {
        assert_eq!(dotted_identifier(evidence::usage::WHQL), "1.3.6.1.4.1.311.10.3.5");
        assert_eq!(dotted_identifier(&[0x55, 0x1d, 0x25, 0x00]), "2.5.29.37.0");
        assert_eq!(dotted_identifier(&[]), "");
    }

    #[test]
    fn identifiers_come_back_as_they_were() {
        let odd: [&[u8]; 8] = [
            &[],
            &[0x80, 0x2b, 0x06],
            &[0x2b, 0x06, 0x80],
            &[0x2b, 0x06, 0x80, 0x01],
            &[0x2b, 0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x05],
            &[0xff],
            &[0x88, 0x37],
            &[0x2b; 200],
        ];
        for content in odd.into_iter().chain([evidence::usage::WHQL]) {
            assert_eq!(
                octets(&identifier(content)).as_deref(),
                Some(content),
                "{content:x?}"
            );
        }
        assert_eq!(identifier(evidence::usage::WHQL), "1.3.6.1.4.1.311.10.3.5");
        assert_eq!(identifier(&[0x2b, 0x06, 0x80]), "der:2b0680");
        assert_eq!(octets("der:2b0"), None);
        assert_eq!(octets("1"), None);
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(time(1_663_650_266).as_deref(), Some("2022-09-20T05:04:26Z"));
        for (moment, text) in [
            (-1, "1969-12-31T23:59:59Z"),
            (-631_152_000, "1950-01-01T00:00:00Z"),
            (-62_167_219_200, "0000-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(time(moment).as_deref(), Some(text));
            assert_eq!(seconds(text), Some(moment));
        }
        for outside in [i64::MIN, -62_167_219_201, 253_402_300_800, i64::MAX] {
            assert_eq!(time(outside), None, "{outside}");
        }
        for text in [
            "",
            "2000",
            "x000-01-01T00:00:00Z",
            "70000-01-01T00:00:00Z",
            "2000-13-01T00:00:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
