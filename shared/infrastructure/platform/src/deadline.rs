//! How long Lambda leaves an invocation.

use std::time::Duration;

use application::deadline::time_until;
use application::ports::Clock;

use crate::clock::SystemClock;

/// The longest that Lambda runs anything: the time of an invocation whose end nobody tells.
const LAMBDA_TIME_MAX: Duration = Duration::from_secs(900);

/// What is left until the moment at which Lambda ends the invocation, which it tells in
/// milliseconds since 1970-01-01T00:00:00Z (header `Lambda-Runtime-Deadline-Ms` of the Runtime
/// API).
pub fn time_left(deadline_ms: u64) -> Duration {
    time_until(deadline_ms, SystemClock.now()).unwrap_or(LAMBDA_TIME_MAX)
}
