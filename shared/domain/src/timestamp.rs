//! Moments in time.

use std::time::Duration;

/// A moment: milliseconds since 1970-01-01T00:00:00Z, as read from a wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `duration` later, or the last moment that fits into the type.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `duration` earlier, or the first moment that fits into the type.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is not earlier, as happens when a
    /// wall clock is set back.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether at `now` less than `age` has passed since this moment. Not if it is later than
    /// `now`: the clock was set back, and how much time has passed is not known.
    pub fn is_younger_than(self, age: Duration, now: Self) -> bool {
        self <= now && now.since(self) < age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_moment_before_the_first_is_the_first() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(now.minus(Duration::from_secs(2)), Timestamp::from_millis(-1_000));
        let first = Timestamp::from_millis(i64::MIN);
        assert_eq!(first.minus(Duration::from_millis(1)), first);
    }

    #[test]
    fn seconds_are_rounded_down_before_1970_as_well() {
        for (millis, secs) in [(0, 0), (999, 0), (61_999, 61), (-1, -1), (-1_000, -1), (-1_001, -2)]
        {
            assert_eq!(Timestamp::from_millis(millis).as_secs(), secs, "{millis} ms");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_negative_wait() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(now.since(Timestamp::from_millis(400)), Duration::from_millis(600));
        assert_eq!(now.since(Timestamp::from_millis(5_000)), Duration::ZERO);
    }

    #[test]
    fn a_moment_is_young_until_its_age_is_reached_and_not_after_the_clock_was_set_back() {
        let moment = Timestamp::from_millis(1_000);
        let is_young = |now| moment.is_younger_than(MINUTE, Timestamp::from_millis(now));
        assert!(is_young(1_000) && is_young(60_999));
        assert!(!is_young(61_000) && !is_young(999));
        assert!(!moment.is_younger_than(Duration::ZERO, moment));
    }
}
