//! The wall clock, read in one place.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[expect(
    clippy::disallowed_methods,
    reason = "the host is outside the application and its ports; its clock is the real one"
)]
pub(crate) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The time since the Unix epoch by a clock that is `offset_ms` milliseconds ahead.
pub(crate) fn since_epoch_by(offset_ms: i64) -> Duration {
    let (now, offset) = (since_epoch(), Duration::from_millis(offset_ms.unsigned_abs()));
    if offset_ms < 0 { now.saturating_sub(offset) } else { now + offset }
}
