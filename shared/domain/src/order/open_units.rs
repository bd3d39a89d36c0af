//! The units that an account has reserved.

use std::time::Duration;

use crate::identity::UserId;
use crate::timestamp::Timestamp;

/// A period of 30 days, counted from 1970. A unit is **open** from the write that reserves it until
/// its order is cancelled or the period of that write ends: by then it counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenPeriod(i64);

impl OpenPeriod {
    pub const LENGTH: Duration = Duration::from_secs(30 * 24 * 3_600);

    const LENGTH_MS: i64 = 30 * 24 * 3_600 * 1_000;

    /// The period with this number, as it is stored.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis().div_euclid(Self::LENGTH_MS))
    }

    pub const fn number(self) -> i64 {
        self.0
    }

    /// When the period ends, and the next one begins.
    pub const fn end(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(1).saturating_mul(Self::LENGTH_MS))
    }
}

/// The count of an account's open units in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenCount {
    pub user_id: UserId,
    /// The period in which the units were reserved.
    pub period: OpenPeriod,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_thirty_days() {
        let days = Duration::from_secs(2_592_000);
        assert_eq!(OpenPeriod::LENGTH, days);
        assert_eq!(OpenPeriod::new(0).end(), Timestamp::from_millis(0).plus(days));
    }

    #[test]
    fn a_period_begins_as_the_one_before_it_ends() {
        for number in [-1, 0, 1, 685] {
            let end = OpenPeriod::new(number).end();
            let last = Timestamp::from_millis(end.as_millis() - 1);
            assert_eq!(OpenPeriod::of(last).number(), number);
            assert_eq!(OpenPeriod::of(end).number(), number + 1);
            assert_eq!(OpenPeriod::of(end.minus(OpenPeriod::LENGTH)).number(), number);
        }
    }
}
