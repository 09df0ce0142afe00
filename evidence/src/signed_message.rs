//! Signed messages that are neither an image's signature nor a catalogue: what is signed stands in them. App Control policies are.

use crate::der::Element;
use crate::der::OCTET_STRING;
use crate::der::OCTET_STRING_PIECES;
use crate::error::NoMemory;
use crate::facts::Signature;
use crate::pkcs7::SignedData;
use crate::signatures::collect_catalog;
use crate::workspace::Findings;
use crate::workspace::Workspace;

/// A signed message that was read.
#[derive(Clone, Debug)]
pub struct SignedMessage<'w> {
    /// The type of the content: the content octets of an object identifier.
    pub content_type: &'w [u8],
    /// Its signature first, then those nested in it that sign the same. Their `signed_digest` and `digest_valid` say nothing of
    /// their own. Whether a signature holds says `fault`; it is looked for in this order: what is signed, by whom, the chain.
    pub signatures: &'w [Signature<'w>],
    content: Element<'w>,
}

/// Reads a message and proves its signatures; `None` for what is no signed message with its content in it. BER is read as well as
/// DER: indefinite lengths, and content in pieces.
///
/// # Errors
/// [`NoMemory`]. A signature that does not hold is no error: the signature says so.
pub fn examine_signed_message<'w>(
    bytes: &'w [u8],
    workspace: &'w mut Workspace,
    findings: &'w mut Findings<'w>,
) -> Result<Option<SignedMessage<'w>>, NoMemory> {
    let Some(message) = SignedData::read(bytes) else {
        return Ok(None);
    };
    let Some(content) = message.content.filter(is_string) else {
        return Ok(None);
    };
    let (prover, _) = workspace.tools.prover().ok_or(NoMemory)?;
    let (signatures, _) = collect_catalog(bytes, prover, findings)?;
    Ok(Some(SignedMessage {
        content_type: message.content_type,
        signatures,
        content,
    }))
}

/// Whether an element is an OCTET STRING, whole or in pieces that are whole.
fn is_string(element: &Element<'_>) -> bool {
    match element.tag {
        OCTET_STRING => true,
        OCTET_STRING_PIECES => element.reader().all(|piece| piece.tag == OCTET_STRING),
        _ => false,
    }
}

impl<'w> SignedMessage<'w> {
    /// The signed octets, in pieces that belong together in this order.
    pub fn content(&self) -> impl Iterator<Item = &'w [u8]> + use<'w> {
        let whole = (self.content.tag == OCTET_STRING).then_some(self.content.content);
        let pieces = whole.is_none().then(|| self.content.reader());
        whole
            .into_iter()
            .chain(pieces.into_iter().flatten().map(|piece| piece.content))
    }
}

/// The content of an OCTET STRING that takes up all of these bytes.
pub fn octet_string(bytes: &[u8]) -> Option<&[u8]> {
    let (element, rest) = Element::split(bytes)?;
    element
        .tagged(OCTET_STRING)
        .filter(|_| rest.is_empty())
        .map(|element| element.content)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::String;
    use std::string::ToString;
    use std::vec;
    use std::vec::Vec;

    use super::examine_signed_message;
    use super::octet_string;
    use crate::Findings;
    use crate::SignatureFault;
    use crate::Workspace;
    use crate::testing::messages::Message;
    use crate::testing::signed::authority;
    use crate::testing::signed::changed;
    use crate::testing::signed::leaf;

    /// The type of App Control policies, 1.3.6.1.4.1.311.79.1.
    const POLICY: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4f, 1];

    fn message(content: Vec<u8>) -> Message {
        Message {
            content_type: POLICY,
            content,
            certificates: vec![authority().issue(), leaf().issue()],
            signer: leaf(),
            signed_attributes: Vec::new(),
            weak: false,
            bare: false,
        }
    }

    /// Content, signer and fault.
    fn read(bytes: &[u8]) -> Option<(Vec<u8>, Option<String>, Option<SignatureFault>)> {
        let mut workspace = Workspace::try_new(4096).unwrap();
        let mut findings = Findings::new();
        let message = examine_signed_message(bytes, &mut workspace, &mut findings).unwrap()?;
        assert_eq!(message.content_type, POLICY);
        let signature = message.signatures.first().unwrap();
        let signer = signature.chain.first();
        let signer = signer.and_then(|leaf| Some(leaf.subject_cn.present()?.to_string()));
        Some((
            message.content().collect::<Vec<_>>().concat(),
            signer,
            signature.fault,
        ))
    }

    #[test]
    fn the_content_comes_with_what_its_signature_proves() {
        let whole = message([&[4, 6][..], b"policy"].concat()).build(&[]);
        let signer = Some("Contoso Ltd".to_string());
        assert_eq!(read(&whole), Some((b"policy".to_vec(), signer.clone(), None)));
        // One byte changed after signing.
        let other = changed(&whole, b"policy", b"Policy");
        assert_eq!(
            read(&other),
            Some((
                b"Policy".to_vec(),
                signer.clone(),
                Some(SignatureFault::SignedAttributes)
            ))
        );
        // No certificate.
        let mut bare = message([&[4, 6][..], b"policy"].concat());
        bare.certificates.clear();
        assert_eq!(
            read(&bare.build(&[])),
            Some((b"policy".to_vec(), None, Some(SignatureFault::NoSigner)))
        );
    }

    #[test]
    fn what_is_no_string_is_no_content() {
        for content in [&[0x30, 2, 5, 0][..], &[0x24, 4, 0x24, 2, 5, 0], &[0x02, 1, 1]] {
            assert_eq!(read(&message(content.to_vec()).build(&[])), None, "{content:x?}");
        }
        assert_eq!(read(&[0x30, 3, 2, 1, 1]), None);
        assert_eq!(read(&[]), None);
        assert_eq!(octet_string(&[4, 1, 7]), Some(&[7][..]));
        assert_eq!(
            (octet_string(&[4, 1, 7, 0]), octet_string(&[4, 2, 7])),
            (None, None)
        );
    }
}
