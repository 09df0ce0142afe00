//! The roots that a chain may end in. Where they come from: `roots/README.md`.

use crate::der::Element;
use crate::facts::Fact;
use crate::x509::Name;
use crate::x509::PublicKey;

static ROOTS: &[u8] = include_bytes!("../roots/roots.bin");

/// A root known by its key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownRoot {
    /// App Control's number for it, if it has one.
    pub(crate) wellknown: Option<u8>,
    name: Name<'static>,
    /// `SubjectPublicKeyInfo`, not read yet.
    key: Element<'static>,
}

impl KnownRoot {
    /// Whether a certificate that names `issuer` could be this root's. Only the key proves it.
    ///
    /// Names are compared by their common name, because the same name occurs in different string types; by all of it where
    /// there is none.
    pub(crate) fn is_named(&self, issuer: &Name<'_>) -> bool {
        // The common name stands last in all but a few: most roots are told apart by how the bytes end.
        if self.name.0.last_chunk::<4>() != issuer.0.last_chunk::<4>() {
            return false;
        }
        match (self.name.common_name(), issuer.common_name()) {
            (Fact::Present(ours), Fact::Present(theirs)) => ours == theirs,
            (Fact::Absent, Fact::Absent) => self.name.0 == issuer.0,
            _ => false,
        }
    }

    /// Whether this `SubjectPublicKeyInfo` is the root's.
    pub(crate) fn has_key(&self, info: &[u8]) -> bool {
        self.key.raw == info
    }

    /// The root's key.
    pub(crate) fn key(&self) -> Option<PublicKey<'static>> {
        PublicKey::read(&self.key)
    }
}

/// The numbers of App Control's well-known roots whose keys are known here, ascending: a rule that names any other of them matches no
/// signature.
pub fn wellknown_roots_with_keys() -> impl Iterator<Item = u8> {
    shipped_roots().filter_map(|root| root.wellknown)
}

/// Every known root, App Control's own first.
pub(crate) fn known_roots() -> impl Iterator<Item = KnownRoot> {
    #[cfg(test)]
    return shipped_roots().chain(test_roots());
    #[cfg(not(test))]
    return shipped_roots();
}

/// The roots of the tests' own authorities.
#[cfg(test)]
fn test_roots() -> impl Iterator<Item = KnownRoot> {
    let stored = crate::testing::certificates::test_roots().iter();
    stored.filter_map(|(wellknown, name, key)| {
        let (key, _) = Element::split(key)?;
        Some(KnownRoot {
            wellknown: *wellknown,
            name: Name(name),
            key,
        })
    })
}

fn shipped_roots() -> impl Iterator<Item = KnownRoot> {
    let mut rest = ROOTS;
    core::iter::from_fn(move || {
        let (&id, tail) = rest.split_first()?;
        let (name, tail) = Element::split(tail)?;
        let (key, tail) = Element::split(tail)?;
        rest = tail;
        Some(KnownRoot {
            wellknown: (id != 0).then_some(id),
            name: Name(name.raw),
            key,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::shipped_roots;
    use crate::digest::Algorithm;
    extern crate std;
    use std::vec::Vec;

    /// The list of the data's origin and the data agree, key for key.
    #[test]
    fn the_roots_are_those_of_the_list() {
        let list = include_str!("../roots/README.md");
        let rows: Vec<&str> = list
            .lines()
            .filter(|line| line.starts_with("| ") && !line.starts_with("| id"))
            .collect();
        assert_eq!(shipped_roots().count(), rows.len());
        for (root, row) in shipped_roots().zip(rows) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            assert_eq!(u8::from_str_radix(cells[1], 16).ok(), root.wellknown, "{row}");
            let hash: Vec<u8> = cells[3]
                .as_bytes()
                .chunks(2)
                .map(|digits| hex(digits).unwrap())
                .collect();
            assert_eq!(
                Algorithm::Sha256.digest(&[root.key.raw]).as_bytes(),
                hash,
                "{row}"
            );
            assert!(root.key().is_some_and(|key| key.is_supported()));
            assert!(root.is_named(&root.name));
        }
        let ids: Vec<u8> = super::wellknown_roots_with_keys().collect();
        assert!(ids.is_sorted());
        for id in 3..=8 {
            assert!(ids.contains(&id));
        }
        assert!(!ids.contains(&1), "no root has this number");
    }

    fn hex(digits: &[u8]) -> Option<u8> {
        u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
    }
}
