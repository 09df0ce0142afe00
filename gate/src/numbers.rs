//! The highest sequence number of a set that was accepted, for each of the keys that sets were lately signed with.
//!
//! Numbers are counted per key, so that who held the last one cannot use up the next one's. What a key has had is remembered after it
//! was replaced or removed, so that its old sets do not come back when it does.

use zerocopy::FromBytes;
use zerocopy::Immutable;
use zerocopy::IntoBytes;
use zerocopy::KnownLayout;
use zerocopy::Unaligned;
use zerocopy::byteorder::little_endian::U64;

/// Keys that are remembered one by one.
pub const KEYS: usize = 8;

/// A key and the highest number under it. Zeros for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Numbered {
    key: [u8; 32],
    highest: U64,
}

/// The numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Numbers {
    /// The key used last comes first.
    recent: [Numbered; KEYS],
    /// Highest number under any key that is no longer among them. Who could not be told from one of those starts there.
    others: U64,
}

impl Numbers {
    /// None was accepted yet.
    pub const NONE: Self = Self::above(0);

    /// Whatever the key, none up to this one is to be accepted.
    pub const fn above(others: u64) -> Self {
        let none = Numbered {
            key: [0; 32],
            highest: U64::ZERO,
        };
        Self {
            recent: [none; KEYS],
            others: U64::new(others),
        }
    }

    /// Highest number accepted under this key, as far as is known.
    pub fn of(&self, key: &[u8; 32]) -> u64 {
        let known = self.recent.iter().find(|numbered| numbered.key == *key);
        known.map_or(self.others, |numbered| numbered.highest).get()
    }

    /// A set with this number was accepted under the key; 0 for none yet.
    pub fn take(&mut self, key: &[u8; 32], number: u64) {
        let mut carried = Numbered {
            key: *key,
            highest: self.of(key).max(number).into(),
        };
        for slot in &mut self.recent {
            carried = core::mem::replace(slot, carried);
            if carried.key == *key {
                return;
            }
        }
        self.others = self.others.get().max(carried.highest.get()).into();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    pub(crate) fn numbers() -> impl Strategy<Value = Numbers> {
        (
            any::<u64>(),
            prop::collection::vec((1_u8..20, any::<u64>()), 0..20),
        )
            .prop_map(|(others, taken)| {
                let mut numbers = Numbers::above(others);
                for (key, number) in taken {
                    numbers.take(&[key; 32], number);
                }
                numbers
            })
    }

    proptest! {
        /// Against a table without end: a key that is remembered has its own number, and none ever less than it has had.
        #[test]
        fn no_key_starts_below_what_it_has_had(taken in prop::collection::vec((1_u8..14, 0_u64..1000), 0..60)) {
            let mut numbers = Numbers::NONE;
            let mut all: HashMap<u8, u64> = HashMap::new();
            let mut order: std::vec::Vec<u8> = std::vec::Vec::new();
            for (key, number) in taken {
                let before = numbers.of(&[key; 32]);
                prop_assert!(before >= all.get(&key).copied().unwrap_or(0));
                numbers.take(&[key; 32], number);
                all.insert(key, before.max(number));
                order.retain(|other| *other != key);
                order.insert(0, key);
                for (place, key) in order.iter().enumerate() {
                    if place < KEYS {
                        prop_assert_eq!(numbers.of(&[*key; 32]), all[key]);
                    } else {
                        prop_assert!(numbers.of(&[*key; 32]) >= all[key]);
                    }
                }
            }
        }
    }
}
