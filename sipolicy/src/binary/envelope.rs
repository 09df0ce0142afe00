//! The PKCS #7 envelope of a signed binary policy.

use crate::signature::PolicySignature;
use evidence::Findings;
use evidence::Workspace;
use evidence::examine_signed_message;
use evidence::octet_string;

/// Content octets of 1.3.6.1.4.1.311.79.1, the content type of policies.
const POLICY_CONTENT: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4f, 1];

/// Whether a binary document starts as an envelope does.
pub(crate) fn is_envelope(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

/// The policy in an envelope, and what the envelope's signature proves of it.
pub(crate) fn open(bytes: &[u8]) -> Result<(Vec<u8>, PolicySignature), &'static str> {
    let mut workspace = Workspace::try_new(4096).map_err(|_| "out of memory")?;
    let mut findings = Findings::new();
    let message = examine_signed_message(bytes, &mut workspace, &mut findings)
        .map_err(|_| "out of memory")?
        .filter(|message| message.content_type == POLICY_CONTENT)
        .ok_or(
            "the PKCS #7 envelope is malformed or holds no policy (content type 1.3.6.1.4.1.311.79.1); give the policy's \
             own .cip or .p7b file",
        )?;
    let content = message.content().collect::<Vec<_>>().concat();
    let signature = PolicySignature::of(message.signatures);
    // Some tools wrap the policy once more.
    let policy = octet_string(&content).map_or_else(|| content.clone(), <[u8]>::to_vec);
    Ok((policy, signature))
}
