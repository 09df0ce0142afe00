//! The PKCS #7 envelope of a signed binary policy.

/// Content octets of 1.3.6.1.4.1.311.79.1, the content type of policies.
const POLICY_CONTENT: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4f, 1];

/// Whether a binary document starts as an envelope does.
pub(crate) fn is_envelope(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

/// One element: its tag, its content and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if octets.is_empty() || octets.len() > 4 {
            return None;
        }
        let length = octets
            .iter()
            .fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn inside(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = element(bytes)?;
    (tag == wanted).then_some((content, rest))
}

/// The policy in an envelope. Its signature is not verified here.
pub(crate) fn open(bytes: &[u8]) -> Option<Vec<u8>> {
    let (content_info, _) = inside(bytes, 0x30)?;
    let (_, rest) = inside(content_info, 0x06)?;
    let (explicit, _) = inside(rest, 0xa0)?;
    let (signed_data, _) = inside(explicit, 0x30)?;
    let (_, rest) = inside(signed_data, 0x02)?;
    let (_, rest) = inside(rest, 0x31)?;
    let (encapsulated, _) = inside(rest, 0x30)?;
    let (content_type, rest) = inside(encapsulated, 0x06)?;
    if content_type != POLICY_CONTENT {
        return None;
    }
    let (explicit, _) = inside(rest, 0xa0)?;
    let (tag, content, _) = element(explicit)?;
    let mut policy = Vec::new();
    match tag {
        0x04 => policy.extend_from_slice(content),
        // Constructed: the parts in order.
        0x24 => {
            let mut parts = content;
            while !parts.is_empty() {
                let (part, rest) = inside(parts, 0x04)?;
                policy.extend_from_slice(part);
                parts = rest;
            }
        }
        _ => return None,
    }
    // Some tools wrap the policy once more.
    if policy.first() == Some(&0x04)
        && let Some((inner, [])) = inside(&policy, 0x04)
    {
        return Some(inner.to_vec());
    }
    Some(policy)
}
