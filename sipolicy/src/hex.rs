//! Hexadecimal, and the policy's own encoding of object identifiers.

use std::fmt::Write as _;

/// The bytes that a string of hexadecimal digits stands for.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.trim_ascii().as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Upper-case digits, as policies have them.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// The encoded form of a dotted object identifier as policies write it: `01`, length, content octets.
pub fn encode_oid(dotted: &str) -> Option<Vec<u8>> {
    let arcs: Vec<u64> = dotted
        .split('.')
        .map(|arc| arc.parse().ok().filter(|_| !arc.starts_with('+')))
        .collect::<Option<_>>()?;
    let [first, second, rest @ ..] = arcs.as_slice() else {
        return None;
    };
    if *first > 2 || (*first < 2 && *second > 39) {
        return None;
    }
    let mut content = Vec::new();
    let head = first.checked_mul(40)?.checked_add(*second)?;
    for arc in std::iter::once(&head).chain(rest) {
        let septets = (64 - arc.leading_zeros()).div_ceil(7).max(1);
        for at in (0..septets).rev() {
            let septet = (arc >> (7 * at) & 0x7f) as u8;
            content.push(if at == 0 { septet } else { septet | 0x80 });
        }
    }
    let mut value = vec![
        1,
        u8::try_from(content.len()).ok().filter(|length| *length < 0x80)?,
    ];
    value.extend_from_slice(&content);
    Some(value)
}

/// The content octets of an encoded object identifier, if it is one.
pub(crate) fn oid_content(value: &[u8]) -> Option<&[u8]> {
    match value {
        [1, length, content @ ..] if usize::from(*length) == content.len() && !content.is_empty() => {
            Some(content)
        }
        _ => None,
    }
}

/// Whether a value is an object identifier, encoded as policies have it, each of its arcs whole and none written longer than needed.
pub(crate) fn is_encoded_oid(value: &[u8]) -> bool {
    let Some(content) = oid_content(value) else {
        return false;
    };
    let mut starts = true;
    for byte in content {
        if starts && *byte == 0x80 {
            return false;
        }
        starts = byte & 0x80 == 0;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::decode;
    use super::encode;
    use super::encode_oid;
    use super::is_encoded_oid;
    use super::oid_content;

    #[test]
    fn an_object_identifier_is_written_as_policies_write_it() {
        let whql = encode_oid("1.3.6.1.4.1.311.10.3.5").unwrap();
        assert_eq!(encode(&whql), "010A2B0601040182370A0305");
        assert_eq!(oid_content(&whql), Some(&whql[2..]));
        assert_eq!(
            encode_oid("1.3.6.1.5.5.7.3.3")
                .map(|value| encode(&value))
                .as_deref(),
            Some("01082B06010505070303")
        );
        assert!(encode_oid("1").is_none() && encode_oid("3.1").is_none() && encode_oid("1.x").is_none());
        assert!(encode_oid("1.3.+6").is_none() && encode_oid("1.3.").is_none());
        assert!(oid_content(&decode("060A2B0601040182370A0305").unwrap()).is_none());
    }

    #[test]
    fn an_object_identifier_that_ends_in_an_arc_is_none() {
        for (value, wanted) in [
            ("010A2B0601040182370A0305", true),
            ("010A2B0601040182370A0385", false),
            ("01032B8006", false),
            ("010181", false),
            ("0100", false),
            ("01022B06FF", false),
        ] {
            assert_eq!(is_encoded_oid(&decode(value).unwrap()), wanted, "{value}");
        }
    }

    #[test]
    fn hexadecimal_is_read_in_either_case_and_in_pairs() {
        assert_eq!(decode("0aF0"), Some(vec![0x0a, 0xf0]));
        assert_eq!(decode("0aF"), None);
        assert_eq!(decode("0g"), None);
    }
}
