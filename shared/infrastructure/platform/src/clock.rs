//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use application::ports::Clock;
use domain::timestamp::Timestamp;

/// The wall clock of this machine, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where `Clock` is implemented")]
    fn now(&self) -> Timestamp {
        // A clock that is set before 1970 is read as 1970.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(0).plus(since_epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_after_the_time_at_which_this_code_was_written() {
        assert!(SystemClock.now() > Timestamp::from_millis(1_760_000_000_000));
    }
}
