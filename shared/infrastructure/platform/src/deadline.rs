//! How long Lambda leaves an invocation.

use std::time::Duration;

use application::ports::Clock;
use domain::instant::Instant;

use crate::clock::SystemClock;

/// What is left until the moment at which Lambda ends the invocation, which it tells in
/// milliseconds since 1970-01-01T00:00:00Z (header `Lambda-Runtime-Deadline-Ms` of the Runtime
/// API).
pub fn time_left(deadline_ms: u64) -> Duration {
    let deadline = Instant::from_millis(i64::try_from(deadline_ms).unwrap_or(i64::MAX));
    deadline.since(SystemClock.now())
}
