use std::time::Duration;

use super::MustWait;
use crate::timestamp::Timestamp;

/// How often something may be done: some times in a row, and in the long run once an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How often it may be done in a row after a long pause.
    pub at_once: u32,
    /// The pause after which it may be done once more.
    pub interval: Duration,
}

/// How much of a rate is used: one moment, because each use is forgotten one interval after the one
/// before it (the generic cell rate algorithm, ITU-T I.371, appendix II).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateUse(Timestamp);

/// A longer wait can only come from a clock that was set back, so it counts as over.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

impl RateUse {
    pub const NONE: Self = Self(Timestamp::from_millis(0));

    /// The use that is forgotten at this moment.
    pub const fn forgotten_at(moment: Timestamp) -> Self {
        Self(moment)
    }

    /// When all of the use is forgotten.
    pub const fn moment(self) -> Timestamp {
        self.0
    }

    /// The use with one more, if the rate allows it at `now`.
    ///
    /// # Errors
    ///
    /// [`MustWait`] if it does not, for at most an hour.
    pub fn one_more(self, rate: Rate, now: Timestamp) -> Result<Self, MustWait> {
        let all = rate.interval.saturating_mul(rate.at_once);
        let after = self.0.max(now).plus(rate.interval);
        let wait = after.since(now.plus(all));
        if wait > WAIT_MAX {
            return Ok(Self(now.plus(rate.interval)));
        }
        if wait.is_zero() { Ok(Self(after)) } else { Err(MustWait(wait)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const RATE: Rate = Rate { at_once: 5, interval: MINUTE };
    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn used(times: u32) -> RateUse {
        (0..times).fold(RateUse::NONE, |used, _| used.one_more(RATE, START).unwrap())
    }

    #[test]
    fn some_uses_in_a_row_are_allowed_and_then_one_an_interval() {
        let mut all = used(5);
        assert_eq!(all.one_more(RATE, START), Err(MustWait(MINUTE)));
        let mut now = START;
        for _ in 0..3 {
            now = now.plus(Duration::from_secs(59));
            assert_eq!(all.one_more(RATE, now), Err(MustWait(Duration::from_secs(1))));
            now = now.plus(Duration::from_secs(1));
            all = all.one_more(RATE, now).unwrap();
        }
        // All is forgotten after five intervals.
        now = now.plus(5 * MINUTE);
        let again = (0..5).try_fold(all, |used, _| used.one_more(RATE, now));
        assert_eq!(again.unwrap().one_more(RATE, now), Err(MustWait(MINUTE)));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_for_more_than_an_hour() {
        let hour = 60 * 60 * 1_000;
        for set_back_ms in [0, 1_000, hour / 2, hour, 30 * hour] {
            let now = Timestamp::from_millis(START.as_millis() - set_back_ms);
            match used(5).one_more(RATE, now) {
                Ok(fresh) => assert_eq!(fresh.moment(), now.plus(MINUTE), "{set_back_ms}"),
                Err(MustWait(wait)) => assert!(wait <= WAIT_MAX, "{wait:?}"),
            }
        }
        // Clocks that are a second apart change nothing.
        let behind = Timestamp::from_millis(START.as_millis() - 1_000);
        assert_eq!(used(5).one_more(RATE, behind), Err(MustWait(Duration::from_secs(61))));
    }

    #[test]
    fn a_wait_of_exactly_an_hour_is_not_over() {
        let hour = Duration::from_secs(3_600);
        let now = START.minus(hour - MINUTE);
        assert_eq!(used(5).one_more(RATE, now), Err(MustWait(hour)));
        assert!(used(5).one_more(RATE, now.minus(Duration::from_millis(1))).is_ok());
    }

    proptest! {
        #[test]
        fn in_no_span_of_time_is_more_allowed_than_the_rate_says(
            steps in prop::collection::vec(0_u64..100_000, 1..300),
        ) {
            let (mut now, mut used, mut allowed) = (START, RateUse::NONE, Vec::new());
            for step in steps {
                now = now.plus(Duration::from_millis(step));
                if let Ok(more) = used.one_more(RATE, now) {
                    used = more;
                    allowed.push(now);
                }
            }
            for (first, begin) in allowed.iter().enumerate() {
                for (last, end) in allowed.iter().enumerate().skip(first) {
                    let intervals = end.since(*begin).as_millis() / RATE.interval.as_millis();
                    prop_assert!((last - first + 1) as u128 <= 5 + intervals);
                }
            }
        }

        #[test]
        fn whoever_waits_that_long_is_let_through(times in 0_u32..=5, step_ms in 0_u64..400_000) {
            let now = START.plus(Duration::from_millis(step_ms));
            if let Err(MustWait(wait)) = used(times).one_more(RATE, now) {
                prop_assert!(used(times).one_more(RATE, now.plus(wait)).is_ok());
            }
        }
    }
}
