//! A borrowed reader for DER, and for as much BER as signatures in the wild need: indefinite lengths, long lengths that could be
//! shorter, strings in pieces. It copies nothing, and every failure is a `None`.

/// How deep indefinite lengths may nest.
const MAX_DEPTH: u8 = 12;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OCTET_STRING_PIECES: u8 = 0x24;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// A constructed context-specific tag.
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// A primitive context-specific tag.
pub(crate) const fn context_primitive(number: u8) -> u8 {
    0x80 | number
}

/// One tag, length and content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    /// The content octets, without the end marker of an indefinite length.
    pub(crate) content: &'a [u8],
    /// Everything, tag and length included.
    pub(crate) raw: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element that `bytes` begin with, and what follows it.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (tag, length, rest) = head(bytes)?;
        let (content, rest) = if let Length::Definite(length) = length {
            rest.split_at_checked(length)?
        } else {
            let length = indefinite_length(rest)?;
            let (content, tail) = rest.split_at_checked(length)?;
            (content, tail.get(2..)?)
        };
        let raw = bytes.get(..bytes.len().checked_sub(rest.len())?)?;
        Some((Self { tag, content, raw }, rest))
    }

    /// A reader of the content.
    pub(crate) const fn reader(&self) -> Reader<'a> {
        Reader { rest: self.content }
    }

    /// This element if it has the tag.
    pub(crate) fn tagged(self, tag: u8) -> Option<Self> {
        (self.tag == tag).then_some(self)
    }

    /// The octets of an OCTET STRING; one in several pieces has none that could be borrowed.
    pub(crate) fn octets(&self) -> Option<&'a [u8]> {
        match self.tag {
            OCTET_STRING => Some(self.content),
            OCTET_STRING_PIECES => {
                let mut pieces = self.reader();
                let piece = pieces.read(OCTET_STRING)?;
                pieces.is_empty().then_some(piece.content)
            }
            _ => None,
        }
    }
}

enum Length {
    Definite(usize),
    /// Up to an end marker.
    Indefinite,
}

/// The tag and length that `bytes` begin with, and what follows them.
fn head(bytes: &[u8]) -> Option<(u8, Length, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        // Tag numbers from 31 on occur nowhere in these formats.
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0x80 if tag & 0x20 == 0 => return None,
        0x80 => (Length::Indefinite, rest),
        0x81..=0x84 => {
            let (number, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = number
                .iter()
                .fold(0_u32, |length, byte| length << 8 | u32::from(*byte));
            (Length::Definite(usize::try_from(length).ok()?), rest)
        }
        0x85.. => return None,
        short => (Length::Definite(usize::from(short)), rest),
    };
    Some((tag, length, rest))
}

/// The length of the content of an indefinite length, up to its end marker. Others may lie inside, [`MAX_DEPTH`] deep at most.
fn indefinite_length(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    let mut open = 1_u8;
    loop {
        if let Some(tail) = rest.strip_prefix(&[0, 0]) {
            open = open.saturating_sub(1);
            if open == 0 {
                return bytes.len().checked_sub(rest.len());
            }
            rest = tail;
            continue;
        }
        let (_, length, tail) = head(rest)?;
        rest = match length {
            Length::Definite(length) => tail.get(length..)?,
            Length::Indefinite if open > MAX_DEPTH => return None,
            Length::Indefinite => {
                open = open.saturating_add(1);
                tail
            }
        };
    }
}

/// Reads one element after the other.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (element, rest) = Element::split(self.rest)?;
        self.rest = rest;
        Some(element)
    }

    /// The next element, which must have this tag.
    pub(crate) fn read(&mut self, tag: u8) -> Option<Element<'a>> {
        self.any()?.tagged(tag)
    }

    /// The next element if it has this tag; otherwise nothing is taken.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Element<'a>> {
        if self.rest.first() == Some(&tag) {
            self.any()
        } else {
            None
        }
    }

    /// The content octets of the object identifier that comes next.
    pub(crate) fn oid(&mut self) -> Option<&'a [u8]> {
        self.read(OID).map(|element| element.content)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Element<'a>;

    /// Ends at the end of the bytes and at the first malformed element alike; where the difference matters ask
    /// [`Reader::is_empty`] afterwards.
    fn next(&mut self) -> Option<Element<'a>> {
        self.any()
    }
}

/// Seconds since 1970 of a `UTCTime` or `GeneralizedTime`. Zulu only; fractions of a second are dropped.
pub(crate) fn time(element: &Element<'_>) -> Option<i64> {
    let digits = element.content.strip_suffix(b"Z")?;
    let (century, rest) = match element.tag {
        UTC_TIME => {
            let (year, _) = digits.split_at_checked(2)?;
            // RFC 5280: two-digit years from 50 on are of the last century.
            (if number(year)? >= 50 { 19 } else { 20 }, digits)
        }
        GENERALIZED_TIME => {
            let (century, rest) = digits.split_at_checked(2)?;
            (number(century)?, rest)
        }
        _ => return None,
    };
    let mut parts = rest.chunks(2);
    let mut part = || number(parts.next()?);
    let year = century.checked_mul(100)?.checked_add(part()?)?;
    let (month, day, hour, minute) = (part()?, part()?, part()?, part()?);
    // UTCTime may leave the seconds out.
    let second = match rest.get(10..) {
        None | Some(b"") => 0,
        Some(seconds) => number(seconds.get(..2)?)?,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let time_of_day = hour
        .checked_mul(3600)?
        .checked_add(minute.checked_mul(60)?)?
        .checked_add(second)?;
    days_before(year, month, day)?
        .checked_mul(86400)?
        .checked_add(time_of_day)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |value, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        value.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> Option<i64> {
    // Years counted from March put the leap day at their end.
    let early = month <= 2;
    let year = if early { year.checked_sub(1)? } else { year };
    let month = if early {
        month.checked_add(9)?
    } else {
        month.checked_sub(3)?
    };
    let leap_days = year
        .div_euclid(4)
        .checked_sub(year.div_euclid(100))?
        .checked_add(year.div_euclid(400))?;
    let in_year = month
        .checked_mul(153)?
        .checked_add(2)?
        .div_euclid(5)
        .checked_add(day)?
        .checked_sub(1)?;
    year.checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(in_year)?
        .checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::Element;
    use super::Reader;
    use super::time;

    fn seconds(tag: u8, text: &str) -> Option<i64> {
        time(&Element {
            tag,
            content: text.as_bytes(),
            raw: &[],
        })
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds(0x17, "700101000000Z"), Some(0));
        assert_eq!(seconds(0x17, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(seconds(0x17, "500101000000Z"), Some(-631_152_000));
        assert_eq!(seconds(0x18, "20260721121314.567Z"), Some(1_784_635_994));
        assert_eq!(seconds(0x18, "20000229000000Z"), Some(951_782_400));
        assert_eq!(seconds(0x17, "2607211213Z"), Some(1_784_635_980));
        for wrong in [
            "",
            "Z",
            "7001010000",
            "701301000000Z",
            "70010100000Z",
            "700101000000+0100",
            "7x0101000000Z",
        ] {
            assert_eq!(seconds(0x17, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn lengths_in_every_form_give_the_same_content() {
        for bytes in [
            &b"\x30\x03\x02\x01\x05"[..],
            b"\x30\x81\x03\x02\x01\x05",
            b"\x30\x84\x00\x00\x00\x03\x02\x01\x05",
            b"\x30\x80\x02\x01\x05\x00\x00",
        ] {
            let (element, rest) = Element::split(bytes).unwrap();
            assert_eq!(
                (element.content, element.raw, rest),
                (&b"\x02\x01\x05"[..], bytes, &b""[..])
            );
        }
        let nested = b"\x30\x80\x30\x80\x02\x01\x05\x00\x00\x00\x00\x09";
        let (element, rest) = Element::split(nested).unwrap();
        assert_eq!(
            (element.content, rest),
            (&b"\x30\x80\x02\x01\x05\x00\x00"[..], &b"\x09"[..])
        );
    }

    #[test]
    fn what_is_cut_off_or_has_no_end_is_nothing() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x02\x01",
            b"\x30\x80\x02\x01\x05\x00",
            b"\x04\x80\x00\x00",
            b"\x1f\x81\x01\x00",
            b"\x30\x85\x00\x00\x00\x00\x00",
            b"\x30\x84\xff\xff\xff\xff\x00",
            &[0x30, 0x80].repeat(40),
        ] {
            assert_eq!(Element::split(bytes), None, "{bytes:x?}");
        }
        let mut reader = Reader::new(b"\x02\x01\x05\x30\x09");
        assert_eq!(reader.by_ref().count(), 1);
        assert!(!reader.is_empty());
    }
}
