//! The stable numbers of what a verdict says, as event records carry them.

use crate::verdict::Action;
use crate::verdict::Decision;
use crate::verdict::Level;
use crate::verdict::RuleKind;

macro_rules! numbered {
    ($($name:ident [$($variant:ident),+ $(,)?])+) => {$(
        impl $name {
            /// Every value, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable number.
            pub const fn number(self) -> u8 {
                #[expect(clippy::as_conversions, reason = "the discriminant of a fieldless repr(u8) enum")]
                {
                    self as u8
                }
            }

            /// The value with this number.
            pub fn from_number(number: u64) -> Option<Self> {
                usize::try_from(number).ok().and_then(|number| Self::ALL.get(number)).copied()
            }
        }
    )+};
}

numbered! {
    Decision [Allow, WouldRefuse, Refuse]
    Action [Allow, Deny]
    RuleKind [Hash, FileAttributes, Signer, Option]
    Level [
        Option, Hash, FileName, WhqlFilePublisher, FilePublisher, SignedVersion, WhqlPublisher, Publisher, Whql,
        LeafCertificate, PcaCertificate, RootCertificate, AnyFile,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        fn stand_by_number<T: Copy>(all: &[T], number: fn(T) -> u8) {
            for (at, value) in all.iter().enumerate() {
                assert_eq!(usize::from(number(*value)), at);
            }
        }
        stand_by_number(Level::ALL, Level::number);
        stand_by_number(Decision::ALL, Decision::number);
        stand_by_number(Action::ALL, Action::number);
        stand_by_number(RuleKind::ALL, RuleKind::number);
        for level in Level::ALL {
            assert_eq!(Level::from_number(u64::from(level.number())), Some(*level));
        }
        assert_eq!(Level::ALL.len(), 13);
        assert_eq!(Decision::from_number(2), Some(Decision::Refuse));
        assert_eq!(Decision::from_number(3), None);
        assert_eq!(Action::from_number(1), Some(Action::Deny));
        assert_eq!(RuleKind::from_number(3), Some(RuleKind::Option));
    }
}
