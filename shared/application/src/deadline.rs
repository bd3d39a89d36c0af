//! Deadlines by the monotonic clock.

use std::time::Duration;

use tokio::time::Instant;

/// A moment of the monotonic clock by which something must be over.
///
/// Wall-clock deadlines, which other processes compare, are [`domain::timestamp::Timestamp`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        self.min(other)
    }

    /// A deadline that is `reserve` earlier, to leave time for the steps that follow.
    #[must_use]
    pub fn less(self, reserve: Duration) -> Self {
        Self(self.0.checked_sub(reserve).unwrap_or(self.0))
    }

    /// The time that is left; zero if the deadline has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }
}

/// 2014-11-13T00:00:00Z, when Lambda was announced.
const FIRST_MOMENT_MS: u64 = 1_415_836_800_000;

/// The time from `now` until a moment that the platform gave, in milliseconds since
/// 1970-01-01T00:00:00Z.
///
/// `None` for a moment before Lambda existed: `cargo lambda watch` gives 600,000 for every
/// invocation (its `functions_router.rs`), and a missing moment is 0.
pub fn time_until(moment_ms: u64, now: domain::timestamp::Timestamp) -> Option<Duration> {
    let moment =
        domain::timestamp::Timestamp::from_millis(i64::try_from(moment_ms).unwrap_or(i64::MAX));
    (moment_ms >= FIRST_MOMENT_MS).then(|| moment.since(now))
}
