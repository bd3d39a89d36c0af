//! Deadlines around the client's calls.

use std::future::Future;
use std::time::Duration;

use application::deadline::Deadline;
use application::outcome::Failure;

use crate::fault::{OutOfTime, unavailable};

/// Awaits something until the deadline. Most calls of the client have a time limit, but the client
/// also waits for locks and connections outside of that limit.
pub(crate) async fn within<Value>(
    deadline: Deadline,
    what: &'static str,
    future: impl Future<Output = Value>,
) -> Result<Value, Failure> {
    tokio::time::timeout(deadline.remaining(), future)
        .await
        .map_err(|_| unavailable(OutOfTime(what)))
}

/// The time until a deadline as the client expects it, in whole milliseconds and at least 1.
pub(crate) fn millis_left(deadline: Deadline) -> u64 {
    millis(deadline.remaining()).max(1)
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
