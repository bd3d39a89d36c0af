//! The time that Lambda leaves for an invocation.

use std::time::Duration;

use application::ports::Clock;
use domain::timestamp::Timestamp;

use crate::clock::SystemClock;

/// Lambda's longest run time.
pub const LAMBDA_TIME_MAX: Duration = Duration::from_secs(900);

/// 2014-11-13T00:00:00Z, when Lambda was announced.
const FIRST_MOMENT_MS: u64 = 1_415_836_800_000;

/// The time until Lambda ends the invocation; [`LAMBDA_TIME_MAX`] if its deadline is not known.
/// `deadline_ms` is as for [`time_until`].
pub fn time_left(deadline_ms: u64) -> Duration {
    time_until(deadline_ms, SystemClock.now()).unwrap_or(LAMBDA_TIME_MAX)
}

/// The time from `now` until Lambda ends the invocation. `deadline_ms` is that moment in
/// milliseconds since 1970-01-01T00:00:00Z (header `Lambda-Runtime-Deadline-Ms` of the Runtime
/// API).
///
/// `None` for a moment before Lambda existed: `cargo lambda watch` gives 600,000 for every
/// invocation (its `functions_router.rs`), and a missing moment is 0.
pub fn time_until(deadline_ms: u64, now: Timestamp) -> Option<Duration> {
    let deadline = Timestamp::from_millis(i64::try_from(deadline_ms).unwrap_or(i64::MAX));
    (deadline_ms >= FIRST_MOMENT_MS).then(|| deadline.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_before_lambda_existed_is_no_deadline() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(time_until(1_800_000_004_000, now), Some(Duration::from_secs(4)));
        assert_eq!(time_until(1_799_999_999_000, now), Some(Duration::ZERO));
        assert_eq!(time_until(FIRST_MOMENT_MS, now), Some(Duration::ZERO));
        for missing in [0, 600_000, FIRST_MOMENT_MS - 1] {
            assert_eq!(time_until(missing, now), None, "{missing}");
        }
    }
}
