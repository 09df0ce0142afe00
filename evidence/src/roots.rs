//! The roots that a chain may end in. Where they come from, and how their data is made: `roots/README.md`.

use crate::chain::Purpose;
use crate::der::Element;
use crate::facts::Fact;
use crate::name::Name;
use crate::public_key::PublicKey;
use crate::text::Text;

static ROOTS: &[u8] = include_bytes!("../roots/roots.bin");

const CODE: u8 = 1;
const TIME: u8 = 2;
const WHOLE_NAME: u8 = 4;
const MODULUS: u8 = 8;

const DAY: i64 = 86_400;

/// A root known by its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownRoot {
    /// App Control's number for it, if it has one.
    pub(crate) wellknown: Option<u8>,
    name: RootName,
    /// `None` if only its name is known.
    key: Option<StoredKey>,
    code: Option<Limits>,
    time: Option<Limits>,
}

#[derive(Clone, Copy, Debug)]
enum RootName {
    /// The bytes that the name ends with, and its common name.
    Common([u8; 4], &'static str),
    /// All of a name without a common name.
    Whole(&'static [u8]),
}

/// A public key, not read yet.
#[derive(Clone, Copy, Debug)]
enum StoredKey {
    /// The modulus of an RSA key with the exponent that nearly all have, 65537.
    Modulus(&'static [u8]),
    /// A `SubjectPublicKeyInfo`.
    Info(Element<'static>),
}

/// Until when a root vouches for a usage, in seconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// For certificates issued before this.
    issued: i64,
    /// For times before this.
    time: i64,
}

#[cfg(test)]
impl Limits {
    const NONE: Self = Self {
        issued: i64::MAX,
        time: i64::MAX,
    };
}

impl KnownRoot {
    /// Whether a certificate that names `issuer` could be this root's. Only the key proves it.
    ///
    /// Names are compared by their common name, because the same name occurs in different string types; by all of it where
    /// there is none.
    pub(crate) fn is_named(&self, issuer: &Name<'_>) -> bool {
        match self.name {
            // The common name stands last in all but a few: most roots are told apart by how the bytes end.
            RootName::Common(end, name) => {
                issuer.0.last_chunk() == Some(&end) && issuer.common_name() == Fact::Present(Text::Utf8(name))
            }
            RootName::Whole(name) => name == issuer.0,
        }
    }

    /// Whether this `SubjectPublicKeyInfo` is the root's.
    pub(crate) fn has_key(&self, info: &[u8]) -> bool {
        let Some(key) = self.key else {
            return false;
        };
        match key {
            // Few are read: most are told apart by how the bytes end.
            StoredKey::Modulus(modulus) => {
                info.strip_suffix(&[0x02, 0x03, 0x01, 0x00, 0x01])
                    .is_some_and(|rest| rest.ends_with(modulus))
                    && Element::split(info)
                        .and_then(|(info, _)| PublicKey::read(&info))
                        .is_some_and(|key| key.is_of_modulus(modulus))
            }
            StoredKey::Info(key) => key.raw == info,
        }
    }

    /// The root's key.
    pub(crate) fn key(&self) -> Option<PublicKey<'static>> {
        match self.key? {
            StoredKey::Modulus(modulus) => Some(PublicKey::of_modulus(modulus)),
            StoredKey::Info(info) => PublicKey::read(&info),
        }
    }

    /// Whether it vouches for a leaf issued at this time, in seconds since 1970, that serves `purpose`. What a program on Windows makes of a
    /// root is said there by Microsoft's list of trusted roots.
    pub(crate) fn serves(&self, purpose: Purpose, issued: i64) -> bool {
        let (limits, time) = match purpose {
            Purpose::CodeSigning => (self.code, i64::MIN),
            Purpose::TimeStamping(time) => (self.time, time),
        };
        limits.is_some_and(|limits| issued < limits.issued && time < limits.time)
    }
}

/// The numbers of App Control's well-known roots whose keys are known here, ascending: a rule that names any other of them matches no
/// signature.
pub fn wellknown_roots_with_keys() -> impl Iterator<Item = u8> {
    shipped_roots()
        .filter(|root| root.key.is_some())
        .filter_map(|root| root.wellknown)
}

/// The numbers of the well-known roots of this name, whether their keys are known or not: what a certificate claims to be signed by.
pub(crate) fn wellknown_roots_named(issuer: &Name<'_>) -> impl Iterator<Item = u8> {
    all_roots()
        .filter(|root| root.wellknown.is_some() && root.is_named(issuer))
        .filter_map(|root| root.wellknown)
}

/// Every root whose key is known, App Control's own first.
pub(crate) fn known_roots() -> impl Iterator<Item = KnownRoot> {
    all_roots().filter(|root| root.key.is_some())
}

fn all_roots() -> impl Iterator<Item = KnownRoot> {
    #[cfg(test)]
    return shipped_roots().chain(test_roots());
    #[cfg(not(test))]
    return shipped_roots();
}

/// The roots of the tests' own authorities.
#[cfg(test)]
fn test_roots() -> impl Iterator<Item = KnownRoot> {
    let stored = crate::testing::certificates::test_roots().iter();
    stored.filter_map(|root| {
        let (key, _) = Element::split(&root.key)?;
        Some(KnownRoot {
            wellknown: root.wellknown,
            name: RootName::Common(*root.name.last_chunk()?, root.common_name),
            key: Some(StoredKey::Info(key)),
            code: root.code.then_some(Limits::NONE),
            time: root.time_before.map(|time| Limits { issued: time, time }),
        })
    })
}

fn shipped_roots() -> impl Iterator<Item = KnownRoot> {
    let mut rest = ROOTS;
    core::iter::from_fn(move || {
        let (root, tail) = read(rest)?;
        rest = tail;
        Some(root)
    })
}

/// Reads the record that `bytes` begin with, as `roots/make.py` writes it: number, flags, three dates in days, the lengths of name and key,
/// name and key.
fn read(bytes: &'static [u8]) -> Option<(KnownRoot, &'static [u8])> {
    let (&[id, flags], rest) = bytes.split_first_chunk()?;
    let (numbers, rest) = rest.split_first_chunk::<10>()?;
    let mut numbers = numbers.chunks_exact(2).map(|number| match number {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    let mut date = || match numbers.next() {
        None | Some(0) => i64::MAX,
        Some(days) => i64::from(days).saturating_mul(DAY),
    };
    let (code_issued, time_issued, time) = (date(), date(), date());
    let (name, rest) = rest.split_at_checked(usize::from(numbers.next()?))?;
    let (key, rest) = rest.split_at_checked(usize::from(numbers.next()?))?;
    let name = if flags & WHOLE_NAME != 0 {
        RootName::Whole(name)
    } else {
        let (end, text) = name.split_first_chunk()?;
        RootName::Common(*end, core::str::from_utf8(text).ok()?)
    };
    let key = if flags & MODULUS != 0 {
        Some(StoredKey::Modulus(key))
    } else {
        Element::split(key).map(|(key, _)| StoredKey::Info(key))
    };
    let limits = |flag, issued, time| (flags & flag != 0).then_some(Limits { issued, time });
    let root = KnownRoot {
        wellknown: (id != 0).then_some(id),
        name,
        key,
        code: limits(CODE, code_issued, i64::MAX),
        time: limits(TIME, time_issued, time),
    };
    Some((root, rest))
}

#[cfg(test)]
mod tests {
    use super::DAY;
    use super::KnownRoot;
    use super::StoredKey;
    use super::known_roots;
    use super::shipped_roots;
    use super::wellknown_roots_named;
    use super::wellknown_roots_with_keys;
    use crate::chain::Purpose;
    use crate::digest::Algorithm;
    use crate::name::Name;
    use crate::testing::certificates::modulus_info;
    extern crate std;
    use std::fmt::Write;
    use std::string::String;
    use std::vec::Vec;

    fn hex(bytes: &[u8]) -> String {
        let mut digits = String::new();
        for byte in bytes {
            write!(digits, "{byte:02x}").unwrap();
        }
        digits
    }

    fn info(root: &KnownRoot) -> Option<Vec<u8>> {
        Some(match root.key? {
            StoredKey::Modulus(modulus) => modulus_info(modulus),
            StoredKey::Info(info) => info.raw.to_vec(),
        })
    }

    /// The list of the data's origin and the data agree, root for root.
    #[test]
    fn the_roots_are_those_of_the_list() {
        let list = include_str!("../roots/README.md");
        let rows: Vec<&str> = list
            .lines()
            .skip_while(|line| !line.starts_with("| id | root |"))
            .filter(|line| line.starts_with("| ") && !line.starts_with("| id"))
            .collect();
        assert_eq!(shipped_roots().count(), rows.len());
        for (root, row) in shipped_roots().zip(rows) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(u8::from_str_radix(cells[1], 16).ok(), root.wellknown, "{row}");
            assert_eq!(root.code.is_some(), cells[3].starts_with("yes"), "{row}");
            assert_eq!(root.time.is_some(), cells[4] == "yes", "{row}");
            let Some(info) = info(&root) else {
                assert_eq!(cells[7], "", "{row}");
                continue;
            };
            assert_eq!(
                hex(Algorithm::Sha256.digest(&[&info]).as_bytes()),
                cells[7],
                "{row}"
            );
            assert!(root.key().is_some_and(|key| key.is_supported()), "{row}");
            assert!(root.has_key(&info), "{row}");
            assert_eq!(
                known_roots().filter(|other| other.has_key(&info)).count(),
                1,
                "{row}"
            );
        }
    }

    #[test]
    fn wellknown_roots_say_which_of_them_can_be_proven() {
        let ids: Vec<u8> = wellknown_roots_with_keys().collect();
        assert_eq!(ids, [3, 4, 5, 6, 7, 8, 0x12, 0x16]);
    }

    /// The identifiers that these roots' certificates state, and those below them name. A changed name of an issuer is found out by them.
    #[test]
    fn a_root_is_found_by_what_others_call_its_key() {
        let ids = [
            (6, "d5f656cb8fe8a25c6268d13d94905bd7ce9a18c4"),
            (7, "722d3a02319043b914054ee1eaa7c731d1238934"),
        ];
        for (wellknown, id) in ids {
            let bytes: Vec<u8> = (0..id.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap())
                .collect();
            let found: Vec<_> = known_roots()
                .filter(|root| root.key().is_some_and(|key| key.has_id(&bytes)))
                .map(|root| root.wellknown)
                .collect();
            assert_eq!(found, [Some(wellknown)], "{id}");
        }
    }

    /// A deny goes by names; a root without a key can be denied, and proves nothing.
    #[test]
    fn a_root_without_a_key_has_its_name() {
        let name =
            crate::testing::certificates::subject("Microsoft Development Root Certificate Authority 2014");
        let name = Name(&name);
        assert_eq!(wellknown_roots_named(&name).collect::<Vec<_>>(), [0x0e]);
        assert!(!known_roots().any(|root| root.is_named(&name)));
    }

    #[test]
    fn a_root_vouches_for_what_the_list_says_and_as_long() {
        let find = |hash: &str| {
            known_roots()
                .find(|root| {
                    info(root).is_some_and(|info| hex(Algorithm::Sha256.digest(&[&info]).as_bytes()) == hash)
                })
                .unwrap()
        };
        let code = Purpose::CodeSigning;
        let at = Purpose::TimeStamping;
        let years = |years: i64| years * 365 * DAY;
        // Thawte Timestamping CA: no certificates from 2021 on, no times from 2023 on, never for code.
        let clock = find("ab3876c3da5de0c9cf6736868ee5b88bf9ba1dff9c9d72d2fe5a8d2f78302166");
        assert!(clock.serves(at(years(45)), years(42)));
        assert!(clock.serves(at(years(52)), years(50)));
        assert!(!clock.serves(at(years(54)), years(50)), "its times have ended");
        assert!(!clock.serves(at(years(52)), years(52)), "it may issue no more");
        assert!(!clock.serves(code, years(42)));
        // VeriSign's root of code signing is none for times.
        let verisign = find("25b41b506e4930952823a6eb9f1d31def645ea38a5c6c6a96d71957e384df058");
        assert!(verisign.serves(code, years(45)));
        assert!(!verisign.serves(at(years(45)), years(45)));
        // App Control's own have no dates: Windows knows them by itself.
        for root in known_roots().filter(|root| root.wellknown.is_some()) {
            assert!(root.serves(code, years(60)));
        }
    }
}
