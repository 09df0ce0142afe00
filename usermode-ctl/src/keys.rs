//! Keys that policy sets are signed with, and signed sets: a head with a signature, then the set.
//!
//! A key file is one line of text: what it is, then 64 hexadecimal digits. The private part is an Ed25519 seed.

use std::fs;
use std::io;
use std::io::Write;
use std::path::Path;

use ed25519_dalek::Signature;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use protocol::envelope::Envelope;
use protocol::envelope::MAGIC;
use protocol::envelope::Statement;
use protocol::envelope::VERSION;
use sha2::Digest;
use sha2::Sha256;
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

use crate::error::Error;
use crate::files;
use crate::output::hex;
use crate::private_file;

/// What a private key's file begins with.
pub const PRIVATE: &str = "gatehouse-private-key ed25519";
const PUBLIC: &str = "gatehouse-public-key ed25519";

/// Longer than any key file.
const MAX_BYTES: usize = 4096;

/// What people compare: the first half of the SHA-256 of the public key.
pub fn fingerprint(public: &[u8; 32]) -> String {
    let digest = hex(&Sha256::digest(public));
    digest.chars().take(32).collect()
}

/// A new key.
pub fn generate() -> Result<SigningKey, Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Error::Declined {
        what: "cannot make a key",
        problem: format!("the system gave no random numbers: {error}"),
    })?;
    Ok(SigningKey::from_bytes(&seed))
}

/// Writes the private part to a new file that only its owner can read, and the public part to a new file beside it.
///
/// # Errors
/// [`Error::Write`]; also when one of the files is there already. Then neither is written.
pub fn write_pair(private: &Path, public: &Path, key: &SigningKey) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Write { path, source }
    };
    files::create(public, public_text(&key.verifying_key()).as_bytes()).map_err(failed(public))?;
    let written = write_private(private, key).map_err(failed(private));
    if written.is_err() {
        // It is the public part of nothing; the first failure is the one to tell.
        let _ = fs::remove_file(public);
    }
    written
}

fn write_private(path: &Path, key: &SigningKey) -> io::Result<()> {
    let mut file = private_file::create(path)?;
    writeln!(file, "{PRIVATE} {}", hex(&key.to_bytes()))?;
    file.sync_all()
}

/// The text of a file with the public part.
fn public_text(key: &VerifyingKey) -> String {
    format!("{PUBLIC} {}\n", hex(key.as_bytes()))
}

/// The private key in a file.
pub fn read_private(path: &Path) -> Result<SigningKey, Error> {
    match parse(&files::read(path, MAX_BYTES)?) {
        Some(Parsed::Private(seed)) => Ok(SigningKey::from_bytes(&seed)),
        _ => Err(Error::Malformed {
            path: path.to_owned(),
            problem: "this is not a private key, as `gatehouse policy key new` writes it".to_owned(),
        }),
    }
}

/// The public key in a file; that of a private key, too.
pub fn read_public(path: &Path) -> Result<VerifyingKey, Error> {
    let malformed = |problem: &str| Error::Malformed {
        path: path.to_owned(),
        problem: problem.to_owned(),
    };
    // Read once: it may be a pipe.
    match parse(&files::read(path, MAX_BYTES)?) {
        Some(Parsed::Private(seed)) => Ok(SigningKey::from_bytes(&seed).verifying_key()),
        Some(Parsed::Public(bytes)) => VerifyingKey::from_bytes(&bytes).map_err(|_| {
            malformed("these are not the bytes of an Ed25519 key; make one with `gatehouse policy key new`")
        }),
        None => Err(malformed(
            "this is not a public key, as `gatehouse policy key new` writes it to a .pub file",
        )),
    }
}

/// What is in a key file.
enum Parsed {
    Private([u8; 32]),
    Public([u8; 32]),
}

fn parse(bytes: &[u8]) -> Option<Parsed> {
    let text = str::from_utf8(bytes).ok()?.trim();
    let digits = |kind: &str| text.strip_prefix(kind).map(str::trim_ascii).and_then(key_bytes);
    let private = digits(PRIVATE).map(Parsed::Private);
    private.or_else(|| digits(PUBLIC).map(Parsed::Public))
}

fn key_bytes(digits: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok())
        .collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

/// The set with a head that says by whom, and in which order, it is to be taken.
pub fn sign(set: &[u8], sequence: u64, key: &SigningKey) -> Vec<u8> {
    let length = u64::try_from(set.len()).unwrap_or(u64::MAX);
    let statement = Statement::new(sequence, length, Sha256::digest(set).into());
    let envelope = Envelope {
        magic: MAGIC,
        version: VERSION.into(),
        reserved: [0; 2],
        sequence: sequence.into(),
        length: length.into(),
        signature: sign_bytes(statement.as_bytes(), key),
    };
    [envelope.as_bytes(), set].concat()
}

/// A signature over these bytes.
pub fn sign_bytes(bytes: &[u8], key: &SigningKey) -> [u8; 64] {
    let signature: Signature = ed25519_dalek::Signer::sign(key, bytes);
    signature.to_bytes()
}

/// The head of a signed set and the set itself.
///
/// # Errors
/// What is wrong with it.
pub fn open(bytes: &[u8]) -> Result<(Envelope, &[u8]), String> {
    let again = "; sign the set again with `gatehouse policy sign`";
    let (head, set) = Envelope::read_from_prefix(bytes)
        .map_err(|_| format!("the file ends within the head of a signed set{again}"))?;
    let version = head.version.get();
    if head.magic != MAGIC || version != VERSION || head.reserved != [0; 2] {
        return Err(format!("this is no signed set of version {VERSION}{again}"));
    }
    if u64::try_from(set.len()).ok() != Some(head.length.get()) {
        let length = head.length.get();
        return Err(format!(
            "its head says {length} bytes, and {} follow{again}",
            set.len()
        ));
    }
    Ok((head, set))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Verifier;

    #[test]
    fn what_is_signed_verifies_and_nothing_else() {
        let key = generate().expect("random numbers");
        let signed = sign(b"the set", 7, &key);
        let (head, set) = open(&signed).expect("whole");
        assert_eq!((head.sequence.get(), set), (7, &b"the set"[..]));
        let verify = |sequence, set: &[u8], length| {
            let statement = Statement::new(sequence, length, Sha256::digest(set).into());
            let signature = Signature::from_bytes(&head.signature);
            key.verifying_key()
                .verify(statement.as_bytes(), &signature)
                .is_ok()
        };
        assert!(verify(7, b"the set", 7));
        assert!(!verify(8, b"the set", 7) && !verify(7, b"The set", 7) && !verify(7, b"the set", 8));
        for cut in 0..signed.len() {
            assert!(open(&signed[..cut]).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn keys_come_back_from_their_files() {
        let folder = tempfile::tempdir().expect("folder");
        let key = generate().expect("random numbers");
        let private = folder.path().join("k");
        let public = folder.path().join("k.pub");
        write_pair(&private, &public, &key).expect("written");
        assert_eq!(read_private(&private).expect("read").to_bytes(), key.to_bytes());
        for path in [&private, &public] {
            assert_eq!(read_public(path).expect("read"), key.verifying_key());
        }
        assert_eq!(read_private(&public).expect_err("no private key").exit_code(), 3);
        let other = generate().expect("random numbers");
        let refused = write_pair(&private, &folder.path().join("other.pub"), &other);
        assert!(refused.is_err(), "a key is never overwritten");
        let refused = write_pair(&folder.path().join("other"), &public, &other);
        assert!(refused.is_err(), "nor is its public part");
        assert_eq!(read_public(&public).expect("read"), key.verifying_key());
        assert_eq!(
            fs::read_dir(folder.path()).expect("listed").count(),
            2,
            "no half of a pair is left"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&private).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "for its owner only");
        }
        assert_eq!(fingerprint(&[0; 32]), "66687aadf862bd776c8fc18b8e9f8e20");
    }
}
