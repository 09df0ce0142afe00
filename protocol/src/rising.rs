//! Numbers that only rise: of sets under a key, and of the statements that change the key.
//!
//! Who signs chooses the number. A step is bounded, so that nobody who may sign once, and no typing error, uses the numbers up:
//! the highest one would have to be reached by as many accepted signatures as there are steps.

/// Furthest that a number may be above the highest one taken before. Seconds since 1970 fit in one step from 0, until 2106.
pub const MAX_STEP: u64 = 1 << 32;

/// How a number stands to the highest one taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It follows: it is above, and not too far.
    Follows,
    /// It is not above.
    NotAbove,
    /// It is more than [`MAX_STEP`] above.
    TooFar,
}

impl Step {
    /// How `number` stands to `highest`.
    pub const fn from(highest: u64, number: u64) -> Self {
        match number.checked_sub(highest) {
            None | Some(0) => Self::NotAbove,
            Some(1..=MAX_STEP) => Self::Follows,
            Some(_) => Self::TooFar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_follows_when_it_is_above_and_within_the_step() {
        for highest in [0, 7, 1 << 40, u64::MAX - MAX_STEP] {
            assert_eq!(Step::from(highest, highest), Step::NotAbove);
            assert_eq!(Step::from(highest, highest / 2), Step::NotAbove);
            assert_eq!(Step::from(highest, highest + 1), Step::Follows);
            assert_eq!(Step::from(highest, highest + MAX_STEP), Step::Follows);
        }
        assert_eq!(Step::from(0, MAX_STEP + 1), Step::TooFar);
        assert_eq!(Step::from(0, u64::MAX), Step::TooFar);
        assert_eq!(Step::from(u64::MAX, u64::MAX), Step::NotAbove);
    }
}
