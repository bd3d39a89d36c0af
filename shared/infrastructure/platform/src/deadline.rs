//! The time that Lambda leaves for an invocation.

use std::time::Duration;

use application::deadline::time_until;
use application::ports::Clock;

use crate::clock::SystemClock;

/// Lambda's longest run time. It is used for an invocation without a known deadline.
const LAMBDA_TIME_MAX: Duration = Duration::from_secs(900);

/// The time until Lambda ends the invocation. `deadline_ms` is that moment in milliseconds since
/// 1970-01-01T00:00:00Z (header `Lambda-Runtime-Deadline-Ms` of the Runtime API).
pub fn time_left(deadline_ms: u64) -> Duration {
    time_until(deadline_ms, SystemClock.now()).unwrap_or(LAMBDA_TIME_MAX)
}
