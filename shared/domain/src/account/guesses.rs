use std::time::Duration;

use crate::timestamp::Timestamp;

/// The wait after the first guess that is one too many; it doubles with each further one.
const WAIT_FIRST: Duration = Duration::from_secs(30);

/// The longest wait. It is not a lock: after it the next guess is allowed.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// How long a guess may be under way: let through, and not yet known to be right or wrong. Checking
/// a password takes a tenth of a second, and a busy machine several times as long.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// A moment in the past, so that nobody waits for it.
const NEVER: Timestamp = Timestamp::from_millis(0);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessLimit {
    /// How many guesses are allowed before the first wait.
    pub free: u32,
    /// How long after the last guess and its wait all guesses are forgotten.
    pub forget_after: Duration,
}

/// The guesses at one target, such as an account, or everything from one address.
///
/// A guess is counted before it is checked, so that of any number of guesses at once only the
/// allowed number is checked. A right guess is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guesses {
    /// How many were made in a row.
    pub made: u32,
    pub wait_until: Timestamp,
    pub forgotten_at: Timestamp,
}

/// No guess is allowed for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MustWait(pub Duration);

impl Guesses {
    /// The guesses with one more, if it is allowed at `now`.
    ///
    /// # Errors
    ///
    /// [`MustWait`] if not, for at most an hour. A longer wait can only come from a clock that was
    /// set back meanwhile, so it counts as over.
    pub fn one_more(
        known: Option<Self>,
        limit: GuessLimit,
        now: Timestamp,
    ) -> Result<Self, MustWait> {
        let known = known.filter(|known| now < known.forgotten_at);
        let wait = known.map_or(Duration::ZERO, |known| known.wait_until.since(now));
        if !wait.is_zero() && wait <= WAIT_MAX {
            return Err(MustWait(wait));
        }
        let made = known.map_or(0, |known| known.made).saturating_add(1);
        let wait = wait_after(made, limit.free);
        // If there is no wait now, a clock that is set back must not make one either.
        let wait_until = if wait.is_zero() { NEVER } else { now.plus(wait) };
        let forgotten_at = now.plus(wait).plus(limit.forget_after);
        Ok(Self { made, wait_until, forgotten_at })
    }

    /// Whether the next guess has to wait.
    pub const fn is_waiting(&self, limit: GuessLimit) -> bool {
        self.made >= limit.free
    }

    /// Whether the wait may soon be lifted: only the last of the free guesses caused it, and a
    /// guess that is still under way may be right and be taken back.
    pub fn may_be_taken_back(&self, limit: GuessLimit, now: Timestamp) -> bool {
        let made_ago = WAIT_FIRST.checked_sub(self.wait_until.since(now));
        self.made == limit.free && made_ago.is_some_and(|ago| ago < UNDER_WAY)
    }

    /// The guesses without the last one, which was right; `None` if it was the only one. Waits that
    /// wrong guesses caused stay, so that nobody gets more guesses by logging in to an account of
    /// their own.
    pub fn take_back(&self, limit: GuessLimit) -> Option<Self> {
        let made = self.made.saturating_sub(1);
        let caused_by_wrong_ones = made >= limit.free;
        let wait_until = if caused_by_wrong_ones { self.wait_until } else { NEVER };
        (made > 0).then_some(Self { made, wait_until, ..*self })
    }
}

/// How long to wait after `made` guesses: nothing at first, then 30 s, doubling to an hour.
fn wait_after(made: u32, free: u32) -> Duration {
    let Some(too_many) = made.checked_sub(free.max(1)) else { return Duration::ZERO };
    WAIT_FIRST.saturating_mul(1 << too_many.min(16)).min(WAIT_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: GuessLimit = GuessLimit { free: 5, forget_after: Duration::from_secs(86_400) };

    fn after(guesses: u32) -> (Guesses, Timestamp) {
        let mut now = Timestamp::from_millis(1_000_000);
        let mut known = None;
        for _ in 0..guesses {
            let guess = Guesses::one_more(known, LIMIT, now).unwrap();
            now = now.max(guess.wait_until);
            known = Some(guess);
        }
        (known.unwrap(), now)
    }

    #[test]
    fn the_first_guesses_are_free_and_then_each_waits_twice_as_long() {
        let waits: Vec<_> = (1..16)
            .map(|guesses| {
                let (known, _) = after(guesses);
                let before_end = Timestamp::from_millis((known.wait_until.as_millis() - 1).max(0));
                let wait = wait_after(guesses, LIMIT.free);
                let refused = Guesses::one_more(Some(known), LIMIT, before_end).is_err();
                assert_eq!(refused, !wait.is_zero(), "{guesses}");
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]);
    }

    #[test]
    fn the_next_guess_waits_once_the_free_ones_are_made() {
        for (guesses, waits) in [(1, false), (4, false), (5, true), (6, true)] {
            assert_eq!(after(guesses).0.is_waiting(LIMIT), waits, "after {guesses}");
        }
    }

    #[test]
    fn of_two_hundred_guesses_at_one_moment_five_are_made() {
        let now = Timestamp::from_millis(0);
        let mut known = None;
        let made = (0..200)
            .filter(|_| match Guesses::one_more(known, LIMIT, now) {
                Ok(more) => {
                    known = Some(more);
                    true
                }
                Err(MustWait(wait)) => {
                    assert_eq!(wait, WAIT_FIRST);
                    false
                }
            })
            .count();
        assert_eq!(made, 5);
    }

    #[test]
    fn only_the_wait_after_the_last_free_guess_may_be_taken_back_and_only_while_it_is_under_way() {
        let made_at = Timestamp::from_millis(1_000_000);
        let (known, _) = after(LIMIT.free);
        assert!(known.may_be_taken_back(LIMIT, made_at));
        assert!(!known.may_be_taken_back(LIMIT, made_at.plus(UNDER_WAY)));
        let (fewer, _) = after(LIMIT.free - 1);
        assert!(!fewer.may_be_taken_back(LIMIT, made_at));
        let (more, now) = after(LIMIT.free + 1);
        let made_at = Timestamp::from_millis(now.as_millis() - 60_000);
        assert!(!more.may_be_taken_back(LIMIT, made_at));
        // A clock that was set back: the wait is longer than any guess causes.
        assert!(!known.may_be_taken_back(LIMIT, Timestamp::from_millis(0)));
    }

    #[test]
    fn guesses_are_forgotten_and_a_right_one_is_taken_back() {
        let (known, _) = after(8);
        let later = known.forgotten_at;
        assert_eq!(Guesses::one_more(Some(known), LIMIT, later).unwrap().made, 1);
        let back = known.take_back(LIMIT).unwrap();
        assert_eq!((back.made, back.wait_until), (7, known.wait_until));
        let fifth = after(5).0.take_back(LIMIT).unwrap();
        assert!(Guesses::one_more(Some(fifth), LIMIT, Timestamp::from_millis(1_000_000)).is_ok());
        assert_eq!(after(1).0.take_back(LIMIT), None);
    }

    #[test]
    fn a_clock_that_was_set_back_never_makes_anyone_wait_longer_than_an_hour() {
        let (known, ahead) = after(14);
        let hour = i64::try_from(WAIT_MAX.as_millis()).unwrap();
        for set_back_ms in [0, 1, hour, 25 * hour, 10_000 * hour] {
            let mut now = Timestamp::from_millis(ahead.as_millis() - set_back_ms);
            if let Err(MustWait(wait)) = Guesses::one_more(Some(known), LIMIT, now) {
                assert!(wait <= WAIT_MAX, "{wait:?}");
                now = now.plus(wait);
            }
            let next = Guesses::one_more(Some(known), LIMIT, now).unwrap();
            // The guesses stay counted, and the next one waits by the clock as it is now.
            assert_eq!((next.made, next.wait_until), (15, now.plus(WAIT_MAX)), "{set_back_ms}");
        }
    }

    proptest! {
        #[test]
        fn a_day_of_guessing_makes_few_guesses(steps in prop::collection::vec(0_u64..600, 1..400)) {
            let (mut now, mut known, mut made) = (Timestamp::from_millis(0), None, 0_u32);
            for step in steps {
                now = now.plus(Duration::from_secs(step));
                if now.as_secs() > 86_400 { break; }
                if let Ok(more) = Guesses::one_more(known, LIMIT, now) {
                    known = Some(more);
                    made += 1;
                }
            }
            // Five at once, seven while the wait grows, and then one an hour.
            prop_assert!(made <= 5 + 7 + 24, "{}", made);
        }
    }
}
